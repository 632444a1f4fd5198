//! How to test `weir.wasm`, the file that ships, without Envoy. Copy a test and change the configuration, the script and
//! the expectations; `tests/testkit/README.md` explains the parts.

#![allow(clippy::panic, clippy::unwrap_used, reason = "test helpers outside test functions")]

use std::path::PathBuf;

use testkit::{
    Action, Density, Error, Exchange, Expected, LogLevel, Module, Role, Script, Stream, Vm, VmSubject,
    check_splits,
};

/// The module under test: `$WEIR_WASM`, else `dist/weir.wasm` in the repository. Compiled once per test binary.
fn weir() -> Module {
    let built = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../dist/weir.wasm");
    Module::load(std::env::var_os("WEIR_WASM").map_or(built, PathBuf::from))
        .unwrap_or_else(|error| panic!("{error}: run `make build`"))
}

/// A streaming request of an OpenAI client.
const REQUEST: &str = r#"{"model":"gpt-4.1","stream":true,"messages":[{"role":"user","content":"Grüße"}]}"#;

/// What OpenAI answers, when it is asked for usage.
const OPENAI_STREAM: &str = r#"data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"gpt-4.1-2025-04-14","choices":[{"index":0,"delta":{"role":"assistant","content":"Hallo"},"finish_reason":null}]}

data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"gpt-4.1-2025-04-14","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"gpt-4.1-2025-04-14","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}

data: [DONE]

"#;

/// What Anthropic answers.
const ANTHROPIC_STREAM: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hallo"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":3}}

event: message_stop
data: {"type":"message_stop"}

"#;

/// [`ANTHROPIC_STREAM`] as the OpenAI client gets it. The VM's clock stands still at `created`.
const TRANSLATED: &str = r#"data: {"id":"msg_1","object":"chat.completion.chunk","created":1767225600,"model":"claude-sonnet-4-5","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}

data: {"id":"msg_1","object":"chat.completion.chunk","created":1767225600,"model":"claude-sonnet-4-5","choices":[{"index":0,"delta":{"content":"Hallo"},"logprobs":null,"finish_reason":null}]}

data: {"id":"msg_1","object":"chat.completion.chunk","created":1767225600,"model":"claude-sonnet-4-5","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}

data: [DONE]

"#;

const PROVIDER: &str = r#"{"name":"anthropic","host":"api.anthropic.com",
    "speaks":[{"endpoint":"anthropic_messages","path":"/v1/messages"}],"model":"claude-sonnet-4-5"}"#;

