//! The stand-alone `usage` filter: counts the tokens of LLM traffic in an ordinary Envoy and changes
//! nothing.

use std::sync::Arc;

use filter_config::{Endpoint, UsageMeter};
use llm_dialects::detect;
use llm_dialects::inspect::{self, AnswerFacts};

use crate::endpoints::{self, Endpoints, Found};
use crate::phases::Phases;
use crate::record::{Outcome, RECORD_STATE, Record, RecordedUsage};
use crate::watched::Watched;
use crate::{BodyFlow, BodyMode, HeaderMap, HeadersFlow, Host};

/// Compiled configuration of the filter.
#[derive(Debug)]
pub(crate) struct UsagePlan {
    endpoints: Endpoints,
    limit: usize,
}

impl UsagePlan {
    pub(crate) fn new(config: UsageMeter) -> Self {
        Self {
            endpoints: Endpoints::new(&config.endpoints),
            limit: usize::try_from(config.max_response_body_bytes).unwrap_or(usize::MAX),
        }
    }
}

/// One request in the filter.
#[derive(Debug)]
pub(crate) struct UsageExchange {
    plan: Arc<UsagePlan>,
    called: Option<Found>,
    /// The status the client gets; 0 before there is one.
    status: u16,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    None,
    /// Bytes so far of a JSON answer with this status.
    Json(u16, Vec<u8>),
    Stream(Box<Watched>),
}

impl UsageExchange {
    pub(crate) fn new(plan: Arc<UsagePlan>) -> Self {
        Self { plan, called: None, status: 0, answer: Answer::None }
    }
}

impl Phases for UsageExchange {
    fn request_headers(&mut self, host: &mut dyn Host, _end: bool) -> HeadersFlow {
        if host.header(HeaderMap::Request, ":method").as_deref() == Some("POST") {
            let path = host.header(HeaderMap::Request, ":path");
            self.called = path
                .and_then(|path| self.plan.endpoints.find(&path))
                .filter(|found| found.endpoint != Endpoint::Passthrough);
        }
        HeadersFlow::Continue(BodyMode::Skip)
    }

    fn response_headers(&mut self, host: &mut dyn Host, end: bool) -> HeadersFlow {
        let Some(endpoint) = self.called.as_ref().map(|called| called.endpoint) else {
            return HeadersFlow::Continue(BodyMode::Skip);
        };
        let status =
            host.header(HeaderMap::Response, ":status").and_then(|v| v.parse::<u16>().ok()).unwrap_or(0);
        self.status = status;
        let content_type = host.header(HeaderMap::Response, "content-type").unwrap_or_default();
        let encoded = host
            .header(HeaderMap::Response, "content-encoding")
            .is_some_and(|value| !value.eq_ignore_ascii_case("identity"));
        if end || encoded {
            let note = encoded.then(|| "compressed answer: usage unknown".to_owned());
            self.record(host, &AnswerFacts::default(), outcome(status), note);
            return HeadersFlow::Continue(BodyMode::Skip);
        }
        if let Some(framing) = crate::provider::stream_framing(&content_type) {
            self.answer = Answer::Stream(Box::new(Watched::new(endpoint, framing)));
            self.record(host, &AnswerFacts::default(), Outcome::Partial, None);
        } else if crate::provider::is_json(&content_type) || status >= 400 {
            self.answer = Answer::Json(status, Vec::new());
        } else {
            // Sound and the like: nothing to count in it.
            self.record(host, &AnswerFacts::default(), outcome(status), None);
            return HeadersFlow::Continue(BodyMode::Skip);
        }
        HeadersFlow::Continue(BodyMode::Chunks)
    }

    fn response_body(&mut self, host: &mut dyn Host, body: &[u8], end: bool) -> BodyFlow {
        match std::mem::replace(&mut self.answer, Answer::None) {
            Answer::None => {}
            Answer::Json(status, mut bytes) => {
                if bytes.len().saturating_add(body.len()) > self.plan.limit {
                    let note = "answer larger than max_response_body_bytes: usage unknown".to_owned();
                    self.record(host, &AnswerFacts::default(), outcome(status), Some(note));
                } else if end {
                    let whole = if bytes.is_empty() {
                        body
                    } else {
                        bytes.extend_from_slice(body);
                        &bytes
                    };
                    self.count(host, status, whole);
                } else {
                    bytes.extend_from_slice(body);
                    self.answer = Answer::Json(status, bytes);
                }
            }
            Answer::Stream(mut stream) => {
                let known = stream.facts().usage;
                stream.feed(body, end, |_| ());
                if end {
                    let outcome = if stream.complete() && !stream.failed() {
                        Outcome::Complete
                    } else {
                        Outcome::Failed
                    };
                    self.record(host, stream.facts(), outcome, stream.broken().map(ToString::to_string));
                } else {
                    if stream.facts().usage != known {
                        self.record(host, stream.facts(), Outcome::Partial, None);
                    }
                    self.answer = Answer::Stream(stream);
                }
            }
        }
        BodyFlow::Keep
    }

    fn complete(&mut self, host: &mut dyn Host) {
        if self.called.is_some() {
            crate::llm::observe_record(host, self.status);
        }
    }
}

impl UsageExchange {
    fn count(&self, host: &mut dyn Host, status: u16, body: &[u8]) {
        let Some(endpoint) = self.called.as_ref().map(|called| called.endpoint) else { return };
        if status >= 400 {
            self.record(host, &AnswerFacts::default(), Outcome::Failed, Some(format!("status {status}")));
            return;
        }
        let read = match endpoints::dialect(endpoint) {
            Some(dialect) => inspect::response(dialect, body),
            None => Ok(detect::facts(body)),
        };
        match read {
            Ok(facts) => self.record(host, &facts, Outcome::Complete, None),
            Err(error) => {
                self.record(host, &AnswerFacts::default(), Outcome::Complete, Some(error.to_string()))
            }
        }
    }

    fn record(&self, host: &mut dyn Host, facts: &AnswerFacts, outcome: Outcome, error: Option<String>) {
        let record = Record {
            client: self.called.as_ref().map(|called| called.endpoint.name().into()),
            answered_model: facts.model.as_deref().map(Into::into),
            stream: matches!(self.answer, Answer::Stream(_)),
            usage: facts.usage.map(RecordedUsage::from),
            outcome,
            error: error.map(Into::into),
            ..Record::default()
        };
        host.publish(RECORD_STATE, &record.to_json());
    }
}

fn outcome(status: u16) -> Outcome {
    if status >= 400 { Outcome::Failed } else { Outcome::Complete }
}
