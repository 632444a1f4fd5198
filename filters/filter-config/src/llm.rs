//! Configuration of the downstream `llm` filter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, check_version, default_max_body_bytes, default_version, parse};

/// Configuration of the downstream `llm` filter: which requests are LLM requests, and what is published
/// about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Llm {
    /// Version of the contract.
    #[serde(default = "default_version")]
    pub version: u32,
    /// Path suffix → what is spoken there. The longest suffix that matches whole path segments wins; the
    /// query is ignored. Default: `/chat/completions` and `/messages`.
    #[serde(default = "default_endpoints")]
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Publish the body's `model` in this request header before routing, so that routes can match it.
    /// The header never reaches the provider, and what a client sends in it is removed. Absent: not
    /// published, which saves a route lookup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_header: Option<String>,
    /// Keep the client's credential for `provider` filters with `credential: {from: client}`.
    #[serde(default)]
    pub keep_client_credential: bool,
    /// Largest request body, in bytes; a larger one is answered with 413.
    #[serde(default = "default_max_body_bytes")]
    pub max_request_body_bytes: u64,
}

/// What is spoken at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// OpenAI chat completions.
    OpenaiChat,
    /// Anthropic messages.
    AnthropicMessages,
}

fn default_endpoints() -> BTreeMap<String, Endpoint> {
    BTreeMap::from([
        ("/chat/completions".to_owned(), Endpoint::OpenaiChat),
        ("/messages".to_owned(), Endpoint::AnthropicMessages),
    ])
}

impl Default for Llm {
    fn default() -> Self {
        Self {
            version: default_version(),
            endpoints: default_endpoints(),
            model_header: None,
            keep_client_credential: false,
            max_request_body_bytes: default_max_body_bytes(),
        }
    }
}

impl Llm {
    /// Reads a configuration; empty input gives the defaults.
    ///
    /// # Errors
    /// [`Error`] with the field and what is wrong.
    pub fn from_json(json: &[u8]) -> Result<Self, Error> {
        let config: Self = parse(json, "llm")?;
        check_version(config.version)?;
        let invalid = |field: String, message: &str| Error::Invalid {
            filter: "llm",
            field,
            message: message.to_owned(),
        };
        for suffix in config.endpoints.keys() {
            if !suffix.starts_with('/') || suffix.contains('?') {
                return Err(invalid(
                    format!("endpoints[{suffix:?}]"),
                    "must be a path suffix that begins with `/` and has no query",
                ));
            }
        }
        if let Some(header) = &config.model_header
            && (header.is_empty()
                || !header.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
        {
            return Err(invalid(
                "model_header".to_owned(),
                "must be a lower-case header name of letters, digits and `-`",
            ));
        }
        if config.max_request_body_bytes == 0 {
            return Err(invalid("max_request_body_bytes".to_owned(), "must be at least 1"));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_default() {
        assert_eq!(Llm::from_json(b" ").unwrap(), Llm::default());
        assert_eq!(Llm::from_json(b"{}").unwrap(), Llm::default());
    }

    #[test]
    fn round_trips() {
        let config =
            Llm { model_header: Some("x-model".into()), keep_client_credential: true, ..Llm::default() };
        assert_eq!(Llm::from_json(&serde_json::to_vec(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn refuses_with_the_field_named() {
        let message = |json: &str| Llm::from_json(json.as_bytes()).unwrap_err().to_string();
        assert!(message(r#"{"modelheader":"x"}"#).contains("unknown field `modelheader`"));
        assert!(message(r#"{"version":2}"#).contains("version 2"));
        assert!(message(r#"{"endpoints":{"chat":"openai_chat"}}"#).contains("endpoints[\"chat\"]"));
        assert!(message(r#"{"model_header":"X Model"}"#).contains("model_header"));
    }
}
