//! The messages of a Converse stream, as the decoder reads them.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::{Citation, Usage};
use crate::json::Str;

/// `contentBlockStart`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlockStart<'a> {
    pub(super) content_block_index: Option<u64>,
    #[serde(borrow)]
    pub(super) start: Option<Start<'a>>,
}

/// What begins. Results of tools and images have members of their own, which nobody reads.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Start<'a> {
    #[serde(borrow)]
    pub(super) tool_use: Option<ToolUse<'a>>,
}

/// A tool call that begins.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolUse<'a> {
    #[serde(borrow)]
    pub(super) tool_use_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    /// `server_tool_use` for tools run by the provider.
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<&'a RawValue>,
}

/// `contentBlockDelta`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlockDelta<'a> {
    pub(super) content_block_index: Option<u64>,
    #[serde(borrow)]
    pub(super) delta: Option<WireDelta<'a>>,
}

/// What is added, one member at a time.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireDelta<'a> {
    #[serde(borrow)]
    pub(super) text: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) tool_use: Option<ToolUseDelta<'a>>,
    #[serde(borrow)]
    pub(super) reasoning_content: Option<ReasoningDelta<'a>>,
    #[serde(borrow)]
    pub(super) citation: Option<Citation<'a>>,
}

/// A fragment of the arguments.
#[derive(Deserialize)]
pub(super) struct ToolUseDelta<'a> {
    #[serde(borrow)]
    pub(super) input: Option<Str<'a>>,
}

/// A fragment of reasoning, its signature, or base64.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReasoningDelta<'a> {
    #[serde(borrow)]
    pub(super) text: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) signature: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) redacted_content: Option<Str<'a>>,
}

/// `contentBlockStop`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlockStop {
    pub(super) content_block_index: Option<u64>,
}

/// `messageStop`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageStop<'a> {
    #[serde(borrow)]
    pub(super) stop_reason: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) additional_model_response_fields: Option<&'a RawValue>,
}

/// `metadata`, the last message.
#[derive(Deserialize)]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub(super) usage: Option<Usage<'a>>,
}

/// The part of the first message that may tell the model; today's does not.
#[derive(Deserialize)]
pub(super) struct MessageStart<'a> {
    #[serde(borrow)]
    pub(super) trace: Option<&'a RawValue>,
}
