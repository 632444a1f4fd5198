//! The response direction: whole answers and errors. Streams are in [`super::stream`].

use filter_config::Endpoint;
use llm_dialects::dialect::Framing;
use llm_dialects::edit::Object;
use llm_dialects::hub::{ApiError, ErrorKind, Usage};
use llm_dialects::inspect::AnswerFacts;
use llm_dialects::{Dialect, Error};

use super::operation::Operation;
use super::stream::{self, Stream, Translated};
use super::{Attempt, Known, ProviderExchange};
use crate::error_form::ErrorForm;
use crate::record::Outcome;
use crate::{BodyFlow, BodyMode, HeaderMap, HeadersFlow, Host, Overflow, endpoints, failover, guard};

/// What is being done with the provider's answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// Nothing.
    Untouched,
    /// It is held whole.
    Whole(Kind),
    /// It passes event by event.
    Stream(Box<Passing>),
}

/// A stream on its way.
#[derive(Debug)]
pub(super) struct Passing {
    stream: Stream,
    /// The estimate of generated tokens that was last published.
    published: u64,
    /// Pieces have come since the record was last published.
    unpublished: bool,
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
    // First of all: a host that looks at all headers at once for this has the status then too.
    let content_type = host.header(HeaderMap::Response, "content-type").unwrap_or_default();
    let status = host.header(HeaderMap::Response, ":status").and_then(|v| v.parse::<u16>().ok()).unwrap_or(0);
    if status == 101 || attempt.upstream == Endpoint::OpenaiRealtime && status < 300 {
        // A WebSocket: what follows is no HTTP body.
        exchange.record_nothing(host, Outcome::Complete, None);
        return HeadersFlow::Continue(BodyMode::Skip);
    }
    if let Some(health) = &exchange.plan.health {
        health.heed(host, status);
    }
    let encoded = host
        .header(HeaderMap::Response, "content-encoding")
        .is_some_and(|value| !value.eq_ignore_ascii_case("identity"));
    let (passes, opaque) = (attempt.passes(), attempt.is_opaque());
    let success = (200..300).contains(&status);

