//! Streams: the rules of the hub, the grammar of this dialect, and streams of other dialects told in it.

use llm_dialects::Dialect::{self, OpenaiResponses};
use llm_dialects::Error;
use llm_dialects::hub::{Block, Citation, Delta, StopReason, StreamEvent, TokenLogprob, Usage};
use llm_dialects::openai_responses::{StreamDecoder, StreamEncoder, encode_response};
use proptest::prelude::*;

use super::{fixture, told};
use crate::goldens::recoding::recode;
use crate::goldens::{NOW, frames, hub_rules, inputs};
use crate::grammar;

#[test]
fn streams_follow_the_rules_of_the_hub() {
    hub_rules::check(OpenaiResponses);
}

#[test]
fn what_is_written_follows_the_grammar_and_is_read_the_same() {
    for path in inputs(OpenaiResponses, "streams") {
        let once = told([&std::fs::read(&path).unwrap()[..]]);
        if once.error.is_some() {
            continue;
        }
        let answer = grammar::openai_responses::read(&once.bytes)
            .unwrap_or_else(|breach| panic!("{}: {breach}", path.display()));
        assert!(!answer.response.is_null());
        let twice = told([&once.bytes[..]]);
        // Keep-alives and obfuscation apart, another pass changes nothing.
        let without_pings = String::from_utf8(once.bytes).unwrap().replace(": ping\n\n", "");
        let again = String::from_utf8(twice.bytes).unwrap().replace(": ping\n\n", "");
        assert_eq!(again, without_pings, "{}: encoding is not stable", path.display());
    }
}

#[test]
fn t06_streams_of_other_dialects_follow_the_grammar() {
    let mut whole = 0;
    for dialect in Dialect::ALL.into_iter().filter(|dialect| *dialect != OpenaiResponses) {
        for path in inputs(dialect, "streams") {
            let told = recode(dialect, OpenaiResponses, [&frames::load(dialect, &path)[..]]);
            if told.error.is_none() {
                grammar::openai_responses::read(&told.bytes)
                    .unwrap_or_else(|breach| panic!("{}: {breach}", path.display()));
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
    let answer = grammar::openai_responses::read(stream.as_bytes()).unwrap();
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
    let answer = grammar::openai_responses::read(stream.as_bytes()).unwrap();
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
    assert_eq!(grammar::openai_responses::read(stream.as_bytes()).unwrap().end, "response.failed");
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
    grammar::openai_responses::read(encode(&events).as_bytes()).unwrap();
}

/// A whole answer, told as a stream, gives the same response.
#[test]
fn whole_and_streamed_answers_are_the_same() {
    for path in inputs(OpenaiResponses, "responses") {
        let body = std::fs::read(&path).unwrap();
        let response = llm_dialects::openai_responses::decode_response(&body).unwrap();
        let whole: serde_json::Value = serde_json::from_slice(&encode_response(&response, NOW)).unwrap();
        let mut encoder = StreamEncoder::new(NOW);
        let mut bytes = Vec::new();
        response.replay(&mut |event| encoder.event(&event, &mut bytes));
        let streamed = grammar::openai_responses::read(&bytes).unwrap().response;
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
        path in prop::sample::select(inputs(OpenaiResponses, "streams")),
        at in any::<prop::sample::Index>(),
        cut in 0..40_usize,
        insert in prop::collection::vec(any::<u8>(), 0..6),
    ) {
        let mut body = fixture(&format!("streams/{}", path.file_name().unwrap().to_string_lossy()));
        let from = at.index(body.len());
        body.splice(from..(from + cut).min(body.len()), insert);
        let decoded = told([&body[..]]);
        if decoded.error.is_none() {
            prop_assert!(grammar::openai_responses::read(&decoded.bytes).is_ok());
        }
    }
}
