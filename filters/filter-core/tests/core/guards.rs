//! The `guard` filter, alone on a fake host.

use filter_core::fake_host::{FakeStream, Passed, SharedState};
use filter_core::{CallAnswer, FilterKind, HeaderMap, Metric, Plan};
use llm_dialects::Dialect;
use llm_dialects::dialect::Framing;
use llm_dialects::hub::{Block, Delta, StopReason, StreamEvent, Usage};
use proptest::prelude::*;
use serde_json::{Value, json};

pub(crate) fn plan(config: &Value) -> Plan {
    Plan::compile(FilterKind::Guard, config.to_string().as_bytes()).unwrap()
}

pub(crate) fn pii(action: &str) -> Value {
    json!({"name": "pii", "check": {"kind": "text", "action": action, "builtins": ["ssn", "email"]}})
}

pub(crate) const PATHS: [(Dialect, &str); 5] = [
    (Dialect::OpenaiChat, "/v1/chat/completions"),
    (Dialect::OpenaiResponses, "/v1/responses"),
    (Dialect::AnthropicMessages, "/v1/messages"),
    (Dialect::GeminiGenerate, "/v1beta/models/m:streamGenerateContent?alt=sse"),
    (Dialect::BedrockConverse, "/model/m/converse-stream"),
];

pub(crate) fn post(path: &str) -> Vec<(&str, &str)> {
    vec![
        (":method", "POST"),
        (":path", path),
        (":authority", "gateway"),
        ("content-type", "application/json"),
    ]
}

const CHAT: &str = r#"{"model":"m","messages":[{"role":"system","content":"be kind to ann@example.com"},{"role":"user","content":"my number is 123-45-6789"}]}"#;

pub(crate) fn start(plan: &Plan) -> FakeStream {
    FakeStream::start(plan, &SharedState::default())
}

fn body(passed: Passed) -> String {
    match passed {
        Passed::On(body) => String::from_utf8(body).unwrap(),
        Passed::Replied(reply) => panic!("{} {}", reply.status, String::from_utf8_lossy(&reply.body)),
    }
}

#[test]
fn requests_are_masked_in_place() {
    let plan = plan(&json!({"request": [pii("mask")]}));
    let mut stream = start(&plan);
    let sent = body(stream.request(&post("/v1/chat/completions"), &[CHAT.as_bytes()]));
    let expected = CHAT.replace("ann@example.com", "<EMAIL_ADDRESS>").replace("123-45-6789", "<SSN>");
    assert_eq!(sent, expected);
    let length = stream.host.headers[&HeaderMap::Request].iter().find(|(name, _)| name == "content-length");
    assert_eq!(length.unwrap().1, expected.len().to_string());
    let log: Value = serde_json::from_slice(&stream.host.state.borrow()["weir.guards"]).unwrap();
    assert_eq!(log, json!([{"guard": "pii", "phase": "request", "action": "mask", "matches": 2}]));
    let labels = ["pii", "request", "mask"].map(str::to_owned).to_vec();
    assert_eq!(stream.host.observed, [(Metric::GuardChecks, labels, 1)]);
}

#[test]
fn requests_are_rejected_in_the_callers_dialect() {
    let plan = plan(&json!({"request": [pii("reject")]}));
    for (path, pointer) in [("/v1/chat/completions", "/error/message"), ("/v1/messages", "/error/message")] {
        let request = r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"123-45-6789"}]}"#;
        let Passed::Replied(reply) = start(&plan).request(&post(path), &[request.as_bytes()]) else {
            panic!("it passed");
        };
        let error: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(reply.status, 403);
        let message = error.pointer(pointer).unwrap().as_str().unwrap();
        assert!(message.starts_with("The request was rejected due to inappropriate content"), "{message}");
    }
}

#[test]
fn a_rejection_can_have_its_own_status_headers_and_body() {
    let rejection = json!({"status": 451, "message": "no", "body": "<no>", "headers": {"content-type": "text/html", "x-why": "pii"}});
    let mut rule = pii("reject");
    rule["rejection"] = rejection;
    let Passed::Replied(reply) =
        start(&plan(&json!({"request": [rule]}))).request(&post("/v1/chat/completions"), &[CHAT.as_bytes()])
    else {
        panic!("it passed");
    };
    assert_eq!((reply.status, reply.body.as_slice()), (451, &b"<no>"[..]));
    let headers: Vec<(&str, &str)> =
        reply.headers.iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect();
    assert_eq!(headers, [("content-type", "text/html"), ("x-why", "pii")]);
}

