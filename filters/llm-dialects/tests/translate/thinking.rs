//! T-04: thinking and its signature survive the way through every client, whole and streamed, and go to nobody but
//! who signed.

use llm_dialects::Dialect::{
    self, AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiResponses,
};
use llm_dialects::signature;
use serde_json::{Value, json};

use crate::tool_loops::append;
use crate::{NOW, base, canonical, laid_over, model_of, pairs, provider_gets, request_with};

/// The signatures each provider made in its canonical answer.
fn signatures(provider: Dialect) -> &'static [&'static str] {
    match provider {
        AnthropicMessages => &["c2ln", "ZGF0YQ=="],
        BedrockConverse => &["c2ln"],
        GeminiGenerate => &["Q2l+/w=="],
        OpenaiResponses => &["gAAAAABo-1_=="],
        OpenaiChat => &[],
    }
}

/// Whose signatures a provider takes: Claude's are the same on both of its platforms.
fn takes(provider: Dialect, signer: Dialect) -> bool {
    let claude = |dialect| matches!(dialect, AnthropicMessages | BedrockConverse);
    provider == signer || (claude(provider) && claude(signer))
}

/// The next request of a client that was given `answer`, with tools and thinking wanted.
fn next_request(client: Dialect, answer: &Value) -> Value {
    let mut conversation = canonical::tool_loop(client);
    // Only the turn after the answer matters; a history of calls without thinking turns thinking off at Claude.
    let fresh = base(client);
    for field in ["messages", "input", "contents"] {
        if let Some(turns) = fresh.get(field) {
            conversation[field] = turns.clone();
        }
    }
    append(client, &mut conversation, answer);
    let thinking = match client {
        OpenaiChat => json!({"reasoning_effort": "medium"}),
        OpenaiResponses => json!({"reasoning": {"effort": "medium"}}),
        AnthropicMessages => json!({"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        GeminiGenerate => json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": 2048}}}),
        BedrockConverse => {
            json!({"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2048}}})
        }
    };
    laid_over(conversation, &thinking)
}

/// The answer as the client puts it together, whole or from a stream.
fn told(client: Dialect, provider: Dialect, streamed: bool) -> Value {
    if !streamed {
        let told = crate::response(provider, client, &canonical::answer(provider)).unwrap();
        return serde_json::from_slice(&told).unwrap();
    }
    let stream = crate::pipe::stream(provider, client, [&canonical::stream(provider)[..]]);
    crate::readers::assembled(client, &stream)
}

#[test]
fn t04_signatures_come_back_to_who_signed() {
    for (client, provider) in pairs() {
        for streamed in [false, true] {
            let next = next_request(client, &told(client, provider, streamed));
            let sent = provider_gets(client, provider, &next).to_string();
            for signature in signatures(provider) {
                assert!(
                    sent.contains(signature),
                    "{client} to {provider}, streamed: {streamed}: {signature} is lost: {next} became {sent}"
                );
            }
            assert!(!sent.contains("weir-"), "{client} to {provider}: a mark in {sent}");
            assert!(!sent.contains("weir:"), "{client} to {provider}: a mark in {sent}");
        }
    }
}

#[test]
fn t04_signatures_go_to_nobody_else() {
    for (client, signer) in pairs() {
        for other in Dialect::ALL.into_iter().filter(|other| !takes(*other, signer)) {
            let next = next_request(client, &told(client, signer, false)).to_string();
            // Towards the client's own dialect too: the gateway translates when a signature of others is inside.
            let sent = request_with(client, other, model_of(other), next.as_bytes(), |_| {});
            let sent = String::from_utf8(sent.unwrap_or_else(|error| panic!("{client} to {other}: {error}")))
                .unwrap();
            for signature in signatures(signer) {
                assert!(!sent.contains(signature), "{signer}'s through {client} to {other}: {sent}");
            }
            assert!(!sent.contains("weir-"), "{signer}'s through {client} to {other}: a mark in {sent}");
            assert!(
                !sent.contains("Two cities."),
                "{signer}'s through {client} to {other}: thinking in {sent}"
            );
            crate::readers::request(other, &serde_json::from_str(&sent).unwrap())
                .unwrap_or_else(|breach| panic!("{signer}'s through {client} to {other}: {breach}"));
        }
    }
}

#[test]
fn t04_the_signature_of_one_platform_of_claude_is_taken_by_the_other() {
    for client in [OpenaiChat, OpenaiResponses, GeminiGenerate] {
        for (signer, other) in [(AnthropicMessages, BedrockConverse), (BedrockConverse, AnthropicMessages)] {
            let sent = provider_gets(client, other, &next_request(client, &told(client, signer, false)));
            assert!(sent.to_string().contains("c2ln"), "{signer}'s through {client} to {other}: {sent}");
        }
    }
}

