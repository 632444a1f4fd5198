//! `AgentgatewayPolicy.spec.traffic.jwtAuthentication` and `.apiKeyAuthentication`: who may call.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agentgateway_checks::check_secret_kind;
use crate::rules::{duration_at_least, exactly_one_of};
use crate::schema::Issue;
use crate::unserved::Refused;
use crate::{Duration, HeaderLocation, HttpUrl, NamedLocation, PolicyBackendRef, SecretRef, TrafficPolicy};

/// JSON Web Tokens (RFC 7519) of clients.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "!has(self.mcp) || (self.providers.size() == 1 && (!has(self.mode) || self.mode == 'Strict'))")
    .message("mcp requires exactly one provider and the mode Strict"))]
pub struct JwtAuthentication {
    /// What becomes of requests without a valid token; `Strict` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<AuthenticationMode>,
    /// Who issues tokens. One of any of them is good.
    #[schemars(length(min = 1, max = 64))]
    pub providers: Vec<JwtProvider>,
    /// Where the token stands; in the header `Authorization` behind `Bearer ` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<ExtractLocation>,
    /// Endpoints by which MCP clients find out where to log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<Refused>,
}

/// What becomes of requests that do not say who they are, or not truly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AuthenticationMode {
    /// Both are refused.
    #[default]
    Strict,
    /// Those that say nothing pass.
    Optional,
    /// Both pass.
    Permissive,
}

/// An issuer of tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JwtProvider {
    /// What `iss` of its tokens is.
    #[schemars(length(min = 1, max = 256))]
    pub issuer: String,
    /// What `aud` of a token must contain one of; anything when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub audiences: Option<Vec<String>>,
    /// The keys its tokens are signed with.
    pub jwks: JwtKeys,
}

/// Where the keys of an issuer are: a JSON Web Key Set (RFC 7517).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_of(&["remote", "inline"]))]
pub struct JwtKeys {
    /// A service that tells them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteJwtKeys>,
    /// The key set itself, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 65536))]
    pub inline: Option<String>,
}

/// A service that tells the keys of an issuer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_of(&["backendRef", "url"]))]
#[x_kube(validation = Rule::new("has(self.backendRef) == has(self.jwksPath)")
    .message("jwksPath is required with backendRef, and cannot be combined with url"))]
pub struct RemoteJwtKeys {
    /// The service, as an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_ref: Option<PolicyBackendRef>,
    /// The key set, as a URL; `https` turns on TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^https?://[^/?#@]+(/[^?#]*)?$"))]
    pub url: Option<String>,
    /// Path of the key set at `backendRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub jwks_path: Option<String>,
    /// After how long it is fetched again; 5 minutes when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = duration_at_least("5m"))]
    pub cache_duration: Option<Duration>,
}

/// API keys of clients.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_of(&["secretRef", "secretSelector", "configMapSelector"]))]
pub struct ApiKeyAuthentication {
    /// What becomes of requests without a known key; `Strict` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<AuthenticationMode>,
    /// A Secret, each of whose entries is a client: its key, or JSON with `key` or `keyHash` (`sha256:` and the digest in
    /// hexadecimal) and `metadata`, an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// Secrets with such entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_selector: Option<LabelSelector>,
    /// ConfigMaps with such entries, which must be JSON with `keyHash`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_selector: Option<LabelSelector>,
    /// Where the key stands; in the header `Authorization` behind `Bearer ` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<ExtractLocation>,
}

/// Selects objects in the namespace of the policy by their labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels that the objects must have.
    pub match_labels: BTreeMap<String, String>,
}

/// Where in a request a client says who it is: exactly one of the four.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_of(&["header", "queryParameter", "cookie", "expression"]))]
pub struct ExtractLocation {
    /// A request header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderLocation>,
    /// A parameter of the query string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_parameter: Option<NamedLocation>,
    /// A cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<NamedLocation>,
    /// CEL expression over the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::refused_string")]
    pub expression: Option<Refused>,
}

/// Checks what the schema cannot say of authentication.
pub(crate) fn check(path: &str, traffic: &TrafficPolicy, issues: &mut Vec<Issue>) {
    if let Some(keys) = &traffic.api_key_authentication {
        let path = format!("{path}.apiKeyAuthentication");
        if let Some(reference) = &keys.secret_ref {
            check_secret_kind(&format!("{path}.secretRef"), reference.group.as_deref(), issues);
        }
        let selectors =
            [("secretSelector", &keys.secret_selector), ("configMapSelector", &keys.config_map_selector)];
        for (field, selector) in selectors {
            // It would take every Secret of the namespace for keys of clients.
            if selector.as_ref().is_some_and(|selector| selector.match_labels.is_empty()) {
                let path = format!("{path}.{field}.matchLabels");
                issues.push(Issue::invalid(path, "must not be empty", "name the labels of what holds keys"));
            }
        }
    }
    let Some(jwt) = &traffic.jwt_authentication else { return };
    for (index, provider) in jwt.providers.iter().enumerate() {
        let path = format!("{path}.jwtAuthentication.providers[{index}]");
        for (index, audience) in provider.audiences.iter().flatten().enumerate() {
            if audience.is_empty() {
                issues.push(Issue::invalid(format!("{path}.audiences[{index}]"), "must not be empty", ""));
            }
        }
        let Some(remote) = &provider.jwks.remote else { continue };
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('#');
        let of_url = |text: &str| match HttpUrl::read(text) {
            Ok(_) if !plain(text) => Err("holds characters a URL cannot have"),
            read => read.map(|_| ()),
        };
        if let Some(text) = &remote.url
            && let Err(problem) = of_url(text)
        {
            let message = format!("{text:?} {problem}");
            let remedy = "write for example https://login.example.com/keys";
            issues.push(Issue::invalid(format!("{path}.jwks.remote.url"), message, remedy));
        }
        if remote.jwks_path.as_ref().is_some_and(|text| !plain(text)) {
            let message = "holds characters a path cannot have";
            issues.push(Issue::invalid(format!("{path}.jwks.remote.jwksPath"), message, "encode them"));
        }
    }
}
