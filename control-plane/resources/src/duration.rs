//! Time spans as Kubernetes writes them (GEP-2257), for example `1m30s` or `250ms`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Error;

/// Pattern of GEP-2257: one to four parts of at most five digits and a unit.
pub(crate) const PATTERN: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";

/// A non-negative time span with millisecond resolution, in the notation of GEP-2257
/// (<https://gateway-api.sigs.k8s.io/geps/gep-2257>).
///
/// It keeps the text it was read from, so that writing an object back does not change it; two spans
/// are equal when they are equally long.
#[derive(Debug, Clone, Eq)]
pub struct Duration {
    text: String,
    value: std::time::Duration,
}

impl Duration {
    /// The span as a standard library value.
    pub fn value(&self) -> std::time::Duration {
        self.value
    }
}

impl PartialEq for Duration {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Duration {
    type Err = Error;

    /// Reads `([0-9]{1,5}(h|m|s|ms)){1,4}`; anything else is [`Error::Duration`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let fail = || Error::Duration { text: text.to_owned() };
        let mut rest = text;
        let mut millis = 0u64;
        let mut parts = 0;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, tail) = rest.split_at_checked(digits).ok_or_else(fail)?;
            parts += 1;
            if number.is_empty() || number.len() > 5 || parts > 4 {
                return Err(fail());
            }
            // `ms` before `m`: the longer unit wins, as in the regular expression with its anchor.
            let (unit, tail) = [("ms", 1u64), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)]
                .into_iter()
                .find_map(|(unit, factor)| tail.strip_prefix(unit).map(|tail| (factor, tail)))
                .ok_or_else(fail)?;
            // Cannot overflow: at most 4 * 99999 * 3_600_000.
            millis += number.parse::<u64>().map_err(|_| fail())? * unit;
            rest = tail;
        }
        if parts == 0 {
            return Err(fail());
        }
        Ok(Duration { text: text.to_owned(), value: std::time::Duration::from_millis(millis) })
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": 32, "pattern": PATTERN })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit_and_keeps_the_text() {
        let cases = [("250ms", 250), ("10s", 10_000), ("1m30s", 90_000), ("2h", 7_200_000), ("1s5ms", 1_005)];
        for (text, millis) in cases {
            let duration: Duration = text.parse().unwrap();
            assert_eq!(duration.value().as_millis(), millis, "{text}");
            assert_eq!(duration.to_string(), text);
        }
        assert_eq!("60s".parse::<Duration>().unwrap(), "1m".parse().unwrap());
    }

    #[test]
    fn agrees_with_the_pattern_of_the_schema() {
        let pattern = regex::Regex::new(PATTERN).unwrap();
        for text in
            ["", "5", "s", "1.5s", "-1s", "1 s", "123456s", "1d", "1s1s1s1s", "1s1s1s1s1s", "1m5", "99999h"]
        {
            assert_eq!(text.parse::<Duration>().is_ok(), pattern.is_match(text), "{text:?}");
        }
    }
}
