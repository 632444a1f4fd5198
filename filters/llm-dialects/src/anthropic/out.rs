//! What the encoders write: structs whose field order is the order on the wire.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::citations::OutCitation;
use crate::tool_input::ToolInput;

/// The body of a request.
#[derive(serde::Serialize)]
pub(super) struct Request<'a> {
    pub(super) model: &'a str,
    /// Required, but not where tokens are only counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) system: Option<Blocks<'a>>,
    pub(super) messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_choice: Option<ToolChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_k: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) stream: bool,
}

/// One message.
#[derive(serde::Serialize)]
pub(super) struct Message<'a> {
    pub(super) role: &'static str,
    pub(super) content: Blocks<'a>,
}

/// Content blocks; a single text block without a cache mark is written as a string.
pub(super) struct Blocks<'a>(pub(super) Vec<Content<'a>>);

impl Serialize for Blocks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [Content::Block(Block { kind: "text", text: Some(text), cache_control: None, .. })] => {
                serializer.serialize_str(text)
            }
            blocks => blocks.serialize(serializer),
        }
    }
}

/// One content block.
#[expect(clippy::large_enum_variant, reason = "verbatim blocks are the rare ones")]
pub(super) enum Content<'a> {
    /// A block built here.
    Block(Block<'a>),
    /// A block as it came.
    Verbatim(&'a RawValue),
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Block(block) => block.serialize(serializer),
            Self::Verbatim(json) => json.serialize(serializer),
        }
    }
}

/// The fields of every block type, in requests, answers and `content_block_start` events.
#[derive(Default, serde::Serialize)]
pub(super) struct Block<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) citations: Vec<OutCitation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<Source<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<ToolInput<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_use_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<Blocks<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_error: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_control: Option<CacheControl<'a>>,
}

/// Where an image or a document is.
#[derive(serde::Serialize)]
pub(super) struct Source<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) media_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_id: Option<&'a str>,
}

/// A prompt-cache breakpoint.
#[derive(Clone, Copy, serde::Serialize)]
pub(super) struct CacheControl<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<&'a str>,
}

/// A tool definition.
pub(super) enum Tool<'a> {
    /// A tool run by the client.
    Function(Function<'a>),
    /// A tool run by Anthropic, as it came.
    Verbatim(&'a RawValue),
}

impl Serialize for Tool<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Function(function) => function.serialize(serializer),
            Self::Verbatim(json) => json.serialize(serializer),
        }
    }
}

/// A tool run by the client.
#[derive(serde::Serialize)]
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a str>,
    pub(super) input_schema: Schema<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) strict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_control: Option<CacheControl<'a>>,
}

/// The schema of a tool's input, which must say `"type":"object"`.
pub(super) enum Schema<'a> {
    /// A schema with a type.
    Verbatim(&'a RawValue),
    /// A schema that was completed.
    Completed(Box<RawValue>),
    /// An object without properties.
    Empty,
}

impl Serialize for Schema<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// An empty JSON object.
        #[derive(serde::Serialize)]
        struct NoProperties {}

        match self {
            Self::Verbatim(json) => json.serialize(serializer),
            Self::Completed(json) => json.serialize(serializer),
            Self::Empty => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("type", "object")?;
                map.serialize_entry("properties", &NoProperties {})?;
                map.end()
            }
        }
    }
}

/// `tool_choice`.
#[derive(serde::Serialize)]
pub(super) struct ToolChoice<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) disable_parallel_tool_use: bool,
}

/// `thinking`.
#[derive(serde::Serialize)]
pub(super) struct Thinking {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) budget_tokens: Option<u64>,
}

/// `output_config`.
#[derive(serde::Serialize)]
pub(super) struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<Format<'a>>,
}

/// `output_config.format`.
#[derive(serde::Serialize)]
pub(super) struct Format<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) schema: &'a RawValue,
}

/// `metadata`.
#[derive(serde::Serialize)]
pub(super) struct Metadata<'a> {
    pub(super) user_id: &'a str,
}

/// A whole answer, or the message of a `message_start` event.
#[derive(serde::Serialize)]
pub(super) struct Response<'a> {
    pub(super) id: Id<'a>,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) role: &'static str,
    pub(super) model: &'a str,
    /// Always an array, never a string.
    pub(super) content: Vec<Content<'a>>,
    pub(super) stop_reason: Option<&'static str>,
    pub(super) stop_sequence: Option<&'a str>,
    pub(super) usage: Usage,
}

/// A message id, with `msg_` before it unless it is there.
pub(super) struct Id<'a>(pub(super) &'a str);

impl Serialize for Id<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.starts_with("msg_") {
            serializer.serialize_str(self.0)
        } else {
            serializer.collect_str(&format_args!("msg_{}", self.0))
        }
    }
}

/// `usage`.
#[derive(Default, serde::Serialize)]
pub(super) struct Usage {
    pub(super) input_tokens: u64,
    pub(super) cache_creation_input_tokens: u64,
    pub(super) cache_read_input_tokens: u64,
    pub(super) output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_tokens_details: Option<OutputTokensDetails>,
    /// Only there when it says something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_creation: Option<CacheCreation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service_tier: Option<&'static str>,
}

/// The parts of `cache_creation_input_tokens`.
#[derive(serde::Serialize)]
pub(super) struct CacheCreation {
    pub(super) ephemeral_5m_input_tokens: u64,
    pub(super) ephemeral_1h_input_tokens: u64,
}

/// The parts of `output_tokens`.
#[derive(serde::Serialize)]
pub(super) struct OutputTokensDetails {
    pub(super) thinking_tokens: u64,
}
