//! Conversations over several turns: tool loops (T-02), signed thinking (T-04), and what clients often send
//! although no reference says so (T-07).

use llm_dialects::Dialect::{AnthropicMessages, OpenaiChat};
use serde_json::{Value, json};

use crate::{anthropic_grammar, provider_gets, readers, request, response, stream};

fn call(id: &str, city: &str) -> Value {
    let arguments = json!({ "city": city }).to_string();
    json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments}})
}

fn weather() -> Value {
    json!({"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}})
}

#[test]
fn t02_a_tool_loop_towards_anthropic() {
    let sent = provider_gets(
        OpenaiChat,
        &json!({
            "model": "m",
            "tools": [weather()],
            "messages": [
                {"role": "user", "content": "Oslo, Rome and Bonn?"},
                {"role": "assistant", "content": null, "tool_calls": [call("a", "Oslo"), call("b", "Rome"), call("c", "Bonn")]},
                {"role": "tool", "tool_call_id": "c", "content": "Error: no such station"},
                {"role": "tool", "tool_call_id": "a", "content": ""},
                {"role": "tool", "tool_call_id": "b", "content": [
                    {"type": "text", "text": "map:"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                ]},
                {"role": "assistant", "content": "One more.", "tool_calls": [call("d", "Bonn")]},
                {"role": "tool", "tool_call_id": "d", "content": "Sun"},
                {"role": "assistant", "content": "Sun."},
                {"role": "user", "content": "Thanks. And tomorrow?"},
            ],
        }),
    );
    readers::request(AnthropicMessages, &sent).unwrap();
    let input = |city: &str| json!({ "city": city });
    assert_eq!(
        sent["messages"],
        json!([
            {"role": "user", "content": "Oslo, Rome and Bonn?"},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "a", "name": "weather", "input": input("Oslo")},
                {"type": "tool_use", "id": "b", "name": "weather", "input": input("Rome")},
                {"type": "tool_use", "id": "c", "name": "weather", "input": input("Bonn")},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a"},
                {"type": "tool_result", "tool_use_id": "b", "content": [
                    {"type": "text", "text": "map:"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                ]},
                {"type": "tool_result", "tool_use_id": "c", "content": "Error: no such station"},
            ]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "One more."},
                {"type": "tool_use", "id": "d", "name": "weather", "input": input("Bonn")},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "d", "content": "Sun"}]},
            {"role": "assistant", "content": "Sun."},
            {"role": "user", "content": "Thanks. And tomorrow?"},
        ])
    );
}

#[test]
fn t02_a_tool_loop_towards_openai() {
    let tool_use = |id: &str| json!({"type": "tool_use", "id": id, "name": "weather", "input": {"city": id}});
    let sent = provider_gets(
        AnthropicMessages,
        &json!({
            "model": "m",
            "max_tokens": 100,
            "tools": [{"name": "weather", "input_schema": {"type": "object"}}],
            "messages": [
                {"role": "user", "content": "Oslo, Rome and Bonn?"},
                {"role": "assistant", "content": [tool_use("a"), tool_use("b"), tool_use("c")]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "c", "content": "no such station", "is_error": true},
                    {"type": "tool_result", "tool_use_id": "a"},
                    {"type": "tool_result", "tool_use_id": "b", "content": [
                        {"type": "text", "text": "map:"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                    ]},
                ]},
                {"role": "assistant", "content": [{"type": "text", "text": "One more."}, tool_use("d")]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "d", "content": "Sun"},
                    {"type": "text", "text": "And tomorrow?"},
                ]},
            ],
        }),
    );
    readers::request(OpenaiChat, &sent).unwrap();
    let called = |id: &str| {
        let arguments = json!({ "city": id }).to_string();
        json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments}})
    };
    assert_eq!(
        sent["messages"],
        json!([
            {"role": "user", "content": "Oslo, Rome and Bonn?"},
            {"role": "assistant", "content": null, "tool_calls": [called("a"), called("b"), called("c")]},
            {"role": "tool", "content": "", "tool_call_id": "a"},
            {"role": "tool", "content": "map:\n[image: see the next user message]", "tool_call_id": "b"},
            {"role": "tool", "content": "Error: no such station", "tool_call_id": "c"},
            {"role": "user", "content": [
                {"type": "text", "text": "[image returned by tool call b]"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ]},
            {"role": "assistant", "content": "One more.", "tool_calls": [called("d")]},
            {"role": "tool", "content": "Sun", "tool_call_id": "d"},
            {"role": "user", "content": "And tomorrow?"},
        ])
    );
}

/// What Anthropic answers with, streamed or not.
const THOUGHT: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"thinking","thinking":"Look it up.","signature":"c2ln"},{"type":"redacted_thinking","data":"ZGF0YQ=="},{"type":"text","text":"I look."},{"type":"tool_use","id":"a","name":"weather","input":{"city":"Oslo"}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":9}}"#;

/// What Anthropic must find in the next request.
fn replayed() -> Value {
    json!([
        {"type": "thinking", "thinking": "Look it up.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Oslo"}},
    ])
}

