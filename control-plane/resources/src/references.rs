//! References from agentgateway objects to other objects.

use kube::KubeSchema;
use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Port;

/// Names a Secret in the namespace of the object that holds the reference.
///
/// `group` and `kind` may name another kind that yields credentials; Weir reads core Secrets only and
/// reports any other reference as not served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = secret_kind_rule())]
pub struct SecretRef {
    /// API group; empty or absent for a core Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub group: Option<String>,
    /// Kind; absent or `Secret` for a core Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub kind: Option<String>,
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Names one entry of a Secret in the namespace of the object that holds the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = secret_kind_rule())]
pub struct SecretKeyRef {
    /// API group; empty or absent for a core Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub group: Option<String>,
    /// Kind; absent or `Secret` for a core Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub kind: Option<String>,
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Entry of the Secret; absent for the default entry of the field, for backend authentication
    /// [`SecretKeyRef::AUTHORIZATION`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub key: Option<String>,
}

impl SecretKeyRef {
    /// The entry read for backend authentication when `key` is absent.
    pub const AUTHORIZATION: &'static str = "Authorization";
}

/// Either a core Secret, or both group and kind are named.
fn secret_kind_rule() -> Rule {
    Rule::new(
        "(!has(self.group) || self.group == '') ? (!has(self.kind) || self.kind == '' || self.kind == 'Secret') \
         : (has(self.kind) && self.kind != '')",
    )
    .message("group and kind must both be set, or name a core Secret")
}

/// Names a ConfigMap or Secret whose entry `ca.crt` holds trusted certificates in PEM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaCertificateRef {
    /// Kind of the object.
    #[serde(default)]
    pub kind: CaCertificateKind,
    /// Name of the object, in the namespace of the object that holds the reference.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Kinds of object that can hold trusted certificates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CaCertificateKind {
    /// A core ConfigMap.
    #[default]
    ConfigMap,
    /// A core Secret.
    Secret,
}

/// Names a backend in the same namespace: a core Service (with a port) or an InferencePool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "(!has(self.group) || self.group == '') ? (!has(self.kind) || self.kind == 'Service') \
     : (self.group == 'inference.networking.k8s.io' && has(self.kind) && self.kind == 'InferencePool')")
    .message("must name a core Service or an inference.networking.k8s.io InferencePool"))]
#[x_kube(validation = Rule::new(
    "(has(self.group) && self.group != '') || (has(self.kind) && self.kind != 'Service') || has(self.port)")
    .message("port is required for a Service"))]
pub struct LocalBackendRef {
    /// API group; empty or absent for a Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub group: Option<String>,
    /// Kind; absent for a Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub kind: Option<String>,
    /// Name of the Service or InferencePool.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Port of the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
}

/// Names who a policy calls, such as a collector or a webhook: a Service with a port, or an AgentgatewayBackend with
/// `static`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "((!has(self.group) || self.group == '') && (!has(self.kind) || self.kind == 'Service')) \
     || (has(self.group) && self.group == 'agentgateway.dev' && has(self.kind) && self.kind == 'AgentgatewayBackend')")
    .message("must name a core Service or an agentgateway.dev AgentgatewayBackend"))]
#[x_kube(validation = Rule::new("(has(self.kind) && self.kind != 'Service') || has(self.port)")
    .message("port is required for a Service"))]
pub struct PolicyBackendRef {
    /// API group; empty or absent for a Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub group: Option<String>,
    /// Kind; absent for a Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub kind: Option<String>,
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Namespace of the object; that of the policy when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Port of the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
}
