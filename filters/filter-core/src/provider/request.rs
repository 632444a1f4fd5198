//! The request direction: headers as the provider wants them, body in its dialect.

use std::borrow::Cow;

use filter_config::{Credential, CredentialHeader};
use llm_dialects::hub::{ApiError, ErrorKind};
use llm_dialects::inspect::AnswerFacts;
use llm_dialects::{Dialect, Error, edit};

use super::{Attempt, ProviderExchange};
use crate::handoff::{self, Handoff};
use crate::llm::reply;
use crate::record::Outcome;
use crate::{BodyFlow, BodyMode, HeaderMap, HeadersFlow, Host, LocalReply};

/// Request headers that carry a credential for some provider. None of them may reach a provider it was
/// not meant for, be it the client's or one an earlier attempt added.
const CREDENTIAL_HEADERS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

/// How the tokens of Anthropic subscriptions begin (`claude setup-token`). They are no API keys: the API takes them
/// as `Authorization: Bearer` only, even though it takes keys as `x-api-key`.
const OAUTH_TOKEN_PREFIX: &str = "sk-ant-oat";

/// Headers only OpenAI understands, which name the client's account there.
const OPENAI_HEADERS: [&str; 2] = ["openai-organization", "openai-project"];

/// Headers only Anthropic understands.
const ANTHROPIC_HEADERS: [&str; 3] =
    ["anthropic-version", "anthropic-beta", "anthropic-dangerous-direct-browser-access"];

/// The version of the Messages API that the translation writes and reads
/// (<https://docs.anthropic.com/en/api/versioning>).
const ANTHROPIC_VERSION: &str = "2023-06-01";

pub(super) fn headers(exchange: &mut ProviderExchange, host: &mut dyn Host, end: bool) -> HeadersFlow {
    let Some(handoff) = Handoff::read(host) else {
        return HeadersFlow::Reply(unknown_endpoint(exchange, host));
    };
    let plan = &exchange.plan;
    let client = handoff.client;
    if let Some(invalid) = &handoff.invalid {
        let error = invalid.to_api_error();
        return HeadersFlow::Reply(refuse(exchange, host, handoff, &error));
    }
    let (upstream, path) = plan.upstream_for(client);
    let model = plan.model_for(&handoff.model);
    let sent_model = (model != handoff.model).then(|| model.to_owned());

    host.remove_headers(HeaderMap::Request, &unwanted(upstream, plan.config.model_header.as_deref()));
    set_dialect_version(host, client, upstream);
    set_credential(host, &plan.config.credential);
    if let Some(path) = path {
        host.set_header(HeaderMap::Request, ":path", path);
    }
    if let Some(authority) = &plan.config.host {
        host.set_header(HeaderMap::Request, ":authority", authority);
    }

    let untouched = client == upstream && sent_model.is_none();
    if untouched {
        restore_length(host, handoff.body_bytes);
    }
    exchange.attempt = Some(Attempt { handoff, upstream, sent_model, wants_usage: true });
    // A request without a body is invalid, so `end` cannot be seen here; skipping is right all the same.
    if untouched || end {
        return HeadersFlow::Continue(BodyMode::Skip);
    }
    HeadersFlow::Continue(BodyMode::Whole { limit: MAX_HELD_REQUEST })
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
    let Some(attempt) = &mut exchange.attempt else { return BodyFlow::Keep };
    match rewrite(attempt, body) {
        Ok(Rewritten { body: new, wants_usage }) => {
            attempt.wants_usage = wants_usage;
            host.set_header(HeaderMap::Request, "content-length", &new.len().to_string());
            host.set_header(HeaderMap::Request, "content-type", "application/json");
            BodyFlow::Replace(new)
        }
        Err(error) => {
            let api_error = error.to_api_error();
            let client = attempt.handoff.client;
            exchange.record(host, &AnswerFacts::default(), Outcome::Refused, Some(api_error.message.clone()));
            BodyFlow::Reply(reply(
                client.error_status(&api_error),
                client.encode_error(&api_error),
                "weir_bad_request",
            ))
        }
    }
}

