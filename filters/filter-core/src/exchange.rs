//! One request and its response, as one filter sees it.

use std::sync::Arc;

use crate::api_keys::{ApiKeysExchange, ApiKeysPlan};
use crate::guard::{GuardExchange, GuardPlan};
use crate::limit::{LimitExchange, LimitPlan};
use crate::llm::{LlmExchange, LlmPlan};
use crate::order::OrderExchange;
use crate::phases::Phases;
use crate::provider::{ProviderExchange, ProviderPlan};
use crate::usage::{UsageExchange, UsagePlan};
use crate::{BodyFlow, CallAnswer, Direction, HeadersFlow, Host, LocalReply, Overflow};

/// The state of one request in one filter. See the crate documentation for how to drive it.
#[derive(Debug)]
pub struct Exchange(Kind);

#[derive(Debug)]
enum Kind {
    Llm(LlmExchange),
    ApiKeys(ApiKeysExchange),
    Guard(Box<GuardExchange>),
    Limit(LimitExchange),
    Order(OrderExchange),
    Provider(ProviderExchange),
    Usage(UsageExchange),
}

/// Calls the method of the filter at hand.
macro_rules! dispatch {
    ($self:ident, $exchange:ident => $call:expr) => {
        match &mut $self.0 {
            Kind::Llm($exchange) => $call,
            Kind::ApiKeys($exchange) => $call,
            Kind::Guard($exchange) => $call,
            Kind::Limit($exchange) => $call,
            Kind::Order($exchange) => $call,
            Kind::Provider($exchange) => $call,
            Kind::Usage($exchange) => $call,
        }
    };
}

impl Exchange {
    pub(crate) fn llm(plan: Arc<LlmPlan>) -> Self {
        Self(Kind::Llm(LlmExchange::new(plan)))
    }

    pub(crate) fn api_keys(plan: Arc<ApiKeysPlan>) -> Self {
        Self(Kind::ApiKeys(ApiKeysExchange::new(plan)))
    }

    pub(crate) fn guard(plan: Arc<GuardPlan>) -> Self {
        Self(Kind::Guard(Box::new(GuardExchange::new(plan))))
    }

    pub(crate) fn limit(plan: Arc<LimitPlan>) -> Self {
        Self(Kind::Limit(LimitExchange::new(plan)))
    }

    pub(crate) fn order() -> Self {
        Self(Kind::Order(OrderExchange))
    }

    pub(crate) fn provider(plan: Arc<ProviderPlan>) -> Self {
        Self(Kind::Provider(ProviderExchange::new(plan)))
    }

    pub(crate) fn usage(plan: Arc<UsagePlan>) -> Self {
        Self(Kind::Usage(UsageExchange::new(plan)))
    }

    /// Request headers have arrived; `end` when no body follows.
    pub fn request_headers(&mut self, host: &mut dyn Host, end: bool) -> HeadersFlow {
        dispatch!(self, exchange => exchange.request_headers(host, end))
    }

    /// A chunk of the request body (`Chunks`), or all of it (`Whole`).
    pub fn request_body(&mut self, host: &mut dyn Host, body: &[u8], end: bool) -> BodyFlow {
        dispatch!(self, exchange => exchange.request_body(host, body, end))
    }

    /// The held request body grew past its limit.
    pub fn request_overflow(&mut self, host: &mut dyn Host) -> LocalReply {
        dispatch!(self, exchange => exchange.request_overflow(host))
    }

    /// Response headers have arrived; `end` when no body follows.
    pub fn response_headers(&mut self, host: &mut dyn Host, end: bool) -> HeadersFlow {
        dispatch!(self, exchange => exchange.response_headers(host, end))
    }

    /// A chunk of the response body (`Chunks`), or all of it (`Whole`).
    pub fn response_body(&mut self, host: &mut dyn Host, body: &[u8], end: bool) -> BodyFlow {
        dispatch!(self, exchange => exchange.response_body(host, body, end))
    }

    /// The held response body grew past its limit.
    pub fn response_overflow(&mut self, host: &mut dyn Host) -> Overflow {
        dispatch!(self, exchange => exchange.response_overflow(host))
    }

    /// The service asked with [`BodyFlow::Call`] has answered, or, with `None`, has not: there is no such cluster, no
    /// connection, or it took too long. Headers and body of `direction` are still held, as when it was asked; `Keep`
    /// lets the body go on as it came.
    pub fn answered(
        &mut self,
        host: &mut dyn Host,
        direction: Direction,
        answer: Option<CallAnswer>,
    ) -> BodyFlow {
        match &mut self.0 {
            Kind::Guard(exchange) => exchange.answered(host, direction, answer),
            // They ask nobody.
            Kind::Llm(_)
            | Kind::ApiKeys(_)
            | Kind::Limit(_)
            | Kind::Order(_)
            | Kind::Provider(_)
            | Kind::Usage(_) => BodyFlow::Keep,
        }
    }

    /// The request is over: it was answered, or the client went away. Headers cannot be read any more. Downstream
    /// filters only; at most once.
    pub fn complete(&mut self, host: &mut dyn Host) {
        match &mut self.0 {
            Kind::Llm(exchange) => exchange.complete(host),
            Kind::Limit(exchange) => exchange.complete(host),
            Kind::Usage(exchange) => exchange.complete(host),
            Kind::ApiKeys(_) | Kind::Guard(_) | Kind::Order(_) | Kind::Provider(_) => {}
        }
    }
}
