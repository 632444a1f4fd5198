//! `AgentgatewayModel.spec.policies`: settings for one model.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::at_least_one_of;
use crate::unserved::Refused;
use crate::{BackendAuth, BackendHealth, BackendTls, FieldExpression, PromptGuard};

/// Settings for one model. They mean what those of a backend mean.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_least_one_of(&[
    "auth", "authorization", "finalTransformations", "headers", "health", "promptGuard", "tls", "transformations",
    "tunnel"]))]
pub struct ModelPolicies {
    /// Credentials sent to the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!has(self.crossAppAccess) && !has(self.jwtSign)")
        .message("crossAppAccess and jwtSign cannot be set for a model"))]
    pub auth: Option<BackendAuth>,
    /// Who may ask for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Refused>,
    /// Request fields to compute after translation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["field".to_owned()]))]
    pub final_transformations: Option<Vec<FieldExpression>>,
    /// Changes of headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<ModelHeaders>,
    /// When a provider counts as unhealthy, and how it is then avoided where there are others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<BackendHealth>,
    /// Checks of prompts and answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_guard: Option<PromptGuard>,
    /// TLS to the provider; an empty object turns it on with the system's trusted certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<BackendTls>,
    /// Request fields to compute before translation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["field".to_owned()]))]
    pub transformations: Option<Vec<FieldExpression>>,
    /// Connections through an HTTP CONNECT proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Refused>,
}

/// Changes of headers of requests and answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_least_one_of(&["request", "response"]))]
pub struct ModelHeaders {
    /// Of requests to the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<HeaderChanges>,
    /// Of answers to the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<HeaderChanges>,
}

/// Changes of headers, in the form of the Gateway API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderChanges {
    /// Headers that get this value, whatever they had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub set: Option<Vec<HeaderField>>,
    /// Headers that get this value besides those they have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub add: Option<Vec<HeaderField>>,
    /// Names of headers that are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub remove: Option<Vec<String>>,
}

/// A header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderField {
    /// Its name.
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[A-Za-z0-9!#$%&'*+\\-.^_`|~]+$"))]
    pub name: String,
    /// Its value.
    #[schemars(length(min = 1, max = 4096))]
    pub value: String,
}
