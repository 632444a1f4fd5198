//! What users of other gateways ran into (the T-numbers of the edge-case list), for the two dialects most clients
//! speak: OpenAI chat completions and Anthropic messages.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is a failed test")]

use llm_dialects::hub::{
    ApiError, Arguments, Block, Citation, Delta, ErrorKind, Part, Response, Role, StopReason, StreamEvent,
    TokenLogprob, Usage,
};
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

// T-04: reasoning goes back only to who signed it.

#[test]
fn t04_thinking_of_others_is_dropped_and_their_signatures_reach_clients_whole() {
    let blocks = json!([
        {"type": "thinking", "thinking": "G", "signature": "weir-gemini:Z2Vt"},
        {"type": "thinking", "thinking": "O", "signature": "weir-openai:b3Bl"},
        {"type": "thinking", "thinking": "C", "signature": "Y2xh"},
        {"type": "thinking", "thinking": "unsigned"},
    ]);
    let sent = to_anthropic(&chat(json!({"messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes?", "thinking_blocks": blocks},
        {"role": "user", "content": "Go on."},
    ]})))
    .unwrap();
    assert_eq!(
        sent["messages"][1]["content"],
        json!([{"type": "thinking", "thinking": "C", "signature": "Y2xh"}, {"type": "text", "text": "Yes?"}])
    );
    let answer = Response {
        id: "1".into(),
        model: "m".into(),
        created: None,
        content: vec![Part::Thinking { text: "G".into(), signature: Some("weir-gemini:Z2Vt".into()) }],
        stop: StopReason::EndTurn,
        stop_sequence: None,
        usage: None,
        service_tier: None,
        logprobs: Vec::new(),
    };
    for told in [anthropic::encode_response(&answer), openai_chat::encode_response(&answer, NOW)] {
        assert!(String::from_utf8(told).unwrap().contains(r#""signature":"weir-gemini:Z2Vt""#));
    }
    // The OpenAI dialect has no field for reasoning in requests, whoever signed it.
    let sent = to_openai(&messages(json!({"messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "C", "signature": "Y2xh"},
            {"type": "redacted_thinking", "data": "ZW5j"},
            {"type": "text", "text": "Yes?"},
        ]},
        {"role": "user", "content": "Go on."},
    ]})))
    .unwrap();
    assert_eq!(sent["messages"][1], json!({"role": "assistant", "content": "Yes?"}));
}

// T-07: malformed, but common.

#[test]
fn t07_tools_empty_or_chosen_without_any() {
    for more in [
        json!({"tools": []}),
        json!({"tools": null}),
        json!({"tools": [], "tool_choice": "auto"}),
        json!({"tool_choice": "none"}),
        json!({"tool_choice": "auto", "parallel_tool_calls": false}),
    ] {
        let sent = to_anthropic(&chat(more.clone())).unwrap();
        assert_eq!((sent.get("tools"), sent.get("tool_choice")), (None, None), "{more}");
    }
    for more in [
        json!({"tools": []}),
        json!({"tools": null}),
        json!({"tools": [], "tool_choice": {"type": "auto"}}),
        json!({"tool_choice": {"type": "none"}}),
        json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}),
    ] {
        let sent = to_openai(&messages(more.clone())).unwrap();
        assert_eq!(
            (sent.get("tools"), sent.get("tool_choice"), sent.get("parallel_tool_calls")),
            (None, None, None),
            "{more}"
        );
    }
    for choice in [json!("required"), json!({"type": "function", "function": {"name": "f"}})] {
        let error = to_anthropic(&chat(json!({"tool_choice": choice}))).unwrap_err();
        assert!(matches!(&error, Error::ClientSent { field, .. } if field == "tool_choice"), "{error}");
    }
}

