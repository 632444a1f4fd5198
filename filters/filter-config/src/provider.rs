//! Configuration of the upstream `provider` filter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Endpoint, Error, RequestPolicy, check_version, default_max_body_bytes, default_version, parse};

/// Configuration of the upstream `provider` filter: what the cluster it sits on speaks and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Version of the contract.
    #[serde(default = "default_version")]
    pub version: u32,
    /// The provider's name in logs and metrics: `openai`, `anthropic`, or one's own.
    pub name: String,
    /// What the provider speaks, in order of preference. A request in a format of the list passes through; any
    /// other is translated to the first format of the list that it can be translated to. Entries that name
    /// `models` count for those models only.
    pub speaks: Vec<Upstream>,
    /// `:authority` of requests to the provider, such as `api.openai.com`. Absent: left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Send every request to this model, whatever the client asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Client's model → provider's model. A key may hold one `*`; an exact key wins over patterns, a longer
    /// pattern over a shorter one. Applied after `model`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub model_aliases: BTreeMap<String, String>,
    /// Where the provider's credential comes from.
    #[serde(default)]
    pub credential: Credential,
    /// Headers in which other providers get their credentials, in small letters: removed here like those that Weir
    /// knows, because an earlier attempt may have added them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credential_headers: Vec<String>,
    /// Changes to requests.
    #[serde(default, skip_serializing_if = "RequestPolicy::is_empty")]
    pub policy: RequestPolicy,
    /// Name of the cluster this filter is on. With it, a provider that asks to be left alone, or fails again and again,
    /// is asked after the others for a while, where a route has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// When failures of the provider make it one to be asked after the others. Needs `cluster`.
    #[serde(default, skip_serializing_if = "Health::is_default")]
    pub health: Health,
    /// A `guard` filter stands before this one on the cluster: it says how long a body is that passes untouched.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guarded: bool,
    /// Name of the header in which the model was published for routing, to be removed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_header: Option<String>,
    /// Largest answer that may be held whole, in bytes (answers that are not streamed, and errors).
    #[serde(default = "default_max_body_bytes")]
    pub max_response_body_bytes: u64,
}

/// When a provider counts as unhealthy, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// CEL condition over `response.code` and `response.headers` that holds for unhealthy answers. Absent:
    /// `response.code >= 500`. No answer at all (no connection, a reset, a time-out before the first byte) is always
    /// unhealthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unhealthy: Option<String>,
    /// So many failures in a row, with no healthy answer between them, make the provider unhealthy.
    #[serde(default = "default_consecutive_failures")]
    pub consecutive_failures: u32,
    /// For how long the provider is then avoided, in milliseconds: so long the first time, twice as long when it fails
    /// as often again before any healthy answer, and so on.
    #[serde(default = "default_duration_ms")]
    pub duration_ms: u64,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            unhealthy: None,
            consecutive_failures: default_consecutive_failures(),
            duration_ms: default_duration_ms(),
        }
    }
}

impl Health {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// As many as Envoy's outlier detection takes.
fn default_consecutive_failures() -> u32 {
    5
}

/// agentgateway's default of `health.eviction.duration`.
fn default_duration_ms() -> u64 {
    3_000
}

/// One wire format of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// What is spoken.
    pub endpoint: Endpoint,
    /// Path of requests, query included; `/v1/chat/completions`. `{model}` stands for the model, percent-encoded, and
    /// `{operation}` for the last segment of the client's path, for formats with several paths:
    /// `/v1/images/{operation}`. Absent: the client's path is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Path of requests whose answer is streamed, where it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_path: Option<String>,
    /// Patterns (at most one `*` each) of the models this entry is for; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Patterns (at most one `*` each) of models this entry is not for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except_models: Vec<String>,
    /// How the provider departs from the format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<Variant>,
    /// The region the provider is in, where the format names models by it: `us-east-1` in the ARNs of
    /// `bedrock_rerank`, which needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Field of the body as it is sent → value it always has, such as Bedrock's `guardrailConfig`. Wins over
    /// everything in [`RequestPolicy`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, Value>,
}

impl Upstream {
    /// A format at a path, for all models.
    pub fn new(endpoint: Endpoint, path: impl Into<String>) -> Self {
        Self {
            endpoint,
            path: Some(path.into()),
            stream_path: None,
            models: Vec::new(),
            except_models: Vec::new(),
            variant: None,
            region: None,
            overrides: BTreeMap::new(),
        }
    }
}

/// How a provider departs from a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// Anthropic messages on Vertex AI: the model is in the path, the version in the body
    /// (`anthropic_version: vertex-2023-10-16`), and no `anthropic-*` version header is sent.
    VertexAnthropic,
}

/// Request headers that carry a credential for some provider, or belong to one. None of them may reach a provider it
/// was not meant for, be it the client's or one an earlier attempt added.
pub const CREDENTIAL_HEADERS: [&str; 11] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "x-amz-date",
    "x-amz-content-sha256",
    "x-amz-security-token",
    "x-goog-user-project",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
];

