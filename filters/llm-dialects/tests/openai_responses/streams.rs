//! Streams: the rules of the hub, the grammar of this dialect, and streams of other dialects told in it.

use framing::sse::{Decoder, Frame, Limits};
use llm_dialects::hub::{Block, Citation, Delta, StopReason, StreamEvent, TokenLogprob, Usage};
use llm_dialects::openai_responses::{StreamDecoder, StreamEncoder, encode_response};
use llm_dialects::{Dialect, Error};
use proptest::prelude::*;

use crate::{NOW, decode_stream, fixture, fixtures, grammar};

/// The guarantees in the documentation of [`StreamEvent`].
#[test]
fn streams_follow_the_rules_of_the_hub() {
    for path in fixtures("streams", "sse") {
        let body = std::fs::read(&path).unwrap();
        let mut open: Vec<u32> = Vec::new();
        let (mut started, mut next, mut finished, mut over) = (false, 0, false, false);
        let mut check = |event: StreamEvent<'_>| {
            let at = format!("{}: {event:?}", path.display());
            assert!(!over, "{at}");
            assert_eq!(started, !matches!(event, StreamEvent::Start { .. }), "{at}");
            match event {
                StreamEvent::Start { .. } => started = true,
                StreamEvent::BlockStart { index, .. } => {
                    assert_eq!(index, next, "{at}");
                    assert!(!finished, "{at}");
                    next += 1;
                    open.push(index);
                }
                StreamEvent::Delta { index, .. } => assert!(open.contains(&index), "{at}"),
                StreamEvent::BlockStop { index } => {
                    let position = open.iter().position(|block| *block == index).expect(&at);
                    open.remove(position);
                }
                StreamEvent::Usage(_) | StreamEvent::Ping => {}
                StreamEvent::Finish { .. } => {
                    assert!(open.is_empty() && !finished, "{at}");
                    finished = true;
                }
                StreamEvent::Error(_) => over = true,
                StreamEvent::End => {
                    assert!(finished, "{at}");
                    over = true;
                }
            }
        };
        let mut framing = Decoder::new(Limits::default());
        let mut decoder = StreamDecoder::default();
        let mut on_frame = |frame: Frame<'_>| {
            if let Frame::Event(event) = frame {
                decoder.event(event.event, event.data, &mut check).unwrap();
            }
            Ok::<(), framing::Error>(())
        };
        framing.feed(&body, &mut on_frame).unwrap();
        framing.finish(&mut on_frame).unwrap();
        let cut = decoder.finish(&mut check).is_err();
        assert!(over != cut, "{}", path.display());
    }
}

#[test]
fn what_is_written_follows_the_grammar_and_is_read_the_same() {
    for path in fixtures("streams", "sse") {
        let once = decode_stream(std::iter::once(std::fs::read(&path).unwrap().as_slice()));
        if once.events.contains("UpstreamSent") {
            continue;
        }
        let answer =
            grammar::read(&once.bytes).unwrap_or_else(|breach| panic!("{}: {breach}", path.display()));
        assert!(!answer.response.is_null());
        let twice = decode_stream(std::iter::once(once.bytes.as_slice()));
        // Keep-alives and obfuscation apart, another pass changes nothing.
        let without_pings = String::from_utf8(once.bytes).unwrap().replace(": ping\n\n", "");
        let again = String::from_utf8(twice.bytes).unwrap().replace(": ping\n\n", "");
        assert_eq!(again, without_pings, "{}: encoding is not stable", path.display());
    }
}

/// A stream of another dialect as a client of this one gets it.
fn told(from: Dialect, stream: &[u8]) -> Option<Vec<u8>> {
    let mut decoder = from.stream_decoder();
    let mut encoder = Dialect::OpenaiResponses.stream_encoder(NOW, true);
    let (mut bytes, mut result) = (Vec::new(), Ok(()));
    let mut framing = Decoder::new(Limits::default());
    let sink = |frame: Frame<'_>| {
        if let (Frame::Event(event), Ok(())) = (frame, &result) {
            result = decoder.event(event.event, event.data, &mut |event| encoder.event(&event, &mut bytes));
        }
        Ok::<(), framing::Error>(())
    };
    framing.feed(stream, sink).unwrap();
    result.ok()?;
    decoder.finish(&mut |event| encoder.event(&event, &mut bytes)).ok()?;
    Some(bytes)
}

