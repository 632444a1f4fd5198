//! Strict readers: what providers refuse in requests, and what clients insist on in answers and streams.

mod anthropic;
mod bedrock;
mod gemini;
mod openai_chat;
mod openai_responses;

pub(crate) use openai_chat::stream as openai_stream;

use framing::sse::{Decoder, Frame, Limits};
use llm_dialects::Dialect;
use serde_json::Value;

type Checked = Result<(), String>;

/// What an answer said, whole or streamed, in no dialect.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Said {
    /// All texts and refusals.
    pub(crate) text: String,
    /// All reasoning that can be read.
    pub(crate) reasoning: String,
    /// Id, name and arguments.
    pub(crate) calls: Vec<(String, String, Value)>,
    /// Why it ended, in the dialect's word; empty when it ended in an error.
    pub(crate) stop: String,
    /// Every input token, every output token.
    pub(crate) usage: Option<(u64, u64)>,
    /// The error that ended it.
    pub(crate) error: Option<Value>,
}

fn ensure(holds: bool, what: &str, value: &Value) -> Checked {
    if holds { Ok(()) } else { Err(format!("{what}: {value}")) }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// The arguments of a call as OpenAI's clients get them: what the model wrote, be it JSON or not.
fn written(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| Value::from(json))
}

/// The arguments of a call, which the other clients parse.
fn arguments(json: &str) -> Result<Value, String> {
    serde_json::from_str(json).map_err(|error| format!("arguments that are no JSON: {json:?}: {error}"))
}

/// Checks a request as the provider would.
pub(crate) fn request(dialect: Dialect, body: &Value) -> Checked {
    match dialect {
        Dialect::OpenaiChat => openai_chat::request(body),
        Dialect::OpenaiResponses => openai_responses::request(body),
        Dialect::AnthropicMessages => anthropic::request(body),
        Dialect::GeminiGenerate => gemini::request(body),
        Dialect::BedrockConverse => bedrock::request(body),
    }
}

/// Reads an answer as a typed client would.
pub(crate) fn response(dialect: Dialect, body: &Value) -> Result<Said, String> {
    match dialect {
        Dialect::OpenaiChat => openai_chat::response(body),
        Dialect::OpenaiResponses => openai_responses::response(body),
        Dialect::AnthropicMessages => anthropic::response(body),
        Dialect::GeminiGenerate => gemini::response(body),
        Dialect::BedrockConverse => bedrock::response(body),
    }
}

/// Reads a stream as a typed client would.
pub(crate) fn stream(dialect: Dialect, stream: &[u8]) -> Result<Said, String> {
    match dialect {
        Dialect::OpenaiChat => openai_chat::stream(stream)?.said(),
        Dialect::OpenaiResponses => openai_responses::stream(stream),
        Dialect::AnthropicMessages => anthropic::stream(stream),
        Dialect::GeminiGenerate => gemini::stream(stream),
        Dialect::BedrockConverse => bedrock::stream(stream),
    }
}

/// The data of a stream's events. The stream ends with a whole one.
fn sse_data(stream: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut events: Vec<Vec<u8>> = Vec::new();
    let mut decoder = Decoder::new(Limits::default());
    let read = |frame: Frame<'_>| {
        if let Frame::Event(event) = frame {
            events.push(event.data.to_vec());
        }
        Ok::<(), framing::Error>(())
    };
    decoder.feed(stream, read).map_err(|error| error.to_string())?;
    if decoder.buffered() > 0 { Err("the last event is not complete".to_owned()) } else { Ok(events) }
}

/// The answer a client's SDK puts together from a stream, in the shape of a whole one.
pub(crate) fn assembled(dialect: Dialect, stream: &[u8]) -> Value {
    match dialect {
        Dialect::OpenaiChat => openai_chat::stream(stream).unwrap().assembled(),
        Dialect::OpenaiResponses => crate::grammar::openai_responses::read(stream).unwrap().response,
        Dialect::AnthropicMessages => anthropic::assembled(stream),
        Dialect::GeminiGenerate => gemini::assembled(stream),
        Dialect::BedrockConverse => bedrock::assembled(stream),
    }
}
