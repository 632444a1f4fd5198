//! Envoy's configuration for each variant: one listener, a route and a cluster per provider, the same for all
//! but for the filters of Weir.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::case::Variant;
use crate::chain::Chain;
use crate::payloads::{Dialect, Shape};
use crate::rate_limits;

/// The files of Weir.
#[derive(Debug, Clone)]
pub(crate) struct Filters {
    /// `libweir.so`.
    pub(crate) native: PathBuf,
    /// `weir.wasm`.
    pub(crate) wasm: PathBuf,
    /// The `weir` command.
    pub(crate) command: PathBuf,
}

impl Filters {
    /// The files in a folder such as `dist`.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self {
            native: folder.join("libweir.so"),
            wasm: folder.join("weir.wasm"),
            command: folder.join("weir"),
        }
    }

    /// The file of a variant; `None` for bare Envoy.
    pub(crate) fn file(&self, variant: Variant) -> Option<&Path> {
        match variant {
            Variant::Bare => None,
            Variant::Native => Some(&self.native),
            Variant::Wasm => Some(&self.wasm),
        }
    }
}

/// What an Envoy does beside its work.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    /// It writes an access log, to nowhere.
    pub(crate) access_log: bool,
    /// It gives memory it does not use back to the kernel all the time. Without it, what compiling a wasm module took
    /// stays resident and hides what requests need.
    pub(crate) release_memory: bool,
    /// It asks the rate limit service there, unless it is bare.
    pub(crate) rate_limits: Option<SocketAddr>,
}

/// Most bytes of a request body a filter may hold.
const BODY_LIMIT: u64 = 32 << 20;

/// The configuration of one Envoy with these filters: listening on `port`, its providers at `upstream`.
///
/// # Errors
/// When a filter's file does not exist.
pub(crate) fn bootstrap(
    variant: Variant,
    chain: Chain,
    filters: &Filters,
    port: u16,
    upstream: SocketAddr,
    options: Options,
) -> anyhow::Result<Value> {
    let file = filters.file(variant).map(absolute).transpose()?;
    let filter = |name: &str, configuration: Value| {
        file.as_deref().and_then(|file| weir_filter(variant, file, name, &configuration))
    };
    let http_filters =
        chain.filters().into_iter().filter_map(|(name, configuration)| filter(name, configuration));
    let service = options.rate_limits.filter(|_| variant != Variant::Bare);
    let http_filters = http_filters.chain(service.map(rate_limits::filter)).collect();
    let per_host = service.map(|_| rate_limits::per_host(variant));
    let listener = listener(port, http_filters, per_host.as_ref(), options.access_log);
    let of_provider = |provider| {
        let (name, configuration) = chain.on_cluster(provider_configuration(provider))?;
        filter(name, configuration)
    };
    let clusters = Dialect::ALL.map(|provider| cluster(provider, upstream, of_provider(provider)));
    let clusters: Vec<Value> = clusters.into_iter().chain(service.map(rate_limits::cluster)).collect();
    let mut bootstrap = json!({"static_resources": {"listeners": [listener], "clusters": clusters}});
    if let Some(bootstrap) = bootstrap.as_object_mut().filter(|_| options.release_memory) {
        // As much as there is, ten times in a second.
        let release = json!({"bytes_to_release": 1_u64 << 30, "memory_release_interval": "0.1s"});
        bootstrap.insert("memory_allocator_manager".to_owned(), release);
    }
    Ok(bootstrap)
}

fn absolute(file: &Path) -> anyhow::Result<String> {
    let file = file.canonicalize().with_context(|| {
        format!("{} cannot be read; build it, or name its folder with --filters", file.display())
    })?;
    Ok(file.to_string_lossy().into_owned())
}

/// What the provider of a dialect is to Weir: it speaks nothing else.
fn provider_configuration(provider: Dialect) -> Value {
    let (path, stream_path) = (provider.path_template(Shape::Unary), provider.path_template(Shape::Stream));
    let mut format = json!({"endpoint": provider.endpoint(), "path": path});
    if let Some(format) = format.as_object_mut().filter(|_| stream_path != path) {
        format.insert("stream_path".to_owned(), stream_path.into());
    }
    json!({"name": provider.name(), "speaks": [format], "host": provider.host()})
}

