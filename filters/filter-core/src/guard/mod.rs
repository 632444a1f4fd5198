//! The `guard` filter: looks at prompts and answers, and masks or rejects what its guards find.
//!
//! It works on what the client says and gets, in the client's dialect: alone in anyone's chain of filters, or before
//! `provider` on a cluster, so that guards are those of the provider a request really goes to.

mod answer;
mod document;
mod plan;
mod reject;
mod restoring;
mod service;
mod stream;
mod texts;
mod verdict;

use std::borrow::Cow;
use std::sync::Arc;

use filter_config::{Endpoint, OnFailure};
use guard_services::{Asked, Verdict};
use llm_dialects::Error;
use prompt_guard::Vault;

use self::answer::Answer;
use self::document::{Kind, Unreadable};
pub(crate) use self::plan::GuardPlan;
use self::plan::{Compiled, Rule};
use self::reject::DETAILS;
use self::reject::Refusal;
use self::texts::Texts;
use self::verdict::{Found, Outcome, Verdicts};
use crate::endpoints::percent_decode;
use crate::error_form::ErrorForm;
use crate::handoff::{Handoff, too_large};
use crate::phases::Phases;
use crate::{
    Attribute, BodyFlow, BodyMode, CallAnswer, Direction, HeaderMap, HeadersFlow, Host, Level, LocalReply,
    Overflow, record,
};

/// Whether the error on its way to the client is a guard's, to be left as it is.
pub(crate) fn has_answered(host: &dyn Host) -> bool {
    host.attribute(Attribute::ResponseCodeDetails).is_some_and(|details| details == DETAILS)
        || host.state(REPLY_STATE).is_some()
}

/// Whether a guard holds the streamed answer until it is complete: ending it early would lose it.
pub(crate) fn holds_stream(host: &dyn Host) -> bool {
    host.state(HELD_STATE).is_some()
}

/// State key that says that a guard holds a streamed answer until it is complete.
const HELD_STATE: &str = "weir.guard.held";

/// State key that says that an answer was refused by a guard.
const REPLY_STATE: &str = "weir.guard.reply";

/// The status by which Envoy is told of an answer that a guard has refused: one that no other provider is asked after.
const REFUSED: u16 = 403;

/// One request in the filter.
#[derive(Debug)]
pub(crate) struct GuardExchange {
    plan: Arc<GuardPlan>,
    called: Option<Called>,
    vault: Vault,
    verdicts: Verdicts,
    /// What guards that ask services tell them of the request's headers, rule by rule.
    told: Told,
    /// The body a service is being asked about.
    asking: Option<Work>,
    answer: Answer,
}

/// What the client called.
#[derive(Debug, Clone, Copy)]
struct Called {
    endpoint: Endpoint,
    form: ErrorForm,
    /// The answer comes as a JSON array.
    json_array: bool,
    /// The filter is on a cluster.
    on_cluster: bool,
}

/// Headers for services.
#[derive(Debug, Default)]
struct Told {
    request: Vec<Vec<(String, String)>>,
    response: Vec<Vec<(String, String)>>,
}

/// A whole body on its way through the guards.
#[derive(Debug)]
struct Work {
    kind: Kind,
    body: Vec<u8>,
    texts: Texts,
    /// The number of the guard that is next.
    rule: usize,
    /// What it has asked.
    asked: Option<Asked>,
}

impl GuardExchange {
    pub(crate) fn new(plan: Arc<GuardPlan>) -> Self {
        Self {
            plan,
            called: None,
            vault: Vault::new(),
            verdicts: Verdicts::default(),
            told: Told::default(),
            asking: None,
            answer: Answer::Untouched,
        }
    }
}

