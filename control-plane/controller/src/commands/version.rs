//! `weir version`

use std::process::ExitCode;

use crate::error::Error;

/// Version of Envoy's dynamic module ABI that `libweir.so` is built for, as Envoy 1.40 names it.
const DYNAMIC_MODULE_ABI: &str = "v0.2.0";

/// Version of the proxy-wasm ABI that `weir.wasm` is built for.
const PROXY_WASM_ABI: &str = "0.2.1";

/// Prints the versions of Weir and of what it is built for.
pub(super) fn execute() -> Result<ExitCode, Error> {
    super::print(&format!(
        "\
weir                 {}
Envoy                {}
dynamic module ABI   {DYNAMIC_MODULE_ABI}
proxy-wasm ABI       {PROXY_WASM_ABI}
filter configuration {}
",
        env!("CARGO_PKG_VERSION"),
        envoy_proto::ENVOY_VERSION,
        filter_config::VERSION,
    ))?;
    Ok(ExitCode::SUCCESS)
}
