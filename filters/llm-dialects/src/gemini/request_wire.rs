//! Requests as they are on the wire. <https://ai.google.dev/api/generate-content#request-body>

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::wire::{Content, Int, Name, OneOrMany};
use crate::json::Str;

/// A request body.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Request<'a> {
    #[serde(borrow)]
    pub(super) contents: Option<OneOrMany<Content<'a>>>,
    #[serde(borrow, alias = "system_instruction")]
    pub(super) system_instruction: Option<Content<'a>>,
    #[serde(borrow)]
    pub(super) tools: Option<&'a RawValue>,
    #[serde(borrow, alias = "tool_config")]
    pub(super) tool_config: Option<ToolConfig<'a>>,
    #[serde(borrow, alias = "generation_config")]
    pub(super) generation_config: Option<GenerationConfig<'a>>,
    #[serde(alias = "cached_content")]
    pub(super) cached_content: Option<IgnoredAny>,
    #[serde(alias = "model_armor_config")]
    pub(super) model_armor_config: Option<IgnoredAny>,
    #[serde(alias = "continuation_token")]
    pub(super) continuation_token: Option<IgnoredAny>,
    #[serde(borrow, alias = "service_tier")]
    pub(super) service_tier: Option<Name<'a>>,
}

/// `tools[]`, the part of it that clients run.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct FunctionDeclaration<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) description: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) parameters: Option<&'a RawValue>,
    #[serde(borrow, alias = "parameters_json_schema")]
    pub(super) parameters_json_schema: Option<&'a RawValue>,
}

/// `toolConfig`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct ToolConfig<'a> {
    #[serde(borrow, alias = "function_calling_config")]
    pub(super) function_calling_config: Option<FunctionCallingConfig<'a>>,
}

/// `toolConfig.functionCallingConfig`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct FunctionCallingConfig<'a> {
    #[serde(borrow)]
    pub(super) mode: Option<Name<'a>>,
    #[serde(borrow, alias = "allowed_function_names")]
    pub(super) allowed_function_names: Option<Vec<Str<'a>>>,
}

/// `generationConfig`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "an object")]
pub(super) struct GenerationConfig<'a> {
    pub(super) temperature: Option<f64>,
    #[serde(alias = "top_p")]
    pub(super) top_p: Option<f64>,
    #[serde(alias = "top_k")]
    pub(super) top_k: Option<Int>,
    #[serde(alias = "candidate_count")]
    pub(super) candidate_count: Option<Int>,
    #[serde(alias = "max_output_tokens")]
    pub(super) max_output_tokens: Option<Int>,
    #[serde(borrow, alias = "stop_sequences")]
    pub(super) stop_sequences: Option<Vec<Str<'a>>>,
    #[serde(borrow, alias = "response_mime_type")]
    pub(super) response_mime_type: Option<Str<'a>>,
    #[serde(borrow, alias = "response_schema")]
    pub(super) response_schema: Option<&'a RawValue>,
    #[serde(borrow, alias = "response_json_schema")]
    pub(super) response_json_schema: Option<&'a RawValue>,
    #[serde(borrow, alias = "response_format")]
    pub(super) response_format: Option<OneOrMany<ResponseFormat<'a>>>,
    pub(super) seed: Option<Int>,
    #[serde(alias = "presence_penalty")]
    pub(super) presence_penalty: Option<f64>,
    #[serde(alias = "frequency_penalty")]
    pub(super) frequency_penalty: Option<f64>,
    #[serde(alias = "response_logprobs")]
    pub(super) response_logprobs: Option<bool>,
    pub(super) logprobs: Option<Int>,
    #[serde(borrow, alias = "thinking_config")]
    pub(super) thinking_config: Option<ThinkingConfig<'a>>,
    #[serde(borrow, alias = "response_modalities")]
    pub(super) response_modalities: Option<Vec<Name<'a>>>,
}

/// `generationConfig.thinkingConfig`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct ThinkingConfig<'a> {
    #[serde(alias = "thinking_budget")]
    pub(super) thinking_budget: Option<Int>,
    #[serde(borrow, alias = "thinking_level")]
    pub(super) thinking_level: Option<Name<'a>>,
    #[serde(alias = "include_thoughts")]
    pub(super) include_thoughts: Option<bool>,
}

/// `generationConfig.responseFormat[]`.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct ResponseFormat<'a> {
    #[serde(borrow)]
    pub(super) text: Option<TextFormat<'a>>,
    pub(super) audio: Option<IgnoredAny>,
    pub(super) image: Option<IgnoredAny>,
    pub(super) video: Option<IgnoredAny>,
}

/// `generationConfig.responseFormat[].text`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct TextFormat<'a> {
    #[serde(borrow, alias = "mime_type")]
    pub(super) mime_type: Option<Name<'a>>,
    #[serde(borrow)]
    pub(super) schema: Option<&'a RawValue>,
}

/// The parts of a request that may hold what no decoder knows, as bytes.
#[derive(Deserialize)]
pub(super) struct RawRequest<'a> {
    #[serde(borrow)]
    pub(super) contents: &'a RawValue,
}

/// The parts of a turn, as bytes.
#[derive(Deserialize)]
pub(super) struct RawContent<'a> {
    #[serde(borrow)]
    pub(super) parts: &'a RawValue,
}
