//! Marks that are in a body already.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::blocks::Style;

/// The marks of a body, wherever they stand: on blocks, in blocks of tool results and documents, on tools, and on the
/// request itself (Anthropic's automatic caching, which takes one of the four places).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Existing {
    pub(super) marks: usize,
    /// One of them is to live for an hour.
    pub(super) long_lived: bool,
}

impl Existing {
    /// Counts the marks in `body` without building a tree. `None` when it is no JSON.
    pub(super) fn count(style: Style, body: &[u8]) -> Option<Self> {
        let mut existing = Self::default();
        let mut json = serde_json::Deserializer::from_slice(body);
        json.deserialize_any(Walk { style, existing: &mut existing }).ok()?;
        json.end().ok()?;
        Some(existing)
    }
}

/// Whether what is below a key is the client's own data rather than the API's.
fn is_opaque(style: Style, key: &str) -> bool {
    match style {
        Style::Anthropic => matches!(key, "input" | "input_schema" | "metadata"),
        Style::Bedrock => matches!(
            key,
            "input"
                | "inputSchema"
                | "json"
                | "additionalModelRequestFields"
                | "promptVariables"
                | "requestMetadata"
        ),
    }
}

/// A key, lent where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

struct Walk<'e> {
    style: Style,
    existing: &'e mut Existing,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mark = match self.style {
            Style::Anthropic => "cache_control",
            Style::Bedrock => "cachePoint",
        };
        while let Some(key) = map.next_key::<Key<'de>>()?.map(|key| key.0) {
            if key == mark {
                let value = map.next_value::<&'de RawValue>()?.get();
                if value != "null" {
                    self.existing.marks += 1;
                    self.existing.long_lived |= value.contains("\"1h\"");
                }
            } else if is_opaque(self.style, &key) {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(Walk { style: self.style, existing: self.existing })?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Walk { style: self.style, existing: self.existing })?.is_some() {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}
