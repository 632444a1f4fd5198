//! The most tokens a request lets a model generate: read, and lowered, in the body of any chat dialect and of OpenAI's
//! completions.
//!
//! | dialect | field |
//! |---|---|
//! | OpenAI chat | `max_completion_tokens`, before 2024 `max_tokens`; times `n` or `best_of` |
//! | OpenAI completions | `max_tokens`; times `n` or `best_of`, times the number of prompts |
//! | OpenAI responses | `max_output_tokens` |
//! | Anthropic messages | `max_tokens` |
//! | Gemini | `generationConfig.maxOutputTokens`; times `candidateCount`; each also in `snake_case` |
//! | Bedrock Converse | `inferenceConfig.maxTokens` |
//!
//! Clients may want more than they seem to ask for, so whatever some server could understand counts: of several limits the
//! largest, numbers written as `"8"` or `8.0`, and 0 and -1 as no limit where servers are known that take them for that
//! (Ollama and llama.cpp behind OpenAI's API; Gemini, whose 0 is a field that is not there).

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::edit::{Object, Text};
use crate::openai_chat::takes_max_completion_tokens;
use crate::openai_responses::MIN_OUTPUT_TOKENS;
use crate::{Dialect, Error};

/// A form of request that has a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A chat.
    Chat(Dialect),
    /// `/v1/completions` of OpenAI.
    Completions,
}

/// Where a form has its limit.
struct Place {
    /// Names of the object it is in, the one to be written first; the body itself when there are none.
    objects: &'static [&'static str],
    /// Its names, the one to be written first.
    names: &'static [&'static str],
    /// What it counts for each of; the largest counts.
    answers: &'static [&'static str],
    /// 0 may be taken for no limit.
    zero_is_none: bool,
    /// The smallest that is taken.
    least: u64,
}

fn place(form: Form) -> Place {
    let body = |names| Place { objects: &[], names, answers: &[], zero_is_none: false, least: 1 };
    match form {
        Form::Chat(Dialect::OpenaiChat) => Place {
            answers: &["n", "best_of"],
            zero_is_none: true,
            ..body(&["max_completion_tokens", "max_tokens"])
        },
        Form::Completions => {
            Place { answers: &["n", "best_of"], zero_is_none: true, ..body(&["max_tokens"]) }
        }
        Form::Chat(Dialect::OpenaiResponses) => {
            Place { least: MIN_OUTPUT_TOKENS, ..body(&["max_output_tokens"]) }
        }
        Form::Chat(Dialect::AnthropicMessages) => body(&["max_tokens"]),
        Form::Chat(Dialect::GeminiGenerate) => Place {
            objects: &["generationConfig", "generation_config"],
            answers: &["candidateCount", "candidate_count"],
            zero_is_none: true,
            ..body(&["maxOutputTokens", "max_output_tokens"])
        },
        Form::Chat(Dialect::BedrockConverse) => {
            Place { objects: &["inferenceConfig"], ..body(&["maxTokens"]) }
        }
    }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Most tokens of one answer; `None` when the request does not say.
    pub tokens: Option<u64>,
    /// How many answers; at least 1.
    pub answers: u64,
}

/// A limit as it is written.
enum Said {
    /// Not at all.
    Nothing,
    /// As something that is no limit, or may be taken for none.
    NoLimit,
    Limit(u64),
}

impl Place {
    fn said(&self, value: Option<&Text<'_>>) -> Said {
        match value.map(Text::to_str) {
            None => Said::Nothing,
            Some(text) if text == "null" => Said::Nothing,
            Some(text) => match whole(&text) {
                None => Said::NoLimit,
                Some(0) if self.zero_is_none => Said::NoLimit,
                Some(tokens) => Said::Limit(tokens),
            },
        }
    }

    /// The limit of an object that has it under any of its names.
    fn tokens(&self, object: &Object<'_>) -> Said {
        let mut found = Said::Nothing;
        for name in self.names {
            found = match (found, self.said(object.get(name))) {
                (Said::NoLimit, _) | (_, Said::NoLimit) => return Said::NoLimit,
                (Said::Limit(one), Said::Limit(other)) => Said::Limit(one.max(other)),
                (Said::Nothing, said) | (said, Said::Nothing) => said,
            };
        }
        found
    }

