//! OpenAI chat completions
//! (<https://platform.openai.com/docs/api-reference/chat>).

use serde_json::{Value, json};

use super::conversation::{Conversation, answer_text, pieces};
use super::{Events, OUTPUT_TOKENS, PROMPT_TOKENS, Shape, sse_data};

pub(super) fn request(conversation: &Conversation, model: &str, shape: Shape) -> Value {
    let mut messages = vec![json!({"role": "system", "content": conversation.system})];
    messages.extend(conversation.turns.iter().map(|turn| json!({"role": turn.role(), "content": turn.text})));
    let mut body = json!({"model": model, "messages": messages, "temperature": 0.2, "max_tokens": 400});
    if let Some(body) = body.as_object_mut().filter(|_| shape == Shape::Stream) {
        body.insert("stream".to_owned(), true.into());
        body.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    body
}

fn usage() -> Value {
    json!({"prompt_tokens": PROMPT_TOKENS, "completion_tokens": OUTPUT_TOKENS, "total_tokens": PROMPT_TOKENS + OUTPUT_TOKENS,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}})
}

pub(super) fn unary() -> Value {
    let message = json!({"role": "assistant", "content": answer_text(), "refusal": null, "annotations": []});
    json!({
        "id": "chatcmpl-BenchBenchBenchBenchBenchBe", "object": "chat.completion", "created": 1_760_000_000,
        "model": "gpt-4.1-mini-2025-04-14",
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"}],
        "usage": usage(),
        "service_tier": "default", "system_fingerprint": "fp_0123456789"})
}

pub(super) fn events() -> Events {
    let event = |choices: Value, usage: Value| {
        sse_data(&json!({"id": "chatcmpl-BenchBenchBenchBenchBenchBe", "object": "chat.completion.chunk",
            "created": 1_760_000_000, "model": "gpt-4.1-mini-2025-04-14", "service_tier": "default",
            "system_fingerprint": "fp_0123456789", "choices": choices, "usage": usage}))
    };
    let choice = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
    let role = json!({"role": "assistant", "content": "", "refusal": null});
    Events {
        before: vec![event(choice(role, Value::Null), Value::Null)],
        words: pieces()
            .map(|piece| event(choice(json!({"content": piece}), Value::Null), Value::Null))
            .collect(),
        after: vec![
            event(choice(json!({}), "stop".into()), Value::Null),
            event(json!([]), usage()),
            b"data: [DONE]\n\n".to_vec(),
        ],
    }
}
