//! Anthropic messages (<https://docs.anthropic.com/en/api/messages>), and its count of tokens.

use serde_json::{Value, json};

use super::conversation::{Conversation, answer_text, pieces};
use super::{Events, OUTPUT_TOKENS, PROMPT_TOKENS, Shape, sse_event};

fn turns(conversation: &Conversation) -> Vec<Value> {
    conversation.turns.iter().map(|turn| json!({"role": turn.role(), "content": turn.text})).collect()
}

pub(super) fn request(conversation: &Conversation, model: &str, shape: Shape) -> Value {
    let mut body = json!({"model": model, "system": conversation.system, "messages": turns(conversation),
        "temperature": 0.2, "max_tokens": 400});
    if let Some(body) = body.as_object_mut().filter(|_| shape == Shape::Stream) {
        body.insert("stream".to_owned(), true.into());
    }
    body
}

/// A request for a count of tokens.
pub(super) fn count_request(conversation: &Conversation, model: &str) -> Value {
    json!({"model": model, "system": conversation.system, "messages": turns(conversation)})
}

pub(super) fn unary() -> Value {
    json!({
        "model": "claude-sonnet-4-5-20250929", "id": "msg_01BenchBenchBenchBenchBenc", "type": "message",
        "role": "assistant", "content": [{"type": "text", "text": answer_text()}],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": PROMPT_TOKENS, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": OUTPUT_TOKENS, "service_tier": "standard"}})
}

pub(super) fn events() -> Events {
    let message = json!({"model": "claude-sonnet-4-5-20250929", "id": "msg_01BenchBenchBenchBenchBenc",
        "type": "message", "role": "assistant", "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": PROMPT_TOKENS, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "output_tokens": 1, "service_tier": "standard"}});
    let delta = |piece: String| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}});
    let start =
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
    let stop = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
        "usage": {"input_tokens": PROMPT_TOKENS, "output_tokens": OUTPUT_TOKENS}});
    Events {
        before: vec![
            sse_event("message_start", &json!({"type": "message_start", "message": message})),
            sse_event("content_block_start", &start),
            sse_event("ping", &json!({"type": "ping"})),
        ],
        words: pieces().map(|piece| sse_event("content_block_delta", &delta(piece))).collect(),
        after: vec![
            sse_event("content_block_stop", &json!({"type": "content_block_stop", "index": 0})),
            sse_event("message_delta", &stop),
            sse_event("message_stop", &json!({"type": "message_stop"})),
        ],
    }
}
