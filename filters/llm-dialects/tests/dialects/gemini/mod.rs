//! The Gemini dialect over its fixtures.
//!
//! [`goldens`] tells how the fixtures lie and how their expected files are rewritten.

mod conversations;
mod properties;

use std::borrow::Cow;
use std::fs;

use framing::sse::{Decoder, Frame, Limits};
use llm_dialects::gemini::{StreamDecoder, decode_request, decode_response, encode_request, encode_response};
use llm_dialects::hub::{Part, Source, StreamEvent};
use llm_dialects::inspect::StreamWatch;
use llm_dialects::{Dialect, Error};
use serde_json::Value;

use crate::goldens::recoding::{Recoded, recode};
use crate::goldens::{self, Goldens, NOW, assert_stable, inputs, line};
use crate::grammar;

const GEMINI: Dialect = Dialect::GeminiGenerate;

/// The model of these tests: it thinks in levels, takes sampling parameters and wants signatures. Requests with a budget
/// go to one that takes budgets.
const MODEL: &str = "gemini-3.5-flash";
const MODEL_WITH_BUDGETS: &str = "gemini-2.5-flash";

fn reencode_request(body: &[u8]) -> Result<Vec<u8>, Error> {
    let mut request = decode_request(body)?;
    assert!(request.model.is_empty() && request.stream.is_none());
    let budget = body.windows(14).any(|window| window == b"thinkingBudget");
    request.model = if budget { MODEL_WITH_BUDGETS.into() } else { MODEL.into() };
    encode_request(&request)
}

#[test]
fn requests() {
    goldens::bodies(GEMINI, "requests", line, reencode_request);
}

#[test]
fn responses() {
    goldens::bodies(GEMINI, "responses", line, |body| {
        decode_response(body).map(|response| encode_response(&response, NOW))
    });
}

/// Large media are not copied on their way in.
#[test]
fn text_and_media_are_borrowed() {
    let body =
        br#"{"contents":[{"parts":[{"text":"x"},{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}]}"#;
    let request = decode_request(body).unwrap();
    let parts: Vec<&Part<'_>> = request.turns[0].content.iter().map(|content| &content.part).collect();
    assert!(matches!(parts[0], Part::Text(Cow::Borrowed("x"))));
    assert!(matches!(
        parts[1],
        Part::Image { source: Source::Base64 { data: Cow::Borrowed("AAAA"), .. }, .. }
    ));
}

/// A stream of this dialect, which comes in these chunks, told in another.
fn told<'a>(to: Dialect, chunks: impl IntoIterator<Item = &'a [u8]>) -> Recoded {
    recode(GEMINI, to, chunks).and_error()
}

#[test]
fn streams() {
    let mut goldens = Goldens::new(GEMINI, "streams");
    for input in inputs(GEMINI, "streams") {
        let stream = fs::read(&input).unwrap();
        let whole = told(GEMINI, [&stream[..]]);
        goldens.expect_stream(&input, &whole);
        for split in 0..stream.len() {
            let (one, other) = stream.split_at(split);
            let halves = told(GEMINI, [one, other]);
            assert_eq!(halves.bytes, whole.bytes, "{}: a split at {split} matters", input.display());
        }
        let bytewise = told(GEMINI, stream.chunks(1));
        assert_eq!(bytewise.lines, whole.lines, "{}: the split matters", input.display());
        assert_stable(&input, &whole.bytes, &told(GEMINI, [&whole.bytes[..]]).bytes);
    }
}

#[test]
fn streams_follow_the_rules_of_the_hub() {
    goldens::hub_rules::check(GEMINI);
}

#[test]
fn streams_for_anthropic_clients_keep_their_grammar() {
    for input in inputs(GEMINI, "streams") {
        let stream = fs::read(&input).unwrap();
        if let Err(breach) = grammar::anthropic::read(&told(Dialect::AnthropicMessages, [&stream[..]]).bytes)
        {
            panic!("{}: {breach}", input.display());
        }
    }
}

/// What a watch sees of a passing stream is what the decoder counts.
#[test]
fn watching_counts_like_decoding() {
    for input in inputs(GEMINI, "streams") {
        let body = fs::read(&input).unwrap();
        let mut watch = StreamWatch::new(GEMINI);
        let mut decoder = StreamDecoder::default();
        let (mut usage, mut failed, mut finished) = (None, false, false);
        let mut sse = Decoder::new(Limits::default());
        sse.feed(&body, |frame| {
            let Frame::Event(event) = frame else { return Ok::<(), framing::Error>(()) };
            watch.event(event.event, event.data);
            let decoded = decoder.event(event.event, event.data, &mut |event| match event {
                StreamEvent::Usage(counted) => usage = Some(counted),
                StreamEvent::Error(_) => failed = true,
                _ => {}
            });
            if decoded.is_err() || failed {
                return Err(framing::Error::Unwritable { field: "stop" });
            }
            Ok(())
        })
        .ok();
        decoder.finish(&mut |event| finished |= matches!(event, StreamEvent::End)).ok();
        let name = input.file_stem().unwrap().to_string_lossy().into_owned();
        assert_eq!(watch.facts.usage, usage, "{name}");
        assert_eq!(watch.failed, failed, "{name}");
        assert!(watch.complete || !finished, "{name}");
    }
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}
