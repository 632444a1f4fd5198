//! Requests as they are on the wire.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::{Blocks, CacheControl, Field, RawBlocks};
use crate::json::Str;

/// A request body.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Request<'a> {
    #[serde(borrow, default)]
    pub(super) model: Field<'a>,
    pub(super) max_tokens: Option<u64>,
    #[serde(borrow, default)]
    pub(super) system: Blocks<'a>,
    #[serde(borrow)]
    pub(super) messages: Option<Vec<Message<'a>>>,
    #[serde(borrow)]
    pub(super) cache_control: Option<CacheControl<'a>>,
    #[serde(borrow)]
    pub(super) tools: Option<Vec<Tool<'a>>>,
    #[serde(borrow)]
    pub(super) tool_choice: Option<Choice<'a>>,
    #[serde(borrow)]
    pub(super) thinking: Option<ThinkingConfig<'a>>,
    #[serde(borrow)]
    pub(super) output_config: Option<OutputConfig<'a>>,
    #[serde(borrow)]
    pub(super) stop_sequences: Option<Vec<Str<'a>>>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) top_k: Option<u64>,
    #[serde(borrow)]
    pub(super) metadata: Option<Metadata<'a>>,
    #[serde(borrow, default)]
    pub(super) service_tier: Field<'a>,
    pub(super) stream: Option<bool>,
}

/// One message.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    pub(super) role: Field<'a>,
    #[serde(borrow, default)]
    pub(super) content: Blocks<'a>,
}

/// A tool of either sort.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Tool<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Field<'a>,
    #[serde(borrow, default)]
    pub(super) name: Field<'a>,
    #[serde(borrow, default)]
    pub(super) description: Field<'a>,
    #[serde(borrow)]
    pub(super) input_schema: Option<&'a RawValue>,
    pub(super) strict: Option<bool>,
    #[serde(borrow)]
    pub(super) cache_control: Option<CacheControl<'a>>,
}

/// `tool_choice`.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Choice<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Field<'a>,
    #[serde(borrow, default)]
    pub(super) name: Field<'a>,
    pub(super) disable_parallel_tool_use: Option<bool>,
}

/// `thinking`.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct ThinkingConfig<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Field<'a>,
    pub(super) budget_tokens: Option<u64>,
}

/// `output_config`.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct OutputConfig<'a> {
    #[serde(borrow, default)]
    pub(super) effort: Field<'a>,
    #[serde(borrow)]
    pub(super) format: Option<Format<'a>>,
}

/// `output_config.format`.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Format<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Field<'a>,
    #[serde(borrow)]
    pub(super) schema: Option<&'a RawValue>,
}

/// `metadata`.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Metadata<'a> {
    #[serde(borrow, default)]
    pub(super) user_id: Field<'a>,
}

/// The parts of a request that may hold what no decoder knows, as bytes.
#[derive(Deserialize)]
pub(super) struct RawRequest<'a> {
    #[serde(borrow)]
    pub(super) messages: Vec<RawContent<'a>>,
    #[serde(borrow, default)]
    pub(super) tools: Option<Vec<&'a RawValue>>,
}

/// A message, or a block with content.
#[derive(Deserialize)]
pub(super) struct RawContent<'a> {
    #[serde(borrow, default)]
    pub(super) content: RawBlocks<'a>,
}
