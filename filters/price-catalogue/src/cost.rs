//! What an exchange cost.

use llm_dialects::hub::Usage;

use crate::{Amount, Price, Rates};

/// What an exchange cost, by kind of token. The parts never overlap; they add up to [`Cost::total`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Uncached input without audio and images.
    pub input: Amount,
    /// Input read from the prompt cache.
    pub cache_read: Amount,
    /// Input written to the prompt cache, for whatever time.
    pub cache_write: Amount,
    /// Audio in the uncached input.
    pub input_audio: Amount,
    /// Images in the uncached input.
    pub input_image: Amount,
    /// Generated tokens without those below.
    pub output: Amount,
    /// Generated tokens spent on reasoning.
    pub reasoning: Amount,
    /// Generated audio.
    pub output_audio: Amount,
    /// Generated images.
    pub output_image: Amount,
    /// Tokens that have no price: they are in none of the sums.
    pub unpriced_tokens: u64,
}

impl Cost {
    /// All of it.
    pub fn total(&self) -> Amount {
        [
            self.input,
            self.cache_read,
            self.cache_write,
            self.input_audio,
            self.input_image,
            self.output,
            self.reasoning,
            self.output_audio,
            self.output_image,
        ]
        .into_iter()
        .sum()
    }
}

/// What the tokens of an exchange cost at these prices; [`crate::Model::cost`] chooses the tier first.
///
/// Every token is charged once. Where a usage's parts claim more than their whole, what is over is not charged. A usage
/// does not say how much of its audio and images was cached: they are taken to be in the uncached input as far as they
/// fit into it, audio first.
pub fn cost(rates: &Rates, usage: &Usage) -> Cost {
    let mut unpriced_tokens = 0_u64;
    let mut charge = |tokens: u64, price: Option<Price>| match price {
        Some(price) => Amount::of(tokens, price),
        None => {
            unpriced_tokens = unpriced_tokens.saturating_add(tokens);
            Amount::default()
        }
    };

    let mut uncached = Whole(usage.input_uncached);
    let input_audio = charge(uncached.take(usage.audio_input), rates.input_audio.or(rates.input));
    let input_image = charge(uncached.take(usage.image_input), rates.input_image.or(rates.input));
    let input = charge(uncached.0, rates.input);

    let cache_read = charge(usage.cache_read, rates.cache_read.or(rates.input));
    let mut written = Whole(usage.cache_write);
    let write_price = rates.cache_write.or(rates.input);
    let for_an_hour = charge(written.take(usage.cache_write_1h), rates.cache_write_1h.or(write_price));
    let cache_write = for_an_hour + charge(written.0, write_price);

    let mut generated = Whole(usage.output);
    let reasoning = charge(generated.take(usage.reasoning), rates.reasoning.or(rates.output));
    let output_audio = charge(generated.take(usage.audio_output), rates.output_audio.or(rates.output));
    let output_image = charge(generated.take(usage.image_output), rates.output_image.or(rates.output));
    let output = charge(generated.0, rates.output);

    Cost {
        input,
        cache_read,
        cache_write,
        input_audio,
        input_image,
        output,
        reasoning,
        output_audio,
        output_image,
        unpriced_tokens,
    }
}

/// Tokens not yet charged.
struct Whole(u64);

impl Whole {
    /// Takes a part out, or what is left if that is less.
    fn take(&mut self, part: u64) -> u64 {
        let taken = part.min(self.0);
        self.0 -= taken;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rates(json: &str) -> Rates {
        serde_json::from_str(json).unwrap()
    }

    const NONE: Usage = Usage {
        input_uncached: 0,
        cache_read: 0,
        cache_write: 0,
        cache_write_1h: 0,
        output: 0,
        reasoning: 0,
        audio_input: 0,
        audio_output: 0,
        image_input: 0,
        image_output: 0,
    };

    /// Prices like Claude Opus 5.5's, and one of each kind.
    const CLAUDE: &str =
        r#"{"input":"4","output":"20","cacheRead":"0.20","cacheWrite":"5","cacheWrite1h":"8"}"#;
    const EVERY: &str = r#"{"input":"1","output":"2","cacheRead":"0.1","cacheWrite":"1.25","cacheWrite1h":"1.5",
        "reasoning":"3","inputAudio":"10","inputImage":"11","outputAudio":"20","outputImage":"30"}"#;

