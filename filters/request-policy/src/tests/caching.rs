//! Prompt-cache marks.

use super::*;
use proptest::prelude::*;

const CLAUDE: &str = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";
const MARK: &str = r#""cache_control":{"type":"ephemeral"}"#;

fn everything() -> RequestPolicy {
    policy(json!({"prompt_caching": {"tools": true, "min_tokens": 2}}))
}

fn anthropic(policy: &RequestPolicy, body: &str) -> String {
    let marked = after(policy, Dialect::AnthropicMessages, "claude-sonnet-4-5", body);
    assert!(serde_json::from_str::<Value>(&marked).is_ok(), "{marked}");
    marked
}

fn bedrock(policy: &RequestPolicy, body: &str) -> String {
    let marked = after(policy, Dialect::BedrockConverse, CLAUDE, body);
    assert!(serde_json::from_str::<Value>(&marked).is_ok(), "{marked}");
    marked
}

fn marks(body: &str) -> usize {
    body.matches("\"cache_control\":{").count() + body.matches("\"cachePoint\":{").count()
}

#[test]
fn t05_marks_are_placed_and_everything_else_keeps_its_bytes() {
    assert_eq!(
        anthropic(
            &everything(),
            concat!(
                "{ \"system\": \"Be k\\u0069nd.\" ,\"x\":1.0,\n \"messages\":[ {\"role\":\"user\",\"content\":\"One\"} ,",
                "{\"content\": [{\"type\":\"text\",\"text\":\"Two\"}]}, {\"role\":\"user\",\"content\":\"Three\"}],",
                "\"tools\":[{\"name\":\"a\"}, {\"name\":\"b\" }]}"
            )
        ),
        concat!(
            "{ \"system\": [{\"type\":\"text\",\"text\":\"Be k\\u0069nd.\",\"cache_control\":{\"type\":\"ephemeral\"}}] ,\"x\":1.0,\n",
            " \"messages\":[ {\"role\":\"user\",\"content\":\"One\"} ,",
            "{\"content\": [{\"type\":\"text\",\"text\":\"Two\",\"cache_control\":{\"type\":\"ephemeral\"}}]},",
            " {\"role\":\"user\",\"content\":\"Three\"}],",
            "\"tools\":[{\"name\":\"a\"}, {\"name\":\"b\",\"cache_control\":{\"type\":\"ephemeral\"} }]}"
        )
    );
    assert_eq!(
        bedrock(
            &everything(),
            r#"{"system":[{"text":"Be kind."}],"messages":[{"role":"user","content":[{"text":"One"}]},{"role":"user","content":[{"text":"Two"}]}],"toolConfig":{"tools":[{"toolSpec":{}}],"toolChoice":{}}}"#
        ),
        concat!(
            r#"{"system":[{"text":"Be kind."},{"cachePoint":{"type":"default"}}],"#,
            r#""messages":[{"role":"user","content":[{"text":"One"},{"cachePoint":{"type":"default"}}]},{"role":"user","content":[{"text":"Two"}]}],"#,
            r#""toolConfig":{"tools":[{"toolSpec":{}},{"cachePoint":{"type":"default"}}],"toolChoice":{}}}"#
        )
    );
}

