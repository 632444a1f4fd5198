//! Token usage, both ways.
//!
//! OpenAI counts cached tokens inside `prompt_tokens`; the hub keeps the parts apart.

use serde::{Deserialize, Serialize};

use super::wire::Scalar;
use crate::hub;

/// `usage` with the fields of every provider that speaks this dialect. Read leniently: an odd number must
/// not cost the answer it comes with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Usage<'a> {
    #[serde(borrow)]
    prompt_tokens: Option<Scalar<'a>>,
    #[serde(borrow)]
    completion_tokens: Option<Scalar<'a>>,
    #[serde(borrow)]
    total_tokens: Option<Scalar<'a>>,
    #[serde(borrow)]
    prompt_tokens_details: Option<PromptDetails<'a>>,
    #[serde(borrow)]
    completion_tokens_details: Option<CompletionDetails<'a>>,
    /// DeepSeek's word for cached tokens.
    #[serde(borrow)]
    prompt_cache_hit_tokens: Option<Scalar<'a>>,
    /// Moonshot's word for cached tokens.
    #[serde(borrow)]
    cached_tokens: Option<Scalar<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PromptDetails<'a> {
    #[serde(borrow)]
    cached_tokens: Option<Scalar<'a>>,
    /// OpenRouter.
    #[serde(borrow)]
    cache_write_tokens: Option<Scalar<'a>>,
    /// LiteLLM's word for the same.
    #[serde(borrow)]
    cache_creation_tokens: Option<Scalar<'a>>,
    #[serde(borrow)]
    audio_tokens: Option<Scalar<'a>>,
    #[serde(borrow)]
    image_tokens: Option<Scalar<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CompletionDetails<'a> {
    #[serde(borrow)]
    reasoning_tokens: Option<Scalar<'a>>,
    #[serde(borrow)]
    audio_tokens: Option<Scalar<'a>>,
    #[serde(borrow)]
    image_tokens: Option<Scalar<'a>>,
}

/// The first of the fields that is there.
fn count<const N: usize>(fields: [Option<Scalar<'_>>; N]) -> u64 {
    fields.into_iter().flatten().find_map(|field| field.number()).unwrap_or(0)
}

impl From<Usage<'_>> for hub::Usage {
    fn from(usage: Usage<'_>) -> Self {
        let prompt_details = usage.prompt_tokens_details.unwrap_or_default();
        let completion_details = usage.completion_tokens_details.unwrap_or_default();
        let prompt = count([usage.prompt_tokens]);
        let completion = count([usage.completion_tokens]);
        let reasoning = count([completion_details.reasoning_tokens]);
        let cache_read =
            count([prompt_details.cached_tokens, usage.prompt_cache_hit_tokens, usage.cached_tokens]);
        let cache_write = count([prompt_details.cache_write_tokens, prompt_details.cache_creation_tokens]);
        // xAI leaves reasoning out of `completion_tokens`, and Gemini's imitation of this API does without saying
        // how much it was (down to no `completion_tokens` at all); their own totals give that away.
        let total = count([usage.total_tokens]);
        let rest = prompt.checked_add(completion).and_then(|sum| total.checked_sub(sum)).unwrap_or(0);
        let (output, reasoning) = match reasoning {
            0 => (completion.saturating_add(rest), rest),
            _ if rest == reasoning => (completion.saturating_add(reasoning), reasoning),
            _ => (completion, reasoning),
        };
        Self {
            input_uncached: prompt.saturating_sub(cache_read).saturating_sub(cache_write),
            cache_read,
            cache_write,
            output,
            reasoning,
            audio_input: count([prompt_details.audio_tokens]),
            audio_output: count([completion_details.audio_tokens]),
            image_input: count([prompt_details.image_tokens]),
            image_output: count([completion_details.image_tokens]),
            // Nobody tells it apart in this dialect.
            cache_write_1h: 0,
        }
    }
}

