//! Envoy resources, written.

mod authentication;
mod cluster;
mod credential;
mod filter;
mod headers;
mod listener;
mod order;
mod rate_limit;
mod stock_filter;
mod telemetry;

use std::collections::BTreeMap;

use envoy_proto::envoy::config::core::v3::{
    Address, AggregatedConfigSource, ApiVersion, ConfigSource, DataSource, SocketAddress, address,
    config_source, data_source, socket_address,
};
use envoy_proto::envoy::config::route::v3::{Route, RouteConfiguration, VirtualHost, header_matcher, route};
use envoy_proto::envoy::r#type::matcher::v3::{StringMatcher, string_matcher};
use envoy_proto::pack;
use resources::ObjectKey;

use crate::authentication::Chain;
use crate::index::Index;
use crate::limit::Service;
use crate::model::header_changes;
use crate::output::{ResourceKind, Translation};
use crate::provider::Provider;
use crate::settings::{Delivery, Runtime, Settings};
use crate::telemetry::Telemetry;

/// Room above the largest request body the `llm` filter accepts, so that it can answer in the caller's
/// dialect before Envoy's own limit cuts in.
const BUFFER_SLACK: u64 = 1024 * 1024;

/// Envoy's buffer limit for requests whose largest body is `max_body` bytes.
pub(crate) fn buffer_limit(max_body: u64) -> u64 {
    max_body.saturating_add(BUFFER_SLACK)
}

/// Envoy's own limit for fixed answers, in bytes, which a list of many models exceeds.
const DIRECT_RESPONSE_LIMIT: u32 = 4096;

/// Length of a route's fixed answer in bytes.
fn fixed_answer(route: &Route) -> u32 {
    let Some(route::Action::DirectResponse(answer)) = &route.action else { return 0 };
    let body = answer.body.as_ref().and_then(|body| body.specifier.as_ref());
    match body {
        Some(data_source::Specifier::InlineString(text)) => u32::try_from(text.len()).unwrap_or(u32::MAX),
        _ => 0,
    }
}

/// Whether a route matches on a header.
pub(crate) fn matches_header(route: &Route, name: &str) -> bool {
    route.r#match.iter().flat_map(|matched| &matched.headers).any(|header| header.name == name)
}

/// The value a header must have for a route, where it is one.
pub(crate) fn exact_header<'a>(route: &'a Route, name: &str) -> Option<&'a str> {
    let mut headers = route.r#match.iter().flat_map(|matched| &matched.headers);
    match headers.find(|header| header.name == name)?.header_match_specifier.as_ref()? {
        header_matcher::HeaderMatchSpecifier::StringMatch(StringMatcher {
            match_pattern: Some(string_matcher::MatchPattern::Exact(value)),
            ..
        }) => Some(value),
        _ => None,
    }
}

/// A port to write.
#[derive(Clone, Copy)]
pub(crate) struct Port<'a> {
    /// The Gateway that listens on it.
    pub(crate) gateway: &'a ObjectKey,
    /// Name of the listener and of the route table.
    pub(crate) name: &'a str,
    pub(crate) number: u16,
}

/// What the filters of a port are told.
pub(crate) struct Filters<'a> {
    pub(crate) llm: &'a filter_config::Llm,
    /// Who may call.
    pub(crate) authentication: &'a Chain,
    /// Where some route is limited.
    pub(crate) limit: Option<&'a filter_config::Limit>,
    /// The rate limit services that routes ask.
    pub(crate) services: Vec<&'a Service>,
}

