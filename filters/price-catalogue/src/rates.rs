//! Prices of one model.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use crate::Price;

/// Prices of one model, each per kind of token. The crate's documentation says what an absent one falls back to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// `input`: input neither read from nor written to the prompt cache.
    pub input: Option<Price>,
    /// `output`: generated tokens.
    pub output: Option<Price>,
    /// `cacheRead`: input read from the prompt cache.
    pub cache_read: Option<Price>,
    /// `cacheWrite`: input written to the prompt cache.
    pub cache_write: Option<Price>,
    /// `cacheWrite1h`: input written to the prompt cache to be kept for an hour.
    pub cache_write_1h: Option<Price>,
    /// `reasoning`: generated tokens spent on reasoning.
    pub reasoning: Option<Price>,
    /// `inputAudio`: audio in the uncached input.
    pub input_audio: Option<Price>,
    /// `inputImage`: images in the uncached input.
    pub input_image: Option<Price>,
    /// `outputAudio`: generated audio.
    pub output_audio: Option<Price>,
    /// `outputImage`: generated images.
    pub output_image: Option<Price>,
}

/// Names of the prices in the catalogue.
const NAMES: &[&str] = &[
    "input",
    "output",
    "cacheRead",
    "cacheWrite",
    "cacheWrite1h",
    "reasoning",
    "inputAudio",
    "inputImage",
    "outputAudio",
    "outputImage",
];

impl Rates {
    /// There is no price at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These, with the others' prices where they have one.
    #[must_use]
    pub fn overlaid(&self, others: &Self) -> Self {
        Self {
            input: others.input.or(self.input),
            output: others.output.or(self.output),
            cache_read: others.cache_read.or(self.cache_read),
            cache_write: others.cache_write.or(self.cache_write),
            cache_write_1h: others.cache_write_1h.or(self.cache_write_1h),
            reasoning: others.reasoning.or(self.reasoning),
            input_audio: others.input_audio.or(self.input_audio),
            input_image: others.input_image.or(self.input_image),
            output_audio: others.output_audio.or(self.output_audio),
            output_image: others.output_image.or(self.output_image),
        }
    }

    /// Where the price of this name stands.
    fn named(&mut self, name: &str) -> Option<&mut Option<Price>> {
        Some(match name {
            "input" => &mut self.input,
            "output" => &mut self.output,
            "cacheRead" => &mut self.cache_read,
            "cacheWrite" => &mut self.cache_write,
            "cacheWrite1h" => &mut self.cache_write_1h,
            "reasoning" => &mut self.reasoning,
            "inputAudio" => &mut self.input_audio,
            "inputImage" => &mut self.input_image,
            "outputAudio" => &mut self.output_audio,
            "outputImage" => &mut self.output_image,
            _ => return None,
        })
    }
}

/// Prices of requests with much input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// `contextOver`: they hold for requests with more input tokens than this.
    pub context_over: u64,
    /// The prices that differ.
    pub rates: Rates,
}

impl<'de> Deserialize<'de> for Rates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries { tier: false }).map(|(_, rates)| rates)
    }
}

impl<'de> Deserialize<'de> for Tier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (context_over, rates) = deserializer.deserialize_map(Entries { tier: true })?;
        let context_over = context_over.ok_or_else(|| D::Error::missing_field("contextOver"))?;
        Ok(Self { context_over, rates })
    }
}

/// Reads prices, and in tiers `contextOver` beside them.
struct Entries {
    tier: bool,
}

impl<'de> Visitor<'de> for Entries {
    type Value = (Option<u64>, Rates);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of prices")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut context_over = None;
        let mut rates = Rates::default();
        while let Some(name) = map.next_key::<String>()? {
            if self.tier && name == "contextOver" {
                if context_over.replace(map.next_value()?).is_some() {
                    return Err(A::Error::duplicate_field("contextOver"));
                }
            } else if let Some(slot) = rates.named(&name) {
                if slot.is_some() {
                    return Err(A::Error::custom(format_args!("`{name}` stands here twice")));
                }
                *slot = map.next_value()?;
            } else {
                return Err(A::Error::unknown_field(&name, NAMES));
            }
        }
        Ok((context_over, rates))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_name() {
        for name in NAMES {
            let mut rates: Rates = serde_json::from_str(&format!(r#"{{"{name}":"1.5"}}"#)).unwrap();
            assert_eq!(rates.named(name).unwrap().take(), Price::parse("1.5"), "{name}");
            assert!(rates.is_empty(), "{name}");
        }
        assert!(serde_json::from_str::<Rates>(r#"{"input":null}"#).unwrap().is_empty());
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let rates = |json| serde_json::from_str::<Rates>(json).unwrap_err().to_string();
        assert!(rates(r#"{"cacheread":1}"#).contains("unknown field `cacheread`, expected one of `input`"));
        assert!(rates(r#"{"contextOver":1}"#).contains("unknown field"));
        assert!(rates(r#"{"input":1,"input":2}"#).contains("twice"));
        let tier = |json| serde_json::from_str::<Tier>(json).unwrap_err().to_string();
        assert!(tier(r#"{"input":1}"#).contains("missing field `contextOver`"));
        assert!(tier(r#"{"contextOver":1,"contextOver":1}"#).contains("duplicate field"));
    }
}
