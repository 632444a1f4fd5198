//! Prompt messages in every dialect.

use super::*;

/// One message of each role on both sides.
fn all_roles() -> RequestPolicy {
    policy(json!({"prompt": {
        "prepend": [
            {"role": "system", "content": "S1"}, {"role": "user", "content": "U1"},
            {"role": "developer", "content": "D1"}, {"role": "assistant", "content": "A1"},
        ],
        "append": [{"role": "system", "content": "S2"}, {"role": "user", "content": "U2"}],
    }}))
}

fn system_only() -> RequestPolicy {
    policy(json!({"prompt": {
        "prepend": [{"role": "system", "content": "S1"}], "append": [{"role": "system", "content": "S2"}],
    }}))
}

/// The edited body, checked to be the same each time.
fn edited(policy: &RequestPolicy, dialect: Dialect, body: &str) -> Value {
    let text = before(policy, dialect, body).unwrap();
    assert_eq!(text, before(policy, dialect, body).unwrap());
    serde_json::from_str(&text).unwrap()
}

#[test]
fn chat_completions() {
    assert_eq!(
        before(
            &all_roles(),
            Dialect::OpenaiChat,
            "{\"model\":\"m\", \"messages\": [ {\"role\":\"user\",\"content\":\"Hi\"} ],\"n\":1.0}"
        )
        .unwrap(),
        concat!(
            "{\"model\":\"m\", \"messages\": [{\"role\":\"system\",\"content\":\"S1\"},{\"role\":\"user\",\"content\":\"U1\"},",
            "{\"role\":\"developer\",\"content\":\"D1\"},{\"role\":\"assistant\",\"content\":\"A1\"},",
            " {\"role\":\"user\",\"content\":\"Hi\"} ,{\"role\":\"system\",\"content\":\"S2\"},{\"role\":\"user\",\"content\":\"U2\"}],\"n\":1.0}"
        )
    );
    assert!(before(&all_roles(), Dialect::OpenaiChat, "{\"messages\":\"Hi\"}").is_err());
    let missing = before(&all_roles(), Dialect::OpenaiChat, "{}").unwrap_err().to_string();
    assert!(missing.starts_with("messages: is missing"), "{missing}");
}

