//! T-07: what clients often send although no reference says so.

use llm_dialects::Dialect::{
    AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiResponses,
};
use llm_dialects::{Dialect, Error};
use serde_json::{Value, json};

use crate::{pairs, provider_gets};

fn call(id: &str, city: &str) -> Value {
    let arguments = json!({ "city": city }).to_string();
    json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments}})
}

fn weather() -> Value {
    json!({"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}})
}

#[test]
fn t07_odd_but_common_requests_of_openai_clients() {
    let hi = json!([{"role": "user", "content": "Hi"}]);
    for (what, patch, pointer, expected) in [
        ("empty tools", json!({"tools": []}), "/tools", Value::Null),
        ("auto without tools", json!({"tool_choice": "auto"}), "/tool_choice", Value::Null),
        ("none without tools", json!({"tools": [], "tool_choice": "none"}), "/tool_choice", Value::Null),
        ("parallel calls without tools", json!({"parallel_tool_calls": false}), "/tool_choice", Value::Null),
        (
            "a developer message",
            json!({"messages": [{"role": "developer", "content": "Be brief."}, hi[0]]}),
            "/system",
            json!("Be brief."),
        ),
        (
            "text in parts",
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}),
            "/messages/0/content",
            json!("Hi"),
        ),
        ("a stop string", json!({"stop": "END"}), "/stop_sequences", json!(["END"])),
        ("nulls", json!({"temperature": null, "tools": null, "stop": null}), "/temperature", Value::Null),
        (
            "empty arguments",
            json!({"tools": [weather()], "messages": [
                hi[0],
                {"role": "assistant", "content": null, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "weather", "arguments": ""}}]},
                {"role": "tool", "tool_call_id": "a", "content": "Sun"},
            ]}),
            "/messages/1/content/0/input",
            json!({}),
        ),
        (
            "broken arguments",
            json!({"tools": [weather()], "messages": [
                hi[0],
                {"role": "assistant", "content": null, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{\"city\": "}}]},
                {"role": "tool", "tool_call_id": "a", "content": "Sun"},
            ]}),
            "/messages/1/content/0/input",
            json!({"raw_arguments": "{\"city\": "}),
        ),
        (
            "a history of calls without tools",
            json!({"messages": [
                hi[0],
                {"role": "assistant", "content": null, "tool_calls": [call("a", "Oslo")]},
                {"role": "tool", "tool_call_id": "a", "content": "Sun"},
            ]}),
            "/tools/0/name",
            json!("weather"),
        ),
    ] {
        let mut body = json!({"model": "m", "messages": hi});
        for (key, value) in patch.as_object().unwrap() {
            body[key] = value.clone();
        }
        let sent = provider_gets(OpenaiChat, AnthropicMessages, &body);
        assert_eq!(sent.pointer(pointer).unwrap_or(&Value::Null), &expected, "{what}");
        for (_, provider) in pairs().filter(|(client, _)| *client == OpenaiChat) {
            // Its API has no stop sequences: refused, see the table.
            if provider == OpenaiResponses && what == "a stop string" {
                continue;
            }
            provider_gets(OpenaiChat, provider, &body);
        }
    }
}

#[test]
fn t07_odd_but_common_requests_of_anthropic_clients() {
    for (_what, patch) in [
        ("empty tools", json!({"tools": []})),
        ("auto without tools", json!({"tool_choice": {"type": "auto"}})),
        ("an empty system", json!({"system": ""})),
        (
            "an empty block",
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "Hi"}]}]}),
        ),
        // A client of API version 2026-10-21 sends none of the parameters that it removed, but may send these.
        (
            "new fields",
            json!({"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "high"}, "fallbacks": "default", "speed": "fast", "inference_geo": "us", "container": null}),
        ),
        (
            "a system message in the middle",
            json!({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}, {"role": "user", "content": "And?"}, {"role": "system", "content": "Be brief.", "clear_at": "next_user_message"}]}),
        ),
        (
            "an effort of a message",
            json!({"messages": [{"role": "user", "content": "Hi", "output_config": {"effort": "low"}}]}),
        ),
    ] {
        let mut body =
            json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]});
        for (key, value) in patch.as_object().unwrap() {
            body[key] = value.clone();
        }
        for (_, provider) in pairs().filter(|(client, _)| *client == AnthropicMessages) {
            provider_gets(AnthropicMessages, provider, &body);
        }
    }
}