/// Log probabilities repeat the text: they go where a guard acts, and stay where it only looks.
#[test]
fn what_repeats_the_text_goes_only_where_guards_act() {
    let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi \"},\"logprobs\":{\"content\":[{\"token\":\"hi \"}]}}]}\n\n";
    for shadow in [false, true] {
        let mut rule = pii("mask");
        rule["shadow"] = shadow.into();
        let plan = plan(&json!({"response": [rule]}));
        let (got, _) =
            answered(&plan, "/v1/chat/completions", "text/event-stream", event.as_bytes(), event.len());
        assert_eq!(String::from_utf8(got).unwrap().contains("token"), shadow);
    }
}

#[test]
fn shadow_guards_count_and_change_nothing() {
    for action in ["mask", "reject"] {
        let mut rule = pii(action);
        rule["shadow"] = true.into();
        let plan = plan(&json!({"request": [rule]}));
        let mut stream = start(&plan);
        assert_eq!(body(stream.request(&post("/v1/chat/completions"), &[CHAT.as_bytes()])), CHAT);
        assert_eq!(stream.host.observed[0].1[2], format!("shadow_{action}"));
    }
}

/// T-23: every guard sees what the one before has left, in whatever order.
#[test]
fn t23_guards_see_what_the_one_before_has_left() {
    let first =
        json!({"name": "a", "check": {"kind": "text", "patterns": [{"regex": "cat", "replacement": "dog"}]}});
    let second =
        json!({"name": "b", "check": {"kind": "text", "patterns": [{"regex": "dog", "replacement": "fox"}]}});
    let request = r#"{"model":"m","messages":[{"role":"user","content":"cat dog"}]}"#;
    for (order, expected) in [([&first, &second], "fox fox"), ([&second, &first], "dog fox")] {
        let plan = plan(&json!({"request": order}));
        let sent = body(start(&plan).request(&post("/v1/chat/completions"), &[request.as_bytes()]));
        assert_eq!(sent, request.replace("cat dog", expected));
    }
}

/// A stream with a text in these deltas, and one tool call with the text in its arguments.
fn streamed(dialect: Dialect, deltas: &[&str], arguments: &[&str]) -> Vec<u8> {
    let mut encoder = dialect.stream_encoder(1_700_000_000, true);
    let mut out = Vec::new();
    let mut send = |event: StreamEvent<'_>| encoder.event(&event, &mut out);
    send(StreamEvent::Start { id: "a-1".into(), model: "m".into(), created: Some(1_700_000_000) });
    send(StreamEvent::BlockStart { index: 0, block: Block::Text });
    for delta in deltas {
        send(StreamEvent::Delta { index: 0, delta: Delta::Text((*delta).into()) });
    }
    send(StreamEvent::BlockStop { index: 0 });
    if !arguments.is_empty() {
        let block = Block::ToolCall { id: "call_1".into(), name: "look".into(), signature: None };
        send(StreamEvent::BlockStart { index: 1, block });
        for delta in arguments {
            send(StreamEvent::Delta { index: 1, delta: Delta::Arguments((*delta).into()) });
        }
        send(StreamEvent::BlockStop { index: 1 });
    }
    send(StreamEvent::Finish { reason: StopReason::EndTurn, stop_sequence: None });
    send(StreamEvent::Usage(Usage { input_uncached: 3, output: 4, ..Usage::default() }));
    send(StreamEvent::End);
    out
}

pub(crate) fn content_type(dialect: Dialect) -> &'static str {
    match dialect.framing() {
        Framing::Sse => "text/event-stream",
        Framing::AwsEventStream => "application/vnd.amazon.eventstream",
    }
}

/// The answer as a client gets it that asked at `path`, its bytes cut at every `cut` bytes.
pub(crate) fn answered(
    plan: &Plan,
    path: &str,
    content_type: &str,
    body: &[u8],
    cut: usize,
) -> (Vec<u8>, FakeStream) {
    let mut stream = start(plan);
    let request = br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let _ = stream.request(&post(path), &[request]);
    let chunks: Vec<&[u8]> = body.chunks(cut.max(1)).collect();
    let passed = stream.response(&[(":status", "200"), ("content-type", content_type)], &chunks);
    match passed {
        Passed::On(body) => (body, stream),
        Passed::Replied(reply) => panic!("{reply:?}"),
    }
}

