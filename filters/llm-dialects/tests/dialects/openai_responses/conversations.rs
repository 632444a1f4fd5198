//! Conversations over several turns between this dialect and others: tool loops (T-02), signed reasoning (T-04).

use llm_dialects::Dialect::{self, AnthropicMessages, OpenaiChat, OpenaiResponses};
use serde_json::{Value, json};

use crate::goldens::recoding::recode;
use crate::goldens::{NOW, inputs};
use crate::grammar;

/// A client's request as a provider gets it.
fn provider_gets(from: Dialect, to: Dialect, body: &Value) -> Value {
    let body = body.to_string();
    let mut request = from.decode_request(body.as_bytes()).unwrap();
    let (encoded, _) = to.encode_request(&mut request).unwrap();
    serde_json::from_slice(&encoded).unwrap()
}

/// A provider's answer as a client gets it.
fn client_gets(from: Dialect, to: Dialect, body: &Value) -> Value {
    let body = body.to_string();
    serde_json::from_slice(&to.encode_response(&from.decode_response(body.as_bytes()).unwrap(), NOW)).unwrap()
}

#[test]
fn t02_a_tool_loop_of_a_client_of_this_dialect() {
    let call = |id: &str, city: &str| json!({"type": "function_call", "call_id": id, "name": "weather", "arguments": json!({ "city": city }).to_string()});
    let sent = provider_gets(
        OpenaiResponses,
        AnthropicMessages,
        &json!({
            "model": "claude-sonnet-4-5",
            "instructions": "Be brief.",
            "max_output_tokens": 100,
            "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}, "strict": false}],
            "tool_choice": {"type": "function", "name": "weather"},
            "input": [
                {"role": "user", "content": "Oslo and Rome?"},
                {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": [{"type": "output_text", "text": "I look.", "annotations": []}]},
                call("a", "Oslo"), call("b", "Rome"),
                {"type": "function_call_output", "call_id": "b", "output": "rain"},
                {"type": "function_call_output", "call_id": "a", "output": [{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]},
                call("c", "Bonn"),
                {"type": "function_call_output", "call_id": "c", "output": "sun"},
                {"role": "assistant", "content": "Done."},
                {"role": "user", "content": "Thanks. And tomorrow?"},
            ],
        }),
    );
    assert_eq!(sent["tool_choice"], json!({"type": "tool", "name": "weather"}));
    let messages = sent["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages.iter().filter_map(|message| message["role"].as_str()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant", "user", "assistant", "user"]);
    let kinds = |message: &Value| -> Vec<String> {
        message["content"]
            .as_array()
            .unwrap()
            .iter()
            .map(|block| block["type"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(kinds(&messages[1]), ["text", "tool_use", "tool_use"]);
    assert_eq!(kinds(&messages[2]), ["tool_result", "tool_result"]);
    let image = messages[2].to_string();
    assert!(image.contains(r#""media_type":"image/png""#), "{image}");
}

#[test]
fn t02_a_tool_loop_towards_this_dialect() {
    let tool_use = |id: &str, city: &str| json!({"type": "tool_use", "id": id, "name": "weather", "input": {"city": city}});
    let sent = provider_gets(
        AnthropicMessages,
        OpenaiResponses,
        &json!({
            "model": "gpt-5",
            "max_tokens": 1,
            "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            "tools": [{"name": "weather", "input_schema": {"type": "object", "properties": {}}}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
            "messages": [
                {"role": "user", "content": "Oslo and Rome?"},
                {"role": "assistant", "content": [tool_use("toolu_a", "Oslo"), tool_use("toolu_b", "Rome")]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_b", "content": "no station", "is_error": true},
                    {"type": "tool_result", "tool_use_id": "toolu_a"},
                    {"type": "text", "text": "Go on."},
                ]},
                {"role": "assistant", "content": [tool_use("toolu_c", "Bonn")]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_c", "content": "sun"}]},
            ],
        }),
    );
    let call = |id: &str, city: &str| json!({"type": "function_call", "call_id": id, "name": "weather", "arguments": json!({ "city": city }).to_string()});
    let output =
        |id: &str, output: &str| json!({"type": "function_call_output", "call_id": id, "output": output});
    assert_eq!(
        sent,
        json!({
            "model": "gpt-5",
            "instructions": "Be brief.",
            "input": [
                {"type": "message", "role": "user", "content": "Oslo and Rome?"},
                call("toolu_a", "Oslo"), call("toolu_b", "Rome"),
                output("toolu_b", "Error: no station"), output("toolu_a", ""),
                {"type": "message", "role": "user", "content": "Go on."},
                call("toolu_c", "Bonn"), output("toolu_c", "sun"),
            ],
            "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}, "strict": false}],
            "tool_choice": "required",
            "parallel_tool_calls": false,
            "max_output_tokens": 16,
            "include": ["reasoning.encrypted_content"],
            "store": false,
        })
    );
}

#[test]
fn t04_claudes_signature_survives_a_client_of_this_dialect() {
    let answer = json!({
        "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "stop_reason": "tool_use",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "EqQBCkYI=="},
            {"type": "redacted_thinking", "data": "ZW5j"},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
        ],
        "usage": {"input_tokens": 1, "output_tokens": 1},
    });
    let got = client_gets(AnthropicMessages, OpenaiResponses, &answer);
    let mut input = vec![json!({"role": "user", "content": "x"})];
    input.extend(got["output"].as_array().unwrap().iter().cloned());
    input.push(json!({"type": "function_call_output", "call_id": "toolu_1", "output": "ok"}));
    let tools = json!([{"type": "function", "name": "f", "parameters": {"type": "object"}}]);
    let next =
        json!({"model": "claude-sonnet-4-5", "input": input, "tools": tools, "reasoning": {"effort": "low"}});
    let sent = provider_gets(OpenaiResponses, AnthropicMessages, &next);
    assert_eq!(sent["messages"][1]["content"], answer["content"]);
    // Another provider must not get them; not even OpenAI, which the same client may talk to next.
    assert!(llm_dialects::signature::has_foreign(Dialect::OpenaiResponses, next.to_string().as_bytes()));
    for other in [OpenaiChat, OpenaiResponses] {
        let sent = provider_gets(OpenaiResponses, other, &next).to_string();
        assert!(!sent.contains("EqQBCkYI") && !sent.contains("ZW5j"), "{sent}");
    }
}

#[test]
fn t04_openais_reasoning_survives_clients_of_others() {
    let reasoning = json!({
        "type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}],
        "encrypted_content": "gAAAAABo-_==",
    });
    let call = json!({"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"});
    let answer = json!({"id": "resp_1", "status": "completed", "model": "gpt-5", "output": [reasoning.clone(), call.clone()]});

    let got = client_gets(OpenaiResponses, AnthropicMessages, &answer);
    let result = json!([{"type": "tool_result", "tool_use_id": "call_1", "content": "ok"}]);
    let next = json!({"model": "gpt-5", "max_tokens": 2000, "messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": got["content"]},
        {"role": "user", "content": result},
    ]});
    let sent = provider_gets(AnthropicMessages, OpenaiResponses, &next);
    assert_eq!(sent["input"][1], reasoning);
    assert_eq!(sent["input"][2], call);

    let got = client_gets(OpenaiResponses, OpenaiChat, &answer);
    let next = json!({"model": "gpt-5", "messages": [
        {"role": "user", "content": "x"},
        got["choices"][0]["message"],
        {"role": "tool", "tool_call_id": "call_1", "content": "ok"},
    ]});
    let sent = provider_gets(OpenaiChat, OpenaiResponses, &next);
    assert_eq!(sent["input"][1], reasoning);
}

#[test]
fn streams_of_this_dialect_follow_the_grammar_of_anthropic() {
    for path in inputs(OpenaiResponses, "streams") {
        let told = recode(OpenaiResponses, AnthropicMessages, [&std::fs::read(&path).unwrap()[..]]);
        if told.error.is_some() {
            continue;
        }
        let message = grammar::anthropic::read(&told.bytes)
            .unwrap_or_else(|breach| panic!("{}: {breach}", path.display()));
        if path.ends_with("reasoning.sse") {
            let thinking = &message.blocks[0];
            assert_eq!(thinking.text, "**Weighing**\n\nIt is four.");
            assert_eq!(thinking.signature, "weir-openai:rs_1.gAAAAABo==");
        }
    }
}
