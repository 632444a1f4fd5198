//! Whatever proptest comes up with.

use std::fs;

use llm_dialects::Dialect::{AnthropicMessages, BedrockConverse};
use llm_dialects::bedrock::{
    StreamDecoder, StreamEncoder, decode_error, decode_request, decode_response, encode_response,
};
use llm_dialects::hub::{StopReason, StreamEvent};
use llm_dialects::{Dialect, Error};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{MODELS, told, unframed};
use crate::goldens::planned_blocks::{Planned, PlannedKind, answer, interleave, planned};
use crate::goldens::{self, inputs};
use crate::grammar;

fn encoded(events: &[StreamEvent<'_>]) -> Vec<u8> {
    let mut encoder = StreamEncoder::new(0);
    let mut bytes = Vec::new();
    for event in events {
        encoder.event(event, &mut bytes);
    }
    bytes
}

/// What a stream of this dialect says, checked as strictly as a client could: blocks one after another with indices
/// from 0 up, only tool calls announced, the stop reason, then the usage. Each block is its kind and text.
fn blocks_of(stream: &str) -> Result<(Vec<(String, String)>, Value), String> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut open = false;
    let mut phase = "start";
    let mut end = Value::Null;
    for line in stream.lines() {
        let (name, payload) = line.split_once(' ').unwrap();
        let payload: Value = serde_json::from_str(payload).unwrap();
        let index = payload["contentBlockIndex"].as_u64();
        let next = index == Some(blocks.len() as u64);
        let current = open && index == Some(blocks.len() as u64 - 1);
        match (phase, name) {
            ("start", "messageStart") if payload == json!({"role": "assistant"}) => phase = "blocks",
            ("blocks", "contentBlockStart") if !open && next => {
                let id = payload["start"]["toolUse"]["toolUseId"].as_str().ok_or("a start without an id")?;
                blocks.push((format!("tool {id}"), String::new()));
                open = true;
            }
            ("blocks", "contentBlockDelta") if current || (!open && next) => {
                let delta = &payload["delta"];
                let reasoning = &delta["reasoningContent"];
                let (kind, text) = [
                    ("text", &delta["text"]),
                    ("tool", &delta["toolUse"]["input"]),
                    ("thinking", &reasoning["text"]),
                    ("thinking", &reasoning["signature"]),
                    ("redacted", &reasoning["redactedContent"]),
                    ("text", &delta["citation"]["title"]),
                ]
                .into_iter()
                .find_map(|(kind, text)| text.as_str().map(|text| (kind, text)))
                .ok_or_else(|| format!("an odd delta: {line}"))?;
                if !open {
                    if kind == "tool" {
                        return Err(format!("a call that was not announced: {line}"));
                    }
                    blocks.push((kind.to_owned(), String::new()));
                    open = true;
                }
                let block = blocks.last_mut().unwrap();
                if block.0.split(' ').next() != Some(kind) {
                    return Err(format!("a delta of another kind: {line}"));
                }
                block.1 += text;
            }
            ("blocks", "contentBlockStop") if current => open = false,
            ("blocks", "messageStop") if !open => {
                end = payload;
                phase = "metadata";
            }
            ("metadata", "metadata") => {
                end["usage"] = payload["usage"].clone();
                phase = "end";
            }
            _ => return Err(format!("out of order: {line}")),
        }
    }
    if phase == "end" { Ok((blocks, end)) } else { Err("the stream does not end".to_owned()) }
}

