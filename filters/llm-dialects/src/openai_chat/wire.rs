//! Pieces of JSON that requests, answers and streams have in common, both ways.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

use super::call_arguments;
use crate::hub::{Part, ToolCall};
use crate::json::{Str, non_empty};

/// A string, or something in an array or an object: the API often allows both.
#[derive(Debug)]
pub(super) enum TextOr<'a, T> {
    /// The string.
    Text(Str<'a>),
    /// What else it may be.
    Other(T),
}

/// Whether a type is an array or an object in JSON. serde would also read arrays into structs, field by field.
pub(super) trait Shape {
    /// It is an array.
    const IS_ARRAY: bool;
}

impl<T> Shape for Vec<T> {
    const IS_ARRAY: bool = true;
}

impl<'de: 'a, 'a, T: Deserialize<'de> + Shape> Deserialize<'de> for TextOr<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrVisitor(PhantomData))
    }
}

struct TextOrVisitor<'a, T>(PhantomData<(&'a (), T)>);

impl<'de: 'a, 'a, T: Deserialize<'de> + Shape> Visitor<'de> for TextOrVisitor<'a, T> {
    type Value = TextOr<'a, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if T::IS_ARRAY { "a string or an array" } else { "a string or an object" })
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(TextOr::Text(Str(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(TextOr::Text(Str(Cow::Owned(text.to_owned()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        if !T::IS_ARRAY {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        T::deserialize(SeqAccessDeserializer::new(seq)).map(TextOr::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        if T::IS_ARRAY {
            return Err(A::Error::invalid_type(Unexpected::Map, &self));
        }
        T::deserialize(MapAccessDeserializer::new(map)).map(TextOr::Other)
    }
}

/// A string or a number of at least 0, for fields whose type providers disagree about. Fractions are
/// dropped, and anything else counts as nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    /// A string.
    Text(Cow<'a, str>),
    /// A number.
    Number(u64),
    /// Anything else.
    Other,
}

impl<'a> Scalar<'a> {
    /// The string, if it is one and not empty.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            Self::Text(_) | Self::Number(_) | Self::Other => None,
        }
    }

    /// The string, if it is one and not empty.
    pub(super) fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            Self::Text(_) | Self::Number(_) | Self::Other => None,
        }
    }

    /// The number, if it is one.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) | Self::Other => None,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        // The cast cuts off fractions and stays within bounds.
        Ok(if number >= 0.0 { Scalar::Number(number as u64) } else { Scalar::Other })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

/// The choice with index 0 (or none at all) out of an array of choices. The others, asked for with `n`, are
/// skipped without being kept.
#[derive(Debug)]
pub(super) struct FirstChoice<C>(pub(super) Option<C>);

/// A member of `choices`.
pub(super) trait Choice {
    /// Its `index`; 0 when the provider sends none.
    fn index(&self) -> u64;
}

impl<'de, C: Deserialize<'de> + Choice> Deserialize<'de> for FirstChoice<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FirstChoiceVisitor(PhantomData))
    }
}

struct FirstChoiceVisitor<C>(PhantomData<C>);

impl<'de, C: Deserialize<'de> + Choice> Visitor<'de> for FirstChoiceVisitor<C> {
    type Value = FirstChoice<C>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of choices")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut first = None;
        while let Some(choice) = seq.next_element::<C>()? {
            if choice.index() == 0 && first.is_none() {
                first = Some(choice);
            }
        }
        Ok(FirstChoice(first))
    }
}

/// A block of `thinking_blocks`, with the fields of both types.
#[derive(Debug, Deserialize)]
pub(super) struct ThinkingBlock<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) thinking: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) signature: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) data: Option<Str<'a>>,
}

impl<'a> ThinkingBlock<'a> {
    /// The block as a hub part; `None` for an unknown type.
    pub(super) fn into_part(self) -> Option<Part<'a>> {
        match self.kind.as_ref().map(|kind| kind.0.as_ref()) {
            Some("thinking") => Some(Part::Thinking {
                text: self.thinking.unwrap_or_default().0,
                signature: non_empty(self.signature),
            }),
            Some("redacted_thinking") => Some(Part::RedactedThinking(self.data.unwrap_or_default().0)),
            _ => None,
        }
    }
}

/// A block of `thinking_blocks` as it is written.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum OutThinkingBlock<'r> {
    /// Reasoning in the clear.
    Thinking {
        /// Always `thinking`.
        #[serde(rename = "type")]
        kind: &'static str,
        /// The text.
        thinking: &'r str,
        /// The provider's signature.
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<&'r str>,
    },
    /// Encrypted reasoning.
    Redacted {
        /// Always `redacted_thinking`.
        #[serde(rename = "type")]
        kind: &'static str,
        /// The ciphertext.
        data: &'r str,
    },
}

impl<'r> OutThinkingBlock<'r> {
    /// A block of reasoning text.
    pub(super) fn thinking(thinking: &'r str, signature: Option<&'r str>) -> Self {
        Self::Thinking { kind: "thinking", thinking, signature }
    }

    /// A block of encrypted reasoning.
    pub(super) fn redacted(data: &'r str) -> Self {
        Self::Redacted { kind: "redacted_thinking", data }
    }
}

/// A tool call as it is written.
#[derive(Debug, Serialize)]
pub(super) struct OutToolCall<'r> {
    id: &'r str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: OutFunctionCall<'r>,
}

#[derive(Debug, Serialize)]
struct OutFunctionCall<'r> {
    name: &'r str,
    arguments: &'r str,
}

impl<'r> From<&'r ToolCall<'_>> for OutToolCall<'r> {
    fn from(call: &'r ToolCall<'_>) -> Self {
        let arguments = call_arguments::text(&call.arguments);
        Self { id: &call.id, kind: "function", function: OutFunctionCall { name: &call.name, arguments } }
    }
}

/// Joins pieces of text. A single piece stays borrowed.
pub(super) fn append<'r>(text: &mut Option<Cow<'r, str>>, more: &'r str) {
    match text {
        None => *text = Some(Cow::Borrowed(more)),
        Some(text) => text.to_mut().push_str(more),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_choice_is_kept() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct Numbered {
            index: Option<u64>,
            text: String,
        }
        impl Choice for Numbered {
            fn index(&self) -> u64 {
                self.index.unwrap_or(0)
            }
        }
        let first =
            |json: &str| serde_json::from_str::<FirstChoice<Numbered>>(json).unwrap().0.map(|c| c.text);
        assert_eq!(first(r#"[{"index":1,"text":"b"},{"index":0,"text":"a"}]"#).as_deref(), Some("a"));
        assert_eq!(first(r#"[{"text":"a"}]"#).as_deref(), Some("a"));
        assert_eq!(first("[]"), None);
    }
}
