//! The wasm host against small modules written as text: each test states one rule of Envoy's wasm filter.

#![allow(clippy::unwrap_used, reason = "the functions that start test modules are test code too")]

use testkit::wasm::Status;
use testkit::{
    Action, Error, Exchange, Expected, LogLevel, Module, ReplyOrigin, Role, Script, Vm, VmSubject,
    check_every_split,
};

/// Imports, memory, an allocator, the strings the tests use, and `$say`, which logs a string as info.
const PREAMBLE: &str = include_str!("wat/preamble.wat");

/// A module with the given functions after the preamble.
fn module(functions: &str) -> Module {
    let text = format!("(module {PREAMBLE} {functions})");
    Module::from_bytes("test module", &wat::parse_str(text).unwrap()).unwrap()
}

fn start(functions: &str) -> Vm {
    Vm::start(&module(functions), "root", b"").unwrap()
}

const POST: &[(&str, &str)] =
    &[(":method", "POST"), (":path", "/v1"), (":authority", "a"), ("content-length", "3")];
const OK: &[(&str, &str)] = &[(":status", "200"), ("content-type", "text/plain")];

/// Holds the request until its end, then replaces the body by `REPLACED` and removes the content length.
const REPLACE_REQUEST: &str = r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (i32.eqz (local.get 2)))
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
    (if (i32.eqz (local.get 2)) (then (return (i32.const 1))))
    (drop (call $set_buffer (i32.const 0) (i32.const 0) (local.get 1) (global.get $replaced) (i32.const 8)))
    (drop (call $remove_header (i32.const 0) (global.get $content_length) (i32.const 14)))
    (i32.const 0))"#;

#[test]
fn imports_are_listed() {
    let bytes = wat::parse_str(
        r#"(module (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
                   (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32))))"#,
    );
    let imports = Module::from_bytes("m", &bytes.unwrap()).unwrap().imports();
    let foreign: Vec<&str> =
        imports.iter().filter(|import| !import.is_proxy_wasm()).map(|import| import.name.as_str()).collect();
    assert_eq!(imports.len(), 2);
    assert_eq!(foreign, ["fd_write"]);
}