#[test]
fn t06_streams_of_other_dialects_follow_the_grammar() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut whole = 0;
    for (dialect, name) in [(Dialect::AnthropicMessages, "anthropic"), (Dialect::OpenaiChat, "openai_chat")] {
        for entry in std::fs::read_dir(root.join(name).join("streams")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "sse") {
                continue;
            }
            if let Some(bytes) = told(dialect, &std::fs::read(&path).unwrap()) {
                grammar::read(&bytes).unwrap_or_else(|breach| panic!("{}: {breach}", path.display()));
                whole += 1;
            }
        }
    }
    assert!(whole > 20, "{whole}");
}

/// Encodes events that a decoder could have made.
fn encode(events: &[StreamEvent<'_>]) -> String {
    let mut encoder = StreamEncoder::new(NOW);
    let mut out = Vec::new();
    for event in events {
        encoder.event(event, &mut out);
    }
    String::from_utf8(out).unwrap()
}

fn start() -> StreamEvent<'static> {
    StreamEvent::Start { id: "msg_01".into(), model: "claude".into(), created: None }
}

#[test]
fn citations_and_logprobs_are_told() {
    let citation = Citation { url: Some("https://a.example".into()), ..Citation::default() };
    let unnamed = Citation { document: Some(0), ..Citation::default() };
    let logprob =
        TokenLogprob { token: "é".into(), logprob: f64::NEG_INFINITY, bytes: None, top: Vec::new() };
    let delta = |delta| StreamEvent::Delta { index: 0, delta };
    let stream = encode(&[
        start(),
        StreamEvent::BlockStart { index: 0, block: Block::Text },
        delta(Delta::Text("é!".into())),
        delta(Delta::Logprobs(vec![logprob])),
        delta(Delta::Citation(citation)),
        delta(Delta::Citation(unnamed)),
        StreamEvent::BlockStop { index: 0 },
        StreamEvent::Finish { reason: StopReason::EndTurn, stop_sequence: None },
        StreamEvent::End,
    ]);
    let answer = grammar::read(stream.as_bytes()).unwrap();
    let part = &answer.response["output"][0]["content"][0];
    assert_eq!(
        part["annotations"],
        serde_json::json!([{"type":"url_citation","start_index":0,"end_index":2,"url":"https://a.example","title":""}])
    );
    assert_eq!(part["logprobs"][0]["bytes"], serde_json::json!([195, 169]));
    assert_eq!(part["logprobs"][0]["logprob"], -9999.0);
}

