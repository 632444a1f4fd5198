//! Replacing: what is not replaced keeps every byte, and what is says what it was told.

use filter_config::{Endpoint, Scope};
use proptest::prelude::*;
use serde_json::Value;
use text_views::{Error, EventReader, Form, Slot, Views};

use crate::recordings;

const NEW: &str = "<new \"text\"\n😀>";
const NEW_JSON: &str = "{\"new\": [1, \"text\"]}";

fn new(slot: &Slot<'_>) -> &'static str {
    if slot.form == Form::JsonValue { NEW_JSON } else { NEW }
}

/// Replaces one slot after the other and looks again.
fn each(name: &str, body: &[u8], read: impl for<'b> Fn(&'b [u8]) -> Views<'b>, request: bool) {
    let views = read(body);
    assert!(!views.changed());
    let slots = views.slots().to_vec();
    assert_eq!(views.into_bytes(), body, "{name}");
    for (index, slot) in slots.iter().enumerate() {
        let mut views = read(body);
        views.replace(index, new(slot)).unwrap();
        assert!(views.changed(), "{name}");
        let written = views.into_bytes();
        serde_json::from_slice::<Value>(&written).unwrap();
        let again = read(&written);
        if request && slot.scope == Scope::Reasoning && again.slots().len() != slots.len() {
            // Signed thinking goes with its text, alone or as a list of pieces.
            assert!(again.slots().len() < slots.len(), "{name}");
            continue;
        }
        for (other, (old, now)) in slots.iter().zip(again.slots()).enumerate() {
            let text = if other == index { new(slot) } else { &old.text };
            assert_eq!(now.text, text, "{name}: slot {other} after {index} was replaced");
            assert_eq!((now.thread, now.form, now.message), (old.thread, old.form, old.message), "{name}");
        }
        assert_eq!(again.slots().len(), slots.len(), "{name}");
        // Taken back.
        let mut views = read(body);
        views.replace(index, new(slot)).unwrap();
        views.replace(index, &slot.text).unwrap();
        assert_eq!(views.into_bytes(), body, "{name}");
    }
    let mut views = read(body);
    for (index, slot) in slots.iter().enumerate() {
        views.replace(index, new(slot)).unwrap();
    }
    views.drop_echoes();
    let written = views.into_bytes();
    serde_json::from_slice::<Value>(&written).unwrap();
    for slot in read(&written).slots() {
        assert!([NEW, NEW_JSON].contains(&&*slot.text), "{name}: {slot:?}");
    }
}

#[test]
fn requests() {
    for (endpoint, name, body) in recordings::requests() {
        each(&name, &body, |body| Views::of_request(endpoint, body).unwrap(), true);
    }
}

#[test]
fn answers() {
    for (endpoint, name, body) in recordings::answers() {
        each(&name, &body, |body| Views::of_answer(endpoint, body).unwrap(), false);
    }
}

#[test]
fn events() {
    for (endpoint, name, events) in recordings::streams() {
        for (event, data) in events.iter().filter(|(_, data)| !data.is_empty() && data != b"[DONE]") {
            each(&name, data, |data| EventReader::new(endpoint).views(event, data).unwrap(), false);
        }
    }
}

fn written(endpoint: Endpoint, body: &str, texts: &[(usize, &str)]) -> String {
    let mut views = Views::of_request(endpoint, body.as_bytes()).unwrap();
    for (index, text) in texts {
        views.replace(*index, text).unwrap();
    }
    String::from_utf8(views.into_bytes()).unwrap()
}

#[test]
fn every_other_byte_stays() {
    let body = "{ \"z\" : 1.0e5,\n\"messages\":[ {\"content\" : \"a\\u0062\" , \"role\":\"user\"} ],\t\"\\u0061\":[] }\n";
    assert_eq!(
        written(Endpoint::OpenaiChat, body, &[(0, "x\"")]),
        "{ \"z\" : 1.0e5,\n\"messages\":[ {\"content\" : \"x\\\"\" , \"role\":\"user\"} ],\t\"\\u0061\":[] }\n"
    );
}

