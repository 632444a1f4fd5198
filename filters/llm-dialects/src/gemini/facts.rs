//! What accounting needs of answers that pass untouched.

use std::sync::LazyLock;

use memchr::memmem;
use serde::Deserialize;

use super::error::begins_with_error;
use super::usage::Usage;
use crate::Error;
use crate::inspect::{AnswerFacts, StreamWatch};
use crate::json::{Str, is_object, non_empty};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    model_version: Option<Str<'a>>,
    #[serde(borrow)]
    usage_metadata: Option<Usage<'a>>,
}

/// Reads usage and model of a whole answer.
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
    Ok(AnswerFacts {
        model: non_empty(answer.model_version).map(std::borrow::Cow::into_owned),
        usage: answer.usage_metadata.map(|usage| (&usage).into()),
    })
}

/// Looks at one chunk of a passing stream.
///
/// Every chunk counts its tokens anew, so a stream that breaks off is counted as far as it came. The counts are read
/// from where they stand, without parsing what is before them.
pub fn watch(watch: &mut StreamWatch, _name: Option<&[u8]>, data: &[u8]) {
    if let Some(value) = value_of(data, KEYS.usage.rfind(data))
        && let Some(usage) = read::<Usage<'_>>(value)
    {
        watch.facts.usage = Some((&usage).into());
    }
    if watch.facts.model.is_none()
        && let Some(value) = value_of(data, KEYS.model.rfind(data))
    {
        let model = non_empty(read::<Str<'_>>(value)).map(std::borrow::Cow::into_owned);
        watch.merge(AnswerFacts { model, usage: None });
    }
    if has_name(data, &KEYS.finish) || has_name(data, &KEYS.blocked) {
        watch.complete = true;
    }
    if begins_with_error(data) {
        watch.failed = true;
    }
}

/// Searchers for keys of chunks, made once: making one costs more than a search. Inside a JSON string the quotes of a
/// key are escaped, so text never looks like a key.
static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys {
    usage: memmem::FinderRev::new(b"\"usageMetadata\""),
    model: memmem::FinderRev::new(b"\"modelVersion\""),
    finish: memmem::Finder::new(b"\"finishReason\""),
    blocked: memmem::Finder::new(b"\"blockReason\""),
});

struct Keys {
    usage: memmem::FinderRev<'static>,
    model: memmem::FinderRev<'static>,
    finish: memmem::Finder<'static>,
    blocked: memmem::Finder<'static>,
}

/// What stands behind the key that begins at `key`.
fn value_of(data: &[u8], key: Option<usize>) -> Option<&[u8]> {
    let rest = data.get(key? + 1..)?;
    let rest = rest.get(memchr::memchr(b'"', rest)? + 1..)?.trim_ascii_start();
    rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start)
}

fn has_name(data: &[u8], key: &memmem::Finder<'_>) -> bool {
    value_of(data, key.find(data)).is_some_and(|value| value.starts_with(b"\""))
}

/// Reads one value and leaves what is behind it.
fn read<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Option<T> {
    serde_json::Deserializer::from_slice(data).into_iter::<T>().next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect;

    #[test]
    fn whole_answers() {
        let facts = response_facts(
            br#"{"candidates":[],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":2},"modelVersion":"gemini-3.8-flash"}"#,
        )
        .unwrap();
        assert_eq!(facts.model.as_deref(), Some("gemini-3.8-flash"));
        assert_eq!(facts.usage.map(|usage| (usage.input_uncached, usage.output)), Some((5, 2)));
        assert!(response_facts(b"[]").is_err());
    }

    #[test]
    fn streams() {
        let mut state = StreamWatch::new(Dialect::GeminiGenerate);
        watch(
            &mut state,
            None,
            br#"{"candidates":[{"content":{"parts":[{"text":"\"finishReason\":\"STOP\""}]}}],"usageMetadata" : {"promptTokenCount":5,"candidatesTokenCount":1},"modelVersion":"m"}"#,
        );
        assert!(!state.complete);
        assert_eq!(state.facts.usage.map(|usage| usage.output), Some(1));
        watch(
            &mut state,
            None,
            br#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":9}}"#,
        );
        assert!(state.complete && !state.failed);
        assert_eq!(state.facts.usage.map(|usage| usage.output), Some(9));
        assert_eq!(state.facts.model.as_deref(), Some("m"));
    }

    #[test]
    fn errors_and_refused_prompts() {
        for error in [&br#"{"error":{"code":503,"message":"x"}}"#[..], br#" [ { "error" : {"code":503}}]"#] {
            let mut state = StreamWatch::new(Dialect::GeminiGenerate);
            watch(&mut state, None, error);
            assert!(state.failed);
        }
        let mut state = StreamWatch::new(Dialect::GeminiGenerate);
        watch(&mut state, None, br#"{"promptFeedback":{"blockReason":"SAFETY"}}"#);
        assert!(state.complete && !state.failed);
    }
}
