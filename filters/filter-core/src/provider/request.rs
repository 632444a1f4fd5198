//! The request direction: the body in the provider's format.

use std::sync::Arc;

use filter_config::Endpoint;
use llm_dialects::Dialect;
use llm_dialects::hub::{ApiError, ErrorKind};

use super::operation::{Operation, Sent};
use super::speaks::{Format, Way};
use super::{Attempt, ProviderExchange, ProviderPlan, Timing, headers};
use crate::endpoints;
use crate::error_form::ErrorForm;
use crate::handoff::{self, Handoff};
use crate::llm::{error_reply, reply};
use crate::record::Outcome;
use crate::{BodyFlow, BodyMode, HeaderMap, HeadersFlow, Host, LocalReply};

pub(super) fn headers(exchange: &mut ProviderExchange, host: &mut dyn Host, end: bool) -> HeadersFlow {
    let Some(handoff) = Handoff::read(host) else {
        return HeadersFlow::Reply(unknown_endpoint(exchange, host));
    };
    let plan = Arc::clone(&exchange.plan);
    let model = plan.model_for(&handoff.model).to_owned();
    let no_model = model.is_empty() && !plan.policy_sets_model;
    let fault = handoff.fault().filter(|_| handoff.invalid.is_some() || no_model);
    if let Some(error) = fault {
        return HeadersFlow::Reply(refuse(exchange, host, handoff, &error));
    }
    let Some(way) = plan.speaks.way(handoff.client, &model) else {
        let error = no_such_endpoint(&plan, handoff.client);
        return HeadersFlow::Reply(refuse(exchange, host, handoff, &error));
    };
    let client = handoff.client;
    let format = format_of(way);
    let upstream = format.map_or(client, |format| format.endpoint);
    let Some(operation) = Operation::new(client, &handoff.path, way, &model) else {
        let error = no_such_model(&plan, client, &model);
        return HeadersFlow::Reply(refuse(exchange, host, handoff, &error));
    };
    if let Some(health) = &plan.health {
        health.asking(host);
    }
    headers::set(host, &plan, &handoff, upstream, format, &model);
    let mut attempt = Attempt {
        handoff,
        upstream,
        operation,
        model,
        wants_usage: true,
        takes_usage_out: false,
        timing: Timing::default(),
    };
    attempt.takes_usage_out = attempt.must_ask_for_usage();
    let untouched = !attempt.changes_body(&plan, format);
    if untouched && !plan.config.guarded {
        restore_length(host, attempt.handoff.body_bytes);
    }
    let has_failed = attempt.handoff.has_failed;
    exchange.attempt = Some(attempt);
    if has_failed {
        // What stands in the record is over. Should the client leave now, this provider may have begun.
        exchange.record_nothing(host, Outcome::Partial, None);
    }
    if untouched || end {
        return HeadersFlow::Continue(BodyMode::Skip);
    }
    HeadersFlow::Continue(BodyMode::Whole { limit: MAX_HELD_REQUEST })
}

/// The format a request is sent in.
fn format_of(way: Way<'_>) -> Option<&Format> {
    match way {
        Way::Same(format) | Way::Translated(format) => Some(format),
        Way::Unlisted | Way::Local => None,
    }
}

impl Attempt {
    /// Usage must be asked for on behalf of a client that did not.
    fn must_ask_for_usage(&self) -> bool {
        self.operation == Operation::Same
            && self.upstream == Endpoint::OpenaiChat
            && self.handoff.stream
            && !self.handoff.traits.include_usage
    }

    /// The request lets the model generate more than was reserved for the answer, or sets no limit.
    fn asks_for_more_than_reserved(&self) -> bool {
        let traits = &self.handoff.traits;
        let more = |cap: u64| traits.max_output.is_none_or(|asked| asked > cap);
        endpoints::limited(self.upstream).is_some() && traits.output_cap.is_some_and(more)
    }

    /// The provider gets another body than the client sent.
    fn changes_body(&self, plan: &ProviderPlan, format: Option<&Format>) -> bool {
        if matches!(self.upstream, Endpoint::OpenaiRealtime | Endpoint::OpenaiModels) {
            // A WebSocket, or no body at all.
            return false;
        }
        if self.has_policy(plan) {
            return true;
        }
        let Some(format) = format else { return self.operation != Operation::Unlisted };
        let names_model_in_body = !format.model_in_path();
        self.operation != Operation::Same
            || self.takes_usage_out
            || self.asks_for_more_than_reserved()
            || self.handoff.traits.foreign_signature
            || format.variant.is_some()
            || !format.overrides.is_empty()
            || (names_model_in_body && (self.sent_model().is_some() || self.handoff.traits.model_in_path))
    }
}

/// Gives an untouched body its own length back: an earlier attempt may have announced that of a translation.
fn restore_length(host: &mut dyn Host, body_bytes: u64) {
    let announced = host.header(HeaderMap::Request, "content-length");
    let own = body_bytes.to_string();
    if announced.is_some_and(|announced| announced != own) {
        host.set_header(HeaderMap::Request, "content-length", &own);
    }
}

