//! Whatever proptest comes up with.

use std::fs;

use llm_dialects::Dialect::AnthropicMessages;
use llm_dialects::Error;
use llm_dialects::anthropic::{
    StreamDecoder, StreamEncoder, decode_error, decode_request, decode_response, encode_request,
    encode_response,
};
use llm_dialects::hub::{StopReason, StreamEvent};
use proptest::prelude::*;

use crate::goldens::planned_blocks::{Planned, PlannedKind, answer, interleave, planned};
use crate::goldens::recoding::recode;
use crate::goldens::{self, inputs};
use crate::grammar;

proptest! {
    #[test]
    fn any_hub_stream_becomes_a_strict_one(
        plans in prop::collection::vec(planned(), 0..6),
        finish in any::<bool>(),
        late_usage in any::<bool>(),
    ) {
        let events = answer(&plans, finish, late_usage);
        let mut encoder = StreamEncoder::default();
        let mut bytes = Vec::new();
        for event in &events {
            encoder.event(event, &mut bytes);
        }
        let message = grammar::anthropic::read(&bytes).map_err(TestCaseError::fail)?;

        let mut expected = Vec::new();
        for (index, plan) in plans.iter().enumerate() {
            let mut fragments = plan.fragments.clone();
            // A source without an address has no form here.
            if plan.kind == PlannedKind::Text && fragments.len() > Planned::SOURCE {
                fragments.remove(Planned::SOURCE);
            }
            let text = fragments.concat();
            let signed = plan.signed();
            let (kind, text) = match plan.kind {
                PlannedKind::Text | PlannedKind::Refusal if text.is_empty() => continue,
                PlannedKind::Text | PlannedKind::Refusal => ("text", text),
                PlannedKind::Thinking if text.is_empty() && !signed => continue,
                PlannedKind::Thinking => ("thinking", text),
                PlannedKind::Redacted => ("redacted_thinking", "ZGF0YQ==".to_owned()),
                PlannedKind::Tool if text.trim().is_empty() => ("tool_use", format!("{text}{{}}")),
                PlannedKind::Tool => ("tool_use", text),
            };
            expected.push(grammar::anthropic::Block {
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
        let again = recode(AnthropicMessages, AnthropicMessages, [&bytes[..]]).bytes;
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
        let message = grammar::anthropic::read(&bytes).map_err(TestCaseError::fail)?;
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
        for kind in ["requests", "responses"] {
            let body = goldens::damaged(AnthropicMessages, kind, which, at, byte);
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
        let files = inputs(AnthropicMessages, "streams");
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
            grammar::anthropic::read(&encoded).map_err(TestCaseError::fail)?;
        }
    }
}
