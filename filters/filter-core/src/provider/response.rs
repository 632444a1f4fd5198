//! The response direction: whole answers and errors. Streams are in [`super::stream`].

use llm_dialects::hub::{ApiError, ErrorKind, Response};
use llm_dialects::inspect::{self, AnswerFacts};
use llm_dialects::{Dialect, Error};

use super::ProviderExchange;
use super::stream::Stream;
use crate::record::Outcome;
use crate::{BodyFlow, BodyMode, HeaderMap, HeadersFlow, Host, Overflow};

/// What is being done with the provider's answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// Nothing.
    Untouched,
    /// It is held whole.
    Whole(Kind),
    /// It passes event by event.
    Stream(Box<Stream>),
}

/// What a whole answer is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A 2xx answer with JSON.
    Success,
    /// An error with this status.
    Failure(u16),
    /// A 2xx or 3xx answer that is no answer of any dialect; the reason is fixed text.
    Nonsense(&'static str),
}

pub(super) fn headers(exchange: &mut ProviderExchange, host: &mut dyn Host, end: bool) -> HeadersFlow {
    let Some(attempt) = &exchange.attempt else { return HeadersFlow::Continue(BodyMode::Skip) };
    let status = host.header(HeaderMap::Response, ":status").and_then(|v| v.parse::<u16>().ok()).unwrap_or(0);
    let content_type = host.header(HeaderMap::Response, "content-type").unwrap_or_default();
    let encoded = host
        .header(HeaderMap::Response, "content-encoding")
        .is_some_and(|value| !value.eq_ignore_ascii_case("identity"));
    let same_dialect = attempt.handoff.client == attempt.upstream;
    let success = (200..300).contains(&status);

    if end {
        // Without a body there is nowhere to put an error; the downstream filter answers for it.
        let outcome = AnswerFacts::default();
        if status < 400 {
            host.set_header(HeaderMap::Response, ":status", "502");
        }
        exchange.record(host, &outcome, Outcome::Failed, Some(format!("status {status} without a body")));
        return HeadersFlow::Continue(BodyMode::Skip);
    }
    if encoded && same_dialect {
        // Asked not to, the provider compressed all the same: the client can read it, this filter cannot.
        let outcome = if success { Outcome::Complete } else { Outcome::Failed };
        let error = Some("compressed answer: usage unknown".to_owned());
        exchange.record(host, &AnswerFacts::default(), outcome, error);
        return HeadersFlow::Continue(BodyMode::Skip);
    }
    let kind = if encoded {
        Kind::Nonsense("compressed although it was asked not to")
    } else if success && is_event_stream(&content_type) {
        if !attempt.handoff.stream && !same_dialect {
            Kind::Nonsense("a stream nobody asked for")
        } else {
            return start_stream(exchange, host);
        }
    } else if success && is_json(&content_type) {
        Kind::Success
    } else if success {
        Kind::Nonsense("neither JSON nor an event stream")
    } else if status < 400 {
        Kind::Nonsense("a redirect")
    } else {
        Kind::Failure(status)
    };
    exchange.answer = Answer::Whole(kind);
    let limit = usize::try_from(exchange.plan.config.max_response_body_bytes).unwrap_or(usize::MAX);
    HeadersFlow::Continue(BodyMode::Whole { limit })
}

fn start_stream(exchange: &mut ProviderExchange, host: &mut dyn Host) -> HeadersFlow {
    let Some(attempt) = &exchange.attempt else { return HeadersFlow::Continue(BodyMode::Skip) };
    let (client, upstream) = (attempt.handoff.client, attempt.upstream);
    if client != upstream {
        host.set_header(HeaderMap::Response, "content-type", "text/event-stream; charset=utf-8");
        host.remove_header(HeaderMap::Response, "content-length");
    }
    let stream = Stream::new(client, upstream, host.now_ms() / 1000, attempt.wants_usage);
    exchange.answer = Answer::Stream(Box::new(stream));
    // Whose answer it is stands in the log even if the client leaves before its end.
    exchange.record(host, &AnswerFacts::default(), Outcome::Partial, None);
    HeadersFlow::Continue(BodyMode::Chunks)
}

pub(super) fn body(exchange: &mut ProviderExchange, host: &mut dyn Host, body: &[u8], end: bool) -> BodyFlow {
    match std::mem::replace(&mut exchange.answer, Answer::Untouched) {
        Answer::Untouched => BodyFlow::Keep,
        Answer::Whole(kind) => whole(exchange, host, kind, body),
        Answer::Stream(mut stream) => {
            let known = (stream.settled(), stream.facts().usage);
            let flow = stream.chunk(body, end);
            // Publishing costs a call into Envoy: only when there is something new to say, so that what is known
            // stands in the log even when the client goes away.
            if (stream.settled(), stream.facts().usage) != known {
                let outcome = stream.settled().unwrap_or(Outcome::Partial);
                exchange.record(host, stream.facts(), outcome, stream.failure());
            }
            exchange.answer = Answer::Stream(stream);
            flow
        }
    }
}