#[test]
fn t07_odd_but_common_requests_of_the_other_clients() {
    for (client, body) in [
        // Text in every shape.
        (OpenaiResponses, json!({"model": "m", "input": "Hi"})),
        (
            OpenaiResponses,
            json!({"model": "m", "input": [{"role": "developer", "content": "S"}, {"role": "user", "content": "Hi"}], "tools": []}),
        ),
        (
            OpenaiResponses,
            json!({"model": "m", "input": "Hi", "tool_choice": "auto", "parallel_tool_calls": true}),
        ),
        (
            OpenaiResponses,
            json!({"model": "m", "input": [
                {"role": "user", "content": "Hi"},
                {"type": "function_call", "call_id": "a", "name": "f", "arguments": ""},
                {"type": "function_call_output", "call_id": "a", "output": ""},
            ]}),
        ),
        (
            OpenaiResponses,
            json!({"model": "m", "input": [
                {"role": "user", "content": "Hi"},
                {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{\"x\": "},
                {"type": "function_call_output", "call_id": "a", "output": "R"},
            ]}),
        ),
        (GeminiGenerate, json!({"contents": {"parts": {"text": "Hi"}}})),
        (
            GeminiGenerate,
            json!({"contents": [{"parts": [{"text": "Hi"}]}], "tools": [], "generationConfig": null}),
        ),
        (
            GeminiGenerate,
            json!({"contents": [{"role": "user", "parts": [{"text": ""}, {"text": "Hi"}]}, {"role": "model", "parts": []}, {"role": "user", "parts": [{"text": "?"}]}]}),
        ),
        (
            GeminiGenerate,
            json!({"contents": [
                {"role": "user", "parts": [{"text": "Hi"}]},
                {"role": "model", "parts": [{"functionCall": {"name": "f"}}, {"functionCall": {"name": "f"}}]},
                {"role": "function", "parts": [{"functionResponse": {"name": "f", "response": {}}}, {"functionResponse": {"name": "f", "response": {}}}]},
            ]}),
        ),
        (
            BedrockConverse,
            json!({"messages": [{"role": "user", "content": [{"text": " "}, {"text": "Hi"}]}], "system": [], "inferenceConfig": {}}),
        ),
        (
            BedrockConverse,
            json!({"messages": [{"role": "user", "content": [{"text": "Hi"}]}], "toolConfig": {"tools": []}}),
        ),
        (
            BedrockConverse,
            json!({"messages": [
                {"role": "user", "content": [{"text": "Hi"}]},
                {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a", "name": "f", "input": {}}}]},
                {"role": "user", "content": [{"toolResult": {"toolUseId": "a", "content": []}}]},
            ]}),
        ),
    ] {
        for (_, provider) in pairs().filter(|(from, _)| *from == client) {
            provider_gets(client, provider, &body);
        }
    }
}

/// A call, its result, the tool and the choice of it, in each dialect that has ids; and the JSON pointers of their ids
/// and names. Gemini is not here: its calls need no ids.
fn tool_loops() -> [(Dialect, Value, &'static [&'static str]); 4] {
    let schema = json!({"type": "object", "properties": {}});
    [
        (
            OpenaiChat,
            json!({
                "model": "m", "tools": [weather()],
                "tool_choice": {"type": "function", "function": {"name": "weather"}},
                "messages": [
                    {"role": "user", "content": "Hi"},
                    {"role": "assistant", "content": null, "tool_calls": [call("a", "Oslo")]},
                    {"role": "tool", "tool_call_id": "a", "content": "Sun"},
                ],
            }),
            &[
                "/messages/1/tool_calls/0/id",
                "/messages/1/tool_calls/0/function/name",
                "/messages/2/tool_call_id",
                "/tools/0/function/name",
                "/tool_choice/function/name",
            ],
        ),
        (
            OpenaiResponses,
            json!({
                "model": "m", "tools": [{"type": "function", "name": "weather", "parameters": schema}],
                "tool_choice": {"type": "function", "name": "weather"},
                "input": [
                    {"role": "user", "content": "Hi"},
                    {"type": "function_call", "call_id": "a", "name": "weather", "arguments": "{}"},
                    {"type": "function_call_output", "call_id": "a", "output": "Sun"},
                ],
            }),
            &["/input/1/call_id", "/input/1/name", "/input/2/call_id", "/tools/0/name", "/tool_choice/name"],
        ),
        (
            AnthropicMessages,
            json!({
                "model": "m", "max_tokens": 9, "tools": [{"name": "weather", "input_schema": schema}],
                "tool_choice": {"type": "tool", "name": "weather"},
                "messages": [
                    {"role": "user", "content": "Hi"},
                    {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "weather", "input": {}}]},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "Sun"}]},
                ],
            }),
            &[
                "/messages/1/content/0/id",
                "/messages/1/content/0/name",
                "/messages/2/content/0/tool_use_id",
                "/tools/0/name",
                "/tool_choice/name",
            ],
        ),
        (
            BedrockConverse,
            json!({
                "toolConfig": {
                    "tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": schema}}}],
                    "toolChoice": {"tool": {"name": "weather"}},
                },
                "messages": [
                    {"role": "user", "content": [{"text": "Hi"}]},
                    {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a", "name": "weather", "input": {}}}]},
                    {"role": "user", "content": [{"toolResult": {"toolUseId": "a", "content": [{"text": "Sun"}]}}]},
                ],
            }),
            &[
                "/messages/1/content/0/toolUse/toolUseId",
                "/messages/1/content/0/toolUse/name",
                "/messages/2/content/0/toolResult/toolUseId",
                "/toolConfig/tools/0/toolSpec/name",
                "/toolConfig/toolChoice/tool/name",
            ],
        ),
    ]
}

