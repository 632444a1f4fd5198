//! The Anthropic dialect over its fixtures, and over whatever proptest comes up with.
//!
//! `UPDATE_FIXTURES=1 cargo test -p llm-dialects --test anthropic` rewrites the expected files; read the diff.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is a failed test")]

mod anthropic_grammar;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use framing::sse::{Decoder, Frame, Limits};
use llm_dialects::Error;
use llm_dialects::anthropic::{
    StreamDecoder, StreamEncoder, decode_error, decode_request, decode_response, encode_request,
    encode_response,
};
use llm_dialects::hub::{Block, Delta, StopReason, StreamEvent, Usage};
use proptest::prelude::*;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/anthropic").join(name)
}

/// The inputs in a folder: files with this extension that are not expected files.
fn inputs(name: &str, extension: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .filter(|path| !path.file_stem().unwrap().to_string_lossy().ends_with(".reencoded"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// Compares with the file beside `input`, or writes it.
fn expect(input: &Path, suffix: &str, actual: &[u8]) -> PathBuf {
    let path = input.with_extension(suffix);
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        fs::write(&path, actual).unwrap();
    }
    let expected = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(
        String::from_utf8_lossy(actual),
        String::from_utf8_lossy(&expected),
        "{} differs",
        path.display()
    );
    path
}

/// Every file of a folder is an input or was compared.
fn assert_no_orphans(name: &str, seen: &BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder(name)).unwrap() {
        let path = entry.unwrap().path();
        assert!(seen.contains(&path), "nobody reads {}", path.display());
    }
}

fn line(bytes: &[u8]) -> Vec<u8> {
    [bytes, b"\n"].concat()
}

fn golden_bodies(name: &str, reencode: impl Fn(&[u8]) -> Result<Vec<u8>, Error>) {
    let mut seen = BTreeSet::new();
    for input in inputs(name, "json") {
        let body = fs::read(&input).unwrap();
        seen.insert(match reencode(&body) {
            Ok(encoded) => {
                let again = reencode(&encoded).unwrap();
                assert_eq!(
                    String::from_utf8_lossy(&again),
                    String::from_utf8_lossy(&encoded),
                    "{} changes when encoded twice",
                    input.display()
                );
                expect(&input, "reencoded.json", &line(&encoded))
            }
            Err(error) => expect(&input, "error.txt", &line(error.to_string().as_bytes())),
        });
        seen.insert(input);
    }
    assert_no_orphans(name, &seen);
}

#[test]
fn requests() {
    golden_bodies("requests", |body| encode_request(&decode_request(body)?));
}

#[test]
fn responses() {
    golden_bodies("responses", |body| decode_response(body).map(|response| encode_response(&response)));
}

/// Decodes a stream; the events as text, and what the encoder makes of them.
fn recode(stream: &[u8]) -> (Vec<String>, Vec<u8>) {
    let mut lines = Vec::new();
    let mut encoded = Vec::new();
    let mut encoder = StreamEncoder::default();
    let mut decoder = StreamDecoder::default();
    let mut sink = |event: StreamEvent<'_>| {
        encoder.event(&event, &mut encoded);
        lines.push(format!("{event:?}"));
    };
    let mut sse = Decoder::new(Limits::default());
    let mut result = sse.feed(stream, |frame| {
        let Frame::Event(event) = frame else { return Ok(()) };
        decoder.event(event.event, event.data, &mut sink).map_err(Failure::Dialect)
    });
    if result.is_ok() {
        result = decoder.finish(&mut sink).map_err(Failure::Dialect);
    }
    if let Err(failure) = result {
        let Failure::Dialect(error) = failure else { panic!("{failure:?}") };
        encoder.event(&StreamEvent::Error(error.to_api_error()), &mut encoded);
        lines.push(format!("! {error}"));
    }
    (lines, encoded)
}

#[derive(Debug)]
#[allow(dead_code, reason = "read by Debug")]
enum Failure {
    Framing(framing::Error),
    Dialect(Error),
}

impl From<framing::Error> for Failure {
    fn from(error: framing::Error) -> Self {
        Self::Framing(error)
    }
}

#[test]
fn streams() {
    let mut seen = BTreeSet::new();
    for input in inputs("streams", "sse") {
        let (lines, encoded) = recode(&fs::read(&input).unwrap());
        seen.insert(expect(&input, "events.txt", &line(lines.join("\n").as_bytes())));
        seen.insert(expect(&input, "reencoded.sse", &encoded));
        if let Err(breach) = anthropic_grammar::read(&encoded) {
            panic!("{}: {breach}", input.display());
        }
        seen.insert(input);
    }
    assert_no_orphans("streams", &seen);
}

