//! Language model providers of an `AgentgatewayBackend`.

use kube::KubeSchema;
use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{at_most_one_of, exactly_one_of};
use crate::{BackendPolicy, LocalBackendRef, Port};

/// A provider inside a group, with its name and its own policies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamedProvider {
    /// Name of the provider: the section name by which policies address it.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = crate::names::SUBDOMAIN_PATTERN)
    )]
    pub name: String,
    /// The provider itself, written beside the name.
    #[serde(flatten)]
    pub provider: LlmProvider,
    /// How to connect and authenticate to this provider; stronger than the backend's own policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!has(self.mcp) && !has(self.extAuth)")
        .message("mcp and extAuth cannot be set for a single provider"))]
    pub policies: Option<BackendPolicy>,
}

/// One language model provider: exactly one of the provider fields, and optionally another destination.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_of(
    &["openai", "azureopenai", "azure", "anthropic", "gemini", "vertexai", "bedrock", "custom"]))]
#[x_kube(validation = Rule::new("has(self.host) == has(self.port)").message("host and port must be set together"))]
#[x_kube(validation = Rule::new("!has(self.custom) || has(self.custom.backendRef) != has(self.host)")
    .message("custom requires exactly one of custom.backendRef and host"))]
#[x_kube(validation = at_most_one_of(&["path", "pathPrefix"]))]
#[x_kube(validation = Rule::new(
    "!has(self.custom) || !has(self.custom.formats) || !self.custom.formats.exists(f, has(f.path)) \
     || (!has(self.path) && !has(self.pathPrefix))")
    .message("path and pathPrefix cannot be combined with the path of a custom format"))]
#[x_kube(validation = Rule::new("!has(self.pathPrefix) || has(self.host)").message("pathPrefix requires host"))]
pub struct LlmProvider {
    /// OpenAI, or a service that speaks its API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openai: Option<OpenAi>,
    /// Azure OpenAI by endpoint. Kept for older manifests; `azure` replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azureopenai: Option<AzureOpenAi>,
    /// Azure OpenAI or Azure AI Foundry by resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<Azure>,
    /// Anthropic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anthropic: Option<Anthropic>,
    /// Google Gemini with an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gemini: Option<Gemini>,
    /// Google Vertex AI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vertexai: Option<VertexAi>,
    /// Amazon Bedrock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bedrock: Option<Bedrock>,
    /// Any other service, described by the wire formats it speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<Custom>,
    /// Destination host instead of the provider's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub host: Option<String>,
    /// Destination port; required with `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
    /// Path of every upstream request, instead of the one that belongs to the wire format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub path: Option<String>,
    /// Prefix in place of the provider's base path, for example instead of `/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub path_prefix: Option<String>,
}

/// Which provider an [`LlmProvider`] names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ProviderKind<'a> {
    /// `openai`
    OpenAi(&'a OpenAi),
    /// `azureopenai`
    AzureOpenAi(&'a AzureOpenAi),
    /// `azure`
    Azure(&'a Azure),
    /// `anthropic`
    Anthropic(&'a Anthropic),
    /// `gemini`
    Gemini(&'a Gemini),
    /// `vertexai`
    VertexAi(&'a VertexAi),
    /// `bedrock`
    Bedrock(&'a Bedrock),
    /// `custom`
    Custom(&'a Custom),
}

impl ProviderKind<'_> {
    /// The field of [`LlmProvider`] that names this kind.
    pub fn field(self) -> &'static str {
        match self {
            ProviderKind::OpenAi(_) => "openai",
            ProviderKind::AzureOpenAi(_) => "azureopenai",
            ProviderKind::Azure(_) => "azure",
            ProviderKind::Anthropic(_) => "anthropic",
            ProviderKind::Gemini(_) => "gemini",
            ProviderKind::VertexAi(_) => "vertexai",
            ProviderKind::Bedrock(_) => "bedrock",
            ProviderKind::Custom(_) => "custom",
        }
    }

    /// The model that replaces the one the client asked for, when the object sets one.
    pub fn model(&self) -> Option<&str> {
        match self {
            ProviderKind::OpenAi(p) => p.model.as_deref(),
            ProviderKind::AzureOpenAi(p) => p.deployment_name.as_deref(),
            ProviderKind::Azure(p) => p.model.as_deref(),
            ProviderKind::Anthropic(p) => p.model.as_deref(),
            ProviderKind::Gemini(p) => p.model.as_deref(),
            ProviderKind::VertexAi(p) => p.model.as_deref(),
            ProviderKind::Bedrock(p) => p.model.as_deref(),
            ProviderKind::Custom(p) => p.model.as_deref(),
        }
    }
}

impl LlmProvider {
    /// The provider that is set. `None` only for objects that validation refuses; with several set (also
    /// refused) it is the first in the order of the fields.
    pub fn kind(&self) -> Option<ProviderKind<'_>> {
        let openai = self.openai.as_ref().map(ProviderKind::OpenAi);
        openai
            .or_else(|| self.azureopenai.as_ref().map(ProviderKind::AzureOpenAi))
            .or_else(|| self.azure.as_ref().map(ProviderKind::Azure))
            .or_else(|| self.anthropic.as_ref().map(ProviderKind::Anthropic))
            .or_else(|| self.gemini.as_ref().map(ProviderKind::Gemini))
            .or_else(|| self.vertexai.as_ref().map(ProviderKind::VertexAi))
            .or_else(|| self.bedrock.as_ref().map(ProviderKind::Bedrock))
            .or_else(|| self.custom.as_ref().map(ProviderKind::Custom))
    }
}

/// Settings of OpenAI.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenAi {
    /// Model used instead of the one the client asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub model: Option<String>,
    /// Moderation performed by the OpenAI API itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moderation: Option<OpenAiModeration>,
}

/// Moderation performed by the OpenAI API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenAiModeration {
    /// The moderation model; [`OpenAiModeration::MODEL`] when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub model: Option<String>,
    /// What happens to content that is flagged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<OpenAiModerationPolicy>,
}

impl OpenAiModeration {
    /// The moderation model when none is named.
    pub const MODEL: &'static str = "omni-moderation-latest";
}

/// What happens to flagged content, by direction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenAiModerationPolicy {
    /// For what the client sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<OpenAiModerationRule>,
    /// For what the model answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OpenAiModerationRule>,
}

/// What happens to flagged content of one direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenAiModerationRule {
    /// Whether it is only scored or blocked.
    pub mode: OpenAiModerationMode,
}

