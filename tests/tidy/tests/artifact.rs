//! What is shipped, looked at.

use std::path::{Path, PathBuf};

use testkit::Module;

/// Envoy's proxy-wasm host offers `env.proxy_*` and nothing else; a module that imports more does not load.
#[test]
fn the_wasm_module_imports_only_the_proxy_wasm_abi() {
    let module = Module::load(artifact()).unwrap();
    let others: Vec<_> = module.imports().into_iter().filter(|import| !import.is_proxy_wasm()).collect();
    assert!(others.is_empty(), "{others:?}");
}

fn artifact() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist/weir.wasm");
    let path = std::env::var_os("WEIR_WASM").map_or(built, PathBuf::from);
    assert!(path.exists(), "{} is missing: run `make build`, then the tests", path.display());
    path
}