/// One of Weir's filters; `None` for bare Envoy.
fn weir_filter(variant: Variant, file: &str, name: &str, configuration: &Value) -> Option<Value> {
    let configuration = json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration.to_string()});
    let config = match variant {
        Variant::Bare => return None,
        Variant::Native => json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
            "dynamic_module_config": {"do_not_close": true, "module": {"local": {"filename": file}}},
            "filter_name": name,
            "filter_config": configuration,
        }),
        Variant::Wasm => json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": name,
                "root_id": name,
                "allow_on_headers_stop_iteration": true,
                // One id: all filters live in one VM per worker.
                "vm_config": {"vm_id": "weir", "runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": file}}},
                "configuration": configuration,
            },
        }),
    };
    Some(json!({"name": format!("weir.{name}"), "typed_config": config}))
}

fn listener(port: u16, mut http_filters: Vec<Value>, per_host: Option<&Value>, access_log: bool) -> Value {
    http_filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }));
    let hosts: Vec<Value> = Dialect::ALL
        .map(|provider| {
            json!({
                "name": provider.host(),
                "domains": [provider.host()],
                // Room for the large bodies, as the control plane makes it.
                "request_body_buffer_limit": BODY_LIMIT,
                "typed_per_filter_config": per_host.unwrap_or(&json!({})),
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": provider.host(), "timeout": "0s"}}],
            })
        })
        .to_vec();
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "http_filters": http_filters,
        "route_config": {"name": "bench", "virtual_hosts": hosts},
    });
    if let Some(manager) = manager.as_object_mut().filter(|_| access_log) {
        let log = json!([{
            "name": "envoy.access_loggers.file",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": "/dev/null",
            },
        }]);
        manager.insert("access_log".to_owned(), log);
    }
    json!({
        "name": "bench",
        "address": socket(SocketAddr::from(([127, 0, 0, 1], port))),
        "filter_chains": [{"filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager},
        ]}],
    })
}

fn cluster(provider: Dialect, upstream: SocketAddr, filter: Option<Value>) -> Value {
    let mut options = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {}},
    });
    if let (Some(filter), Some(options)) = (filter, options.as_object_mut()) {
        let codec = json!({
            "name": "envoy.filters.http.upstream_codec",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"},
        });
        options.insert("http_filters".to_owned(), json!([filter, codec]));
    }
    json!({
        "name": provider.host(),
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": provider.host(),
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket(upstream)}}]}],
        },
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    })
}

fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variant: Variant, chain: Chain) -> Value {
        let folder = tempfile::tempdir().unwrap();
        let filters = Filters::in_folder(folder.path());
        for file in [&filters.native, &filters.wasm] {
            std::fs::write(file, "").unwrap();
        }
        bootstrap(variant, chain, &filters, 1, SocketAddr::from(([127, 0, 0, 1], 2)), Options::default())
            .unwrap()
    }

    /// Removes every filter of Weir, and with them the codec that must follow upstream.
    fn without_weir(value: &mut Value) -> usize {
        let mut removed = 0;
        let mut emptied = false;
        if let Some(filters) = value.get_mut("http_filters").and_then(Value::as_array_mut) {
            let before = filters.len();
            filters.retain(|filter| !filter["name"].as_str().unwrap().starts_with("weir."));
            removed += before - filters.len();
            emptied = filters.iter().all(|filter| filter["name"] == "envoy.filters.http.upstream_codec");
        }
        match value {
            Value::Object(fields) => {
                if emptied {
                    fields.remove("http_filters");
                }
                removed += fields.values_mut().map(without_weir).sum::<usize>();
            }
            Value::Array(items) => removed += items.iter_mut().map(without_weir).sum::<usize>(),
            _ => {}
        }
        removed
    }

    #[test]
    fn the_variants_differ_in_weirs_filters_only() {
        for chain in Chain::ALL {
            let bare = of(Variant::Bare, chain);
            for variant in [Variant::Native, Variant::Wasm] {
                let mut other = of(variant, chain);
                let providers = chain.on_cluster(json!({})).map_or(0, |_| Dialect::ALL.len());
                assert_eq!(without_weir(&mut other), chain.filters().len() + providers);
                assert_eq!(other, bare);
            }
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let filters = Filters::in_folder(Path::new("/nowhere"));
        let upstream = SocketAddr::from(([127, 0, 0, 1], 2));
        let error =
            bootstrap(Variant::Wasm, Chain::Gateway, &filters, 1, upstream, Options::default()).unwrap_err();
        assert!(error.to_string().contains("/nowhere/weir.wasm"), "{error}");
        assert!(bootstrap(Variant::Bare, Chain::Gateway, &filters, 1, upstream, Options::default()).is_ok());
    }
}
