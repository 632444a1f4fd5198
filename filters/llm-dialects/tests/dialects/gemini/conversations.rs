//! Conversations of other dialects on Gemini, and of Gemini clients elsewhere.

use llm_dialects::Dialect;
use serde_json::{Value, json};

use super::{GEMINI, json_of};
use crate::goldens::NOW;
use crate::goldens::recoding::recode;

/// Encodes a request of one dialect for another.
fn request(from: Dialect, to: Dialect, model: &str, body: &Value) -> Value {
    let body = body.to_string();
    let mut request = from.decode_request(body.as_bytes()).unwrap();
    request.model = model.to_owned().into();
    json_of(&to.encode_request(&mut request).unwrap().0)
}

/// Encodes an answer of one dialect for a client of another.
fn answer(from: Dialect, to: Dialect, body: &Value) -> Value {
    let body = body.to_string();
    json_of(&to.encode_response(&from.decode_response(body.as_bytes()).unwrap(), NOW))
}

/// An Anthropic client on Gemini: three turns, two calls at once, signatures back in their places.
#[test]
fn an_anthropic_tool_loop_on_gemini() {
    let anthropic = Dialect::AnthropicMessages;
    let tool = json!({"name": "look", "input_schema": {"$schema": "x", "type": "object", "properties": {"n": {"type": "integer", "exclusiveMinimum": 0}}}});
    let mut body = json!({
        "model": "claude", "max_tokens": 900, "system": "Be brief.", "tools": [tool],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "messages": [{"role": "user", "content": "Look at 1 and 2."}],
    });
    let sent = request(anthropic, GEMINI, "gemini-3.8-flash", &body);
    assert_eq!(sent["systemInstruction"]["parts"], json!([{"text": "Be brief."}]));
    assert_eq!(
        sent["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"],
        json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}})
    );
    assert_eq!(
        sent["generationConfig"]["thinkingConfig"],
        json!({"thinkingLevel": "LOW", "includeThoughts": true})
    );

    let said = answer(
        GEMINI,
        anthropic,
        &json!({"responseId": "r1", "modelVersion": "gemini-3.8-flash", "candidates": [{"finishReason": "STOP", "content": {"role": "model", "parts": [
            {"text": "Two looks.", "thought": true},
            {"functionCall": {"name": "look", "args": {"n": 1}}, "thoughtSignature": "Q2l+/w=="},
            {"functionCall": {"name": "look", "args": {"n": 2}}},
        ]}}]}),
    );
    assert_eq!(said["stop_reason"], "tool_use");
    let ids: Vec<Value> =
        said["content"].as_array().unwrap().iter().map(|block| block["id"].clone()).collect();
    body["messages"].as_array_mut().unwrap().extend([
        json!({"role": "assistant", "content": said["content"]}),
        json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": ids[2], "content": "second", "is_error": true},
            {"type": "tool_result", "tool_use_id": ids[1], "content": [{"type": "text", "text": "first"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}]},
        ]}),
    ]);
    let sent = request(anthropic, GEMINI, "gemini-3.8-flash", &body);
    assert_eq!(
        sent["contents"][1],
        json!({"role": "model", "parts": [
            {"functionCall": {"id": "call_r1_0", "name": "look", "args": {"n": 1}}, "thoughtSignature": "Q2l+/w=="},
            {"functionCall": {"id": "call_r1_1", "name": "look", "args": {"n": 2}}},
        ]})
    );
    assert_eq!(
        sent["contents"][2],
        json!({"role": "user", "parts": [
            {"functionResponse": {"id": "call_r1_0", "name": "look", "response": {"output": "first"},
                "parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]}},
            {"functionResponse": {"id": "call_r1_1", "name": "look", "response": {"error": "second"}}},
        ]})
    );

    let said = answer(
        GEMINI,
        anthropic,
        &json!({"responseId": "r2", "candidates": [{"finishReason": "STOP", "content": {"role": "model", "parts": [
            {"text": "Done.", "thoughtSignature": "bGFzdA=="}]}}]}),
    );
    body["messages"].as_array_mut().unwrap().extend([
        json!({"role": "assistant", "content": said["content"]}),
        json!({"role": "user", "content": "Thanks."}),
    ]);
    let sent = request(anthropic, GEMINI, "gemini-3.8-flash", &body);
    assert_eq!(sent["contents"][3]["parts"], json!([{"text": "Done.", "thoughtSignature": "bGFzdA=="}]));
    assert_eq!(sent["contents"][4]["parts"], json!([{"text": "Thanks."}]));
}

/// Media in results go beside the result where the model takes none inside.
#[test]
fn older_models_get_media_beside_the_result() {
    let body = json!({"model": "claude", "max_tokens": 9, "messages": [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "shot", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}]}]},
    ]});
    let sent = request(Dialect::AnthropicMessages, GEMINI, "gemini-2.5-pro", &body);
    assert_eq!(
        sent["contents"],
        json!([
            {"role": "model", "parts": [{"functionCall": {"id": "t1", "name": "shot", "args": {}}}]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "t1", "name": "shot", "response": {"output": "[media: see below]"}}},
                {"text": "[media returned by tool call t1]"},
                {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
            ]},
        ])
    );
}

