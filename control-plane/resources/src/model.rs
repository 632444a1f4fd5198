//! `AgentgatewayModel`: a model that clients can ask for by name, and who serves it.

use kube::core::Rule;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gateway_api::httproutes::HttpRouteParentRefs;
use crate::provider::foundry_rule;
use crate::rules::exactly_one_of;
use crate::{AzureResourceType, BedrockGuardrail, CustomFormat, LocalBackendRef, ModelPolicies};

/// A model of a provider, or a virtual model that chooses among others.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "agentgateway.dev",
    version = "v1alpha1",
    kind = "AgentgatewayModel",
    plural = "agentgatewaymodels",
    shortname = "agmodel",
    category = "agentgateway",
    label("app", "agentgateway"),
    label("app.kubernetes.io/name", "agentgateway"),
    printcolumn = r#"{"name":"Model Match","type":"string","jsonPath":".spec.match.model","description":"Names of models that are served"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    status = "AgentgatewayModelStatus",
    derive = "PartialEq",
    namespaced
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_of(&["provider", "virtualModel"]))]
#[x_kube(validation = Rule::new("!has(self.baseURL) || has(self.provider)").message("baseURL requires provider"))]
#[x_kube(validation = Rule::new("!has(self.policies) || !has(self.virtualModel)")
    .message("policies cannot be combined with virtualModel: set them on the models it refers to"))]
#[x_kube(validation = Rule::new("!has(self.virtualModel) || !has(self.visibility) || self.visibility != 'Internal'")
    .message("a virtual model cannot be Internal"))]
#[x_kube(validation = Rule::new(
    "!has(self.virtualModel) || !has(self.match) || !has(self.match.model) || !self.match.model.contains('*')")
    .message("match.model of a virtual model cannot hold a *"))]
#[x_kube(validation = Rule::new("!has(self.provider) || self.provider != 'Ollama' || has(self.baseURL)")
    .message("provider Ollama requires baseURL"))]
#[x_kube(validation = settings_of("azure", "Azure"))]
#[x_kube(validation = settings_of("vertexai", "VertexAI"))]
#[x_kube(validation = settings_of("bedrock", "Bedrock"))]
#[x_kube(validation = settings_of("custom", "Custom"))]
pub struct AgentgatewayModelSpec {
    /// The Gateways and HTTPRoutes that offer the model to clients.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub parent_refs: Vec<HttpRouteParentRefs>,
    /// Names of models that are served; the name of the object when absent.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub match_: Option<ModelMatch>,
    /// Whether clients can ask for the model themselves; `Public` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<ModelVisibility>,
    /// Who serves the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ModelProvider>,
    /// Where the provider's API is, instead of its usual place.
    #[serde(default, rename = "baseURL", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^https?://[^/?#@]+(/[^?#]*)?$"))]
    #[x_kube(validation = not_local())]
    pub base_url: Option<String>,
    /// Settings of the provider Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<ModelAzure>,
    /// Settings of the provider VertexAI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vertexai: Option<ModelVertexAi>,
    /// Settings of the provider Bedrock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bedrock: Option<ModelBedrock>,
    /// Settings of the provider Custom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<ModelCustom>,
    /// Settings that hold for this model only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<ModelPolicies>,
    /// A choice among other models, instead of a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_model: Option<VirtualModel>,
}

/// The settings `field` are there exactly for `provider`.
fn settings_of(field: &str, provider: &str) -> Rule {
    Rule::new(format!("has(self.{field}) == (has(self.provider) && self.provider == '{provider}')")).message(
        kube::core::Message::Message(format!(
            "{field} is required for provider {provider}, and for no other"
        )),
    )
}

/// A gateway must not be made to call itself or its machine.
fn not_local() -> Rule {
    Rule::new(
        "!self.matches('^(?i)https?://(localhost|[^/]*[.]localhost|127[.][^/]*|169[.]254[.][^/]*|\\\\[::1\\\\]|\\\\[fe[89ab][^/]*)(:[0-9]+)?(/|$)')",
    )
    .message("baseURL must not lead to localhost or to a link-local address")
}

/// Names of models.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelMatch {
    /// A name, or a pattern with one `*` at its beginning or end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^([*]?[^*]*|[^*]*[*])$"))]
    pub model: Option<String>,
}

/// Who can ask for a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ModelVisibility {
    /// Clients can, and it is in the list of models.
    #[default]
    Public,
    /// Virtual models only.
    Internal,
}