/// `usage` as it is written.
#[derive(Debug, Serialize)]
pub(super) struct OutUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: OutPromptDetails,
    completion_tokens_details: OutCompletionDetails,
}

#[derive(Debug, Serialize)]
struct OutPromptDetails {
    cached_tokens: u64,
    audio_tokens: u64,
    /// Not OpenAI's, so only there when it says something.
    #[serde(skip_serializing_if = "is_zero")]
    cache_write_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    image_tokens: u64,
}

#[derive(Debug, Serialize)]
struct OutCompletionDetails {
    reasoning_tokens: u64,
    audio_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    image_tokens: u64,
}

impl From<&hub::Usage> for OutUsage {
    fn from(usage: &hub::Usage) -> Self {
        Self {
            prompt_tokens: usage.input_total(),
            completion_tokens: usage.output,
            total_tokens: usage.total(),
            prompt_tokens_details: OutPromptDetails {
                cached_tokens: usage.cache_read,
                audio_tokens: usage.audio_input,
                cache_write_tokens: usage.cache_write,
                image_tokens: usage.image_input,
            },
            completion_tokens_details: OutCompletionDetails {
                reasoning_tokens: usage.reasoning,
                audio_tokens: usage.audio_output,
                image_tokens: usage.image_output,
            },
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde calls it with a reference.
fn is_zero(tokens: &u64) -> bool {
    *tokens == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> hub::Usage {
        serde_json::from_str::<Usage<'_>>(json).unwrap().into()
    }

    #[test]
    fn cached_tokens_are_taken_out_of_the_prompt() {
        let expected = hub::Usage { input_uncached: 40, cache_read: 60, output: 7, ..Default::default() };
        for json in [
            r#"{"prompt_tokens":100,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":60}}"#,
            r#"{"prompt_tokens":100,"completion_tokens":7,"prompt_cache_hit_tokens":60,"prompt_cache_miss_tokens":40}"#,
            r#"{"prompt_tokens":100,"completion_tokens":7,"cached_tokens":60,"prompt_tokens_details":null}"#,
        ] {
            assert_eq!(read(json), expected, "{json}");
        }
    }

    #[test]
    fn cache_writes_are_taken_out_too() {
        let json = r#"{"prompt_tokens":100,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":50,"cache_write_tokens":30}}"#;
        let usage = read(json);
        assert_eq!((usage.input_uncached, usage.cache_read, usage.cache_write), (20, 50, 30));
        assert_eq!(usage.input_total(), 100);
    }

    #[test]
    fn reasoning_counts_as_output_once() {
        let inside = r#"{"prompt_tokens":10,"completion_tokens":30,"total_tokens":40,"completion_tokens_details":{"reasoning_tokens":20}}"#;
        assert_eq!((read(inside).output, read(inside).reasoning), (30, 20));
        let beside = r#"{"prompt_tokens":10,"completion_tokens":10,"total_tokens":40,"completion_tokens_details":{"reasoning_tokens":20}}"#;
        assert_eq!((read(beside).output, read(beside).reasoning), (30, 20));
    }

    #[test]
    fn odd_numbers_are_read_as_far_as_they_go() {
        let json = r#"{"prompt_tokens":10.0,"completion_tokens":"7","total_tokens":-1,"prompt_tokens_details":{"cached_tokens":null,"audio_tokens":[]}}"#;
        assert_eq!(read(json), hub::Usage { input_uncached: 10, ..Default::default() });
    }

    #[test]
    fn absurd_numbers_do_not_overflow() {
        let max = u64::MAX;
        let json = format!(
            r#"{{"prompt_tokens":{max},"completion_tokens":{max},"total_tokens":{max},"prompt_tokens_details":{{"cached_tokens":{max},"cache_write_tokens":{max}}},"completion_tokens_details":{{"reasoning_tokens":{max}}}}}"#
        );
        let usage = read(&json);
        assert_eq!((usage.input_uncached, usage.total()), (0, max));
        assert_eq!(OutUsage::from(&usage).total_tokens, max);
    }
}