#[test]
fn t07_arguments_empty_or_broken() {
    for (arguments, input) in [
        (json!(""), json!({})),
        (json!("  "), json!({})),
        (Value::Null, json!({})),
        (json!("{}"), json!({})),
        (json!("{\"a\":1}"), json!({"a": 1})),
        (json!("{\"a\":"), json!({"raw_arguments": "{\"a\":"})),
        (json!("[1]"), json!({"raw_arguments": "[1]"})),
        (json!("null"), json!({"raw_arguments": "null"})),
        (json!("go"), json!({"raw_arguments": "go"})),
    ] {
        let sent = to_anthropic(&chat(json!({"messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}},
            ]},
            {"role": "tool", "tool_call_id": "c", "content": "ok"},
        ]})))
        .unwrap();
        assert_eq!(sent["messages"][1]["content"][0]["input"], input, "{arguments}");
        // The model may write the same nonsense in an answer.
        let body = json!({"id": "1", "model": "m", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": null,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}]}}]})
        .to_string();
        let answer = openai_chat::decode_response(body.as_bytes()).unwrap();
        let told: Value = serde_json::from_slice(&anthropic::encode_response(&answer)).unwrap();
        assert_eq!(told["content"], json!([{"type": "tool_use", "id": "c", "name": "f", "input": input}]));
    }
    // What a Messages client wrote down is no string, and may be no object.
    for (input, arguments) in [(json!({}), "{}"), (json!({"a": 1}), r#"{"a":1}"#), (json!("go"), "\"go\"")] {
        let sent = to_openai(&messages(json!({"messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": input}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c"}]},
        ]})))
        .unwrap();
        assert_eq!(sent["messages"][1]["tool_calls"][0]["function"]["arguments"], arguments);
        assert_eq!(sent["messages"][2], json!({"role": "tool", "content": "", "tool_call_id": "c"}));
    }
}

/// The calls of a streamed answer, as OpenAI-compatible providers send them.
#[test]
fn t07_streamed_arguments_empty_or_broken() {
    for (fragments, whole) in
        [(vec![""], "{}"), (vec![], "{}"), (vec!["{\"a\":", ""], "{\"a\":"), (vec!["{", "}"], "{}")]
    {
        let delta =
            |delta: Value| json!({"id": "1", "model": "m", "choices": [{"index": 0, "delta": delta}]});
        let mut chunks =
            vec![delta(json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]}))];
        chunks.extend(fragments.iter().map(|fragment| {
            delta(json!({"tool_calls": [{"index": 0, "function": {"arguments": fragment}}]}))
        }));
        chunks
            .push(json!({"id": "1", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}));
        let mut encoder = anthropic::StreamEncoder::default();
        let mut told = Vec::new();
        decode_chunks(&chunks, &mut |event| encoder.event(&event, &mut told)).unwrap();
        let told = String::from_utf8(told).unwrap();
        let sent: String = told
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| serde_json::from_str::<Value>(data).unwrap())
            .filter_map(|event| event["delta"]["partial_json"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(sent, whole, "{fragments:?}");
    }
}