/// Everything a client of this dialect can read in a stream, as one text.
fn said(dialect: Dialect, stream: &[u8]) -> (String, String, bool) {
    let mut decoder = dialect.stream_decoder();
    let (mut text, mut arguments, mut failed) = (String::new(), String::new(), false);
    let mut sink = |event: StreamEvent<'_>| match event {
        StreamEvent::Delta { delta: Delta::Text(delta), .. } => text.push_str(&delta),
        StreamEvent::Delta { delta: Delta::Arguments(delta), .. } => arguments.push_str(&delta),
        StreamEvent::Error(_) => failed = true,
        _ => {}
    };
    match dialect.framing() {
        Framing::Sse => {
            let mut frames = framing::sse::Decoder::new(framing::sse::Limits::default());
            let mut read = |frame: framing::sse::Frame<'_>| {
                if let framing::sse::Frame::Event(event) = frame {
                    decoder.event(event.event, event.data, &mut sink).unwrap();
                }
                Ok::<(), framing::Error>(())
            };
            frames.feed(stream, &mut read).unwrap();
            frames.finish(&mut read).unwrap();
        }
        Framing::AwsEventStream => {
            use framing::aws_event_stream::{Decoder, Limits, Message};
            let mut frames = Decoder::new(Limits::default());
            frames
                .feed(stream, |message: Message<'_>| {
                    let name = message.name().map(str::as_bytes);
                    decoder.event(name, message.payload, &mut sink).unwrap();
                    Ok::<(), framing::Error>(())
                })
                .unwrap();
        }
    }
    (text, arguments, failed)
}

/// T-19: the same text gets the same verdict streamed and whole, in every dialect, however it is cut.
#[test]
fn t19_streams_are_masked_like_whole_answers() {
    let plan = plan(&json!({"response": [pii("mask")]}));
    let deltas = ["Write to a", "nn@exam", "ple.com, or call 123-", "45-", "6789", "."];
    let arguments = [r#"{"to": "ann@e"#, r#"xample.com", "n": 1"#, "}"];
    for (dialect, path) in PATHS {
        let whole = streamed(dialect, &deltas, &arguments);
        let (unary, ..) = said(dialect, &whole);
        assert!(unary.contains("ann@example.com"));
        for cut in [1, 7, 64, whole.len()] {
            let (got, stream) = answered(&plan, path, content_type(dialect), &whole, cut);
            let (text, arguments, failed) = said(dialect, &got);
            assert_eq!(text, "Write to <EMAIL_ADDRESS>, or call <SSN>.", "{dialect:?}");
            let arguments: Value = serde_json::from_str(&arguments).unwrap();
            assert_eq!(arguments, json!({"to": "<EMAIL_ADDRESS>", "n": 1}), "{dialect:?}");
            assert!(!failed);
            assert!(
                !String::from_utf8_lossy(&got).contains("example.com"),
                "{dialect:?}: something repeats it"
            );
            assert_eq!(stream.host.observed.len(), 1, "counted once");
        }
    }
}

/// T-19: what is rejected whole is rejected streamed, and nothing of it leaves.
#[test]
fn t19_streams_are_rejected_with_an_error_event() {
    let plan = plan(&json!({"response": [pii("reject")]}));
    for (dialect, path) in PATHS {
        let whole = streamed(dialect, &["Fine. ", "Call 123-", "45-6789", " and more"], &[]);
        for cut in [1, 50, whole.len()] {
            let (got, stream) = answered(&plan, path, content_type(dialect), &whole, cut);
            let (text, _, failed) = said(dialect, &got);
            assert!(failed, "{dialect:?}");
            assert!("Fine. Call ".starts_with(&text) || text == "Fine. Call ", "{dialect:?} {text}");
            assert!(!String::from_utf8_lossy(&got).contains("123"), "{dialect:?}");
            assert_eq!(stream.host.observed[0].1[2], "reject");
        }
    }
}

#[test]
fn clean_streams_keep_their_events_and_wait_for_nothing() {
    let plan = plan(&json!({"response": [pii("mask")]}));
    for (dialect, path) in PATHS {
        let whole = streamed(dialect, &["Hello ", "there, ", "nothing ", "to see "], &[r#"{"a": "#, "1}"]);
        let (got, _) = answered(&plan, path, content_type(dialect), &whole, whole.len());
        assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(&whole), "{dialect:?}");
    }
}

/// An event without text leaves when it comes, not with the next one.
#[test]
fn t14_the_first_event_does_not_wait() {
    let plan = plan(&json!({"response": [pii("mask")]}));
    let mut stream = start(&plan);
    let request = br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let _ = stream.request(&post("/v1/chat/completions"), &[request]);
    let first = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    let headers = [(":status", "200"), ("content-type", "text/event-stream")];
    let Passed::On(got) = stream.response_so_far(&headers, first.as_bytes()) else { panic!("it replied") };
    assert_eq!(String::from_utf8(got).unwrap(), first);
}

#[test]
fn whole_answers_are_masked_and_rejected() {
    let answer = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "it is 123-45-6789"}}]});
    let (got, _) = answered(
        &plan(&json!({"response": [pii("mask")]})),
        "/v1/chat/completions",
        "application/json",
        answer.to_string().as_bytes(),
        9999,
    );
    let got: Value = serde_json::from_slice(&got).unwrap();
    assert_eq!(got["choices"][0]["message"]["content"], "it is <SSN>");
    let (got, stream) = answered(
        &plan(&json!({"response": [pii("reject")]})),
        "/v1/chat/completions",
        "application/json",
        answer.to_string().as_bytes(),
        9999,
    );
    let got: Value = serde_json::from_slice(&got).unwrap();
    assert_eq!(got["error"]["code"], "guardrail_intervention");
    let status = stream.host.headers[&HeaderMap::Response].iter().find(|(name, _)| name == ":status");
    assert_eq!(status.unwrap().1, "403");
}