#[test]
fn files_are_compiled_once_until_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.wasm");
    let missing = Module::load(&path).unwrap_err();
    assert!(matches!(missing, Error::ModuleUnreadable { .. }), "{missing}");
    std::fs::write(&path, b"not wasm").unwrap();
    assert!(matches!(Module::load(&path), Err(Error::ModuleInvalid { .. })));
    std::fs::write(&path, wat::parse_str(r#"(module (func (export "one")))"#).unwrap()).unwrap();
    assert_eq!(Module::load(&path).unwrap().exports(), ["one"]);
    std::fs::write(&path, wat::parse_str(r#"(module (func (export "two")))"#).unwrap()).unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    std::fs::File::options().append(true).open(&path).unwrap().set_modified(later).unwrap();
    assert_eq!(Module::load(&path).unwrap().exports(), ["two"]);
}

#[test]
fn a_module_without_abi_version_is_refused() {
    let bytes = wat::parse_str(r#"(module (memory (export "memory") 1))"#).unwrap();
    let error = Vm::start(&Module::from_bytes("m", &bytes).unwrap(), "", b"").err();
    assert_eq!(error, Some(Error::MissingExport { name: "proxy_abi_version_0_2_1" }));
}

#[test]
fn a_rejected_configuration_comes_with_the_logs() {
    let module = module(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $get_buffer (i32.const 7) (i32.const 0) (local.get 1) (i32.const 0) (i32.const 4)))
             (call $say (i32.load (i32.const 0)) (i32.load (i32.const 4)))
             (i32.eq (local.get 1) (i32.const 2)))"#,
    );
    assert!(Vm::start(&module, "llm", b"ok").is_ok());
    match Vm::start(&module, "llm", b"bad config") {
        Err(Error::ConfigurationRejected { root_id, logs }) => {
            assert_eq!(root_id, "llm");
            assert_eq!(logs[0].message, "bad config");
        }
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn a_filter_without_callbacks_passes_everything() {
    let vm = start("");
    let stream = vm.stream(Role::Downstream, &Exchange::new());
    assert_eq!(stream.request_headers(POST, false), Ok(Action::Continue));
    stream.request_body(b"ab", false).unwrap();
    stream.request_body(b"c", false).unwrap();
    stream.request_trailers(&[("t", "1")]).unwrap();
    stream.response_headers(OK, false).unwrap();
    stream.response_body(b"answer", true).unwrap();
    let outcome = stream.finish().unwrap();
    outcome.passed_through().unwrap();
    assert_eq!(outcome.request.chunks, [b"ab".to_vec(), b"c".to_vec()]);
    assert_eq!(outcome.request.trailers.unwrap().get("t"), Some("1"));
    assert_eq!(outcome.response.body(), b"answer");
    assert_eq!(outcome.response.status(), Some(200));
}

#[test]
fn a_paused_request_is_held_and_rewritten_as_a_whole() {
    let vm = start(REPLACE_REQUEST);
    let stream = vm.stream(Role::Upstream, &Exchange::new());
    assert_eq!(stream.request_headers(POST, false), Ok(Action::Pause));
    assert_eq!(stream.request_body(b"ab", false), Ok(Action::Pause));
    let held = stream.outcome().request;
    assert_eq!((held.headers, held.held), (None, b"ab".to_vec()));
    assert_eq!(stream.request_body(b"c", true), Ok(Action::Continue));
    let outcome = stream.finish().unwrap();
    assert_eq!(outcome.request.chunks, [b"REPLACED".to_vec()]);
    assert_eq!(outcome.request.header("content-length"), None);
    assert!(outcome.request.ended);
}

#[test]
fn buffering_hides_the_split() {
    let mut subject = VmSubject::new(&module(REPLACE_REQUEST), "root", b"", Role::Downstream).unwrap();
    let script = Script::json("/v1/chat/completions", r#"{"model":"m"}"#, "answer");
    let expected = Expected::nothing().request_body("REPLACED").response_body("answer").status(200);
    check_every_split(&mut subject, &script, &expected).unwrap();
}

#[test]
fn a_change_per_chunk_depends_on_the_split() {
    let naive = module(
        r#"(func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
             (drop (call $set_buffer (i32.const 1) (i32.const 0) (i32.const 0) (global.get $replaced) (i32.const 1)))
             (i32.const 0))"#,
    );
    let mut subject = VmSubject::new(&naive, "root", b"", Role::Downstream).unwrap();
    let script = Script::json("/", "{}", "abc");
    let error =
        check_every_split(&mut subject, &script, &Expected::nothing().response_body("Rabc")).unwrap_err();
    assert!(matches!(error, Error::DependsOnSplit { what: "the response body", .. }), "{error}");
}

#[test]
fn set_buffer_knows_replace_prepend_and_append_only() {
    let cases: &[(u32, u32, &str, Option<Status>)] = &[
        (0, 0, "Rabc", None),
        (0, 2, "Rc", None),
        (0, 99, "R", None),
        (3, 0, "abcR", None),
        (99, 5, "abcR", None),
        (1, 1, "abc", Some(Status::BadArgument)),
    ];
    for (offset, length, expected, failure) in cases {
        let vm = start(&format!(
            r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
                 (drop (call $set_buffer (i32.const 0) (i32.const {offset}) (i32.const {length})
                        (global.get $replaced) (i32.const 1)))
                 (i32.const 0))"#
        ));
        let stream = vm.stream(Role::Downstream, &Exchange::new());
        stream.request_headers(POST, false).unwrap();
        stream.request_body(b"abc", true).unwrap();
        let body = stream.finish().unwrap().request.body();
        assert_eq!(String::from_utf8_lossy(&body), *expected, "start {offset}, length {length}");
        let failed: Vec<Status> = vm.failed_hostcalls().iter().map(|call| call.1).collect();
        assert_eq!(failed, failure.iter().copied().collect::<Vec<_>>(), "start {offset}, length {length}");
    }
}

#[test]
fn header_edits_need_a_paused_header_callback() {
    for (paused, seen) in [(0, Some("3")), (1, None)] {
        let vm = start(&format!(
            r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const {paused}))
               (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
                 (drop (call $remove_header (i32.const 0) (global.get $content_length) (i32.const 14)))
                 (i32.const 0))"#
        ));
        let stream = vm.stream(Role::Downstream, &Exchange::new());
        stream.request_headers(POST, false).unwrap();
        stream.request_body(b"abc", true).unwrap();
        let outcome = stream.finish().unwrap();
        assert_eq!(outcome.request.header("content-length"), seen);
        let refused = vm.failed_hostcalls() == [("proxy_remove_header_map_value", Status::BadArgument)];
        assert_eq!(refused, paused == 0);
    }
}

