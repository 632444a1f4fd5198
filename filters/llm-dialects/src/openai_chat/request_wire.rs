//! Request bodies as they are read: flat structs that borrow from the body.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::wire::{Shape, TextOr, ThinkingBlock};
use crate::json::Str;

/// A request body.
#[derive(Debug, Deserialize)]
pub(super) struct Request<'a> {
    #[serde(borrow)]
    pub(super) model: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) messages: Option<Vec<Message<'a>>>,
    #[serde(borrow)]
    pub(super) tools: Option<Vec<Tool<'a>>>,
    #[serde(borrow)]
    pub(super) tool_choice: Option<TextOr<'a, ToolChoice<'a>>>,
    pub(super) parallel_tool_calls: Option<bool>,
    pub(super) max_tokens: Option<u64>,
    pub(super) max_completion_tokens: Option<u64>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) top_k: Option<u64>,
    pub(super) seed: Option<i64>,
    pub(super) frequency_penalty: Option<f64>,
    pub(super) presence_penalty: Option<f64>,
    #[serde(borrow)]
    pub(super) logit_bias: Option<&'a RawValue>,
    pub(super) logprobs: Option<bool>,
    pub(super) top_logprobs: Option<u64>,
    pub(super) n: Option<u64>,
    #[serde(borrow)]
    pub(super) stop: Option<TextOr<'a, Vec<Str<'a>>>>,
    #[serde(borrow)]
    pub(super) reasoning_effort: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) response_format: Option<ResponseFormat<'a>>,
    #[serde(borrow)]
    pub(super) verbosity: Option<Str<'a>>,
    pub(super) stream: Option<bool>,
    pub(super) stream_options: Option<StreamOptions>,
    #[serde(borrow)]
    pub(super) user: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) safety_identifier: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) service_tier: Option<Str<'a>>,
    /// Replaced by `tools` in 2023.
    pub(super) functions: Option<IgnoredAny>,
    /// Replaced by `tool_choice` in 2023.
    pub(super) function_call: Option<IgnoredAny>,
}

/// The request once more, with tools and content parts as bytes. Read only for those the hub has no word for.
#[derive(Debug, Deserialize)]
pub(super) struct RawRequest<'a> {
    #[serde(borrow)]
    pub(super) messages: Vec<RawMessage<'a>>,
    #[serde(borrow)]
    pub(super) tools: Option<Vec<&'a RawValue>>,
}

/// A message with its parts as bytes.
#[derive(Debug, Deserialize)]
pub(super) struct RawMessage<'a> {
    #[serde(borrow)]
    pub(super) content: Option<TextOr<'a, Vec<&'a RawValue>>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StreamOptions {
    pub(super) include_usage: Option<bool>,
}

/// A message of any role.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) role: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) content: Option<TextOr<'a, Vec<ContentPart<'a>>>>,
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) refusal: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<Vec<ToolCall<'a>>>,
    #[serde(borrow)]
    pub(super) tool_call_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) reasoning_content: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) thinking_blocks: Option<Vec<ThinkingBlock<'a>>>,
    #[serde(borrow)]
    pub(super) cache_control: Option<CacheControl<'a>>,
    /// Refers to audio the provider made earlier.
    pub(super) audio: Option<IgnoredAny>,
    /// Replaced by `tool_calls` in 2023.
    pub(super) function_call: Option<IgnoredAny>,
}

/// A content part of any type.
#[derive(Debug, Deserialize)]
pub(super) struct ContentPart<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) text: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) refusal: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) image_url: Option<TextOr<'a, ImageUrl<'a>>>,
    #[serde(borrow)]
    pub(super) input_audio: Option<InputAudio<'a>>,
    #[serde(borrow)]
    pub(super) file: Option<File<'a>>,
    #[serde(borrow)]
    pub(super) cache_control: Option<CacheControl<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ImageUrl<'a> {
    #[serde(borrow)]
    pub(super) url: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) detail: Option<Str<'a>>,
}

impl Shape for ImageUrl<'_> {
    const IS_ARRAY: bool = false;
}

#[derive(Debug, Deserialize)]
pub(super) struct InputAudio<'a> {
    #[serde(borrow)]
    pub(super) data: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) format: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct File<'a> {
    #[serde(borrow)]
    pub(super) file_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) file_data: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) filename: Option<Str<'a>>,
}

/// Anthropic's prompt-cache mark.
#[derive(Debug, Deserialize)]
pub(super) struct CacheControl<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) ttl: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ToolCall<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Str<'a>>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) function: Option<FunctionCall<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct FunctionCall<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) arguments: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tool<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) function: Option<Function<'a>>,
    #[serde(borrow)]
    pub(super) cache_control: Option<CacheControl<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) description: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) parameters: Option<&'a RawValue>,
    pub(super) strict: Option<bool>,
    #[serde(borrow)]
    pub(super) cache_control: Option<CacheControl<'a>>,
}

/// `tool_choice` in its object form.
#[derive(Debug, Deserialize)]
pub(super) struct ToolChoice<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) function: Option<NamedFunction<'a>>,
}

impl Shape for ToolChoice<'_> {
    const IS_ARRAY: bool = false;
}

#[derive(Debug, Deserialize)]
pub(super) struct NamedFunction<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ResponseFormat<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) json_schema: Option<JsonSchema<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct JsonSchema<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) description: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) schema: Option<&'a RawValue>,
    pub(super) strict: Option<bool>,
}
