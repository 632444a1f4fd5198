//! Token usage, both ways. OpenAI counts cached tokens inside `input_tokens`; the hub keeps the parts apart.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hub;

/// `usage` as it is read: leniently, because an odd number must not cost the answer it comes with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Usage {
    input_tokens: Value,
    input_tokens_details: Option<InputDetails>,
    output_tokens: Value,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Value,
    cache_write_tokens: Value,
    audio_tokens: Value,
    image_tokens: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Value,
    audio_tokens: Value,
    image_tokens: Value,
}

/// A number of tokens; fractions are cut off, and what is no number of at least 0 counts as nothing.
fn count(value: &Value) -> u64 {
    // The cast cuts off and stays within bounds.
    value.as_u64().or_else(|| value.as_f64().map(|number| number as u64)).unwrap_or(0)
}

impl From<Usage> for hub::Usage {
    fn from(usage: Usage) -> Self {
        let input = usage.input_tokens_details.unwrap_or_default();
        let output = usage.output_tokens_details.unwrap_or_default();
        let (cache_read, cache_write) = (count(&input.cached_tokens), count(&input.cache_write_tokens));
        Self {
            input_uncached: count(&usage.input_tokens).saturating_sub(cache_read).saturating_sub(cache_write),
            cache_read,
            cache_write,
            output: count(&usage.output_tokens),
            reasoning: count(&output.reasoning_tokens),
            audio_input: count(&input.audio_tokens),
            audio_output: count(&output.audio_tokens),
            image_input: count(&input.image_tokens),
            image_output: count(&output.image_tokens),
            ..Self::default()
        }
    }
}

/// `usage` as it is written.
#[derive(Debug, Serialize)]
pub(super) struct OutUsage {
    input_tokens: u64,
    input_tokens_details: OutInputDetails,
    output_tokens: u64,
    output_tokens_details: OutOutputDetails,
    total_tokens: u64,
}

#[derive(Debug, Serialize)]
struct OutInputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Debug, Serialize)]
struct OutOutputDetails {
    reasoning_tokens: u64,
}

impl From<&hub::Usage> for OutUsage {
    fn from(usage: &hub::Usage) -> Self {
        Self {
            input_tokens: usage.input_total(),
            input_tokens_details: OutInputDetails {
                cached_tokens: usage.cache_read,
                cache_write_tokens: usage.cache_write,
            },
            output_tokens: usage.output,
            output_tokens_details: OutOutputDetails { reasoning_tokens: usage.reasoning },
            total_tokens: usage.total(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_never_overlap() {
        let json = r#"{"input_tokens":100,"input_tokens_details":{"cached_tokens":60,"cache_write_tokens":30},
            "output_tokens":20,"output_tokens_details":{"reasoning_tokens":15},"total_tokens":120}"#;
        let usage: hub::Usage = serde_json::from_str::<Usage>(json).unwrap().into();
        let expected = hub::Usage {
            input_uncached: 10,
            cache_read: 60,
            cache_write: 30,
            output: 20,
            reasoning: 15,
            ..Default::default()
        };
        assert_eq!(usage, expected);
        let written = serde_json::to_value(OutUsage::from(&usage)).unwrap();
        assert_eq!(written, serde_json::from_str::<Value>(json).unwrap());
    }

    #[test]
    fn odd_numbers_are_read_as_far_as_they_go() {
        let json = r#"{"input_tokens":10.5,"input_tokens_details":null,"output_tokens":"7",
            "output_tokens_details":{"reasoning_tokens":-1}}"#;
        let usage: hub::Usage = serde_json::from_str::<Usage>(json).unwrap().into();
        assert_eq!(usage, hub::Usage { input_uncached: 10, ..Default::default() });
    }
}