#[test]
fn a_late_header_edit_is_accepted_and_noted() {
    let vm = start(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))
           (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
             (drop (call $remove_header (i32.const 0) (global.get $content_length) (i32.const 14)))
             (i32.const 0))"#,
    );
    let stream = vm.stream(Role::Downstream, &Exchange::new());
    stream.request_headers(POST, false).unwrap();
    stream.request_body(b"a", false).unwrap();
    assert!(stream.outcome().notes.is_empty());
    stream.request_body(b"bc", true).unwrap();
    let outcome = stream.finish().unwrap();
    assert_eq!(outcome.notes.len(), 1, "{:?}", outcome.notes);
    assert_eq!(outcome.request.chunks, [b"a".to_vec(), b"bc".to_vec()]);
}

/// Answers 403 `no` in the request headers and upper-cases the first letter of every response body.
const REPLY: &str = r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $local_response (i32.const 403) (i32.const 0) (i32.const 0) (global.get $no) (i32.const 2)
      (i32.const 0) (i32.const 0) (i32.const -1)) drop
    (i32.const 1))
  (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
    (drop (call $set_buffer (i32.const 1) (i32.const 0) (i32.const 1) (global.get $replaced) (i32.const 1)))
    (i32.const 0))"#;

#[test]
fn a_downstream_reply_passes_the_filters_own_response_callbacks() {
    let vm = start(REPLY);
    let stream = vm.stream(Role::Downstream, &Exchange::new());
    assert_eq!(stream.request_headers(POST, false), Ok(Action::Pause));
    assert_eq!(stream.request_body(b"abc", true), Ok(Action::NotDelivered));
    assert_eq!(stream.response_headers(OK, true), Ok(Action::NotDelivered));
    let outcome = stream.finish().unwrap();
    let reply = outcome.local_reply.clone().unwrap();
    assert_eq!((reply.status, reply.body.as_slice(), reply.origin), (403, &b"no"[..], ReplyOrigin::Filter));
    assert_eq!(outcome.response.body(), b"Ro");
    assert_eq!(outcome.response.status(), Some(403));
    assert_eq!(outcome.response.header("content-type"), Some("text/plain"));
    assert_eq!(outcome.request.headers, None);
    assert!(outcome.passed_through().is_err());
}

#[test]
fn an_upstream_reply_goes_straight_to_the_client() {
    let vm = start(REPLY);
    let stream = vm.stream(Role::Upstream, &Exchange::new());
    stream.request_headers(POST, false).unwrap();
    let outcome = stream.finish().unwrap();
    assert_eq!(outcome.response.body(), b"no");
    assert_eq!(outcome.local_reply.unwrap().status, 403);
}

#[test]
fn a_reply_after_the_response_began_resets_the_stream() {
    let vm = start(
        r#"(func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
             (call $local_response (i32.const 502) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
               (i32.const 0) (i32.const 0) (i32.const -1)) drop
             (i32.const 1))"#,
    );
    let stream = vm.stream(Role::Downstream, &Exchange::new());
    stream.request_headers(POST, true).unwrap();
    stream.response_headers(OK, false).unwrap();
    stream.response_body(b"x", false).unwrap();
    assert_eq!(stream.response_body(b"y", true), Ok(Action::NotDelivered));
    let outcome = stream.finish().unwrap();
    assert!(outcome.reset);
    assert_eq!(outcome.response.status(), Some(200));
}

