//! Whatever proptest comes up with.

use std::borrow::Cow;
use std::fs;

use llm_dialects::Dialect;
use llm_dialects::gemini::{
    StreamDecoder, StreamEncoder, decode_error, decode_request, decode_response, encode_request,
};
use llm_dialects::hub::{
    Arguments, Block, Content, Delta, Effort, OutputFormat, Part, Request, Role, Source, StopReason,
    StreamEvent, Text, Thinking, Tool, ToolCall, ToolChoice, ToolResult, Turn, Usage,
};
use llm_dialects::inspect::StreamWatch;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{GEMINI, json_of, told};
use crate::goldens::{self, NOW, inputs};
use crate::grammar;

fn raw(json: &str) -> Cow<'static, RawValue> {
    Cow::Owned(RawValue::from_string(json.to_owned()).unwrap())
}

/// Parts of every kind, some of them odd.
fn odd_parts() -> Vec<Part<'static>> {
    let call = |arguments, signature: Option<&'static str>| {
        let signature = signature.map(Into::into);
        Part::ToolCall(ToolCall { id: "c1".into(), name: "f".into(), arguments, signature })
    };
    let base64 =
        |media_type: &'static str| Source::Base64 { media_type: media_type.into(), data: "AA==".into() };
    let result = |content: Vec<Part<'static>>, is_error| {
        let content = content.into_iter().map(Content::from).collect();
        Part::ToolResult(ToolResult { call_id: "c1".into(), content, is_error })
    };
    let thinking = |text: &'static str, signature: Option<&'static str>| Part::Thinking {
        text: text.into(),
        signature: signature.map(Into::into),
    };
    let mut parts = vec![
        Part::Text("".into()),
        Part::Text("hello".into()),
        Part::Refusal("no".into()),
        thinking("", Some("weir-gemini:Q2k=")),
        thinking("t", Some("weir-gemini:")),
        thinking("t", Some("EqQB")),
        thinking("t", None),
        Part::RedactedThinking("x".into()),
        Part::Citation(llm_dialects::hub::Citation::default()),
        Part::Audio { data: "AA==".into(), format: "wav".into() },
        call(Arguments::Json(raw("{\"a\": 1}")), None),
        call(Arguments::Json(raw("[1]")), Some("weir-gemini:Q2k=")),
        call(Arguments::Invalid("{\"a\":".into()), Some("EqQB")),
        call(Arguments::Invalid(" ".into()), None),
        result(vec![], false),
        result(vec![Part::Text("ok".into()), Part::Text("more".into())], true),
        result(vec![Part::Image { source: base64("image/gif"), detail: None }], false),
        result(vec![Part::Image { source: base64("image/png"), detail: None }], false),
        result(vec![result(vec![], false)], false),
        Part::Foreign { kind: "executableCode".into(), json: raw("{\"executableCode\":{}}") },
        Part::Foreign { kind: "server_tool_use".into(), json: raw("{}") },
    ];
    for source in [
        base64("image/jpg"),
        base64(""),
        Source::Url("https://a.example/b".into()),
        Source::Url("ftp://a.example/b.png".into()),
        Source::Url("no url".into()),
        Source::File("file-123".into()),
        Source::File("files/123".into()),
        Source::Text("text".into()),
    ] {
        parts.push(Part::Image { source: source.clone(), detail: None });
        parts.push(Part::Document { source, name: Some("n".into()) });
    }
    parts
}

