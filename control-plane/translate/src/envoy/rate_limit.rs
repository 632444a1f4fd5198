//! Envoy's own ratelimit filter, which asks a rate limit service what the `limit` filter before it has published.

use std::collections::BTreeMap;
use std::time::Duration;

use envoy_proto::envoy::config::core::v3::{
    ApiVersion, DataSource, GrpcService, SubstitutionFormatString, TypedExtensionConfig, data_source,
    grpc_service, substitution_format_string,
};
use envoy_proto::envoy::config::ratelimit::v3::RateLimitServiceConfig;
use envoy_proto::envoy::config::route::v3::rate_limit::{Action, HitsAddend, action};
use envoy_proto::envoy::config::route::v3::{RateLimit as Limit, Route, route};
use envoy_proto::envoy::extensions::filters::common::set_filter_state::v3::{
    FilterStateValue, filter_state_value,
};
use envoy_proto::envoy::extensions::filters::http::ratelimit::v3::rate_limit::XRateLimitHeadersRfcVersion;
use envoy_proto::envoy::extensions::filters::http::ratelimit::v3::{RateLimit, RateLimitPerRoute};
use envoy_proto::envoy::extensions::filters::http::set_filter_state::v3::Config as SetFilterState;
use envoy_proto::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpFilter, http_filter,
};
use envoy_proto::envoy::extensions::rate_limit_descriptors::expr::v3 as expr;
use envoy_proto::pack;
use resources::RateLimitFailureMode;

use crate::limit::{Asked, Limited, Service};
use crate::route::proto_duration;
use crate::settings::{Runtime, Settings};

/// Filter state with the name of the request, which the service charges once.
const REQUEST: &str = "weir.limit.request";

/// Key of the entry that names the request, and of the one that marks a charge after the fact, for `weir ratelimit`.
const REQUEST_ENTRY: &str = "weir.request";
const SETTLE_ENTRY: &str = "weir.settle";

/// How long the service may take. Envoy's own default of 20 ms refuses requests whenever the service is a little busy.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The filters that ask these services, each once. They do nothing on routes that have no settings for them.
pub(super) fn filters<'a>(services: impl Iterator<Item = &'a Service>) -> Vec<HttpFilter> {
    let by_name: BTreeMap<String, &Service> =
        services.map(|service| (Limited::filter_name(service), service)).collect();
    let named = by_name.values().any(|service| service.descriptors.iter().any(|asked| asked.reserves));
    let asking = by_name.iter().map(|(name, service)| filter(name, pack(&asking(service))));
    named.then(name_request).into_iter().chain(asking).collect()
}

fn asking(service: &Service) -> RateLimit {
    RateLimit {
        domain: service.domain.clone(),
        timeout: Some(proto_duration(service.provider.request_timeout.unwrap_or(TIMEOUT))),
        failure_mode_deny: service.failure_mode == RateLimitFailureMode::FailClosed,
        enable_x_ratelimit_headers: XRateLimitHeadersRfcVersion::DraftVersion03.into(),
        enable_retry_after_header: true,
        // Nobody but Envoy knows that header.
        disable_x_envoy_ratelimited_header: true,
        rate_limit_service: Some(RateLimitServiceConfig {
            grpc_service: Some(GrpcService {
                target_specifier: Some(grpc_service::TargetSpecifier::EnvoyGrpc(grpc_service::EnvoyGrpc {
                    cluster_name: service.provider.cluster.clone(),
                    // Otherwise the cluster's name, which is no host: servers refuse it.
                    authority: service.provider.place.authority(service.provider.tls.is_some()),
                    ..grpc_service::EnvoyGrpc::default()
                })),
                ..GrpcService::default()
            }),
            transport_api_version: ApiVersion::V3.into(),
        }),
        ..RateLimit::default()
    }
}

