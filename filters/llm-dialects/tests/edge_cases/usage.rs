//! T-11, T-12: one record from every shape of usage.

use llm_dialects::hub::{StreamEvent, Usage};
use llm_dialects::{anthropic, openai_chat};
use serde_json::{Value, json};

use crate::{NOW, decode_chunks};

/// Every shape OpenAI-compatible providers report usage in, and its record.
fn openai_shapes() -> Vec<(&'static str, Value, Usage)> {
    let none = Usage::default();
    vec![
        (
            "OpenAI",
            json!({"prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
                "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 0,
                    "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}}),
            Usage { input_uncached: 86, cache_read: 1920, output: 300, reasoning: 128, ..none },
        ),
        (
            "OpenAI, audio",
            json!({"prompt_tokens": 120, "completion_tokens": 90, "total_tokens": 210,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 100, "text_tokens": 20, "image_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 70, "text_tokens": 20}}),
            Usage { input_uncached: 120, output: 90, audio_input: 100, audio_output: 70, ..none },
        ),
        (
            "Azure",
            json!({"completion_tokens": 9, "completion_tokens_details": null, "prompt_tokens": 12,
                "prompt_tokens_details": null, "total_tokens": 21}),
            Usage { input_uncached: 12, output: 9, ..none },
        ),
        (
            "DeepSeek",
            json!({"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
                "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36,
                "prompt_tokens_details": {"cached_tokens": 64}, "completion_tokens_details": {"reasoning_tokens": 40}}),
            Usage { input_uncached: 36, cache_read: 64, output: 50, reasoning: 40, ..none },
        ),
        (
            "OpenRouter",
            json!({"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140, "cost": 0.0014, "is_byok": false,
                "prompt_tokens_details": {"cached_tokens": 50, "cache_write_tokens": 30, "audio_tokens": 0, "video_tokens": 0},
                "cost_details": {"upstream_inference_cost": null},
                "completion_tokens_details": {"reasoning_tokens": 25, "image_tokens": 10}}),
            Usage {
                input_uncached: 20,
                cache_read: 50,
                cache_write: 30,
                output: 40,
                reasoning: 25,
                image_output: 10,
                ..none
            },
        ),
        (
            "xAI",
            json!({"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135,
                "prompt_tokens_details": {"text_tokens": 22, "audio_tokens": 0, "image_tokens": 10, "cached_tokens": 6},
                "completion_tokens_details": {"reasoning_tokens": 94, "audio_tokens": 0,
                    "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
                "num_sources_used": 0}),
            Usage { input_uncached: 26, cache_read: 6, output: 103, reasoning: 94, image_input: 10, ..none },
        ),
        (
            "Groq",
            json!({"queue_time": 0.03, "prompt_tokens": 18, "prompt_time": 0.001, "completion_tokens": 556,
                "completion_time": 0.46, "total_tokens": 574, "total_time": 0.47}),
            Usage { input_uncached: 18, output: 556, ..none },
        ),
        (
            "Mistral",
            json!({"prompt_tokens": 10, "total_tokens": 22, "completion_tokens": 12, "prompt_audio_seconds": {}}),
            Usage { input_uncached: 10, output: 12, ..none },
        ),
        (
            "Moonshot",
            json!({"prompt_tokens": 19, "completion_tokens": 21, "total_tokens": 40, "cached_tokens": 10}),
            Usage { input_uncached: 9, cache_read: 10, output: 21, ..none },
        ),
        (
            "Gemini's imitation, thinking in the total only",
            json!({"completion_tokens": 12, "prompt_tokens": 8, "total_tokens": 120}),
            Usage { input_uncached: 8, output: 112, reasoning: 100, ..none },
        ),
        (
            "Gemini's imitation, all output is thinking",
            json!({"completion_tokens": 0, "prompt_tokens": 8, "total_tokens": 108}),
            Usage { input_uncached: 8, output: 100, reasoning: 100, ..none },
        ),
        (
            "Gemini's imitation, no completion tokens at all",
            json!({"prompt_tokens": 8, "total_tokens": 8}),
            Usage { input_uncached: 8, ..none },
        ),
        (
            "LiteLLM in front of Anthropic",
            json!({"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105,
                "cache_creation_input_tokens": 30, "cache_read_input_tokens": 50,
                "prompt_tokens_details": {"cached_tokens": 50, "cache_creation_tokens": 30}}),
            Usage { input_uncached: 20, cache_read: 50, cache_write: 30, output: 5, ..none },
        ),
        (
            "numbers with a fraction, and nulls",
            json!({"prompt_tokens": 10.0, "completion_tokens": null, "total_tokens": null,
                "prompt_tokens_details": {"cached_tokens": null}}),
            Usage { input_uncached: 10, ..none },
        ),
    ]
}

#[test]
fn t11_usage_of_openai_providers_in_whole_answers() {
    for (name, usage, expected) in openai_shapes() {
        let body = json!({"id": "1", "object": "chat.completion", "model": "m", "usage": usage,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]})
        .to_string();
        assert_eq!(openai_chat::decode_response(body.as_bytes()).unwrap().usage, Some(expected), "{name}");
    }
}

/// The last usage a stream tells, and how often it tells one.
fn streamed_usage(chunks: &[Value]) -> (Option<Usage>, usize) {
    let (mut last, mut reports) = (None, 0);
    decode_chunks(chunks, &mut |event| {
        if let StreamEvent::Usage(usage) = event {
            last = Some(usage);
            reports += 1;
        }
    })
    .unwrap();
    (last, reports)
}

#[test]
fn t11_usage_of_openai_providers_wherever_a_stream_puts_it() {
    let text = json!({"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": null}]});
    let stop =
        json!({"id": "1", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    for (name, usage, expected) in openai_shapes() {
        let with = |chunk: &Value, more: Value| {
            let mut chunk = chunk.clone();
            chunk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            chunk
        };
        let places = [
            // OpenAI, with include_usage: null everywhere, then a chunk without choices.
            vec![
                with(&text, json!({"usage": null})),
                with(&stop, json!({"usage": null})),
                json!({"id": "1", "model": "m", "choices": [], "usage": usage}),
            ],
            // Mistral and DeepSeek: beside the finish reason.
            vec![text.clone(), with(&stop, json!({"usage": usage}))],
            // OpenRouter: beside a choice without one, after it.
            vec![
                text.clone(),
                stop.clone(),
                with(&text, json!({"usage": usage, "choices": [{"index": 0, "delta": {"content": ""}}]})),
            ],
            // Moonshot: inside the choice.
            vec![
                text.clone(),
                json!({"id": "1", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage}]}),
            ],
            // Groq: in its own field.
            vec![text.clone(), with(&stop, json!({"x_groq": {"id": "r", "usage": usage}}))],
            // Groq, asked for usage: both.
            vec![
                text.clone(),
                with(&stop, json!({"x_groq": {"id": "r", "usage": usage}})),
                json!({"id": "1", "model": "m", "choices": [], "usage": usage}),
            ],
        ];
        for chunks in places {
            assert_eq!(streamed_usage(&chunks), (Some(expected), 1), "{name}: {chunks:?}");
        }
    }
}

/// vLLM with `continuous_usage_stats` and Gemini's imitation report totals so far in every chunk: the last one counts.
#[test]
fn t11_usage_in_every_chunk_is_a_total() {
    let chunk = |output: u64, finish: Value| {
        json!({"id": "1", "model": "m",
            "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": finish}],
            "usage": {"prompt_tokens": 7, "total_tokens": 7 + output, "completion_tokens": output}})
    };
    let mut chunks: Vec<Value> = (0..5).map(|output| chunk(output, Value::Null)).collect();
    chunks.push(chunk(5, json!("stop")));
    chunks.push(json!({"id": "1", "model": "m", "choices": [], "usage": {"prompt_tokens": 7, "total_tokens": 12, "completion_tokens": 5}}));
    let expected = Usage { input_uncached: 7, output: 5, ..Usage::default() };
    assert_eq!(streamed_usage(&chunks).0, Some(expected));
}

