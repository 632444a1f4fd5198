//! What the Messages API puts on the wire, as the decoders read it.
//!
//! One flat struct holds the fields of every block type, so that a body is parsed in one pass without
//! buffering. Fields whose type differs between block types are read leniently ([`Field`], [`Source`],
//! [`Blocks`]) and judged when the block is translated, where the JSON path is known.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess};
use serde_json::value::RawValue;

pub(super) use super::lenient::Field;
use super::lenient::{Lenient, lenient};
use crate::hub;

/// Where an image or a document is.
#[derive(Debug, Clone, Default)]
pub(super) enum Source<'a> {
    /// Missing or `null`.
    #[default]
    Absent,
    /// An object.
    Object(SourceObject<'a>),
    /// A string, as `search_result` blocks have it.
    Text(Cow<'a, str>),
    /// Any other JSON value.
    Other,
}

impl<'de> Lenient<'de> for Source<'de> {
    const OTHER: Self = Self::Other;

    fn text(text: Cow<'de, str>) -> Self {
        Self::Text(text)
    }

    fn map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        SourceObject::deserialize(MapAccessDeserializer::new(map)).map(Self::Object)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Source<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient::<Source<'de>, D>(deserializer)
    }
}

/// The fields of every source type.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct SourceObject<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Field<'a>,
    #[serde(borrow)]
    pub(super) media_type: Field<'a>,
    #[serde(borrow)]
    pub(super) data: Field<'a>,
    #[serde(borrow)]
    pub(super) url: Field<'a>,
    #[serde(borrow)]
    pub(super) file_id: Field<'a>,
    #[serde(borrow)]
    pub(super) content: Blocks<'a>,
}

/// Content that is a string or an array of blocks.
#[derive(Debug, Clone, Default)]
pub(super) enum Blocks<'a> {
    /// Missing or `null`.
    #[default]
    Absent,
    /// A string, which stands for one text block.
    Text(Cow<'a, str>),
    /// An array of blocks.
    List(Vec<Block<'a>>),
    /// Any other JSON value; results of server tools have an object here.
    Other,
}

impl<'de> Lenient<'de> for Blocks<'de> {
    const OTHER: Self = Self::Other;

    fn text(text: Cow<'de, str>) -> Self {
        Self::Text(text)
    }

    fn seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        let mut blocks = Vec::new();
        while let Some(block) = seq.next_element()? {
            blocks.push(block);
        }
        Ok(Self::List(blocks))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Blocks<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient::<Blocks<'de>, D>(deserializer)
    }
}

/// The fields of every content block type, in requests, answers and `content_block_start` events.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[serde(expecting = "an object")]
pub(super) struct Block<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Field<'a>,
    #[serde(borrow)]
    pub(super) text: Field<'a>,
    /// Of a text in an answer, its sources; of a document in a request, whether it may be cited.
    #[serde(borrow)]
    pub(super) citations: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) source: Source<'a>,
    #[serde(borrow)]
    pub(super) title: Field<'a>,
    #[serde(borrow)]
    pub(super) id: Field<'a>,
    #[serde(borrow)]
    pub(super) name: Field<'a>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_use_id: Field<'a>,
    #[serde(borrow)]
    pub(super) content: Blocks<'a>,
    pub(super) is_error: Option<bool>,
    #[serde(borrow)]
    pub(super) thinking: Field<'a>,
    #[serde(borrow)]
    pub(super) signature: Field<'a>,
    #[serde(borrow)]
    pub(super) data: Field<'a>,
    #[serde(borrow)]
    pub(super) cache_control: Option<CacheControl<'a>>,
}

/// `cache_control`: a prompt-cache breakpoint.
#[derive(Debug, Clone, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct CacheControl<'a> {
    #[serde(borrow, default)]
    pub(super) ttl: Field<'a>,
}

/// `usage` of an answer, of `message_start` and of `message_delta` (where fields may be missing).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Usage {
    pub(super) input_tokens: Option<u64>,
    pub(super) cache_creation_input_tokens: Option<u64>,
    pub(super) cache_read_input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
    pub(super) output_tokens_details: Option<OutputTokensDetails>,
    pub(super) cache_creation: Option<CacheCreation>,
}

impl From<Usage> for hub::Usage {
    fn from(usage: Usage) -> Self {
        usage.over(Self::default())
    }
}

impl Usage {
    /// The totals after this report, where `before` are those of earlier ones: `message_delta` may leave out
    /// what has not changed since `message_start`. Counts are totals, never increments.
    pub(crate) fn over(&self, before: hub::Usage) -> hub::Usage {
        let reasoning = self.output_tokens_details.as_ref().and_then(|parts| parts.thinking_tokens);
        let written = self.cache_creation.as_ref().and_then(CacheCreation::total);
        let for_an_hour = self.cache_creation.as_ref().and_then(|parts| parts.ephemeral_1h_input_tokens);
        hub::Usage {
            input_uncached: self.input_tokens.unwrap_or(before.input_uncached),
            cache_read: self.cache_read_input_tokens.unwrap_or(before.cache_read),
            cache_write: self.cache_creation_input_tokens.or(written).unwrap_or(before.cache_write),
            cache_write_1h: for_an_hour.unwrap_or(before.cache_write_1h),
            output: self.output_tokens.unwrap_or(before.output),
            reasoning: reasoning.unwrap_or(before.reasoning),
            ..before
        }
    }
}

/// The parts of `cache_creation_input_tokens`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct CacheCreation {
    pub(super) ephemeral_5m_input_tokens: Option<u64>,
    pub(super) ephemeral_1h_input_tokens: Option<u64>,
}

impl CacheCreation {
    fn total(&self) -> Option<u64> {
        let parts = [self.ephemeral_5m_input_tokens, self.ephemeral_1h_input_tokens];
        parts.into_iter().flatten().reduce(u64::saturating_add)
    }
}

/// The parts of `output_tokens`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct OutputTokensDetails {
    pub(super) thinking_tokens: Option<u64>,
}

/// The `error` object of an error body or event.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorObject<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Field<'a>,
    #[serde(borrow)]
    pub(super) message: Field<'a>,
}

/// A string or an array of blocks, each block kept as its bytes: how blocks no decoder knows are found
/// again, in a second pass that only bodies with such blocks pay for.
#[derive(Debug, Default)]
pub(super) struct RawBlocks<'a>(pub(super) Vec<&'a RawValue>);

impl<'de> Lenient<'de> for RawBlocks<'de> {
    const OTHER: Self = Self(Vec::new());

    fn seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        let mut blocks = Vec::new();
        while let Some(block) = seq.next_element()? {
            blocks.push(block);
        }
        Ok(Self(blocks))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawBlocks<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient::<RawBlocks<'de>, D>(deserializer)
    }
}
