//! `weir ratelimit`, and how Envoy's own ratelimit filter asks it.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::case::Variant;
use crate::load;

/// How long the service may take to listen.
const START_LIMIT: Duration = Duration::from_secs(10);
/// Name of the cluster, of the domain, and of the file of limits.
const NAME: &str = "rate-limits";
/// The filter that asks.
const FILTER: &str = "envoy.filters.http.ratelimit";
/// The descriptor of the `limit` filter whose values are sent.
pub(crate) const DESCRIPTOR: &str = "all";
/// The key of its entry.
pub(crate) const KEY: &str = "user";

/// A running service with one limit that is never reached, its counters in memory. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct RateLimits {
    child: Child,
    /// Where it serves gRPC.
    pub(crate) address: SocketAddr,
    counters: SocketAddr,
}

impl RateLimits {
    /// Starts `program`, the `weir` command, with its files in `folder`. It runs on the CPUs of the caller, not on Envoy's.
    ///
    /// # Errors
    /// When it does not come to listen, with its log.
    pub(crate) fn start(program: &Path, folder: &Path) -> anyhow::Result<Self> {
        let free =
            || -> anyhow::Result<SocketAddr> { Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?) };
        let (address, counters) = (free()?, free()?);
        let config = folder.join(format!("{NAME}.yaml"));
        let limit = "{unit: year, requests_per_unit: 4000000000}";
        std::fs::write(
            &config,
            format!("domain: {NAME}\ndescriptors:\n- {{key: {KEY}, rate_limit: {limit}}}\n"),
        )?;
        let log = folder.join(format!("{NAME}.log"));
        let mut command = Command::new(program);
        command.arg("ratelimit").arg("--config").arg(config);
        command.args(["--grpc", &address.to_string(), "--metrics", &counters.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let child = command.spawn().with_context(|| {
            format!("cannot start {}; build it, or name its folder with --filters", program.display())
        })?;
        let mut limits = Self { child, address, counters };
        let begun = Instant::now();
        while [address, counters].iter().any(|place| TcpStream::connect(place).is_err()) {
            if limits.child.try_wait()?.is_some() || begun.elapsed() > START_LIMIT {
                bail!(
                    "weir ratelimit does not listen: {}",
                    std::fs::read_to_string(&log).unwrap_or_default()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(limits)
    }

    /// How many requests it has counted.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) async fn spent(&self) -> anyhow::Result<u64> {
        let request = format!("GET /counters HTTP/1.1\r\nhost: {}\r\n\r\n", self.counters);
        let page =
            load::fetch(self.counters, request.as_bytes()).await.context("weir ratelimit has ended")?;
        let page: Value = serde_json::from_slice(&page).context("the page of counters is not JSON")?;
        let counters = page.get("counters").and_then(Value::as_array).context("there are no counters")?;
        Ok(counters.iter().filter_map(|counter| counter.get("spent")?.as_u64()).sum())
    }
}

impl Drop for RateLimits {
    fn drop(&mut self) {
        // It keeps nothing that must be written.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Envoy's filter that asks the service. A service that does not answer fails the request.
pub(crate) fn filter(service: SocketAddr) -> Value {
    json!({"name": FILTER, "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit",
        "domain": NAME,
        "timeout": "2s",
        "failure_mode_deny": true,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        "rate_limit_service": {
            "transport_api_version": "V3",
            "grpc_service": {"envoy_grpc": {"cluster_name": NAME, "authority": service.to_string()}},
        },
    }})
}

/// What a virtual host asks of the service: what the `limit` filter has published.
pub(crate) fn per_host(variant: Variant) -> Value {
    // Envoy puts this before the names of what wasm modules publish.
    let prefix = if variant == Variant::Wasm { "wasm." } else { "" };
    let state = format!("{prefix}weir.limit.{DESCRIPTOR}");
    json!({FILTER: {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute",
        "rate_limits": [{
            "actions": [{"extension": {"name": "envoy.rate_limit_descriptors.expr", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor",
                "descriptor_key": KEY,
                "text": format!("filter_state['{state}.0']"),
            }}}],
            "hits_addend": {"format": format!("%FILTER_STATE({state}.hits:PLAIN)%")},
        }],
    }})
}

/// The cluster of the service.
pub(crate) fn cluster(service: SocketAddr) -> Value {
    let address = json!({"address": service.ip().to_string(), "port_value": service.port()});
    json!({
        "name": NAME,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": NAME,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": address}}}]}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }},
    })
}
