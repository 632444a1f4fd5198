//! `ai.promptGuard`: what is looked for in prompts and answers, and what is done about it.

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::rules::{at_least_one_of, exactly_one_of};
use crate::{
    BedrockGuardrailsGuard, JsonSchemaGuard, KeywordsGuard, LengthGuard, ModelArmorGuard,
    OpenAiModerationGuard, RegexGuard, WebhookGuard,
};

/// Checks of prompts and answers. Each guard sees what the one before it has left.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_least_one_of(&["request", "response"]))]
pub struct PromptGuard {
    /// Accepted, and of no effect: Weir guards streamed answers always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streaming: Option<GuardStreaming>,
    /// What requests pass, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(validation = Rule::new("self.all(guard, !has(guard.jsonSchema))")
        .message("jsonSchema checks answers: put it under response"))]
    pub request: Option<Vec<PromptGuardEntry>>,
    /// What answers pass, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(validation = Rule::new("self.all(guard, !has(guard.openAIModeration))")
        .message("openAIModeration checks prompts: put it under request"))]
    #[x_kube(validation = Rule::new(
        "self.all(guard, !has(guard.scope) || guard.scope.all(part, part != 'SystemPrompt' && part != 'ToolOutput'))")
        .message("answers have no SystemPrompt and no ToolOutput"))]
    #[x_kube(validation = Rule::new(
        "self.all(guard, (!has(guard.regex) || !has(guard.regex.reversible) || !guard.regex.reversible) \
         && (!has(guard.keywords) || !has(guard.keywords.reversible) || !guard.keywords.reversible))")
        .message("only what is masked in a request can be restored: put a reversible guard under request"))]
    pub response: Option<Vec<PromptGuardEntry>>,
    /// Extension of Weir: how much text of a stream is held back, in bytes, for patterns whose longest match is not
    /// bounded; 1024 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "window")]
    pub window_bytes: Option<u32>,
}

/// Whether streamed answers are guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GuardStreaming {
    /// They are.
    Enabled,
}

/// One guard: exactly one kind of check.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_of(&[
    "regex", "keywords", "length", "jsonSchema", "webhook", "openAIModeration", "bedrockGuardrails",
    "googleModelArmor"]))]
#[x_kube(validation = Rule::new(
    "!has(self.scope) || !(has(self.webhook) || has(self.openAIModeration) || has(self.googleModelArmor)) \
     || (self.scope.size() == 2 && self.scope.all(part, part == 'SystemPrompt' || part == 'Messages'))")
    .message("webhook, openAIModeration and googleModelArmor look at SystemPrompt and Messages and have no other scope"))]
#[x_kube(validation = Rule::new("!has(self.failureMode) || !has(self.webhook) || !has(self.webhook.failureMode)")
    .message("failureMode and webhook.failureMode cannot be combined"))]
pub struct PromptGuardEntry {
    /// Extension of Weir: its name in metrics and logs, unique within its list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"))]
    pub name: Option<String>,
    /// Which parts are looked at; of requests `SystemPrompt` and `Messages` when absent, where what is masked is put back
    /// also `ToolInput` and `Reasoning`; of answers (where the field is an extension of Weir) everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 5))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub scope: Option<Vec<GuardScope>>,
    /// Extension of Weir: only count and log what the guard would do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<bool>,
    /// Extension of Weir: what happens when the guard cannot be evaluated; `FailClosed` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_mode: Option<GuardFailureMode>,
    /// Recognisers and patterns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<RegexGuard>,
    /// Extension of Weir: words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keywords: Option<KeywordsGuard>,
    /// Extension of Weir: how long the text is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<LengthGuard>,
    /// Extension of Weir: whether an answer is JSON of a schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<JsonSchemaGuard>,
    /// A service of your own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookGuard>,
    /// OpenAI's moderation.
    #[serde(default, rename = "openAIModeration", skip_serializing_if = "Option::is_none")]
    pub open_ai_moderation: Option<OpenAiModerationGuard>,
    /// Amazon Bedrock Guardrails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bedrock_guardrails: Option<BedrockGuardrailsGuard>,
    /// Google Model Armor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google_model_armor: Option<ModelArmorGuard>,
    /// The answer to what the guard rejects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<GuardRejection>,
}

/// A part of a request or answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GuardScope {
    /// System and developer prompts.
    SystemPrompt,
    /// What users and models say.
    Messages,
    /// Arguments of tool calls.
    ToolInput,
    /// Results of tools.
    ToolOutput,
    /// Extension of Weir: what a model thinks.
    Reasoning,
}

/// What happens when a guard cannot be evaluated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GuardFailureMode {
    /// The request or answer is refused with 503.
    #[default]
    FailClosed,
    /// It passes the guard; the others still look at it.
    FailOpen,
}

/// The answer to what a guard rejects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_least_one_of(&["message", "statusCode", "headers", "body"]))]
pub struct GuardRejection {
    /// What the caller is told, in its dialect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Status; 403 when absent. A stream that has begun keeps the status it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "status")]
    pub status_code: Option<u16>,
    /// Extension of Weir: headers of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub headers: Option<Vec<GuardHeader>>,
    /// Extension of Weir: a body to send as it is, instead of an error in the caller's dialect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub body: Option<String>,
}

/// A header of a rejection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GuardHeader {
    /// Its name.
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[A-Za-z0-9!#$%&'*+\\-.^_`|~]+$"))]
    pub name: String,
    /// Its value.
    #[schemars(length(max = 4096))]
    pub value: String,
}

fn window(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int32", "minimum": 1, "maximum": 1_048_576 })
}

fn status(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int32", "minimum": 200, "maximum": 599 })
}
