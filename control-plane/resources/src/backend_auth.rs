//! Credentials sent to a backend.

use std::fmt;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{at_most_one_of, exactly_one_of};
use crate::unserved::Refused;
use crate::{AwsAuth, AzureAuth, GcpAuth, SecretKeyRef};

/// Credentials sent to a backend: at most one primary kind, and any number of additional ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_most_one_of(&[
    "key", "secretRef", "passthrough", "aws", "azure", "gcp", "oauthTokenExchange", "crossAppAccess", "jwtSign"]))]
#[x_kube(validation = Rule::new(
    "has(self.key) || has(self.secretRef) || has(self.passthrough) || has(self.aws) || has(self.azure) \
     || has(self.gcp) || has(self.oauthTokenExchange) || has(self.crossAppAccess) || has(self.jwtSign) \
     || has(self.credentials)")
    .message("a kind of credentials is required: for example secretRef, passthrough or credentials"))]
#[x_kube(validation = Rule::new(
    "!has(self.location) || has(self.key) || has(self.secretRef) || has(self.passthrough)")
    .message("location requires key, secretRef or passthrough"))]
pub struct BackendAuth {
    /// The secret itself. Prefer `secretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<InlineKey>,
    /// A Secret that holds the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyRef>,
    /// Where the credential goes; `Authorization: Bearer ` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<CredentialLocation>,
    /// Sends on the credential the client authenticated with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passthrough: Option<Passthrough>,
    /// Further credentials, each with its own place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub credentials: Option<Vec<AdditionalCredential>>,
    /// AWS request signing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsAuth>,
    /// Microsoft Entra tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureAuth>,
    /// Google Cloud tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcp: Option<GcpAuth>,
    /// OAuth token exchange per request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth_token_exchange: Option<Refused>,
    /// Access across applications by identity assertion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_app_access: Option<Refused>,
    /// A JSON web token signed per request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_sign: Option<Refused>,
}

/// A secret written into an object. It is part of what is serialized, never of what is logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct InlineKey(#[schemars(length(max = 2048))] String);

impl InlineKey {
    /// The secret text. Do not log it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for InlineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InlineKey(***)")
    }
}

/// Marks that the client's own credential is sent on. It has no settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Passthrough {}

/// A credential besides the primary one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdditionalCredential {
    /// A Secret that holds the credential.
    pub secret_ref: SecretKeyRef,
    /// Where the credential goes.
    pub location: CredentialLocation,
}

/// Where in a request a credential goes: exactly one of the three.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_of(&["header", "queryParameter", "cookie"]))]
pub struct CredentialLocation {
    /// A request header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderLocation>,
    /// A parameter of the query string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_parameter: Option<NamedLocation>,
    /// A cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<NamedLocation>,
}

/// A header that carries a credential.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderLocation {
    /// Name of the header.
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[A-Za-z0-9!#$%&'*+\\-.^_`|~]+$"))]
    pub name: String,
    /// Text before the credential, for example `Bearer ` with its space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub prefix: Option<String>,
}

/// A query parameter or cookie that carries a credential.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamedLocation {
    /// Name of the parameter or cookie.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
}