impl Phases for GuardExchange {
    fn request_headers(&mut self, host: &mut dyn Host, end: bool) -> HeadersFlow {
        let Some(called) = self.recognise(host) else { return HeadersFlow::Continue(BodyMode::Skip) };
        self.called = Some(called);
        if matches!(called.endpoint, Endpoint::OpenaiRealtime | Endpoint::Passthrough) {
            // Nobody can see what is said there.
            let plan = Arc::clone(&self.plan);
            let refusal = self
                .without(host, Direction::Request, &plan.request)
                .or_else(|| self.without(host, Direction::Response, &plan.response));
            return refusal.map_or(HeadersFlow::Continue(BodyMode::Skip), |refusal| {
                HeadersFlow::Reply(self.refuse_request(host, &refusal))
            });
        }
        if !self.plan.response.is_empty() || self.plan.restores {
            // Compressed answers cannot be read.
            host.remove_header(HeaderMap::Request, "accept-encoding");
        }
        let tell = |rules: &[Rule]| {
            rules
                .iter()
                .map(|rule| match &rule.check {
                    Compiled::Service(service) => service.told(host),
                    _ => Vec::new(),
                })
                .collect()
        };
        self.told = Told { request: tell(&self.plan.request), response: tell(&self.plan.response) };
        if end || self.plan.request.is_empty() {
            return HeadersFlow::Continue(BodyMode::Skip);
        }
        let limit = self.plan.max_request;
        let announced =
            host.header(HeaderMap::Request, "content-length").and_then(|v| v.parse::<usize>().ok());
        if announced.is_some_and(|length| length > limit) {
            return HeadersFlow::Reply(self.request_overflow(host));
        }
        HeadersFlow::Continue(BodyMode::Whole { limit })
    }

    fn request_body(&mut self, host: &mut dyn Host, body: &[u8], _end: bool) -> BodyFlow {
        let Some(called) = self.called else { return BodyFlow::Keep };
        if called.endpoint == Endpoint::OpenaiModels && body.is_empty() {
            return BodyFlow::Keep;
        }
        match document::read(called.endpoint, Kind::Request, body) {
            Ok(texts) => {
                if self.plan.restores {
                    self.vault = restoring::vault(&self.plan, body, &texts, host.now_ms());
                }
                let work = Work { kind: Kind::Request, body: body.to_vec(), texts, rule: 0, asked: None };
                self.run(host, Direction::Request, work)
            }
            Err(unreadable) => {
                let plan = Arc::clone(&self.plan);
                let Some(mut refusal) = self.without(host, Direction::Request, &plan.request) else {
                    return BodyFlow::Keep;
                };
                if let Unreadable::Broken(message) = unreadable {
                    refusal = Refusal::of(Error::client("", message).to_api_error());
                }
                BodyFlow::Reply(self.refuse_request(host, &refusal))
            }
        }
    }

    fn request_overflow(&mut self, host: &mut dyn Host) -> LocalReply {
        let refusal = Refusal::of(too_large(self.plan.max_request as u64));
        self.refuse_request(host, &refusal)
    }

    fn answered(
        &mut self,
        host: &mut dyn Host,
        direction: Direction,
        answer: Option<CallAnswer>,
    ) -> BodyFlow {
        let Some(mut work) = self.asking.take() else { return BodyFlow::Keep };
        let plan = Arc::clone(&self.plan);
        let Some(rule) = plan.rules(direction).get(work.rule) else { return BodyFlow::Keep };
        let Compiled::Service(service) = &rule.check else { return BodyFlow::Keep };
        let judged = match (answer, work.asked.take()) {
            (Some(answer), Some(asked)) => service.judge(&answer, &asked),
            _ => Err("it did not answer".to_owned()),
        };
        let found = |outcome| Found { outcome, matches: 0, shadow: rule.shadow };
        match judged {
            Ok(Verdict::Pass) => self.note(host, rule, direction, found(Outcome::Pass)),
            Ok(Verdict::Mask(contents)) => {
                self.note(host, rule, direction, found(Outcome::Mask));
                if !rule.shadow {
                    work.texts.set_messages(&rule.scope, &contents);
                }
            }
            Ok(Verdict::Reject { status, message, .. }) => {
                self.note(host, rule, direction, found(Outcome::Reject));
                if !rule.shadow {
                    let refusal = Refusal::rejected(&rule.rejection, status, message);
                    return self.refuse(host, direction, &refusal);
                }
            }
            Err(why) => {
                host.log(Level::Warn, &format!("weir: guard `{}` failed: {why}", rule.name));
                if let Some(refusal) = self.failed(host, rule, direction) {
                    return self.refuse(host, direction, &refusal);
                }
            }
        }
        work.rule += 1;
        self.run(host, direction, work)
    }

