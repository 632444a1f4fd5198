//! Thinking asked for, and thinking of earlier turns.

use serde_json::{Value, json};

use super::assistant_before_text;
use crate::table::{DROPPED, Row, carried, near};

const NO: Value = Value::Null;

#[rustfmt::skip]
pub(crate) fn rows() -> Vec<Row> {
    let plain = || assistant_before_text([const { Value::Null }; 5].map(|_| json!("plain")));
    // Chat completions keep thinking beside the content.
    let chat = |field: &str, value: Value| {
        let hi = json!({"role": "user", "content": "Hi"});
        let mut said = json!({"role": "assistant", "content": "Ho"});
        said[field] = value;
        json!({"messages": [hi, said, {"role": "user", "content": "Go on"}]})
    };
    // Responses keep it in items of their own.
    let responses = |encrypted: Value| {
        json!({"input": [
            {"role": "user", "content": "Hi"},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}], "encrypted_content": encrypted},
            {"role": "assistant", "content": [{"type": "output_text", "text": "Ho"}]},
            {"role": "user", "content": "Go on"},
        ]})
    };
    let blocks = |parts: [Value; 3]| {
        let [messages, gemini, bedrock] = parts;
        assistant_before_text([Value::Null, Value::Null, messages, gemini, bedrock])
    };
    let history = |signature: &str, gemini: &str| {
        let [_, _, messages, gemini, bedrock] = blocks([
            json!({"type": "thinking", "thinking": "Hm", "signature": signature}),
            json!({"text": "Hm", "thought": true, "thoughtSignature": gemini}),
            json!({"reasoningContent": {"reasoningText": {"text": "Hm", "signature": signature}}}),
        ]);
        let chat = chat("thinking_blocks", json!([{"type": "thinking", "thinking": "Hm", "signature": signature}]));
        (chat, messages, gemini, bedrock)
    };
    // What a Gemini client holds of another's signature: see `gemini::MARKS`.
    let (chat_claude, messages_claude, gemini_claude, bedrock_claude) = history("c2ln", "d2VpcjpzYzJsbg==");
    let (chat_gemini, messages_gemini, _, bedrock_gemini) = history("weir-gemini:Q2l+/w==", "Q2l+/w==");
    let (chat_openai, messages_openai, _, bedrock_openai) = history("weir-openai:rs_1.gAAAAA==", "");
    let redacted = blocks([
        json!({"type": "redacted_thinking", "data": "ZGF0YQ=="}),
        json!({"text": "", "thought": true, "thoughtSignature": "d2VpcjpyWkdGMFlRPT0="}),
        json!({"reasoningContent": {"redactedContent": "ZGF0YQ=="}}),
    ]);
    let [_, _, messages_redacted, gemini_redacted, bedrock_redacted] = redacted;
    let effort = |level: &str| [
        json!({"reasoning_effort": level}),
        json!({"reasoning": {"effort": level}}),
        json!({"output_config": {"effort": level}}),
        json!({"generationConfig": {"thinkingConfig": {"thinkingLevel": level.to_uppercase()}}}),
        json!({"additionalModelRequestFields": {"output_config": {"effort": level}}}),
    ];
    let level_at = "/generationConfig/thinkingConfig";
    vec![
        Row::new("thinking signed by Claude, in the history",
            [chat_claude, responses(json!("thinking_weir-sig_c2ln")), messages_claude, gemini_claude, bedrock_claude],
            [DROPPED, DROPPED, carried("/messages/1/content/0/signature"), DROPPED, carried("/messages/1/content/0/reasoningContent")])
            .without(plain()),
        Row::new("redacted thinking of Claude, in the history",
            [
                chat("thinking_blocks", json!([{"type": "redacted_thinking", "data": "ZGF0YQ=="}])),
                responses(json!("redacted_weir-sig_ZGF0YQ==")), messages_redacted, gemini_redacted, bedrock_redacted,
            ],
            [DROPPED, DROPPED, carried("/messages/1/content/0/data"), DROPPED, carried("/messages/1/content/0/reasoningContent")])
            .without(plain()),
        Row::new("thinking signed by Gemini, in the history",
            [chat_gemini, responses(json!("weir-gemini:Q2l+/w==")), messages_gemini, NO, bedrock_gemini],
            [DROPPED, DROPPED, DROPPED, carried("/contents/1/parts/0/thoughtSignature"), DROPPED])
            .without(plain()),
        Row::new("reasoning encrypted by OpenAI, in the history",
            [chat_openai, NO, messages_openai, NO, bedrock_openai],
            [DROPPED, carried("/input/1/encrypted_content"), DROPPED, DROPPED, DROPPED])
            .without(plain()),
        Row::new("unsigned reasoning in the history",
            [
                chat("reasoning_content", json!("Hm")), responses(NO),
                assistant_before_text([NO, NO, json!({"type": "thinking", "thinking": "Hm", "signature": ""}), NO, NO])[2].clone(),
                assistant_before_text([NO, NO, NO, json!({"text": "Hm", "thought": true}), NO])[3].clone(),
                assistant_before_text([NO, NO, NO, NO, json!({"reasoningContent": {"reasoningText": {"text": "Hm"}}})])[4].clone(),
            ],
            [DROPPED, DROPPED, DROPPED, DROPPED, DROPPED])
            .without(plain()),
        Row::new("effort; Claude to 4.5, Gemini from 3 on",
            effort("high"),
            [
                carried("/reasoning_effort"), carried("/reasoning/effort"),
                near("/thinking", "a budget"), carried(level_at),
                near("/additionalModelRequestFields/thinking", "a budget"),
            ]),
        Row::new("effort; Claude from 4.6 on, Gemini 2.5",
            effort("high"),
            [
                carried("/reasoning_effort"), carried("/reasoning/effort"),
                carried("/output_config/effort"), near(level_at, "a budget"),
                carried("/additionalModelRequestFields/output_config"),
            ])
            .models(["gpt-5", "gpt-5", "claude-opus-4-7", "gemini-2.5-pro", "us.anthropic.claude-opus-4-7"]),
        Row::new("effort `xhigh`",
            effort("xhigh"),
            [
                near("/reasoning_effort", "the highest the model takes"), near("/reasoning/effort", "the highest the model takes"),
                near("/thinking", "a budget"), near(level_at, "the highest the model takes"),
                near("/additionalModelRequestFields/thinking", "a budget"),
            ]),
        Row::new("effort `minimal`",
            [
                json!({"reasoning_effort": "minimal"}), json!({"reasoning": {"effort": "minimal"}}), NO,
                json!({"generationConfig": {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}}), NO,
            ],
            [
                carried("/reasoning_effort"), carried("/reasoning/effort"),
                near("/thinking", "a budget"), near(level_at, "the least the model takes"),
                near("/additionalModelRequestFields/thinking", "a budget"),
            ]),
        Row::new("thinking budget",
            [
                NO, NO,
                json!({"thinking": {"type": "enabled", "budget_tokens": 2048}}),
                json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": 2048}}}),
                json!({"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2048}}}),
            ],
            [
                near("/reasoning_effort", "an effort"), near("/reasoning/effort", "an effort"),
                carried("/thinking"), near(level_at, "a level"),
                carried("/additionalModelRequestFields/thinking"),
            ]),
        Row::new("adaptive thinking",
            [
                NO, NO,
                json!({"thinking": {"type": "adaptive"}}),
                json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": -1}}}),
                json!({"additionalModelRequestFields": {"thinking": {"type": "adaptive"}}}),
            ],
            [
                DROPPED, near("/reasoning/summary", "the model's own effort, with a summary"),
                carried("/thinking"), near(level_at, "the model's own level"),
                carried("/additionalModelRequestFields/thinking"),
            ])
            .models(["gpt-5", "gpt-5", "claude-opus-4-7", "gemini-3-pro-preview", "us.anthropic.claude-opus-4-7"]),
        Row::new("no thinking",
            [
                json!({"reasoning_effort": "none"}), json!({"reasoning": {"effort": "none"}}),
                json!({"thinking": {"type": "disabled"}}),
                json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}),
                json!({"additionalModelRequestFields": {"thinking": {"type": "disabled"}}}),
            ],
            [
                DROPPED, near("/reasoning/effort", "the least the model takes"),
                carried("/thinking"), near(level_at, "the least the model takes"),
                carried("/additionalModelRequestFields/thinking"),
            ]),
        Row::new("effort, models that do not think",
            effort("high"),
            [DROPPED, DROPPED, DROPPED, DROPPED, DROPPED])
            .models(["gpt-4.1", "gpt-4.1", "claude-3-5-haiku-latest", "gemini-2.0-flash", "us.anthropic.claude-3-5-haiku-20241022-v1:0"]),
    ]
}