proptest! {
    #[test]
    fn any_hub_stream_becomes_a_strict_one(
        plans in prop::collection::vec(planned(), 0..6),
        finish in any::<bool>(),
        late_usage in any::<bool>(),
    ) {
        let events = answer(&plans, finish, late_usage);
        let bytes = encoded(&events);
        let (blocks, end) = blocks_of(&unframed(&bytes)).map_err(TestCaseError::fail)?;

        let mut expected = Vec::new();
        for (index, plan) in plans.iter().enumerate() {
            let before_citation = plan.fragments.iter().take(Planned::SOURCE).any(|text| !text.is_empty());
            let text = match plan.kind {
                // The source waits for its text.
                PlannedKind::Text if !before_citation => {
                    let mut later =
                        plan.fragments.iter().skip(Planned::SOURCE + 1).filter(|text| !text.is_empty());
                    match later.next() {
                        Some(first) => {
                            [first, &plan.fragments[Planned::SOURCE]].into_iter().chain(later).cloned().collect()
                        }
                        None => String::new(),
                    }
                }
                _ => plan.fragments.concat(),
            };
            let signed = plan.signed();
            expected.push(match plan.kind {
                PlannedKind::Text | PlannedKind::Refusal if text.is_empty() => continue,
                PlannedKind::Text | PlannedKind::Refusal => ("text".to_owned(), text),
                PlannedKind::Thinking if text.is_empty() && !signed => continue,
                PlannedKind::Thinking => ("thinking".to_owned(), text + if signed { "c2ln" } else { "" }),
                PlannedKind::Redacted => ("redacted".to_owned(), "ZGF0YQ==".to_owned()),
                PlannedKind::Tool if text.trim().is_empty() => (format!("tool call_{index}"), text + "{}"),
                PlannedKind::Tool => (format!("tool call_{index}"), text),
            });
        }
        prop_assert_eq!(blocks, expected);
        prop_assert_eq!(&end["usage"], &json!({
            "inputTokens": 7, "outputTokens": 9, "totalTokens": 18,
            "cacheReadInputTokens": 2, "cacheWriteInputTokens": 0,
        }));
        let reason = if plans.iter().any(|plan| plan.kind == PlannedKind::Refusal) {
            "content_filtered"
        } else if plans.iter().any(|plan| plan.kind == PlannedKind::Tool) {
            "tool_use"
        } else {
            "end_turn"
        };
        prop_assert_eq!(end["stopReason"].as_str(), Some(reason));
    }

    #[test]
    fn an_encoded_stream_decodes_to_the_same(plans in prop::collection::vec(planned(), 0..5), size in 1_usize..50) {
        let mut events = vec![StreamEvent::Start { id: "1".into(), model: "m".into(), created: None }];
        events.extend(interleave(&plans));
        events.push(StreamEvent::Finish { reason: StopReason::MaxTokens, stop_sequence: Some("x".into()) });
        events.push(StreamEvent::End);
        let bytes = encoded(&events);
        prop_assert_eq!(unframed(&told(BedrockConverse, bytes.chunks(size)).bytes), unframed(&bytes));
        grammar::anthropic::read(&told(AnthropicMessages, [&bytes[..]]).bytes).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn an_interrupted_stream_ends_in_its_error(plans in prop::collection::vec(planned(), 1..4), cut in any::<prop::sample::Index>()) {
        let mut events = vec![StreamEvent::Start { id: "1".into(), model: "m".into(), created: None }];
        events.extend(interleave(&plans));
        let error = Error::upstream("the stream was cut short").to_api_error();
        events.insert(1 + cut.index(events.len()), StreamEvent::Error(error));
        events.push(StreamEvent::End);
        let text = unframed(&encoded(&events));
        let last = text.lines().last().and_then(|line| line.split_once(' ')).unwrap().0;
        prop_assert_eq!(last, "modelStreamErrorException");
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_request(&bytes);
        let _ = decode_response(&bytes);
        let _ = decode_error(500, &bytes);
        for name in ["messageStart", "contentBlockDelta", "metadata", "xException"] {
            let _ = StreamDecoder::default().event(Some(name.as_bytes()), &bytes, &mut |_| {});
        }
        let _ = StreamDecoder::default().event(Some(&bytes), &bytes, &mut |_| {});
    }

    #[test]
    fn mutated_bodies_never_panic(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for kind in ["requests", "responses"] {
            let body = goldens::damaged(BedrockConverse, kind, which, at, byte);
            for (_, model) in MODELS {
                if let Ok(mut request) = decode_request(&body) {
                    request.model = model.into();
                    let _ = Dialect::BedrockConverse.encode_request(&mut request);
                }
            }
            if let Ok(response) = decode_response(&body) {
                encode_response(&response, 0);
            }
        }
    }

    /// Odd requests of other dialects: whatever their decoders make of a damaged body.
    #[test]
    fn odd_hub_requests_never_panic(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for dialect in [AnthropicMessages, Dialect::OpenaiChat] {
            let body = goldens::damaged(dialect, "requests", which, at, byte);
            for (_, model) in MODELS {
                let Ok(mut request) = dialect.decode_request(&body) else { continue };
                request.model = model.into();
                if let Ok((encoded, _)) = Dialect::BedrockConverse.encode_request(&mut request) {
                    prop_assert!(decode_request(&encoded).is_ok(), "{}", String::from_utf8_lossy(&encoded));
                }
            }
        }
    }

    #[test]
    fn shuffled_events_never_panic(order in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..20)) {
        let files = inputs(BedrockConverse, "streams");
        let mut decoder = StreamDecoder::default();
        let mut encoder = Dialect::AnthropicMessages.stream_encoder(0, true);
        let mut encoded = Vec::new();
        for (file, nth) in order {
            let text = fs::read_to_string(&files[file.index(files.len())]).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            let (name, data) = lines[nth.index(lines.len())].split_once(' ').unwrap();
            if decoder.event(Some(name.as_bytes()), data.as_bytes(), &mut |event| encoder.event(&event, &mut encoded)).is_err() {
                return Ok(());
            }
        }
        if decoder.finish(&mut |event| encoder.event(&event, &mut encoded)).is_ok() {
            grammar::anthropic::read(&encoded).map_err(TestCaseError::fail)?;
        }
    }
}