#[test]
fn t05_never_a_fifth_mark() {
    // Marks of the client in a tool result, on a tool, on system; what looks like one in tool input does not count.
    let body = |in_result: &str, on_request: &str| {
        format!(
            concat!(
                r#"{{{}"system":[{{"type":"text","text":"Be kind.",{}}},{{"type":"text","text":"And brief."}}],"#,
                r#""messages":[{{"role":"assistant","content":[{{"type":"tool_use","id":"1","name":"a","input":{{"cache_control":{{}}}}}}]}},"#,
                r#"{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"1","content":[{{"type":"text","text":"r"{}}}]}}]}},"#,
                r#"{{"role":"user","content":"x"}}],"tools":[{{"name":"a",{}}},{{"name":"b"}}]}}"#
            ),
            on_request, MARK, in_result, MARK
        )
    };
    // Two are there: two places are left, for the system prompt and the messages.
    let marked = anthropic(&everything(), &body("", ""));
    assert_eq!(marks(&marked), 4 + 1);
    assert!(marked.contains(r#""And brief.","cache_control":{"#));
    assert!(marked.ends_with(r#"{"name":"b"}]}"#));
    // Three: one place is left.
    let nested = format!(",{MARK}");
    let marked = anthropic(&everything(), &body(&nested, ""));
    assert_eq!(marks(&marked), 4 + 1);
    assert!(marked.contains(r#""And brief.","cache_control":{"#));
    // Four, of which one is Anthropic's automatic caching: none.
    let full = body(&nested, &format!("{MARK},"));
    assert_eq!(anthropic(&everything(), &full), full);
    // Five: the provider will refuse it, but not because of us.
    let point = r#"{"cachePoint":{"type":"default"}}"#;
    let full = format!(
        r#"{{"system":[{{"text":"a b c"}},{point},{point},{point},{point},{point},{{"text":"d"}}]}}"#
    );
    assert_eq!(bedrock(&everything(), &full), full);
}

#[test]
fn t05_never_on_thinking_or_empty_text() {
    let messages = |blocks: &str| {
        format!(
            r#"{{"messages":[{{"role":"assistant","content":[{blocks}]}},{{"role":"user","content":"x"}}]}}"#
        )
    };
    let thinking = r#"{"type":"thinking","thinking":"t","signature":"s"}"#;
    let redacted = r#"{"type":"redacted_thinking","data":"d"}"#;
    let empty = r#"{"type":"text","text":" "}"#;
    let text = r#"{"type":"text","text":"a"}"#;
    let marked_text = format!(r#"{{"type":"text","text":"a",{MARK}}}"#);
    for rest in [thinking, redacted, empty] {
        assert_eq!(
            anthropic(&everything(), &messages(&format!("{text},{rest}"))),
            messages(&format!("{marked_text},{rest}"))
        );
        let unmarkable = messages(rest);
        assert_eq!(anthropic(&everything(), &unmarkable), unmarkable);
    }
    let blank =
        r#"{"system":"  \n","messages":[{"role":"user","content":""},{"role":"user","content":"x"}]}"#;
    let any_length = policy(json!({"prompt_caching": {"min_tokens": 0}}));
    assert_eq!(anthropic(&any_length, blank), blank);

    let reasoning = r#"{"reasoningContent":{"reasoningText":{"text":"t"}}}"#;
    let point = r#"{"cachePoint":{"type":"default"}}"#;
    assert_eq!(
        bedrock(&everything(), &messages(&format!(r#"{{"text":"a"}},{reasoning}"#))).matches(point).count(),
        1
    );
    assert!(
        bedrock(&everything(), &messages(&format!(r#"{{"text":"a"}},{reasoning}"#)))
            .contains(&format!(r#"[{{"text":"a"}},{point},{reasoning}]"#))
    );
    let unmarkable = messages(reasoning);
    assert_eq!(bedrock(&everything(), &unmarkable), unmarkable);
}

#[test]
fn t05_a_system_prompt_below_min_tokens_is_not_marked() {
    let words = |count: usize| format!(r#"{{"system":"{}"}}"#, vec!["word"; count].join(" "));
    let policy = policy(json!({"prompt_caching": {}}));
    // 787 × 1.3 = 1023.1, 788 × 1.3 = 1024.4.
    assert_eq!(marks(&anthropic(&policy, &words(787))), 0);
    assert_eq!(marks(&anthropic(&policy, &words(788))), 1);
    let blocks = |count| {
        format!(r#"{{"system":[{{"text":"{}"}},{{"text":"{}"}}]}}"#, "a ".repeat(400), "b ".repeat(count))
    };
    assert_eq!(marks(&bedrock(&policy, &blocks(387))), 0);
    assert_eq!(marks(&bedrock(&policy, &blocks(388))), 1);
}

#[test]
fn the_message_is_the_second_to_last_or_one_before() {
    let body = |count: usize| {
        let messages: Vec<_> =
            (0..count).map(|index| json!({"role": "user", "content": index.to_string()})).collect();
        json!({"messages": messages}).to_string()
    };
    let marked_at = |offset: u64, count: usize| {
        let policy = policy(json!({"prompt_caching": {"message_offset": offset}}));
        let marked: Value = serde_json::from_str(&anthropic(&policy, &body(count))).unwrap();
        marked["messages"].as_array().unwrap().iter().position(|message| message["content"].is_array())
    };
    assert_eq!(marked_at(0, 0), None);
    assert_eq!(marked_at(0, 1), None);
    assert_eq!(marked_at(0, 2), Some(0));
    assert_eq!(marked_at(0, 5), Some(3));
    assert_eq!(marked_at(2, 5), Some(1));
    assert_eq!(marked_at(u64::MAX, 5), Some(0));
}

#[test]
fn places_the_client_has_marked_are_left() {
    for body in [
        format!(r#"{{"system":[{{"type":"text","text":"a b c",{MARK}}}]}}"#),
        format!(r#"{{"tools":[{{"name":"a",{MARK}}}]}}"#),
        format!(
            r#"{{"messages":[{{"role":"user","content":[{{"type":"text","text":"a",{MARK}}}]}},{{"role":"user","content":"x"}}]}}"#
        ),
    ] {
        assert_eq!(anthropic(&everything(), &body), body);
    }
    for body in [
        r#"{"system":[{"text":"a b c"},{"cachePoint":{"type":"default"}}]}"#,
        r#"{"toolConfig":{"tools":[{"toolSpec":{}},{"cachePoint":{"type":"default"}}]}}"#,
        r#"{"toolConfig":{"tools":[]}}"#,
    ] {
        assert_eq!(bedrock(&everything(), body), body);
    }
    // An unset mark is none.
    let unset = r#"{"system":[{"type":"text","text":"a b c","cache_control":null}]}"#;
    assert_eq!(marks(&anthropic(&everything(), unset)), 1);
}

#[test]
fn marks_for_an_hour_are_the_clients_business() {
    let body = r#"{"system":"a b c","messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}]}]}"#;
    assert_eq!(anthropic(&everything(), body), body);
}

#[test]
fn tools_that_are_searched_for_are_not_marked() {
    let body = r#"{"tools":[{"name":"a"},{"name":"b","defer_loading":true}]}"#;
    assert_eq!(
        anthropic(&everything(), body),
        format!(r#"{{"tools":[{{"name":"a",{MARK}}},{{"name":"b","defer_loading":true}}]}}"#)
    );
}

#[test]
fn only_where_the_provider_has_marks() {
    let policy = everything();
    let chat =
        r#"{"messages":[{"role":"system","content":"a b c"},{"role":"user","content":"x"}],"tools":[{}]}"#;
    assert_eq!(after(&policy, Dialect::OpenaiChat, "gpt-5", chat), chat);
    assert_eq!(after(&policy, Dialect::OpenaiResponses, "gpt-5", chat), chat);
    assert_eq!(after(&policy, Dialect::GeminiGenerate, "gemini-3", chat), chat);
    let body = r#"{"system":[{"text":"a b c"}],"toolConfig":{"tools":[{"toolSpec":{}}]}}"#;
    assert_eq!(after(&policy, Dialect::BedrockConverse, "meta.llama3-70b-instruct-v1:0", body), body);
    // Nova caches system prompts and messages, and refuses marks among tools.
    assert_eq!(marks(&after(&policy, Dialect::BedrockConverse, "amazon.nova-pro-v1:0", body)), 1);
}

#[test]
fn bodies_that_are_not_understood_are_left() {
    for body in [
        "",
        "[]",
        "{",
        "{\"system\":5,\"messages\":{},\"tools\":1}",
        "{\"a\":1,\"a\":2,\"system\":\"a b c\"}",
    ] {
        assert_eq!(after(&everything(), Dialect::AnthropicMessages, "claude", body), body);
        assert_eq!(after(&everything(), Dialect::BedrockConverse, CLAUDE, body), body);
    }
}

fn block() -> impl Strategy<Value = Value> {
    let kinds = prop_oneof![
        "[a ]{0,3}".prop_map(|text| json!({"type": "text", "text": text})),
        Just(json!({"type": "thinking", "thinking": "t", "signature": "s"})),
        Just(json!({"type": "redacted_thinking", "data": "d"})),
        Just(json!({"type": "tool_use", "id": "1", "name": "a", "input": {"cache_control": {"type": "x"}}})),
        Just(
            json!({"type": "tool_result", "content": [{"type": "text", "text": "r", "cache_control": {"type": "ephemeral"}}]})
        ),
    ];
    (kinds, prop::bool::weighted(0.2)).prop_map(|(mut block, marked)| {
        if marked && !block["type"].as_str().unwrap().contains("thinking") {
            block["cache_control"] = json!({"type": "ephemeral"});
        }
        block
    })
}

/// Marks as the provider counts them.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| match key.as_str() {
                "cache_control" => 1,
                "input" => 0,
                _ => count(value),
            })
            .sum(),
        _ => 0,
    }
}

/// The body without marks.
fn unmarked(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.iter().map(unmarked).collect(),
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| *key != "cache_control")
            .map(|(key, value)| (key.clone(), unmarked(value)))
            .collect(),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn t05_any_conversation(
        system in prop::collection::vec(block(), 0..3),
        messages in prop::collection::vec(prop::collection::vec(block(), 0..4), 0..5),
        tools in prop::collection::vec(prop::bool::weighted(0.3), 0..3),
        offset in 0..3u64,
    ) {
        let messages: Vec<_> = messages.iter().map(|content| json!({"role": "user", "content": content})).collect();
        let tools: Vec<_> = tools
            .iter()
            .map(|marked| if *marked { json!({"name": "t", "cache_control": {"type": "ephemeral"}}) } else { json!({"name": "t"}) })
            .collect();
        let body = json!({"system": system, "messages": messages, "tools": tools});
        let text = body.to_string();
        let policy = policy(json!({"prompt_caching": {"tools": true, "min_tokens": 0, "message_offset": offset}}));
        let marked = anthropic(&policy, &text);
        prop_assert_eq!(&marked, &anthropic(&policy, &text));
        let marked: Value = serde_json::from_str(&marked).unwrap();
        let (had, has) = (count(&body), count(&marked));
        prop_assert!(has == had || (has > had && has <= 4), "{had} → {has}");
        prop_assert_eq!(unmarked(&marked), unmarked(&body));
        let blocks = marked["messages"].as_array().unwrap().iter().flat_map(|message| message["content"].as_array().unwrap());
        for block in blocks.chain(marked["system"].as_array().unwrap()) {
            let marked = block.get("cache_control").is_some();
            prop_assert!(!(marked && block["type"].as_str().unwrap().contains("thinking")));
        }
    }
}