#[test]
fn anthropic_thinking_goes_with_its_signature() {
    let body = |blocks: &str| format!(r#"{{"messages":[{{"role":"assistant","content":[{blocks}]}}]}}"#);
    let signed = r#"{"type":"thinking","thinking":"a","signature":"s"}"#;
    let more = r#"{"type":"thinking","thinking":"b","signature":"t"}"#;
    let said = r#"{"type":"text","text":"c"}"#;
    let endpoint = Endpoint::AnthropicMessages;
    let all = body(&format!("{signed}, {more} , {said}"));
    assert_eq!(written(endpoint, &all, &[(0, "x")]), body(&format!("{more} , {said}")));
    assert_eq!(written(endpoint, &all, &[(1, "x")]), body(&format!("{signed} , {said}")));
    assert_eq!(
        written(endpoint, &all, &[(0, "x"), (1, "y"), (2, "z")]),
        body(r#"{"type":"text","text":"z"}"#)
    );
    let last = body(&format!("{said}, {signed}"));
    assert_eq!(written(endpoint, &last, &[(1, "x")]), body(said));
    // A message must say something.
    let only = body(&format!("{signed},{more}"));
    assert_eq!(written(endpoint, &only, &[(0, "x"), (1, "y")]), body(r#"{"type":"text","text":"y"}"#));
    assert_eq!(written(endpoint, &only, &[(0, ""), (1, " ")]), body(r#"{"type":"text","text":"[removed]"}"#));
    assert_eq!(written(endpoint, &only, &[(0, "x")]), body(more));
    let unsigned = body(r#"{"type":"thinking","thinking":"a","signature":""}"#);
    assert_eq!(written(endpoint, &unsigned, &[(0, "x")]), unsigned.replace("\"a\"", "\"x\""));
}

#[test]
fn bedrock_thinking_goes_with_its_signature() {
    let body = |blocks: &str| format!(r#"{{"messages":[{{"role":"assistant","content":[{blocks}]}}]}}"#);
    let signed = r#"{"reasoningContent":{"reasoningText":{"text":"a","signature":"s"}}}"#;
    let endpoint = Endpoint::BedrockConverse;
    assert_eq!(
        written(endpoint, &body(&format!(r#"{signed},{{"text":"b"}}"#)), &[(0, "x")]),
        body(r#"{"text":"b"}"#)
    );
    assert_eq!(written(endpoint, &body(signed), &[(0, "x")]), body(r#"{"text":"x"}"#));
}

#[test]
fn gemini_thoughts_lose_their_signature_wherever_it_stands() {
    let endpoint = Endpoint::GeminiGenerateContent;
    assert_eq!(
        written(
            endpoint,
            r#"{"contents":[{"role":"model","parts":[{"text":"a","thought":true,"thoughtSignature":"s"},{"functionCall":{"args":{}},"thoughtSignature":"t"}]}]}"#,
            &[(0, "x"), (1, "{\"y\":1}")]
        ),
        r#"{"contents":[{"role":"model","parts":[{"text":"x","thought":true},{"functionCall":{"args":{"y":1}},"thoughtSignature":"t"}]}]}"#
    );
    assert_eq!(
        written(
            endpoint,
            r#"{"contents":[{"role":"model","parts":[{"text":"a","thought":true}]},{"role":"model","parts":[{"thoughtSignature":"s","text":"","thought":true}]}]}"#,
            &[(0, "x")]
        ),
        r#"{"contents":[{"role":"model","parts":[{"text":"x","thought":true}]},{"role":"model","parts":[{"text":"","thought":true}]}]}"#
    );
}

#[test]
fn what_openai_sealed_stays_and_what_others_signed_goes() {
    let body = |sealed: &str| {
        format!(
            r#"{{"input":[{{"type":"reasoning","id":"r","summary":[{{"type":"summary_text","text":"a"}}]{sealed}}}]}}"#
        )
    };
    let endpoint = Endpoint::OpenaiResponses;
    let own = r#","encrypted_content":"gAAAA""#;
    assert_eq!(written(endpoint, &body(own), &[(0, "x")]), body(own).replace("\"a\"", "\"x\""));
    let foreign = r#","encrypted_content":"thinking_weir-sig_EqQB==""#;
    assert_eq!(written(endpoint, &body(foreign), &[(0, "x")]), body("").replace("\"a\"", "\"x\""));
}

#[test]
fn chat_thinking_blocks_go_with_their_signature() {
    let body = |blocks: &str| {
        format!(r#"{{"messages":[{{"role":"assistant","thinking_blocks":[{blocks}],"content":"c"}}]}}"#)
    };
    let pieces = r#"{"type":"thinking","thinking":"a","signature":null},{"type":"thinking","thinking":"","signature":"s"}"#;
    assert_eq!(
        written(Endpoint::OpenaiChat, &body(pieces), &[(0, "x")]),
        body(r#"{"type":"thinking","thinking":"x","signature":null}"#)
    );
}

#[test]
fn values_stay_what_they_are() {
    let body = br#"{"messages":[{"role":"assistant","content":[{"type":"tool_use","input":{"a":1}}]}]}"#;
    let mut views = Views::of_request(Endpoint::AnthropicMessages, body).unwrap();
    for (text, problem) in [
        ("{", "the new text is not JSON"),
        ("{} {}", "the new text is not JSON"),
        ("\"x\"", "the new text is not a JSON object"),
    ] {
        assert_eq!(views.replace(0, text), Err(Error::Replacement { slot: 0, problem }));
    }
    assert_eq!(views.replace(1, "x"), Err(Error::Replacement { slot: 1, problem: "there is no such text" }));
    assert!(!views.changed());
    views.replace(0, " {\"b\":2} ").unwrap();
    assert!(String::from_utf8(views.into_bytes()).unwrap().contains(r#""input":{"b":2}}"#));
}

/// JSON with the keys that dialects have.
fn body() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "messages",
        "content",
        "role",
        "type",
        "text",
        "parts",
        "contents",
        "input",
        "output",
        "thinking",
        "signature",
        "choices",
        "delta",
        "message",
        "tool_calls",
        "function",
        "arguments",
        "candidates",
        "reasoningContent",
        "reasoningText",
        "toolResult",
        "functionCall",
        "args",
        "thought",
        "thoughtSignature",
        "summary",
        "item",
        "response",
        "index",
        "content_block",
        "source",
        "data",
        "system",
        "logprobs",
        "citations",
        "document",
    ]);
    let word = prop::sample::select(vec![
        "user",
        "assistant",
        "text",
        "thinking",
        "tool_use",
        "tool_result",
        "message",
        "reasoning",
        "document",
        "response.output_item.done",
        "response.completed",
        "content_block_delta",
        "content_block_start",
        "text_delta",
        "function_call",
        "s",
        "",
    ]);
    let leaf = prop_oneof![
        8 => word.prop_map(Value::from),
        1 => "[a-z\"\\\\é😀]{0,6}".prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => (0..5u32).prop_map(Value::from),
    ];
    let inner = leaf.prop_recursive(7, 60, 5, move |inner| {
        let members = prop::collection::vec((key.clone(), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| members
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    });
    prop::collection::vec(
        (
            prop::sample::select(vec![
                "messages",
                "contents",
                "input",
                "system",
                "choices",
                "content",
                "output",
                "candidates",
                "type",
                "item",
                "delta",
                "response",
            ]),
            inner,
        ),
        1..5,
    )
    .prop_map(|members| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

proptest! {
    #[test]
    fn replaced_bodies_are_json_and_say_what_they_were_told(
        body in body(),
        pretty in any::<bool>(),
        which in 0..5usize,
        kind in 0..3u8,
        choose in prop::collection::vec(any::<bool>(), 24),
    ) {
        let endpoint = recordings::DIALECTS[which].1;
        let body = if pretty { serde_json::to_vec_pretty(&body) } else { serde_json::to_vec(&body) }.unwrap();
        let read = |body| match kind {
            0 => Views::of_request(endpoint, body),
            1 => Views::of_answer(endpoint, body),
            _ => EventReader::new(endpoint).views("contentBlockDelta", body),
        };
        let Ok(mut views) = read(&body) else { return Ok(()) };
        let count = views.slots().len();
        let mut expected = Vec::new();
        for index in 0..count {
            let slot = views.slots()[index].clone();
            if choose[index % choose.len()] {
                expected.push(new(&slot).to_owned());
                if views.replace(index, new(&slot)).is_err() {
                    return Ok(());
                }
            } else {
                expected.push(slot.text.into_owned());
            }
        }
        let changed = views.changed();
        let written = views.into_bytes();
        prop_assert!(changed || written == body);
        prop_assert!(serde_json::from_slice::<Value>(&written).is_ok());
        let again = read(&written).unwrap();
        let texts: Vec<String> = again.slots().iter().map(|slot| slot.text.clone().into_owned()).collect();
        if texts.len() == count {
            prop_assert_eq!(texts, expected);
        } else {
            prop_assert!(texts.len() < count && kind == 0);
        }
    }

    #[test]
    fn never_panics(body in prop::collection::vec(any::<u8>(), 0..60), json in "[\\[\\]{}\",:a1 \\\\]{0,40}") {
        for body in [&body[..], json.as_bytes()] {
            for endpoint in Endpoint::ALL {
                let requests = Views::of_request(endpoint, body);
                let others = [Views::of_answer(endpoint, body), Views::of_event(endpoint, body)];
                for views in [requests].into_iter().chain(others).flatten() {
                    prop_assert_eq!(views.into_bytes(), body);
                }
            }
        }
    }
}