/// Most bytes of a request body this filter holds: more than any limit of the downstream filter, which has bounded the
/// body already.
const MAX_HELD_REQUEST: usize = 1 << 30;

pub(super) fn body(exchange: &mut ProviderExchange, host: &mut dyn Host, body: &[u8]) -> BodyFlow {
    let plan = Arc::clone(&exchange.plan);
    let Some(attempt) = &mut exchange.attempt else { return BodyFlow::Keep };
    let content_type = host.header(HeaderMap::Request, "content-type").unwrap_or_default();
    let before = attempt.model.clone();
    let rewritten = attempt.rewrite(&plan, body, &content_type);
    if attempt.model != before {
        // The policy has chosen another model, which may be asked for elsewhere.
        let way = plan.speaks.way(attempt.handoff.client, &attempt.model);
        let format = way.and_then(format_of);
        headers::set(host, &plan, &attempt.handoff, attempt.upstream, format, &attempt.model);
    }
    match rewritten {
        Ok(Sent::Body { bytes, content_type }) => {
            host.set_header(HeaderMap::Request, "content-length", &bytes.len().to_string());
            if let Some(content_type) = content_type {
                host.set_header(HeaderMap::Request, "content-type", content_type);
            }
            BodyFlow::Replace(bytes)
        }
        Ok(Sent::Answer(body)) => {
            exchange.record_nothing(host, Outcome::Complete, None);
            BodyFlow::Reply(reply(200, body, "weir_answered"))
        }
        Err(error) => {
            let api_error = error.to_api_error();
            let client = attempt.handoff.error_form();
            exchange.record_nothing(host, Outcome::Refused, Some(api_error.message.clone()));
            BodyFlow::Reply(refusal(client, &api_error, "weir_bad_request"))
        }
    }
}

pub(super) fn overflow(exchange: &mut ProviderExchange, _host: &mut dyn Host) -> LocalReply {
    let attempt = exchange.attempt.as_ref();
    let client = attempt.map_or(ErrorForm::of(Endpoint::OpenaiChat), |attempt| attempt.handoff.error_form());
    refusal(client, &handoff::too_large(MAX_HELD_REQUEST as u64), "weir_request_too_large")
}

/// An error as a reply.
fn refusal(client: ErrorForm, error: &ApiError, details: &'static str) -> LocalReply {
    error_reply(client, error, details)
}

fn refuse(
    exchange: &mut ProviderExchange,
    host: &mut dyn Host,
    handoff: Handoff,
    error: &ApiError,
) -> LocalReply {
    let client = handoff.error_form();
    exchange.attempt = Some(Attempt {
        upstream: handoff.client,
        operation: Operation::Same,
        model: handoff.model.clone(),
        handoff,
        wants_usage: true,
        takes_usage_out: false,
        timing: Timing::default(),
    });
    exchange.record_nothing(host, Outcome::Refused, Some(error.message.clone()));
    refusal(client, error, "weir_bad_request")
}

/// The provider offers nothing that could serve an endpoint.
fn no_such_endpoint(plan: &ProviderPlan, client: Endpoint) -> ApiError {
    ApiError {
        status: 404,
        kind: ErrorKind::NotFound,
        code: Some("unsupported_by_provider".to_owned()),
        param: None,
        message: format!(
            "Provider `{}` does not serve `{}` requests; it speaks {}.",
            plan.config.name,
            client.name(),
            plan.speaks.names()
        ),
    }
}

/// The provider has no known format for a model.
fn no_such_model(plan: &ProviderPlan, client: Endpoint, model: &str) -> ApiError {
    ApiError {
        status: 400,
        kind: ErrorKind::InvalidRequest,
        code: Some("unsupported_by_provider".to_owned()),
        param: Some("model".to_owned()),
        message: format!(
            "Requests of `{}` cannot be translated for the model `{model}` of provider `{}`.",
            client.name(),
            plan.config.name
        ),
    }
}

/// A path on which no LLM format is spoken was routed to an LLM provider.
fn unknown_endpoint(exchange: &ProviderExchange, host: &dyn Host) -> LocalReply {
    let path = host.header(HeaderMap::Request, ":path").unwrap_or_default();
    let path = path.split_once('?').map_or(path.as_str(), |(path, _)| path);
    let method = host.header(HeaderMap::Request, ":method").unwrap_or_default();
    let error = ApiError {
        status: 404,
        kind: ErrorKind::NotFound,
        code: Some("unknown_url".to_owned()),
        param: None,
        message: format!(
            "Unknown request URL: {method} {path}. Provider `{}` is reached with POST to …/chat/completions or \
             …/responses (OpenAI), …/messages (Anthropic), …/models/MODEL:generateContent (Gemini) or \
             …/model/MODEL/converse (Bedrock).",
            exchange.plan.config.name
        ),
    };
    reply(404, Dialect::OpenaiChat.encode_error(&error), "weir_unknown_endpoint")
}
