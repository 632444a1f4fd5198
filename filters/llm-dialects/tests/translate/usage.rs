//! T-11 and T-12: token counts across dialects, in every shape providers report them. OpenAI counts cached tokens
//! as part of the prompt, Anthropic beside it.

use llm_dialects::Dialect::{AnthropicMessages, OpenaiChat};
use serde_json::{Value, json};

use crate::{anthropic_grammar, readers, response, stream};

/// Usage of OpenAI-compatible providers, and what Anthropic clients are told: input, cache writes, cache reads,
/// output.
fn openai_shapes() -> Vec<(&'static str, Value, [u64; 4])> {
    vec![
        ("plain", json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}), [10, 0, 0, 5]),
        (
            "OpenAI",
            json!({"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 80, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 30}}),
            [20, 0, 80, 50],
        ),
        (
            "DeepSeek",
            json!({"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105,
                "prompt_cache_hit_tokens": 60, "prompt_cache_miss_tokens": 40}),
            [40, 0, 60, 5],
        ),
        (
            "OpenRouter",
            json!({"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105,
                "prompt_tokens_details": {"cached_tokens": 50, "cache_write_tokens": 30}}),
            [20, 30, 50, 5],
        ),
        (
            "xAI, reasoning beside the output",
            json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 35,
                "completion_tokens_details": {"reasoning_tokens": 20}}),
            [10, 0, 0, 25],
        ),
        (
            "details that are null",
            json!({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": null}),
            [10, 0, 0, 5],
        ),
        ("null", Value::Null, [0, 0, 0, 0]),
    ]
}

fn counts(usage: &Value) -> [u64; 4] {
    ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"]
        .map(|name| usage[name].as_u64().unwrap())
}

#[test]
fn whole_answers_of_openai_providers() {
    for (name, usage, expected) in openai_shapes() {
        let body = json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]});
        let told = response(OpenaiChat, AnthropicMessages, body.to_string().as_bytes()).unwrap();
        let told: Value = serde_json::from_slice(&told).unwrap();
        assert_eq!(counts(&told["usage"]), expected, "{name}");
    }
}

/// A stream that reports `usage` in the last chunk with `choices`.
fn openai_stream(usage: &Value, choices: &Value, every_chunk: &Value) -> Vec<u8> {
    let chunk = |choices: &Value, usage: &Value| {
        let mut chunk = json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices});
        if *usage != json!("absent") {
            chunk["usage"] = usage.clone();
        }
        format!("data: {chunk}\n\n")
    };
    let delta = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
    [
        chunk(&delta(json!({"role": "assistant", "content": "Hi"}), Value::Null), every_chunk),
        chunk(&delta(json!({}), json!("stop")), every_chunk),
        chunk(choices, usage),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat()
    .into_bytes()
}

#[test]
fn streams_of_openai_providers() {
    for (name, usage, expected) in openai_shapes() {
        for choices in [
            json!([]),
            json!([{"index": 0, "delta": {}}]),
            json!([{"index": 0, "delta": {"content": ""}, "finish_reason": null}]),
        ] {
            for every_chunk in [
                json!("absent"),
                Value::Null,
                json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}),
            ] {
                if usage.is_null() && every_chunk.is_object() {
                    continue;
                }
                let events = openai_stream(&usage, &choices, &every_chunk);
                let said =
                    anthropic_grammar::read(&stream(OpenaiChat, AnthropicMessages, [&events[..]])).unwrap();
                assert_eq!(counts(&said.usage), expected, "{name}, {choices}, {every_chunk}");
            }
        }
    }
}

/// Usage of Anthropic, and what OpenAI clients are told: prompt, cached, output, reasoning.
fn anthropic_shapes() -> Vec<(Value, [u64; 4])> {
    vec![
        (json!({"input_tokens": 10, "output_tokens": 5}), [10, 0, 5, 0]),
        (
            json!({"input_tokens": 20, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 50, "output_tokens": 5}),
            [100, 50, 5, 0],
        ),
        (
            json!({"input_tokens": 20, "cache_creation_input_tokens": null, "cache_read_input_tokens": null, "output_tokens": 5,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                "server_tool_use": {"web_search_requests": 1}, "service_tier": "standard"}),
            [20, 0, 5, 0],
        ),
        (
            json!({"input_tokens": 1, "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 40}}),
            [1, 0, 50, 40],
        ),
    ]
}

fn openai_counts(usage: &Value) -> [u64; 4] {
    [
        "/prompt_tokens",
        "/prompt_tokens_details/cached_tokens",
        "/completion_tokens",
        "/completion_tokens_details/reasoning_tokens",
    ]
    .map(|pointer| usage.pointer(pointer).unwrap().as_u64().unwrap())
}

#[test]
fn whole_answers_of_anthropic() {
    for (usage, expected) in anthropic_shapes() {
        let body = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
            "stop_reason": "end_turn", "stop_sequence": null, "usage": usage});
        let told = response(AnthropicMessages, OpenaiChat, body.to_string().as_bytes()).unwrap();
        let told: Value = serde_json::from_slice(&told).unwrap();
        assert_eq!(openai_counts(&told["usage"]), expected, "{usage}");
    }
}

#[test]
fn streams_of_anthropic() {
    for (usage, expected) in anthropic_shapes() {
        let mut start = usage.clone();
        start["output_tokens"] = json!(1);
        // Older API versions repeat only the output in `message_delta`, newer ones everything.
        for end in [
            json!({"output_tokens": usage["output_tokens"], "output_tokens_details": usage["output_tokens_details"]}),
            usage.clone(),
        ] {
            let events = [
                json!({"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": start}}),
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": end}),
                json!({"type": "message_stop"}),
            ]
            .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
            .concat();
            let said =
                readers::openai_stream(&stream(AnthropicMessages, OpenaiChat, [events.as_bytes()])).unwrap();
            assert_eq!(openai_counts(&said.usage), expected, "{usage}");
        }
    }
}
