//! How to connect to a backend: the shape of `AgentgatewayPolicy.spec.backend` and of
//! `AgentgatewayBackend.spec.policies`.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{at_least_one_of, duration_at_least};
use crate::unserved::{Ignored, Refused};
use crate::{AiPolicy, BackendAuth, BackendHealth, CaCertificateRef, Duration, SecretRef};

/// Settings for connections to a backend.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_least_one_of(
    &["ai", "auth", "extAuth", "health", "http", "mcp", "tcp", "tls", "transformation", "tunnel"]))]
pub struct BackendPolicy {
    /// Credentials sent to the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<BackendAuth>,
    /// TLS to the backend; an empty object turns it on with the system's trusted certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<BackendTls>,
    /// TCP connections to the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<BackendTcp>,
    /// HTTP to the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<BackendHttp>,
    /// Handling of language model requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ai: Option<AiPolicy>,
    /// When a provider counts as unhealthy, and how it is then avoided where there are others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<BackendHealth>,
    /// Handling of Model Context Protocol requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<Refused>,
    /// Authorization by another service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ext_auth: Option<Refused>,
    /// Rewriting of headers and bodies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transformation: Option<Refused>,
    /// Connections through an HTTP CONNECT proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Refused>,
}

/// TLS to a backend.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "!has(self.insecureSkipVerify) || self.insecureSkipVerify != 'All' || !has(self.caCertificateRefs)")
    .message("insecureSkipVerify: All cannot be combined with caCertificateRefs"))]
#[x_kube(validation = Rule::new("!has(self.insecureSkipVerify) || !has(self.verifySubjectAltNames)")
    .message("insecureSkipVerify cannot be combined with verifySubjectAltNames"))]
pub struct BackendTls {
    /// Client certificate: a Secret with `tls.crt` and `tls.key`; its `ca.crt`, if present, is trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub mtls_certificate_ref: Option<Vec<SecretRef>>,
    /// Trusted certificates instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1))]
    pub ca_certificate_refs: Option<Vec<CaCertificateRef>>,
    /// Parts of the verification of the backend's certificate to leave out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insecure_skip_verify: Option<SkipVerify>,
    /// Server name to ask for, instead of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = crate::names::SUBDOMAIN_PATTERN)
    )]
    pub sni: Option<String>,
    /// Names of which the certificate must hold one, instead of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 256)))]
    pub verify_subject_alt_names: Option<Vec<String>>,
    /// Protocols offered by ALPN, preferred first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 64)))]
    pub alpn_protocols: Option<Vec<String>>,
    /// Where the client identity comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::refused_string")]
    pub certificate_source: Option<Refused>,
    /// Key exchange groups allowed in the handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::refused_strings")]
    pub key_exchange_groups: Option<Refused>,
}

/// Parts of certificate verification that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SkipVerify {
    /// Nothing is verified.
    All,
    /// The chain is verified, the name is not.
    Hostname,
}

/// TCP connections to a backend.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendTcp {
    /// Longest time to wait for a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = duration_at_least("100ms"))]
    pub connect_timeout: Option<Duration>,
    /// Keepalive probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive: Option<Ignored>,
}

/// HTTP to a backend.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendHttp {
    /// HTTP version to use, when it is not to be found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<HttpVersion>,
    /// Longest time for one attempt, from the request to the end of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = duration_at_least("1ms"))]
    pub request_timeout: Option<Duration>,
}

/// HTTP versions a backend can be forced to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HttpVersion {
    /// HTTP/1.1
    #[serde(rename = "HTTP1")]
    Http1,
    /// HTTP/2
    #[serde(rename = "HTTP2")]
    Http2,
}