/// What a generated block holds.
#[derive(Debug, Clone)]
struct Planned {
    kind: PlannedKind,
    fragments: Vec<String>,
    /// Where its events go among those of other tool calls.
    slots: Vec<prop::sample::Index>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum PlannedKind {
    Text,
    Refusal,
    Thinking,
    Redacted,
    Tool,
}

fn planned() -> impl Strategy<Value = Planned> {
    let kind = prop_oneof![
        2 => Just(PlannedKind::Text),
        1 => Just(PlannedKind::Refusal),
        1 => Just(PlannedKind::Thinking),
        1 => Just(PlannedKind::Redacted),
        4 => Just(PlannedKind::Tool),
    ];
    (
        kind,
        prop::collection::vec("[a-z\"\\n ]{0,6}", 0..4),
        prop::collection::vec(any::<prop::sample::Index>(), 6),
    )
        .prop_map(|(kind, fragments, slots)| Planned { kind, fragments, slots })
}

/// Hub events of a block.
fn events_of(index: u32, plan: &Planned) -> Vec<StreamEvent<'_>> {
    let block = match plan.kind {
        PlannedKind::Text => Block::Text,
        PlannedKind::Refusal => Block::Refusal,
        PlannedKind::Thinking => Block::Thinking,
        PlannedKind::Redacted => Block::RedactedThinking(Cow::Borrowed("data")),
        PlannedKind::Tool => Block::ToolCall {
            id: Cow::Owned(format!("call_{index}")),
            name: Cow::Borrowed("tool"),
            signature: None,
        },
    };
    let mut events = vec![StreamEvent::BlockStart { index, block }];
    for fragment in &plan.fragments {
        let text = Cow::Borrowed(fragment.as_str());
        let delta = match plan.kind {
            PlannedKind::Text => Delta::Text(text),
            PlannedKind::Refusal => Delta::Refusal(text),
            PlannedKind::Thinking => Delta::Thinking(text),
            PlannedKind::Tool => Delta::Arguments(text),
            PlannedKind::Redacted => continue,
        };
        events.push(StreamEvent::Delta { index, delta });
    }
    if plan.kind == PlannedKind::Thinking && plan.fragments.len() > 1 {
        events.push(StreamEvent::Delta { index, delta: Delta::Signature(Cow::Borrowed("c2")) });
        events.push(StreamEvent::Delta { index, delta: Delta::Signature(Cow::Borrowed("ln")) });
    }
    events.push(StreamEvent::BlockStop { index });
    events
}

/// The events of all blocks, those of adjacent tool calls interleaved. Blocks start in the order of their
/// indices, as the hub guarantees.
fn interleave(plans: &[Planned]) -> Vec<StreamEvent<'_>> {
    let mut all: Vec<StreamEvent<'_>> = Vec::new();
    let mut last_start = 0;
    for (index, plan) in plans.iter().enumerate() {
        let events = events_of(u32::try_from(index).unwrap(), plan);
        let overlaps =
            plan.kind == PlannedKind::Tool && index > 0 && plans[index - 1].kind == PlannedKind::Tool;
        let mut position = if overlaps { last_start + 1 } else { all.len() };
        let mut slots = plan.slots.iter().cycle();
        for (nth, event) in events.into_iter().enumerate() {
            let at = if overlaps {
                position + slots.next().unwrap().index(all.len() - position + 1)
            } else {
                all.len()
            };
            all.insert(at, event);
            if nth == 0 {
                last_start = at;
            }
            position = at + 1;
        }
    }
    all
}

