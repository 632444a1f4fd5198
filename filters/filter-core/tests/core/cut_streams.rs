//! Streams that are ended here while their provider goes on.

use filter_core::fake_host::{FakeStream, Passed, SharedState};
use filter_core::{FilterKind, Outcome, Plan, RECORD_STATE, Record, Traits};
use llm_dialects::Dialect;
use llm_dialects::hub::{Block, Delta, StreamEvent};
use serde_json::json;

use super::guards::{content_type, pii, plan, post};

fn hand_off(client: &'static str, cap: Option<u64>) -> SharedState {
    let state = SharedState::default();
    let record = Record {
        path: Some("/x".into()),
        client: Some(client.into()),
        model: Some("m".into()),
        stream: true,
        traits: Traits { output_cap: cap, ..Traits::default() },
        ..Record::default()
    };
    state.borrow_mut().insert(RECORD_STATE.to_owned(), record.to_json());
    state
}

/// Texts as a provider of this dialect streams them, without an end.
fn going_on(dialect: Dialect, texts: &[&str]) -> Vec<u8> {
    let mut encoder = dialect.stream_encoder(1_700_000_000, true);
    let mut out = Vec::new();
    let start = StreamEvent::Start { id: "i".into(), model: "m".into(), created: None };
    encoder.event(&start, &mut out);
    encoder.event(&StreamEvent::BlockStart { index: 0, block: Block::Text }, &mut out);
    for text in texts {
        let delta = StreamEvent::Delta { index: 0, delta: Delta::Text((*text).into()) };
        encoder.event(&delta, &mut out);
    }
    out
}

/// What comes out when the bytes come `cut` at a time and do not end.
fn passed(stream: &mut FakeStream, dialect: Dialect, bytes: &[u8], cut: usize) -> String {
    let mut chunks: Vec<&[u8]> = bytes.chunks(cut).collect();
    chunks.push(b"");
    let headers = [(":status", "200"), ("content-type", content_type(dialect))];
    let Passed::On(got) = stream.response(&headers, &chunks) else { panic!("it replied") };
    String::from_utf8(got).unwrap()
}

/// The gap in the numbers of a stream of responses would be an error to its readers.
#[test]
fn a_translated_stream_ends_at_the_same_place_however_it_is_cut() {
    let config = json!({"name": "p", "speaks": [{"endpoint": "openai_chat", "path": "/v1/x"}]});
    let provider = Plan::compile(FilterKind::Provider, config.to_string().as_bytes()).unwrap();
    let bytes = going_on(Dialect::OpenaiChat, &["word "; 400]);
    let pass = |cut| {
        let state = hand_off("openai_responses", Some(50));
        let mut stream = FakeStream::start(&provider, &state);
        let body = json!({"model": "m", "input": "hi", "stream": true}).to_string();
        stream.request(&[(":method", "POST"), (":path", "/x")], &[body.as_bytes()]);
        let got = passed(&mut stream, Dialect::OpenaiChat, &bytes, cut);
        assert!(stream.over);
        got
    };
    let whole = pass(usize::MAX);
    assert!((50..120).contains(&whole.matches("\"delta\":\"word ").count()), "{whole}");
    assert!(whole.contains("token_limit_reached"), "{whole}");
    let numbers: Vec<u64> = whole
        .split("\"sequence_number\":")
        .skip(1)
        .map(|rest| rest.split([',', '}']).next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    for cut in [1, 7, 100, 1000] {
        assert_eq!(pass(cut), whole);
    }
}

/// A guard that looks at whole answers has passed on nothing yet: ended now, the answer would be lost.
#[test]
fn a_stream_that_a_guard_holds_is_not_ended() {
    let config = json!({"name": "p", "speaks": [{"endpoint": "openai_chat", "path": "/v1/x"}]});
    let provider = Plan::compile(FilterKind::Provider, config.to_string().as_bytes()).unwrap();
    let length = json!({"name": "short", "check": {"kind": "length", "characters": {"max": 9000}}});
    let guard = plan(&json!({"response": [length]}));
    let body = json!({"model": "m", "messages": [], "stream": true}).to_string();
    let bytes = going_on(Dialect::OpenaiChat, &["word "; 400]);
    for client in ["openai_chat", "anthropic_messages"] {
        let state = hand_off(client, Some(50));
        let mut held = FakeStream::start(&guard, &state);
        held.request(&post("/x"), &[body.as_bytes()]);
        held.response_so_far(&[(":status", "200"), ("content-type", "text/event-stream")], b"");
        let mut stream = FakeStream::start(&provider, &state);
        stream.request(&[(":method", "POST"), (":path", "/x")], &[body.as_bytes()]);
        let got = passed(&mut stream, Dialect::OpenaiChat, &bytes, 100);
        assert!(!stream.over && got.matches("reserved for it").count() == 1, "{got}");
        assert!(got.trim_end().ends_with('}'), "{got}");
    }
}

#[test]
fn a_rejected_stream_is_refused_in_the_record() {
    let plan = plan(&json!({"response": [pii("reject")]}));
    let bytes = going_on(Dialect::OpenaiChat, &["Fine. ", "Call 123-45-6789. ", "and ", "more"]);
    for cut in [1, 64, usize::MAX] {
        let state = hand_off("openai_chat", None);
        let mut stream = FakeStream::start(&plan, &state);
        stream.request(&post("/v1/chat/completions"), &[b"{\"model\":\"m\",\"messages\":[]}"]);
        let got = passed(&mut stream, Dialect::OpenaiChat, &bytes, cut);
        assert!(stream.over && got.contains("Fine. ") && got.contains("guardrail_intervention"), "{got}");
        assert!(!got.contains("123") && !got.contains("more"), "{got}");
        let record: serde_json::Value = serde_json::from_slice(&state.borrow()[RECORD_STATE]).unwrap();
        assert_eq!(record["outcome"], json!(Outcome::Refused));
        assert_eq!(record["error"], "guardrail_intervention");
    }
}
