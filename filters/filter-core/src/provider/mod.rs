//! The upstream `provider` filter: makes one attempt at one provider, in that provider's format, and
//! gives its answer the caller's.
//!
//! A fresh exchange runs for every attempt and sees the client's original body, but the request headers
//! are those the previous attempt left: so this filter sets absolutes and removes what any provider may
//! have added, and never derives anything from what it finds.

mod headers;
mod json_array;
mod model;
mod operation;
mod pass_through;
mod request;
mod response;
mod speaks;
mod stream;

use std::sync::Arc;

use filter_config::{Endpoint, Provider};

use crate::fields;
use crate::handoff::Handoff;
use crate::health::Health;
use crate::phases::Phases;
use crate::record::{Outcome, RECORD_STATE, Record, RecordedUsage};
use crate::{BodyFlow, HeadersFlow, Host, LocalReply, Overflow};
use llm_dialects::inspect::AnswerFacts;
pub(crate) use model::Aliases;
use operation::Operation;
use request_policy::RequestPolicy;
pub(crate) use response::{is_json, stream_framing};
use speaks::Speaks;

/// Compiled configuration of the filter.
#[derive(Debug)]
pub(crate) struct ProviderPlan {
    config: Provider,
    speaks: Speaks,
    aliases: Aliases,
    policy: RequestPolicy,
    /// The policy may choose the model.
    policy_sets_model: bool,
    /// Present where others can be asked instead.
    health: Option<Health>,
}

impl ProviderPlan {
    pub(crate) fn new(config: Provider) -> Result<Self, filter_config::Error> {
        let policy =
            RequestPolicy::compile(&config.policy).map_err(|error| filter_config::Error::Invalid {
                filter: "provider",
                field: "policy".to_owned(),
                message: error.to_string(),
            })?;
        let wanted = &config.policy;
        let policy_sets_model = wanted.overrides.contains_key("model")
            || wanted.transformations.contains_key("model")
            || wanted.defaults.contains_key("model");
        let health =
            config.cluster.as_deref().map(|cluster| Health::new(&config.health, cluster)).transpose()?;
        Ok(Self {
            health,
            speaks: Speaks::new(&config),
            aliases: Aliases::new(&config.model_aliases),
            policy,
            policy_sets_model,
            config,
        })
    }

    /// The model the provider is asked for.
    fn model_for<'a>(&'a self, asked: &'a str) -> &'a str {
        self.alias(self.config.model.as_deref().unwrap_or(asked))
    }

    /// The model another one stands for.
    fn alias<'a>(&'a self, model: &'a str) -> &'a str {
        self.aliases.resolve(model).unwrap_or(model)
    }
}

/// One attempt.
#[derive(Debug)]
pub(crate) struct ProviderExchange {
    plan: Arc<ProviderPlan>,
    attempt: Option<Attempt>,
    answer: response::Answer,
}

/// What is known of an attempt once its headers were read.
#[derive(Debug)]
struct Attempt {
    handoff: Handoff,
    /// What the provider is asked at.
    upstream: Endpoint,
    operation: Operation,
    /// The model sent.
    model: String,
    /// Usage goes into a translated stream. OpenAI clients that did not ask for it often take every chunk to
    /// have a choice, which the one with the usage has not.
    wants_usage: bool,
    /// The provider was asked for usage the client did not ask for: it is taken out of the passing stream.
    takes_usage_out: bool,
    timing: Timing,
}

/// When pieces of the answer came, in milliseconds after the request.
#[derive(Debug, Clone, Copy, Default)]
struct Timing {
    first: Option<u64>,
    last: Option<u64>,
}

impl Attempt {
    /// The model sent, where it differs from the one asked for.
    fn sent_model(&self) -> Option<&str> {
        (self.model != self.handoff.model).then_some(self.model.as_str())
    }

    /// A piece of the answer has come.
    fn mark_time(&mut self, host: &dyn Host) {
        let now = host.now_ms().saturating_sub(self.handoff.started_ms);
        self.timing.first.get_or_insert(now);
        self.timing.last = Some(now);
    }

    /// The record of this attempt.
    fn record<'a>(
        &'a self,
        plan: &'a ProviderPlan,
        known: &Known<'a>,
        outcome: Outcome,
        error: Option<String>,
    ) -> Record<'a> {
        Record {
            path: Some(self.handoff.path.as_str().into()),
            client: Some(self.handoff.client.name().into()),
            provider: Some(plan.config.name.as_str().into()),
            upstream: Some(self.upstream.name().into()),
            model: (!self.handoff.model.is_empty()).then(|| self.handoff.model.as_str().into()),
            sent_model: self.sent_model().map(Into::into),
            answered_model: known.facts.model.as_deref().map(Into::into),
            stream: self.handoff.stream,
            request_bytes: Some(self.handoff.body_bytes),
            usage: known.facts.usage.map(RecordedUsage::from),
            estimated: known.estimated,
            started_ms: Some(self.handoff.started_ms),
            time_to_first_token_ms: self.timing.first,
            duration_ms: self.timing.last,
            attempt: None,
            exhausted: false,
            traits: self.handoff.traits,
            outcome,
            invalid: self.handoff.invalid.as_ref().map(|invalid| invalid.field.as_str().into()),
            error: error.map(Into::into),
        }
    }
}

/// What is known of an answer.
#[derive(Debug, Clone, Copy)]
struct Known<'a> {
    facts: &'a AnswerFacts,
    /// The usage in them is an estimate.
    estimated: bool,
}

impl<'a> From<&'a AnswerFacts> for Known<'a> {
    fn from(facts: &'a AnswerFacts) -> Self {
        Self { facts, estimated: false }
    }
}

impl ProviderExchange {
    pub(crate) fn new(plan: Arc<ProviderPlan>) -> Self {
        Self { plan, attempt: None, answer: response::Answer::Untouched }
    }
}

impl Phases for ProviderExchange {
    fn request_headers(&mut self, host: &mut dyn Host, end: bool) -> HeadersFlow {
        request::headers(self, host, end)
    }

    fn request_body(&mut self, host: &mut dyn Host, body: &[u8], _end: bool) -> BodyFlow {
        request::body(self, host, body)
    }

    fn request_overflow(&mut self, host: &mut dyn Host) -> LocalReply {
        request::overflow(self, host)
    }

    fn response_headers(&mut self, host: &mut dyn Host, end: bool) -> HeadersFlow {
        response::headers(self, host, end)
    }

    fn response_body(&mut self, host: &mut dyn Host, body: &[u8], end: bool) -> BodyFlow {
        response::body(self, host, body, end)
    }

    fn response_overflow(&mut self, host: &mut dyn Host) -> Overflow {
        response::overflow(self, host)
    }
}

impl ProviderExchange {
    /// Publishes what is known of the exchange.
    fn record<'a>(
        &'a self,
        host: &mut dyn Host,
        known: impl Into<Known<'a>>,
        outcome: Outcome,
        error: Option<String>,
    ) {
        if let Some(attempt) = &self.attempt {
            let record = attempt.record(&self.plan, &known.into(), outcome, error);
            host.publish(RECORD_STATE, &record.to_json());
            if attempt.handoff.traits.publish_fields {
                fields::publish(host, &record);
            }
        }
    }

    /// Publishes that nothing is known of the answer.
    fn record_nothing(&self, host: &mut dyn Host, outcome: Outcome, error: Option<String>) {
        self.record(host, &AnswerFacts::default(), outcome, error);
    }
}
