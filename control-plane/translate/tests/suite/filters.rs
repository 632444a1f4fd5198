//! What filters are configured with, read as Envoy and our filters read it.

use std::collections::BTreeMap;
use std::fmt::Debug;

use envoy_proto::envoy::config::core::v3::TypedExtensionConfig;
use envoy_proto::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_proto::prost_types::Any;
use envoy_proto::unpack;
use filter_config::{ApiKeys, Guard, Limit, Provider};
use translate::{ResourceKind, Translation};

/// The filters whose names begin with `prefix`, by the rest of their names: a cluster or a listener.
pub(crate) fn filters<T>(
    translation: &Translation,
    prefix: &str,
    read: impl Fn(&Any) -> T,
) -> BTreeMap<String, T> {
    let extensions = translation.resources.iter().filter(|((kind, _), _)| *kind == ResourceKind::Extension);
    extensions
        .filter_map(|((_, name), resource)| {
            let place = name.strip_prefix(prefix)?;
            let extension: TypedExtensionConfig = unpack(&resource.body).unwrap();
            Some((place.to_owned(), read(extension.typed_config.as_ref().unwrap())))
        })
        .collect()
}

/// The same for our own filters, as the wasm module gets them.
fn own<T, E: Debug>(
    translation: &Translation,
    prefix: &str,
    read: impl Fn(&[u8]) -> Result<T, E>,
) -> BTreeMap<String, T> {
    filters(translation, prefix, |config| {
        let wasm: Wasm = unpack(config).unwrap();
        let json: String = unpack(wasm.config.unwrap().configuration.as_ref().unwrap()).unwrap();
        read(json.as_bytes()).unwrap()
    })
}

/// The `provider` filters, by cluster.
pub(crate) fn providers(translation: &Translation) -> BTreeMap<String, Provider> {
    own(translation, "weir/provider/", Provider::from_json)
}

/// The `guard` filters, by cluster.
pub(crate) fn guards(translation: &Translation) -> BTreeMap<String, Guard> {
    own(translation, "weir/guard/", Guard::from_json)
}

/// The `limit` filters, by listener.
pub(crate) fn limits(translation: &Translation) -> BTreeMap<String, Limit> {
    own(translation, "weir/limit/", Limit::from_json)
}

/// The `api-keys` filters, by listener.
pub(crate) fn api_keys(translation: &Translation) -> BTreeMap<String, ApiKeys> {
    own(translation, "weir/api-keys/", ApiKeys::from_json)
}
