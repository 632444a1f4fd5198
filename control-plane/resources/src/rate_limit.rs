//! `AgentgatewayPolicy.spec.traffic.rateLimit`: how many requests, tokens or dollars clients may use.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model_checks::check_expression;
use crate::rules::{at_least_one_of, exactly_one_of};
use crate::schema::Issue;
use crate::{HttpUrl, PolicyBackendRef};

/// How much clients may use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_least_one_of(&["conditional", "global", "local"]))]
#[x_kube(validation = Rule::new("!has(self.conditional) || !(has(self.global) || has(self.local) || has(self.reserve))")
    .message("conditional cannot be combined with other fields"))]
#[x_kube(validation = Rule::new(
    "!has(self.conditional) || !self.conditional.exists(c, !has(c.condition)) \
     || (self.conditional.filter(c, !has(c.condition)).size() == 1 \
         && !has(self.conditional[self.conditional.size() - 1].condition))")
    .message("only the last entry of conditional may have no condition"))]
pub struct RateLimit {
    /// Limits of which the first hold whose condition is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub conditional: Option<Vec<ConditionalRateLimit>>,
    /// Limits that every proxy keeps for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub local: Option<Vec<LocalRateLimit>>,
    /// Limits that a rate limit service keeps for all proxies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global: Option<GlobalRateLimit>,
    /// Extension of Weir: how tokens and costs are reserved before they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve: Option<RateLimitReserve>,
}

/// Limits that hold under a condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConditionalRateLimit {
    /// CEL expression over the request; when absent the limits hold for all that the entries before this one are not for.
    /// One that fails is not true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub condition: Option<String>,
    /// The limits.
    pub policy: RateLimits,
}

/// Limits without conditions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_least_one_of(&["global", "local"]))]
pub struct RateLimits {
    /// Limits that every proxy keeps for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub local: Option<Vec<LocalRateLimit>>,
    /// Limits that a rate limit service keeps for all proxies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global: Option<GlobalRateLimit>,
    /// Extension of Weir: how tokens and costs are reserved before they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve: Option<RateLimitReserve>,
}

/// A limit that every proxy keeps for itself: so much flows in evenly over the unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_of(&["requests", "tokens", "cost"]))]
pub struct LocalRateLimit {
    /// So many requests in a unit of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "positive_schema")]
    pub requests: Option<u32>,
    /// So many tokens in a unit of time, of input and output together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "positive_schema")]
    pub tokens: Option<u32>,
    /// Extension of Weir: so many millionths of a US dollar in a unit of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "cost_schema")]
    pub cost: Option<u64>,
    /// The unit of time.
    pub unit: RateLimitTime,
    /// What may be saved up beyond what flows in during one unit; nothing when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "burst_schema")]
    pub burst: Option<u32>,
    /// Extension of Weir: count what would be refused, and refuse nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<bool>,
}

/// Units of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RateLimitTime {
    /// 1 s
    Seconds,
    /// 60 s
    Minutes,
    /// 3600 s
    Hours,
}

impl RateLimitTime {
    /// How long it is, in milliseconds.
    pub fn milliseconds(self) -> u64 {
        match self {
            Self::Seconds => 1000,
            Self::Minutes => 60_000,
            Self::Hours => 3_600_000,
        }
    }
}

/// Limits that a rate limit service keeps, over Envoy's RLS protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_of(&["backendRef", "url"]))]
pub struct GlobalRateLimit {
    /// The service, as an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_ref: Option<PolicyBackendRef>,
    /// The service, as a URL without a path; `https` turns on TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^https?://[^/?#@]+/?$"))]
    pub url: Option<String>,
    /// Which of the service's limits are meant.
    #[schemars(length(min = 1, max = 256))]
    pub domain: String,
    /// What the service is told of a request; all of them in one call.
    #[schemars(length(min = 1, max = 16))]
    pub descriptors: Vec<RateLimitDescriptor>,
    /// What happens to requests when the service cannot be asked; `FailClosed` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_mode: Option<RateLimitFailureMode>,
}

