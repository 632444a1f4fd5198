//! What the translation needs to know beside the objects.

use std::path::PathBuf;

/// Settings of a translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Which build of the filters Envoy loads.
    pub runtime: Runtime,
    /// How filters, secrets, routes and endpoints reach Envoy.
    pub delivery: Delivery,
    /// GatewayClasses with this controller name are ours; the class named `agentgateway` is ours without
    /// an object.
    pub controller_name: String,
    /// File with the system's trusted certificates in PEM, for TLS to providers.
    pub ca_file: PathBuf,
    /// Address listeners bind to: `0.0.0.0`, or `127.0.0.1` on a laptop.
    pub bind_address: String,
    /// What tokens cost, for limits on costs: a catalogue of the `price-catalogue` crate.
    pub prices: Option<serde_json::Value>,
}

/// A build of the filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runtime {
    /// `weir.wasm` in Envoy's sandbox.
    Wasm {
        /// Where Envoy reads the module.
        module: PathBuf,
    },
    /// `libweir.so` inside Envoy's process.
    Native {
        /// Where Envoy reads the library.
        library: PathBuf,
    },
}

/// How the parts of the configuration reach Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Each as a resource of its own over aggregated discovery, so that a change of one touches nothing
    /// else.
    Discovery,
    /// All inside listeners and clusters, for an Envoy without a control plane. Secrets are read from
    /// environment variables.
    Static,
}

/// The controller name of agentgateway's GatewayClass, which manifests written for it use.
pub const CONTROLLER_NAME: &str = "agentgateway.dev/agentgateway";

/// The GatewayClass that needs no object.
pub const CLASS_NAME: &str = "agentgateway";

impl Settings {
    /// Settings with the published names, delivery by discovery, listeners on all addresses and the
    /// system certificates of Debian.
    pub fn new(runtime: Runtime) -> Self {
        Self {
            runtime,
            delivery: Delivery::Discovery,
            controller_name: CONTROLLER_NAME.to_owned(),
            ca_file: PathBuf::from("/etc/ssl/certs/ca-certificates.crt"),
            bind_address: "0.0.0.0".to_owned(),
            prices: None,
        }
    }
}
