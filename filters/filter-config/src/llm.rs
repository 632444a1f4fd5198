//! Configuration of the downstream `llm` filter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::endpoint::default_endpoints;
use crate::{Endpoint, Error, check_version, default_max_body_bytes, default_version, parse};

/// Configuration of the downstream `llm` filter: which requests are LLM requests, and what is published
/// about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Llm {
    /// Version of the contract.
    #[serde(default = "default_version")]
    pub version: u32,
    /// Path suffix → what is spoken there. The longest suffix that matches whole path segments wins; the
    /// query is ignored. One `{model}` in it stands for the model, which may hold slashes. Default: the paths of
    /// every endpoint Weir knows ([`default_endpoints`](crate::default_endpoints)).
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
    /// Names of models that stand for a choice → the choice, in order: the first target whose condition holds gets
    /// the request. In the model header stands then the target's name instead of the model; the body is not changed.
    /// When no condition holds the request is answered with 400 `virtual_model_no_matching_target`; a client that
    /// asks for the name of a target itself is answered as for a model nobody serves. Needs `model_header`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub virtual_models: BTreeMap<String, Vec<ConditionalTarget>>,
    /// Routes may say themselves what is spoken at their paths ([`ROUTE_ENDPOINTS`](crate::ROUTE_ENDPOINTS)). Looking
    /// costs a little on every request.
    #[serde(default)]
    pub route_endpoints: bool,
    /// Publish each field of the record under a key of its own as well, for spans and OTLP logs: the keys
    /// [`PUBLISHED_FIELDS`](crate::PUBLISHED_FIELDS). What is not known is not published.
    #[serde(default)]
    pub publish_fields: bool,
    /// Count the tokens of requests and read the most they ask for, as a `limit` filter behind this one needs to know to
    /// reserve them. Costs as much as reading the request a second time.
    #[serde(default)]
    pub count_tokens: bool,
    /// Leave it to an [`Order`](crate::Order) filter to ask for another order of clusters.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub defer_order: bool,
}

/// One way a virtual model can lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionalTarget {
    /// CEL expression over the request (`request.headers`, `request.path`, `llmRequest`, …). One that fails does not
    /// hold. Absent: always holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// What the model header gets for the requests that go this way: `<virtual model>#<index>`.
    pub name: String,
}

impl Default for Llm {
    fn default() -> Self {
        Self {
            version: default_version(),
            endpoints: default_endpoints(),
            model_header: None,
            keep_client_credential: false,
            max_request_body_bytes: default_max_body_bytes(),
            virtual_models: BTreeMap::new(),
            route_endpoints: false,
            publish_fields: false,
            count_tokens: false,
            defer_order: false,
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
            if !suffix.starts_with('/') || suffix.contains('?') || suffix.matches("{model}").count() > 1 {
                return Err(invalid(
                    format!("endpoints[{suffix:?}]"),
                    "must be a path suffix that begins with `/`, has no query and at most one `{model}`",
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
        for (model, targets) in &config.virtual_models {
            let field = || format!("virtual_models[{model:?}]");
            if config.model_header.is_none() {
                return Err(invalid(field(), "needs `model_header`"));
            }
            if targets.iter().any(|target| target.name.is_empty()) {
                return Err(invalid(field(), "every target must have a name"));
            }
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
        assert!(
            message(r#"{"virtual_models":{"fast":[{"name":"fast#0"}]}}"#).contains("needs `model_header`")
        );
        assert!(
            message(r#"{"model_header":"x-model","virtual_models":{"fast":[{"name":""}]}}"#)
                .contains("virtual_models[\"fast\"]")
        );
    }
}