/// Where a provider's credential comes from. In every case the filter first removes whatever
/// credentials the request carries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case", deny_unknown_fields)]
pub enum Credential {
    /// A filter behind this one adds it (Envoy's `credential_injector` with a secret from SDS), or the
    /// provider needs none.
    #[default]
    Injected,
    /// The client's own credential, moved to where this provider expects it. Needs
    /// `keep_client_credential` in the `llm` filter.
    Client {
        /// The provider's header.
        header: CredentialHeader,
        /// Pass on a token too by which the client has shown this gateway who it is, as far as `jwt_authn` has found it
        /// good ([`JWT_STATE`](crate::JWT_STATE)). Without it, such a client's token is nobody's key, and another
        /// credential of the client's takes its place.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        tokens: bool,
    },
    /// The client's own credential in a header of any name. Needs `keep_client_credential` too.
    ClientIn {
        /// The header, in small letters.
        header: String,
        /// What stands before the credential there, such as `Bearer `.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        prefix: String,
    },
}

impl Credential {
    /// Whether it is the client's own.
    pub fn is_clients(&self) -> bool {
        matches!(self, Self::Client { .. } | Self::ClientIn { .. })
    }
}

/// The header a provider reads its key from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialHeader {
    /// `authorization: Bearer …`
    Bearer,
    /// `x-api-key: …`
    XApiKey,
    /// `api-key: …` (Azure)
    ApiKey,
    /// `x-goog-api-key: …` (Gemini)
    XGoogApiKey,
}

impl Provider {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`Error`] with the field and what is wrong.
    pub fn from_json(json: &[u8]) -> Result<Self, Error> {
        let config: Self = parse(json, "provider")?;
        check_version(config.version)?;
        let invalid = |field: &str, message: &str| Error::Invalid {
            filter: "provider",
            field: field.to_owned(),
            message: message.to_owned(),
        };
        if config.name.is_empty() {
            return Err(invalid("name", "must not be empty"));
        }
        if config.speaks.is_empty() {
            return Err(invalid("speaks", "name at least one endpoint the provider offers"));
        }
        for (index, upstream) in config.speaks.iter().enumerate() {
            if upstream.endpoint == Endpoint::BedrockRerank && upstream.region.is_none() {
                return Err(invalid(&format!("speaks[{index}].region"), "`bedrock_rerank` needs it"));
            }
            for (field, path) in [("path", &upstream.path), ("stream_path", &upstream.stream_path)] {
                if path.as_ref().is_some_and(|path| !path.starts_with('/')) {
                    return Err(invalid(&format!("speaks[{index}].{field}"), "must begin with `/`"));
                }
            }
            for (field, patterns) in
                [("models", &upstream.models), ("except_models", &upstream.except_models)]
            {
                if patterns.iter().any(|pattern| pattern.matches('*').count() > 1) {
                    return Err(invalid(
                        &format!("speaks[{index}].{field}"),
                        "may hold at most one `*` each",
                    ));
                }
            }
        }
        for pattern in config.model_aliases.keys() {
            if pattern.matches('*').count() > 1 {
                return Err(invalid(&format!("model_aliases[{pattern:?}]"), "may hold at most one `*`"));
            }
        }
        if config.health.consecutive_failures == 0 || config.health.duration_ms == 0 {
            return Err(invalid("health", "`consecutive_failures` and `duration_ms` must be at least 1"));
        }
        if config.max_response_body_bytes == 0 {
            return Err(invalid("max_response_body_bytes", "must be at least 1"));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smallest_configuration() {
        let config =
            Provider::from_json(br#"{"name":"openai","speaks":[{"endpoint":"openai_chat"}]}"#).unwrap();
        assert_eq!(config.credential, Credential::Injected);
        assert_eq!(Provider::from_json(&serde_json::to_vec(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn refuses_with_the_field_named() {
        let message = |json: &str| Provider::from_json(json.as_bytes()).unwrap_err().to_string();
        assert!(message("").contains("missing field `name`"));
        assert!(message(r#"{"name":"x","speaks":[]}"#).contains("speaks"));
        assert!(
            message(r#"{"name":"x","speaks":[{"endpoint":"openai_chat","path":"v1"}]}"#)
                .contains("speaks[0].path")
        );
        assert!(
            message(r#"{"name":"x","speaks":[{"endpoint":"bedrock_rerank"}]}"#).contains("speaks[0].region")
        );
        assert!(
            message(r#"{"name":"x","speaks":[{"endpoint":"openai_chat"}],"model_aliases":{"a**":"b"}}"#)
                .contains("at most one")
        );
        assert!(
            message(r#"{"name":"x","speaks":[{"endpoint":"openai_chat"}],"credential":{"from":"vault"}}"#)
                .contains("unknown variant `vault`")
        );
    }
}