#[test]
fn anthropic() {
    let text = |text: &str| json!({"type": "text", "text": text});
    let all = edited(
        &all_roles(),
        Dialect::AnthropicMessages,
        r#"{"system":"Be \"kind\".","messages":[{"role":"user","content":"Hi"}]}"#,
    );
    assert_eq!(all["system"], json!([text("S1"), text("D1"), text("Be \"kind\"."), text("S2")]));
    assert_eq!(
        all["messages"],
        json!([
            {"role": "user", "content": "U1"}, {"role": "assistant", "content": "A1"},
            {"role": "user", "content": "Hi"}, {"role": "user", "content": "U2"},
        ])
    );
    for absent in [r#"{"messages":[]}"#, r#"{"messages":[],"system":null}"#, r#"{"messages":[],"system":""}"#]
    {
        let body = edited(&system_only(), Dialect::AnthropicMessages, absent);
        assert_eq!(body["system"], json!([text("S1"), text("S2")]), "{absent}");
    }
    assert_eq!(
        before(
            &system_only(),
            Dialect::AnthropicMessages,
            r#"{"system":[ {"text":"x","type":"text","cache_control":{"type":"ephemeral"}} ],"messages":[ ]}"#
        )
        .unwrap(),
        r#"{"system":[{"type":"text","text":"S1"}, {"text":"x","type":"text","cache_control":{"type":"ephemeral"}} ,{"type":"text","text":"S2"}],"messages":[ ]}"#
    );
    assert!(before(&system_only(), Dialect::AnthropicMessages, r#"{"system":5,"messages":[]}"#).is_err());
}

#[test]
fn responses() {
    let item = |role: &str, text: &str| json!({"type": "message", "role": role, "content": text});
    let all = edited(&all_roles(), Dialect::OpenaiResponses, r#"{"input":"Hi"}"#);
    assert_eq!(
        all,
        json!({"input": [
            item("system", "S1"), item("user", "U1"), item("developer", "D1"), item("assistant", "A1"),
            item("user", "Hi"), item("system", "S2"), item("user", "U2"),
        ]})
    );
    // The client's instructions come first for the model, so ours go in front of them.
    let all =
        edited(&all_roles(), Dialect::OpenaiResponses, r#"{"instructions":"I","input":[ {"type":"x"} ]}"#);
    assert_eq!(
        all,
        json!({"instructions": "S1\n\nD1\n\nI", "input": [
            item("user", "U1"), item("assistant", "A1"), {"type": "x"}, item("system", "S2"), item("user", "U2"),
        ]})
    );
    let only = policy(json!({"prompt": {"prepend": [{"role": "system", "content": "S1"}]}}));
    assert_eq!(
        before(&only, Dialect::OpenaiResponses, r#"{"instructions" : "I", "input" : "Hi"}"#).unwrap(),
        r#"{"instructions" : "S1\n\nI", "input" : "Hi"}"#
    );
    // A prompt template or an earlier response may stand in for the input.
    assert_eq!(
        edited(&only, Dialect::OpenaiResponses, r#"{"instructions":null}"#),
        json!({"instructions": null, "input": [item("system", "S1")]})
    );
}

#[test]
fn gemini() {
    let content = |role: &str, text: &str| json!({"role": role, "parts": [{"text": text}]});
    let all = edited(
        &all_roles(),
        Dialect::GeminiGenerate,
        r#"{"contents":[{"parts":[{"text":"Hi"}]}],"systemInstruction":{"role":"system","parts":[{"text":"I"}]}}"#,
    );
    assert_eq!(
        all["contents"],
        json!([content("user", "U1"), content("model", "A1"), {"parts": [{"text": "Hi"}]}, content("user", "U2")])
    );
    assert_eq!(
        all["systemInstruction"],
        json!({"role": "system", "parts": [{"text": "S1"}, {"text": "D1"}, {"text": "I"}, {"text": "S2"}]})
    );
    let parts = json!([{"text": "S1"}, {"text": "I"}, {"text": "S2"}]);
    let single = r#"{"contents":[],"system_instruction":{"parts":{"text":"I"}}}"#;
    let single = edited(&system_only(), Dialect::GeminiGenerate, single);
    assert_eq!(single, json!({"contents": [], "system_instruction": {"parts": parts}}));
    let absent = edited(&system_only(), Dialect::GeminiGenerate, r#"{"contents":[]}"#);
    assert_eq!(absent["systemInstruction"], json!({"parts": [{"text": "S1"}, {"text": "S2"}]}));
    let wrong =
        before(&system_only(), Dialect::GeminiGenerate, r#"{"contents":[],"systemInstruction":{"parts":1}}"#);
    assert_eq!(wrong.unwrap_err().to_string(), "systemInstruction.parts: must be a list");
}

#[test]
fn bedrock() {
    let message = |role: &str, text: &str| json!({"role": role, "content": [{"text": text}]});
    let all = edited(
        &all_roles(),
        Dialect::BedrockConverse,
        r#"{"system":[{"text":"I"},{"cachePoint":{"type":"default"}}],"messages":[{"role":"user","content":[{"text":"Hi"}]}]}"#,
    );
    assert_eq!(
        all,
        json!({
            "system": [
                {"text": "S1"}, {"text": "D1"}, {"text": "I"}, {"cachePoint": {"type": "default"}}, {"text": "S2"},
            ],
            "messages": [message("user", "U1"), message("assistant", "A1"), message("user", "Hi"), message("user", "U2")],
        })
    );
    let absent = edited(&all_roles(), Dialect::BedrockConverse, "{}");
    assert_eq!(absent["system"], json!([{"text": "S1"}, {"text": "D1"}, {"text": "S2"}]));
}

/// The prompt goes around what overrides and transformations leave.
#[test]
fn prompts_follow_the_fields() {
    let policy = policy(json!({
        "transformations": {"messages": "llmRequest.messages.filter(m, m.role != 'system')"},
        "prompt": {"prepend": [{"role": "system", "content": "S"}]},
    }));
    assert_eq!(
        edited(
            &policy,
            Dialect::OpenaiChat,
            r#"{"messages":[{"role":"system","content":"x"},{"role":"user","content":"Hi"}]}"#
        ),
        json!({"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Hi"}]})
    );
}