#[test]
fn outgrowing_the_buffer_is_a_413_or_a_500() {
    let vm = start(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 1))
           (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 1))
           (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) (i32.const 1))
           (func (export "proxy_on_log") (param i32)
             (drop (call $get_header (i32.const 2) (global.get $status) (i32.const 7) (i32.const 0) (i32.const 4)))
             (call $say (i32.load (i32.const 0)) (i32.load (i32.const 4))))"#,
    );
    vm.set_buffer_limit(4);
    for chunks in [&[&b"12345"[..]][..], &[b"1234", b"5"]] {
        let stream = vm.stream(Role::Upstream, &Exchange::new());
        stream.request_headers(POST, false).unwrap();
        for chunk in chunks {
            stream.request_body(chunk, false).unwrap();
        }
        let reply = stream.finish().unwrap().local_reply.unwrap();
        assert_eq!((reply.status, reply.origin), (413, ReplyOrigin::Host));
        assert_eq!(reply.details, "request_payload_too_large");
    }
    let stream = vm.stream(Role::Downstream, &Exchange::new());
    stream.request_headers(POST, true).unwrap();
    stream.response_headers(OK, false).unwrap();
    stream.response_body(b"1234", false).unwrap();
    assert_eq!(stream.outcome().local_reply, None);
    stream.response_body(b"5", true).unwrap();
    let outcome = stream.finish().unwrap();
    assert_eq!(outcome.response.status(), Some(500));
    assert_eq!(outcome.response.body(), b"Internal Server Error");
    assert!(outcome.logged(LogLevel::Info, "500"), "{:?}", outcome.logs);
}

/// Empties the buffer and holds the body as a stream; at the end logs how many bytes it was shown, by their number of
/// letters of `REPLACED`, which it sends. The request trailers try to write to the buffer.
const HOLD_AS_STREAM: &str = r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
    (if (i32.eqz (local.get 2)) (then
      (drop (call $set_buffer (i32.const 0) (i32.const 0) (local.get 1) (i32.const 0) (i32.const 0)))
      (return (i32.const 2))))
    (drop (call $set_buffer (i32.const 0) (i32.const 0) (local.get 1) (global.get $replaced) (local.get 1)))
    (i32.const 0))
  (func (export "proxy_on_request_trailers") (param i32 i32) (result i32)
    (drop (call $set_buffer (i32.const 0) (i32.const 0) (i32.const 0) (global.get $no) (i32.const 2)))
    (i32.const 0))"#;

#[test]
fn a_body_held_as_a_stream_has_no_limit_and_is_shown_once() {
    let vm = start(HOLD_AS_STREAM);
    vm.set_buffer_limit(2);
    let stream = vm.stream(Role::Upstream, &Exchange::new());
    stream.request_headers(POST, false).unwrap();
    for chunk in ["abc", "defgh"] {
        assert_eq!(stream.request_body(chunk.as_bytes(), false), Ok(Action::PauseAsStream));
    }
    assert_eq!(stream.outcome().request.headers, None);
    stream.request_body(b"ijkl", true).unwrap();
    let outcome = stream.finish().unwrap();
    assert_eq!(outcome.request.chunks, [b"REPL".to_vec()]);
    assert_eq!((outcome.local_reply, outcome.notes.len()), (None, 0));
}

#[test]
fn trailers_cannot_touch_a_body_held_as_a_stream() {
    let vm = start(HOLD_AS_STREAM);
    let stream = vm.stream(Role::Downstream, &Exchange::new());
    stream.request_headers(POST, false).unwrap();
    stream.request_body(b"abc", false).unwrap();
    assert_eq!(stream.request_trailers(&[("t", "1")]), Ok(Action::Continue));
    assert_eq!(stream.finish().unwrap().request.body(), b"");
    assert_eq!(vm.failed_hostcalls(), [("proxy_set_buffer_bytes", Status::BadArgument)]);
}