pub(super) fn overflow(exchange: &mut ProviderExchange, host: &mut dyn Host) -> Overflow {
    let Some(attempt) = &exchange.attempt else { return Overflow::Release };
    let client = attempt.handoff.client;
    if client == attempt.upstream && matches!(exchange.answer, Answer::Whole(Kind::Success)) {
        let note = Some("answer larger than max_response_body_bytes: usage unknown".to_owned());
        exchange.record(host, &AnswerFacts::default(), Outcome::Complete, note);
        exchange.answer = Answer::Untouched;
        return Overflow::Release;
    }
    let error = Error::upstream("it is larger than this gateway's limit").to_api_error();
    Overflow::Replace(fail(exchange, host, client, &error))
}

fn whole(exchange: &mut ProviderExchange, host: &mut dyn Host, kind: Kind, body: &[u8]) -> BodyFlow {
    let Some(attempt) = &exchange.attempt else { return BodyFlow::Keep };
    let (client, upstream, stream) = (attempt.handoff.client, attempt.upstream, attempt.handoff.stream);
    match kind {
        Kind::Success if client == upstream => match inspect::response(upstream, body) {
            Ok(facts) => {
                exchange.record(host, &facts, Outcome::Complete, None);
                BodyFlow::Keep
            }
            Err(error) => BodyFlow::Replace(fail(exchange, host, client, &error.to_api_error())),
        },
        Kind::Success => match upstream.decode_response(body) {
            Ok(response) => {
                let now = host.now_ms() / 1000;
                let new = if stream {
                    host.set_header(HeaderMap::Response, "content-type", "text/event-stream; charset=utf-8");
                    as_stream(client, &response, now, attempt.wants_usage)
                } else {
                    host.set_header(HeaderMap::Response, "content-type", "application/json");
                    client.encode_response(&response, now)
                };
                host.set_header(HeaderMap::Response, "content-length", &new.len().to_string());
                let facts = AnswerFacts { model: Some(response.model.into_owned()), usage: response.usage };
                exchange.record(host, &facts, Outcome::Complete, None);
                BodyFlow::Replace(new)
            }
            Err(error) => BodyFlow::Replace(fail(exchange, host, client, &error.to_api_error())),
        },
        Kind::Failure(status) => {
            let error = upstream.decode_error(status, body);
            if client == upstream && upstream.is_error_body(body) {
                exchange.record(host, &AnswerFacts::default(), Outcome::Failed, Some(cause(&error)));
                return BodyFlow::Keep;
            }
            BodyFlow::Replace(fail(exchange, host, client, &error))
        }
        Kind::Nonsense(what) => {
            let error = ApiError {
                status: 502,
                kind: ErrorKind::Upstream,
                code: Some("bad_upstream_response".to_owned()),
                param: None,
                message: format!("The provider's answer could not be read: it is {what}."),
            };
            BodyFlow::Replace(fail(exchange, host, client, &error))
        }
    }
}

/// Turns the answer into an error of the client's dialect; the headers are still held.
fn fail(exchange: &ProviderExchange, host: &mut dyn Host, client: Dialect, error: &ApiError) -> Vec<u8> {
    let body = client.encode_error(error);
    host.set_header(HeaderMap::Response, ":status", &client.error_status(error).to_string());
    host.set_header(HeaderMap::Response, "content-type", "application/json");
    host.set_header(HeaderMap::Response, "content-length", &body.len().to_string());
    host.remove_header(HeaderMap::Response, "content-encoding");
    exchange.record(host, &AnswerFacts::default(), Outcome::Failed, Some(cause(error)));
    body
}

/// What a log may say of an error: nothing the provider wrote.
fn cause(error: &ApiError) -> String {
    match &error.code {
        Some(code) => format!("status {} {code}", error.status),
        None => format!("status {}", error.status),
    }
}

/// A whole answer for a client that asked for a stream.
fn as_stream(client: Dialect, response: &Response<'_>, now: u64, wants_usage: bool) -> Vec<u8> {
    let mut encoder = client.stream_encoder(now, wants_usage);
    let mut out = Vec::new();
    response.replay(&mut |event| encoder.event(&event, &mut out));
    out
}

fn is_event_stream(content_type: &str) -> bool {
    media_type(content_type).eq_ignore_ascii_case("text/event-stream")
}

fn is_json(content_type: &str) -> bool {
    let media_type = media_type(content_type);
    media_type.eq_ignore_ascii_case("application/json") || media_type.to_ascii_lowercase().ends_with("+json")
}

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}
