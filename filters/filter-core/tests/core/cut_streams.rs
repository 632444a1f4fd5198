//! Streams that are ended here while their provider goes on.

use filter_core::fake_host::{FakeStream, Passed, SharedState};
use filter_core::{FilterKind, Outcome, Plan, RECORD_STATE, Record, Traits};
use llm_dialects::Dialect;
use llm_dialects::hub::{Block, Delta, StopReason, StreamEvent};
use proptest::prelude::*;
use serde_json::json;

use super::guards::{content_type, pii, plan, post};

fn hand_off(client: &'static str, cap: Option<u64>) -> SharedState {
    hand_off_with(client, Traits { output_cap: cap, ..Traits::default() })
}

fn hand_off_with(client: &'static str, traits: Traits) -> SharedState {
    let state = SharedState::default();
    let record = Record {
        path: Some("/x".into()),
        client: Some(client.into()),
        model: Some("m".into()),
        stream: true,
        traits,
        ..Record::default()
    };
    state.borrow_mut().insert(RECORD_STATE.to_owned(), record.to_json());
    state
}

/// Texts as a provider of this dialect streams them, without an end.
fn going_on(dialect: Dialect, texts: &[&str]) -> Vec<u8> {
    written(dialect, texts, false)
}

fn written(dialect: Dialect, texts: &[&str], end: bool) -> Vec<u8> {
    let mut encoder = dialect.stream_encoder(1_700_000_000, true);
    let mut out = Vec::new();
    let start = StreamEvent::Start { id: "i".into(), model: "m".into(), created: None };
    encoder.event(&start, &mut out);
    encoder.event(&StreamEvent::BlockStart { index: 0, block: Block::Text }, &mut out);
    for text in texts {
        let delta = StreamEvent::Delta { index: 0, delta: Delta::Text((*text).into()) };
        encoder.event(&delta, &mut out);
    }
    if end {
        encoder.event(&StreamEvent::BlockStop { index: 0 }, &mut out);
        let finish = StreamEvent::Finish { reason: StopReason::EndTurn, stop_sequence: None };
        encoder.event(&finish, &mut out);
        encoder.event(&StreamEvent::End, &mut out);
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

const PASSING: [(Dialect, &str); 5] = [
    (Dialect::OpenaiChat, "openai_chat"),
    (Dialect::OpenaiResponses, "openai_responses"),
    (Dialect::AnthropicMessages, "anthropic_messages"),
    (Dialect::GeminiGenerate, "gemini_generate_content"),
    (Dialect::BedrockConverse, "bedrock_converse"),
];

/// How a stream is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    /// With CRLF.
    Crlf,
    /// With a comment before each event, which one line break ends.
    Comments,
    /// The client did not ask for the usage that is asked for: events are written anew.
    UsageTakenOut,
}

const STYLES: [Style; 4] = [Style::Plain, Style::Crlf, Style::Comments, Style::UsageTakenOut];

/// What comes of a stream whose client and provider both speak this, with 50 tokens reserved for the answer, and whether
/// it was ended here. The provider says nothing behind the chunks.
fn passed_on(
    (dialect, endpoint): (Dialect, &'static str),
    style: Style,
    chunks: &[&[u8]],
) -> (Vec<u8>, bool) {
    let config =
        json!({"name": "p", "speaks": [{"endpoint": endpoint, "path": "/v1/x", "stream_path": "/v1/y"}]});
    let provider = Plan::compile(FilterKind::Provider, config.to_string().as_bytes()).unwrap();
    let include_usage = style != Style::UsageTakenOut;
    let state = hand_off_with(endpoint, Traits { output_cap: Some(50), include_usage, ..Traits::default() });
    let mut stream = FakeStream::start(&provider, &state);
    let body = json!({"model": "m", "messages": [], "stream": true}).to_string();
    stream.request(&[(":method", "POST"), (":path", "/x")], &[body.as_bytes()]);
    let headers = [(":status", "200"), ("content-type", content_type(dialect))];
    let Passed::On(got) = stream.response(&headers, chunks) else { panic!("it replied") };
    (got, stream.over)
}

fn styled(dialect: Dialect, plain: Vec<u8>, style: Style) -> Vec<u8> {
    if dialect == Dialect::BedrockConverse {
        return plain;
    }
    let text = String::from_utf8(plain).unwrap();
    let text = match style {
        Style::Plain | Style::UsageTakenOut => text,
        Style::Crlf => text.replace('\n', "\r\n"),
        Style::Comments => {
            text.split_inclusive("\n\n").map(|event| format!(": keep-alive\n{event}")).collect()
        }
    };
    text.into_bytes()
}

/// The events and comments of a stream.
fn events(dialect: Dialect, bytes: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut found) = (bytes, Vec::new());
    while !rest.is_empty() {
        let length = if dialect == Dialect::BedrockConverse {
            u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize
        } else if rest.starts_with(b":") {
            memchr::memchr(b'\n', rest).unwrap() + 1
        } else {
            let end = |end: &[u8]| memchr::memmem::find(rest, end).map(|at| at + end.len());
            end(b"\n\n").into_iter().chain(end(b"\r\n\r\n")).min().unwrap()
        };
        let (event, after) = rest.split_at(length);
        found.push(event);
        rest = after;
    }
    found
}

/// `bytes` in two chunks and more, cut at these places.
fn cut_at<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// Whole events leave as they came, then the error, which clients can read.
#[test]
fn a_passing_stream_is_ended_behind_an_event() {
    for (way, style) in PASSING.into_iter().flat_map(|way| STYLES.map(|style| (way, style))) {
        let bytes = styled(way.0, going_on(way.0, &["word "; 400]), style);
        let (got, over) = passed_on(way, style, &[&bytes, b""]);
        assert!(over, "{way:?} {style:?}");
        let (error, sent) =
            events(way.0, &got).split_last().map(|(last, sent)| (*last, sent.to_vec())).unwrap();
        assert!(bytes.starts_with(&sent.concat()), "{way:?} {style:?}: {}", String::from_utf8_lossy(&got));
        assert!(
            error.windows(15).any(|part| part == b"reserved for it"),
            "{}",
            String::from_utf8_lossy(error)
        );
        let words = sent.iter().filter(|event| event.windows(5).any(|part| part == b"word ")).count();
        assert!((50..120).contains(&words), "{way:?} {style:?}: {words}");
        if way.0 == Dialect::OpenaiResponses {
            let sent = sent.iter().filter(|event| !event.starts_with(b":")).count();
            let error = String::from_utf8_lossy(error);
            assert!(error.contains(&format!("\"sequence_number\":{sent}")), "{error}");
        }
    }
}

/// What is reserved is enough: every byte leaves, at the latest with the end.
#[test]
fn a_short_stream_passes_unchanged() {
    for (way, style) in PASSING.into_iter().flat_map(|way| STYLES.map(|style| (way, style))) {
        let mut bytes = styled(way.0, written(way.0, &["word "; 20], true), style);
        if way.0 != Dialect::BedrockConverse {
            // Providers forget the last blank line.
            bytes.pop();
        }
        for cut in [1, 7, 100, usize::MAX] {
            let (got, over) = passed_on(way, style, &bytes.chunks(cut.min(bytes.len())).collect::<Vec<_>>());
            let expected = match style {
                Style::UsageTakenOut if way.0 == Dialect::OpenaiChat => [&bytes[..], b"\n"].concat(),
                _ => bytes.clone(),
            };
            assert!(got == expected && !over, "{way:?} {style:?}: {}", String::from_utf8_lossy(&got));
        }
    }
}

/// Behind half a message an error would be unreadable.
#[test]
fn half_a_message_does_not_leave_before_an_error() {
    let way = PASSING[4];
    let bytes = going_on(way.0, &["word "; 20]);
    let whole = events(way.0, &bytes);
    let last = whole.last().unwrap().len();
    for missing in 1..last {
        for cut in [11, usize::MAX] {
            let came = &bytes[..bytes.len() - missing];
            let (got, _) =
                passed_on(way, Style::Plain, &came.chunks(cut.min(came.len())).collect::<Vec<_>>());
            let got = events(way.0, &got);
            assert_eq!(got[..got.len() - 1], whole[..whole.len() - 1]);
            let error = String::from_utf8_lossy(got[got.len() - 1]);
            assert!(error.contains("The provider's stream is broken"), "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_passing_stream_ends_at_the_same_place_however_it_is_cut(
        texts in prop::collection::vec("[a-z é\\n\"]{0,40}", 30..200),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        style in prop::sample::select(&STYLES[..]),
    ) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        for way in PASSING {
            let bytes = styled(way.0, going_on(way.0, &texts), style);
            // The chunk that follows tells a stream that goes on from one that is cut short.
            let expected = passed_on(way, style, &[&bytes, b""]);
            let mut chunks = cut_at(&bytes, &places);
            chunks.push(b"");
            prop_assert_eq!(&passed_on(way, style, &chunks), &expected);
            let mut bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
            bytewise.push(b"");
            prop_assert_eq!(&passed_on(way, style, &bytewise), &expected);
        }
    }
}
