//! Every text a person would see in a recorded body is found: checked against a walk over the parsed tree that knows
//! field names and nothing of dialects.

use serde_json::Value;
use text_views::{Form, Slot, Views};

use crate::recordings;

/// Fields that hold text when they are strings.
const TEXT: &[&str] = &[
    "text",
    "content",
    "input",
    "output",
    "arguments",
    "thinking",
    "reasoning_content",
    "reasoning",
    "refusal",
    "code",
    "instructions",
    "prompt",
    "query",
    "logs",
    "system",
    "error",
    "title",
    "context",
];

/// Fields in which nothing is part of the conversation: what tools there are, settings, sources of an answer, what an
/// answer repeats of its request.
const ASIDE: &[&str] = &[
    "tools",
    "toolConfig",
    "toolChoice",
    "response_format",
    "generationConfig",
    "generation_config",
    "metadata",
    "output_config",
    "output_format",
    "outputConfig",
    "citations",
    "annotations",
    "logprobs",
    "groundingMetadata",
    "citationMetadata",
    "additionalModelRequestFields",
    "reasoning_effort",
    "trace",
    "web_search_options",
    "requestMetadata",
    "safetySettings",
    "image_url",
    "functions",
    "thinking_config",
];

fn expected<'v>(value: &'v Value, key: &str, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) if TEXT.contains(&key) && !text.is_empty() => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| expected(item, key, texts)),
        Value::Object(members) => {
            let kind = members.get("type").and_then(Value::as_str);
            for (key, value) in members {
                match (key.as_str(), value) {
                    // What is counted; else a setting in requests, in answers what was set.
                    ("input", Value::Object(_)) if kind.is_none() => expected(value, "", texts),
                    ("reasoning" | "text" | "thinking", Value::Object(_)) if kind.is_none() => {}
                    ("data", Value::String(text)) if kind == Some("text") => texts.push(text),
                    (key, value) if !ASIDE.contains(&key) => {
                        let key = if kind == Some("base64") { "" } else { key };
                        expected(value, key, texts);
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn check(name: &str, body: &[u8], slots: &[Slot<'_>]) {
    let tree: Value = serde_json::from_slice(body).unwrap();
    let mut texts = Vec::new();
    expected(&tree, "", &mut texts);
    for text in texts {
        let shown = slots.iter().any(|slot| match slot.form {
            Form::Text | Form::JsonText => slot.text == text,
            Form::JsonValue => slot.text.contains(serde_json::to_string(text).unwrap().trim_matches('"')),
        });
        assert!(shown, "{name}: {text:?} is not found");
    }
    for slot in slots {
        if slot.form == Form::JsonValue {
            serde_json::from_str::<Value>(&slot.text).unwrap();
        }
    }
}

#[test]
fn no_text_of_a_request_is_missed() {
    let requests = recordings::requests();
    assert!(requests.len() > 150, "{}", requests.len());
    for (endpoint, name, body) in requests {
        let views = Views::of_request(endpoint, &body).unwrap_or_else(|error| panic!("{name}: {error}"));
        check(&name, &body, views.slots());
    }
}

#[test]
fn no_text_of_an_answer_is_missed() {
    let answers = recordings::answers();
    assert!(answers.len() > 100, "{}", answers.len());
    for (endpoint, name, body) in answers {
        let views = Views::of_answer(endpoint, &body).unwrap_or_else(|error| panic!("{name}: {error}"));
        check(&name, &body, views.slots());
    }
}

#[test]
fn bodies_of_unknown_kind_are_read_as_what_they_are() {
    let texts = |views: &Views<'_>| -> Vec<String> {
        views.slots().iter().map(|slot| slot.text.clone().into_owned()).collect()
    };
    for (endpoint, name, body) in recordings::answers() {
        let (known, detected) =
            (Views::of_answer(endpoint, &body), Views::of_answer(filter_config::Endpoint::Detect, &body));
        assert_eq!(texts(&known.unwrap()), texts(&detected.unwrap()), "{name}");
    }
    for (endpoint, name, body) in recordings::requests() {
        let (known, detected) = (
            Views::of_request(endpoint, &body).unwrap(),
            Views::of_request(filter_config::Endpoint::Detect, &body).unwrap(),
        );
        // Chat bodies and Anthropic's are told apart by details, but each finds what the other has.
        let (mut known, mut detected) = (texts(&known), texts(&detected));
        known.sort();
        detected.sort();
        assert_eq!(known, detected, "{name}");
    }
}
