//! Prices of tokens.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

/// Digits after the decimal point that a price keeps.
const DECIMALS: usize = 6;

/// Pico-dollars per token that make a dollar per million tokens.
const PICO_PER_TOKEN: u64 = 1_000_000;

/// Dearest price: a dollar per token. No model is within two orders of magnitude of it; a price above is a slip, such as
/// a price per token in place of one per million.
const MAX_USD_PER_MILLION: u64 = 1_000_000;

/// What a token costs, in whole pico-dollars. Shown and read as US dollars per million tokens: `0.075`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(u64);

impl Price {
    /// Reads US dollars per million tokens: digits with at most one decimal point in them. From the seventh digit after
    /// it on it is rounded, half up. Nothing if it is not that or more than 1 000 000.
    pub fn parse(usd_per_million: &str) -> Option<Self> {
        let (whole, fraction) = usd_per_million.split_once('.').unwrap_or((usd_per_million, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return None;
        }
        let whole: u64 = whole.parse().ok()?;
        let mut kept = 0_u64;
        for at in 0..DECIMALS {
            let digit = fraction.as_bytes().get(at).map_or(0, |byte| byte - b'0');
            kept = kept * 10 + u64::from(digit);
        }
        let half = fraction.as_bytes().get(DECIMALS).is_some_and(|byte| *byte >= b'5');
        let pico = whole.checked_mul(PICO_PER_TOKEN)?.checked_add(kept + u64::from(half))?;
        (pico <= MAX_USD_PER_MILLION * PICO_PER_TOKEN).then_some(Self(pico))
    }

    /// The price of one token, in pico-dollars (10⁻¹² USD).
    pub fn pico_usd_per_token(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, self.0.into(), PICO_PER_TOKEN.into(), DECIMALS)
    }
}

/// `value / unit` as a decimal without needless zeros; `unit` is 10 to the power of `decimals`.
pub(crate) fn write_decimal(
    f: &mut fmt::Formatter<'_>,
    value: u128,
    unit: u128,
    decimals: usize,
) -> fmt::Result {
    let fraction = format!("{:0decimals$}", value % unit);
    let fraction = fraction.trim_end_matches('0');
    let whole = value / unit;
    if fraction.is_empty() { write!(f, "{whole}") } else { write!(f, "{whole}.{fraction}") }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Usd;

        impl Visitor<'_> for Usd {
            type Value = Price;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("US dollars per million tokens between 0 and 1000000, such as \"0.075\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Price, E> {
                Price::parse(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Price, E> {
                Price::parse(&number.to_string())
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Unsigned(number), &self))
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Price, E> {
                // Shown as the shortest decimal that means this number, never with an exponent.
                Price::parse(&number.to_string())
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Float(number), &self))
            }
        }

        deserializer.deserialize_any(Usd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_exactly() {
        for (text, pico) in [
            ("0", 0),
            ("3", 3_000_000),
            ("3.00", 3_000_000),
            ("0.075", 75_000),
            ("0.00875", 8_750),
            ("0.000001", 1),
            ("0.0000005", 1),
            ("0.0000004999", 0),
            ("0.9999999", 1_000_000),
            ("1000000", 1_000_000_000_000),
        ] {
            assert_eq!(Price::parse(text), Some(Price(pico)), "{text}");
        }
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "1.2.3", " 1", "$1", "1000001", "٣"] {
            assert_eq!(Price::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_as_good_as_strings() {
        let read = |json: &str| serde_json::from_str::<Price>(json);
        for (json, text) in [
            ("3", "3"),
            ("0.075", "0.075"),
            ("1e-1", "0.1"),
            ("0.07500000000000001", "0.075"),
            ("\"6.25\"", "6.25"),
        ] {
            assert_eq!(read(json).unwrap().to_string(), text, "{json}");
        }
        for json in ["-1", "-0.5", "1e300", "true", "null", "\"\"", "18446744073709551615"] {
            let message = read(json).unwrap_err().to_string();
            assert!(message.contains("US dollars per million tokens"), "{json}: {message}");
        }
    }
}