fn webhook(on_failure: &str) -> Value {
    json!({"name": "hook", "on_failure": on_failure, "check": {"kind": "webhook", "path": "/g",
        "callout": {"cluster": "hooks", "authority": "hooks.local"},
        "forward_headers": [{"name": "x-user"}], "headers": {"x-path": "request.path"}}})
}

fn answer(status: u16, body: &str) -> Option<CallAnswer> {
    Some(CallAnswer { status, body: body.as_bytes().to_vec() })
}

#[test]
fn webhooks_are_asked_and_their_masks_applied() {
    let plan = plan(&json!({"request": [webhook("refuse")]}));
    let mut stream = start(&plan);
    stream.answers.push_back(answer(
        200,
        r#"{"action":{"body":{"messages":[{"role":"system","content":"be kind"},{"role":"user","content":"hidden"}]}}}"#,
    ));
    let mut headers = post("/v1/chat/completions");
    headers.push(("x-user", "ann"));
    let sent: Value = serde_json::from_str(&body(stream.request(&headers, &[CHAT.as_bytes()]))).unwrap();
    assert_eq!(sent["messages"][0]["content"], "be kind");
    assert_eq!(sent["messages"][1]["content"], "hidden");
    let asked = &stream.asked[0];
    let header =
        |name: &str| asked.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!((asked.cluster.as_str(), asked.timeout_ms), ("hooks", 10_000));
    assert_eq!(header(":path"), Some("/g/request"));
    assert_eq!(header(":authority"), Some("hooks.local"));
    assert_eq!((header("x-user"), header("x-path")), (Some("ann"), Some("/v1/chat/completions")));
    let question: Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(question["body"]["messages"][1]["content"], "my number is 123-45-6789");
}