/// What a rate limit service is told of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitDescriptor {
    /// Names and values that say what is counted together.
    #[schemars(length(min = 1, max = 16))]
    pub entries: Vec<RateLimitEntry>,
    /// What is counted; `Requests` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<RateLimitUnit>,
    /// CEL expression for how much a request counts: of requests over the request, of tokens and costs over `llm` when it
    /// has been answered. One request, all its tokens or its price when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub cost: Option<String>,
    /// CEL expression over the request for a limit in place of the service's own: an object with `unit` (`second`, `minute`,
    /// `hour`, `day`, `month` or `year`) and `requestsPerUnit`. Where it fails, the whole descriptor is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub limit_override: Option<String>,
}

/// A name and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitEntry {
    /// The name.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// CEL expression for the value. Where it fails, the whole descriptor is left out.
    #[schemars(length(min = 1, max = 16384))]
    pub expression: String,
}

/// What is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RateLimitUnit {
    /// Requests.
    #[default]
    Requests,
    /// Tokens of input and output.
    Tokens,
    /// Extension of Weir: millionths of a US dollar.
    Cost,
}

/// What happens to requests when the service cannot be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum RateLimitFailureMode {
    /// They are answered with 500.
    #[default]
    FailClosed,
    /// They pass.
    FailOpen,
}

/// How tokens and costs are reserved before they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_least_one_of(&["enabled", "outputTokens", "clampOutputTokens", "onUnknownUsage"]))]
pub struct RateLimitReserve {
    /// Take at admission what a request can use at most, and settle when it is over. Without it a request passes while
    /// anything is left, and is charged at the end, as agentgateway does. `true` for local limits when absent; global
    /// limits reserve only where it says so, because other rate limit services than Weir's cannot give back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Output tokens that are reserved for a request that names no maximum; 4096 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "positive_schema")]
    pub output_tokens: Option<u32>,
    /// Most output tokens a request may ask for: a larger maximum is lowered to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "positive_schema")]
    pub clamp_output_tokens: Option<u32>,
    /// What is charged when nobody says what was used; `ChargeReserved` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_unknown_usage: Option<UnknownUsage>,
}

/// What is charged when nobody says what was used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UnknownUsage {
    /// What was reserved.
    #[default]
    ChargeReserved,
    /// Nothing.
    Refund,
}

/// The published type of amounts: a signed 32-bit integer of at least 1.
fn positive_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "integer", "format": "int32", "minimum": 1, "maximum": i32::MAX })
}

/// Amounts of money, up to a billion dollars.
fn cost_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "integer", "format": "int64", "minimum": 1, "maximum": 1_000_000_000_000_000_i64 })
}

/// The published type of bursts.
fn burst_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "integer", "format": "int32", "minimum": 0, "maximum": i32::MAX })
}

/// Checks URLs, expressions and the names of entries.
pub(crate) fn check(path: &str, limit: &RateLimit, issues: &mut Vec<Issue>) {
    for (index, entry) in limit.conditional.iter().flatten().enumerate() {
        let path = format!("{path}.conditional[{index}]");
        if let Some(condition) = &entry.condition {
            check_expression(&format!("{path}.condition"), condition, issues);
        }
        if let Some(global) = &entry.policy.global {
            check_global(&format!("{path}.policy"), global, issues);
        }
    }
    if let Some(global) = &limit.global {
        check_global(path, global, issues);
    }
}

fn check_global(path: &str, global: &GlobalRateLimit, issues: &mut Vec<Issue>) {
    if let Some(text) = &global.url
        && let Err(problem) = HttpUrl::read(text)
    {
        let message = format!("{text:?} {problem}");
        issues.push(Issue::invalid(
            format!("{path}.global.url"),
            message,
            "write for example http://limits:8081",
        ));
    }
    for (index, descriptor) in global.descriptors.iter().enumerate() {
        let path = format!("{path}.global.descriptors[{index}]");
        for (index, entry) in descriptor.entries.iter().enumerate() {
            let path = format!("{path}.entries[{index}]");
            if entry.name.starts_with("weir.") {
                let message = "names that begin with `weir.` are Weir's own";
                issues.push(Issue::invalid(format!("{path}.name"), message, "choose another name"));
            }
            check_expression(&format!("{path}.expression"), &entry.expression, issues);
        }
        if let Some(cost) = &descriptor.cost {
            check_expression(&format!("{path}.cost"), cost, issues);
        }
        if let Some(limit) = &descriptor.limit_override {
            check_expression(&format!("{path}.limitOverride"), limit, issues);
        }
    }
}
