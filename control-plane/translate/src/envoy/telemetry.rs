//! Traces and logs over OTLP.

use std::collections::BTreeMap;
use std::time::Duration;

use envoy_proto::envoy::config::accesslog::v3::{
    AccessLog, AccessLogFilter, ExtensionFilter, access_log, access_log_filter, extension_filter,
};
use envoy_proto::envoy::config::core::v3::{
    GrpcService, HttpService, HttpUri, TypedExtensionConfig, grpc_service, http_uri,
};
use envoy_proto::envoy::config::trace::v3::{OpenTelemetryConfig, tracing as tracer};
use envoy_proto::envoy::extensions::access_loggers::filters::cel::v3::ExpressionFilter;
use envoy_proto::envoy::extensions::access_loggers::open_telemetry::v3::OpenTelemetryAccessLogConfig;
use envoy_proto::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager;
use envoy_proto::envoy::extensions::tracers::opentelemetry::resource_detectors::v3::StaticConfigResourceDetectorConfig;
use envoy_proto::envoy::r#type::tracing::v3::{CustomTag, custom_tag};
use envoy_proto::envoy::r#type::v3::Percent;
use envoy_proto::opentelemetry::proto::common::v1::{AnyValue, KeyValue, KeyValueList, any_value};
use envoy_proto::pack;

use crate::route::proto_duration;
use crate::telemetry::{Collector, Log, Tracing, Transport};

/// How long a collector may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The service that logs, in what is exported.
const SERVICE: &str = "weir";

/// What the HTTP connection manager needs to trace.
pub(super) fn tracing(tracing: &Tracing) -> http_connection_manager::Tracing {
    let (grpc_service, http_service) = transport(&tracing.collector);
    let resources = StaticConfigResourceDetectorConfig { attributes: tracing.resources.clone() };
    let detector = TypedExtensionConfig {
        name: "envoy.tracers.opentelemetry.resource_detectors.static_config".to_owned(),
        typed_config: Some(pack(&resources)),
    };
    let config = OpenTelemetryConfig {
        grpc_service,
        http_service,
        service_name: tracing.service.clone(),
        resource_detectors: (!tracing.resources.is_empty()).then_some(detector).into_iter().collect(),
        ..OpenTelemetryConfig::default()
    };
    http_connection_manager::Tracing {
        random_sampling: Some(Percent { value: tracing.share }),
        operation: tracing.name.clone(),
        custom_tags: tags(&tracing.attributes),
        spawn_upstream_span: Some(true),
        provider: Some(tracer::Http {
            name: "envoy.tracers.opentelemetry".to_owned(),
            config_type: Some(tracer::http::ConfigType::TypedConfig(pack(&config))),
        }),
        ..http_connection_manager::Tracing::default()
    }
}

/// The log of a listener for a collector.
pub(super) fn log(listener: &str, collector: &Collector, log: &Log) -> AccessLog {
    let (grpc_service, http_service) = transport(collector);
    let text = |text: &str| AnyValue { value: Some(any_value::Value::StringValue(text.to_owned())) };
    let service = KeyValue { key: "service.name".to_owned(), value: Some(text(SERVICE)) };
    let config = OpenTelemetryAccessLogConfig {
        grpc_service,
        http_service,
        log_name: listener.to_owned(),
        stat_prefix: format!("{}.", listener.replace(['/', '.'], "_")),
        resource_attributes: Some(KeyValueList { values: vec![service] }),
        // Unlike `attributes`, a tag without a value is left out.
        custom_tags: tags(&log.fields),
        ..OpenTelemetryAccessLogConfig::default()
    };
    AccessLog {
        name: "envoy.access_loggers.open_telemetry".to_owned(),
        filter: filter(log),
        config_type: Some(access_log::ConfigType::TypedConfig(pack(&config))),
    }
}

/// The condition under which a log gets a request.
pub(super) fn filter(log: &Log) -> Option<AccessLogFilter> {
    let expression = ExpressionFilter { expression: log.filter.clone()?, ..ExpressionFilter::default() };
    let extension = ExtensionFilter {
        name: "envoy.access_loggers.extension_filters.cel".to_owned(),
        config_type: Some(extension_filter::ConfigType::TypedConfig(pack(&expression))),
    };
    Some(AccessLogFilter {
        filter_specifier: Some(access_log_filter::FilterSpecifier::ExtensionFilter(extension)),
    })
}

fn transport(collector: &Collector) -> (Option<GrpcService>, Option<HttpService>) {
    let cluster = collector.provider.cluster.clone();
    match &collector.transport {
        Transport::Grpc => {
            let authority = collector.provider.place.authority(collector.provider.tls.is_some());
            let envoy = grpc_service::EnvoyGrpc {
                cluster_name: cluster,
                authority,
                ..grpc_service::EnvoyGrpc::default()
            };
            let service = GrpcService {
                timeout: Some(proto_duration(TIMEOUT)),
                target_specifier: Some(grpc_service::TargetSpecifier::EnvoyGrpc(envoy)),
                ..GrpcService::default()
            };
            (Some(service), None)
        }
        Transport::Http { url } => {
            let uri = HttpUri {
                uri: url.clone(),
                timeout: Some(proto_duration(TIMEOUT)),
                http_upstream_type: Some(http_uri::HttpUpstreamType::Cluster(cluster)),
            };
            (None, Some(HttpService { http_uri: Some(uri), ..HttpService::default() }))
        }
    }
}

/// Attributes, of which those without a value are left out. Counts are numbers, everything else is text.
fn tags(attributes: &BTreeMap<String, String>) -> Vec<CustomTag> {
    let tag = |(name, format): (&String, &String)| {
        let count =
            name.ends_with("_tokens") || name == "agw.ai.time_to_first_token" || name == "http.status";
        let value_type = if count { custom_tag::ValueType::Int } else { custom_tag::ValueType::Unspecified };
        CustomTag {
            tag: name.clone(),
            value_type: value_type.into(),
            r#type: Some(custom_tag::Type::Value(format.clone())),
        }
    };
    attributes.iter().map(tag).collect()
}
