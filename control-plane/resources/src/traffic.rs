//! `AgentgatewayPolicy.spec.traffic`: what happens to requests before a backend is chosen.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::duration_at_least;
use crate::unserved::Refused;
use crate::{ApiKeyAuthentication, Duration, JwtAuthentication, RateLimit};

/// What happens to requests before a backend is chosen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "!has(self.phase) || self.phase != 'PreRouting' || !(has(self.buffer) || has(self.csrf) || has(self.delay) \
     || has(self.directResponse) || has(self.headerModifiers) || has(self.hostRewrite) || has(self.rateLimit) \
     || has(self.retry) || has(self.timeouts))")
    .message("phase PreRouting cannot be combined with buffer, csrf, delay, directResponse, headerModifiers, \
              hostRewrite, rateLimit, retry or timeouts"))]
pub struct TrafficPolicy {
    /// Whether the policy applies before or after a route is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<TrafficPhase>,
    /// Longest times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TrafficTimeouts>,
    /// Repetition of failed requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<TrafficRetry>,
    /// API keys of clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_authentication: Option<ApiKeyAuthentication>,
    /// Rules on who may do what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Refused>,
    /// User names and passwords of clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_authentication: Option<Refused>,
    /// Holding of whole bodies before they are forwarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer: Option<Refused>,
    /// Cross-origin requests of browsers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Refused>,
    /// Protection against forged cross-site requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csrf: Option<Refused>,
    /// Deliberate latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Refused>,
    /// A fixed answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct_response: Option<Refused>,
    /// Authorization by another service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ext_auth: Option<Refused>,
    /// Processing by another service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ext_proc: Option<Refused>,
    /// Fixed changes of headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_modifiers: Option<Refused>,
    /// The Host header sent upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_rewrite: Option<Refused>,
    /// JSON web tokens of clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_authentication: Option<JwtAuthentication>,
    /// Limits on requests, tokens or costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Rewriting of headers and bodies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transformation: Option<Refused>,
}

/// When a traffic policy applies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TrafficPhase {
    /// Before a route is chosen.
    PreRouting,
    /// After a route is chosen.
    #[default]
    PostRouting,
}

/// Longest times for a request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.request)").message("request must be set"))]
pub struct TrafficTimeouts {
    /// The whole exchange with all its attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = duration_at_least("1ms"))]
    pub request: Option<Duration>,
}

/// Repetition of failed requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficRetry {
    /// Most repetitions; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "attempts_schema")]
    pub attempts: Option<u32>,
    /// Pause before a repetition; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Duration>,
    /// Status codes after which a request is repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "codes_schema")]
    pub codes: Option<Vec<u16>>,
    /// A condition on the response after which a request is repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::refused_string")]
    pub condition: Option<Refused>,
    /// A condition on the request without which it is never repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::refused_string")]
    pub precondition: Option<Refused>,
}

/// Counts of repetitions: the published type is a signed 32-bit integer of at least 1.
fn attempts_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "integer", "format": "int32", "minimum": 1 })
}

/// A set of HTTP error codes.
fn codes_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "set",
        "items": { "type": "integer", "format": "int32", "minimum": 400, "maximum": 599 },
    })
}
