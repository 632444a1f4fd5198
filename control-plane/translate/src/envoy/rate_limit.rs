//! Envoy's own ratelimit filter, which asks a rate limit service what the `limit` filter before it has published.
//!
//! It takes limits in place of the service's own from dynamic metadata, which `header_to_metadata` makes of the header the
//! `limit` filter sets. That one stands on every listener whose routes ask a service, so that an override that is added to
//! a limit needs no other listener.

use std::collections::BTreeMap;
use std::time::Duration;

use envoy_proto::envoy::config::core::v3::{
    ApiVersion, DataSource, GrpcService, SubstitutionFormatString, TypedExtensionConfig, data_source,
    grpc_service, substitution_format_string,
};
use envoy_proto::envoy::config::ratelimit::v3::RateLimitServiceConfig;
use envoy_proto::envoy::config::route::v3::rate_limit::r#override::{DynamicMetadata, OverrideSpecifier};
use envoy_proto::envoy::config::route::v3::rate_limit::{Action, HitsAddend, Override, action};
use envoy_proto::envoy::config::route::v3::{RateLimit as Limit, Route, route};
use envoy_proto::envoy::extensions::filters::common::set_filter_state::v3::{
    FilterStateValue, filter_state_value,
};
use envoy_proto::envoy::extensions::filters::http::ratelimit::v3::rate_limit::XRateLimitHeadersRfcVersion;
use envoy_proto::envoy::extensions::filters::http::ratelimit::v3::{RateLimit, RateLimitPerRoute};
use envoy_proto::envoy::extensions::filters::http::set_filter_state::v3::Config as SetFilterState;
use envoy_proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use envoy_proto::envoy::extensions::rate_limit_descriptors::expr::v3 as expr;
use envoy_proto::envoy::r#type::metadata::v3::MetadataKey;
use envoy_proto::envoy::r#type::metadata::v3::metadata_key::{PathSegment, path_segment};
use envoy_proto::pack;
use filter_config::{LIMIT_OVERRIDES_HEADER, LIMIT_OVERRIDES_METADATA};
use resources::RateLimitFailureMode;

use super::stock_filter::{filter, header_to_metadata};
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
///
/// What is charged or given back at the end is sent by a filter of its own, before the one that asks: while that waits for
/// an answer, Envoy 1.40 lets it send nothing when the client leaves, and what the service has reserved would stay.
pub(super) fn filters<'a>(services: impl Iterator<Item = &'a Service>) -> Vec<HttpFilter> {
    let mut asking: BTreeMap<String, &Service> = BTreeMap::new();
    let mut ending: BTreeMap<String, &Service> = BTreeMap::new();
    let mut named = false;
    for service in services {
        named |= service.descriptors.iter().any(|asked| asked.reserves);
        if service.descriptors.iter().any(has_end) {
            ending.insert(Limited::end_filter_name(service), service);
        }
        asking.insert(Limited::filter_name(service), service);
    }
    let filters = ending.iter().chain(&asking).map(|(name, service)| filter(name, pack(&settings(service))));
    let overrides = (!asking.is_empty()).then(|| {
        header_to_metadata("weir/limit-overrides", LIMIT_OVERRIDES_HEADER, LIMIT_OVERRIDES_METADATA)
    });
    overrides.into_iter().chain(named.then(name_request)).chain(filters).collect()
}

/// Whether something is sent for a descriptor when a request is over.
fn has_end(asked: &Asked) -> bool {
    asked.settles || asked.reserves
}

