//! Handling of language model requests.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::PromptGuard;
use crate::rules::at_least_one_of;

/// Handling of language model requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_least_one_of(&[
    "defaults", "finalTransformations", "modelAliases", "overrides", "prompt", "promptCaching", "promptGuard",
    "routes", "transformations"]))]
pub struct AiPolicy {
    /// Names clients may ask for, and the models they stand for. A name may hold one `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 64))]
    pub model_aliases: Option<BTreeMap<String, String>>,
    /// Request fields to fill in when the client leaves them out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub defaults: Option<Vec<FieldValue>>,
    /// Request fields to compute after translation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub final_transformations: Option<Vec<FieldExpression>>,
    /// Request fields to set always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub overrides: Option<Vec<FieldValue>>,
    /// Messages to add around the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<PromptEnrichment>,
    /// Cache points to place in the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_caching: Option<PromptCaching>,
    /// Checks of prompts and answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_guard: Option<PromptGuard>,
    /// Wire formats by path suffix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<BTreeMap<String, RouteType>>,
    /// Request fields to compute before translation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub transformations: Option<Vec<FieldExpression>>,
}

/// A request field and its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldValue {
    /// Name of a top-level field of the body.
    #[schemars(length(min = 1, max = 256))]
    pub field: String,
    /// Any JSON value.
    #[schemars(schema_with = "any_json")]
    pub value: Value,
}

/// A request field and the expression that gives its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldExpression {
    /// Name of a top-level field of the body.
    #[schemars(length(min = 1, max = 256))]
    pub field: String,
    /// CEL expression over `llmRequest`, the body.
    #[schemars(length(min = 1, max = 16384))]
    pub expression: String,
}

/// Messages around the prompt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromptEnrichment {
    /// In front of the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepend: Option<Vec<PromptMessage>>,
    /// Behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub append: Option<Vec<PromptMessage>>,
}

/// A message to add.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromptMessage {
    /// `system`, `developer`, `user` or `assistant`.
    pub role: String,
    /// Its text.
    pub content: String,
}

impl PromptMessage {
    /// The roles a message can have.
    pub const ROLES: [&'static str; 4] = ["system", "developer", "user", "assistant"];
}

/// Where to place cache points in the prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromptCaching {
    /// Behind the system prompt.
    #[serde(default = "yes")]
    pub cache_system: bool,
    /// Behind a message near the end of the conversation.
    #[serde(default = "yes")]
    pub cache_messages: bool,
    /// Behind the last tool.
    #[serde(default)]
    pub cache_tools: bool,
    /// Fewest tokens a system prompt must have to be cached.
    #[serde(default = "min_tokens")]
    #[schemars(schema_with = "count")]
    pub min_tokens: u32,
    /// How many messages before the second-to-last one the cache point is placed.
    #[serde(default)]
    #[schemars(schema_with = "count")]
    pub cache_message_offset: u32,
}

impl Default for PromptCaching {
    fn default() -> Self {
        Self {
            cache_system: true,
            cache_messages: true,
            cache_tools: false,
            min_tokens: min_tokens(),
            cache_message_offset: 0,
        }
    }
}

/// What is spoken at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RouteType {
    /// OpenAI chat completions.
    Completions,
    /// Anthropic messages.
    Messages,
    /// The list of models.
    Models,
    /// Anything: forwarded as it is.
    Passthrough,
    /// Anything with a model: forwarded as it is, model and usage read where they can be found.
    Detect,
    /// OpenAI responses.
    Responses,
    /// Anthropic token counting.
    AnthropicTokenCount,
    /// OpenAI embeddings.
    Embeddings,
    /// OpenAI realtime.
    Realtime,
    /// Cohere reranking.
    Rerank,
    /// Gemini `generateContent` and `streamGenerateContent`.
    GenerateContent,
    /// Gemini `countTokens`.
    GeminiCountTokens,
}

fn yes() -> bool {
    true
}

fn min_tokens() -> u32 {
    1024
}

fn any_json(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
}

fn count(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int32", "minimum": 0 })
}