#[test]
fn t07_content_null_in_parts_and_developer_role() {
    let body = chat(json!({"messages": [
        {"role": "developer", "content": [{"type": "text", "text": "Be"}, {"type": "text", "text": "brief."}]},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": ""}]},
        {"role": "assistant", "content": null},
        {"role": "assistant", "content": [{"type": "text", "text": "Yes?"}]},
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "Go on."},
    ]}));
    let sent = to_anthropic(&body).unwrap();
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|block| block["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(texts(&sent["system"]), ["Be", "brief.", "Be kind."]);
    let roles: Vec<&str> = sent["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    assert_eq!(sent["messages"][1]["content"], "Yes?");
    let text = body.to_string();
    let request = openai_chat::decode_request(text.as_bytes()).unwrap();
    assert_eq!(request.turns.iter().filter(|turn| turn.role == Role::System).count(), 1);
    // An answer may say nothing at all.
    for message in [json!({"role": "assistant", "content": null}), json!({"role": "assistant"}), json!({})] {
        let body =
            json!({"id": "1", "model": "m", "choices": [{"message": message, "finish_reason": "stop"}]});
        let text = body.to_string();
        let answer = openai_chat::decode_response(text.as_bytes()).unwrap();
        let told: Value = serde_json::from_slice(&anthropic::encode_response(&answer)).unwrap();
        assert_eq!((&told["content"], &told["stop_reason"]), (&json!([]), &json!("end_turn")));
        let told: Value = serde_json::from_slice(&openai_chat::encode_response(&answer, NOW)).unwrap();
        assert_eq!(told["choices"][0]["message"]["content"], "");
    }
}

// T-08: errors keep their status, type and code.

/// Status, type and code of an error as an OpenAI client is told it.
fn told_openai(error: &ApiError) -> (u16, String, Value) {
    let body: Value = serde_json::from_slice(&openai_chat::encode_error(error)).unwrap();
    let kind = body["error"]["type"].as_str().unwrap().to_owned();
    (openai_chat::error_status(error), kind, body["error"]["code"].clone())
}

/// Status and type of an error as an Anthropic client is told it.
fn told_anthropic(error: &ApiError) -> (u16, String) {
    let body: Value = serde_json::from_slice(&anthropic::encode_error(error)).unwrap();
    assert_eq!(body["type"], "error");
    (anthropic::error_status(error), body["error"]["type"].as_str().unwrap().to_owned())
}

#[test]
fn t08_json_errors_of_openai_providers() {
    for (status, kind, code, expected, client_status) in [
        (400, "invalid_request_error", json!("context_length_exceeded"), "invalid_request_error", 400),
        (401, "invalid_request_error", json!("invalid_api_key"), "authentication_error", 401),
        (
            403,
            "invalid_request_error",
            json!("unsupported_country_region_territory"),
            "permission_error",
            403,
        ),
        (404, "invalid_request_error", json!("model_not_found"), "not_found_error", 404),
        (413, "invalid_request_error", Value::Null, "request_too_large", 413),
        (429, "tokens", json!("rate_limit_exceeded"), "rate_limit_error", 429),
        (429, "insufficient_quota", json!("insufficient_quota"), "billing_error", 429),
        (500, "server_error", Value::Null, "api_error", 500),
        (503, "server_error", json!("engine_overloaded"), "overloaded_error", 529),
        (529, "overloaded_error", Value::Null, "overloaded_error", 529),
    ] {
        let body =
            json!({"error": {"message": "Why.", "type": kind, "param": null, "code": code}}).to_string();
        let error = openai_chat::decode_error(status, body.as_bytes());
        assert_eq!((error.status, json!(error.code)), (status, code.clone()), "{body}");
        assert_eq!(told_anthropic(&error), (client_status, expected.to_owned()), "{body}");
        let (told_status, _, told_code) = told_openai(&error);
        assert_eq!(told_status, if status == 529 { 503 } else { status }, "{body}");
        if !code.is_null() {
            assert_eq!(told_code, code, "{body}");
            let message = String::from_utf8(anthropic::encode_error(&error)).unwrap();
            assert!(message.contains(code.as_str().unwrap()), "{message}");
        }
    }
}

#[test]
fn t08_json_errors_of_anthropic() {
    for (status, kind, expected, code, client_status) in [
        (400, "invalid_request_error", "invalid_request_error", Value::Null, 400),
        (401, "authentication_error", "authentication_error", Value::Null, 401),
        (402, "billing_error", "insufficient_quota", json!("insufficient_quota"), 402),
        (403, "permission_error", "permission_error", Value::Null, 403),
        (404, "not_found_error", "not_found_error", Value::Null, 404),
        (413, "request_too_large", "invalid_request_error", json!("request_too_large"), 413),
        (429, "rate_limit_error", "rate_limit_exceeded", json!("rate_limit_exceeded"), 429),
        (500, "api_error", "server_error", Value::Null, 500),
        (529, "overloaded_error", "server_error", json!("overloaded"), 503),
    ] {
        let body = json!({"type": "error", "error": {"type": kind, "message": "Why."}, "request_id": "r"})
            .to_string();
        let error = anthropic::decode_error(status, body.as_bytes());
        assert_eq!((error.status, error.message.as_str()), (status, "Why."));
        assert_eq!(told_openai(&error), (client_status, expected.to_owned(), code), "{body}");
        assert_eq!(told_anthropic(&error), (status, kind.to_owned()), "{body}");
    }
}

#[test]
fn t08_html_and_empty_errors_keep_their_status() {
    type Decode = fn(u16, &[u8]) -> ApiError;
    let decoders: [Decode; 2] = [openai_chat::decode_error, anthropic::decode_error];
    for decode in decoders {
        for body in
            ["<html><body>SECRET</body></html>", "", "   ", "SECRET", "{\"detail\":\"SECRET\"}", "[]", "null"]
        {
            for (status, openai, anthropic) in [
                (400, "invalid_request_error", "invalid_request_error"),
                (401, "authentication_error", "authentication_error"),
                (403, "permission_error", "permission_error"),
                (404, "not_found_error", "not_found_error"),
                (413, "invalid_request_error", "request_too_large"),
                (429, "rate_limit_exceeded", "rate_limit_error"),
                (500, "server_error", "api_error"),
                (529, "server_error", "overloaded_error"),
            ] {
                let error = decode(status, body.as_bytes());
                assert_eq!(error.status, status);
                assert!(!error.message.contains("SECRET") && !error.message.is_empty(), "{error:?}");
                assert_eq!(told_openai(&error).1, openai, "{status} {body}");
                assert_eq!(told_anthropic(&error), (status, anthropic.to_owned()), "{status} {body}");
            }
        }
    }
}

/// What a stream's decoder makes of one error event.
fn streamed(mut event: impl FnMut(&mut dyn FnMut(StreamEvent<'_>))) -> ApiError {
    let mut found = None;
    event(&mut |event| {
        if let StreamEvent::Error(error) = event {
            found = Some(error);
        }
    });
    found.unwrap()
}

#[test]
fn t08_errors_in_the_middle_of_a_stream() {
    for (data, kind, status) in [
        (
            json!({"error": {"message": "m", "type": "insufficient_quota", "code": "insufficient_quota"}}),
            ErrorKind::Billing,
            429,
        ),
        (
            json!({"error": {"message": "m", "type": "requests", "code": "rate_limit_exceeded"}}),
            ErrorKind::RateLimit,
            429,
        ),
        (json!({"error": {"message": "m", "code": 502}}), ErrorKind::Upstream, 502),
        (json!({"error": {"message": "m", "type": "server_error"}}), ErrorKind::Internal, 500),
        (json!({"error": "m"}), ErrorKind::Internal, 500),
        (
            json!({"object": "error", "message": "m", "type": "BadRequestError", "code": 400}),
            ErrorKind::InvalidRequest,
            400,
        ),
    ] {
        for name in [None, Some(&b"error"[..])] {
            let error = streamed(|sink| {
                let mut decoder = openai_chat::StreamDecoder::default();
                decoder.event(name, data.to_string().as_bytes(), sink).unwrap();
            });
            assert_eq!((error.kind, error.status, error.message.as_str()), (kind, status, "m"), "{data}");
        }
    }
    for (name, kind, status) in [
        ("overloaded_error", ErrorKind::Overloaded, 529),
        ("rate_limit_error", ErrorKind::RateLimit, 429),
        ("api_error", ErrorKind::Internal, 500),
        ("invalid_request_error", ErrorKind::InvalidRequest, 400),
        ("something_new", ErrorKind::Internal, 500),
    ] {
        let data = json!({"type": "error", "error": {"type": name, "message": "m"}}).to_string();
        let error = streamed(|sink| {
            anthropic::StreamDecoder::default().event(Some(b"error"), data.as_bytes(), sink).unwrap();
        });
        assert_eq!((error.kind, error.status, error.message.as_str()), (kind, status, "m"));
        // The client reads it in its own dialect, as the last event.
        let mut told = Vec::new();
        let mut encoder = openai_chat::StreamEncoder::new(NOW, true);
        encoder.event(&StreamEvent::Error(error), &mut told);
        encoder.event(&StreamEvent::End, &mut told);
        let told = String::from_utf8(told).unwrap();
        assert!(
            told.starts_with("data: {\"error\":{\"message\":\"m\"") && !told.contains("[DONE]"),
            "{told}"
        );
    }
}

// T-11, T-12: one record from every shape of usage.

fn decode_chunks(chunks: &[Value], sink: &mut dyn FnMut(StreamEvent<'_>)) -> Result<(), Error> {
    let mut decoder = openai_chat::StreamDecoder::default();
    for chunk in chunks {
        decoder.event(None, chunk.to_string().as_bytes(), sink)?;
    }
    decoder.event(None, b"[DONE]", sink)?;
    decoder.finish(sink)
}

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

// Citations and log probabilities, which the hub once lost.

fn answer_with_sources() -> Response<'static> {
    let cited = |url: &'static str, range| {
        Part::Citation(Citation {
            url: Some(url.into()),
            title: Some("T".into()),
            cited_text: Some("words".into()),
            range,
            document: None,
        })
    };
    Response {
        id: "1".into(),
        model: "m".into(),
        created: Some(NOW),
        content: vec![
            Part::Text("Grüße. ".into()),
            Part::Text("It rains.".into()),
            cited("https://a.example", None),
            cited("https://b.example", Some((3, 8))),
            Part::Citation(Citation { document: Some(0), ..Citation::default() }),
        ],
        stop: StopReason::EndTurn,
        stop_sequence: None,
        usage: None,
        service_tier: None,
        logprobs: vec![TokenLogprob { token: "Grüße".into(), logprob: -0.5, bytes: None, top: Vec::new() }],
    }
}

#[test]
fn citations_reach_openai_clients_with_their_spans() {
    let expected = json!([
        {"type": "url_citation", "url_citation": {"start_index": 7, "end_index": 16, "title": "T", "url": "https://a.example", "content": "words"}},
        {"type": "url_citation", "url_citation": {"start_index": 10, "end_index": 15, "title": "T", "url": "https://b.example", "content": "words"}},
    ]);
    let told: Value =
        serde_json::from_slice(&openai_chat::encode_response(&answer_with_sources(), NOW)).unwrap();
    assert_eq!(told["choices"][0]["message"]["annotations"], expected);
    assert_eq!(told["choices"][0]["logprobs"]["content"][0]["token"], "Grüße");

    let mut encoder = openai_chat::StreamEncoder::new(NOW, false);
    let mut bytes = Vec::new();
    answer_with_sources().replay(&mut |event| encoder.event(&event, &mut bytes));
    let bytes = String::from_utf8(bytes).unwrap();
    let chunks: Vec<Value> = bytes
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect();
    let annotations: Vec<Value> = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["annotations"].as_array())
        .flatten()
        .cloned()
        .collect();
    assert_eq!(json!(annotations), expected);
    let tokens = chunks.iter().filter(|chunk| chunk["choices"][0]["logprobs"].is_object()).count();
    assert_eq!(tokens, 1);
    // What was told can be read again.
    let mut citations = Vec::new();
    decode_chunks(&chunks, &mut |event| {
        if let StreamEvent::Delta { delta: Delta::Citation(citation), .. } = event {
            citations.push(citation.owned());
        }
    })
    .unwrap();
    // The two texts are one now, and so are their spans.
    let spans: Vec<_> = citations.iter().map(|citation| citation.range).collect();
    assert_eq!(spans, [Some((7, 16)), Some((10, 15))]);
}

#[test]
fn citations_reach_anthropic_clients_with_their_text() {
    let told: Value = serde_json::from_slice(&anthropic::encode_response(&answer_with_sources())).unwrap();
    let source = |url: &str| json!({"type": "web_search_result_location", "cited_text": "words", "url": url, "title": "T", "encrypted_index": ""});
    assert_eq!(
        told["content"],
        json!([
            {"type": "text", "text": "Grüße. "},
            {"type": "text", "text": "It rains.", "citations": [source("https://a.example"), source("https://b.example")]},
        ])
    );
    let mut encoder = anthropic::StreamEncoder::default();
    let mut bytes = Vec::new();
    answer_with_sources().replay(&mut |event| encoder.event(&event, &mut bytes));
    let bytes = String::from_utf8(bytes).unwrap();
    let told: Vec<(u64, Value)> = bytes
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str::<Value>(data).unwrap())
        .filter(|event| event["delta"]["type"] == "citations_delta")
        .map(|event| (event["index"].as_u64().unwrap(), event["delta"]["citation"].clone()))
        .collect();
    assert_eq!(told, [(1, source("https://a.example")), (1, source("https://b.example"))]);
}

