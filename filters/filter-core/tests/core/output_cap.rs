//! What the provider filter makes of a reservation for the answer.

use filter_core::fake_host::{FakeStream, Passed, SharedState};
use filter_core::{FilterKind, Outcome, Plan, RECORD_STATE, Record, Traits};
use serde_json::{Value, json};

fn provider(endpoint: &str) -> Plan {
    let config = json!({"name": "p", "speaks": [{"endpoint": endpoint, "path": "/v1/x"}]});
    Plan::compile(FilterKind::Provider, config.to_string().as_bytes()).unwrap()
}

/// An attempt with `cap` tokens reserved for the answer.
fn attempt(endpoint: &str, body: &Value, stream: bool, cap: u64, asked: Option<u64>) -> (FakeStream, Value) {
    let state = SharedState::default();
    let record = Record {
        path: Some("/v1/chat/completions".into()),
        client: Some("openai_chat".into()),
        model: Some("m".into()),
        stream,
        traits: Traits { output_cap: Some(cap), max_output: asked, include_usage: true, ..Traits::default() },
        ..Record::default()
    };
    state.borrow_mut().insert(RECORD_STATE.to_owned(), record.to_json());
    let mut attempt = FakeStream::start(&provider(endpoint), &state);
    let body = body.to_string();
    let passed = attempt.request(&[(":method", "POST"), (":path", "/x")], &[body.as_bytes()]);
    let Passed::On(sent) = passed else { panic!("{passed:?}") };
    (attempt, serde_json::from_slice(&sent).unwrap())
}

fn chat(more: &Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn providers_are_told_of_the_reservation() {
    let table = [
        ("openai_chat", json!({"max_tokens": 90}), Some(90), "/max_tokens", 50),
        ("openai_chat", json!({}), None, "/max_tokens", 50),
        ("openai_chat", json!({"n": "5"}), None, "/max_tokens", 10),
        ("openai_chat", json!({"max_tokens": 30}), Some(30), "/max_tokens", 30),
        ("openai_chat", json!({"max_tokens": 90, "n": 5}), Some(450), "/max_tokens", 10),
        ("anthropic_messages", json!({"max_tokens": 90}), Some(90), "/max_tokens", 50),
        ("gemini_generate_content", json!({}), None, "/generationConfig/maxOutputTokens", 50),
        ("bedrock_converse", json!({}), None, "/inferenceConfig/maxTokens", 50),
    ];
    for (endpoint, more, asked, pointer, expected) in table {
        let (_, sent) = attempt(endpoint, &chat(&more), false, 50, asked);
        assert_eq!(sent.pointer(pointer), Some(&json!(expected)), "{endpoint} {sent}");
    }
}

/// A provider that goes on and on is cut off, with an error event; what it says behind is dropped.
#[test]
fn t26_a_stream_that_passes_its_reservation_ends() {
    let chunk = |text: &str| {
        let value = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]});
        format!("data: {value}\n\n")
    };
    let (mut stream, _) = attempt("openai_chat", &chat(&json!({"stream": true})), true, 50, None);
    let chunks: Vec<String> = (0..500).map(|_| chunk("word ")).collect();
    let chunks: Vec<&[u8]> = chunks.iter().map(String::as_bytes).collect();
    let headers = [(":status", "200"), ("content-type", "text/event-stream")];
    let Passed::On(got) = stream.response(&headers, &chunks) else { panic!("it replied") };
    let got = String::from_utf8(got).unwrap();
    let words = got.matches("word ").count();
    assert!((50..120).contains(&words), "{words}");
    assert!(got.contains("token_limit_reached") && got.trim_end().ends_with('}'), "{got}");
    assert!(stream.over);
}

/// What is settled when a client leaves stands in the record: a provider that failed is not the one that is asked now.
#[test]
fn t27_the_failure_of_a_provider_is_over_when_the_next_is_asked() {
    let (mut first, _) = attempt("openai_chat", &chat(&json!({})), false, 50, None);
    let headers = [(":status", "500"), ("content-type", "application/json")];
    first.response(&headers, &[br#"{"error":{"message":"no","type":"server_error"}}"#]);
    let outcome = |state: &SharedState| {
        serde_json::from_slice::<Record<'_>>(&state.borrow()[RECORD_STATE]).unwrap().outcome
    };
    assert_eq!(outcome(&first.host.state), Outcome::Failed);
    let state = SharedState::clone(&first.host.state);
    let mut second = FakeStream::start(&provider("openai_chat"), &state);
    second.request(&[(":method", "POST"), (":path", "/x")], &[chat(&json!({})).to_string().as_bytes()]);
    assert_eq!(outcome(&state), Outcome::Partial);
}
