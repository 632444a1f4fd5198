//! The upstream `provider` filter: makes one attempt at one provider, in that provider's dialect, and
//! gives its answer the caller's dialect.
//!
//! A fresh exchange runs for every attempt and sees the client's original body, but the request headers
//! are those the previous attempt left: so this filter sets absolutes and removes what any provider may
//! have added, and never derives anything from what it finds.

mod model;
mod request;
mod response;
mod stream;

use std::sync::Arc;

use filter_config::Provider;
use llm_dialects::Dialect;

use crate::endpoints;
use crate::handoff::Handoff;
use crate::record::{Outcome, RECORD_STATE, Record, RecordedUsage};
use crate::{BodyFlow, HeadersFlow, Host, LocalReply, Overflow};
use llm_dialects::inspect::AnswerFacts;
use model::Aliases;

/// Compiled configuration of the filter.
#[derive(Debug)]
pub(crate) struct ProviderPlan {
    config: Provider,
    speaks: Vec<(Dialect, Option<String>)>,
    aliases: Aliases,
}

impl ProviderPlan {
    pub(crate) fn new(config: Provider) -> Self {
        let speaks = config
            .speaks
            .iter()
            .map(|upstream| (endpoints::dialect(upstream.endpoint), upstream.path.clone()))
            .collect();
        Self { speaks, aliases: Aliases::new(&config.model_aliases), config }
    }

    /// What a client's request is sent as: its own dialect where the provider speaks it, else the
    /// provider's first.
    fn upstream_for(&self, client: Dialect) -> (Dialect, Option<&str>) {
        self.speaks
            .iter()
            .find(|(dialect, _)| *dialect == client)
            .or_else(|| self.speaks.first())
            .map_or((client, None), |(dialect, path)| (*dialect, path.as_deref()))
    }

    /// The model the provider is asked for.
    fn model_for<'a>(&'a self, asked: &'a str) -> &'a str {
        let model = self.config.model.as_deref().unwrap_or(asked);
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
    upstream: Dialect,
    /// The model sent, where it differs from the one asked for.
    sent_model: Option<String>,
    /// Usage goes into a translated stream. OpenAI clients that did not ask for it often take every chunk to
    /// have a choice, which the one with the usage has not.
    wants_usage: bool,
}

impl Attempt {
    /// The record of this attempt.
    fn record<'a>(
        &'a self,
        plan: &'a ProviderPlan,
        facts: &'a AnswerFacts,
        outcome: Outcome,
        error: Option<String>,
    ) -> Record<'a> {
        Record {
            path: Some(self.handoff.path.as_str().into()),
            client: Some(self.handoff.client.name().into()),
            provider: Some(plan.config.name.as_str().into()),
            upstream: Some(self.upstream.name().into()),
            model: Some(self.handoff.model.as_str().into()),
            sent_model: self.sent_model.as_deref().map(Into::into),
            answered_model: facts.model.as_deref().map(Into::into),
            stream: self.handoff.stream,
            request_bytes: Some(self.handoff.body_bytes),
            usage: facts.usage.map(RecordedUsage::from),
            outcome,
            invalid: self.handoff.invalid.as_ref().map(|invalid| invalid.field.as_str().into()),
            error: error.map(Into::into),
        }
    }
}

impl ProviderExchange {
    pub(crate) fn new(plan: Arc<ProviderPlan>) -> Self {
        Self { plan, attempt: None, answer: response::Answer::Untouched }
    }

    pub(crate) fn request_headers(&mut self, host: &mut dyn Host, end: bool) -> HeadersFlow {
        request::headers(self, host, end)
    }

    pub(crate) fn request_body(&mut self, host: &mut dyn Host, body: &[u8], _end: bool) -> BodyFlow {
        request::body(self, host, body)
    }

    pub(crate) fn request_overflow(&mut self, host: &mut dyn Host) -> LocalReply {
        request::overflow(self, host)
    }

    pub(crate) fn response_headers(&mut self, host: &mut dyn Host, end: bool) -> HeadersFlow {
        response::headers(self, host, end)
    }

    pub(crate) fn response_body(&mut self, host: &mut dyn Host, body: &[u8], end: bool) -> BodyFlow {
        response::body(self, host, body, end)
    }

    pub(crate) fn response_overflow(&mut self, host: &mut dyn Host) -> Overflow {
        response::overflow(self, host)
    }

    /// Publishes what is known of the exchange.
    fn record(&self, host: &mut dyn Host, facts: &AnswerFacts, outcome: Outcome, error: Option<String>) {
        if let Some(attempt) = &self.attempt {
            host.publish(RECORD_STATE, &attempt.record(&self.plan, facts, outcome, error).to_json());
        }
    }
}