#[test]
fn webhooks_reject_and_fail_as_they_are_told_to() {
    let rejecting = r#"{"action":{"body":"not here","status_code":418}}"#;
    let table = [
        ("refuse", answer(200, rejecting), Some(418)),
        ("refuse", answer(200, r#"{"action":{"reason":"fine"}}"#), None),
        ("refuse", None, Some(503)),
        ("refuse", answer(500, ""), Some(503)),
        ("pass", None, None),
        ("pass", answer(200, "nonsense"), None),
    ];
    for (on_failure, answer, status) in table {
        let plan = plan(&json!({"request": [webhook(on_failure)]}));
        let mut stream = start(&plan);
        stream.answers.push_back(answer);
        let passed = stream.request(&post("/v1/chat/completions"), &[CHAT.as_bytes()]);
        let got = match passed {
            Passed::On(body) => {
                assert_eq!(body, CHAT.as_bytes());
                None
            }
            Passed::Replied(reply) => Some(reply.status),
        };
        assert_eq!(got, status, "{on_failure}");
    }
}

#[test]
fn services_see_streams_whole() {
    let plan = plan(&json!({"response": [webhook("refuse")]}));
    for (dialect, path) in PATHS {
        let whole = streamed(dialect, &["my ", "secret"], &[]);
        let mut stream = start(&plan);
        let request = br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
        let _ = stream.request(&post(path), &[request]);
        stream.answers.push_back(answer(
            200,
            r#"{"action":{"body":{"choices":[{"message":{"role":"assistant","content":"****"}}]}}}"#,
        ));
        let headers = [(":status", "200"), ("content-type", content_type(dialect))];
        let Passed::On(got) = stream.response(&headers, &[&whole]) else { panic!("{dialect:?}") };
        assert_eq!(said(dialect, &got).0, "****", "{dialect:?}");
        let question: Value = serde_json::from_slice(&stream.asked[0].body).unwrap();
        assert_eq!(question["body"]["choices"][0]["message"]["content"], "my secret", "{dialect:?}");
    }
}

#[test]
fn what_was_masked_is_put_back_into_the_answer() {
    let rule = json!({"name": "pii", "check": {"kind": "text", "builtins": ["email"], "reversible": true}});
    let plan = plan(&json!({"request": [rule]}));
    let request = r#"{"model":"m","messages":[{"role":"user","content":"write to ann@example.com and bob@example.com and ann@example.com"}]}"#;
    for (dialect, path) in PATHS.into_iter().take(1) {
        let mut stream = start(&plan);
        let sent = body(stream.request(&post(path), &[request.as_bytes()]));
        assert!(sent.contains("write to <EMAIL_ADDRESS_1> and <EMAIL_ADDRESS_2> and <EMAIL_ADDRESS_1>"));
        let whole = streamed(dialect, &["done: <EMA", "IL_ADDRESS_2", "> and <EMAIL_ADDRESS_3>"], &[]);
        let headers = [(":status", "200"), ("content-type", content_type(dialect))];
        let chunks: Vec<&[u8]> = whole.chunks(11).collect();
        let Passed::On(got) = stream.response(&headers, &chunks) else { panic!("{dialect:?}") };
        assert_eq!(said(dialect, &got).0, "done: bob@example.com and <EMAIL_ADDRESS_3>");
    }
}

#[test]
fn lengths_and_schemas_are_checked() {
    let chat = |content: &str| {
        json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}]})
        .to_string()
    };
    let schema = json!({"name": "s", "check": {"kind": "json_schema", "schema": {"type": "object", "required": ["a"]}}});
    let length = json!({"name": "l", "check": {"kind": "length", "words": {"max": 3}}});
    for (rule, good, bad) in
        [(schema, r#"{"a":1}"#, r#"{"b":1}"#), (length, "one two three", "one two three four")]
    {
        let plan = plan(&json!({"response": [rule]}));
        let pass = |content: &str| {
            let (got, stream) =
                answered(&plan, "/v1/chat/completions", "application/json", chat(content).as_bytes(), 9999);
            let _ = got;
            stream.host.headers[&HeaderMap::Response]
                .iter()
                .find(|(name, _)| name == ":status")
                .unwrap()
                .1
                .clone()
        };
        assert_eq!((pass(good).as_str(), pass(bad).as_str()), ("200", "403"));
    }
}

#[test]
fn what_cannot_be_read_does_not_pass_unchecked() {
    let strict = plan(&json!({"request": [pii("mask")]}));
    let Passed::Replied(reply) = start(&strict).request(&post("/v1/chat/completions"), &[b"{not json"])
    else {
        panic!("it passed");
    };
    assert_eq!(reply.status, 400);
    let headers = [(":method", "GET"), (":path", "/v1/realtime?model=m"), (":authority", "gateway")];
    let Passed::Replied(reply) = start(&strict).request(&headers, &[]) else { panic!("it passed") };
    assert_eq!(reply.status, 503);
}

proptest! {
    /// A masked stream says what the masked text says, whatever the text and however it came.
    #[test]
    fn streams_say_what_whole_texts_say(
        words in proptest::collection::vec("[a-c ]{0,4}|123-45-6789|a@b\\.co|12|3-|<|é", 0..12),
        dialect in 0_usize..5, cut in 1_usize..80,
    ) {
        let plan = plan(&json!({"response": [pii("mask")]}));
        let text = words.concat();
        let request = json!({"model": "m", "messages": [{"role": "user", "content": text}]}).to_string();
        let requests = plan_of_requests();
        let masked: Value =
            serde_json::from_str(&body(start(&requests).request(&post("/v1/chat/completions"), &[request.as_bytes()])))
                .unwrap();
        let (dialect, path) = PATHS[dialect];
        let deltas: Vec<&str> = words.iter().map(String::as_str).collect();
        let whole = streamed(dialect, &deltas, &[]);
        let (got, _) = answered(&plan, path, content_type(dialect), &whole, cut);
        let (text, ..) = said(dialect, &got);
        prop_assert_eq!(text.as_str(), masked["messages"][0]["content"].as_str().unwrap());
    }
}

fn plan_of_requests() -> Plan {
    plan(&json!({"request": [pii("mask")]}))
}
