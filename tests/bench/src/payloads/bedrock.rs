//! Amazon Bedrock `Converse` and `ConverseStream`
//! (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>).

use framing::aws_event_stream::{Value as HeaderValue, encode};
use serde_json::{Value, json};

use super::conversation::{Conversation, answer_text, pieces};
use super::{Events, OUTPUT_TOKENS, PROMPT_TOKENS};

pub(super) fn request(conversation: &Conversation) -> Value {
    let turns: Vec<Value> = conversation
        .turns
        .iter()
        .map(|turn| json!({"role": turn.role(), "content": [{"text": turn.text}]}))
        .collect();
    json!({"system": [{"text": conversation.system}], "messages": turns,
        "inferenceConfig": {"temperature": 0.2, "maxTokens": 400}})
}

fn usage() -> Value {
    json!({"inputTokens": PROMPT_TOKENS, "outputTokens": OUTPUT_TOKENS,
        "totalTokens": PROMPT_TOKENS + OUTPUT_TOKENS,
        "cacheReadInputTokens": 0, "cacheWriteInputTokens": 0})
}

pub(super) fn unary() -> Value {
    json!({"metrics": {"latencyMs": 1234},
        "output": {"message": {"content": [{"text": answer_text()}], "role": "assistant"}},
        "stopReason": "end_turn", "usage": usage()})
}

/// A message of an event stream, with the headers Bedrock sends.
fn event(kind: &str, payload: &Value) -> Vec<u8> {
    let headers = [
        (":event-type", HeaderValue::Str(kind)),
        (":content-type", HeaderValue::Str("application/json")),
        (":message-type", HeaderValue::Str("event")),
    ];
    let mut bytes = Vec::new();
    // Short names and payloads always fit their length fields; were one not to, the answer would fail its check.
    let _ = encode(&mut bytes, &headers, payload.to_string().as_bytes());
    bytes
}

pub(super) fn events() -> Events {
    // `p` is the padding by which Bedrock hides the length of what is said.
    let delta =
        |piece: String| json!({"contentBlockIndex": 0, "delta": {"text": piece}, "p": "abcdefghijklmnopq"});
    Events {
        before: vec![event("messageStart", &json!({"p": "abcdefghij", "role": "assistant"}))],
        words: pieces().map(|piece| event("contentBlockDelta", &delta(piece))).collect(),
        after: vec![
            event("contentBlockStop", &json!({"contentBlockIndex": 0, "p": "abcdefgh"})),
            event("messageStop", &json!({"p": "abcdefghijkl", "stopReason": "end_turn"})),
            event("metadata", &json!({"metrics": {"latencyMs": 1234}, "p": "abcd", "usage": usage()})),
        ],
    }
}
