//! `AgentgatewayBackend`: where traffic goes, and how.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::rules::exactly_one_of;
use crate::unserved::Refused;
use crate::{BackendPolicy, LlmProvider, NamedProvider, Port};

/// A destination that a route or policy can refer to.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "agentgateway.dev",
    version = "v1alpha1",
    kind = "AgentgatewayBackend",
    plural = "agentgatewaybackends",
    shortname = "agbe",
    category = "agentgateway",
    label("app", "agentgateway"),
    label("app.kubernetes.io/name", "agentgateway"),
    printcolumn = r#"{"name":"Accepted","type":"string","jsonPath":".status.conditions[?(@.type==\"Accepted\")].status","description":"Whether the backend is usable"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    status = "AgentgatewayBackendStatus",
    derive = "PartialEq",
    namespaced
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_of(&["ai", "static", "dynamicForwardProxy", "mcp", "aws", "a2a"]))]
#[x_kube(validation = Rule::new("!has(self.policies) || !has(self.policies.ai) || has(self.ai)")
    .message("policies.ai requires ai"))]
#[x_kube(validation = Rule::new("!has(self.policies) || !has(self.policies.mcp) || has(self.mcp)")
    .message("policies.mcp requires mcp"))]
pub struct AgentgatewayBackendSpec {
    /// A large language model provider, or several in groups of priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ai: Option<AiBackend>,
    /// One fixed host and port, or a Unix socket.
    #[serde(default, rename = "static", skip_serializing_if = "Option::is_none")]
    pub static_: Option<StaticBackend>,
    /// The destination named by the request itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic_forward_proxy: Option<Refused>,
    /// Model Context Protocol servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<Refused>,
    /// Services of AWS other than Bedrock models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<Refused>,
    /// An agent that speaks the Agent2Agent protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub a2a: Option<Refused>,
    /// How to connect and authenticate to this backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<BackendPolicy>,
}

/// One fixed destination: `host` and `port`, or `unixPath`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "has(self.unixPath) ? (!has(self.host) && !has(self.port)) : (has(self.host) && has(self.port))")
    .message("set either unixPath, or both host and port"))]
pub struct StaticBackend {
    /// DNS name or IP address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub host: Option<String>,
    /// Destination port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
    /// Path of a Unix domain socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub unix_path: Option<String>,
}

/// A language model backend: one provider, or groups of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_of(&["provider", "groups"]))]
pub struct AiBackend {
    /// The only provider. Policies address it by the section name [`AiBackend::SINGLE_PROVIDER`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<LlmProvider>,
    /// Groups in order of priority, the first one preferred; a group is used when those before it cannot be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub groups: Option<Vec<ProviderGroup>>,
}

impl AiBackend {
    /// Section name of a single `provider`.
    pub const SINGLE_PROVIDER: &'static str = "backend";
}

/// Providers of equal priority; requests are balanced over them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.providers.all(p, self.providers.exists_one(q, q.name == p.name))")
    .message("provider names must be unique within a group"))]
pub struct ProviderGroup {
    /// The members of the group.
    #[schemars(length(min = 1, max = 16))]
    pub providers: Vec<NamedProvider>,
}

/// What the controller found out about a backend.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentgatewayBackendStatus {
    /// Conditions by type; `Accepted` tells whether the backend is usable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
}
