//! The contract between the control plane and the filters: what each filter is configured with, as
//! versioned JSON.
//!
//! The same JSON stands in a hand-written `envoy.yaml` and in what `weir` sends over ECDS, so every field
//! is documented for people. Unknown fields are refused: a misspelt field must not be silently ignored
//! by something that guards traffic.
//!
//! | filter (wasm `root_id`, native `filter_name`) | where | configuration |
//! |---|---|---|
//! | `llm` | HTTP connection manager, before the router | [`Llm`] |
//! | `provider` | a cluster's upstream HTTP filters, before credentials and the codec | [`Provider`] |
//! | `usage` | HTTP connection manager, works alone | [`UsageMeter`] |
#![forbid(unsafe_code)]

mod error;
mod llm;
mod provider;
mod usage;

pub use error::Error;
pub use llm::{Endpoint, Llm};
pub use provider::{Credential, CredentialHeader, Provider, Upstream};
pub use usage::UsageMeter;

/// The only version of the contract this build speaks. Absent means this version.
pub const VERSION: u32 = 1;

/// Name of the request header in which the `llm` filter publishes the model for routing, by default. It
/// is the name the Gateway API inference extension uses for body-based routing.
pub const MODEL_HEADER: &str = "x-gateway-model-name";

/// Default limit of request and response bodies that must be held whole: 32 MiB, room for a 20 MB image
/// as base64.
pub const DEFAULT_MAX_BODY_BYTES: u64 = 32 * 1024 * 1024;

/// Namespace of the route metadata the filters read, and the key under it that names the endpoint a
/// request without a recognised path is taken for (`openai_chat`, `anthropic_messages`).
pub const ROUTE_METADATA: (&str, &str) = ("weir", "default_endpoint");

fn default_version() -> u32 {
    VERSION
}

fn default_max_body_bytes() -> u64 {
    DEFAULT_MAX_BODY_BYTES
}

fn check_version(version: u32) -> Result<(), Error> {
    if version == VERSION { Ok(()) } else { Err(Error::Version { found: version }) }
}

fn parse<'a, T: serde::Deserialize<'a>>(json: &'a [u8], filter: &'static str) -> Result<T, Error> {
    // Envoy hands over an empty configuration when none is written: the defaults apply then.
    let json: &[u8] = if json.iter().all(u8::is_ascii_whitespace) { b"{}" } else { json };
    serde_json::from_slice(json).map_err(|error| Error::Json { filter, message: error.to_string() })
}