fn settings(service: &Service) -> RateLimit {
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

/// Makes requests of a route ask the service.
pub(crate) fn ask(settings: &Settings, service: &Service, envoy_route: &mut Route) {
    if !matches!(envoy_route.action, Some(route::Action::Route(_))) {
        return;
    }
    let prefix = match settings.runtime {
        Runtime::Wasm { .. } => "wasm.",
        Runtime::Native { .. } => "",
    };
    let mut set = |filter: String, rate_limits: Vec<Limit>| {
        let domain = service.domain.clone();
        let per_route = RateLimitPerRoute { domain, rate_limits, ..RateLimitPerRoute::default() };
        envoy_route.typed_per_filter_config.insert(filter, pack(&per_route));
    };
    let descriptors = &service.descriptors;
    set(Limited::filter_name(service), descriptors.iter().map(|asked| at_admission(prefix, asked)).collect());
    let ends: Vec<Limit> = descriptors.iter().flat_map(|asked| at_end(prefix, asked)).collect();
    if !ends.is_empty() {
        set(Limited::end_filter_name(service), ends);
    }
    // A connection that is still open knows the filters of before, while the `limit` filter has the new limits already.
    let removed = &mut envoy_route.request_headers_to_remove;
    let overrides = descriptors.iter().any(|asked| asked.limit_override.is_some());
    if overrides && !removed.iter().any(|header| header == LIMIT_OVERRIDES_HEADER) {
        removed.push(LIMIT_OVERRIDES_HEADER.to_owned());
    }
}

/// What is sent for one descriptor when a request comes.
fn at_admission(prefix: &str, asked: &Asked) -> Limit {
    Limit {
        actions: actions(prefix, asked, "hits"),
        limit: limit(asked),
        hits_addend: Some(hits(prefix, asked, "hits", false)),
        ..Limit::default()
    }
}

/// What is sent for one descriptor when a request is over and it is known what it counts.
fn at_end(prefix: &str, asked: &Asked) -> Vec<Limit> {
    let end = |what: &str, negative: bool| {
        let mut actions = actions(prefix, asked, what);
        if asked.reserves {
            actions.push(entry(SETTLE_ENTRY, "'true'".to_owned()));
        }
        Limit {
            actions,
            // As at admission: a service counts by the limit.
            limit: limit(asked),
            hits_addend: Some(hits(prefix, asked, what, negative)),
            apply_on_stream_done: true,
            ..Limit::default()
        }
    };
    let charge = asked.settles.then(|| end("charge", false));
    charge.into_iter().chain(asked.reserves.then(|| end("refund", true))).collect()
}

/// The entries of a descriptor. Values that are not there fail. Without hits Envoy leaves a descriptor out too, but with a
/// warning each time: so the first entry looks whether there are any.
fn actions(prefix: &str, asked: &Asked, what: &str) -> Vec<Action> {
    let state = format!("{prefix}{}", asked.state);
    let entries = asked.entries.iter().enumerate().map(|(place, name)| {
        let value = format!("filter_state['{state}.{place}']");
        let checked = format!("filter_state['{state}.{what}'] != '' ? {value} : ''");
        entry(name, if place == 0 { checked } else { value })
    });
    let request = asked.reserves.then(|| entry(REQUEST_ENTRY, format!("filter_state['{REQUEST}']")));
    entries.chain(request).collect()
}

/// The limit in place of the service's own, as it stands in the metadata.
fn limit(asked: &Asked) -> Option<Override> {
    let (namespace, key) = LIMIT_OVERRIDES_METADATA;
    let segment = |key: &str| PathSegment { segment: Some(path_segment::Segment::Key(key.to_owned())) };
    let name = asked.limit_override.as_ref()?;
    let metadata_key = MetadataKey { key: namespace.to_owned(), path: vec![segment(key), segment(name)] };
    Some(Override {
        override_specifier: Some(OverrideSpecifier::DynamicMetadata(DynamicMetadata {
            metadata_key: Some(metadata_key),
        })),
    })
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

fn hits(prefix: &str, asked: &Asked, what: &str, negative: bool) -> HitsAddend {
    HitsAddend {
        format: format!("%FILTER_STATE({prefix}{}.{what}:PLAIN)%", asked.state),
        is_negative_hits: negative,
        ..HitsAddend::default()
    }
}
