//! What users of other gateways ran into (the T-numbers of the edge-case list), for the two dialects most clients
//! speak: OpenAI chat completions and Anthropic messages.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is a failed test")]

mod citations;
mod errors;
mod reasoning;
mod requests;
mod usage;

use llm_dialects::hub::StreamEvent;
use llm_dialects::{Error, anthropic, openai_chat};
use serde_json::{Value, json};

const NOW: u64 = 1_700_000_000;

/// An OpenAI client's request as Anthropic gets it.
fn to_anthropic(body: &Value) -> Result<Value, Error> {
    let body = body.to_string();
    let sent = anthropic::encode_request(&openai_chat::decode_request(body.as_bytes())?)?;
    Ok(serde_json::from_slice(&sent).unwrap())
}

/// An Anthropic client's request as an OpenAI-compatible provider gets it.
fn to_openai(body: &Value) -> Result<Value, Error> {
    let body = body.to_string();
    let sent = openai_chat::encode_request(&anthropic::decode_request(body.as_bytes())?)?;
    Ok(serde_json::from_slice(&sent).unwrap())
}

fn chat(more: Value) -> Value {
    let mut body = json!({"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn messages(more: Value) -> Value {
    let mut body =
        json!({"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// Decodes the chunks of a stream of OpenAI.
fn decode_chunks(chunks: &[Value], sink: &mut dyn FnMut(StreamEvent<'_>)) -> Result<(), Error> {
    let mut decoder = openai_chat::StreamDecoder::default();
    for chunk in chunks {
        decoder.event(None, chunk.to_string().as_bytes(), sink)?;
    }
    decoder.event(None, b"[DONE]", sink)?;
    decoder.finish(sink)
}
