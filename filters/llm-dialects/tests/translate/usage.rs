//! T-11 and T-12: token counts across dialects, in every shape providers report them. OpenAI counts cached tokens
//! as part of the prompt, Anthropic beside it.

use llm_dialects::Dialect::{
    self, AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiResponses,
};
use llm_dialects::hub::Usage;
use llm_dialects::inspect;
use serde_json::{Value, json};

use crate::pipe::stream;
use crate::{canonical, grammar, readers, response};

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
fn t12_whole_answers_of_openai_providers() {
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
fn t12_streams_of_openai_providers() {
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
                    grammar::anthropic::read(&stream(OpenaiChat, AnthropicMessages, [&events[..]])).unwrap();
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
fn t12_whole_answers_of_anthropic() {
    for (usage, expected) in anthropic_shapes() {
        let body = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
            "stop_reason": "end_turn", "stop_sequence": null, "usage": usage});
        let told = response(AnthropicMessages, OpenaiChat, body.to_string().as_bytes()).unwrap();
        let told: Value = serde_json::from_slice(&told).unwrap();
        assert_eq!(openai_counts(&told["usage"]), expected, "{usage}");
    }
}

#[test]
fn t12_streams_of_anthropic() {
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

/// Usage of the other providers as they write it whole, and every input token, those read from the cache, and every
/// output token.
fn other_shapes() -> Vec<(Dialect, Value, [u64; 3])> {
    vec![
        (
            OpenaiResponses,
            json!({"input_tokens": 100, "input_tokens_details": {"cached_tokens": 60}, "output_tokens": 20,
                "output_tokens_details": {"reasoning_tokens": 15}, "total_tokens": 120}),
            [100, 60, 20],
        ),
        (
            OpenaiResponses,
            json!({"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}),
            [100, 0, 20],
        ),
        (
            GeminiGenerate,
            json!({"promptTokenCount": 100, "cachedContentTokenCount": 60, "candidatesTokenCount": 5,
                "thoughtsTokenCount": 15, "totalTokenCount": 120}),
            [100, 60, 20],
        ),
        (
            GeminiGenerate,
            json!({"promptTokenCount": 90, "toolUsePromptTokenCount": 10, "candidatesTokenCount": 20, "totalTokenCount": 120}),
            [100, 0, 20],
        ),
        (GeminiGenerate, json!({"promptTokenCount": 100, "totalTokenCount": 100}), [100, 0, 0]),
        (
            BedrockConverse,
            json!({"inputTokens": 10, "cacheReadInputTokens": 60, "cacheWriteInputTokens": 30, "outputTokens": 20,
                "totalTokens": 120}),
            [100, 60, 20],
        ),
        (BedrockConverse, json!({"inputTokens": 100, "outputTokens": 20, "totalTokens": 120}), [100, 0, 20]),
    ]
}

#[test]
fn t11_usage_of_the_other_providers_reaches_every_client() {
    for (provider, usage, [input, cached, output]) in other_shapes() {
        let mut answer: Value = serde_json::from_slice(&canonical::answer(provider)).unwrap();
        let field = if provider == GeminiGenerate { "usageMetadata" } else { "usage" };
        answer[field] = usage.clone();
        for client in Dialect::ALL.into_iter().filter(|client| *client != provider) {
            let told = response(provider, client, answer.to_string().as_bytes()).unwrap();
            let told: Value = serde_json::from_slice(&told).unwrap();
            let said = readers::response(client, &told).unwrap();
            assert_eq!(said.usage, Some((input, output)), "{provider} to {client}: {usage}");
            let pointer = match client {
                OpenaiChat => "/usage/prompt_tokens_details/cached_tokens",
                OpenaiResponses => "/usage/input_tokens_details/cached_tokens",
                AnthropicMessages => "/usage/cache_read_input_tokens",
                GeminiGenerate => "/usageMetadata/cachedContentTokenCount",
                BedrockConverse => "/usage/cacheReadInputTokens",
            };
            let read = told.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
            assert_eq!(read, cached, "{provider} to {client}: {told}");
        }
    }
}

/// Prices of a million tokens, in cents; no two are alike, so that a token counted as another kind shows.
mod price {
    pub const INPUT: u64 = 300;
    pub const CACHE_READ: u64 = 30;
    pub const CACHE_WRITE: u64 = 375;
    pub const CACHE_WRITE_1H: u64 = 600;
    pub const OUTPUT: u64 = 1_500;
    pub const AUDIO_INPUT: u64 = 4_000;
    pub const AUDIO_OUTPUT: u64 = 8_000;
    pub const IMAGE_INPUT: u64 = 1_000;
    pub const IMAGE_OUTPUT: u64 = 3_200;
}

/// What an exchange costs by its record, in cents per million.
fn cost(usage: &Usage) -> u64 {
    let plain_input = usage.input_uncached - usage.audio_input - usage.image_input;
    let plain_output = usage.output - usage.audio_output - usage.image_output;
    plain_input * price::INPUT
        + usage.cache_read * price::CACHE_READ
        + (usage.cache_write - usage.cache_write_1h) * price::CACHE_WRITE
        + usage.cache_write_1h * price::CACHE_WRITE_1H
        + plain_output * price::OUTPUT
        + usage.audio_input * price::AUDIO_INPUT
        + usage.audio_output * price::AUDIO_OUTPUT
        + usage.image_input * price::IMAGE_INPUT
        + usage.image_output * price::IMAGE_OUTPUT
}

/// Usage as providers write it, and the exact bill by the provider's own rules: what its counts hold, and what they
/// leave out.
fn bills() -> Vec<(Dialect, &'static str, Value, u64)> {
    use price::{
        AUDIO_INPUT, AUDIO_OUTPUT, CACHE_READ, CACHE_WRITE, CACHE_WRITE_1H, IMAGE_INPUT, IMAGE_OUTPUT, INPUT,
        OUTPUT,
    };
    vec![
        (
            OpenaiChat,
            "the prompt holds what was cached, the completion what was reasoned",
            json!({"prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
                "prompt_tokens_details": {"cached_tokens": 1920}, "completion_tokens_details": {"reasoning_tokens": 128}}),
            86 * INPUT + 1920 * CACHE_READ + 300 * OUTPUT,
        ),
        (
            OpenaiChat,
            "audio is a part of both",
            json!({"prompt_tokens": 120, "completion_tokens": 90, "total_tokens": 210,
                "prompt_tokens_details": {"audio_tokens": 100, "text_tokens": 20},
                "completion_tokens_details": {"audio_tokens": 70, "text_tokens": 20}}),
            20 * INPUT + 100 * AUDIO_INPUT + 20 * OUTPUT + 70 * AUDIO_OUTPUT,
        ),
        (
            OpenaiChat,
            "OpenRouter's prompt holds cache writes too, its completion images",
            json!({"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140,
                "prompt_tokens_details": {"cached_tokens": 50, "cache_write_tokens": 30},
                "completion_tokens_details": {"reasoning_tokens": 25, "image_tokens": 10}}),
            20 * INPUT + 50 * CACHE_READ + 30 * CACHE_WRITE + 30 * OUTPUT + 10 * IMAGE_OUTPUT,
        ),
        (
            OpenaiChat,
            "xAI's completion leaves out what was reasoned",
            json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 35,
                "completion_tokens_details": {"reasoning_tokens": 20}}),
            10 * INPUT + 25 * OUTPUT,
        ),
        (
            OpenaiResponses,
            "as in chat completions",
            json!({"input_tokens": 100, "input_tokens_details": {"cached_tokens": 60}, "output_tokens": 20,
                "output_tokens_details": {"reasoning_tokens": 15}, "total_tokens": 120}),
            40 * INPUT + 60 * CACHE_READ + 20 * OUTPUT,
        ),
        (
            AnthropicMessages,
            "the input leaves out what was cached; an hour costs more than five minutes",
            json!({"input_tokens": 20, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 50,
                "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}, "output_tokens": 5}),
            20 * INPUT + 50 * CACHE_READ + 10 * CACHE_WRITE + 20 * CACHE_WRITE_1H + 5 * OUTPUT,
        ),
        (
            AnthropicMessages,
            "the output holds what was thought",
            json!({"input_tokens": 1, "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 40}}),
            INPUT + 50 * OUTPUT,
        ),
        (
            GeminiGenerate,
            "the prompt holds what was cached, the candidates leave out thoughts",
            json!({"promptTokenCount": 100, "cachedContentTokenCount": 60, "candidatesTokenCount": 5,
                "thoughtsTokenCount": 15, "totalTokenCount": 120}),
            40 * INPUT + 60 * CACHE_READ + 20 * OUTPUT,
        ),
        (
            GeminiGenerate,
            "other media are parts of the counts",
            json!({"promptTokenCount": 400, "candidatesTokenCount": 1300, "totalTokenCount": 1700,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 42}, {"modality": "IMAGE", "tokenCount": 258},
                    {"modality": "AUDIO", "tokenCount": 100}],
                "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}]}),
            42 * INPUT + 258 * IMAGE_INPUT + 100 * AUDIO_INPUT + 10 * OUTPUT + 1290 * IMAGE_OUTPUT,
        ),
        (
            BedrockConverse,
            "the input leaves out what was cached",
            json!({"inputTokens": 10, "cacheReadInputTokens": 60, "cacheWriteInputTokens": 30, "outputTokens": 20,
                "totalTokens": 120}),
            10 * INPUT + 60 * CACHE_READ + 30 * CACHE_WRITE + 20 * OUTPUT,
        ),
    ]
}

#[test]
fn t12_the_record_costs_exactly_what_the_provider_charges() {
    for (provider, rule, usage, bill) in bills() {
        let mut answer: Value = serde_json::from_slice(&canonical::answer(provider)).unwrap();
        answer[if provider == GeminiGenerate { "usageMetadata" } else { "usage" }] = usage;
        let body = answer.to_string().into_bytes();
        let record = provider.decode_response(&body).unwrap().usage.unwrap();
        assert_eq!(cost(&record), bill, "{provider}: {rule}: {record:?}");
        // A passing body is only looked at, and costs the same.
        assert_eq!(inspect::response(provider, &body).unwrap().usage, Some(record), "{provider}: {rule}");
        // Nothing is counted twice on the way to the client, whatever its counts hold and leave out.
        for client in Dialect::ALL.into_iter().filter(|client| *client != provider) {
            let told = response(provider, client, &body).unwrap();
            let told = client.decode_response(&told).unwrap().usage.unwrap();
            assert_eq!(
                (told.input_total(), told.cache_read, told.output),
                (record.input_total(), record.cache_read, record.output),
                "{provider} to {client}: {rule}"
            );
        }
    }
}