#[test]
fn bytes_left_in_a_stream_that_is_held_go_first_and_stop_the_sender() {
    let module_answering = |number: u32| {
        start(&format!(
            r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
                 (if (local.get 2) (then (return (i32.const 0))))
                 (i32.const {number}))"#
        ))
    };
    let vm = module_answering(2);
    vm.set_buffer_limit(3);
    let stream = vm.stream(Role::Downstream, &Exchange::new());
    stream.request_headers(POST, false).unwrap();
    stream.request_body(b"ab", false).unwrap();
    assert_eq!(stream.outcome().notes, Vec::<String>::new());
    stream.request_body(b"cd", false).unwrap();
    assert_eq!(stream.outcome().request.held, b"abcd");
    stream.request_body(b"e", true).unwrap();
    let outcome = stream.finish().unwrap();
    assert_eq!(outcome.request.chunks, [b"abcde".to_vec()]);
    assert_eq!(outcome.notes.len(), 1, "{:?}", outcome.notes);

    let vm = module_answering(3);
    let stream = vm.stream(Role::Downstream, &Exchange::new());
    stream.request_headers(POST, false).unwrap();
    assert_eq!(stream.request_body(b"ab", false), Ok(Action::PauseAndDrop));
    stream.request_body(b"e", true).unwrap();
    assert_eq!(stream.finish().unwrap().request.body(), b"e");
}

#[test]
fn a_trap_is_an_error_and_kills_the_vm() {
    let vm = start(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
             (call $say (global.get $no) (i32.const 2)) (unreachable))"#,
    );
    let stream = vm.stream(Role::Downstream, &Exchange::new());
    stream.request_headers(POST, false).unwrap();
    match stream.request_body(b"abc", true) {
        Err(Error::Trapped { callback, message, logs }) => {
            assert_eq!(callback, "proxy_on_request_body");
            assert!(message.contains("unreachable"), "{message}");
            assert_eq!(logs[0].message, "no");
        }
        other => panic!("{other:?}"),
    }
    let next = vm.stream(Role::Downstream, &Exchange::new());
    assert_eq!(next.request_headers(POST, true), Err(Error::VmDead));

    let script = Script::json("/", "{}", "abc");
    let trapping = module(r#"(func (export "proxy_on_done") (param i32) (result i32) (unreachable))"#);
    let mut subject = VmSubject::new(&trapping, "root", b"", Role::Downstream).unwrap();
    let error = check_every_split(&mut subject, &script, &Expected::nothing()).unwrap_err();
    assert!(matches!(error, Error::Unexpected { what: "the run", .. }), "{error}");
}

/// Logs the property `k`, then sets it to `no`.
const PROPERTIES: &str = r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (if (i32.eqz (call $get_property (global.get $k) (i32.const 1) (i32.const 0) (i32.const 4)))
      (then (call $say (i32.load (i32.const 0)) (i32.load (i32.const 4)))))
    (if (i32.eqz (call $get_property (global.get $wasm_k) (i32.const 19) (i32.const 0) (i32.const 4)))
      (then (call $say (i32.load (i32.const 0)) (i32.load (i32.const 4)))))
    (if (i32.eqz (call $get_property (global.get $path) (i32.const 12) (i32.const 0) (i32.const 4)))
      (then (call $say (i32.load (i32.const 0)) (i32.load (i32.const 4)))))
    (drop (call $set_property (global.get $k) (i32.const 1) (global.get $no) (i32.const 2)))
    (i32.const 0))"#;

#[test]
fn filter_state_is_shared_by_the_exchange_across_vms() {
    let (first, second) = (start(PROPERTIES), start(PROPERTIES));
    let exchange = Exchange::new();
    let downstream = first.stream(Role::Downstream, &exchange);
    let upstream = second.stream(Role::Upstream, &exchange);
    downstream.request_headers(POST, true).unwrap();
    upstream.request_headers(&[(":method", "POST"), (":path", "/other")], true).unwrap();
    let texts = |vm: &Vm| vm.logs().into_iter().map(|line| line.message).collect::<Vec<_>>();
    assert_eq!(texts(&first), ["/v1"]);
    assert_eq!(texts(&second), ["no", "no", "/other"]);
    assert_eq!(downstream.finish().unwrap().filter_state_text("k"), Some("no"));

    let stranger = second.stream(Role::Upstream, &Exchange::new());
    second.set_property(&["k"], b"scripted");
    stranger.request_headers(POST, true).unwrap();
    let outcome = stranger.finish().unwrap();
    assert!(outcome.logged(LogLevel::Info, "scripted"), "{:?}", outcome.logs);
}