/// Step by step: each call is one callback of the filter, and tells what the filter returned.
#[test]
fn usage_counts_a_stream_as_it_passes() {
    let vm = Vm::start(&weir(), "usage", b"{}").unwrap();
    let stream = vm.stream(Role::Downstream, &Exchange::new());
    let request = [(":method", "POST"), (":authority", "gateway.test"), (":path", "/v1/chat/completions")];
    assert_eq!(stream.request_headers(&request, false), Ok(Action::Continue));
    stream.request_body(REQUEST.as_bytes(), true).unwrap();
    stream.response_headers(&[(":status", "200"), ("content-type", "text/event-stream")], false).unwrap();
    let (first, rest) = OPENAI_STREAM.as_bytes().split_at(100);
    assert_eq!(stream.response_body(first, false), Ok(Action::Continue));
    assert_eq!(stream.outcome().response.body(), first, "nothing is held back");
    assert_eq!(stream.response_body(rest, true), Ok(Action::Continue));

    let outcome = stream.finish().unwrap();
    outcome.passed_through().unwrap();
    assert_eq!(outcome.forwarded_request_body(), REQUEST.as_bytes());
    assert_eq!(outcome.response_body(), OPENAI_STREAM.as_bytes());
    let record = outcome.filter_state_text("weir.record").unwrap();
    assert!(record.contains(r#""input":9"#) && record.contains(r#""output":3"#), "{record}");
    // Mistakes that Envoy does not report.
    assert_eq!(vm.failed_hostcalls(), []);
    assert_eq!(outcome.notes, Vec::<String>::new());
}

/// As a script: whole, byte by byte, and cut in two at every single place. Both filters of the data path, in one exchange.
#[test]
fn a_stream_is_translated_however_it_is_cut() {
    let weir = weir();
    let script = Script::event_stream("/v1/chat/completions", REQUEST, ANTHROPIC_STREAM);
    let mut subject = VmSubject::new(&weir, "llm", b"{}", Role::Downstream)
        .unwrap()
        .with_upstream(&weir, "provider", PROVIDER.as_bytes())
        .unwrap();
    let expected = Expected::nothing().status(200).response_body(TRANSLATED);
    let outcome = check_splits(&mut subject, &script, &expected, &Density::EVERY).unwrap();
    outcome.passed_through().unwrap();
    assert_eq!(outcome.request.header(":path"), Some("/v1/messages"));
    assert_eq!(outcome.request.header(":authority"), Some("api.anthropic.com"));
    let sent = String::from_utf8(outcome.forwarded_request_body()).unwrap();
    assert!(sent.starts_with(r#"{"model":"claude-sonnet-4-5","max_tokens":"#), "{sent}");
    let record = outcome.filter_state_text("weir.record").unwrap();
    assert!(record.contains(r#""outcome":"complete""#), "{record}");
}

/// A reply of the filter carries what stands in the access log as `%RESPONSE_CODE_DETAILS%`.
#[test]
fn a_refused_request_says_why_in_the_callers_dialect() {
    let vm = Vm::start(&weir(), "llm", br#"{"max_request_body_bytes":10}"#).unwrap();
    let stream = vm.stream(Role::Downstream, &Exchange::new());
    stream.request_headers(&[(":method", "POST"), (":path", "/v1/messages")], false).unwrap();
    assert_eq!(stream.request_body(b"0123456789", false), Ok(Action::PauseAsStream));
    stream.request_body(b"0", false).unwrap();
    let outcome = stream.finish().unwrap();
    let reply = outcome.local_reply.as_ref().unwrap();
    assert_eq!((reply.status, reply.details.as_str()), (413, "weir_request_too_large"));
    assert_eq!(reply.headers.get("content-type"), Some("application/json"));
    assert!(outcome.response_body().starts_with(br#"{"type":"error","error":{"type":"request_too_large""#));
    assert_eq!(outcome.request.headers, None);
}

const GUARD: &str =
    r#"{"response": [{"name": "pii", "check": {"kind": "text", "action": "reject", "builtins": ["ssn"]}}]}"#;

fn event(text: &str) -> String {
    format!("data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
}

/// A stream whose answer has begun.
fn begun(vm: &Vm) -> Stream {
    let stream = vm.stream(Role::Downstream, &Exchange::new());
    let path = [(":method", "POST"), (":authority", "gateway.test"), (":path", "/v1/chat/completions")];
    stream.request_headers(&path, false).unwrap();
    stream.request_body(br#"{"model":"m","stream":true,"messages":[]}"#, true).unwrap();
    stream.response_headers(&[(":status", "200"), ("content-type", "text/event-stream")], false).unwrap();
    stream.response_body(event("Fine. ").as_bytes(), false).unwrap();
    stream
}

/// The error leaves with its callback, and the stream is reset with a tick, once.
#[test]
fn a_stream_that_is_ended_is_reset_behind_its_last_bytes() {
    let vm = Vm::start(&weir(), "guard", GUARD.as_bytes()).unwrap();
    let (open, ended, another) = (begun(&vm), begun(&vm), begun(&vm));
    assert_eq!(vm.tick_period(), None);
    for stream in [&ended, &another] {
        stream.response_body(event("It is 123-45-6789. ").as_bytes(), false).unwrap();
        let body = String::from_utf8(stream.outcome().response.body()).unwrap();
        assert!(body.contains("guardrail_intervention") && !body.contains("123"), "{body}");
        assert!(!stream.outcome().reset, "the last bytes leave first");
    }
    assert!(vm.tick_period().is_some());
    // What still comes is dropped; who ends by itself needs no reset.
    ended.response_body(event("And so on. ").as_bytes(), false).unwrap();
    another.response_body(event("And so on. ").as_bytes(), true).unwrap();
    vm.tick().unwrap();
    assert_eq!(vm.tick_period(), None);
    assert!(ended.outcome().reset && !another.outcome().reset && !open.outcome().reset);
    for stream in [&ended, &another] {
        assert!(!String::from_utf8(stream.outcome().response.body()).unwrap().contains("so on"));
    }
    assert_eq!(vm.failed_hostcalls(), []);
}

/// Envoy keeps the listener or cluster it has, and logs what the module says.
#[test]
fn a_configuration_with_a_fault_is_refused_with_the_reason() {
    let weir = weir();
    for (root_id, configuration, reason) in [
        ("llm", "{", "configuration of the weir `llm` filter: EOF while parsing"),
        ("llm", r#"{"modelheader":"x"}"#, "unknown field `modelheader`"),
        ("usage", r#"{"version":2}"#, "this build of Weir speaks version 1"),
        ("provider", "", "missing field `name`"),
        ("provider", r#"{"name":"p","speaks":[]}"#, "name at least one endpoint"),
        (
            "lmm",
            "{}",
            "`root_id` is `lmm`, but weir's filters are `llm`, `api-keys`, `guard`, `limit`, `order`, `provider`, `usage`",
        ),
    ] {
        match Vm::start(&weir, root_id, configuration.as_bytes()).err() {
            Some(Error::ConfigurationRejected { logs, .. }) => {
                let told =
                    logs.iter().any(|line| line.level == LogLevel::Error && line.message.contains(reason));
                assert!(told, "{reason}: {logs:?}");
            }
            other => panic!("{root_id} {configuration}: {other:?}"),
        }
    }
}

/// The module runs in any proxy-wasm host: no WASI, nothing of wasm-bindgen.
#[test]
fn weir_imports_only_hostcalls() {
    let foreign: Vec<_> = weir().imports().into_iter().filter(|import| !import.is_proxy_wasm()).collect();
    assert_eq!(foreign, []);
}