fn odd_request(picks: &[(u8, prop::sample::Index)], knobs: &[prop::sample::Index]) -> Request<'static> {
    let parts = odd_parts();
    let pick = |nth: usize, count: usize| knobs[nth % knobs.len()].index(count);
    let turns = picks.iter().map(|(role, part)| Turn {
        role: [Role::User, Role::Assistant, Role::System][usize::from(*role) % 3],
        name: None,
        content: vec![parts[part.index(parts.len())].clone().into()],
    });
    let schemas = [
        None,
        Some(raw("{}")),
        Some(raw("[]")),
        Some(raw("{\"$ref\":\"#/definitions/A\",\"definitions\":{\"A\":true}}")),
        Some(raw("{\"properties\":{\"a\":{\"allOf\":[{\"type\":\"string\"}],\"enum\":[null]}}}")),
    ];
    let tool = |schema: &Option<Cow<'static, RawValue>>| Tool::Function {
        name: "f".into(),
        description: Some("".into()),
        schema: schema.clone(),
        strict: Some(true),
        cache: None,
    };
    let tools = [
        vec![],
        schemas[..2].iter().map(tool).collect(),
        vec![tool(&schemas[pick(1, 5)])],
        vec![Tool::Foreign { kind: "googleSearch".into(), json: raw("{\"googleSearch\":{}}") }],
        vec![Tool::Foreign { kind: "web_search_20250305".into(), json: raw("{}") }],
    ];
    let choices = [
        None,
        Some(ToolChoice::Auto),
        Some(ToolChoice::None),
        Some(ToolChoice::Required),
        Some(ToolChoice::Named("f".into())),
    ];
    let thinking = [
        None,
        Some(Thinking::Disabled),
        Some(Thinking::Effort(Effort::Max)),
        Some(Thinking::Budget(u64::MAX)),
        Some(Thinking::Adaptive(None)),
    ];
    let formats = [
        None,
        Some(OutputFormat::JsonObject),
        schemas[pick(5, 4) + 1].clone().map(|schema| OutputFormat::JsonSchema {
            name: None,
            description: None,
            schema,
            strict: None,
        }),
    ];
    let models =
        ["", "gemini-2.0-flash", "gemini-2.5-pro", "gemini-3-pro", "gemini-3.8-flash", "gemini-4-hydrogen"];
    Request {
        model: models[pick(0, models.len())].into(),
        system: vec![Text { text: "".into(), cache: None }],
        turns: turns.collect(),
        tools: tools[pick(2, tools.len())].clone(),
        tool_choice: choices[pick(3, choices.len())].clone(),
        thinking: thinking[pick(4, thinking.len())],
        output_format: formats[pick(6, formats.len())].clone(),
        parallel_tool_calls: [None, Some(false)][pick(7, 2)],
        max_output_tokens: [None, Some(0), Some(u64::MAX)][pick(8, 3)],
        seed: [None, Some(i64::MIN), Some(-1)][pick(9, 3)],
        stop: vec!["".into(); pick(10, 9)],
        temperature: Some(f64::from(u8::try_from(pick(11, 5)).unwrap())),
        top_logprobs: Some(20),
        ..Request::default()
    }
}

/// What a generated block holds.
fn events_of(index: u32, kind: u8, text: &str) -> Vec<StreamEvent<'_>> {
    let (block, delta): (Block<'_>, Delta<'_>) = match kind % 5 {
        0 => (Block::Text, Delta::Text(text.into())),
        1 => (Block::Refusal, Delta::Refusal(text.into())),
        2 => (Block::Thinking, Delta::Thinking(text.into())),
        3 => (Block::RedactedThinking("data".into()), Delta::Text(text.into())),
        _ => (
            Block::ToolCall {
                id: format!("c{index}").into(),
                name: "f".into(),
                signature: Some("EqQB".into()),
            },
            Delta::Arguments(text.into()),
        ),
    };
    vec![
        StreamEvent::BlockStart { index, block },
        StreamEvent::Delta { index, delta },
        StreamEvent::Delta { index, delta: Delta::Signature("c2ln".into()) },
        StreamEvent::BlockStop { index },
    ]
}