#[test]
fn adjacent_texts_are_parts_of_one_message_and_the_last_item_says_it_was_cut_off() {
    let block = |index, block| StreamEvent::BlockStart { index, block };
    let stop = |index| StreamEvent::BlockStop { index };
    let stream = encode(&[
        start(),
        block(0, Block::Text),
        StreamEvent::Delta { index: 0, delta: Delta::Text("a".into()) },
        stop(0),
        block(1, Block::Text),
        StreamEvent::Delta { index: 1, delta: Delta::Text("b".into()) },
        stop(1),
        block(2, Block::ToolCall { id: "toolu_1".into(), name: "f".into(), signature: None }),
        StreamEvent::Delta { index: 2, delta: Delta::Arguments("{\"x\":".into()) },
        stop(2),
        StreamEvent::Usage(Usage { input_uncached: 3, cache_read: 4, output: 5, ..Usage::default() }),
        StreamEvent::Finish { reason: StopReason::MaxTokens, stop_sequence: None },
        StreamEvent::End,
    ]);
    let answer = grammar::read(stream.as_bytes()).unwrap();
    assert_eq!(answer.end, "response.incomplete");
    let output = &answer.response["output"];
    assert_eq!(output[0]["content"].as_array().unwrap().len(), 2);
    assert_eq!((&output[0]["status"], &output[1]["status"]), (&"completed".into(), &"incomplete".into()));
    assert_eq!(output[1]["call_id"], "toolu_1");
    assert_eq!(answer.response["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(answer.response["usage"]["input_tokens"], 7);
    assert_eq!(answer.response["id"], "resp_msg_01");
}

#[test]
fn an_error_before_the_beginning_is_an_event_alone() {
    let error = Error::upstream("x").to_api_error();
    let stream = encode(&[StreamEvent::Error(error.clone()), StreamEvent::End]);
    assert_eq!(stream.matches("event: ").count(), 1, "{stream}");
    let stream = encode(&[start(), StreamEvent::Error(error)]);
    assert_eq!(grammar::read(stream.as_bytes()).unwrap().end, "response.failed");
}

#[test]
fn disordered_events_do_not_panic() {
    let events = [
        StreamEvent::Delta { index: 9, delta: Delta::Text("x".into()) },
        StreamEvent::BlockStop { index: 3 },
        StreamEvent::BlockStart { index: 0, block: Block::Thinking },
        StreamEvent::Delta { index: 0, delta: Delta::Arguments("x".into()) },
        StreamEvent::BlockStart { index: 0, block: Block::RedactedThinking("x".into()) },
        StreamEvent::BlockStart { index: 1, block: Block::Refusal },
        StreamEvent::BlockStart { index: 2, block: Block::Text },
        StreamEvent::End,
        start(),
        StreamEvent::End,
    ];
    grammar::read(encode(&events).as_bytes()).unwrap();
}

/// A whole answer, told as a stream, gives the same response.
#[test]
fn whole_and_streamed_answers_are_the_same() {
    for path in fixtures("responses", "json") {
        let body = std::fs::read(&path).unwrap();
        let response = llm_dialects::openai_responses::decode_response(&body).unwrap();
        let whole: serde_json::Value = serde_json::from_slice(&encode_response(&response, NOW)).unwrap();
        let mut encoder = StreamEncoder::new(NOW);
        let mut bytes = Vec::new();
        response.replay(&mut |event| encoder.event(&event, &mut bytes));
        let streamed = grammar::read(&bytes).unwrap().response;
        for field in ["id", "status", "usage", "incomplete_details", "model", "created_at"] {
            assert_eq!(streamed[field], whole[field], "{}: {field}", path.display());
        }
        let (streamed, whole) = (&streamed["output"], &whole["output"]);
        assert_eq!(streamed.as_array().map(Vec::len), whole.as_array().map(Vec::len), "{}", path.display());
        // Replays carry neither citations nor log probabilities.
        if !path.ends_with("citations_and_logprobs.json") {
            assert_eq!(streamed, whole, "{}", path.display());
        }
    }
}

#[test]
fn what_is_no_stream_of_this_dialect_is_an_error_without_its_text() {
    for data in ["SECRET", "[1]", "{\"type\":5}", r#"{"type":"response.completed"}"#] {
        let error = StreamDecoder::default().event(None, data.as_bytes(), &mut |_| {}).unwrap_err();
        assert!(matches!(&error, Error::UpstreamSent { message } if !message.contains("SECRET")), "{error}");
    }
    let mut events = Vec::new();
    let proxy = br#"{"error":{"message":"Too many.","code":429}}"#;
    StreamDecoder::default().event(None, proxy, &mut |event| events.push(format!("{event:?}"))).unwrap();
    assert!(events[0].contains("status: 429, kind: RateLimit"), "{events:?}");
    assert!(StreamDecoder::default().finish(&mut |_| {}).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_stream_panics(
        path in prop::sample::select(fixtures("streams", "sse")),
        at in any::<prop::sample::Index>(),
        cut in 0..40_usize,
        insert in prop::collection::vec(any::<u8>(), 0..6),
    ) {
        let mut body = fixture(&format!("streams/{}", path.file_name().unwrap().to_string_lossy()));
        let from = at.index(body.len());
        body.splice(from..(from + cut).min(body.len()), insert);
        let decoded = decode_stream(std::iter::once(body.as_slice()));
        if !decoded.events.contains("UpstreamSent") {
            prop_assert!(grammar::read(&decoded.bytes).is_ok());
        }
    }
}
