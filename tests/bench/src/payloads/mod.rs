//! What goes over the wire: the same conversation in every dialect, and the canned answers of their providers.

mod anthropic;
mod bedrock;
mod check;
mod conversation;
mod gemini;
mod openai_chat;
mod openai_responses;
mod probe;

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http1::PACE_HEADER;

pub(crate) use check::{check_answer, check_count, chunk_ends};
pub(crate) use conversation::{Conversation, STREAM_CHUNKS, prose};
pub(crate) use probe::{answer as probe_answer, check as check_probe, request as probe_request};

/// Tokens of every request, as its provider says.
const PROMPT_TOKENS: usize = 471;
/// Tokens of every answer, as its provider says.
const OUTPUT_TOKENS: usize = 200;

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dialect {
    /// OpenAI chat completions.
    Chat,
    /// OpenAI responses.
    Responses,
    /// Anthropic messages.
    Anthropic,
    /// Gemini `generateContent`.
    Gemini,
    /// Amazon Bedrock `Converse`.
    Bedrock,
}

/// How an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As one document.
    Unary,
    /// As a stream of events.
    Stream,
}

impl Dialect {
    /// All of them, in the order of the report.
    pub(crate) const ALL: [Self; 5] =
        [Self::Chat, Self::Responses, Self::Anthropic, Self::Gemini, Self::Bedrock];

    /// The name in reports.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Chat => "OpenAI",
            Self::Responses => "OpenAI responses",
            Self::Anthropic => "Anthropic",
            Self::Gemini => "Gemini",
            Self::Bedrock => "Bedrock",
        }
    }

    /// The name on the command line, in configurations and host names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Bedrock => "bedrock",
        }
    }

    /// The name of its endpoint in the configuration of Weir's filters.
    pub(crate) fn endpoint(self) -> &'static str {
        match self {
            Self::Chat => "openai_chat",
            Self::Responses => "openai_responses",
            Self::Anthropic => "anthropic_messages",
            Self::Gemini => "gemini_generate_content",
            Self::Bedrock => "bedrock_converse",
        }
    }

    /// The model requests to this provider name.
    pub(crate) fn model(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses => "gpt-4.1-mini",
            Self::Anthropic => "claude-sonnet-4-5",
            Self::Gemini => "gemini-2.5-flash",
            Self::Bedrock => "amazon.nova-lite-v1",
        }
    }

    /// Path of requests at a provider, `{model}` in it.
    pub(crate) fn path_template(self, shape: Shape) -> &'static str {
        match (self, shape) {
            (Self::Chat, _) => "/v1/chat/completions",
            (Self::Responses, _) => "/v1/responses",
            (Self::Anthropic, _) => "/v1/messages",
            (Self::Gemini, Shape::Unary) => "/v1beta/models/{model}:generateContent",
            (Self::Gemini, Shape::Stream) => "/v1beta/models/{model}:streamGenerateContent?alt=sse",
            (Self::Bedrock, Shape::Unary) => "/model/{model}/converse",
            (Self::Bedrock, Shape::Stream) => "/model/{model}/converse-stream",
        }
    }

    /// Path of a client's requests for `model`.
    fn path(self, shape: Shape, model: &str) -> String {
        self.path_template(shape).replace("{model}", model)
    }

    /// The gateway's host name for the provider of this dialect.
    pub(crate) fn host(self) -> String {
        format!("{}.bench", self.name())
    }

    /// Header lines with the credential and the like, as the SDKs of the dialect send them.
    fn own_headers(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses => "authorization: Bearer sk-bench-0123456789abcdef0123456789abcdef",
            Self::Anthropic => {
                "x-api-key: sk-bench-0123456789abcdef0123456789abcdef\r\nanthropic-version: 2023-06-01"
            }
            Self::Gemini => "x-goog-api-key: bench-0123456789abcdef0123456789abcdef",
            Self::Bedrock => "authorization: Bearer bedrock-api-key-bench0123456789abcdef",
        }
    }

    fn content_type(self, shape: Shape) -> &'static str {
        match (shape, self) {
            (Shape::Unary, _) => "application/json",
            (Shape::Stream, Self::Bedrock) => "application/vnd.amazon.eventstream",
            (Shape::Stream, _) => "text/event-stream; charset=utf-8",
        }
    }
}