/// Gives the request a name no client can choose.
fn name_request() -> HttpFilter {
    let name = SetFilterState {
        on_request_headers: vec![FilterStateValue {
            factory_key: "envoy.string".to_owned(),
            key: Some(filter_state_value::Key::ObjectKey(REQUEST.to_owned())),
            value: Some(filter_state_value::Value::FormatString(SubstitutionFormatString {
                format: Some(substitution_format_string::Format::TextFormatSource(DataSource {
                    specifier: Some(data_source::Specifier::InlineString("%UNIQUE_ID%".to_owned())),
                    ..DataSource::default()
                })),
                ..SubstitutionFormatString::default()
            })),
            ..FilterStateValue::default()
        }],
        clear_route_cache: false,
    };
    filter("weir/request-name", pack(&name))
}

fn filter(name: &str, config: envoy_proto::prost_types::Any) -> HttpFilter {
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(config)),
        ..HttpFilter::default()
    }
}

/// Makes requests of a route ask the service.
pub(crate) fn ask(settings: &Settings, service: &Service, envoy_route: &mut Route) {
    if !matches!(envoy_route.action, Some(route::Action::Route(_))) {
        return;
    }
    let prefix = match settings.runtime {
        Runtime::Wasm { .. } => "wasm.",
        Runtime::Native { .. } => "",
    };
    let per_route = RateLimitPerRoute {
        domain: service.domain.clone(),
        rate_limits: service.descriptors.iter().flat_map(|asked| limits(prefix, asked)).collect(),
        ..RateLimitPerRoute::default()
    };
    envoy_route.typed_per_filter_config.insert(Limited::filter_name(service), pack(&per_route));
}

/// What is sent for one descriptor: at admission, and, where what it counts is known then only, at the end.
fn limits(prefix: &str, asked: &Asked) -> Vec<Limit> {
    let state = format!("{prefix}{}", asked.state);
    // Values that are not there fail. Without hits Envoy leaves a descriptor out too, but with a warning each time: so the
    // first entry looks whether there are any.
    let actions = |what: &str| -> Vec<Action> {
        let entries = asked.entries.iter().enumerate().map(|(place, name)| {
            let value = format!("filter_state['{state}.{place}']");
            let checked = format!("filter_state['{state}.{what}'] != '' ? {value} : ''");
            entry(name, if place == 0 { checked } else { value })
        });
        let request = asked.reserves.then(|| entry(REQUEST_ENTRY, format!("filter_state['{REQUEST}']")));
        entries.chain(request).collect()
    };
    let mut limits = vec![Limit {
        actions: actions("hits"),
        hits_addend: Some(hits(&state, "hits", false)),
        ..Limit::default()
    }];
    let mut at_end = |what: &str, negative: bool| {
        let mut actions = actions(what);
        if asked.reserves {
            actions.push(entry(SETTLE_ENTRY, "'true'".to_owned()));
        }
        limits.push(Limit {
            actions,
            hits_addend: Some(hits(&state, what, negative)),
            apply_on_stream_done: true,
            ..Limit::default()
        });
    };
    if asked.settles {
        at_end("charge", false);
    }
    if asked.reserves {
        at_end("refund", true);
    }
    limits
}

/// An entry with the value of an expression in Envoy's CEL. Where it fails, the descriptor is left out without a word.
fn entry(key: &str, text: String) -> Action {
    let descriptor = expr::Descriptor {
        descriptor_key: key.to_owned(),
        skip_if_error: false,
        expr_specifier: Some(expr::descriptor::ExprSpecifier::Text(text)),
    };
    Action {
        action_specifier: Some(action::ActionSpecifier::Extension(TypedExtensionConfig {
            name: "envoy.rate_limit_descriptors.expr".to_owned(),
            typed_config: Some(pack(&descriptor)),
        })),
    }
}

fn hits(state: &str, what: &str, negative: bool) -> HitsAddend {
    HitsAddend {
        format: format!("%FILTER_STATE({state}.{what}:PLAIN)%"),
        is_negative_hits: negative,
        ..HitsAddend::default()
    }
}
