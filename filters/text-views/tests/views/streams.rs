//! Streams: their joined texts are those of the whole answer, and nothing follows what has ended.

use std::collections::BTreeMap;
use std::fs;

use filter_config::Endpoint;
use text_views::{EventReader, Form, Slot, Thread, ThreadKind, Views};

use crate::recordings::{self, Events};

/// The texts of threads, each joined.
fn joined<'a, 's>(slots: impl IntoIterator<Item = &'s Slot<'a>>) -> BTreeMap<Thread, String>
where
    'a: 's,
{
    let mut threads: BTreeMap<Thread, String> = BTreeMap::new();
    for slot in slots.into_iter().filter(|slot| !slot.snapshot) {
        *threads.entry(slot.thread).or_default() += &slot.text;
    }
    threads.retain(|_, text| !text.is_empty());
    threads
}

fn read(endpoint: Endpoint, events: &Events) -> Vec<Views<'_>> {
    let mut reader = EventReader::new(endpoint);
    events.iter().map(|(name, data)| reader.views(name, data).unwrap()).collect()
}

fn joined_stream(endpoint: Endpoint, events: &Events) -> BTreeMap<Thread, String> {
    let views = read(endpoint, events);
    joined(views.iter().flat_map(|views| views.slots()))
}

/// T-19: what a guard sees of a stream is what it sees of the whole answer, in every dialect.
#[test]
fn streams_say_what_whole_answers_say() {
    let squeezed = |threads: BTreeMap<Thread, String>| -> Vec<(ThreadKind, String)> {
        let normal = |text: String| match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(value) if value.is_object() => value.to_string(),
            _ => text,
        };
        threads.into_iter().map(|(thread, text)| (thread.kind, normal(text))).collect()
    };
    let mut all = Vec::new();
    for (endpoint, answer, events) in recordings::canonical() {
        let answer = Views::of_answer(endpoint, &answer).unwrap();
        let whole = squeezed(joined(answer.slots()));
        assert_eq!(squeezed(joined_stream(endpoint, &events)), whole, "{endpoint:?}");
        all.push(whole);
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:#?}");
    assert_eq!(all[0].len(), 4, "text, reasoning and two calls");
}

/// Texts of the first choice as the translation crate's decoders read them, block by block, from the files beside the
/// recordings.
fn decoded(name: &str, kind: &str) -> Option<Vec<String>> {
    let path = name.strip_suffix(".sse").or(name.strip_suffix(".events"))?;
    let events = fs::read_to_string(format!("{path}.events.txt")).ok()?;
    let mut blocks: BTreeMap<u32, String> = BTreeMap::new();
    for line in events.lines() {
        let Some((index, written)) = line.split_once(&format!(", delta: {kind}(\"")) else { continue };
        let text = blocks.entry(index.strip_prefix("Delta { index: ").unwrap().parse().unwrap()).or_default();
        let mut chars = written.strip_suffix("\") }").unwrap().chars();
        while let Some(c) = chars.next() {
            text.push(match c {
                '\\' => match chars.next().unwrap() {
                    'n' => '\n',
                    other => other,
                },
                c => c,
            });
        }
    }
    Some(blocks.into_values().collect())
}

#[test]
fn streams_say_what_decoders_read() {
    // The decoder stops at what it refuses; it makes up a text for what was blocked.
    let skipped = ["out_of_order", "prompt_blocked", "/exception."];
    let mut compared = 0;
    for (endpoint, name, events) in recordings::streams() {
        let Some(text) = decoded(&name, "Text").filter(|_| !skipped.iter().any(|skip| name.contains(skip)))
        else {
            continue;
        };
        compared += 1;
        let threads = joined_stream(endpoint, &events);
        let of = |kind: ThreadKind, part: Option<u32>| -> String {
            let wanted = |thread: &Thread| {
                thread.message == 0 && thread.kind == kind && part.is_none_or(|part| thread.part == part)
            };
            threads.iter().filter(|(thread, _)| wanted(thread)).map(|(_, text)| text.as_str()).collect()
        };
        assert_eq!(of(ThreadKind::Text, None), text.concat(), "{name}");
        assert_eq!(of(ThreadKind::Refusal, None), decoded(&name, "Refusal").unwrap().concat(), "{name}");
        // The translation sets parts of a summary apart.
        let thinking = decoded(&name, "Thinking").unwrap().concat().replace("\n\n", "");
        let of_parts: Vec<String> = (0..5).map(|part| of(ThreadKind::Reasoning, Some(part))).collect();
        assert!(of_parts.contains(&thinking), "{name}: {thinking:?} of {of_parts:?}");
        // Gemini's arguments are values, and the translation makes up their text.
        if endpoint != Endpoint::GeminiStreamGenerateContent {
            let calls: Vec<&String> = threads
                .iter()
                .filter(|(thread, _)| thread.kind == ThreadKind::ToolInput)
                .map(|(_, text)| text)
                .collect();
            for call in decoded(&name, "Arguments").unwrap() {
                assert!(calls.iter().any(|found| **found == call), "{name}: {call:?} of {calls:?}");
            }
        }
    }
    assert!(compared > 60, "{compared}");
}

