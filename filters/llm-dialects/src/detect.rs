//! Model and usage of answers whose format is not known: whatever providers commonly write is looked for, and finding
//! nothing is no error.
//!
//! Used for endpoints that pass through: OpenAI completions, images and audio, `responses/compact`, and paths declared
//! as `detect`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::hub::Usage;
use crate::inspect::{AnswerFacts, StreamWatch};
use crate::json::{Str, is_object};
use crate::{anthropic, bedrock, gemini, openai_chat};

/// Places where facts stand in the answers of one provider or another.
#[derive(Default, Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "usageMetadata")]
    usage_metadata: Option<&'a RawValue>,
    /// Of Anthropic's `message_start`.
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    /// Of OpenAI's response events.
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    /// Of Cohere.
    #[serde(borrow, default)]
    meta: Option<&'a RawValue>,
    /// Of Titan embeddings.
    #[serde(borrow, default, rename = "inputTextTokenCount")]
    titan_tokens: Option<&'a RawValue>,
}

/// The facts of a JSON answer, as far as they can be found.
pub fn facts(body: &[u8]) -> AnswerFacts {
    find(body, 0)
}

fn find(body: &[u8], depth: u8) -> AnswerFacts {
    let Some(answer) = is_object(body).then(|| serde_json::from_slice::<Answer<'_>>(body).ok()).flatten()
    else {
        return AnswerFacts::default();
    };
    let model = answer.model.and_then(|raw| serde_json::from_str::<Str<'_>>(raw.get()).ok());
    let mut facts = AnswerFacts {
        model: model.map(|Str(model)| model.into_owned()),
        usage: answer.usage.and_then(usage),
    };
    if answer.usage_metadata.is_some()
        && let Ok(found) = gemini::response_facts(body)
    {
        facts.usage = facts.usage.or(found.usage);
        facts.model = facts.model.or(found.model);
    }
    if let Some(tokens) = answer.titan_tokens.and_then(|raw| raw.get().parse().ok()) {
        facts.usage.get_or_insert(Usage { input_uncached: tokens, ..Usage::default() });
    }
    if facts.usage.is_none() {
        facts.usage = answer.meta.and_then(billed_units);
    }
    if depth == 0 {
        for inner in [answer.message, answer.response].into_iter().flatten() {
            let found = find(inner.get().as_bytes(), 1);
            facts.usage = facts.usage.or(found.usage);
            facts.model = facts.model.or(found.model);
        }
    }
    facts
}

/// A `usage` object, by the names in it.
fn usage(raw: &RawValue) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Names<'a> {
        #[serde(borrow, default)]
        prompt_tokens: Option<&'a RawValue>,
        #[serde(default)]
        input_tokens: Option<u64>,
        #[serde(default)]
        output_tokens: Option<u64>,
        #[serde(borrow, default)]
        cache_read_input_tokens: Option<&'a RawValue>,
        #[serde(borrow, default, rename = "inputTokens")]
        bedrock: Option<&'a RawValue>,
        #[serde(default)]
        input_tokens_details: Option<InputDetails>,
        #[serde(default)]
        output_tokens_details: Option<OutputDetails>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct InputDetails {
        cached_tokens: u64,
        audio_tokens: u64,
        image_tokens: u64,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct OutputDetails {
        reasoning_tokens: u64,
        audio_tokens: u64,
        image_tokens: u64,
    }
    let names: Names<'_> = serde_json::from_str(raw.get()).ok()?;
    if names.prompt_tokens.is_some() {
        return serde_json::from_str::<openai_chat::Usage<'_>>(raw.get()).ok().map(Into::into);
    }
    if names.cache_read_input_tokens.is_some() {
        return serde_json::from_str::<anthropic::Usage>(raw.get()).ok().map(Into::into);
    }
    if names.bedrock.is_some() {
        let body = [b"{\"usage\":", raw.get().as_bytes(), b"}"].concat();
        return bedrock::response_facts(&body).ok()?.usage;
    }
    let (input, output) = (names.input_tokens, names.output_tokens);
    if input.is_none() && output.is_none() {
        return None;
    }
    let details = names.input_tokens_details.unwrap_or_default();
    let made = names.output_tokens_details.unwrap_or_default();
    Some(Usage {
        input_uncached: input.unwrap_or_default().saturating_sub(details.cached_tokens),
        cache_read: details.cached_tokens,
        output: output.unwrap_or_default(),
        reasoning: made.reasoning_tokens,
        audio_input: details.audio_tokens,
        audio_output: made.audio_tokens,
        image_input: details.image_tokens,
        image_output: made.image_tokens,
        ..Usage::default()
    })
}

/// Cohere's `meta`: `tokens` where it has them, else `billed_units`.
fn billed_units(raw: &RawValue) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Meta {
        #[serde(default)]
        tokens: Option<Units>,
        #[serde(default)]
        billed_units: Option<Units>,
    }
    #[derive(Deserialize)]
    struct Units {
        #[serde(default)]
        input_tokens: Option<f64>,
        #[serde(default)]
        output_tokens: Option<f64>,
    }
    let meta: Meta = serde_json::from_str(raw.get()).ok()?;
    let units = [meta.tokens, meta.billed_units]
        .into_iter()
        .flatten()
        .find(|units| units.input_tokens.is_some() || units.output_tokens.is_some())?;
    // Cohere writes whole numbers as floating point; a cast saturates.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "token counts")]
    let whole = |count: Option<f64>| count.unwrap_or_default().max(0.0) as u64;
    Some(Usage {
        input_uncached: whole(units.input_tokens),
        output: whole(units.output_tokens),
        ..Usage::default()
    })
}

/// Looks at one event of a stream of unknown format. Whether it is complete cannot be known, so it always is.
pub(crate) fn watch(watch: &mut StreamWatch, data: &[u8]) {
    watch.complete = true;
    let has_usage = memchr::memmem::find(data, b"\"usage").is_some();
    if has_usage || watch.facts.model.is_none() {
        watch.merge(facts(data));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn counts(body: &str) -> (u64, u64, u64) {
        let usage = facts(body.as_bytes()).usage.unwrap();
        (usage.input_uncached, usage.cache_read, usage.output)
    }

    #[test]
    fn usage_of_every_common_shape() {
        assert_eq!(counts(r#"{"usage":{"prompt_tokens":5,"completion_tokens":2}}"#), (5, 0, 2));
        assert_eq!(
            counts(
                r#"{"usage":{"input_tokens":50,"output_tokens":9,"input_tokens_details":{"image_tokens":40,"text_tokens":10}}}"#
            ),
            (50, 0, 9)
        );
        assert_eq!(
            counts(
                r#"{"type":"response.completed","response":{"model":"m","usage":{"input_tokens":5,"output_tokens":2,"input_tokens_details":{"cached_tokens":4}}}}"#
            ),
            (1, 4, 2)
        );
        assert_eq!(
            counts(r#"{"usage":{"input_tokens":5,"cache_read_input_tokens":3,"output_tokens":2}}"#),
            (5, 3, 2)
        );
        assert_eq!(counts(r#"{"inputTextTokenCount":7,"embedding":[]}"#), (7, 0, 0));
        assert_eq!(counts(r#"{"meta":{"billed_units":{"input_tokens":7.0}}}"#), (7, 0, 0));
    }

    #[test]
    fn finding_nothing_is_no_error() {
        for body in ["", "[]", "{", "null", r#"{"usage":5}"#, r#"{"usage":{}}"#, r#"{"model":7}"#] {
            assert_eq!(facts(body.as_bytes()), AnswerFacts::default(), "{body}");
        }
    }
}
