//! The scripts of `testkit::scripts` through the exported hooks. `weir.wasm` in a VM
//! (`tests/testkit/tests/same_scripts.rs`) and the core on a fake host (`filters/filter-core/tests/same_scripts.rs`) have
//! to come to the same.

use crate::fake_envoy::FakeEnvoy;
use testkit::{Density, scripts};

#[test]
fn the_hooks_do_what_every_build_does() {
    let mut failures = Vec::new();
    for case in scripts::cases() {
        // Bodies in one piece, and in pieces that no event fits in.
        for (piece, density) in [(usize::MAX, Density::FULL), (7, Density::SAMPLED)] {
            let mut envoy = FakeEnvoy::with_filter("llm", case.llm).unwrap();
            if let Some(api_keys) = case.api_keys {
                envoy = envoy.with_upstream("api-keys", api_keys).unwrap();
            }
            let mut envoy = envoy.with_upstream("provider", &case.provider).unwrap().in_pieces_of(piece);
            if let Err(error) = case.check(&mut envoy, &density) {
                failures.push(format!("{}: {error}", case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