/// The answer with its signatures marked, as a gateway hands it out that has changed the thinking; and whether any was.
fn with_changed_thinking(client: Dialect, answer: &mut Value) -> bool {
    match answer {
        Value::Object(members) => members.iter_mut().fold(false, |any, (key, value)| {
            let signed = ["signature", "encrypted_content", "thoughtSignature"].contains(&key.as_str());
            let marked = value.as_str().filter(|_| signed).and_then(|text| signature::changed(client, text));
            let inside = with_changed_thinking(client, value);
            let here = marked.is_some();
            if let Some(marked) = marked {
                *value = marked.into();
            }
            any | inside | here
        }),
        Value::Array(items) => {
            items.iter_mut().fold(false, |any, item| with_changed_thinking(client, item) | any)
        }
        _ => false,
    }
}

#[test]
fn thinking_that_was_changed_goes_to_nobody() {
    let claudes = [AnthropicMessages, BedrockConverse];
    for client in Dialect::ALL {
        for signer in
            claudes.into_iter().filter(|signer| takes(client, *signer) || !claudes.contains(&client))
        {
            for streamed in [false, true] {
                let mut told = if client == signer {
                    serde_json::from_slice(&canonical::answer(signer)).unwrap()
                } else {
                    told(client, signer, streamed)
                };
                assert!(with_changed_thinking(client, &mut told), "{signer} to {client}: {told}");
                let next = next_request(client, &told);
                assert!(
                    signature::has_foreign(client, next.to_string().as_bytes()),
                    "{client}: it would pass as it is: {next}"
                );
                for provider in Dialect::ALL {
                    // Readers refuse a call without the thinking before it where thinking is asked for.
                    let sent = provider_gets(client, provider, &next).to_string();
                    for gone in ["Two cities.", "c2ln", "weir"] {
                        assert!(
                            !sent.contains(gone),
                            "{signer}'s through {client} to {provider}: {gone} in {sent}"
                        );
                    }
                    assert!(sent.contains("I look "), "{signer}'s through {client} to {provider}: {sent}");
                }
            }
        }
    }
}

#[test]
fn thinking_that_was_changed_leaves_its_calls() {
    let cases = [
        (
            AnthropicMessages,
            json!({"type": "thinking", "thinking": "<SSN>", "signature": "c2ln"}),
            json!({"type": "tool_use", "id": "call_1", "name": "weather", "input": {}}),
            json!({"type": "tool_result", "tool_use_id": "call_1", "content": "Rain"}),
        ),
        (
            BedrockConverse,
            json!({"reasoningContent": {"reasoningText": {"text": "<SSN>", "signature": "c2ln"}}}),
            json!({"toolUse": {"toolUseId": "call_1", "name": "weather", "input": {}}}),
            json!({"toolResult": {"toolUseId": "call_1", "content": [{"text": "Rain"}]}}),
        ),
    ];
    for (dialect, thinking, call, result) in cases {
        let mut body = next_request(dialect, &serde_json::from_slice(&canonical::answer(dialect)).unwrap());
        body["messages"][1]["content"] = json!([thinking, call]);
        body["messages"][2]["content"] = json!([result]);
        let asked = |body: &Value| body.to_string().contains("budget_tokens");
        let kept = provider_gets(dialect, dialect, &body);
        assert_eq!(kept["messages"][1]["content"], json!([thinking, call]), "{dialect}");
        assert!(asked(&kept), "{dialect}: {kept}");
        // Claude refuses calls without the thinking before them, so it does not think in the rest of the turn.
        assert!(with_changed_thinking(dialect, &mut body));
        let sent = provider_gets(dialect, dialect, &body);
        assert_eq!(sent["messages"][1]["content"], json!([call]), "{dialect}");
        assert!(!asked(&sent), "{dialect}: {sent}");
    }
}

#[test]
fn t04_unsigned_reasoning_is_for_people_only() {
    // DeepSeek and others reason without signing: every client sees it, nobody gets it back.
    let answer = canonical::answer(OpenaiChat);
    for client in Dialect::ALL.into_iter().filter(|client| *client != OpenaiChat) {
        let told = OpenaiChat.decode_response(&answer).unwrap();
        let told: Value = serde_json::from_slice(&client.encode_response(&told, NOW)).unwrap();
        assert!(told.to_string().contains("Two cities."), "{client}: {told}");
        for provider in Dialect::ALL {
            let next = next_request(client, &told).to_string();
            let sent = request_with(client, provider, model_of(provider), next.as_bytes(), |_| {}).unwrap();
            let sent = String::from_utf8(sent).unwrap();
            assert!(!sent.contains("Two cities."), "{client} to {provider}: {sent}");
        }
    }
}