    fn response_headers(&mut self, host: &mut dyn Host, end: bool) -> HeadersFlow {
        self.answer_headers(host, end)
    }

    fn response_body(&mut self, host: &mut dyn Host, body: &[u8], end: bool) -> BodyFlow {
        self.answer_body(host, body, end)
    }

    fn response_overflow(&mut self, host: &mut dyn Host) -> Overflow {
        self.answer_overflow(host)
    }
}

impl GuardExchange {
    fn recognise(&self, host: &dyn Host) -> Option<Called> {
        if let Some(handoff) = Handoff::read(host) {
            if handoff.fault().is_some() {
                // It is refused behind this filter.
                return None;
            }
            return Some(Called {
                endpoint: handoff.client,
                form: handoff.error_form(),
                json_array: handoff.traits.json_array,
                on_cluster: true,
            });
        }
        let path = host.header(HeaderMap::Request, ":path")?;
        let (bare, query) = path.split_once('?').unwrap_or((&path, ""));
        // A server may undo escapes before it looks at a path.
        let found =
            self.plan.endpoints.find(bare).or_else(|| self.plan.endpoints.find(&percent_decode(bare)))?;
        let method = host.header(HeaderMap::Request, ":method")?;
        let realtime = found.endpoint == Endpoint::OpenaiRealtime;
        if method != "POST" && !realtime {
            return None;
        }
        let sse = query.split('&').any(|pair| pair == "alt=sse");
        Some(Called {
            endpoint: found.endpoint,
            form: ErrorForm::of(found.endpoint),
            json_array: found.endpoint == Endpoint::GeminiGenerateContent && found.stream && !sse,
            on_cluster: false,
        })
    }

    /// Passes a whole body through the guards from `work.rule` on.
    fn run(&mut self, host: &mut dyn Host, direction: Direction, mut work: Work) -> BodyFlow {
        let plan = Arc::clone(&self.plan);
        while let Some(rule) = plan.rules(direction).get(work.rule) {
            let refusal = match &rule.check {
                Compiled::Service(service) => {
                    let messages = work.texts.messages(&rule.scope);
                    let told = self.told.of(direction, work.rule);
                    if let Some(question) = service.ask(direction, &messages, told) {
                        work.asked = Some(question.asked);
                        self.asking = Some(work);
                        return BodyFlow::Call(question.callout);
                    }
                    None
                }
                _ => self.look(host, rule, direction, &mut work.texts),
            };
            if let Some(refusal) = refusal {
                return self.refuse(host, direction, &refusal);
            }
            work.rule += 1;
        }
        self.let_go(host, direction, work)
    }

    /// What a guard that asks nobody makes of texts.
    fn look(
        &mut self,
        host: &mut dyn Host,
        rule: &Rule,
        direction: Direction,
        texts: &mut Texts,
    ) -> Option<Refusal> {
        let (outcome, matches) = match &rule.check {
            Compiled::Text { guards, rejects, .. } => {
                match texts.pass(guards, &rule.scope, &mut self.vault) {
                    Ok(0) => (Outcome::Pass, 0),
                    Ok(matches) if *rejects => (Outcome::Reject, matches),
                    Ok(matches) => (Outcome::Mask, matches),
                    Err(_) => (Outcome::Reject, 1),
                }
            }
            Compiled::Length(limits) => {
                let fits = plan::fits_length(limits, &self.shown(direction, texts), &rule.scope, direction);
                (if fits { Outcome::Pass } else { Outcome::Reject }, 0)
            }
            Compiled::Schema(schema) => {
                let fits = plan::fits_schema(schema, &self.shown(direction, texts));
                (if fits { Outcome::Pass } else { Outcome::Reject }, 0)
            }
            Compiled::Service(_) => return None,
        };
        self.note(host, rule, direction, Found { outcome, matches, shadow: rule.shadow });
        (outcome == Outcome::Reject && !rule.shadow).then(|| Refusal::rejected(&rule.rejection, None, None))
    }

