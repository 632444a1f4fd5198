//! The scripts of `testkit::scripts` through `weir.wasm` in VMs. The core on a fake host
//! (`filters/filter-core/tests/same_scripts.rs`) and the dynamic module's entry points
//! (`filters/dynamic-module/tests/native/same_scripts.rs`) have to come to the same. Below are the few things in which
//! wasm cannot do the same.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

use std::path::PathBuf;

use testkit::scripts::{self, ANTHROPIC, Case, OPENAI};
use testkit::{Density, Expected, Headers, Module, Role, Script, Splits, Subject, VmSubject};

fn filters(case: &Case) -> VmSubject {
    let built = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../dist/weir.wasm");
    let weir = Module::load(std::env::var_os("WEIR_WASM").map_or(built, PathBuf::from))
        .unwrap_or_else(|error| panic!("{error}: run `make build`"));
    let mut filters = VmSubject::new(&weir, "llm", case.llm.as_bytes(), Role::Downstream).unwrap();
    if let Some(api_keys) = case.api_keys {
        filters = filters.with_downstream(&weir, "api-keys", api_keys.as_bytes()).unwrap();
    }
    filters.with_upstream(&weir, "provider", case.provider.as_bytes()).unwrap()
}

/// Whole exchange between an OpenAI client and an Anthropic provider.
fn translated() -> Case {
    let name = format!("{OPENAI}_to_{ANTHROPIC}_whole");
    scripts::pairs().into_iter().find(|case| case.name == name).unwrap()
}

#[test]
fn the_module_does_what_every_build_does() {
    let mut failures = Vec::new();
    for case in scripts::cases() {
        match case.check(&mut filters(&case), &Density::SAMPLED) {
            Ok(outcome) if outcome.notes.is_empty() => {}
            Ok(outcome) => failures.push(format!("{}: {:?}", case.name, outcome.notes)),
            Err(error) => failures.push(format!("{}: {error}", case.name)),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// The module keeps them itself; natively Envoy is told to.
#[test]
fn bodies_larger_than_envoys_buffer_limit_are_translated() {
    let case = translated();
    let long = "a".repeat(3 << 20);
    let larger = |body: &str| body.replace("Grüße", &long);
    let script = Script::json(
        scripts::path(OPENAI),
        larger(scripts::request(OPENAI, false)),
        larger(scripts::answer(ANTHROPIC)),
    );
    let splits = Splits { request: vec![1 << 20, 2 << 20], response: vec![10, 2 << 20], ..Splits::whole() };
    let outcome = filters(&case).exchange(&script, &splits);
    outcome.passed_through().unwrap();
    assert_eq!(outcome.notes, Vec::<String>::new());
    assert!(outcome.request.body().len() > long.len() && outcome.response.body().len() > long.len());
}

/// Natively the trailers are passed on; under wasm too where the length of the body was announced. Otherwise the module
/// has kept the body when the trailers come, and no body can be changed in a trailers callback: it answers itself, with
/// the headers that clients act on.
#[test]
fn a_held_response_with_trailers_is_sent_as_a_local_reply() {
    let mut case = translated();
    let without = filters(&case).exchange(&case.script, &Splits::whole());
    case.script.response.headers.remove("content-length");
    case.script.response.trailers = Some(Headers::from(&[("x-checksum", "1")][..]));
    case.script.response.headers.add("request-id", "req_1");
    let expected = Expected::nothing().status(200).response_body(without.response.body());
    let outcome =
        testkit::check_splits(&mut filters(&case), &case.script, &expected, &Density::SAMPLED).unwrap();
    assert_eq!(outcome.local_reply.as_ref().unwrap().details, "weir_response_trailers");
    assert_eq!(outcome.response.header("request-id"), Some("req_1"));
    assert_eq!(outcome.response.header("content-type"), Some("application/json"));
    assert_eq!(outcome.response.trailers, None);
    assert_eq!(outcome.filter_state, without.filter_state);
}

/// Natively they are passed on, and under wasm where the length of the body was announced. No client of a provider is
/// known to send any.
#[test]
fn requests_of_unknown_length_with_trailers_are_refused() {
    let mut case = translated();
    case.script.request.headers.remove("content-length");
    case.script.request.trailers = Some(Headers::from(&[("x-checksum", "1")][..]));
    let outcome = testkit::check_splits(
        &mut filters(&case),
        &case.script,
        &Expected::nothing().status(400).request_body(""),
        &Density::SAMPLED,
    )
    .unwrap();
    assert_eq!(outcome.local_reply.unwrap().details, "weir_request_trailers");
}
