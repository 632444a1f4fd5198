//! Weir's filters as Envoy loads them, from either build.

use envoy_proto::envoy::config::core::v3::{
    AsyncDataSource, ExtensionConfigSource, TypedExtensionConfig, async_data_source,
};
use envoy_proto::envoy::extensions::dynamic_modules::v3::DynamicModuleConfig;
use envoy_proto::envoy::extensions::filters::http::dynamic_modules::v3::DynamicModuleFilter;
use envoy_proto::envoy::extensions::filters::http::jwt_authn::v3::JwtAuthentication;
use envoy_proto::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_proto::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpFilter, http_filter,
};
use envoy_proto::envoy::extensions::wasm::v3::{FailurePolicy, PluginConfig, VmConfig, plugin_config};
use envoy_proto::pack;
use serde_json::Value;

use super::{ads, file};
use crate::names;
use crate::settings::{Delivery, Runtime, Settings};

/// Type URLs of the filters, one per build.
const TYPE_URLS: [&str; 2] = [
    "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
    "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
];

/// Type URL of Envoy's own filter that checks tokens.
const JWT_TYPE_URL: [&str; 1] =
    ["type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"];

/// A filter that can change by itself: its configuration, and how a chain refers to it.
pub(super) struct Filter {
    /// Name in the chain, and of the extension resource.
    pub(super) name: String,
    pub(super) config: TypedExtensionConfig,
    type_urls: &'static [&'static str],
    delivery: Delivery,
}

impl Filter {
    /// Envoy's own filter that checks tokens.
    pub(super) fn jwt(settings: &Settings, name: String, config: &JwtAuthentication) -> Self {
        let config = TypedExtensionConfig { name: name.clone(), typed_config: Some(pack(config)) };
        Self { name, config, type_urls: &JWT_TYPE_URL, delivery: settings.delivery }
    }

    /// The entry in a filter chain.
    pub(super) fn entry(&self) -> HttpFilter {
        let config_type = match self.delivery {
            Delivery::Static => self.config.typed_config.clone().map(http_filter::ConfigType::TypedConfig),
            Delivery::Discovery => Some(http_filter::ConfigType::ConfigDiscovery(ExtensionConfigSource {
                config_source: Some(ads()),
                type_urls: self.type_urls.iter().map(|&url| url.to_owned()).collect(),
                ..ExtensionConfigSource::default()
            })),
        };
        HttpFilter { name: self.name.clone(), config_type, ..HttpFilter::default() }
    }
}

/// The `llm` filter of a listener.
pub(super) fn llm(settings: &Settings, listener: &str, config: &filter_config::Llm) -> Filter {
    filter(settings, names::llm_filter(listener), "llm", serde_json::to_value(config))
}

/// The `api-keys` filter of a listener.
pub(super) fn api_keys(settings: &Settings, listener: &str, config: &filter_config::ApiKeys) -> Filter {
    filter(settings, names::api_keys_filter(listener), "api-keys", serde_json::to_value(config))
}

/// The `order` filter of a listener.
pub(super) fn order(settings: &Settings, listener: &str) -> Filter {
    let config = filter_config::Order::default();
    filter(settings, names::order_filter(listener), "order", serde_json::to_value(config))
}

/// The `limit` filter of a listener.
pub(super) fn limit(settings: &Settings, listener: &str, config: &filter_config::Limit) -> Filter {
    filter(settings, names::limit_filter(listener), "limit", serde_json::to_value(config))
}

/// The `provider` filter of a cluster.
pub(super) fn provider(settings: &Settings, cluster: &str, config: &filter_config::Provider) -> Filter {
    filter(settings, names::provider_filter(cluster), "provider", serde_json::to_value(config))
}

/// The `guard` filter of a cluster.
pub(super) fn guard(settings: &Settings, cluster: &str, config: &filter_config::Guard) -> Filter {
    filter(settings, names::guard_filter(cluster), "guard", serde_json::to_value(config))
}

fn filter(settings: &Settings, name: String, kind: &str, config: serde_json::Result<Value>) -> Filter {
    // Configuration is plain data with string keys; an empty one would be refused by the filter itself.
    let json = config.unwrap_or_default().to_string();
    let typed_config = match &settings.runtime {
        Runtime::Wasm { module } => pack(&Wasm {
            config: Some(PluginConfig {
                name: name.clone(),
                root_id: kind.to_owned(),
                configuration: Some(pack(&json)),
                failure_policy: FailurePolicy::FailReload.into(),
                allow_on_headers_stop_iteration: Some(true),
                vm: Some(plugin_config::Vm::VmConfig(VmConfig {
                    // One VM per worker for all of Weir's filters: they share code and hand each other state.
                    vm_id: "weir".to_owned(),
                    runtime: "envoy.wasm.runtime.v8".to_owned(),
                    code: Some(AsyncDataSource {
                        specifier: Some(async_data_source::Specifier::Local(file(module))),
                    }),
                    ..VmConfig::default()
                })),
                ..PluginConfig::default()
            }),
        }),
        Runtime::Native { library } => pack(&DynamicModuleFilter {
            dynamic_module_config: Some(DynamicModuleConfig {
                // All filters come from one library whose statics outlive any single configuration.
                do_not_close: true,
                module: Some(AsyncDataSource {
                    specifier: Some(async_data_source::Specifier::Local(file(library))),
                }),
                ..DynamicModuleConfig::default()
            }),
            filter_name: kind.to_owned(),
            filter_config: Some(pack(&json)),
            terminal_filter: false,
        }),
    };
    let config = TypedExtensionConfig { name: name.clone(), typed_config: Some(typed_config) };
    Filter { name, config, type_urls: &TYPE_URLS, delivery: settings.delivery }
}