pub(super) fn overflow(exchange: &mut ProviderExchange, _host: &mut dyn Host) -> LocalReply {
    let client = exchange.attempt.as_ref().map_or(Dialect::OpenaiChat, |attempt| attempt.handoff.client);
    let error = handoff::too_large(MAX_HELD_REQUEST as u64);
    reply(client.error_status(&error), client.encode_error(&error), "weir_request_too_large")
}

/// What the provider is sent.
struct Rewritten {
    /// The body.
    body: Vec<u8>,
    /// The client wants usage in a streamed answer.
    wants_usage: bool,
}

/// The body as the provider gets it.
fn rewrite(attempt: &Attempt, body: &[u8]) -> Result<Rewritten, Error> {
    let client = attempt.handoff.client;
    if client == attempt.upstream {
        let model = attempt.sent_model.as_deref().unwrap_or(&attempt.handoff.model);
        return Ok(Rewritten { body: edit::set_model(body, model)?, wants_usage: true });
    }
    let mut request = client.decode_request(body)?;
    if let Some(model) = &attempt.sent_model {
        request.model = Cow::Borrowed(model);
    }
    let wants_usage = request.stream.is_some_and(|stream| stream.include_usage);
    Ok(Rewritten { body: attempt.upstream.encode_request(&request)?, wants_usage })
}

/// The headers that must not reach the provider.
fn unwanted(upstream: Dialect, model_header: Option<&str>) -> Vec<&str> {
    let foreign: &[&str] = match upstream {
        Dialect::OpenaiChat => &ANTHROPIC_HEADERS,
        Dialect::AnthropicMessages => &OPENAI_HEADERS,
    };
    let mut names = Vec::with_capacity(CREDENTIAL_HEADERS.len() + foreign.len() + 2);
    names.extend(CREDENTIAL_HEADERS);
    names.extend(foreign);
    // Answers must stay readable.
    names.push("accept-encoding");
    names.extend(model_header);
    names
}

fn set_credential(host: &mut dyn Host, credential: &Credential) {
    if let Credential::Client { header } = credential
        && let Some(kept) = handoff::kept_credential(host)
    {
        match header {
            CredentialHeader::XApiKey if !kept.starts_with(OAUTH_TOKEN_PREFIX) => {
                host.set_header(HeaderMap::Request, "x-api-key", &kept);
            }
            CredentialHeader::Bearer | CredentialHeader::XApiKey => {
                host.set_header(HeaderMap::Request, "authorization", &format!("Bearer {kept}"));
            }
        }
    }
}

fn set_dialect_version(host: &mut dyn Host, client: Dialect, upstream: Dialect) {
    // A translated request speaks one known version, an untouched one that of its client.
    if upstream == Dialect::AnthropicMessages
        && (client != upstream || host.header(HeaderMap::Request, "anthropic-version").is_none())
    {
        host.set_header(HeaderMap::Request, "anthropic-version", ANTHROPIC_VERSION);
    }
}

fn refuse(
    exchange: &mut ProviderExchange,
    host: &mut dyn Host,
    handoff: Handoff,
    error: &ApiError,
) -> LocalReply {
    let client = handoff.client;
    exchange.attempt = Some(Attempt { upstream: client, handoff, sent_model: None, wants_usage: true });
    exchange.record(host, &AnswerFacts::default(), Outcome::Refused, Some(error.message.clone()));
    reply(client.error_status(error), client.encode_error(error), "weir_bad_request")
}

/// A path on which no LLM dialect is spoken was routed to an LLM provider.
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
            "Unknown request URL: {method} {path}. Provider `{}` is reached with POST to …/chat/completions \
             (OpenAI) or …/messages (Anthropic).",
            exchange.plan.config.name
        ),
    };
    reply(404, Dialect::OpenaiChat.encode_error(&error), "weir_unknown_endpoint")
}
