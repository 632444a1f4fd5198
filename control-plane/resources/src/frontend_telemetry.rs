//! `AgentgatewayPolicy.spec.frontend`: the access log and traces.

use kube::KubeSchema;
use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model_checks::check_expression;
use crate::rules::{at_least_one_of, exactly_one_of};
use crate::schema::Issue;
use crate::{FrontendPolicy, PolicyBackendRef};

/// Which requests are logged, with which fields, and where the log is sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrontendAccessLog {
    /// CEL expression; a request is logged when it is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub filter: Option<String>,
    /// Fields to add and to leave out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<TelemetryAttributes>,
    /// A collector that gets the log over OTLP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otlp: Option<OtlpLog>,
}

/// Fields to add and to leave out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_least_one_of(&["add", "remove"]))]
pub struct TelemetryAttributes {
    /// Fields to add, or to have another value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub add: Option<Vec<TelemetryAttribute>>,
    /// Names of fields to leave out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 64)))]
    pub remove: Option<Vec<String>>,
}

/// A field with its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TelemetryAttribute {
    /// Name of the field.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// CEL expression for its value.
    #[schemars(length(min = 1, max = 16384))]
    pub expression: String,
}

/// Transports of OTLP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OtlpProtocol {
    /// gRPC
    #[default]
    #[serde(rename = "GRPC")]
    Grpc,
    /// Protobuf over HTTP
    #[serde(rename = "HTTP")]
    Http,
}

/// Over gRPC there is no path.
fn path_rule() -> Rule {
    Rule::new("!has(self.path) || (has(self.protocol) && self.protocol == 'HTTP')")
        .message("path requires protocol HTTP")
}

/// The same for a path in the URL.
fn url_rule() -> Rule {
    Rule::new(
        "!has(self.url) || (has(self.protocol) && self.protocol == 'HTTP') || self.url.matches('^https?://[^/]+/?$')",
    )
    .message("a url with a path requires protocol HTTP")
}

/// A collector of logs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_of(&["backendRef", "url"]))]
#[x_kube(validation = path_rule())]
#[x_kube(validation = url_rule())]
pub struct OtlpLog {
    /// The collector, as an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_ref: Option<PolicyBackendRef>,
    /// The collector, as a URL; `https` turns on TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^https?://[^/?#@]+(/[^?#]*)?$"))]
    pub url: Option<String>,
    /// Transport; `GRPC` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<OtlpProtocol>,
    /// Path of requests over HTTP; `/v1/logs` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^/"))]
    pub path: Option<String>,
    /// CEL expression instead of the one of the whole log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub filter: Option<String>,
    /// Fields to add and to leave out, instead of those of the whole log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<TelemetryAttributes>,
}

/// Export of traces, and which requests are traced.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_of(&["backendRef", "url"]))]
#[x_kube(validation = path_rule())]
#[x_kube(validation = url_rule())]
pub struct FrontendTracing {
    /// The collector, as an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_ref: Option<PolicyBackendRef>,
    /// The collector, as a URL; `https` turns on TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^https?://[^/?#@]+(/[^?#]*)?$"))]
    pub url: Option<String>,
    /// Transport; `GRPC` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<OtlpProtocol>,
    /// Path of requests over HTTP; `/v1/traces` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^/"))]
    pub path: Option<String>,
    /// Attributes of spans to add and to leave out; an added `span.name` names the span.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<TelemetryAttributes>,
    /// Attributes of what sends the spans; `service.name` names the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Vec<ResourceAttribute>>,
    /// CEL expression for the share of requests without a trace of their own that is traced: a boolean, or a number
    /// from 0 to 1. None when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub random_sampling: Option<String>,
    /// CEL expression for the share of requests with a trace of their own that is traced. All when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub client_sampling: Option<String>,
    /// CEL expression; a trace is exported when it is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub filter: Option<String>,
}

/// An attribute of what sends spans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceAttribute {
    /// Name of the attribute.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// CEL expression for its value, evaluated without a request.
    #[schemars(length(min = 1, max = 16384))]
    pub expression: String,
}

/// Checks the expressions and URLs of a policy's telemetry.
pub(crate) fn check(frontend: &FrontendPolicy, issues: &mut Vec<Issue>) {
    let mut expressions: Vec<(String, &str)> = Vec::new();
    fn of_attributes<'a>(
        path: &str,
        attributes: &'a Option<TelemetryAttributes>,
        expressions: &mut Vec<(String, &'a str)>,
    ) {
        let added = attributes.iter().flat_map(|attributes| attributes.add.iter().flatten());
        expressions.extend(
            added
                .enumerate()
                .map(|(index, one)| (format!("{path}.attributes.add[{index}].expression"), &*one.expression)),
        );
    }
    if let Some(log) = &frontend.access_log {
        expressions.extend(
            log.filter.iter().map(|text| ("spec.frontend.accessLog.filter".to_owned(), text.as_str())),
        );
        of_attributes("spec.frontend.accessLog", &log.attributes, &mut expressions);
        if let Some(otlp) = &log.otlp {
            let path = "spec.frontend.accessLog.otlp";
            expressions.extend(otlp.filter.iter().map(|text| (format!("{path}.filter"), text.as_str())));
            of_attributes(path, &otlp.attributes, &mut expressions);
        }
    }
    if let Some(tracing) = &frontend.tracing {
        let path = "spec.frontend.tracing";
        let single = [
            ("randomSampling", &tracing.random_sampling),
            ("clientSampling", &tracing.client_sampling),
            ("filter", &tracing.filter),
        ];
        expressions.extend(
            single.iter().filter_map(|(field, text)| Some((format!("{path}.{field}"), text.as_deref()?))),
        );
        of_attributes(path, &tracing.attributes, &mut expressions);
        let resources = tracing.resources.iter().flatten().enumerate();
        expressions.extend(
            resources.map(|(index, one)| (format!("{path}.resources[{index}].expression"), &*one.expression)),
        );
    }
    for (path, expression) in expressions {
        check_expression(&path, expression, issues);
    }
}