proptest! {
    #[test]
    fn any_hub_request_is_encoded_or_refused(
        picks in prop::collection::vec((any::<u8>(), any::<prop::sample::Index>()), 0..8),
        knobs in prop::collection::vec(any::<prop::sample::Index>(), 12),
    ) {
        let request = odd_request(&picks, &knobs);
        if let Ok(body) = encode_request(&request) {
            let value = json_of(&body);
            let roles: Vec<&str> = value["contents"].as_array().unwrap().iter().map(|content| {
                assert!(!content["parts"].as_array().unwrap().is_empty());
                content["role"].as_str().unwrap()
            }).collect();
            prop_assert!(roles.windows(2).all(|pair| pair[0] != pair[1]), "{:?}", roles);
            prop_assert_eq!(encode_request(&request).unwrap(), body);
        }
    }

    #[test]
    fn any_hub_stream_becomes_chunks(
        blocks in prop::collection::vec((any::<u8>(), "[a-z\"{}\\n ]{0,6}"), 0..6),
        order in prop::collection::vec(any::<prop::sample::Index>(), 40),
    ) {
        let mut queues: Vec<Vec<StreamEvent<'_>>> = Vec::new();
        for (index, (kind, text)) in blocks.iter().enumerate() {
            let mut events = events_of(u32::try_from(index).unwrap(), *kind, text);
            events.reverse();
            queues.push(events);
        }
        let mut encoder = StreamEncoder::new(NOW);
        let mut bytes = Vec::new();
        encoder.event(&StreamEvent::Start { id: "r".into(), model: "m".into(), created: None }, &mut bytes);
        for pick in &order {
            encoder.event(&StreamEvent::Ping, &mut bytes);
            queues.retain(|queue| !queue.is_empty());
            if queues.is_empty() {
                break;
            }
            let at = pick.index(queues.len());
            let event = queues[at].pop().unwrap();
            encoder.event(&event, &mut bytes);
        }
        encoder.event(&StreamEvent::Usage(Usage { output: 3, ..Usage::default() }), &mut bytes);
        encoder.event(&StreamEvent::Finish { reason: StopReason::EndTurn, stop_sequence: None }, &mut bytes);
        encoder.event(&StreamEvent::End, &mut bytes);
        encoder.event(&StreamEvent::End, &mut bytes);
        let text = String::from_utf8(bytes.clone()).unwrap();
        let chunks: Vec<Value> =
            text.lines().filter_map(|line| line.strip_prefix("data: ")).map(|data| serde_json::from_str(data).unwrap()).collect();
        let calls = chunks.iter().filter(|chunk| chunk["candidates"][0]["content"]["parts"][0]["functionCall"].is_object()).count();
        prop_assert_eq!(calls, blocks.iter().filter(|(kind, _)| kind % 5 == 4).count());
        let finished = chunks.iter().filter(|chunk| chunk["candidates"][0]["finishReason"].is_string()).count();
        prop_assert_eq!(finished, 1);
        let again = told(GEMINI, [&bytes[..]]);
        prop_assert_eq!(again.lines.last().map(String::as_str), Some("End"));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_request(&bytes);
        let _ = decode_response(&bytes);
        let _ = decode_error(500, &bytes);
        let _ = llm_dialects::gemini::retry_delay(&bytes);
        let _ = StreamDecoder::default().event(None, &bytes, &mut |_| {});
        StreamWatch::new(GEMINI).event(None, &bytes);
    }

    #[test]
    fn mutated_bodies_never_panic(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for kind in ["requests", "responses"] {
            let body = goldens::damaged(GEMINI, kind, which, at, byte);
            if let Ok(mut request) = decode_request(&body) {
                for dialect in Dialect::ALL {
                    let _ = dialect.encode_request(&mut request);
                }
            }
            if let Ok(response) = decode_response(&body) {
                for dialect in Dialect::ALL {
                    dialect.encode_response(&response, NOW);
                }
            }
        }
    }

    #[test]
    fn shuffled_chunks_never_panic(order in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..12)) {
        let files = inputs(GEMINI, "streams");
        let mut stream = String::new();
        for (file, nth) in order {
            let text = fs::read_to_string(&files[file.index(files.len())]).unwrap();
            let data: Vec<&str> = text.lines().filter(|line| line.starts_with("data: ")).collect();
            stream.push_str(data[nth.index(data.len())]);
            stream.push_str("\n\n");
        }
        let encoded = told(Dialect::AnthropicMessages, [stream.as_bytes()]).bytes;
        grammar::anthropic::read(&encoded).map_err(TestCaseError::fail)?;
    }
}
