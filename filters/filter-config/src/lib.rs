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
//! | `order` | HTTP connection manager, behind `llm`, under wasm | [`Order`] |
//! | `provider` | a cluster's upstream HTTP filters, before credentials and the codec | [`Provider`] |
//! | `api-keys` | HTTP connection manager, behind `llm` or alone | [`ApiKeys`] |
//! | `limit` | HTTP connection manager, behind `llm` or `usage` | [`Limit`] |
//! | `guard` | HTTP connection manager, works alone; or a cluster's upstream HTTP filters, before `provider` | [`Guard`] |
//! | `usage` | HTTP connection manager, works alone | [`UsageMeter`] |
#![forbid(unsafe_code)]

mod api_keys;
mod endpoint;
mod error;
mod guard;
mod limit;
mod limit_override;
mod llm;
mod order;
mod provider;
mod request_policy;
mod usage;
pub mod variables;

pub use api_keys::{ApiKeyPolicy, ApiKeys, AuthenticationMode, KeyLocation};
pub use endpoint::{Endpoint, default_endpoints};
pub use error::Error;
pub use guard::{
    Action, BedrockGuardrails, Builtin, Callout, Check, Guard, HeaderMatch, JsonSchemaCheck, Keywords,
    LengthCheck, LengthLimits, ModelArmor, OnFailure, OpenaiModeration, Pattern, Rejection, Rule, Scope,
    TextCheck, ValueMatch, Webhook,
};
pub use limit::{
    Descriptor, DescriptorEntry, Limit, LimitPolicy, LocalLimit, OnUnknownUsage, Reserve, RouteLimit, Sends,
    Unit,
};
pub use limit_override::LimitOverride;
pub use llm::{ConditionalTarget, Llm};
pub use order::Order;
pub use provider::{CREDENTIAL_HEADERS, Credential, CredentialHeader, Health, Provider, Upstream, Variant};
pub use request_policy::{Prompt, PromptCaching, PromptMessage, RequestPolicy};
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

/// Key of the route metadata, in the namespace of [`ROUTE_METADATA`], with what is spoken at paths of the route
/// instead of what [`Llm::endpoints`] says: a JSON object, as text, of path suffixes and names of endpoints; the
/// suffix `*` stands for every other path.
pub const ROUTE_ENDPOINTS: &str = "endpoints";

/// Keys of the filter state under which the fields of the record are published one by one when
/// [`Llm::publish_fields`] is set, each with the name of the attribute it becomes in spans and logs. Values are
/// text; counts are decimal, times are milliseconds.
pub const PUBLISHED_FIELDS: [(&str, &str); 10] = [
    ("weir.gen_ai.operation.name", "gen_ai.operation.name"),
    ("weir.gen_ai.provider.name", "gen_ai.provider.name"),
    ("weir.gen_ai.request.model", "gen_ai.request.model"),
    ("weir.gen_ai.response.model", "gen_ai.response.model"),
    ("weir.gen_ai.usage.input_tokens", "gen_ai.usage.input_tokens"),
    ("weir.gen_ai.usage.output_tokens", "gen_ai.usage.output_tokens"),
    ("weir.gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read.input_tokens"),
    ("weir.gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation.input_tokens"),
    ("weir.gen_ai.usage.reasoning_tokens", "gen_ai.usage.reasoning_tokens"),
    ("weir.time_to_first_token", "agw.ai.time_to_first_token"),
];

/// Namespace and key of the route metadata that names the clusters of a route with several: JSON, a list of groups in
/// order of preference, each a list of names. The `llm` filter asks for another order while some of them cool down.
pub const ROUTE_GROUPS: (&str, &str) = ("weir", "groups");

/// Key of the route metadata, in the namespace of [`ROUTE_METADATA`], with the [`LimitPolicy`]s that are for requests of
/// the route: a JSON list of [`RouteLimit`]s, as text.
pub const ROUTE_LIMITS: &str = "limits";

/// Key of the route metadata, in the namespace of [`ROUTE_METADATA`], with the name of the [`ApiKeyPolicy`] that is for
/// requests of the route.
pub const ROUTE_API_KEYS: &str = "api_keys";

/// Key of the filter state in which the `api-keys` filter publishes whose key a request came with: a JSON object,
/// `apiKey` in expressions.
pub const API_KEY_STATE: &str = "weir.api_key";

/// Key of the filter state with the claims of the token a request came with: a JSON object, `jwt` in expressions. Envoy's
/// own `set_filter_state` writes it behind `jwt_authn`, so it has no `wasm.` before it in either build.
pub const JWT_STATE: &str = "weir.jwt";

/// What the keys of the filter state begin with under which the `api-keys` filter publishes the values of
/// [`ApiKeys::told`].
pub const TOLD_STATE_PREFIX: &str = "weir.told.";

/// Key of the filter state with what guards found, for access logs: a JSON list of objects with `guard`, `phase`,
/// `action` and `matches`; never any text. Guards that found nothing are not in it.
pub const GUARDS_STATE: &str = "weir.guards";

/// Request header by which the wasm build asks for another order of clusters: base64 of a `google.protobuf.Value`, for
/// Envoy's `header_to_metadata`, which removes it. Never from a client: the `llm` filter removes what comes in it.
pub const ORDER_HEADER: &str = "x-weir-cluster-order";

/// Namespace and key of the dynamic metadata in which the order of clusters stands.
pub const ORDER_METADATA: (&str, &str) = ("weir.order", "priority_groups");

/// Request header in which the `limit` filter says what limits go to the rate limit service: base64 of a
/// `google.protobuf.Value`, for Envoy's `header_to_metadata`, which removes it. Never from a client: the `limit` filter
/// removes what comes in it.
pub const LIMIT_OVERRIDES_HEADER: &str = "x-weir-limit-overrides";

/// Namespace and key of the dynamic metadata in which those limits stand: an object of objects with `requests_per_unit`
/// and `unit`, under the names of their [`Descriptor`]s, as Envoy's `ratelimit` filter takes them.
pub const LIMIT_OVERRIDES_METADATA: (&str, &str) = ("weir.limit", "overrides");

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
