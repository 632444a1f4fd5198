//! Filters of Envoy's own.

use envoy_proto::envoy::extensions::filters::http::header_to_metadata::v3::{
    Config as HeaderToMetadata, config,
};
use envoy_proto::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpFilter, http_filter,
};
use envoy_proto::pack;
use envoy_proto::prost_types::Any;

/// A filter with its configuration, by whose type Envoy knows it.
pub(super) fn filter(name: &str, config: Any) -> HttpFilter {
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(config)),
        ..HttpFilter::default()
    }
}

/// Turns a request header that a filter of ours has set, base64 of a `google.protobuf.Value`, into dynamic metadata under
/// this namespace and key, and removes it: modules cannot write such metadata under wasm.
pub(super) fn header_to_metadata(name: &str, header: &str, (namespace, key): (&str, &str)) -> HttpFilter {
    let config = HeaderToMetadata {
        request_rules: vec![config::Rule {
            header: header.to_owned(),
            on_header_present: Some(config::KeyValuePair {
                metadata_namespace: namespace.to_owned(),
                key: key.to_owned(),
                r#type: config::ValueType::ProtobufValue.into(),
                encode: config::ValueEncode::Base64.into(),
                ..config::KeyValuePair::default()
            }),
            remove: true,
            ..config::Rule::default()
        }],
        ..HeaderToMetadata::default()
    };
    filter(name, pack(&config))
}