fn next_turn(assistant: Value) -> Value {
    json!({
        "model": "m",
        "reasoning_effort": "medium",
        "tools": [weather()],
        "messages": [
            {"role": "user", "content": "Oslo?"},
            assistant,
            {"role": "tool", "tool_call_id": "a", "content": "Rain"},
        ],
    })
}

#[test]
fn t04_signed_thinking_survives_two_turns_of_an_openai_client() {
    let told = response(AnthropicMessages, OpenaiChat, THOUGHT.as_bytes()).unwrap();
    let told: Value = serde_json::from_slice(&told).unwrap();
    let message = &told["choices"][0]["message"];
    assert_eq!(message["reasoning_content"], "Look it up.");
    // Clients send the message back as they got it.
    let mut sent = provider_gets(OpenaiChat, &next_turn(message.clone()));
    assert_eq!(sent["messages"][1]["content"], replayed());
    assert_eq!(sent["thinking"]["type"], "enabled");

    // The second turn thinks again; both thoughts are in the third request.
    let mut turns = next_turn(message.clone());
    let again = response(AnthropicMessages, OpenaiChat, THOUGHT.as_bytes()).unwrap();
    let again: Value = serde_json::from_slice(&again).unwrap();
    let messages = turns["messages"].as_array_mut().unwrap();
    messages.push(again["choices"][0]["message"].clone());
    messages.push(json!({"role": "tool", "tool_call_id": "a", "content": "Sun"}));
    sent = provider_gets(OpenaiChat, &turns);
    assert_eq!(sent["messages"][1]["content"], replayed());
    assert_eq!(sent["messages"][3]["content"], replayed());
    readers::request(AnthropicMessages, &sent).unwrap();
}

#[test]
fn t04_signed_thinking_survives_a_stream() {
    let mut events = Vec::new();
    let mut encoder = AnthropicMessages.stream_encoder(0, true);
    AnthropicMessages
        .decode_response(THOUGHT.as_bytes())
        .unwrap()
        .replay(&mut |event| encoder.event(&event, &mut events));
    assert_eq!(anthropic_grammar::read(&events).unwrap().blocks.len(), 4);
    let said = readers::openai_stream(&stream(AnthropicMessages, OpenaiChat, [&events[..]])).unwrap();
    assert_eq!(said.reasoning, "Look it up.");
    let (id, name, arguments) = said.calls[0].clone();
    let assistant = json!({
        "role": "assistant",
        "content": said.content,
        "thinking_blocks": said.thinking_blocks,
        "tool_calls": [{"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}],
    });
    let sent = provider_gets(OpenaiChat, &next_turn(assistant));
    assert_eq!(sent["messages"][1]["content"], replayed());
}

#[test]
fn t04_thinking_of_another_provider_is_not_forwarded() {
    let block = |block: Value| {
        json!({
            "model": "m", "max_tokens": 100,
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": [block, {"type": "text", "text": "Ho"}]},
                {"role": "user", "content": "Go on"},
            ],
        })
    };
    for thought in [
        json!({"type": "thinking", "thinking": "Hm", "signature": "c2ln"}),
        json!({"type": "redacted_thinking", "data": "ZGF0YQ=="}),
    ] {
        let sent = provider_gets(AnthropicMessages, &block(thought));
        assert_eq!(sent["messages"][1], json!({"role": "assistant", "content": "Ho"}));
    }
    // Reasoning of an OpenAI-compatible provider, which nobody signed, does not go to Anthropic; and it does not
    // come back signed through an Anthropic client either.
    let unsigned = json!({"role": "assistant", "content": "Ho", "reasoning_content": "Hm"});
    let sent = provider_gets(
        OpenaiChat,
        &json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}, unsigned, {"role": "user", "content": "Go on"}]}),
    );
    assert_eq!(sent["messages"][1], json!({"role": "assistant", "content": "Ho"}));
    let reasoned = br#"{"id":"1","object":"chat.completion","created":1,"model":"deepseek","choices":[{"index":0,"message":{"role":"assistant","content":"Ho","reasoning_content":"Hm"},"finish_reason":"stop"}]}"#;
    let told: Value =
        serde_json::from_slice(&response(OpenaiChat, AnthropicMessages, reasoned).unwrap()).unwrap();
    assert_eq!(told["content"][0], json!({"type": "thinking", "thinking": "Hm", "signature": ""}));
    let again = json!({"model": "m", "max_tokens": 100, "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": told["content"]},
        {"role": "user", "content": "Go on"},
    ]});
    let sent =
        request(AnthropicMessages, AnthropicMessages, "claude-sonnet-4-5", again.to_string().as_bytes());
    let sent: Value = serde_json::from_slice(&sent.unwrap()).unwrap();
    assert_eq!(sent["messages"][1]["content"], "Ho");
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
        let sent = provider_gets(OpenaiChat, &body);
        assert_eq!(sent.pointer(pointer).unwrap_or(&Value::Null), &expected, "{what}");
        readers::request(AnthropicMessages, &sent).unwrap_or_else(|breach| panic!("{what}: {breach}"));
    }
}

#[test]
fn t07_odd_but_common_requests_of_anthropic_clients() {
    for (what, patch) in [
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
        let sent = provider_gets(AnthropicMessages, &body);
        readers::request(OpenaiChat, &sent).unwrap_or_else(|breach| panic!("{what}: {breach}"));
    }
}
