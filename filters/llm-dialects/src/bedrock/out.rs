//! What the encoders write: structs whose field order is the order on the wire. Enums are unions: an object with the
//! variant's name as its only member.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::tool_input::ToolInput;

/// One message.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    pub(super) role: &'static str,
    pub(super) content: Vec<Block<'a>>,
}

/// A content block.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Block<'a> {
    Text(Cow<'a, str>),
    Image(Image<'a>),
    Document(Document<'a>),
    Audio(Image<'a>),
    ToolUse(ToolUse<'a>),
    ToolResult(ToolResult<'a>),
    ReasoningContent(Reasoning<'a>),
    CitationsContent(CitationsContent<'a>),
    CachePoint(CachePoint<'a>),
    /// A block as it came.
    #[serde(untagged)]
    Verbatim(&'a RawValue),
}

/// An image, or audio.
#[derive(Serialize)]
pub(super) struct Image<'a> {
    pub(super) format: &'static str,
    pub(super) source: Source<'a>,
}

/// A document.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<&'static str>,
    pub(super) name: Cow<'a, str>,
    pub(super) source: Source<'a>,
}

/// Where binary content is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Source<'a> {
    /// Base64.
    Bytes(Cow<'a, str>),
    S3Location {
        uri: &'a str,
    },
}

/// A call of a tool.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolUse<'a> {
    pub(super) tool_use_id: Cow<'a, str>,
    pub(super) name: &'a str,
    pub(super) input: ToolInput<'a>,
}

/// The answer of a tool.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolResult<'a> {
    pub(super) tool_use_id: Cow<'a, str>,
    pub(super) content: Vec<Block<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<&'static str>,
}

/// Reasoning.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Reasoning<'a> {
    ReasoningText {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<&'a str>,
    },
    RedactedContent(&'a str),
}

/// Text with its sources.
#[derive(Serialize)]
pub(super) struct CitationsContent<'a> {
    pub(super) content: Vec<Text<'a>>,
    pub(super) citations: Vec<Citation<'a>>,
}

/// An object with text.
#[derive(Serialize)]
pub(super) struct Text<'a> {
    pub(super) text: Cow<'a, str>,
}

/// A source; also the delta of a stream.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Citation<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) source_content: Vec<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) location: Option<Location<'a>>,
}

impl<'a> From<&'a crate::hub::Citation<'_>> for Citation<'a> {
    fn from(citation: &'a crate::hub::Citation<'_>) -> Self {
        let web = citation.url.as_deref().map(|url| Location::Web { url });
        let document = citation.document.map(|document_index| Location::DocumentChar { document_index });
        let cited = citation.cited_text.as_deref().map(|text| Text { text: Cow::Borrowed(text) });
        Self {
            title: citation.title.as_deref(),
            source_content: cited.into_iter().collect(),
            location: web.or(document),
        }
    }
}

/// Where the cited words are.
#[derive(Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Location<'a> {
    Web { url: &'a str },
    DocumentChar { document_index: u64 },
}

/// A prompt-cache breakpoint.
#[derive(Clone, Copy, Serialize)]
pub(super) struct CachePoint<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<&'a str>,
}

/// `serviceTier`.
#[derive(Serialize)]
pub(super) struct ServiceTier<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
}

/// A whole answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response<'a> {
    pub(super) output: Output<'a>,
    pub(super) stop_reason: &'static str,
    pub(super) usage: Usage,
    pub(super) metrics: Metrics,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) additional_model_response_fields: Option<ResponseFields<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service_tier: Option<ServiceTier<'a>>,
}

/// `output`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Output<'a> {
    Message(Message<'a>),
}

/// `additionalModelResponseFields`.
#[derive(Serialize)]
pub(super) struct ResponseFields<'a> {
    pub(super) stop_sequence: &'a str,
}

/// `metrics`. The API demands it; how long the model took is not known here, so it says 0.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metrics {
    pub(super) latency_ms: u64,
}

/// `usage`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Usage {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
    cache_read_input_tokens: u64,
    cache_write_input_tokens: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cache_details: Vec<CacheDetail>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CacheDetail {
    ttl: &'static str,
    input_tokens: u64,
}

impl From<crate::hub::Usage> for Usage {
    fn from(usage: crate::hub::Usage) -> Self {
        let hour = usage.cache_write_1h.min(usage.cache_write);
        let details = [("1h", hour), ("5m", usage.cache_write - hour)];
        let details = details.into_iter().filter(|(_, tokens)| *tokens > 0);
        Self {
            input_tokens: usage.input_uncached,
            output_tokens: usage.output,
            total_tokens: usage.total(),
            cache_read_input_tokens: usage.cache_read,
            cache_write_input_tokens: usage.cache_write,
            cache_details: details.map(|(ttl, input_tokens)| CacheDetail { ttl, input_tokens }).collect(),
        }
    }
}