proptest! {
    #[test]
    fn any_hub_stream_becomes_a_strict_one(
        plans in prop::collection::vec(planned(), 0..6),
        finish in any::<bool>(),
        late_usage in any::<bool>(),
    ) {
        let usage = Usage { input_uncached: 7, cache_read: 2, output: 9, ..Usage::default() };
        let mut events = vec![StreamEvent::Start { id: "chatcmpl-1".into(), model: "m".into(), created: Some(1) }];
        events.extend(interleave(&plans));
        if !late_usage {
            events.push(StreamEvent::Usage(usage));
        }
        if finish {
            events.push(StreamEvent::Finish { reason: StopReason::EndTurn, stop_sequence: None });
        }
        if late_usage {
            events.push(StreamEvent::Usage(usage));
        }
        events.push(StreamEvent::End);
        let mut encoder = StreamEncoder::default();
        let mut bytes = Vec::new();
        for event in &events {
            encoder.event(event, &mut bytes);
        }
        encoder.event(&StreamEvent::Ping, &mut bytes);
        let message = anthropic_grammar::read(&bytes).map_err(TestCaseError::fail)?;

        let mut expected = Vec::new();
        for (index, plan) in plans.iter().enumerate() {
            let text = plan.fragments.concat();
            let signed = plan.kind == PlannedKind::Thinking && plan.fragments.len() > 1;
            let (kind, text) = match plan.kind {
                PlannedKind::Text | PlannedKind::Refusal if text.is_empty() => continue,
                PlannedKind::Text | PlannedKind::Refusal => ("text", text),
                PlannedKind::Thinking if text.is_empty() && !signed => continue,
                PlannedKind::Thinking => ("thinking", text),
                PlannedKind::Redacted => ("redacted_thinking", "data".to_owned()),
                PlannedKind::Tool if text.trim().is_empty() => ("tool_use", format!("{text}{{}}")),
                PlannedKind::Tool => ("tool_use", text),
            };
            expected.push(anthropic_grammar::Block {
                kind: kind.to_owned(),
                id: if kind == "tool_use" { format!("call_{index}") } else { String::new() },
                text,
                signature: if signed { "c2ln".to_owned() } else { String::new() },
            });
        }
        prop_assert_eq!(&message.blocks, &expected);
        prop_assert_eq!(message.usage["input_tokens"].as_u64(), Some(7));
        prop_assert_eq!(message.usage["output_tokens"].as_u64(), Some(9));
        let reason = if plans.iter().any(|plan| plan.kind == PlannedKind::Refusal) {
            "refusal"
        } else if plans.iter().any(|plan| plan.kind == PlannedKind::Tool) {
            "tool_use"
        } else {
            "end_turn"
        };
        prop_assert_eq!(message.stop_reason.as_deref(), Some(reason));
    }

    #[test]
    fn an_encoded_stream_decodes_to_the_same_blocks(plans in prop::collection::vec(planned(), 0..5)) {
        let mut encoder = StreamEncoder::default();
        let mut bytes = Vec::new();
        encoder.event(&StreamEvent::Start { id: "1".into(), model: "m".into(), created: None }, &mut bytes);
        for event in interleave(&plans) {
            encoder.event(&event, &mut bytes);
        }
        encoder.event(&StreamEvent::Finish { reason: StopReason::MaxTokens, stop_sequence: None }, &mut bytes);
        encoder.event(&StreamEvent::End, &mut bytes);
        let (_, again) = recode(&bytes);
        prop_assert_eq!(String::from_utf8(again).unwrap(), String::from_utf8(bytes).unwrap());
    }

    #[test]
    fn an_interrupted_stream_ends_in_its_error(plans in prop::collection::vec(planned(), 1..4), cut in any::<prop::sample::Index>()) {
        let mut encoder = StreamEncoder::default();
        let mut bytes = Vec::new();
        encoder.event(&StreamEvent::Start { id: "1".into(), model: "m".into(), created: None }, &mut bytes);
        let events = interleave(&plans);
        let cut = cut.index(events.len());
        for event in events.iter().take(cut) {
            encoder.event(event, &mut bytes);
        }
        let error = Error::upstream("the stream was cut short").to_api_error();
        encoder.event(&StreamEvent::Error(error), &mut bytes);
        for event in events.iter().skip(cut) {
            encoder.event(event, &mut bytes);
        }
        encoder.event(&StreamEvent::End, &mut bytes);
        let message = anthropic_grammar::read(&bytes).map_err(TestCaseError::fail)?;
        prop_assert_eq!(message.error.as_deref(), Some("api_error"));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_request(&bytes);
        let _ = decode_response(&bytes);
        let _ = decode_error(500, &bytes);
        let _ = StreamDecoder::default().event(Some(&bytes), &bytes, &mut |_| {});
    }

    #[test]
    fn mutated_bodies_never_panic(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for name in ["requests", "responses"] {
            let files = inputs(name, "json");
            let mut body = fs::read(&files[which.index(files.len())]).unwrap();
            let at = at.index(body.len());
            body[at] = byte;
            if let Ok(request) = decode_request(&body) {
                let _ = encode_request(&request);
            }
            if let Ok(response) = decode_response(&body) {
                encode_response(&response);
            }
        }
    }

    #[test]
    fn shuffled_events_never_panic(order in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..20)) {
        let files = inputs("streams", "sse");
        let mut decoder = StreamDecoder::default();
        let mut encoder = StreamEncoder::default();
        let mut encoded = Vec::new();
        for (file, nth) in order {
            let text = fs::read_to_string(&files[file.index(files.len())]).unwrap();
            let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
            let data = data[nth.index(data.len())];
            if decoder.event(None, data.as_bytes(), &mut |event| encoder.event(&event, &mut encoded)).is_err() {
                return Ok(());
            }
        }
        if decoder.finish(&mut |event| encoder.event(&event, &mut encoded)).is_ok() {
            anthropic_grammar::read(&encoded).map_err(TestCaseError::fail)?;
        }
    }
}
