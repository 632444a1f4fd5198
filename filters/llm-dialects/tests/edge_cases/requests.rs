//! T-07: requests and arguments that are malformed, but common.

use llm_dialects::hub::{Arguments, Part, Role};
use llm_dialects::{Error, anthropic, openai_chat};
use serde_json::{Value, json};

use crate::{NOW, chat, decode_chunks, messages, to_anthropic, to_openai};

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

#[test]
fn arguments_that_are_no_object_are_kept_as_text() {
    let body = json!({"id": "1", "type": "message", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": [1]}]})
        .to_string();
    let answer = anthropic::decode_response(body.as_bytes()).unwrap();
    let Part::ToolCall(call) = &answer.content[0] else { panic!("{answer:?}") };
    assert!(matches!(&call.arguments, Arguments::Invalid(text) if text == "[1]"));
}