/// A citation that comes before its text, or while another block is open, waits for it.
#[test]
fn early_citations_wait_for_their_text() {
    let citation =
        || Delta::Citation(Citation { url: Some("https://a.example".into()), ..Citation::default() });
    let delta = |index, delta| StreamEvent::Delta { index, delta };
    let start = |index, block| StreamEvent::BlockStart { index, block };
    let call = Block::ToolCall { id: "c".into(), name: "f".into(), signature: None };
    let events = [
        StreamEvent::Start { id: "1".into(), model: "m".into(), created: None },
        start(0, call),
        start(1, Block::Text),
        delta(1, citation()),
        delta(1, Delta::Text("Hi".into())),
        StreamEvent::BlockStop { index: 0 },
        StreamEvent::BlockStop { index: 1 },
        start(2, Block::Text),
        delta(2, citation()),
        StreamEvent::BlockStop { index: 2 },
        StreamEvent::End,
    ];
    let mut encoder = anthropic::StreamEncoder::default();
    let mut bytes = Vec::new();
    for event in &events {
        encoder.event(event, &mut bytes);
    }
    let bytes = String::from_utf8(bytes).unwrap();
    let kinds: Vec<String> = bytes
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str::<Value>(data).unwrap())
        .filter(|event| event["index"] == 1)
        .map(|event| event["delta"]["type"].as_str().unwrap_or(event["type"].as_str().unwrap()).to_owned())
        .collect();
    assert_eq!(kinds, ["content_block_start", "text_delta", "citations_delta", "content_block_stop"]);
    assert_eq!(bytes.matches("citations_delta").count(), 1, "the empty block is not sent: {bytes}");
}

#[test]
fn arguments_that_are_no_object_are_kept_as_text() {
    let body = json!({"id": "1", "type": "message", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": [1]}]})
        .to_string();
    let answer = anthropic::decode_response(body.as_bytes()).unwrap();
    let Part::ToolCall(call) = &answer.content[0] else { panic!("{answer:?}") };
    assert!(matches!(&call.arguments, Arguments::Invalid(text) if text == "[1]"));
}
