//! Configuration of the `order` filter.

use serde::{Deserialize, Serialize};

use crate::{Error, check_version, default_version, parse};

/// Configuration of the downstream `order` filter: it asks for another order of clusters while some of the route's cool
/// down, in place of an `llm` filter with [`defer_order`](crate::Llm::defer_order).
///
/// Under wasm, an `llm` filter that publishes the model for routing cannot see the route this leads to: Envoy goes on to show
/// modules the one before until another filter has asked for it. So this filter stands behind `llm` and any filter of
/// Envoy's that looks at the route, such as an empty `header_mutation`; and before those that read the header it sets
/// ([`ORDER_HEADER`](crate::ORDER_HEADER)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Version of the contract.
    #[serde(default = "default_version")]
    pub version: u32,
}

impl Default for Order {
    fn default() -> Self {
        Self { version: default_version() }
    }
}

impl Order {
    /// Reads a configuration; empty input gives the defaults.
    ///
    /// # Errors
    /// [`Error`] with the field and what is wrong.
    pub fn from_json(json: &[u8]) -> Result<Self, Error> {
        let config: Self = parse(json, "order")?;
        check_version(config.version)?;
        Ok(config)
    }
}