    fn answers(&self, object: &Object<'_>) -> u64 {
        let said = self.answers.iter().filter_map(|name| whole(&object.get(name)?.to_str()));
        said.max().unwrap_or(1).max(1)
    }
}

/// Reads the limit of a request. What is no number is left to the provider to refuse, and counts as absent.
///
/// # Errors
/// As [`Object::parse`].
pub fn get(form: Form, body: &[u8]) -> Result<Asked, Error> {
    let place = place(form);
    let body = Object::parse(body)?;
    let mut objects = Vec::new();
    for name in place.objects {
        let inner = body.get(name).map(Text::to_str);
        if let Some(inner) = inner.filter(|inner| inner.starts_with('{')) {
            objects.push(inner);
        }
    }
    let mut objects = objects.iter().map(|inner| Object::parse_str(inner)).collect::<Result<Vec<_>, _>>()?;
    let prompts = if form == Form::Completions { prompts(&body) } else { 1 };
    if place.objects.is_empty() {
        objects.push(body);
    }
    let mut asked = Asked { tokens: None, answers: 1 };
    let mut unlimited = false;
    for object in &objects {
        match place.tokens(object) {
            Said::Nothing => {}
            Said::NoLimit => unlimited = true,
            Said::Limit(tokens) => asked.tokens = Some(asked.tokens.unwrap_or(0).max(tokens)),
        }
        asked.answers = asked.answers.max(place.answers(object));
    }
    asked.tokens = asked.tokens.filter(|_| !unlimited);
    asked.answers = asked.answers.saturating_mul(prompts);
    Ok(asked)
}

/// The request with a limit of at most `tokens` for each answer, but no less than the provider takes; unchanged when it has
/// a smaller one.
///
/// # Errors
/// As [`Object::parse`]; [`Error::ClientSent`] when something else stands where the limit's object should.
pub fn lower(form: Form, body: Vec<u8>, tokens: u64) -> Result<Vec<u8>, Error> {
    let asked = get(form, &body)?;
    let place = place(form);
    let tokens = tokens.max(place.least);
    if asked.tokens.is_some_and(|asked| asked <= tokens) {
        return Ok(body);
    }
    let mut object = Object::parse(&body)?;
    let Some(first) = place.objects.first() else {
        let name = new_name(form, &place, &object);
        set(&mut object, &place, name, tokens);
        return Ok(object.into_bytes());
    };
    let there: Vec<&str> = place.objects.iter().copied().filter(|name| object.has(name)).collect();
    for name in if there.is_empty() { vec![*first] } else { there } {
        let inner: Cow<'_, str> = match object.get(name).map(Text::to_str) {
            None => "{}".into(),
            Some(inner) if &*inner == "null" => "{}".into(),
            Some(inner) if inner.starts_with('{') => inner,
            Some(_) => return Err(Error::client(name, "must be an object")),
        };
        let mut inner = Object::parse_str(&inner)?;
        set(&mut inner, &place, place.names.first().copied(), tokens);
        let new = inner.into_text().to_str().into_owned();
        object.set(name, Text::verbatim(new));
    }
    Ok(object.into_bytes())
}