/// Sets the property `k` to `no` in the request headers and passes everything.
const MARK: &str = r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $set_property (global.get $k) (i32.const 1) (global.get $no) (i32.const 2)))
    (i32.const 0))"#;

#[test]
fn a_chain_passes_on_what_each_filter_forwards() {
    let script = Script::json("/v1", r#"{"model":"m"}"#, "answer");
    let mut chain = VmSubject::new(&module(MARK), "llm", b"", Role::Downstream)
        .unwrap()
        .with_upstream(&module(PROPERTIES), "provider", b"")
        .unwrap()
        .with_upstream(&module(REPLACE_REQUEST), "provider", b"")
        .unwrap();
    let expected = Expected::nothing().request_body("REPLACED").response_body("answer").status(200);
    let outcome = check_every_split(&mut chain, &script, &expected).unwrap();
    outcome.passed_through().unwrap();
    let lines: Vec<&str> = outcome.logs.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(lines, ["no", "no", "/v1"]);

    // A reply of an upstream filter reaches the client through the downstream filter's response callbacks.
    let shout = module(
        r#"(func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
             (if (i32.eqz (local.get 2)) (then (return (i32.const 1))))
             (drop (call $set_buffer (i32.const 1) (i32.const 0) (i32.const 1) (global.get $replaced) (i32.const 1)))
             (i32.const 0))"#,
    );
    let mut chain = VmSubject::new(&shout, "llm", b"", Role::Downstream)
        .unwrap()
        .with_upstream(&module(REPLY), "provider", b"")
        .unwrap();
    let expected = Expected::nothing().response_body("Ro").status(403);
    let outcome = check_every_split(&mut chain, &script, &expected).unwrap();
    assert_eq!(outcome.local_reply.unwrap().body, b"no");
}

#[test]
fn tick_and_call_answers_can_resume_a_held_request() {
    let vm = start(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $set_tick_period (i32.const 250))) (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (drop (call $http_call (global.get $no) (i32.const 2) (global.get $call_headers) (i32.const 61)
               (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 0)))
             (i32.const 1))
           (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 1))
           (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
             (drop (call $get_buffer (i32.const 4) (i32.const 0) (local.get 3) (i32.const 0) (i32.const 4)))
             (if (local.get 3) (then (call $say (i32.load (i32.const 0)) (i32.load (i32.const 4)))))
             (drop (call $set_effective_context (i32.const 2)))
             (drop (call $continue_stream (i32.const 0))))
           (func (export "proxy_on_tick") (param i32)
             (drop (call $set_effective_context (i32.const 3)))
             (drop (call $continue_stream (i32.const 0))))"#,
    );
    assert_eq!(vm.tick_period(), Some(std::time::Duration::from_millis(250)));
    let (first, second) =
        (vm.stream(Role::Downstream, &Exchange::new()), vm.stream(Role::Downstream, &Exchange::new()));
    for stream in [&first, &second] {
        stream.request_headers(POST, false).unwrap();
        stream.request_body(b"abc", true).unwrap();
        assert!(!stream.outcome().request.ended);
    }
    let calls = vm.http_calls();
    assert_eq!((calls.len(), calls[0].cluster.as_str(), calls[0].timeout_ms), (2, "no", 1000));
    assert_eq!(calls[0].headers.get(":authority"), Some("c"));
    vm.answer_call(calls[0].token, &[(":status", "200")], b"decision").unwrap();
    assert_eq!(vm.answer_call(calls[0].token, &[], b""), Err(Error::UnknownCall { token: calls[0].token }));
    assert!(first.outcome().request.ended);
    assert!(first.outcome().logged(LogLevel::Info, "decision"));
    assert!(!second.outcome().request.ended);
    vm.tick().unwrap();
    assert_eq!(second.finish().unwrap().request.body(), b"abc");

    vm.set_clusters(&["other"]);
    vm.stream(Role::Downstream, &Exchange::new()).request_headers(POST, true).unwrap();
    assert_eq!(vm.failed_hostcalls(), [("proxy_http_call", Status::BadArgument)]);

    let said = vm.logs();
    vm.fail_call(calls[1].token).unwrap();
    assert_eq!(vm.logs(), said);
}