    /// Whether values are to be put back into what goes this way.
    fn restores(&self, direction: Direction) -> bool {
        direction == Direction::Response && self.plan.restores && !self.vault.is_empty()
    }

    /// The texts as they are going to leave: how long an answer is and whether it fits a schema is asked of what the
    /// client gets.
    fn shown<'a>(&mut self, direction: Direction, texts: &'a Texts) -> Cow<'a, Texts> {
        if !self.restores(direction) {
            return Cow::Borrowed(texts);
        }
        let mut texts = texts.clone();
        texts.restore(&mut self.vault);
        Cow::Owned(texts)
    }

    /// A whole body has passed all guards.
    fn let_go(&mut self, host: &mut dyn Host, direction: Direction, mut work: Work) -> BodyFlow {
        let Some(called) = self.called else { return BodyFlow::Keep };
        if self.restores(direction) {
            work.texts.restore(&mut self.vault);
        }
        let (map, acts) = match direction {
            Direction::Request => (HeaderMap::Request, self.plan.changes_requests),
            Direction::Response => (HeaderMap::Response, self.plan.changes_answers),
        };
        match document::write(called.endpoint, work.kind, &work.body, &work.texts, acts) {
            Ok(body) => {
                // Also when nothing has changed: an earlier attempt may have announced another length.
                host.set_header(map, "content-length", &body.len().to_string());
                if body == work.body { BodyFlow::Keep } else { BodyFlow::Replace(body) }
            }
            Err(_) => {
                // Masking has made of it what no body may be: for want of something better it is refused.
                let refusal = Refusal::unavailable("mask");
                self.refuse(host, direction, &refusal)
            }
        }
    }

    /// These guards cannot be evaluated at all: why nothing may pass, or `None` when all of them allow it.
    fn without(&mut self, host: &mut dyn Host, direction: Direction, rules: &[Rule]) -> Option<Refusal> {
        let mut refusal = None;
        for rule in rules {
            let of_rule = self.failed(host, rule, direction);
            refusal = refusal.or(of_rule);
        }
        refusal
    }

    /// A guard cannot be evaluated: why nothing may pass, or `None` when it allows that.
    fn failed(&mut self, host: &mut dyn Host, rule: &Rule, direction: Direction) -> Option<Refusal> {
        let found = Found { outcome: Outcome::Failed, matches: 0, shadow: rule.shadow };
        self.note(host, rule, direction, found);
        let refuses = rule.on_failure == OnFailure::Refuse && !rule.shadow;
        refuses.then(|| Refusal::unavailable(&rule.name))
    }

    fn note(&mut self, host: &mut dyn Host, rule: &Rule, direction: Direction, found: Found) {
        self.verdicts.note(host, &rule.name, phase(direction), found);
    }

    fn refuse(&mut self, host: &mut dyn Host, direction: Direction, refusal: &Refusal) -> BodyFlow {
        match direction {
            Direction::Request => BodyFlow::Reply(self.refuse_request(host, refusal)),
            Direction::Response => BodyFlow::Replace(self.refuse_answer(host, refusal)),
        }
    }

    fn refuse_request(&mut self, host: &mut dyn Host, refusal: &Refusal) -> LocalReply {
        record::refuse(host, refusal.error.code.as_deref().unwrap_or_default());
        self.called.map_or_else(
            || refusal.answer(ErrorForm::of(Endpoint::OpenaiChat)),
            |called| refusal.answer(called.form),
        )
    }
}

/// What the direction is called in logs and metrics.
fn phase(direction: Direction) -> &'static str {
    match direction {
        Direction::Request => "request",
        Direction::Response => "response",
    }
}

impl Told {
    fn of(&self, direction: Direction, rule: usize) -> &[(String, String)] {
        let told = match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        };
        told.get(rule).map(Vec::as_slice).unwrap_or_default()
    }
}