/// The name under which a limit is added. Who imitates OpenAI does not always know the newer one.
fn new_name(form: Form, place: &Place, object: &Object<'_>) -> Option<&'static str> {
    if form == Form::Chat(Dialect::OpenaiChat) {
        let model = object.get("model").map(Text::to_str);
        let model = model.and_then(|model| serde_json::from_str::<String>(&model).ok()).unwrap_or_default();
        return Some(if takes_max_completion_tokens(&model) {
            "max_completion_tokens"
        } else {
            "max_tokens"
        });
    }
    place.names.first().copied()
}

/// Sets the limit under whichever names it has and is larger, and otherwise under `new`.
fn set(object: &mut Object<'_>, place: &Place, new: Option<&str>, tokens: u64) {
    let mut there = false;
    for name in place.names {
        let larger = match place.said(object.get(name)) {
            Said::Nothing => continue,
            Said::NoLimit => true,
            Said::Limit(limit) => limit > tokens,
        };
        there = true;
        if larger {
            object.set(name, Text::verbatim(tokens.to_string()));
        }
    }
    if let Some(new) = new.filter(|_| !there) {
        object.set(new, Text::verbatim(tokens.to_string()));
    }
}

/// A whole number, in any way that some JSON parser takes for one.
fn whole(text: &str) -> Option<u64> {
    let value = serde_json::from_str::<Value>(text).ok()?;
    let number = match &value {
        Value::String(text) => serde_json::from_str::<Value>(text.trim()).ok()?,
        _ => value,
    };
    number.as_u64().or_else(|| {
        let number = number.as_f64().filter(|number| *number >= 0.0 && number.fract() == 0.0)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        Some(number as u64)
    })
}

/// How many prompts a completion is for: texts, or lists of tokens.
fn prompts(body: &Object<'_>) -> u64 {
    let Some(prompt) = body.get("prompt").map(Text::to_str) else { return 1 };
    let Ok(prompts) = serde_json::from_str::<Vec<&RawValue>>(&prompt) else { return 1 };
    let is_token = |value: &&RawValue| value.get().starts_with(|first: char| first.is_ascii_digit());
    if prompts.first().is_some_and(is_token) {
        return 1;
    }
    u64::try_from(prompts.len()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: Form = Form::Chat(Dialect::OpenaiChat);
    const RESPONSES: Form = Form::Chat(Dialect::OpenaiResponses);
    const MESSAGES: Form = Form::Chat(Dialect::AnthropicMessages);
    const GEMINI: Form = Form::Chat(Dialect::GeminiGenerate);
    const BEDROCK: Form = Form::Chat(Dialect::BedrockConverse);

    fn lowered(form: Form, body: &str, tokens: u64) -> String {
        String::from_utf8(lower(form, body.as_bytes().to_vec(), tokens).unwrap()).unwrap()
    }

    #[test]
    fn limits_are_read_in_every_dialect() {
        let asked = |form, body: &str| get(form, body.as_bytes()).unwrap();
        let table = [
            (CHAT, r#"{"max_tokens":7,"n":3}"#, Some(7), 3),
            (CHAT, r#"{"max_tokens":7,"max_completion_tokens":5}"#, Some(7), 1),
            (RESPONSES, r#"{"max_output_tokens":9}"#, Some(9), 1),
            (MESSAGES, r#"{"max_tokens":4}"#, Some(4), 1),
            (GEMINI, r#"{"generationConfig":{"maxOutputTokens":6,"candidateCount":2}}"#, Some(6), 2),
            (GEMINI, r#"{"contents":[]}"#, None, 1),
            (BEDROCK, r#"{"inferenceConfig":{"maxTokens":8}}"#, Some(8), 1),
            (BEDROCK, r#"{"inferenceConfig":null}"#, None, 1),
            (CHAT, r#"{"max_tokens":"many"}"#, None, 1),
            (Form::Completions, r#"{"prompt":"a","max_tokens":16,"n":2,"best_of":5}"#, Some(16), 5),
            (Form::Completions, r#"{"prompt":["a","b"],"max_tokens":16,"n":2}"#, Some(16), 4),
            (Form::Completions, r#"{"prompt":[1,2,3],"max_tokens":16}"#, Some(16), 1),
            (Form::Completions, r#"{"prompt":[[1],[2],[3]]}"#, None, 3),
        ];
        for (form, body, tokens, answers) in table {
            assert_eq!(asked(form, body), Asked { tokens, answers }, "{body}");
        }
    }

    /// What some server takes for more than it looks like.
    #[test]
    fn nothing_hides_how_much_is_asked_for() {
        let table = [
            (CHAT, r#"{"max_tokens":5,"max_completion_tokens":100000}"#, Some(100_000), 1),
            (CHAT, r#"{"max_tokens":5,"max_completion_tokens":null}"#, Some(5), 1),
            (CHAT, r#"{"max_tokens":-1,"max_completion_tokens":5}"#, None, 1),
            (CHAT, r#"{"max_tokens":0}"#, None, 1),
            (CHAT, r#"{"max_tokens":"70","n":"128"}"#, Some(70), 128),
            (CHAT, r#"{"max_tokens":1e3,"n":8.0}"#, Some(1_000), 8),
            (CHAT, r#"{"max_tokens":1e300,"n":1e300}"#, Some(u64::MAX), u64::MAX),
            (CHAT, r#"{"max_tokens":1.5,"n":-1}"#, None, 1),
            (CHAT, r#"{"max_tokens":[7],"n":{}}"#, None, 1),
            (CHAT, r#"{"n":1,"best_of":9}"#, None, 9),
            (MESSAGES, r#"{"max_tokens":0}"#, Some(0), 1),
            (GEMINI, r#"{"generationConfig":{"maxOutputTokens":0}}"#, None, 1),
            (GEMINI, r#"{"generation_config":{"max_output_tokens":9,"candidate_count":8}}"#, Some(9), 8),
            (
                GEMINI,
                r#"{"generationConfig":{"maxOutputTokens":1},"generation_config":{"maxOutputTokens":"9"}}"#,
                Some(9),
                1,
            ),
        ];
        for (form, body, tokens, answers) in table {
            assert_eq!(get(form, body.as_bytes()).unwrap(), Asked { tokens, answers }, "{body}");
        }
        assert!(get(CHAT, br#"{"max_tokens":5,"max_tokens":100000}"#).is_err());
    }

    #[test]
    fn limits_are_lowered_and_added_and_nothing_else_changes() {
        let table = [
            (CHAT, r#"{ "max_tokens" : 70, "a":1}"#, r#"{ "max_tokens" : 50, "a":1}"#),
            (CHAT, r#"{"model":"gpt-5"}"#, r#"{"model":"gpt-5","max_completion_tokens":50}"#),
            // Ollama and llama.cpp overlook the newer name, Mistral refuses it.
            (CHAT, r#"{"model":"mistral-large"}"#, r#"{"model":"mistral-large","max_tokens":50}"#),
            (CHAT, r#"{"max_tokens":null}"#, r#"{"max_tokens":50}"#),
            (CHAT, r#"{"max_tokens":-1}"#, r#"{"max_tokens":50}"#),
            (
                CHAT,
                r#"{"max_tokens":5,"max_completion_tokens":99}"#,
                r#"{"max_tokens":5,"max_completion_tokens":50}"#,
            ),
            (Form::Completions, r#"{"prompt":"a"}"#, r#"{"prompt":"a","max_tokens":50}"#),
            (CHAT, r#"{"max_tokens":7}"#, r#"{"max_tokens":7}"#),
            (GEMINI, r#"{"a":1}"#, r#"{"a":1,"generationConfig":{"maxOutputTokens":50}}"#),
            (
                BEDROCK,
                r#"{"inferenceConfig":{"temperature":1,"maxTokens":99}}"#,
                r#"{"inferenceConfig":{"temperature":1,"maxTokens":50}}"#,
            ),
        ];
        for (form, body, expected) in table {
            assert_eq!(lowered(form, body, 50), expected);
        }
        // No less than OpenAI takes.
        assert_eq!(lowered(RESPONSES, r#"{"max_output_tokens":16}"#, 3), r#"{"max_output_tokens":16}"#);
        assert_eq!(lowered(RESPONSES, r#"{"a":1}"#, 3), r#"{"a":1,"max_output_tokens":16}"#);
        let snake = r#"{"generation_config":{"max_output_tokens":99}}"#;
        assert_eq!(lowered(GEMINI, snake, 50), r#"{"generation_config":{"max_output_tokens":50}}"#);
        assert!(lower(GEMINI, br#"{"generationConfig":7}"#.to_vec(), 1).is_err());
    }
}
