//! The most tokens a request lets a model generate: read, and lowered, in the body of any chat dialect.
//!
//! | dialect | field |
//! |---|---|
//! | OpenAI chat | `max_completion_tokens`, before 2024 `max_tokens`; times `n` |
//! | OpenAI responses | `max_output_tokens` |
//! | Anthropic messages | `max_tokens` |
//! | Gemini | `generationConfig.maxOutputTokens`; times `candidateCount` |
//! | Bedrock Converse | `inferenceConfig.maxTokens` |

use std::borrow::Cow;

use crate::edit::{Object, Text};
use crate::{Dialect, Error};

/// Where a dialect has its limit.
struct Place {
    /// The object it is in; the body itself when absent.
    object: Option<&'static str>,
    /// Its names, the one to be written first.
    names: &'static [&'static str],
    /// What it counts for each of.
    answers: Option<&'static str>,
}

fn place(dialect: Dialect) -> Place {
    match dialect {
        Dialect::OpenaiChat => {
            Place { object: None, names: &["max_completion_tokens", "max_tokens"], answers: Some("n") }
        }
        Dialect::OpenaiResponses => Place { object: None, names: &["max_output_tokens"], answers: None },
        Dialect::AnthropicMessages => Place { object: None, names: &["max_tokens"], answers: None },
        Dialect::GeminiGenerate => Place {
            object: Some("generationConfig"),
            names: &["maxOutputTokens", "max_output_tokens"],
            answers: Some("candidateCount"),
        },
        Dialect::BedrockConverse => {
            Place { object: Some("inferenceConfig"), names: &["maxTokens"], answers: None }
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

/// Reads the limit of a request. What is no number is left to the provider to refuse, and counts as absent.
///
/// # Errors
/// As [`Object::parse`].
pub fn get(dialect: Dialect, body: &[u8]) -> Result<Asked, Error> {
    let place = place(dialect);
    let body = Object::parse(body)?;
    let inner = place.object.and_then(|name| body.get(name)).map(Text::to_str);
    let object = match (place.object, inner.as_deref()) {
        (None, _) => body,
        (Some(_), Some(inner)) if inner.starts_with('{') => Object::parse_str(inner)?,
        (Some(_), _) => return Ok(Asked { tokens: None, answers: 1 }),
    };
    let number = |name: &str| object.get(name).and_then(|value| value.to_str().parse::<u64>().ok());
    // Of two limits the smaller holds.
    let tokens = place.names.iter().filter_map(|name| number(name)).min();
    let answers = place.answers.and_then(number).unwrap_or(1).max(1);
    Ok(Asked { tokens, answers })
}

/// The request with a limit of at most `tokens` for each answer; unchanged when it has a smaller one.
///
/// # Errors
/// As [`Object::parse`]; [`Error::ClientSent`] when something else stands where the limit's object should.
pub fn lower(dialect: Dialect, body: Vec<u8>, tokens: u64) -> Result<Vec<u8>, Error> {
    let asked = get(dialect, &body)?;
    if asked.tokens.is_some_and(|asked| asked <= tokens) {
        return Ok(body);
    }
    let place = place(dialect);
    let mut object = Object::parse(&body)?;
    let Some(name) = place.object else {
        set(&mut object, place.names, tokens);
        return Ok(object.into_bytes());
    };
    let inner: Cow<'_, str> = match object.get(name).map(Text::to_str) {
        None => "{}".into(),
        Some(inner) if &*inner == "null" => "{}".into(),
        Some(inner) if inner.starts_with('{') => inner,
        Some(_) => return Err(Error::client(name, "must be an object")),
    };
    let mut inner = Object::parse_str(&inner)?;
    set(&mut inner, place.names, tokens);
    let new = inner.into_text().to_str().into_owned();
    object.set(name, Text::verbatim(new));
    Ok(object.into_bytes())
}

/// Sets the limit under whichever names it has, and otherwise the first.
fn set(object: &mut Object<'_>, names: &[&str], tokens: u64) {
    let mut there = names.iter().copied().filter(|name| object.has(name)).collect::<Vec<_>>();
    if there.is_empty() {
        there.extend(names.first().copied());
    }
    for name in there {
        object.set(name, Text::verbatim(tokens.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lowered(dialect: Dialect, body: &str, tokens: u64) -> String {
        String::from_utf8(lower(dialect, body.as_bytes().to_vec(), tokens).unwrap()).unwrap()
    }

    #[test]
    fn limits_are_read_in_every_dialect() {
        let asked = |dialect, body: &str| get(dialect, body.as_bytes()).unwrap();
        let table = [
            (Dialect::OpenaiChat, r#"{"max_tokens":7,"n":3}"#, Some(7), 3),
            (Dialect::OpenaiChat, r#"{"max_tokens":7,"max_completion_tokens":5}"#, Some(5), 1),
            (Dialect::OpenaiResponses, r#"{"max_output_tokens":9}"#, Some(9), 1),
            (Dialect::AnthropicMessages, r#"{"max_tokens":4}"#, Some(4), 1),
            (
                Dialect::GeminiGenerate,
                r#"{"generationConfig":{"maxOutputTokens":6,"candidateCount":2}}"#,
                Some(6),
                2,
            ),
            (Dialect::GeminiGenerate, r#"{"contents":[]}"#, None, 1),
            (Dialect::BedrockConverse, r#"{"inferenceConfig":{"maxTokens":8}}"#, Some(8), 1),
            (Dialect::BedrockConverse, r#"{"inferenceConfig":null}"#, None, 1),
            (Dialect::OpenaiChat, r#"{"max_tokens":"many"}"#, None, 1),
        ];
        for (dialect, body, tokens, answers) in table {
            assert_eq!(asked(dialect, body), Asked { tokens, answers }, "{body}");
        }
    }

    #[test]
    fn limits_are_lowered_and_added_and_nothing_else_changes() {
        let table = [
            (Dialect::OpenaiChat, r#"{ "max_tokens" : 70, "a":1}"#, r#"{ "max_tokens" : 50, "a":1}"#),
            (Dialect::OpenaiChat, r#"{"a":1}"#, r#"{"a":1,"max_completion_tokens":50}"#),
            (Dialect::OpenaiChat, r#"{"max_tokens":7}"#, r#"{"max_tokens":7}"#),
            (Dialect::GeminiGenerate, r#"{"a":1}"#, r#"{"a":1,"generationConfig":{"maxOutputTokens":50}}"#),
            (
                Dialect::BedrockConverse,
                r#"{"inferenceConfig":{"temperature":1,"maxTokens":99}}"#,
                r#"{"inferenceConfig":{"temperature":1,"maxTokens":50}}"#,
            ),
        ];
        for (dialect, body, expected) in table {
            assert_eq!(lowered(dialect, body, 50), expected);
        }
        assert!(lower(Dialect::GeminiGenerate, br#"{"generationConfig":7}"#.to_vec(), 1).is_err());
    }
}