/// A request, head and body, in the dialect of `client` and routed to `provider`. With `pace`, a streamed answer is
/// asked for event by event.
pub(crate) fn request(
    client: Dialect,
    provider: Dialect,
    conversation: &Conversation,
    shape: Shape,
    pace: Option<Duration>,
) -> Vec<u8> {
    let model = provider.model();
    let body = match client {
        Dialect::Chat => openai_chat::request(conversation, model, shape),
        Dialect::Responses => openai_responses::request(conversation, model, shape),
        Dialect::Anthropic => anthropic::request(conversation, model, shape),
        Dialect::Gemini => gemini::request(conversation),
        Dialect::Bedrock => bedrock::request(conversation),
    };
    post(client, provider, &client.path(shape, model), &body, pace)
}

/// A request for the count of a prompt's tokens, in Anthropic's dialect and routed to the provider of OpenAI chat, which
/// cannot count.
pub(crate) fn count_request(conversation: &Conversation) -> Vec<u8> {
    let body = anthropic::count_request(conversation, Dialect::Chat.model());
    post(Dialect::Anthropic, Dialect::Chat, COUNT_PATH, &body, None)
}

/// Path of Anthropic's count of tokens.
const COUNT_PATH: &str = "/v1/messages/count_tokens";

fn post(client: Dialect, provider: Dialect, path: &str, body: &Value, pace: Option<Duration>) -> Vec<u8> {
    let body = body.to_string();
    let mut message = format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\n{}\r\ncontent-type: application/json\r\naccept: */*\r\n\
         user-agent: weir-bench\r\ncontent-length: {}\r\n",
        provider.host(),
        client.own_headers(),
        body.len()
    );
    if let Some(pace) = pace {
        // Writing to a string cannot fail.
        let _ = write!(message, "{PACE_HEADER}: {}\r\n", pace.as_millis());
    }
    message.push_str("\r\n");
    message.push_str(&body);
    message.into_bytes()
}

/// What a path at the provider means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// An answer; the shape is absent where the body says it.
    Answer(Dialect, Option<Shape>),
    /// A count of tokens.
    Count,
    /// What the provider got.
    Probe,
}

impl Asked {
    /// What is asked at this path, query included; `None` where nothing is served.
    pub(crate) fn at(path: &str) -> Option<Self> {
        if path == probe::PATH {
            return Some(Self::Probe);
        }
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let of = |dialect, shape| Some(Self::Answer(dialect, shape));
        match path {
            "/v1/chat/completions" => of(Dialect::Chat, None),
            "/v1/responses" => of(Dialect::Responses, None),
            "/v1/messages" => of(Dialect::Anthropic, None),
            COUNT_PATH => Some(Self::Count),
            _ if path.ends_with(":generateContent") => of(Dialect::Gemini, Some(Shape::Unary)),
            _ if path.ends_with(":streamGenerateContent") => of(Dialect::Gemini, Some(Shape::Stream)),
            _ if path.ends_with("/converse") => of(Dialect::Bedrock, Some(Shape::Unary)),
            _ if path.ends_with("/converse-stream") => of(Dialect::Bedrock, Some(Shape::Stream)),
            _ => None,
        }
    }
}

/// A whole answer with JSON.
fn document(body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A provider's answer that is not streamed: head and about 1 KB of JSON.
pub(crate) fn unary_answer(provider: Dialect) -> Vec<u8> {
    document(&match provider {
        Dialect::Chat => openai_chat::unary(),
        Dialect::Responses => openai_responses::unary(),
        Dialect::Anthropic => anthropic::unary(),
        Dialect::Gemini => gemini::unary(),
        Dialect::Bedrock => bedrock::unary(),
    })
}

/// A provider's count of tokens: head and JSON.
pub(crate) fn count_answer() -> Vec<u8> {
    document(&json!({"input_tokens": PROMPT_TOKENS}))
}

/// The events of a stream as bytes: those before the first word, those with a word each, those after the last word.
#[derive(Debug)]
struct Events {
    before: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
    after: Vec<Vec<u8>>,
}

/// A Server-Sent Event without a name.
fn sse_data(data: &Value) -> Vec<u8> {
    format!("data: {data}\n\n").into_bytes()
}

/// A Server-Sent Event with a name.
fn sse_event(name: &str, data: &Value) -> Vec<u8> {
    format!("event: {name}\ndata: {data}\n\n").into_bytes()
}

/// A provider's streamed answer, in the order it is sent. What a provider sends at once (the head and what
/// comes before the first word; what comes after the last word) is one item.
pub(crate) fn stream_answer(provider: Dialect) -> Vec<Vec<u8>> {
    let events = match provider {
        Dialect::Chat => openai_chat::events(),
        Dialect::Responses => openai_responses::events(),
        Dialect::Anthropic => anthropic::events(),
        Dialect::Gemini => gemini::events(),
        Dialect::Bedrock => bedrock::events(),
    };
    let add = |out: &mut Vec<u8>, event: &[u8]| {
        out.extend_from_slice(format!("{:x}\r\n", event.len()).as_bytes());
        out.extend_from_slice(event);
        out.extend_from_slice(b"\r\n");
    };
    let mut first = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncache-control: no-cache\r\nx-request-id: req_bench\r\n\
         transfer-encoding: chunked\r\n\r\n",
        provider.content_type(Shape::Stream)
    )
    .into_bytes();
    events.before.iter().for_each(|event| add(&mut first, event));
    let mut parts = vec![first];
    for word in &events.words {
        let mut part = Vec::with_capacity(word.len() + 16);
        add(&mut part, word);
        parts.push(part);
    }
    let mut last = Vec::new();
    events.after.iter().for_each(|event| add(&mut last, event));
    last.extend_from_slice(b"0\r\n\r\n");
    parts.push(last);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::{MessageReader, RequestHead, ResponseHead};

    fn body_of(message: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        let head =
            MessageReader::<ResponseHead>::new().feed(message, &mut |b| body.extend_from_slice(b)).unwrap();
        assert_eq!(head, Some(ResponseHead { status: 200, close: false }));
        body
    }

    fn sent(message: &[u8]) -> (RequestHead, Value, usize) {
        let mut body = Vec::new();
        let head =
            MessageReader::<RequestHead>::new().feed(message, &mut |b| body.extend_from_slice(b)).unwrap();
        (head.unwrap(), serde_json::from_slice(&body).unwrap(), body.len())
    }

    #[test]
    fn requests_are_about_2_kb_and_arrive_where_they_are_meant_for() {
        for client in Dialect::ALL {
            for shape in [Shape::Unary, Shape::Stream] {
                let pace = Some(Duration::from_millis(5));
                let (head, body, length) =
                    sent(&request(client, client, &Conversation::short(), shape, pace));
                assert_eq!(head.pace_ms, Some(5));
                assert!((1900..=2300).contains(&length), "{client:?}: {length} bytes");
                let of_body = if body["stream"] == true { Shape::Stream } else { Shape::Unary };
                let Some(Asked::Answer(dialect, of_path)) = Asked::at(&head.path) else { panic!("{head:?}") };
                assert_eq!((dialect, of_path.unwrap_or(of_body)), (client, shape));
            }
        }
    }

    #[test]
    fn requests_for_counts_have_no_more_than_anthropic_takes() {
        let (head, body, length) = sent(&count_request(&Conversation::of_length(100_000)));
        assert_eq!(Asked::at(&head.path), Some(Asked::Count));
        assert!((98_000..=106_000).contains(&length), "{length} bytes");
        let fields: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["model", "system", "messages"]);
        assert_eq!(Asked::at("/v1/models"), None);
    }

    #[test]
    fn answers_pass_their_own_check() {
        for provider in Dialect::ALL {
            let unary = body_of(&unary_answer(provider));
            assert!((850..=1700).contains(&unary.len()), "{provider:?}: {} bytes", unary.len());
            check_answer(provider, Shape::Unary, &unary).unwrap();
            let parts = stream_answer(provider);
            assert_eq!(parts.len(), STREAM_CHUNKS + 2);
            check_answer(provider, Shape::Stream, &body_of(&parts.concat())).unwrap();
        }
    }

    #[test]
    fn answers_that_are_cut_or_in_another_dialect_fail_the_check() {
        for provider in Dialect::ALL {
            let unary = body_of(&unary_answer(provider));
            let stream = body_of(&stream_answer(provider).concat());
            assert!(check_answer(provider, Shape::Unary, &unary[..unary.len() - 1]).is_err());
            assert!(
                check_answer(provider, Shape::Stream, &stream[..stream.len() - 20]).is_err(),
                "{provider:?}"
            );
            for other in Dialect::ALL.into_iter().filter(|other| *other != provider) {
                assert!(check_answer(other, Shape::Unary, &unary).is_err(), "{provider:?} as {other:?}");
                assert!(check_answer(other, Shape::Stream, &stream).is_err(), "{provider:?} as {other:?}");
            }
        }
    }
}
