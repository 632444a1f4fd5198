//! Listeners and their HTTP connection manager.

use envoy_proto::envoy::config::accesslog::v3::{AccessLog, access_log};
use envoy_proto::envoy::config::core::v3::{
    Http2ProtocolOptions, HttpProtocolOptions, SubstitutionFormatString, substitution_format_string,
};
use envoy_proto::envoy::config::listener::v3::{Filter as NetworkFilter, FilterChain, Listener, filter};
use envoy_proto::envoy::config::route::v3::RouteConfiguration;
use envoy_proto::envoy::extensions::access_loggers::stream::v3::{StdoutAccessLog, stdout_access_log};
use envoy_proto::envoy::extensions::filters::http::router::v3::Router;
use envoy_proto::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds, http_connection_manager, http_filter,
};
use envoy_proto::{pack, struct_from_json};
use serde_json::json;

use super::{ads, socket, telemetry};
use crate::settings::{Runtime, Settings};
use crate::telemetry::{Log, Telemetry};

/// The listener of a port, with these filters before the router. `routes` are part of it where they are not discovered.
pub(super) fn listener(
    settings: &Settings,
    name: &str,
    port: u16,
    mut filters: Vec<HttpFilter>,
    told: &Telemetry,
    routes: Option<RouteConfiguration>,
) -> Listener {
    let router = HttpFilter {
        name: "envoy.filters.http.router".to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(pack(&Router {
            // Nothing of ours belongs into requests to providers.
            suppress_envoy_headers: true,
            ..Router::default()
        }))),
        ..HttpFilter::default()
    };
    filters.push(router);
    let route_specifier = match routes {
        Some(routes) => http_connection_manager::RouteSpecifier::RouteConfig(routes),
        None => http_connection_manager::RouteSpecifier::Rds(Rds {
            config_source: Some(ads()),
            route_config_name: name.to_owned(),
        }),
    };
    let manager = HttpConnectionManager {
        stat_prefix: name.replace(['/', '.'], "_"),
        http_filters: filters,
        access_log: std::iter::once(access_log(settings, &told.stdout))
            .chain(told.otlp.iter().map(|(collector, log)| telemetry::log(name, collector, log)))
            .collect(),
        tracing: told.tracing.as_ref().map(telemetry::tracing),
        // The client's address is that of the connection; what a client claims is not believed, and the
        // provider is not told.
        use_remote_address: Some(true),
        skip_xff_append: true,
        normalize_path: Some(true),
        server_name: "weir".to_owned(),
        common_http_protocol_options: Some(HttpProtocolOptions::default()),
        http2_protocol_options: Some(Http2ProtocolOptions::default()),
        // Routes set their own; a listener-wide limit would cut long answers.
        stream_idle_timeout: Some(crate::route::proto_duration(std::time::Duration::from_secs(600))),
        // OpenAI's realtime API.
        upgrade_configs: vec![http_connection_manager::UpgradeConfig {
            upgrade_type: "websocket".to_owned(),
            ..http_connection_manager::UpgradeConfig::default()
        }],
        route_specifier: Some(route_specifier),
        ..HttpConnectionManager::default()
    };
    Listener {
        name: name.to_owned(),
        address: Some(socket(&settings.bind_address, port)),
        filter_chains: vec![FilterChain {
            name: name.to_owned(),
            filters: vec![NetworkFilter {
                name: "envoy.filters.network.http_connection_manager".to_owned(),
                config_type: Some(filter::ConfigType::TypedConfig(pack(&manager))),
            }],
            ..FilterChain::default()
        }],
        ..Listener::default()
    }
}

/// The access log: one JSON object per request on standard output. What the filters know about an
/// exchange is in `weir`, and what guards found in `guards`, as text that is JSON itself. Fields a policy adds stand beside
/// them.
fn access_log(settings: &Settings, log: &Log) -> AccessLog {
    let prefix = match settings.runtime {
        Runtime::Wasm { .. } => "wasm.",
        Runtime::Native { .. } => "",
    };
    let mut format = json!({
        "time": "%START_TIME%",
        "listener": "%FILTER_CHAIN_NAME%",
        "route": "%ROUTE_NAME%",
        "method": "%REQUEST_HEADER(:METHOD)%",
        "path": "%REQUEST_HEADER(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "status": "%RESPONSE_CODE%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "flags": "%RESPONSE_FLAGS%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "first_byte_ms": "%RESPONSE_DURATION%",
        "duration_ms": "%DURATION%",
        "request_id": "%REQUEST_HEADER(X-REQUEST-ID)%",
        "weir": format!("%FILTER_STATE({prefix}weir.record:PLAIN)%"),
        "guards": format!("%FILTER_STATE({prefix}{}:PLAIN)%", filter_config::GUARDS_STATE),
    });
    if let Some(format) = format.as_object_mut() {
        for (name, value) in &log.fields {
            format.entry(name.as_str()).or_insert_with(|| value.as_str().into());
        }
    }
    let fields = format.as_object().and_then(|object| struct_from_json(object).ok()).unwrap_or_default();
    let stdout = StdoutAccessLog {
        access_log_format: Some(stdout_access_log::AccessLogFormat::LogFormat(SubstitutionFormatString {
            omit_empty_values: true,
            format: Some(substitution_format_string::Format::JsonFormat(fields)),
            ..SubstitutionFormatString::default()
        })),
    };
    AccessLog {
        name: "envoy.access_loggers.stdout".to_owned(),
        filter: telemetry::filter(log),
        config_type: Some(access_log::ConfigType::TypedConfig(pack(&stdout))),
    }
}
