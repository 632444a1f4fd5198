//! Configuration of the `api-keys` filter: who may call, by the key a client sends.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, TOLD_STATE_PREFIX, check_version, default_version, parse};

/// Configuration of the downstream `api-keys` filter. It stands behind `llm`, before `limit`. Which policy is for a
/// request says its route ([`ROUTE_API_KEYS`](crate::ROUTE_API_KEYS)).
///
/// Keys stand here as digests only. A key that is known is taken out of the request, and what is known of its owner is
/// published under [`API_KEY_STATE`](crate::API_KEY_STATE).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeys {
    /// Version of the contract.
    #[serde(default = "default_version")]
    pub version: u32,
    /// Name → policy. A route names the one that is for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, ApiKeyPolicy>,
    /// Name of the policy for requests whose route names none: for stand-alone use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_policy: Option<String>,
    /// Key of the filter state, beginning with [`TOLD_STATE_PREFIX`](crate::TOLD_STATE_PREFIX) → expression over
    /// `request`, `llm`, `jwt` and `apiKey` whose value is published there for access logs and spans: text as it is,
    /// anything else as JSON. What fails or is null is not published.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub told: BTreeMap<String, String>,
}

/// Whose keys are known, and what becomes of other requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyPolicy {
    /// What becomes of requests without a known key.
    #[serde(default)]
    pub mode: AuthenticationMode,
    /// Where the key stands.
    #[serde(default)]
    pub location: KeyLocation,
    /// SHA-256 of a key, as 64 lower-case hexadecimal digits → what is known of its owner. In expressions these are the
    /// fields of `apiKey`, beside `apiKey.key`, which is `sha256:` and the digest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, Map<String, Value>>,
}

/// What becomes of requests that do not say who they are, or not truly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticationMode {
    /// Both are refused with 401.
    #[default]
    Strict,
    /// Those without a key pass, those with an unknown one are refused with 401.
    Optional,
    /// Both pass.
    Permissive,
}

/// Where a client's key stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum KeyLocation {
    /// In a header, behind a prefix.
    Header {
        /// Lower-case name.
        name: String,
        /// What stands before the key, such as `Bearer `; compared without case. A header without it holds no key.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        prefix: String,
    },
    /// In a parameter of the query.
    QueryParameter {
        /// Its name.
        name: String,
    },
    /// In a cookie.
    Cookie {
        /// Its name.
        name: String,
    },
}

impl Default for KeyLocation {
    fn default() -> Self {
        Self::Header { name: "authorization".to_owned(), prefix: "Bearer ".to_owned() }
    }
}

impl ApiKeys {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`Error`] with the field and what is wrong.
    pub fn from_json(json: &[u8]) -> Result<Self, Error> {
        let config: Self = parse(json, "api-keys")?;
        check_version(config.version)?;
        for (policy, set) in &config.policies {
            let digest = |key: &String| {
                key.len() == 64
                    && key.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
            };
            // The text itself may be a key somebody has put here: it is not repeated.
            if let Some(place) = set.keys.keys().position(|key| !digest(key)) {
                let field = format!("policies[{policy:?}].keys[{place}]");
                return Err(invalid(
                    field,
                    "must be the SHA-256 of a key, as 64 lower-case hexadecimal digits",
                ));
            }
            let (KeyLocation::Header { name, .. }
            | KeyLocation::QueryParameter { name }
            | KeyLocation::Cookie { name }) = &set.location;
            let field = || format!("policies[{policy:?}].location.name");
            if name.is_empty() {
                return Err(invalid(field(), "must not be empty"));
            }
            let in_header_name = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
            if matches!(set.location, KeyLocation::Header { .. }) && !name.bytes().all(in_header_name) {
                return Err(invalid(field(), "must be the name of a header, in lower case"));
            }
        }
        if config.default_policy.as_ref().is_some_and(|name| !config.policies.contains_key(name)) {
            return Err(invalid("default_policy".to_owned(), "there is no such policy"));
        }
        if let Some(key) = config.told.keys().find(|key| !key.starts_with(TOLD_STATE_PREFIX)) {
            let message = format!("must begin with {TOLD_STATE_PREFIX}");
            return Err(invalid(format!("told[{key:?}]"), &message));
        }
        Ok(config)
    }
}

fn invalid(field: String, message: &str) -> Error {
    Error::Invalid { filter: "api-keys", field, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_with_defaults() {
        let digest = "a".repeat(64);
        let json = format!(
            r#"{{"policies":{{"p":{{"keys":{{"{digest}":{{"team":"red"}}}}}}}},"default_policy":"p"}}"#
        );
        let config = ApiKeys::from_json(json.as_bytes()).unwrap();
        assert_eq!(config.policies["p"].location, KeyLocation::default());
        assert_eq!(config.policies["p"].mode, AuthenticationMode::Strict);
        assert_eq!(ApiKeys::from_json(&serde_json::to_vec(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn refuses_with_the_field_named_and_no_key_repeated() {
        let message = |json: &str| ApiKeys::from_json(json.as_bytes()).unwrap_err().to_string();
        let plain = message(r#"{"policies":{"p":{"keys":{"sk-secret":{}}}}}"#);
        assert!(plain.contains("policies[\"p\"].keys[0]") && !plain.contains("sk-secret"), "{plain}");
        assert!(
            message(r#"{"policies":{"p":{"location":{"cookie":{"name":""}}}}}"#).contains("location.name")
        );
        for name in ["X-Key", ":path", "a b"] {
            let header = format!(r#"{{"policies":{{"p":{{"location":{{"header":{{"name":"{name}"}}}}}}}}}}"#);
            assert!(message(&header).contains("in lower case"));
        }
        assert!(message(r#"{"default_policy":"q"}"#).contains("default_policy"));
        assert!(message(r#"{"told":{"weir.api_key":"'x'"}}"#).contains("must begin with weir.told."));
    }
}