/// Every shape Anthropic reports usage in, and its record.
fn anthropic_shapes() -> Vec<(&'static str, Value, Usage)> {
    let none = Usage::default();
    vec![
        (
            "plain",
            json!({"input_tokens": 10, "output_tokens": 5}),
            Usage { input_uncached: 10, output: 5, ..none },
        ),
        (
            "cache_creation object",
            json!({"input_tokens": 20, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 50,
                "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
                "output_tokens": 5, "service_tier": "standard", "inference_geo": "not_available"}),
            Usage {
                input_uncached: 20,
                cache_read: 50,
                cache_write: 30,
                cache_write_1h: 20,
                output: 5,
                ..none
            },
        ),
        (
            "cache_creation object alone",
            json!({"input_tokens": 20, "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
                "output_tokens": 5}),
            Usage { input_uncached: 20, cache_write: 30, cache_write_1h: 20, output: 5, ..none },
        ),
        (
            "nulls",
            json!({"input_tokens": 20, "cache_creation_input_tokens": null, "cache_read_input_tokens": null,
                "cache_creation": null, "output_tokens": 5, "server_tool_use": null}),
            Usage { input_uncached: 20, output: 5, ..none },
        ),
        (
            "server tools and thinking",
            json!({"input_tokens": 1, "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 40},
                "server_tool_use": {"web_search_requests": 2}}),
            Usage { input_uncached: 1, output: 50, reasoning: 40, ..none },
        ),
    ]
}

#[test]
fn t12_usage_of_anthropic_whole_and_streamed() {
    for (name, usage, expected) in anthropic_shapes() {
        let body = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
            "stop_reason": "end_turn", "usage": usage})
        .to_string();
        let answer = anthropic::decode_response(body.as_bytes()).unwrap();
        assert_eq!(answer.usage, Some(expected), "{name}");
        // And back: nothing is counted twice or lost.
        let told = anthropic::encode_response(&answer);
        assert_eq!(anthropic::decode_response(&told).unwrap().usage, Some(expected), "{name}");
        let told = openai_chat::encode_response(&answer, NOW);
        let again = openai_chat::decode_response(&told).unwrap().usage.unwrap();
        assert_eq!(again, Usage { cache_write_1h: 0, ..expected }, "{name}");

        let mut start = usage.clone();
        start["output_tokens"] = json!(1);
        for end in [
            json!({"output_tokens": usage["output_tokens"], "output_tokens_details": usage["output_tokens_details"]}),
            usage.clone(),
        ] {
            let mut last = None;
            let mut decoder = anthropic::StreamDecoder::default();
            for event in [
                json!({"type": "message_start", "message": {"id": "1", "model": "m", "usage": start}}),
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": end}),
                json!({"type": "message_stop"}),
            ] {
                let sink = &mut |event: StreamEvent<'_>| {
                    if let StreamEvent::Usage(usage) = event {
                        last = Some(usage);
                    }
                };
                decoder.event(None, event.to_string().as_bytes(), sink).unwrap();
            }
            assert_eq!(last, Some(expected), "{name}");
        }
    }
}