#[test]
fn log_comes_before_done_and_only_downstream() {
    let vm = start(
        r#"(func (export "proxy_on_log") (param i32) (call $say (global.get $k) (i32.const 1)))
           (func (export "proxy_on_done") (param i32) (result i32)
             (call $say (global.get $no) (i32.const 2)) (i32.const 1))
           (func (export "proxy_on_delete") (param i32) (call $say (global.get $replaced) (i32.const 8)))"#,
    );
    for (role, expected) in
        [(Role::Downstream, &["k", "no", "REPLACED"][..]), (Role::Upstream, &["no", "REPLACED"])]
    {
        let stream = vm.stream(role, &Exchange::new());
        stream.request_headers(POST, true).unwrap();
        let lines: Vec<String> = stream.finish().unwrap().logs.into_iter().map(|line| line.message).collect();
        assert_eq!(lines, expected);
    }
}

#[test]
fn shared_data_has_compare_and_swap_and_metrics_count() {
    let vm = start(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (drop (call $define_metric (i32.const 0) (global.get $k) (i32.const 1) (i32.const 0)))
             (drop (call $increment_metric (i32.load (i32.const 0)) (i64.const 2)))
             (drop (call $set_shared (global.get $k) (i32.const 1) (global.get $no) (i32.const 2) (i32.const 0)))
             (drop (call $get_shared (global.get $k) (i32.const 1) (i32.const 0) (i32.const 4) (i32.const 8)))
             (drop (call $set_shared (global.get $k) (i32.const 1) (global.get $k) (i32.const 1) (i32.load (i32.const 8))))
             (drop (call $set_shared (global.get $k) (i32.const 1) (global.get $no) (i32.const 2) (i32.load (i32.const 8))))
             (i32.const 0))"#,
    );
    let stream = vm.stream(Role::Downstream, &Exchange::new());
    stream.request_headers(POST, true).unwrap();
    assert_eq!(stream.finish().unwrap().metric("k"), 2);
    assert_eq!(vm.shared_data("k"), Some(b"k".to_vec()));
    assert_eq!(vm.failed_hostcalls(), [("proxy_set_shared_data", Status::CasMismatch)]);
    assert_eq!(vm.metrics()["k"].value, 2);
}

#[test]
fn unknown_imports_answer_unimplemented() {
    let text = r#"(module
        (import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (i32.eq (call $enqueue (i32.const 1) (i32.const 0) (i32.const 0)) (i32.const 12))))"#;
    let module = Module::from_bytes("m", &wat::parse_str(text).unwrap()).unwrap();
    let vm = Vm::start(&module, "", b"").unwrap();
    let stream = vm.stream(Role::Downstream, &Exchange::new());
    assert_eq!(stream.request_headers(POST, true), Ok(Action::Pause));
    assert_eq!(vm.unimplemented_hostcalls(), ["env.proxy_enqueue_shared_queue"]);
    assert_eq!(stream.outcome().notes.len(), 1);
}

#[test]
fn closing_resets_and_wrong_order_is_refused() {
    let vm = start(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
             (drop (call $close_stream (i32.const 0))) (i32.const 1))"#,
    );
    let stream = vm.stream(Role::Downstream, &Exchange::new());
    assert!(matches!(stream.request_body(b"", true), Err(Error::OutOfOrder { .. })));
    assert!(matches!(stream.response_headers(OK, true), Err(Error::OutOfOrder { .. })));
    stream.request_headers(POST, false).unwrap();
    assert!(matches!(stream.request_headers(POST, false), Err(Error::OutOfOrder { .. })));
    stream.request_body(b"abc", false).unwrap();
    assert_eq!(stream.request_body(b"d", true), Ok(Action::NotDelivered));
    assert!(stream.finish().unwrap().reset);
}
