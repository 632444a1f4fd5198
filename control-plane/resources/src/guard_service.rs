//! Guards that ask somebody else.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{at_least_one_of, exactly_one_of};
use crate::unserved::Refused;
use crate::{
    AwsAuth, BackendAuth, BackendHttp, BackendTcp, BackendTls, CredentialLocation, GcpAuth, GuardFailureMode,
    InlineKey, PolicyBackendRef, SecretKeyRef,
};

/// A service of your own, which speaks agentgateway's protocol for guards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookGuard {
    /// Where it is.
    pub backend_ref: PolicyBackendRef,
    /// The client's headers that are passed on to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_header_matches: Option<Vec<ForwardHeaderMatch>>,
    /// Headers to send, each with a CEL expression over the client's request. `:path`, `:method` and `:authority` replace
    /// what would be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 64))]
    pub headers: Option<BTreeMap<String, String>>,
    /// What happens when it fails; `FailClosed` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_mode: Option<GuardFailureMode>,
}

/// A header that is passed on when its value matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForwardHeaderMatch {
    /// Its name.
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[A-Za-z0-9!#$%&'*+\\-.^_`|~]+$"))]
    pub name: String,
    /// The value, or a regular expression for the whole of it.
    #[schemars(length(min = 1, max = 4096))]
    pub value: String,
    /// How the value matches; `Exact` when absent.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<HeaderMatchType>,
}

/// How a value matches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HeaderMatchType {
    /// It is the same.
    #[default]
    Exact,
    /// The regular expression matches all of it.
    RegularExpression,
}

/// OpenAI's moderation: what it flags is rejected.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "!has(self.policies) || !has(self.policies.auth) || has(self.policies.auth.key) || has(self.policies.auth.secretRef)")
    .message("OpenAI takes key or secretRef"))]
pub struct OpenAiModerationGuard {
    /// The model that judges; `omni-moderation-latest` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How to connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<GuardConnection>,
}

impl OpenAiModerationGuard {
    /// The model that judges when none is set.
    pub const MODEL: &'static str = "omni-moderation-latest";
}

/// Amazon Bedrock Guardrails: what it anonymizes is masked, what it blocks is rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "!has(self.policies) || !has(self.policies.auth) || !has(self.policies.auth.gcp)")
    .message("Bedrock takes key, secretRef or aws"))]
pub struct BedrockGuardrailsGuard {
    /// Id or ARN of the guardrail.
    #[schemars(length(min = 1, max = 256))]
    pub identifier: String,
    /// Its version, or `DRAFT`.
    #[schemars(length(min = 1, max = 256))]
    pub version: String,
    /// Region it is in.
    #[schemars(length(min = 1, max = 256))]
    pub region: String,
    /// How to connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<GuardConnection>,
}

/// Google Model Armor: what it finds is rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "!has(self.policies) || !has(self.policies.auth) || has(self.policies.auth.gcp)")
    .message("Model Armor takes gcp"))]
pub struct ModelArmorGuard {
    /// Id of the template.
    #[schemars(length(min = 1, max = 256))]
    pub template_id: String,
    /// Id of the Google Cloud project.
    #[schemars(length(min = 1, max = 256))]
    pub project_id: String,
    /// Where the template is; `us-central1` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub location: Option<String>,
    /// How to connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<GuardConnection>,
}

impl ModelArmorGuard {
    /// Where templates are when nothing is set.
    pub const LOCATION: &'static str = "us-central1";
}

/// How to connect to a service that guards.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_least_one_of(&["auth", "http", "tcp", "tls", "tunnel"]))]
pub struct GuardConnection {
    /// Credentials; those of the environment when absent, for AWS and Google Cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<GuardAuth>,
    /// HTTP to the service. A request may take 10 seconds unless a time is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<BackendHttp>,
    /// TCP connections to the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<BackendTcp>,
    /// TLS to the service; with the system's trusted certificates when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<BackendTls>,
    /// Connections through an HTTP CONNECT proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Refused>,
}

/// Credentials sent to a service that guards.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_of(&["key", "secretRef", "aws", "gcp"]))]
#[x_kube(validation = Rule::new("!has(self.location) || has(self.key) || has(self.secretRef)")
    .message("location requires key or secretRef"))]
pub struct GuardAuth {
    /// The secret itself. Prefer `secretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<InlineKey>,
    /// A Secret that holds the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyRef>,
    /// Where the credential goes; `Authorization: Bearer ` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<CredentialLocation>,
    /// AWS request signing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsAuth>,
    /// Google Cloud tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcp: Option<GcpAuth>,
}

impl From<&GuardAuth> for BackendAuth {
    fn from(auth: &GuardAuth) -> Self {
        let GuardAuth { key, secret_ref, location, aws, gcp } = auth.clone();
        Self { key, secret_ref, location, aws, gcp, ..Self::default() }
    }
}
