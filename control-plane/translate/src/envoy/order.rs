//! How the `llm` filter's order of clusters reaches the route.
//!
//! The native build writes it into dynamic metadata itself. A wasm module cannot: it sets a header, which Envoy's own
//! `header_to_metadata` turns into that metadata and removes. That filter looks at the route, which is chosen by then
//! and kept; `set_filter_state` makes the router choose again.

use envoy_proto::envoy::config::core::v3::{
    DataSource, SubstitutionFormatString, data_source, substitution_format_string,
};
use envoy_proto::envoy::config::route::v3::Route;
use envoy_proto::envoy::extensions::filters::common::set_filter_state::v3::{
    FilterStateValue, filter_state_value,
};
use envoy_proto::envoy::extensions::filters::http::set_filter_state::v3::Config as SetFilterState;
use envoy_proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use envoy_proto::pack;
use filter_config::{ORDER_HEADER, ORDER_METADATA, ROUTE_GROUPS};

use super::stock_filter::{filter, header_to_metadata};
use crate::settings::{Runtime, Settings};

/// Whether a route leads to several providers.
pub(super) fn has_several(route: &Route) -> bool {
    let (namespace, key) = ROUTE_GROUPS;
    let metadata = route.metadata.as_ref().and_then(|metadata| metadata.filter_metadata.get(namespace));
    metadata.is_some_and(|fields| fields.fields.contains_key(key))
}

/// A filter that changes nothing. It asks for the route, which Envoy chooses then, so that modules behind it can see what
/// an edit of headers before it has led to.
pub(super) fn look_at_route() -> HttpFilter {
    filter("weir/route", pack(&SetFilterState::default()))
}

/// The filters behind the `llm` filter, where some route leads to several providers.
pub(super) fn filters(settings: &Settings) -> Vec<HttpFilter> {
    if matches!(settings.runtime, Runtime::Native { .. }) {
        return Vec::new();
    }
    let reroute = SetFilterState {
        // It must set something; nobody reads it.
        on_request_headers: vec![FilterStateValue {
            factory_key: "envoy.string".to_owned(),
            key: Some(filter_state_value::Key::ObjectKey("weir.order".to_owned())),
            value: Some(filter_state_value::Value::FormatString(SubstitutionFormatString {
                format: Some(substitution_format_string::Format::TextFormatSource(DataSource {
                    specifier: Some(data_source::Specifier::InlineString("settled".to_owned())),
                    ..DataSource::default()
                })),
                ..SubstitutionFormatString::default()
            })),
            ..FilterStateValue::default()
        }],
        clear_route_cache: true,
    };
    vec![
        header_to_metadata("envoy.filters.http.header_to_metadata", ORDER_HEADER, ORDER_METADATA),
        filter("envoy.filters.http.set_filter_state", pack(&reroute)),
    ]
}