    /// T-12: what a cache or a modality takes out of a whole is charged there and nowhere else. Costs in nano-dollars.
    #[test]
    fn every_token_is_charged_once() {
        let table: &[(&str, &str, Usage, u64)] = &[
            ("nothing", CLAUDE, NONE, 0),
            ("plain", CLAUDE, Usage { input_uncached: 1000, output: 100, ..NONE }, 4_000_000 + 2_000_000),
            (
                "cache read is no input",
                CLAUDE,
                Usage { input_uncached: 1000, cache_read: 9000, output: 100, ..NONE },
                4_000_000 + 1_800_000 + 2_000_000,
            ),
            (
                "cache write is no input",
                CLAUDE,
                Usage { input_uncached: 10, cache_write: 1000, ..NONE },
                40_000 + 5_000_000,
            ),
            (
                "an hour is a part of the write",
                CLAUDE,
                Usage { cache_write: 1000, cache_write_1h: 400, ..NONE },
                3_000_000 + 3_200_000,
            ),
            (
                "reasoning costs as output, once",
                CLAUDE,
                Usage { output: 100, reasoning: 60, ..NONE },
                2_000_000,
            ),
            ("reasoning with a price", EVERY, Usage { output: 100, reasoning: 60, ..NONE }, 80_000 + 180_000),
            (
                "audio and images of the input",
                EVERY,
                Usage { input_uncached: 100, audio_input: 20, image_input: 30, ..NONE },
                50_000 + 200_000 + 330_000,
            ),
            (
                "cached audio is charged as cached",
                EVERY,
                Usage { input_uncached: 10, cache_read: 90, audio_input: 50, ..NONE },
                100_000 + 9_000,
            ),
            (
                "audio and images of the output",
                EVERY,
                Usage { output: 100, audio_output: 20, image_output: 30, reasoning: 10, ..NONE },
                80_000 + 400_000 + 900_000 + 30_000,
            ),
            (
                "parts above their whole are cut",
                EVERY,
                Usage {
                    output: 10,
                    reasoning: 8,
                    audio_output: 8,
                    cache_write: 5,
                    cache_write_1h: 9,
                    ..NONE
                },
                24_000 + 40_000 + 7_500,
            ),
            (
                "without a price for the cache it costs as input",
                r#"{"input":"2","output":"8"}"#,
                Usage { input_uncached: 1, cache_read: 2, cache_write: 4, cache_write_1h: 3, ..NONE },
                14_000,
            ),
            (
                "an hour without a price costs as a write",
                r#"{"input":"2","cacheWrite":"3"}"#,
                Usage { cache_write: 4, cache_write_1h: 3, ..NONE },
                12_000,
            ),
            ("sums are rounded, half up", r#"{"input":"0.0005"}"#, Usage { input_uncached: 3, ..NONE }, 2),
        ];
        for (name, prices, usage, nano) in table {
            let cost = cost(&rates(prices), usage);
            assert_eq!(cost.total().nano_usd(), *nano, "{name}: {cost:?}");
            assert_eq!(cost.unpriced_tokens, 0, "{name}");
        }
    }

    #[test]
    fn tokens_without_a_price_are_counted() {
        let usage = Usage { input_uncached: 5, cache_read: 3, output: 7, reasoning: 2, ..NONE };
        let cost = cost(&rates(r#"{"input":"1"}"#), &usage);
        assert_eq!((cost.total().nano_usd(), cost.unpriced_tokens), (8_000, 7));
        assert_eq!(super::cost(&Rates::default(), &usage).unpriced_tokens, 15);
    }

    proptest! {
        /// At one price for everything the sum is that of all tokens, whatever the parts claim.
        #[test]
        fn one_price_charges_the_total(parts in any::<[u64; 10]>()) {
            let [input_uncached, cache_read, cache_write, cache_write_1h, output, reasoning, audio_input,
                audio_output, image_input, image_output] = parts.map(|part| part >> 2);
            let usage = Usage { input_uncached, cache_read, cache_write, cache_write_1h, output, reasoning,
                audio_input, audio_output, image_input, image_output };
            let flat = rates(r#"{"input":"1","output":"1"}"#);
            let tokens = [input_uncached, cache_read, cache_write, output].map(u128::from).iter().sum::<u128>();
            prop_assert_eq!(cost(&flat, &usage).total().pico_usd(), tokens * 1_000_000);
        }

        /// More tokens never cost less, and nothing overflows.
        #[test]
        fn more_costs_more(a in any::<u64>(), b in any::<u64>()) {
            let every = rates(EVERY);
            let of = |n: u64| cost(&every, &Usage { input_uncached: n, cache_read: n, cache_write: n, output: n, ..NONE });
            let (low, high) = (of(a.min(b)).total(), of(a.max(b)).total());
            prop_assert!(low <= high && low.nano_usd() <= high.nano_usd());
        }
    }
}
