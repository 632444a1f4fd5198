//! `AgentgatewayPolicy`: settings attached to Gateways, routes, Services and backends.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::Rule;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{at_least_one_of, at_most_one_of, exactly_one_of};
use crate::{BackendPolicy, FrontendPolicy, Port, TrafficPolicy};

/// Settings and the objects they are attached to.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "agentgateway.dev",
    version = "v1alpha1",
    kind = "AgentgatewayPolicy",
    plural = "agentgatewaypolicies",
    shortname = "agpol",
    category = "agentgateway",
    label("app", "agentgateway"),
    label("app.kubernetes.io/name", "agentgateway"),
    label("gateway.networking.k8s.io/policy", "Direct"),
    printcolumn = r#"{"name":"Accepted","type":"string","jsonPath":".status.ancestors[*].conditions[?(@.type==\"Accepted\")].status","description":"Whether the policy is usable"}"#,
    printcolumn = r#"{"name":"Attached","type":"string","jsonPath":".status.ancestors[*].conditions[?(@.type==\"Attached\")].status","description":"Whether the policy is attached to its targets"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    status = "AgentgatewayPolicyStatus",
    derive = "PartialEq",
    namespaced
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_of(&["targetRefs", "targetSelectors"]))]
#[x_kube(validation = at_least_one_of(&["traffic", "frontend", "backend"]))]
#[x_kube(validation = Rule::new(
    "!has(self.targetRefs) || self.targetRefs.all(t, t.kind == self.targetRefs[0].kind && t.group == self.targetRefs[0].group)")
    .message("all targetRefs must be of the same kind"))]
#[x_kube(validation = Rule::new(
    "!has(self.targetSelectors) || self.targetSelectors.all(t, t.kind == self.targetSelectors[0].kind && t.group == self.targetSelectors[0].group)")
    .message("all targetSelectors must be of the same kind"))]
#[x_kube(validation = when_then("has(self.backend) && has(self.backend.mcp)",
    "t.kind != 'Service' && (t.kind != 'AgentgatewayBackend' || !has(t.sectionName))",
    "backend.mcp cannot target a Service, nor a section of an AgentgatewayBackend"))]
#[x_kube(validation = when_then("has(self.backend) && has(self.backend.ai)", "t.kind != 'Service'",
    "backend.ai cannot target a Service"))]
#[x_kube(validation = when_then("has(self.frontend)", "t.kind == 'Gateway'", "frontend can only target a Gateway"))]
#[x_kube(validation = when_then(
    "has(self.frontend) && (has(self.frontend.tcp) || has(self.frontend.networkAuthorization) || has(self.frontend.tls) \
     || has(self.frontend.http) || has(self.frontend.proxyProtocol) || has(self.frontend.connect))",
    "!has(t.sectionName)",
    "frontend settings other than accessLog, tracing and metrics cannot target a single listener (sectionName)"))]
#[x_kube(validation = when_then("has(self.traffic) || has(self.backend)", "!has(t.port)",
    "port can only be targeted by a policy that sets frontend alone"))]
#[x_kube(validation = when_then("has(self.traffic)",
    "t.kind in ['Gateway', 'ListenerSet', 'HTTPRoute', 'GRPCRoute', 'InferencePool']",
    "traffic can only target a Gateway, ListenerSet, HTTPRoute, GRPCRoute or InferencePool"))]
#[x_kube(validation = when_then(
    "has(self.traffic) && has(self.traffic.phase) && self.traffic.phase == 'PreRouting'",
    "t.kind in ['Gateway', 'ListenerSet']",
    "traffic.phase PreRouting can only target a Gateway or ListenerSet"))]
#[x_kube(validation = Rule::new("!has(self.strategy) || (has(self.traffic) && !has(self.frontend) && !has(self.backend))")
    .message("strategy requires a policy that sets traffic alone"))]
pub struct AgentgatewayPolicySpec {
    /// The objects the policy applies to, all of one kind and in the policy's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub target_refs: Option<Vec<PolicyTargetRef>>,
    /// Labels of the objects the policy applies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub target_selectors: Option<Vec<PolicyTargetSelector>>,
    /// How clients connect to a Gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frontend: Option<FrontendPolicy>,
    /// What happens to requests before a backend is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<TrafficPolicy>,
    /// How to connect to backends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendPolicy>,
    /// How this policy combines with others of the same field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<PolicyStrategy>,
}

