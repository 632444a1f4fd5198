//! OpenAI chat completions against recorded and hand-made bodies in `fixtures/openai_chat`.
//!
//! [`goldens`] tells how the fixtures lie and how their expected files are rewritten.

mod decoded_requests;
mod encoded_requests;
mod properties;

use std::fs;

use llm_dialects::Dialect::OpenaiChat;
use llm_dialects::Error;
use llm_dialects::hub::{Part, Response, StopReason};
use llm_dialects::openai_chat::{
    StreamDecoder, decode_request, decode_response, encode_request, encode_response,
};

use crate::goldens::recoding::{Recoded, recode_with};
use crate::goldens::{self, Goldens, NOW, assert_stable, inputs, pretty};

fn fixture(name: &str) -> Vec<u8> {
    fs::read(goldens::folder(OpenaiChat, name)).unwrap()
}

fn reencode(body: &[u8]) -> Vec<u8> {
    encode_request(&decode_request(body).unwrap()).unwrap()
}

#[test]
fn requests_keep_what_they_say() {
    goldens::bodies(OpenaiChat, "requests", pretty, |body| encode_request(&decode_request(body)?));
}

#[test]
fn responses_keep_what_they_say() {
    goldens::bodies(OpenaiChat, "responses", pretty, |body| {
        decode_response(body).map(|response| encode_response(&response, NOW))
    });
}

/// A stream, which comes in these chunks, told in the same dialect.
fn told<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, include_usage: bool) -> Recoded {
    recode_with(OpenaiChat, OpenaiChat.stream_encoder(NOW, include_usage), chunks).noting_error()
}

#[test]
fn streams_keep_what_they_say() {
    let mut goldens = Goldens::new(OpenaiChat, "streams");
    for input in inputs(OpenaiChat, "streams") {
        let stream = fs::read(&input).unwrap();
        let whole = told([&stream[..]], true);
        let bytewise = told(stream.chunks(1), true);
        assert_eq!(bytewise.lines, whole.lines, "{}: the split matters", input.display());
        goldens.expect_stream(&input, &whole);
    }
}

#[test]
fn streams_survive_a_second_trip() {
    for input in inputs(OpenaiChat, "streams") {
        let once = told([&fs::read(&input).unwrap()[..]], true);
        let twice = told([&once.bytes[..]], true);
        assert_stable(&input, &once.bytes, &twice.bytes);
    }
}

#[test]
fn streams_follow_the_rules_of_the_hub() {
    goldens::hub_rules::check(OpenaiChat);
}

#[test]
fn usage_is_sent_only_to_clients_that_asked() {
    let body = fixture("streams/text.sse");
    let asked = String::from_utf8(told([&body[..]], true).bytes).unwrap();
    let not_asked = String::from_utf8(told([&body[..]], false).bytes).unwrap();
    assert!(asked.contains(r#""usage":{"prompt_tokens":9"#));
    assert!(!not_asked.contains("usage"));
    assert!(not_asked.ends_with("data: [DONE]\n\n"));
}

#[test]
fn a_stream_without_an_answer_is_an_error() {
    for body in ["", "data: [DONE]\n\n", ": ping\n\n", "data: {\"choices\":[]}\n\n"] {
        let decoded = told([body.as_bytes()], true);
        assert!(matches!(decoded.error, Some(Error::UpstreamSent { .. })), "{body:?}: {:?}", decoded.lines);
    }
    let error = StreamDecoder::default().event(None, b"{\"choices\":\"SECRET\"}", &mut |_| {}).unwrap_err();
    assert!(matches!(&error, Error::UpstreamSent { message } if !message.contains("SECRET")), "{error}");
}

#[test]
fn events_named_error_are_errors() {
    let data = br#"{"error":{"message":"Too many.","type":"requests","code":"rate_limit_exceeded"}}"#;
    let mut events = Vec::new();
    StreamDecoder::default()
        .event(Some(b"error"), data, &mut |event| events.push(format!("{event:?}")))
        .unwrap();
    assert_eq!(events.len(), 1);
    assert!(events[0].contains("status: 429, kind: RateLimit"), "{events:?}");
}

#[test]
fn answers_of_other_dialects_are_whole() {
    let response = Response {
        id: "msg_1".into(),
        model: "claude".into(),
        created: None,
        content: vec![Part::Thinking { text: "".into(), signature: Some("sig".into()) }],
        stop: StopReason::Pause,
        stop_sequence: None,
        usage: None,
        service_tier: None,
        logprobs: Vec::new(),
    };
    assert_eq!(
        String::from_utf8(encode_response(&response, NOW)).unwrap(),
        r#"{"id":"msg_1","object":"chat.completion","created":1234567890,"model":"claude","choices":[{"index":0,"message":{"role":"assistant","content":"","refusal":null,"thinking_blocks":[{"type":"thinking","thinking":"","signature":"sig"}]},"logprobs":null,"finish_reason":"stop"}]}"#
    );
}

#[test]
fn answers_that_are_none_are_errors_without_their_text() {
    for body in [
        "",
        "<html>SECRET</html>",
        r#"{"error":{"message":"SECRET"}}"#,
        r#"{"id":"x","choices":[]}"#,
        r#"{"choices":"SECRET"}"#,
        r#"{"choices":[{"index":0,"finish_reason":"stop"}]}"#,
        r#"{"choices":[{"message":{"content":"SECRET"},"finish_reason":"error"}]}"#,
        r#"{"choices":[{"message":{"tool_calls":[{"id":"SECRET"}]}}]}"#,
    ] {
        match decode_response(body.as_bytes()) {
            Err(Error::UpstreamSent { message }) => assert!(!message.contains("SECRET"), "{message}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}