/// Providers of models. Those without settings of their own are known by their base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ModelProvider {
    /// OpenAI
    #[serde(rename = "OpenAI")]
    OpenAi,
    /// Azure OpenAI or Azure AI Foundry
    Azure,
    /// Anthropic
    Anthropic,
    /// Google Gemini
    Gemini,
    /// Google Vertex AI
    #[serde(rename = "VertexAI")]
    VertexAi,
    /// Amazon Bedrock
    Bedrock,
    /// Cohere
    Cohere,
    /// Ollama
    Ollama,
    /// Baseten
    Baseten,
    /// Cerebras
    Cerebras,
    /// DeepInfra
    Deepinfra,
    /// DeepSeek
    Deepseek,
    /// Groq
    Groq,
    /// Hugging Face inference providers
    Huggingface,
    /// Mistral
    Mistral,
    /// OpenRouter
    Openrouter,
    /// Together AI
    #[serde(rename = "TogetherAI")]
    TogetherAi,
    /// xAI
    #[serde(rename = "XAI")]
    Xai,
    /// Fireworks
    Fireworks,
    /// Any other service, described by `custom`
    Custom,
}

/// Settings of Azure OpenAI or Azure AI Foundry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = foundry_rule())]
pub struct ModelAzure {
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
}

/// Settings of Google Vertex AI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelVertexAi {
    /// Google Cloud project.
    #[schemars(length(min = 1, max = 64))]
    pub project_id: String,
    /// Region of the endpoint; the global one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub region: Option<String>,
}

/// Settings of Amazon Bedrock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelBedrock {
    /// AWS region of the endpoint and of request signing; `us-east-1` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9-]+$"))]
    pub region: Option<String>,
    /// Guardrail attached to every call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrail: Option<BedrockGuardrail>,
}

/// Settings of a service that is none of the named providers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelCustom {
    /// Wire formats the service speaks itself; a request in another format is translated to one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 6))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub formats: Option<Vec<CustomFormat>>,
    /// A Service or InferencePool of the same namespace as the destination, instead of `baseURL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_ref: Option<LocalBackendRef>,
}

/// A choice among other models: exactly one of the three kinds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_of(&["weighted", "failover", "conditional"]))]
pub struct VirtualModel {
    /// Shares of the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weighted: Option<WeightedModels>,
    /// Models to ask one after the other until one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<FailoverModels>,
    /// The first model whose condition holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditional: Option<ConditionalModels>,
}

/// Shares of the requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WeightedModels {
    /// The models, each with its share.
    #[schemars(length(min = 1, max = 64))]
    pub targets: Vec<WeightedModel>,
}

/// A model with its share of the requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WeightedModel {
    /// The model.
    pub model_ref: ModelRef,
    /// Model to send to its provider, where the referenced object serves several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub model: Option<String>,
    /// Share, in proportion to those of the others; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub weight: Option<i32>,
}

/// Models to ask one after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailoverModels {
    /// The models; those of equal priority share the requests.
    #[schemars(length(min = 1, max = 64))]
    pub targets: Vec<FailoverModel>,
}

/// A model with its place in the order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailoverModel {
    /// The model.
    pub model_ref: ModelRef,
    /// Model to send to its provider, where the referenced object serves several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub model: Option<String>,
    /// Place in the order; lower is asked first.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub priority: i32,
}

/// Models with conditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "self.targets.filter(t, !has(t.when)).size() == 0 || (self.targets.filter(t, !has(t.when)).size() == 1 \
     && !has(self.targets[self.targets.size() - 1].when))")
    .message("only the last target can be without when"))]
pub struct ConditionalModels {
    /// The models; the first whose condition holds gets the request.
    #[schemars(length(min = 1, max = 64))]
    pub targets: Vec<ConditionalModel>,
}

/// A model with its condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConditionalModel {
    /// The model.
    pub model_ref: ModelRef,
    /// Model to send to its provider, where the referenced object serves several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub model: Option<String>,
    /// CEL expression over the request; without it the target takes whatever no other did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub when: Option<String>,
}

/// Names an AgentgatewayModel in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelRef {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What the controller found out about a model, per parent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentgatewayModelStatus {
    /// One entry per parent, as in the status of routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub parents: Vec<ModelParentStatus>,
}

/// The state of a model on one parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelParentStatus {
    /// The parent, as the model refers to it.
    pub parent_ref: HttpRouteParentRefs,
    /// Name of the controller that wrote the entry.
    #[schemars(length(min = 1, max = 253))]
    pub controller_name: String,
    /// Conditions by type: `Accepted` and `ResolvedRefs`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition>,
}

impl AgentgatewayModelSpec {
    /// The names the model is served under: a name, or a pattern with one `*` at its beginning or end. `name` is that
    /// of the object.
    pub fn pattern<'a>(&'a self, name: &'a str) -> &'a str {
        self.match_.as_ref().and_then(|matched| matched.model.as_deref()).unwrap_or(name)
    }

    /// Who can ask for the model.
    pub fn visibility(&self) -> ModelVisibility {
        self.visibility.unwrap_or_default()
    }
}