/// Modes of moderation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OpenAiModerationMode {
    /// The scores are reported, nothing else happens.
    Score,
    /// Flagged content is blocked.
    Block,
}

/// Settings of Azure OpenAI addressed by endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.apiVersion) || self.apiVersion == 'v1' || has(self.deploymentName)")
    .message("deploymentName is required unless apiVersion is v1"))]
pub struct AzureOpenAi {
    /// Host name of the resource, or the resource name alone.
    #[schemars(length(min = 1, max = 256))]
    pub endpoint: String,
    /// Deployment used instead of the model the client asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub deployment_name: Option<String>,
    /// Version of the Azure API; `v1` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub api_version: Option<String>,
}

/// What Foundry serves belongs to a project.
pub(crate) fn foundry_rule() -> Rule {
    Rule::new("self.resourceType != 'Foundry' || has(self.projectName)")
        .message("projectName is required when resourceType is Foundry")
}

/// Settings of Azure OpenAI or Azure AI Foundry addressed by resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = foundry_rule())]
pub struct Azure {
    /// Name of the resource, the first label of its host name.
    #[schemars(length(min = 1, max = 256))]
    pub resource_name: String,
    /// Family of the resource, which decides the domain of its host name.
    pub resource_type: AzureResourceType,
    /// Project within a Foundry resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub project_name: Option<String>,
    /// Version of the Azure API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub api_version: Option<String>,
    /// Deployment used instead of the model the client asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub model: Option<String>,
}

/// Families of Azure resources that serve models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AzureResourceType {
    /// An Azure OpenAI resource, `*.openai.azure.com`.
    #[serde(rename = "OpenAI")]
    OpenAi,
    /// An Azure AI Foundry resource, `*.services.ai.azure.com`.
    Foundry,
}

/// Settings of Anthropic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Anthropic {
    /// Model used instead of the one the client asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub model: Option<String>,
}

/// Settings of Google Gemini.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gemini {
    /// Model used instead of the one the client asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub model: Option<String>,
}

/// Settings of Google Vertex AI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VertexAi {
    /// Google Cloud project.
    #[schemars(length(min = 1, max = 64))]
    pub project_id: String,
    /// Region of the endpoint; `global` for the global one.
    #[serde(default = "VertexAi::global")]
    #[schemars(length(min = 1, max = 64))]
    pub region: String,
    /// Model used instead of the one the client asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub model: Option<String>,
}

impl VertexAi {
    fn global() -> String {
        "global".to_owned()
    }
}

/// Settings of Amazon Bedrock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bedrock {
    /// AWS region of the endpoint and of request signing.
    #[serde(default = "Bedrock::us_east_1")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9-]+$"))]
    pub region: String,
    /// Guardrail attached to every call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrail: Option<BedrockGuardrail>,
    /// Model or inference profile used instead of the one the client asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub model: Option<String>,
}

impl Bedrock {
    fn us_east_1() -> String {
        "us-east-1".to_owned()
    }
}

/// A guardrail of Amazon Bedrock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BedrockGuardrail {
    /// Identifier of the guardrail.
    #[schemars(length(min = 1, max = 256))]
    pub identifier: String,
    /// Version of the guardrail.
    #[schemars(length(min = 1, max = 256))]
    pub version: String,
}

/// Settings of a service that is none of the named providers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Custom {
    /// Wire formats the service speaks itself; a request in another format is translated to one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 6))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub formats: Option<Vec<CustomFormat>>,
    /// A Service or InferencePool of the same namespace as the destination, instead of `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_ref: Option<LocalBackendRef>,
    /// Model used instead of the one the client asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub model: Option<String>,
}

/// One wire format of a custom service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomFormat {
    /// The format.
    #[serde(rename = "type")]
    pub type_: FormatType,
    /// Upstream path for this format, when it is not the usual one of OpenAI or Anthropic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^/"))]
    pub path: Option<String>,
}

/// Wire formats of language model services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FormatType {
    /// OpenAI chat completions.
    Completions,
    /// Anthropic messages.
    Messages,
    /// OpenAI responses.
    Responses,
    /// OpenAI embeddings.
    Embeddings,
    /// Anthropic token counting.
    AnthropicTokenCount,
    /// OpenAI realtime.
    Realtime,
    /// Cohere reranking.
    Rerank,
}
