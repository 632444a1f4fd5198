//! The response direction: whole answers, and streams.

use std::sync::Arc;

use filter_config::Endpoint;
use llm_dialects::Error;
use llm_dialects::dialect::Framing;
use llm_dialects::hub::{ApiError, StreamEvent};

use super::document::{self, Kind, Unreadable};
use super::plan::{Compiled, GuardPlan};
use super::reject::Refusal;
use super::stream::{GuardedStream, Stopped};
use super::verdict::{Found, Outcome};
use super::{Called, GuardExchange, HELD_STATE, REFUSED, REPLY_STATE, Work, phase};
use crate::error_form::ErrorForm;
use crate::provider::{is_json, stream_framing};
use crate::{
    BodyFlow, BodyMode, Direction, HeaderMap, HeadersFlow, Host, Level, Overflow, endpoints, failover, record,
};

/// What is being done with the answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// Nothing.
    Untouched,
    /// It is held whole; `None`: it cannot be read.
    Whole(Option<Kind>),
    /// It passes event by event.
    Stream(Box<GuardedStream>, Vec<bool>),
    /// It was ended here: how that stands in the record, and why.
    Over(record::Outcome, String),
}

impl GuardExchange {
    pub(super) fn answer_headers(&mut self, host: &mut dyn Host, end: bool) -> HeadersFlow {
        let skip = HeadersFlow::Continue(BodyMode::Skip);
        let Some(called) = self.called else { return skip };
        let status = host.header(HeaderMap::Response, ":status").and_then(|v| v.parse::<u16>().ok());
        let success = status.is_some_and(|status| (200..300).contains(&status));
        if end || !success || (self.plan.response.is_empty() && self.vault.is_empty()) {
            return skip;
        }
        if called.endpoint == Endpoint::OpenaiModels {
            // The names of models are nothing that one of them says.
            return skip;
        }
        let content_type = host.header(HeaderMap::Response, "content-type").unwrap_or_default();
        let encoded = host
            .header(HeaderMap::Response, "content-encoding")
            .is_some_and(|value| !value.eq_ignore_ascii_case("identity"));
        let framing = stream_framing(&content_type);
        let kind = if encoded {
            None
        } else if let Some(framing) = framing {
            if !self.plan.whole_answers {
                return self.start_stream(host, called, framing);
            }
            Some(Kind::Stream(framing))
        } else if is_json(&content_type) {
            Some(if called.json_array { Kind::Array } else { Kind::Answer })
        } else if content_type.starts_with("text/") {
            Some(Kind::Plain)
        } else if ["audio/", "image/", "video/"].iter().any(|kind| content_type.starts_with(kind)) {
            // There is no text in it.
            return skip;
        } else {
            None
        };
        if matches!(kind, Some(Kind::Stream(_) | Kind::Array)) {
            host.publish(HELD_STATE, b"1");
        }
        self.answer = Answer::Whole(kind);
        HeadersFlow::Continue(BodyMode::Whole { limit: self.plan.max_response })
    }

    pub(super) fn answer_body(&mut self, host: &mut dyn Host, body: &[u8], end: bool) -> BodyFlow {
        match std::mem::replace(&mut self.answer, Answer::Untouched) {
            Answer::Untouched => BodyFlow::Keep,
            Answer::Over(outcome, why) => {
                // What still comes has been recorded before this filter saw it, as if the answer went on.
                conclude(host, outcome, &why);
                self.answer = Answer::Over(outcome, why);
                BodyFlow::Replace(Vec::new())
            }
            Answer::Whole(kind) => self.whole_answer(host, kind, body),
            Answer::Stream(stream, noted) => self.stream_chunk(host, stream, noted, body, end),
        }
    }

    pub(super) fn answer_overflow(&mut self, host: &mut dyn Host) -> Overflow {
        let plan = Arc::clone(&self.plan);
        match self.without(host, Direction::Response, &plan.response) {
            Some(_) => {
                let error = Error::upstream("it is larger than what this gateway's guards may look at");
                Overflow::Replace(self.refuse_answer(host, &Refusal::of(error.to_api_error())))
            }
            None => Overflow::Release,
        }
    }

    fn whole_answer(&mut self, host: &mut dyn Host, kind: Option<Kind>, body: &[u8]) -> BodyFlow {
        let Some(called) = self.called else { return BodyFlow::Keep };
        let texts = kind.map(|kind| (kind, document::read(called.endpoint, kind, body)));
        if let Some((kind, Ok(texts))) = texts {
            let work = Work { kind, body: body.to_vec(), texts, rule: 0, asked: None };
            return self.run(host, Direction::Response, work);
        }
        let plan = Arc::clone(&self.plan);
        match self.without(host, Direction::Response, &plan.response) {
            Some(refusal) => BodyFlow::Replace(self.refuse_answer(host, &refusal)),
            None => BodyFlow::Keep,
        }
    }

