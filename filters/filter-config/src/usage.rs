//! Configuration of the stand-alone `usage` filter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Endpoint, Error, Llm, check_version, default_max_body_bytes, default_version, parse};

/// Configuration of the stand-alone `usage` filter: counts the tokens of LLM traffic that passes an
/// ordinary Envoy, and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageMeter {
    /// Version of the contract.
    #[serde(default = "default_version")]
    pub version: u32,
    /// Path suffix → what is spoken there, as in the `llm` filter.
    #[serde(default = "default_endpoints")]
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Largest answer to read usage from when it is not streamed, in bytes. A larger one passes
    /// uncounted, and its record says so.
    #[serde(default = "default_max_body_bytes")]
    pub max_response_body_bytes: u64,
}

fn default_endpoints() -> BTreeMap<String, Endpoint> {
    Llm::default().endpoints
}

impl Default for UsageMeter {
    fn default() -> Self {
        Self {
            version: default_version(),
            endpoints: default_endpoints(),
            max_response_body_bytes: default_max_body_bytes(),
        }
    }
}

impl UsageMeter {
    /// Reads a configuration; empty input gives the defaults.
    ///
    /// # Errors
    /// [`Error`] with the field and what is wrong.
    pub fn from_json(json: &[u8]) -> Result<Self, Error> {
        let config: Self = parse(json, "usage")?;
        check_version(config.version)?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_default_and_unknown_fields_are_refused() {
        assert_eq!(UsageMeter::from_json(b"").unwrap(), UsageMeter::default());
        assert!(
            UsageMeter::from_json(br#"{"max":1}"#).unwrap_err().to_string().contains("unknown field `max`")
        );
    }
}
