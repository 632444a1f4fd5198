//! T-04: reasoning goes back only to who signed it.

use llm_dialects::hub::{Part, Response, StopReason};
use llm_dialects::{anthropic, openai_chat};
use serde_json::json;

use crate::{NOW, chat, messages, to_anthropic, to_openai};

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