    fn start_stream(&mut self, host: &mut dyn Host, called: Called, framing: Framing) -> HeadersFlow {
        host.remove_header(HeaderMap::Response, "content-length");
        let stream = GuardedStream::new(Arc::clone(&self.plan), called.endpoint, framing);
        self.answer = Answer::Stream(Box::new(stream), vec![false; self.plan.response.len()]);
        HeadersFlow::Continue(BodyMode::Chunks)
    }

    fn stream_chunk(
        &mut self,
        host: &mut dyn Host,
        mut stream: Box<GuardedStream>,
        mut noted: Vec<bool>,
        body: &[u8],
        end: bool,
    ) -> BodyFlow {
        let mut out = Vec::with_capacity(body.len() + body.len() / 4);
        let result = stream.chunk(body, end, &mut self.vault, &mut out);
        let plan = Arc::clone(&self.plan);
        let rejected = match &result {
            Err(Stopped::Rejected(rule)) => Some(*rule),
            _ => None,
        };
        let matches = stream.matches();
        for (number, (rule, noted)) in plan.response.iter().zip(&mut noted).enumerate() {
            let matches = matches.get(number).copied().unwrap_or_default();
            let rejects = matches!(&rule.check, Compiled::Text { rejects: true, .. });
            let outcome = match (rejected == Some(number) || (matches > 0 && rejects), matches) {
                (true, _) => Outcome::Reject,
                (false, 0) => Outcome::Pass,
                (false, _) => Outcome::Mask,
            };
            // What is found is noted at once, what is not found when all has been seen.
            if !*noted && (outcome != Outcome::Pass || (end && result.is_ok())) {
                *noted = true;
                let found = Found { outcome, matches, shadow: rule.shadow };
                self.note(host, rule, Direction::Response, found);
            } else if *noted {
                self.verdicts.count(host, &rule.name, phase(Direction::Response), matches);
            }
        }
        let (outcome, refusal) = match result {
            Ok(()) => {
                self.answer = Answer::Stream(stream, noted);
                return BodyFlow::Replace(out);
            }
            Err(Stopped::Rejected(rule)) => match plan.response.get(rule) {
                Some(rule) => (record::Outcome::Refused, Refusal::rejected(&rule.rejection, None, None)),
                None => (record::Outcome::Refused, Refusal::unavailable("response")),
            },
            Err(Stopped::Unreadable(why)) => match self.unreadable(host, &why, &plan) {
                Some(refusal) => (record::Outcome::Refused, refusal),
                None => {
                    let error = Error::upstream("the stream is broken").to_api_error();
                    (record::Outcome::Failed, Refusal::of(error))
                }
            },
        };
        let why = refusal.error.code.clone().unwrap_or_default();
        conclude(host, outcome, &why);
        self.answer = Answer::Over(outcome, why);
        if let Some(called) = self.called {
            cut_off(called.endpoint, stream.sent(), refusal.error, &mut out);
        }
        if end {
            return BodyFlow::Replace(out);
        }
        BodyFlow::End { last: out, on_cluster: self.called.is_some_and(|called| called.on_cluster) }
    }

    /// An answer cannot be read: why it may not pass, or `None` when all guards allow it.
    fn unreadable(&mut self, host: &mut dyn Host, why: &Unreadable, plan: &GuardPlan) -> Option<Refusal> {
        let why = match why {
            Unreadable::Broken(why) => why,
            Unreadable::Opaque => "its text cannot be seen",
        };
        host.log(Level::Warn, &format!("weir: an answer could not be checked: {why}"));
        self.without(host, Direction::Response, &plan.response)
    }

    /// Puts the refusal in place of an answer whose headers are held; gives the body.
    pub(super) fn refuse_answer(&mut self, host: &mut dyn Host, refusal: &Refusal) -> Vec<u8> {
        let form = self.called.map_or(ErrorForm::of(Endpoint::OpenaiChat), |called| called.form);
        let answer = refusal.answer(form);
        record::refuse(host, refusal.error.code.as_deref().unwrap_or_default());
        if self.called.is_some_and(|called| called.on_cluster) {
            // Another provider's answer would not be less of a refusal.
            failover::set_status(host, REFUSED, answer.status);
            host.publish(REPLY_STATE, b"1");
        } else {
            host.set_header(HeaderMap::Response, ":status", &answer.status.to_string());
        }
        host.remove_header(HeaderMap::Response, "content-encoding");
        for (name, value) in &answer.headers {
            host.set_header(HeaderMap::Response, name, value);
        }
        host.set_header(HeaderMap::Response, "content-length", &answer.body.len().to_string());
        answer.body
    }
}

/// Puts into the record of a request, if there is one, how its answer was ended here.
fn conclude(host: &mut dyn Host, outcome: record::Outcome, why: &str) {
    record::edit(host, |record| {
        record.outcome = outcome;
        record.error = Some(why.to_owned().into());
    });
}

/// Ends a stream of which `sent` events have left with an error.
fn cut_off(endpoint: Endpoint, sent: u64, error: ApiError, out: &mut Vec<u8>) {
    let mut encoder = endpoints::family(endpoint).stream_encoder(0, false);
    encoder.behind(sent);
    encoder.event(&StreamEvent::Error(error), out);
}