#[test]
fn nothing_follows_what_has_ended() {
    for (endpoint, name, events) in recordings::streams() {
        let mut ended: Vec<Thread> = Vec::new();
        let mut reader = EventReader::new(endpoint);
        for (event, data) in &events {
            let views = reader.views(event, data).unwrap_or_else(|error| panic!("{name}: {error}"));
            for slot in views.slots().iter().filter(|slot| !slot.snapshot && !slot.text.is_empty()) {
                assert!(!ended.contains(&slot.thread), "{name}: {:?} goes on", slot);
            }
            ended.extend(views.ends());
        }
        let incomplete = [
            "second_candidate",
            "cut_short",
            "malformed",
            "error",
            "failed",
            "exception",
            "out_of_order",
            "no_done",
        ];
        // What is over ends with an event about something else.
        if matches!(endpoint, Endpoint::OpenaiChat | Endpoint::GeminiStreamGenerateContent) {
            reader.views("", b"{}").unwrap();
        }
        if !incomplete.iter().any(|word| name.contains(word)) {
            assert_eq!(reader.open().collect::<Vec<_>>(), [], "{name}");
        }
    }
}

/// As Gemini 1.5 does, among others.
#[test]
fn a_text_goes_on_whose_end_was_told_too_early() {
    for (endpoint, piece) in [
        (Endpoint::OpenaiChat, r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"#),
        (Endpoint::OpenaiCompletions, r#"{"choices":[{"index":0,"text":"a","finish_reason":"stop"}]}"#),
        (
            Endpoint::GeminiStreamGenerateContent,
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#,
        ),
    ] {
        let mut reader = EventReader::new(endpoint);
        for _ in 0..2 {
            assert_eq!(reader.views("", piece.as_bytes()).unwrap().ends(), []);
        }
        let end = if endpoint == Endpoint::GeminiStreamGenerateContent { "candidates" } else { "choices" };
        let end = format!(r#"{{"{end}":[]}}"#);
        let ends = reader.views("", end.as_bytes()).unwrap().ends().to_vec();
        assert_eq!(ends, [Thread { message: 0, kind: ThreadKind::Text, part: 0 }]);
    }
}

/// Snapshots repeat what their block said before.
#[test]
fn snapshots_repeat() {
    let mut seen = 0;
    for (endpoint, name, events) in recordings::streams() {
        let mut blocks: BTreeMap<(Thread, u32), String> = BTreeMap::new();
        let views = read(endpoint, &events);
        for slot in views.iter().flat_map(|views| views.slots()) {
            let block = blocks.entry((slot.thread, slot.block)).or_default();
            if slot.snapshot && slot.form != Form::JsonValue {
                seen += 1;
                assert_eq!(*block, slot.text, "{name}");
            } else if !slot.snapshot {
                block.push_str(&slot.text);
            }
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn alone_every_repetition_is_a_snapshot() {
    let done = br#"{"type":"response.output_text.done","output_index":0,"content_index":0,"text":"a"}"#;
    assert!(Views::of_event(Endpoint::OpenaiResponses, done).unwrap().slots()[0].snapshot);
    let first = EventReader::new(Endpoint::OpenaiResponses).views("", done).unwrap().slots()[0].snapshot;
    assert!(!first, "no delta has said it");
    let delta = br#"{"contentBlockIndex":0,"delta":{"text":"a"}}"#;
    assert_eq!(Views::of_bedrock_event("contentBlockDelta", delta).unwrap().slots()[0].text, "a");
}

#[test]
fn one_stream_has_a_bounded_number_of_texts() {
    let mut reader = EventReader::new(Endpoint::AnthropicMessages);
    let failed = (0..).find(|index| {
        let data = format!(r#"{{"type":"content_block_delta","index":{index},"delta":{{"type":"input_json_delta","partial_json":"x"}}}}"#);
        reader.views("", data.as_bytes()).is_err()
    });
    assert_eq!(failed, Some(16_384));
}
