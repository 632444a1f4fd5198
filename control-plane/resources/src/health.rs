//! When a provider counts as unhealthy: `health` of a backend or model.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Duration;
use crate::rules::duration_at_least;
use crate::unserved::Ignored;

/// When a provider counts as unhealthy, and for how long others are asked before it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendHealth {
    /// CEL condition over `response.code` and `response.headers` that holds for unhealthy answers. Absent: a code from
    /// 500 on. No answer at all is always unhealthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub unhealthy_condition: Option<String>,
    /// How an unhealthy provider is avoided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eviction: Option<Eviction>,
}

/// How an unhealthy provider is avoided.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Eviction {
    /// How long others are asked first: so long the first time, longer each further time. 3 seconds by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = duration_at_least("1s"))]
    pub duration: Option<Duration>,
    /// Unhealthy answers in a row that it takes. Absent: the first is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub consecutive_failures: Option<i32>,
    /// Share of healthy answers, in percent, below which the provider is avoided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::ignored_integer")]
    pub health_threshold: Option<Ignored>,
    /// The share of healthy answers, in percent, that is assumed afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::ignored_integer")]
    pub restore_health: Option<Ignored>,
}
