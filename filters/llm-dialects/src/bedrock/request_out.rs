//! What is written of a request beside its messages. As in [`out`](super::out), field order is the order on the wire,
//! and enums are unions.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::out::{CachePoint, Message, ServiceTier};

/// The body of a request.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    pub(super) messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) system: Vec<System<'a>>,
    #[serde(skip_serializing_if = "InferenceConfig::is_empty")]
    pub(super) inference_config: InferenceConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Additional::is_empty")]
    pub(super) additional_model_request_fields: Additional,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) additional_model_response_field_paths: &'static [&'static str],
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub(super) request_metadata: serde_json::Map<String, serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service_tier: Option<ServiceTier<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_config: Option<OutputConfig<'a>>,
}

/// A piece of the system prompt.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum System<'a> {
    Text(Cow<'a, str>),
    CachePoint(CachePoint<'a>),
}

/// `inferenceConfig`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InferenceConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_p: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stop_sequences: Vec<&'a str>,
}

impl InferenceConfig<'_> {
    fn is_empty(&self) -> bool {
        self.max_tokens.is_none()
            && self.temperature.is_none()
            && self.top_p.is_none()
            && self.stop_sequences.is_empty()
    }
}

/// `toolConfig`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig<'a> {
    pub(super) tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_choice: Option<ToolChoice<'a>>,
}

/// A tool.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Tool<'a> {
    ToolSpec(ToolSpec<'a>),
    CachePoint(CachePoint<'a>),
    /// A tool the provider runs, as it came.
    #[serde(untagged)]
    Verbatim(&'a RawValue),
}

/// A tool run by the client.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolSpec<'a> {
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a str>,
    pub(super) input_schema: InputSchema<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) strict: bool,
}

/// The schema of a tool's input.
#[derive(Serialize)]
pub(super) struct InputSchema<'a> {
    pub(super) json: Cow<'a, RawValue>,
}

/// `toolConfig.toolChoice`. The default, `auto`, is not written: not every model takes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ToolChoice<'a> {
    Any {},
    Tool { name: &'a str },
}

/// `additionalModelRequestFields`: what the families of models have beyond `inferenceConfig`.
#[derive(Default, Serialize)]
pub(super) struct Additional {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_config: Option<Effort>,
    #[serde(rename = "reasoningConfig", skip_serializing_if = "Option::is_none")]
    pub(super) nova_reasoning: Option<NovaReasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) k: Option<u64>,
    #[serde(rename = "inferenceConfig", skip_serializing_if = "Option::is_none")]
    pub(super) nova_inference: Option<NovaInference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_choice: Option<SerialCalls>,
}

impl Additional {
    fn is_empty(&self) -> bool {
        self.thinking.is_none()
            && self.output_config.is_none()
            && self.nova_reasoning.is_none()
            && self.reasoning_effort.is_none()
            && self.top_k.is_none()
            && self.k.is_none()
            && self.nova_inference.is_none()
            && self.tool_choice.is_none()
    }
}

/// `thinking` of Claude.
#[derive(Serialize)]
pub(super) struct Thinking {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) budget_tokens: Option<u64>,
}

/// `output_config` of Claude.
#[derive(Serialize)]
pub(super) struct Effort {
    pub(super) effort: &'static str,
}

/// `reasoningConfig` of Nova 2.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NovaReasoning {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_reasoning_effort: Option<&'static str>,
}

/// `inferenceConfig` of Nova.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NovaInference {
    pub(super) top_k: u64,
}

/// `tool_choice` of Claude.
#[derive(Serialize)]
pub(super) struct SerialCalls {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) disable_parallel_tool_use: bool,
}

/// `outputConfig`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutputConfig<'a> {
    pub(super) text_format: TextFormat<'a>,
}

/// `outputConfig.textFormat`.
#[derive(Serialize)]
pub(super) struct TextFormat<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) structure: Structure<'a>,
}

/// `outputConfig.textFormat.structure`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Structure<'a> {
    JsonSchema {
        /// JSON inside a string.
        schema: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
    },
}
