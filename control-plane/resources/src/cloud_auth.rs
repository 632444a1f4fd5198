//! Credentials of cloud platforms: AWS request signing, Microsoft Entra and Google Cloud tokens.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::at_most_one_of;
use crate::unserved::Refused;
use crate::{SecretKeyRef, SecretRef};

/// AWS request signing (Signature Version 4). Without `secretRef` and `assumeRole` the credentials are those of the
/// environment: variables, files, web identity, container or instance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.secretRef) || !has(self.assumeRole)")
    .message("secretRef and assumeRole cannot be combined"))]
pub struct AwsAuth {
    /// A Secret with `accessKey`, `secretKey` and, for temporary credentials, `sessionToken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// Region to sign for; the provider's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub region: Option<String>,
    /// Service to sign for; the provider's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub service_name: Option<String>,
    /// Role to assume with the credentials of the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<AwsAssumeRole>,
}

impl AwsAuth {
    /// Entry of the Secret with the id of the access key.
    pub const ACCESS_KEY: &'static str = "accessKey";
    /// Entry of the Secret with the secret access key.
    pub const SECRET_KEY: &'static str = "secretKey";
    /// Entry of the Secret with the session token of temporary credentials.
    pub const SESSION_TOKEN: &'static str = "sessionToken";
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_most_one_of(&["sessionName", "sessionNameExpression"]))]
pub struct AwsAssumeRole {
    /// The role.
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$"))]
    pub role_arn: String,
    /// Name of the session; one that Envoy makes up when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[\w+=,.@-]{2,64}$"))]
    pub session_name: Option<String>,
    /// Name of the session, computed for each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::refused_string")]
    pub session_name_expression: Option<Refused>,
    /// Tags of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::refused_objects")]
    pub tags: Option<Refused>,
}

/// Microsoft Entra tokens. Without a field the credentials are those of the platform: a service principal or a workload
/// identity in environment variables, or else the managed identity.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_most_one_of(&["secretRef", "managedIdentity", "workloadIdentity"]))]
pub struct AzureAuth {
    /// A Secret with `clientID`, `tenantID` and `clientSecret` of a service principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// The managed identity of the machine; the one assigned by the system when nothing in it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_identity: Option<AzureManagedIdentity>,
    /// The workload identity of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<AzureWorkloadIdentity>,
}

impl AzureAuth {
    /// Entry of the Secret with the id of the application.
    pub const CLIENT_ID: &'static str = "clientID";
    /// Entry of the Secret with the id of the tenant.
    pub const TENANT_ID: &'static str = "tenantID";
    /// Entry of the Secret with the secret of the application.
    pub const CLIENT_SECRET: &'static str = "clientSecret";
}

/// Which managed identity is meant, by at most one of its ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_most_one_of(&["clientId", "objectId", "resourceId"]))]
pub struct AzureManagedIdentity {
    /// Client id of a user-assigned identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub client_id: Option<String>,
    /// Object id of a user-assigned identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub object_id: Option<String>,
    /// Resource id of a user-assigned identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub resource_id: Option<String>,
}

/// Marks the workload identity of the pod. It has no settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AzureWorkloadIdentity {}

/// Google Cloud tokens. Without `secretRef` the credentials are the application default ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.audience) || (has(self.type) && self.type == 'IdToken')")
    .message("audience requires type: IdToken"))]
pub struct GcpAuth {
    /// Kind of token; `AccessToken` when absent.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<GcpTokenType>,
    /// Audience of an id token; `https://` and the host when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub audience: Option<String>,
    /// A Secret with a credentials file; its entry is `credentials.json` unless `key` names another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyRef>,
}

impl GcpAuth {
    /// Entry of the Secret with the credentials file when `key` is absent.
    pub const CREDENTIALS: &'static str = "credentials.json";
}

/// Kinds of Google Cloud tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GcpTokenType {
    /// An OAuth access token, for Google's own APIs.
    #[default]
    AccessToken,
    /// An OpenID Connect id token, for services such as Cloud Run.
    IdToken,
}
