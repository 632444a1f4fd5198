//! Configuration of the upstream `provider` filter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Endpoint, Error, check_version, default_max_body_bytes, default_version, parse};

/// Configuration of the upstream `provider` filter: what the cluster it sits on speaks and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Version of the contract.
    #[serde(default = "default_version")]
    pub version: u32,
    /// The provider's name in logs and metrics: `openai`, `anthropic`, or one's own.
    pub name: String,
    /// What the provider speaks, in order of preference. A client dialect that is in the list passes
    /// through; any other is translated to the first.
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
    /// Name of the header in which the model was published for routing, to be removed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_header: Option<String>,
    /// Largest answer that may be held whole, in bytes (answers that are not streamed, and errors).
    #[serde(default = "default_max_body_bytes")]
    pub max_response_body_bytes: u64,
}

/// One wire format of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// What is spoken.
    pub endpoint: Endpoint,
    /// Path of requests, query included; `/v1/chat/completions`. Absent: the client's path is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

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
    },
}

/// The header a provider reads its key from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialHeader {
    /// `authorization: Bearer …`
    Bearer,
    /// `x-api-key: …`
    XApiKey,
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
            if upstream.path.as_ref().is_some_and(|path| !path.starts_with('/')) {
                return Err(invalid(&format!("speaks[{index}].path"), "must begin with `/`"));
            }
        }
        for pattern in config.model_aliases.keys() {
            if pattern.matches('*').count() > 1 {
                return Err(invalid(&format!("model_aliases[{pattern:?}]"), "may hold at most one `*`"));
            }
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
            message(r#"{"name":"x","speaks":[{"endpoint":"openai_chat"}],"model_aliases":{"a**":"b"}}"#)
                .contains("at most one")
        );
        assert!(
            message(r#"{"name":"x","speaks":[{"endpoint":"openai_chat"}],"credential":{"from":"vault"}}"#)
                .contains("unknown variant `vault`")
        );
    }
}
