//! Amounts of bytes as Kubernetes writes them, for example `2Mi` or `1500000`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Error;

/// Size factors of Kubernetes quantities (resource.Quantity): decimal and binary suffixes.
const SUFFIXES: [(&str, u64); 13] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
    ("Ei", 1 << 60),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000),
    ("", 1),
];

/// A positive amount of bytes, written as a number or as a string with a Kubernetes suffix.
///
/// A fraction of a byte is rounded up, as Kubernetes does. Amounts equal in bytes are equal.
#[derive(Debug, Clone, Eq)]
pub struct Quantity {
    text: Text,
    bytes: u64,
}

/// How the amount was written, kept so that writing an object back does not change it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Text {
    Number(u64),
    String(String),
}

impl Quantity {
    /// The amount in bytes, at least 1.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// An amount written as a plain number of bytes; zero is [`Error::Quantity`].
    pub fn from_bytes(bytes: u64) -> Result<Self, Error> {
        if bytes == 0 {
            return Err(Error::Quantity { text: "0".to_owned() });
        }
        Ok(Quantity { text: Text::Number(bytes), bytes })
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Text::Number(number) => number.fmt(f),
            Text::String(text) => f.write_str(text),
        }
    }
}

impl FromStr for Quantity {
    type Err = Error;

    /// Reads a decimal number with an optional suffix or exponent (`2Mi`, `1.5k`, `1e6`);
    /// zero, negative and unreadable amounts, and those beyond 64 bits, are [`Error::Quantity`].
    fn from_str(text: &str) -> Result<Self, Error> {
        bytes_of(text)
            .filter(|bytes| *bytes > 0)
            .map(|bytes| Quantity { text: Text::String(text.to_owned()), bytes })
            .ok_or_else(|| Error::Quantity { text: text.to_owned() })
    }
}

/// The bytes `text` stands for, rounded up, or `None` when it is no quantity or too large.
fn bytes_of(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let factor = match SUFFIXES.iter().find(|(name, _)| *name == suffix) {
        Some((_, factor)) => *factor,
        None => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            10u64.checked_pow(exponent.parse().ok()?)?
        }
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || fraction.len() > 18 {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0u128) } else { text.parse().ok() };
    let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let whole = digits(whole)?.checked_mul(u128::from(factor))?;
    let fraction = (digits(fraction)? * u128::from(factor)).div_ceil(scale);
    u64::try_from(whole.checked_add(fraction)?).ok()
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.text {
            Text::Number(number) => serializer.serialize_u64(*number),
            Text::String(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a quantity such as 2097152 or \"2Mi\"")]
        enum Written {
            Number(u64),
            String(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(bytes) => Quantity::from_bytes(bytes),
            Written::String(text) => text.parse(),
        }
        .map_err(de::Error::custom)
    }
}

impl JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            // Bounds what the API server reckons the rule may cost.
            "maxLength": 32,
            "x-kubernetes-validations": [{
                "rule": "size(string(self)) >= 1 && size(string(self)) <= 32 && (!string(self).matches('^-?[0-9]+$') \
                         || string(self).matches('^0*[1-9][0-9]{0,18}$'))",
                "message": "must be a positive number of bytes, or a quantity such as 2Mi",
            }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_suffixes_fractions_and_exponents() {
        let cases = [
            ("1", 1),
            ("2Mi", 2 << 20),
            ("1.5k", 1_500),
            ("0.5", 1),
            ("1e6", 1_000_000),
            (".5Ki", 512),
            ("3E", 3_000_000_000_000_000_000),
        ];
        for (text, bytes) in cases {
            assert_eq!(text.parse::<Quantity>().unwrap().bytes(), bytes, "{text}");
        }
        assert_eq!(serde_json::from_str::<Quantity>("2097152").unwrap(), "2Mi".parse().unwrap());
    }

    #[test]
    fn refuses_what_is_no_amount_of_bytes() {
        for text in ["", ".", "0", "-1", "2MB", "1..5", "1e", "99E", "2 Mi", "1e99", "१"] {
            assert!(text.parse::<Quantity>().is_err(), "{text:?}");
        }
    }
}
