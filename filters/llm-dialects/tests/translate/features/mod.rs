//! The features that `docs/translation.md` lists: what clients ask for, and what is claimed to come of it.

pub(crate) mod answers;
pub(crate) mod conversation;
pub(crate) mod parameters;
pub(crate) mod thinking;
pub(crate) mod tools;

use llm_dialects::Dialect;
use serde_json::{Value, json};

/// Models that do not think, where there are such; thinking changes what else they take.
pub(crate) const CLASSIC: [&str; 5] = [
    "gpt-4.1",
    "gpt-4.1",
    "claude-sonnet-4-5",
    "gemini-2.5-flash",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
];

/// Requests of a user who says this, by client; `null` stays `null`.
fn user(parts: [Value; 5]) -> [Value; 5] {
    by_client(parts, |client, part| turns(client, vec![turn(client, "user", vec![part])]))
}

/// Requests of a conversation in which the assistant said this before the user's last word.
fn assistant(parts: [Value; 5]) -> [Value; 5] {
    by_client(parts, |client, part| {
        let said = vec![
            turn(client, "user", vec![words(client, "user", "Hi")]),
            turn(client, "assistant", vec![part]),
        ];
        turns(client, [said, vec![turn(client, "user", vec![words(client, "user", "Go on")])]].concat())
    })
}

/// The same, where the assistant says `Ho` after it.
fn assistant_before_text(parts: [Value; 5]) -> [Value; 5] {
    by_client(parts, |client, part| {
        let said = if part == json!("plain") {
            vec![words(client, "assistant", "Ho")]
        } else {
            vec![part, words(client, "assistant", "Ho")]
        };
        let before =
            vec![turn(client, "user", vec![words(client, "user", "Hi")]), turn(client, "assistant", said)];
        turns(client, [before, vec![turn(client, "user", vec![words(client, "user", "Go on")])]].concat())
    })
}

/// What each client sends, made of what it differs in.
fn by_client(parts: [Value; 5], make: impl Fn(Dialect, Value) -> Value) -> [Value; 5] {
    let mut clients = Dialect::ALL.into_iter();
    parts.map(|part| {
        let client = clients.next().unwrap();
        if part.is_null() { part } else { make(client, part) }
    })
}

/// A piece of text in a turn.
fn words(client: Dialect, role: &str, text: &str) -> Value {
    match client {
        Dialect::OpenaiChat | Dialect::AnthropicMessages => json!({"type": "text", "text": text}),
        Dialect::OpenaiResponses if role == "assistant" => json!({"type": "output_text", "text": text}),
        Dialect::OpenaiResponses => json!({"type": "input_text", "text": text}),
        Dialect::GeminiGenerate | Dialect::BedrockConverse => json!({ "text": text }),
    }
}

fn turn(client: Dialect, role: &str, parts: Vec<Value>) -> Value {
    match client {
        Dialect::GeminiGenerate => {
            json!({"role": if role == "assistant" { "model" } else { role }, "parts": parts})
        }
        _ => json!({"role": role, "content": parts}),
    }
}

/// The field of a body that holds the conversation.
fn turns(client: Dialect, turns: Vec<Value>) -> Value {
    match client {
        Dialect::OpenaiResponses => json!({ "input": turns }),
        Dialect::GeminiGenerate => json!({ "contents": turns }),
        _ => json!({ "messages": turns }),
    }
}