/// No provider takes an empty one, and some of our own decoders did (found by the fuzzer).
#[test]
fn t07_empty_ids_and_names_are_refused_where_they_stand() {
    for (client, body, pointers) in tool_loops() {
        client.decode_request(body.to_string().as_bytes()).expect("the whole request is good");
        for pointer in pointers {
            let mut body = body.clone();
            *body.pointer_mut(pointer).unwrap() = json!("");
            let body = body.to_string();
            let refused = client.decode_request(body.as_bytes());
            let Err(Error::ClientSent { field, message }) = refused else {
                panic!("{client} takes an empty {pointer}: {refused:?}");
            };
            // `/messages/1/name` is `messages[1].name`.
            let named = pointer.split('/').skip(1).fold(String::new(), |path, member| {
                match member.parse::<usize>() {
                    Ok(index) => format!("{path}[{index}]"),
                    Err(_) if path.is_empty() => member.to_owned(),
                    Err(_) => format!("{path}.{member}"),
                }
            });
            assert_eq!(field, named, "{client}");
            assert!(
                message.contains("empty") || message.contains("required"),
                "{client} {pointer}: {message}"
            );
        }
    }
}

/// An id of which nothing is left without the signature we look for in it.
#[test]
fn t07_an_id_that_only_looks_signed_is_kept() {
    let (_, mut body, _) = tool_loops()[0].clone();
    for pointer in ["/messages/1/tool_calls/0/id", "/messages/2/tool_call_id"] {
        *body.pointer_mut(pointer).unwrap() = json!("_weir-sig_x");
    }
    let sent = provider_gets(OpenaiChat, AnthropicMessages, &body);
    assert_eq!(sent["messages"][1]["content"][0]["id"], "_weir-sig_x");
    assert_eq!(sent["messages"][2]["content"][0]["tool_use_id"], "_weir-sig_x");
}
