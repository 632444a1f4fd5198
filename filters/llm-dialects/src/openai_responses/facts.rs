//! Model and usage of answers that pass untouched.

use serde::Deserialize;

use super::usage::Usage;
use crate::Error;
use crate::inspect::{AnswerFacts, StreamWatch};
use crate::json::{Str, is_object};

#[derive(Debug, Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    model: Option<Str<'a>>,
    usage: Option<Usage>,
}

impl From<Answer<'_>> for AnswerFacts {
    fn from(answer: Answer<'_>) -> Self {
        Self { model: answer.model.map(|Str(model)| model.into_owned()), usage: answer.usage.map(Into::into) }
    }
}

/// Usage and model of a whole answer.
///
/// # Errors
/// [`Error::UpstreamSent`] when the body is no JSON object.
pub fn response_facts(body: &[u8]) -> Result<AnswerFacts, Error> {
    if !is_object(body) {
        return Err(Error::upstream("it is no JSON object"));
    }
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|error| {
        Error::upstream(format!("invalid JSON at line {} column {}", error.line(), error.column()))
    })?;
    Ok(answer.into())
}

/// Looks at one event of a passing stream. Only the few events that hold a whole response are parsed.
pub fn watch(watch: &mut StreamWatch, name: Option<&[u8]>, data: &[u8]) {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        response: Answer<'a>,
    }
    let typed;
    let kind = match name {
        Some(name) => name,
        None => {
            typed = kind_of(data);
            typed.as_slice()
        }
    };
    match kind {
        b"response.created" | b"response.in_progress" if watch.facts.model.is_some() => return,
        b"response.created" | b"response.in_progress" => {}
        b"response.completed" | b"response.incomplete" => watch.complete = true,
        b"response.failed" | b"response.cancelled" => watch.failed = true,
        b"error" => {
            watch.failed = true;
            return;
        }
        _ => return,
    }
    if let Ok(event) = serde_json::from_slice::<Event<'_>>(data) {
        watch.merge(event.response.into());
    }
}

/// The type of an event without a name. It nearly always comes first.
fn kind_of(data: &[u8]) -> Vec<u8> {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow, rename = "type")]
        kind: Str<'a>,
    }
    if let Some(rest) = data.strip_prefix(b"{\"type\":\"") {
        let end = memchr::memchr(b'"', rest).unwrap_or(0);
        return rest.get(..end).unwrap_or_default().to_vec();
    }
    serde_json::from_slice::<Typed<'_>>(data)
        .map_or_else(|_| Vec::new(), |typed| typed.kind.0.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect;

    const COMPLETED: &[u8] = br#"{"response":{"model":"gpt-5-2025","usage":{"input_tokens":9,"output_tokens":3}},"type":"response.completed"}"#;

    #[test]
    fn whole_answers_and_streams_are_counted() {
        let body = br#"{"id":"resp_1","model":"gpt-5","usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4},"output_tokens":3}}"#;
        let facts = response_facts(body).unwrap();
        let usage = facts.usage.unwrap();
        assert_eq!((facts.model.as_deref(), usage.input_uncached, usage.cache_read), (Some("gpt-5"), 5, 4));
        assert!(response_facts(b"[]").is_err());
        for name in [Some(&b"response.completed"[..]), None] {
            let mut watch = StreamWatch::new(Dialect::OpenaiResponses);
            watch.event(None, br#"{"type":"response.created","response":{"model":"gpt-5","usage":null}}"#);
            watch.event(None, br#"{"type":"response.output_text.delta","delta":"response.completed"}"#);
            assert!(!watch.complete);
            watch.event(name, COMPLETED);
            assert!(watch.complete && !watch.failed);
            assert_eq!(watch.facts.model.as_deref(), Some("gpt-5"));
            assert_eq!(watch.facts.usage.unwrap().output, 3);
        }
    }

    #[test]
    fn failures_are_seen() {
        for (name, data) in [
            (Some(&b"error"[..]), &br#"{"type":"error"}"#[..]),
            (None, br#"{"type":"response.failed","response":{}}"#),
        ] {
            let mut watch = StreamWatch::new(Dialect::OpenaiResponses);
            watch.event(name, data);
            assert!(watch.failed && !watch.complete);
        }
    }
}
