//! What accounting needs to know of an answer that passes untouched.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::is_exception;
use super::response::model_of;
use super::wire::Usage;
use crate::Error;
use crate::inspect::{AnswerFacts, StreamWatch};
use crate::json::{is_object, unreadable};

/// A whole answer, or the `metadata` event of a stream.
#[derive(Deserialize)]
struct Facts<'a> {
    #[serde(borrow)]
    usage: Option<Usage<'a>>,
    #[serde(borrow)]
    trace: Option<&'a RawValue>,
}

impl From<Facts<'_>> for AnswerFacts {
    fn from(facts: Facts<'_>) -> Self {
        Self {
            model: model_of(facts.trace).map(std::borrow::Cow::into_owned),
            usage: facts.usage.map(Into::into),
        }
    }
}

/// Usage of a whole answer. The model is told only when a prompt router chose it.
///
/// # Errors
/// [`Error::UpstreamSent`] when the body is no JSON object.
pub fn response_facts(body: &[u8]) -> Result<AnswerFacts, Error> {
    if !is_object(body) {
        return Err(Error::upstream("it is no JSON object"));
    }
    let facts: Facts<'_> = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    Ok(facts.into())
}

/// Looks at one message of a passing stream. Only `metadata`, the last one, is read; for the others their name says all.
pub fn watch(watch: &mut StreamWatch, name: Option<&[u8]>, data: &[u8]) {
    match name {
        Some(b"messageStop") => watch.complete = true,
        Some(b"metadata") => {
            if let Ok(facts) = serde_json::from_slice::<Facts<'_>>(data) {
                watch.merge(facts.into());
            }
        }
        Some(name) if is_exception(name) => watch.failed = true,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect;

    #[test]
    fn watches_a_stream() {
        let mut watch = StreamWatch::new(Dialect::BedrockConverse);
        watch.event(Some(b"messageStart"), br#"{"role":"assistant"}"#);
        watch
            .event(Some(b"contentBlockDelta"), br#"{"contentBlockIndex":0,"delta":{"text":"\"usage\":{}"}}"#);
        assert!(!watch.complete && watch.facts == AnswerFacts::default());
        watch.event(Some(b"messageStop"), br#"{"stopReason":"end_turn"}"#);
        watch.event(
            Some(b"metadata"),
            br#"{"usage":{"inputTokens":3,"outputTokens":5,"totalTokens":18,"cacheReadInputTokens":4,"cacheWriteInputTokens":6,"cacheDetails":[{"ttl":"1h","inputTokens":2},{"ttl":"5m","inputTokens":4}]},"metrics":{"latencyMs":9},"trace":{"promptRouter":{"invokedModelId":"arn:m"}}}"#,
        );
        assert!(watch.complete && !watch.failed);
        assert_eq!(watch.facts.model.as_deref(), Some("arn:m"));
        let usage = watch.facts.usage.unwrap();
        assert_eq!((usage.input_uncached, usage.cache_read, usage.cache_write), (3, 4, 6));
        assert_eq!((usage.cache_write_1h, usage.output, usage.total()), (2, 5, 18));
        watch.event(Some(b"throttlingException"), br#"{"message":"slow"}"#);
        assert!(watch.failed);
    }

    #[test]
    fn facts_of_a_whole_answer() {
        let facts = response_facts(br#"{"output":{},"usage":{"inputTokens":1,"outputTokens":2}}"#).unwrap();
        assert_eq!((facts.model, facts.usage.map(|usage| usage.total())), (None, Some(3)));
        assert!(response_facts(b"[]").is_err());
    }
}