/// History of another model carries no signature: Gemini 3 gets the documented stand-in, once per step.
#[test]
fn calls_of_other_models_are_signed_with_the_stand_in() {
    let call =
        |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}});
    let body = json!({"model": "m", "messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [call("c1"), call("c2")]},
        {"role": "tool", "tool_call_id": "c2", "content": "2"},
        {"role": "tool", "tool_call_id": "c1", "content": ""},
        {"role": "assistant", "tool_calls": [call("c3")]},
        {"role": "tool", "tool_call_id": "c3", "content": "3"},
    ]});
    let signatures = |model| {
        let sent = request(Dialect::OpenaiChat, GEMINI, model, &body);
        let signed = |i: usize, j: usize| sent["contents"][i]["parts"][j]["thoughtSignature"].clone();
        [signed(1, 0), signed(1, 1), signed(3, 0)]
    };
    let stand_in = json!("skip_thought_signature_validator");
    assert_eq!(signatures("gemini-3-pro-preview"), [stand_in.clone(), Value::Null, stand_in]);
    assert_eq!(signatures("gemini-2.5-pro"), [Value::Null, Value::Null, Value::Null]);
}

/// The Python SDK turns base64 into bytes and writes them in the other alphabet.
fn through_the_sdk(content: &Value) -> Value {
    let mut content = content.clone();
    for part in content["parts"].as_array_mut().unwrap() {
        if let Some(signature) = part.get_mut("thoughtSignature") {
            *signature = signature.as_str().unwrap().replace('+', "-").replace('/', "_").into();
        }
    }
    content
}

const CLAUDE_CONTENT: &str = r#"[{"type":"thinking","thinking":"Let me think.","signature":"EqQB+Ckb/w=="},
    {"type":"redacted_thinking","data":"EmwK+/=="},{"type":"text","text":"Looking."},
    {"type":"tool_use","id":"toolu_1","name":"look","input":{"n":1}}]"#;

/// A Gemini client on Claude: signed and encrypted thinking comes back as it was.
#[test]
fn a_gemini_client_returns_claudes_thinking() {
    let anthropic = Dialect::AnthropicMessages;
    let content: Value = serde_json::from_str(CLAUDE_CONTENT).unwrap();
    let said = answer(
        anthropic,
        GEMINI,
        &json!({"type": "message", "id": "msg_1", "model": "claude-sonnet-4-5", "content": content, "stop_reason": "tool_use",
            "usage": {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 5}}),
    );
    assert_eq!(said["usageMetadata"]["promptTokenCount"], 7);
    assert_eq!(said["candidates"][0]["finishReason"], "STOP");
    let history = through_the_sdk(&said["candidates"][0]["content"]);
    returns_claudes_thinking(&[history], &content);
}

fn returns_claudes_thinking(history: &[Value], content: &Value) {
    let mut contents = vec![json!({"role": "user", "parts": [{"text": "Look."}]})];
    contents.extend_from_slice(history);
    contents.push(json!({"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"result": "seen"}}}]}));
    let body = json!({
        "contents": contents,
        "tools": [{"functionDeclarations": [{"name": "look", "parameters": {"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}}}]}],
        "generationConfig": {"maxOutputTokens": 4000, "thinkingConfig": {"thinkingBudget": 2000}},
    });
    let sent = request(GEMINI, Dialect::AnthropicMessages, "claude-sonnet-4-5", &body);
    assert_eq!(sent["messages"][1]["content"], *content);
    assert_eq!(sent["messages"][2]["content"][0]["tool_use_id"], "toolu_1");
    assert_eq!(sent["thinking"]["budget_tokens"], 2000);
    assert_eq!(
        sent["tools"][0]["input_schema"],
        json!({"type": "object", "properties": {"n": {"type": "integer"}}})
    );
}

/// The same from a stream, whose chunks the SDK keeps as contents of their own.
#[test]
fn a_gemini_client_returns_claudes_streamed_thinking() {
    let mut stream = String::new();
    let mut event = |data: Value| {
        stream.push_str(&format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap()));
    };
    event(
        json!({"type": "message_start", "message": {"id": "msg_1", "model": "claude", "usage": {"input_tokens": 1}}}),
    );
    let blocks = [
        (
            json!({"type": "thinking", "thinking": "", "signature": ""}),
            vec![
                json!({"type": "thinking_delta", "thinking": "Let me "}),
                json!({"type": "thinking_delta", "thinking": "think."}),
                json!({"type": "signature_delta", "signature": "EqQB+Ckb/w=="}),
            ],
        ),
        (json!({"type": "redacted_thinking", "data": "EmwK+/=="}), vec![]),
        (
            json!({"type": "text", "text": ""}),
            vec![
                json!({"type": "text_delta", "text": "Look"}),
                json!({"type": "text_delta", "text": "ing."}),
            ],
        ),
        (
            json!({"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}),
            vec![
                json!({"type": "input_json_delta", "partial_json": "{\"n\""}),
                json!({"type": "input_json_delta", "partial_json": ":1}"}),
            ],
        ),
    ];
    for (index, (block, deltas)) in blocks.into_iter().enumerate() {
        event(json!({"type": "content_block_start", "index": index, "content_block": block}));
        for delta in deltas {
            event(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        event(json!({"type": "content_block_stop", "index": index}));
    }
    event(
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}}),
    );
    event(json!({"type": "message_stop"}));
    let encoded = recode(Dialect::AnthropicMessages, GEMINI, [stream.as_bytes()]).and_error().bytes;
    let chunks: Vec<Value> = String::from_utf8(encoded)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let last = chunks.last().unwrap();
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    assert_eq!(last["usageMetadata"]["candidatesTokenCount"], 9);
    let history: Vec<Value> =
        chunks.iter().map(|chunk| through_the_sdk(&chunk["candidates"][0]["content"])).collect();
    returns_claudes_thinking(&history, &serde_json::from_str(CLAUDE_CONTENT).unwrap());
}
