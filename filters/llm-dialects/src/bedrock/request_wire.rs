//! Requests as they are on the wire.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::wire::{CachePoint, GuardContent, ServiceTier};
use crate::json::Str;

/// A request body.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Request<'a> {
    #[serde(borrow)]
    pub(super) messages: Option<Vec<Message<'a>>>,
    #[serde(borrow)]
    pub(super) system: Option<Vec<System<'a>>>,
    #[serde(borrow)]
    pub(super) inference_config: Option<InferenceConfig<'a>>,
    #[serde(borrow)]
    pub(super) tool_config: Option<ToolConfig<'a>>,
    pub(super) guardrail_config: Option<IgnoredAny>,
    #[serde(borrow)]
    pub(super) additional_model_request_fields: Option<Additional<'a>>,
    pub(super) prompt_variables: Option<IgnoredAny>,
    #[serde(borrow)]
    pub(super) request_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) service_tier: Option<ServiceTier<'a>>,
    #[serde(borrow)]
    pub(super) output_config: Option<OutputConfig<'a>>,
}

/// One message.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) role: Option<Str<'a>>,
    /// Blocks, read one by one later.
    #[serde(borrow)]
    pub(super) content: Option<Vec<&'a RawValue>>,
}

/// A piece of the system prompt.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct System<'a> {
    #[serde(borrow)]
    pub(super) text: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) guard_content: Option<GuardContent<'a>>,
    #[serde(borrow)]
    pub(super) cache_point: Option<CachePoint<'a>>,
}

/// `inferenceConfig`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct InferenceConfig<'a> {
    pub(super) max_tokens: Option<u64>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    #[serde(borrow)]
    pub(super) stop_sequences: Option<Vec<Str<'a>>>,
}

/// `toolConfig`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct ToolConfig<'a> {
    #[serde(borrow)]
    pub(super) tools: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub(super) tool_choice: Option<ToolChoice<'a>>,
}

/// A tool.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Tool<'a> {
    #[serde(borrow)]
    pub(super) tool_spec: Option<ToolSpec<'a>>,
    #[serde(borrow)]
    pub(super) cache_point: Option<CachePoint<'a>>,
    pub(super) system_tool: Option<IgnoredAny>,
}

/// A tool run by the client.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct ToolSpec<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) description: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) input_schema: Option<InputSchema<'a>>,
    pub(super) strict: Option<bool>,
}

/// The schema of a tool's input.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct InputSchema<'a> {
    #[serde(borrow)]
    pub(super) json: Option<&'a RawValue>,
}

/// `toolConfig.toolChoice`.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct ToolChoice<'a> {
    pub(super) auto: Option<IgnoredAny>,
    pub(super) any: Option<IgnoredAny>,
    #[serde(borrow)]
    pub(super) tool: Option<NamedTool<'a>>,
}

/// A tool by its name.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct NamedTool<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
}

/// The members of `additionalModelRequestFields` that mean the same in other dialects, under the names the families of
/// models have for them.
#[derive(Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(super) struct Additional<'a> {
    /// Claude; some write it `reasoning_config`.
    #[serde(borrow, alias = "reasoning_config")]
    pub(super) thinking: Option<Thinking<'a>>,
    /// Claude.
    #[serde(borrow)]
    pub(super) output_config: Option<Effort<'a>>,
    /// Nova 2.
    #[serde(borrow, rename = "reasoningConfig")]
    pub(super) nova_reasoning: Option<NovaReasoning<'a>>,
    /// OpenAI, Moonshot.
    #[serde(borrow)]
    pub(super) reasoning_effort: Option<Str<'a>>,
    /// Claude, Mistral; `k` is Cohere's.
    #[serde(alias = "k", alias = "topK")]
    pub(super) top_k: Option<u64>,
    /// Nova.
    #[serde(borrow, rename = "inferenceConfig")]
    pub(super) nova_inference: Option<NovaInference<'a>>,
    /// Claude.
    pub(super) tool_choice: Option<SerialCalls>,
    pub(super) seed: Option<i64>,
    pub(super) frequency_penalty: Option<f64>,
    pub(super) presence_penalty: Option<f64>,
    /// Tools that Claude's provider runs or defines.
    pub(super) tools: Option<IgnoredAny>,
}

/// `thinking` of Claude.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Thinking<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
    pub(super) budget_tokens: Option<u64>,
}

/// `output_config` of Claude.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Effort<'a> {
    #[serde(borrow)]
    pub(super) effort: Option<Str<'a>>,
}

/// `reasoningConfig` of Nova 2.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct NovaReasoning<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) max_reasoning_effort: Option<Str<'a>>,
}

/// `inferenceConfig` of Nova.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct NovaInference<'a> {
    pub(super) top_k: Option<u64>,
    #[serde(borrow)]
    pub(super) reasoning_config: Option<NovaReasoning<'a>>,
}

/// `tool_choice` of Claude.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct SerialCalls {
    pub(super) disable_parallel_tool_use: Option<bool>,
}

/// `outputConfig`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct OutputConfig<'a> {
    #[serde(borrow)]
    pub(super) text_format: Option<TextFormat<'a>>,
    #[serde(borrow)]
    pub(super) effort: Option<Str<'a>>,
}

/// `outputConfig.textFormat`.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct TextFormat<'a> {
    #[serde(borrow)]
    pub(super) structure: Option<Structure<'a>>,
}

/// `outputConfig.textFormat.structure`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Structure<'a> {
    #[serde(borrow)]
    pub(super) json_schema: Option<JsonSchema<'a>>,
}

/// `outputConfig.textFormat.structure.jsonSchema`.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct JsonSchema<'a> {
    /// JSON inside a string.
    #[serde(borrow)]
    pub(super) schema: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) description: Option<Str<'a>>,
}
