//! How to test `weir.wasm`, the file that ships, without Envoy. Copy this test and change the configuration, the script
//! and the expectations; `tests/testkit/README.md` explains the parts.

#![allow(clippy::panic, reason = "a test helper outside a test function")]

use std::path::PathBuf;

use testkit::{
    Action, Exchange, Expected, Headers, Module, Role, Script, Side, Vm, VmSubject, check_every_split,
};

/// The module under test: `$WEIR_WASM`, else `dist/weir.wasm` in the repository. Compiled once per test binary. The panic
/// names the path and says what to do: `make build`.
fn weir() -> Module {
    let built = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../dist/weir.wasm");
    Module::load(std::env::var_os("WEIR_WASM").map_or(built, PathBuf::from))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The smallest configuration.
const CONFIGURATION: &[u8] = br#"{"version":1}"#;

/// The module runs in any proxy-wasm host: no WASI, nothing of wasm-bindgen.
#[test]
#[ignore = "needs dist/weir.wasm: make build"]
fn weir_imports_only_hostcalls() {
    let foreign: Vec<_> = weir().imports().into_iter().filter(|import| !import.is_proxy_wasm()).collect();
    assert_eq!(foreign, []);
}

/// Step by step: each call is one callback of the filter, and tells what the filter returned.
#[test]
#[ignore = "needs dist/weir.wasm: make build"]
fn a_get_passes_through() {
    let vm = Vm::start(&weir(), "usage", CONFIGURATION).unwrap();
    let stream = vm.stream(Role::Downstream, &Exchange::new());
    let request =
        [(":method", "GET"), (":scheme", "http"), (":authority", "gateway.test"), (":path", "/healthz")];
    assert_eq!(stream.request_headers(&request, true), Ok(Action::Continue));
    stream.response_headers(&[(":status", "200"), ("content-type", "text/plain")], false).unwrap();
    stream.response_body(b"fine", true).unwrap();

    let outcome = stream.finish().unwrap();
    outcome.passed_through().unwrap();
    assert_eq!(outcome.request.headers, Some(Headers::from(&request[..])));
    assert_eq!(outcome.response_body(), b"fine");
    assert_eq!(vm.failed_hostcalls(), []);
    assert_eq!(outcome.notes, Vec::<String>::new());
}

/// The same as a script: whole, byte by byte, cut in two at every place, and cut at random.
#[test]
#[ignore = "needs dist/weir.wasm: make build"]
fn a_get_passes_through_however_it_is_cut() {
    let script = Script {
        request: Side {
            headers: Headers::from(
                &[(":method", "GET"), (":scheme", "http"), (":authority", "gateway.test"), (":path", "/")][..],
            ),
            ..Side::default()
        },
        response: Side {
            headers: Headers::from(&[(":status", "200")][..]),
            body: b"an answer".to_vec(),
            ..Side::default()
        },
        ..Script::default()
    };
    let mut subject = VmSubject::new(&weir(), "usage", CONFIGURATION, Role::Downstream).unwrap();
    let expected = Expected::nothing().request_body("").response_body("an answer").status(200);
    check_every_split(&mut subject, &script, &expected).unwrap().passed_through().unwrap();
}