    if end {
        if opaque && success {
            exchange.record_nothing(host, Outcome::Complete, None);
            return HeadersFlow::Continue(BodyMode::Skip);
        }
        // Without a body there is nowhere to put an error; the downstream filter answers for it.
        if status < 400 {
            host.set_header(HeaderMap::Response, ":status", "502");
        }
        exchange.record_nothing(host, Outcome::Failed, Some(format!("status {status} without a body")));
        return HeadersFlow::Continue(BodyMode::Skip);
    }
    if encoded && passes {
        // Asked not to, the provider compressed all the same: the client can read it, this filter cannot.
        let outcome = if success { Outcome::Complete } else { Outcome::Failed };
        exchange.record_nothing(host, outcome, Some("compressed answer: usage unknown".to_owned()));
        return HeadersFlow::Continue(BodyMode::Skip);
    }
    let framing = stream_framing(&content_type).filter(|_| success && !encoded);
    let kind = if encoded {
        Kind::Nonsense("compressed although it was asked not to")
    } else if let Some(framing) = framing {
        if !passes && (!attempt.handoff.stream || !attempt.operation.is_chat()) {
            Kind::Nonsense("a stream nobody asked for")
        } else {
            return start_stream(exchange, host, framing);
        }
    } else if success && is_json(&content_type) {
        Kind::Success
    } else if opaque && status < 400 {
        // Sound, files, plain text: there is nothing to count in it.
        exchange.record_nothing(host, Outcome::Complete, None);
        return HeadersFlow::Continue(BodyMode::Skip);
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

fn start_stream(exchange: &mut ProviderExchange, host: &mut dyn Host, framing: Framing) -> HeadersFlow {
    let Some(attempt) = &exchange.attempt else { return HeadersFlow::Continue(BodyMode::Skip) };
    let mut stream = match &attempt.operation {
        Operation::Chat { client, upstream, names } => {
            host.set_header(HeaderMap::Response, "content-type", client.stream_content_type());
            host.remove_header(HeaderMap::Response, "content-length");
            Stream::translated(Translated {
                client: *client,
                upstream: *upstream,
                now: host.now_ms() / 1000,
                wants_usage: attempt.wants_usage,
                names: names.clone(),
                model: attempt.model.clone(),
                id: answer_id(host, *upstream),
            })
        }
        _ => {
            let capped = attempt.handoff.traits.output_cap.is_some();
            if attempt.takes_usage_out || capped {
                host.remove_header(HeaderMap::Response, "content-length");
            }
            Stream::watched(attempt.upstream, framing, attempt.takes_usage_out, capped)
        }
    };
    if attempt.handoff.traits.json_array {
        host.set_header(HeaderMap::Response, "content-type", "application/json; charset=UTF-8");
        host.remove_header(HeaderMap::Response, "content-length");
        stream = stream.into_json_array();
    }
    exchange.answer = Answer::Stream(Box::new(Passing { stream, published: 0, unpublished: true }));
    // Whose answer it is stands in the log even if the client leaves before its end.
    exchange.record_nothing(host, Outcome::Partial, None);
    HeadersFlow::Continue(BodyMode::Chunks)
}

pub(super) fn body(exchange: &mut ProviderExchange, host: &mut dyn Host, body: &[u8], end: bool) -> BodyFlow {
    match std::mem::replace(&mut exchange.answer, Answer::Untouched) {
        Answer::Untouched => BodyFlow::Keep,
        Answer::Whole(kind) => whole(exchange, host, kind, body),
        Answer::Stream(mut passing) => {
            let stream = &mut passing.stream;
            let known = (stream.settled(), stream.facts().usage);
            let cap = exchange.attempt.as_ref().and_then(|attempt| attempt.handoff.traits.output_cap);
            let flow = match stream.chunk(body, end, cap) {
                BodyFlow::End { last, .. } if guard::holds_stream(host) => BodyFlow::Replace(last),
                flow => flow,
            };
            if let Some(attempt) = exchange.attempt.as_mut().filter(|_| !body.is_empty()) {
                attempt.mark_time(host);
                passing.unpublished = true;
            }
            // Publishing costs a call into Envoy: only when there is something new to say, so that what is known
            // stands in the log even when the client goes away.
            let estimate = stream.estimated_output();
            // The end may come on its own behind the last piece: it is news only if that has not been published.
            let untold = passing.unpublished || estimate != passing.published;
            let news = (stream.settled(), stream.facts().usage) != known || (end && untold);
            let grown = stream.settled().is_none() && estimate > passing.published + passing.published / 8;
            if news || grown {
                passing.published = estimate;
                passing.unpublished = false;
                record_stream(exchange, host, &passing.stream);
            }
            exchange.answer = Answer::Stream(passing);
            flow
        }
    }
}

/// Publishes what a whole answer of `length` bytes says; where the provider does not count, with an estimate.
fn record_whole(exchange: &ProviderExchange, host: &mut dyn Host, facts: &AnswerFacts, length: usize) {
    let attempt = exchange.attempt.as_ref().filter(|attempt| attempt.is_counted());
    let Some(attempt) = attempt.filter(|_| counted_by_provider(facts).is_none()) else {
        exchange.record(host, facts, Outcome::Complete, None);
        return;
    };
    let usage = stream::estimate(&attempt.handoff, (length as u64).div_ceil(4));
    let guess = AnswerFacts { model: facts.model.clone(), usage: Some(usage) };
    exchange.record(host, Known { facts: &guess, estimated: true }, Outcome::Complete, None);
}

/// The usage of generated text, as the provider says. Some servers send counts that are all 0, which is no count: every
/// request has input.
fn counted_by_provider(facts: &AnswerFacts) -> Option<Usage> {
    facts.usage.filter(|usage| usage.total() > 0)
}

/// Publishes the state of a stream. Until the provider has said the last word on usage, what was generated is counted
/// here: a client that goes away is charged for what came.
fn record_stream(exchange: &ProviderExchange, host: &mut dyn Host, stream: &Stream) {
    let outcome = stream.settled().unwrap_or(Outcome::Partial);
    let facts = stream.facts();
    let counted = exchange.attempt.as_ref().filter(|attempt| attempt.is_counted());
    let guess = counted.and_then(|attempt| {
        let output = stream.estimated_output();
        match counted_by_provider(facts) {
            None => Some(stream::estimate(&attempt.handoff, output)),
            // Anthropic begins with the input, and one token of output.
            Some(said) if outcome != Outcome::Complete && said.output < output => {
                Some(Usage { output, ..said })
            }
            Some(_) => None,
        }
    });
    let Some(usage) = guess else {
        exchange.record(host, facts, outcome, stream.failure());
        return;
    };
    let guess = AnswerFacts { model: facts.model.clone(), usage: Some(usage) };
    exchange.record(host, Known { facts: &guess, estimated: true }, outcome, stream.failure());
}

pub(super) fn overflow(exchange: &mut ProviderExchange, host: &mut dyn Host) -> Overflow {
    let Some(attempt) = &exchange.attempt else { return Overflow::Release };
    if attempt.passes() && matches!(exchange.answer, Answer::Whole(Kind::Success)) {
        let note = Some("answer larger than max_response_body_bytes: usage unknown".to_owned());
        exchange.record_nothing(host, Outcome::Complete, note);
        exchange.answer = Answer::Untouched;
        return Overflow::Release;
    }
    let error = Error::upstream("it is larger than this gateway's limit").to_api_error();
    Overflow::Replace(fail(exchange, host, &error))
}

fn whole(exchange: &mut ProviderExchange, host: &mut dyn Host, kind: Kind, body: &[u8]) -> BodyFlow {
    let Some(attempt) = &mut exchange.attempt else { return BodyFlow::Keep };
    attempt.mark_time(host);
    match kind {
        Kind::Success => match attempt.answer(body, &Said::by(host, attempt)) {
            Ok(answer) => {
                if let Some((bytes, content_type)) = &answer.body {
                    host.set_header(HeaderMap::Response, "content-type", content_type);
                    host.set_header(HeaderMap::Response, "content-length", &bytes.len().to_string());
                }
                record_whole(exchange, host, &answer.facts, body.len());
                answer.body.map_or(BodyFlow::Keep, |(bytes, _)| BodyFlow::Replace(bytes))
            }
            Err(error) => BodyFlow::Replace(fail(exchange, host, &error.to_api_error())),
        },
        Kind::Failure(status) => {
            let (client, upstream) = (attempt.handoff.error_form(), ErrorForm::of(attempt.upstream));
            let mut error = upstream.decode(status, body);
            if upstream == ErrorForm::Dialect(Dialect::BedrockConverse) && client != upstream {
                // Bedrock names the kind of an error in a header.
                let kind = host.header(HeaderMap::Response, "x-amzn-errortype");
                if let Some(kind) = kind {
                    error.code.get_or_insert_with(|| kind.split(':').next().unwrap_or_default().to_owned());
                }
            }
            // Where nothing is translated, an error of any form is the one the client of that API expects.
            let is_its_own =
                if attempt.is_opaque() { Object::parse(body).is_ok() } else { upstream.is_error_body(body) };
            if client == upstream && is_its_own {
                exchange.record_nothing(host, Outcome::Failed, Some(cause(&error)));
                return BodyFlow::Keep;
            }
            BodyFlow::Replace(fail(exchange, host, &error))
        }
        Kind::Nonsense(what) => {
            let error = ApiError {
                status: 502,
                kind: ErrorKind::Upstream,
                code: Some("bad_upstream_response".to_owned()),
                param: None,
                message: format!("The provider's answer could not be read: it is {what}."),
            };
            BodyFlow::Replace(fail(exchange, host, &error))
        }
    }
}

/// What the headers of an answer say that its body does not.
pub(super) struct Said {
    /// Seconds since 1970.
    pub(super) now: u64,
    /// The answer's id.
    pub(super) id: Option<String>,
    /// Input tokens, as Bedrock's `InvokeModel` counts them.
    pub(super) input_tokens: Option<u64>,
}

impl Said {
    fn by(host: &dyn Host, attempt: &Attempt) -> Self {
        let embeds = matches!(attempt.operation, Operation::Embeddings { .. });
        let input = embeds.then(|| host.header(HeaderMap::Response, "x-amzn-bedrock-input-token-count"));
        Self {
            now: host.now_ms() / 1000,
            id: answer_id(host, endpoints::family(attempt.upstream)),
            input_tokens: input.flatten().and_then(|count| count.parse().ok()),
        }
    }
}

/// The id of an answer of Bedrock, which has none in its body.
fn answer_id(host: &dyn Host, upstream: Dialect) -> Option<String> {
    (upstream == Dialect::BedrockConverse).then(|| host.header(HeaderMap::Response, "x-amzn-requestid"))?
}

/// Turns the answer into an error as the client is told of them; the headers are still held.
fn fail(exchange: &ProviderExchange, host: &mut dyn Host, error: &ApiError) -> Vec<u8> {
    let client = exchange
        .attempt
        .as_ref()
        .map_or(ErrorForm::of(Endpoint::OpenaiChat), |attempt| attempt.handoff.error_form());
    let body = client.encode(error);
    // Some dialects have statuses of their own (Bedrock: 424 for what is a 502), but whether the next provider is asked
    // depends on this one: the client's is set downstream.
    failover::set_status(host, error.status, client.status(error));
    host.set_header(HeaderMap::Response, "content-type", "application/json");
    host.set_header(HeaderMap::Response, "content-length", &body.len().to_string());
    if let Some((name, value)) = client.kind_header(error) {
        host.set_header(HeaderMap::Response, name, value);
    }
    host.remove_header(HeaderMap::Response, "content-encoding");
    exchange.record_nothing(host, Outcome::Failed, Some(cause(error)));
    body
}

/// What a log may say of an error: nothing the provider wrote.
fn cause(error: &ApiError) -> String {
    match &error.code {
        Some(code) => format!("status {} {code}", error.status),
        None => format!("status {}", error.status),
    }
}

/// How a stream of this content type is framed; `None` when it is no stream.
pub(crate) fn stream_framing(content_type: &str) -> Option<Framing> {
    let media_type = media_type(content_type);
    if media_type.eq_ignore_ascii_case("text/event-stream") {
        Some(Framing::Sse)
    } else if media_type.eq_ignore_ascii_case("application/vnd.amazon.eventstream") {
        Some(Framing::AwsEventStream)
    } else {
        None
    }
}

/// Whether a content type says JSON.
pub(crate) fn is_json(content_type: &str) -> bool {
    let media_type = media_type(content_type);
    media_type.eq_ignore_ascii_case("application/json") || media_type.to_ascii_lowercase().ends_with("+json")
}

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}