/// Writes listener, `llm` filter and route table of a port.
pub(crate) fn port(
    settings: &Settings,
    Port { gateway, name, number }: Port<'_>,
    filters: &Filters<'_>,
    told: &Telemetry,
    hosts: BTreeMap<String, Vec<Route>>,
    out: &mut Translation,
) {
    let several = hosts.values().flatten().any(order::has_several);
    let longest =
        hosts.values().flatten().map(fixed_answer).max().filter(|&length| length > DIRECT_RESPONSE_LIMIT);
    let virtual_hosts = hosts
        .into_iter()
        .map(|(host, routes)| VirtualHost {
            name: host.clone(),
            domains: vec![host],
            routes,
            ..VirtualHost::default()
        })
        .collect();
    let routes = RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts,
        // `localhost:8080` is the host `localhost`.
        ignore_port_in_host_matching: true,
        // A reference that leads nowhere names a cluster that does not exist, and costs only its share.
        validate_clusters: Some(false),
        max_direct_response_body_size_bytes: longest,
        ..RouteConfiguration::default()
    };
    // Under wasm, filters behind `llm` see the route it has left until one of Envoy's own has asked for the next.
    let unseen = filters.llm.model_header.is_some() && matches!(settings.runtime, Runtime::Wasm { .. });
    let order = (several && unseen).then(|| filter::order(settings, name));
    let llm = filter_config::Llm { defer_order: order.is_some(), ..filters.llm.clone() };
    let llm = filter::llm(settings, name, &llm);
    let chain = filters.authentication;
    let jwt = (!chain.jwt.is_empty()).then(|| authentication::jwt(settings, name, &chain.jwt));
    let api_keys = chain.api_keys.as_ref().map(|config| filter::api_keys(settings, name, config));
    let limit = filters.limit.map(|config| filter::limit(settings, name, config));
    let services = &filters.services;
    let inline = match settings.delivery {
        Delivery::Discovery => None,
        Delivery::Static => Some(routes.clone()),
    };
    let mut filters = vec![llm.entry()];
    if unseen && (several || jwt.is_some() || api_keys.is_some() || limit.is_some()) {
        filters.push(order::look_at_route());
    }
    filters.extend(order.as_ref().map(filter::Filter::entry));
    if several {
        filters.extend(order::filters(settings));
    }
    if let Some(jwt) = &jwt {
        filters.extend([jwt.entry(), authentication::claims()]);
    }
    filters.extend(api_keys.as_ref().map(filter::Filter::entry));
    filters.extend(limit.as_ref().map(filter::Filter::entry));
    filters.extend(rate_limit::filters(services.iter().copied()));
    let listener = listener::listener(settings, name, number, filters, told, inline);
    if settings.delivery == Delivery::Discovery {
        for filter in std::iter::once(&llm).chain(&order).chain(&jwt).chain(&api_keys).chain(&limit) {
            out.add(ResourceKind::Extension, &filter.name, pack(&filter.config), gateway);
        }
        out.add(ResourceKind::Routes, name, pack(&routes), gateway);
    }
    out.add(ResourceKind::Listener, name, pack(&listener), gateway);
}

pub(crate) use authentication::{require_api_key, require_token};
pub use credential::token_secret;
pub(crate) use headers::{add_header, set_header};
pub(crate) use rate_limit::ask;

/// Writes cluster, endpoints, secrets and `provider` filter of a provider.
pub(crate) fn provider(index: &Index<'_>, settings: &Settings, provider: &Provider, out: &mut Translation) {
    cluster::provider(index, settings, provider, out);
    if let Some(changes) = header_changes(index, &provider.source) {
        headers::change(&provider.cluster, changes, out);
    }
}

/// Aggregated discovery as the source of a resource.
fn ads() -> ConfigSource {
    ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(config_source::ConfigSourceSpecifier::Ads(
            AggregatedConfigSource::default(),
        )),
        ..ConfigSource::default()
    }
}

pub(crate) fn socket(host: &str, port: u16) -> Address {
    Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address: host.to_owned(),
            port_specifier: Some(socket_address::PortSpecifier::PortValue(u32::from(port))),
            ..SocketAddress::default()
        })),
    }
}

fn file(path: &std::path::Path) -> DataSource {
    DataSource {
        specifier: Some(data_source::Specifier::Filename(path.display().to_string())),
        ..DataSource::default()
    }
}

fn text(text: &str) -> DataSource {
    DataSource {
        specifier: Some(data_source::Specifier::InlineString(text.to_owned())),
        ..DataSource::default()
    }
}