/// When `condition` holds for the spec, `requirement` must hold for every target `t`.
fn when_then(condition: &str, requirement: &str, message: &str) -> Rule {
    Rule::new(format!(
        "!({condition}) || ((!has(self.targetRefs) || self.targetRefs.all(t, {requirement})) \
         && (!has(self.targetSelectors) || self.targetSelectors.all(t, {requirement})))"
    ))
    .message(message)
}

/// The kinds of object a policy may target.
fn target_kind_rule() -> Rule {
    Rule::new(
        "(self.group == '' && self.kind == 'Service') \
         || (self.group == 'agentgateway.dev' && self.kind == 'AgentgatewayBackend') \
         || (self.group == 'gateway.networking.k8s.io' && self.kind in ['Gateway', 'HTTPRoute', 'GRPCRoute', 'ListenerSet']) \
         || (self.group == 'inference.networking.k8s.io' && self.kind == 'InferencePool')",
    )
    .message(
        "group and kind must name a core Service, an agentgateway.dev AgentgatewayBackend, a \
         gateway.networking.k8s.io Gateway, HTTPRoute, GRPCRoute or ListenerSet, or an \
         inference.networking.k8s.io InferencePool",
    )
}

/// A section of a Service is one of its ports.
fn service_section_rule() -> Rule {
    Rule::new(
        "self.kind != 'Service' || !has(self.sectionName) || (self.sectionName.matches('^[0-9]{1,5}$') \
         && int(self.sectionName) >= 1 && int(self.sectionName) <= 65535)",
    )
    .message("sectionName of a Service must be a port from 1 to 65535")
}

/// Names one object the policy applies to, or a section of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = target_kind_rule())]
#[x_kube(validation = service_section_rule())]
#[x_kube(validation = at_most_one_of(&["sectionName", "port"]))]
pub struct PolicyTargetRef {
    /// API group of the object; empty for a Service.
    #[schemars(length(max = 253))]
    pub group: String,
    /// Kind of the object.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Section of the object: a listener, a route rule, a Service port or a provider, by kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,
    /// Port of a Gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
}

/// Selects the objects the policy applies to by their labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = target_kind_rule())]
#[x_kube(validation = service_section_rule())]
#[x_kube(validation = at_most_one_of(&["sectionName", "port"]))]
pub struct PolicyTargetSelector {
    /// API group of the objects; empty for Services.
    #[schemars(length(max = 253))]
    pub group: String,
    /// Kind of the objects.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Labels that the objects must have.
    pub match_labels: std::collections::BTreeMap<String, String>,
    /// Section of the objects: a listener, a route rule, a Service port or a provider, by kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,
    /// Port of a Gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
}

/// How a policy combines with others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStrategy {
    /// Whether policies on more specific targets may replace this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inheritance: Option<Inheritance>,
}

/// Whether policies on more specific targets may replace one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Inheritance {
    /// The more specific policy wins.
    #[default]
    Default,
    /// The less specific policy wins.
    Override,
}

/// What the controller found out about a policy, per Gateway it is in force on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentgatewayPolicyStatus {
    /// One entry per ancestor, as in the Gateway API's policy attachment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub ancestors: Vec<PolicyAncestorStatus>,
}

/// The state of a policy on one ancestor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyAncestorStatus {
    /// The ancestor, usually a Gateway.
    pub ancestor_ref: PolicyAncestorRef,
    /// Name of the controller that wrote the entry.
    #[schemars(length(min = 1, max = 253))]
    pub controller_name: String,
    /// Conditions by type: `Accepted` and `Attached`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
}

/// Names an ancestor of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyAncestorRef {
    /// API group of the ancestor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub group: Option<String>,
    /// Kind of the ancestor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub kind: Option<String>,
    /// Namespace of the ancestor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Name of the ancestor.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Section of the ancestor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,
    /// Port of the ancestor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
}
