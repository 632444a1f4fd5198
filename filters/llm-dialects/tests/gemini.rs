//! The Gemini dialect over its fixtures, against the other dialects, and over whatever proptest comes up with.
//!
//! [`goldens`] tells how the fixtures lie and how their expected files are rewritten.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is a failed test")]

mod anthropic_grammar;
mod goldens;

use std::borrow::Cow;
use std::fs;

use framing::sse::{Decoder, Frame, Limits};
use goldens::recoding::{Recoded, recode};
use goldens::{Goldens, NOW, assert_stable, inputs, line};
use llm_dialects::gemini::{
    StreamDecoder, StreamEncoder, decode_error, decode_request, decode_response, encode_request,
    encode_response,
};
use llm_dialects::hub::{
    Arguments, Block, Content, Delta, Effort, OutputFormat, Part, Request, Role, Source, StopReason,
    StreamEvent, Text, Thinking, Tool, ToolCall, ToolChoice, ToolResult, Turn, Usage,
};
use llm_dialects::inspect::StreamWatch;
use llm_dialects::{Dialect, Error};
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

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
        if let Err(breach) = anthropic_grammar::read(&told(Dialect::AnthropicMessages, [&stream[..]]).bytes) {
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

/// Encodes a request of one dialect for another.
fn request(from: Dialect, to: Dialect, model: &str, body: &Value) -> Value {
    let body = body.to_string();
    let mut request = from.decode_request(body.as_bytes()).unwrap();
    request.model = model.to_owned().into();
    json_of(&to.encode_request(&mut request).unwrap().0)
}

/// Encodes an answer of one dialect for a client of another.
fn answer(from: Dialect, to: Dialect, body: &Value) -> Value {
    let body = body.to_string();
    json_of(&to.encode_response(&from.decode_response(body.as_bytes()).unwrap(), NOW))
}

/// An Anthropic client on Gemini: three turns, two calls at once, signatures back in their places.
#[test]
fn an_anthropic_tool_loop_on_gemini() {
    let anthropic = Dialect::AnthropicMessages;
    let tool = json!({"name": "look", "input_schema": {"$schema": "x", "type": "object", "properties": {"n": {"type": "integer", "exclusiveMinimum": 0}}}});
    let mut body = json!({
        "model": "claude", "max_tokens": 900, "system": "Be brief.", "tools": [tool],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "messages": [{"role": "user", "content": "Look at 1 and 2."}],
    });
    let sent = request(anthropic, GEMINI, "gemini-3.8-flash", &body);
    assert_eq!(sent["systemInstruction"]["parts"], json!([{"text": "Be brief."}]));
    assert_eq!(
        sent["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"],
        json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}})
    );
    assert_eq!(
        sent["generationConfig"]["thinkingConfig"],
        json!({"thinkingLevel": "LOW", "includeThoughts": true})
    );

    let said = answer(
        GEMINI,
        anthropic,
        &json!({"responseId": "r1", "modelVersion": "gemini-3.8-flash", "candidates": [{"finishReason": "STOP", "content": {"role": "model", "parts": [
            {"text": "Two looks.", "thought": true},
            {"functionCall": {"name": "look", "args": {"n": 1}}, "thoughtSignature": "Q2l+/w=="},
            {"functionCall": {"name": "look", "args": {"n": 2}}},
        ]}}]}),
    );
    assert_eq!(said["stop_reason"], "tool_use");
    let ids: Vec<Value> =
        said["content"].as_array().unwrap().iter().map(|block| block["id"].clone()).collect();
    body["messages"].as_array_mut().unwrap().extend([
        json!({"role": "assistant", "content": said["content"]}),
        json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": ids[2], "content": "second", "is_error": true},
            {"type": "tool_result", "tool_use_id": ids[1], "content": [{"type": "text", "text": "first"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}]},
        ]}),
    ]);
    let sent = request(anthropic, GEMINI, "gemini-3.8-flash", &body);
    assert_eq!(
        sent["contents"][1],
        json!({"role": "model", "parts": [
            {"functionCall": {"id": "call_r1_0", "name": "look", "args": {"n": 1}}, "thoughtSignature": "Q2l+/w=="},
            {"functionCall": {"id": "call_r1_1", "name": "look", "args": {"n": 2}}},
        ]})
    );
    assert_eq!(
        sent["contents"][2],
        json!({"role": "user", "parts": [
            {"functionResponse": {"id": "call_r1_0", "name": "look", "response": {"output": "first"},
                "parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]}},
            {"functionResponse": {"id": "call_r1_1", "name": "look", "response": {"error": "second"}}},
        ]})
    );

    let said = answer(
        GEMINI,
        anthropic,
        &json!({"responseId": "r2", "candidates": [{"finishReason": "STOP", "content": {"role": "model", "parts": [
            {"text": "Done.", "thoughtSignature": "bGFzdA=="}]}}]}),
    );
    body["messages"].as_array_mut().unwrap().extend([
        json!({"role": "assistant", "content": said["content"]}),
        json!({"role": "user", "content": "Thanks."}),
    ]);
    let sent = request(anthropic, GEMINI, "gemini-3.8-flash", &body);
    assert_eq!(sent["contents"][3]["parts"], json!([{"text": "Done.", "thoughtSignature": "bGFzdA=="}]));
    assert_eq!(sent["contents"][4]["parts"], json!([{"text": "Thanks."}]));
}

/// Media in results go beside the result where the model takes none inside.
#[test]
fn older_models_get_media_beside_the_result() {
    let body = json!({"model": "claude", "max_tokens": 9, "messages": [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "shot", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}]}]},
    ]});
    let sent = request(Dialect::AnthropicMessages, GEMINI, "gemini-2.5-pro", &body);
    assert_eq!(
        sent["contents"],
        json!([
            {"role": "model", "parts": [{"functionCall": {"id": "t1", "name": "shot", "args": {}}}]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "t1", "name": "shot", "response": {"output": "[media: see below]"}}},
                {"text": "[media returned by tool call t1]"},
                {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
            ]},
        ])
    );
}

/// History of another model carries no signature: Gemini 3 gets the documented stand-in, once per step.
#[test]
fn calls_of_other_models_are_signed_with_the_stand_in() {
    let call =
        |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}});
    let body = json!({"model": "m", "messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [call("c1"), call("c2")]},
        {"role": "tool", "tool_call_id": "c2", "content": "2"},
        {"role": "tool", "tool_call_id": "c1", "content": ""},
        {"role": "assistant", "tool_calls": [call("c3")]},
        {"role": "tool", "tool_call_id": "c3", "content": "3"},
    ]});
    let signatures = |model| {
        let sent = request(Dialect::OpenaiChat, GEMINI, model, &body);
        let signed = |i: usize, j: usize| sent["contents"][i]["parts"][j]["thoughtSignature"].clone();
        [signed(1, 0), signed(1, 1), signed(3, 0)]
    };
    let stand_in = json!("skip_thought_signature_validator");
    assert_eq!(signatures("gemini-3-pro-preview"), [stand_in.clone(), Value::Null, stand_in]);
    assert_eq!(signatures("gemini-2.5-pro"), [Value::Null, Value::Null, Value::Null]);
}

/// The Python SDK turns base64 into bytes and writes them in the other alphabet.
fn through_the_sdk(content: &Value) -> Value {
    let mut content = content.clone();
    for part in content["parts"].as_array_mut().unwrap() {
        if let Some(signature) = part.get_mut("thoughtSignature") {
            *signature = signature.as_str().unwrap().replace('+', "-").replace('/', "_").into();
        }
    }
    content
}

const CLAUDE_CONTENT: &str = r#"[{"type":"thinking","thinking":"Let me think.","signature":"EqQB+Ckb/w=="},
    {"type":"redacted_thinking","data":"EmwK+/=="},{"type":"text","text":"Looking."},
    {"type":"tool_use","id":"toolu_1","name":"look","input":{"n":1}}]"#;

/// A Gemini client on Claude: signed and encrypted thinking comes back as it was.
#[test]
fn a_gemini_client_returns_claudes_thinking() {
    let anthropic = Dialect::AnthropicMessages;
    let content: Value = serde_json::from_str(CLAUDE_CONTENT).unwrap();
    let said = answer(
        anthropic,
        GEMINI,
        &json!({"type": "message", "id": "msg_1", "model": "claude-sonnet-4-5", "content": content, "stop_reason": "tool_use",
            "usage": {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 5}}),
    );
    assert_eq!(said["usageMetadata"]["promptTokenCount"], 7);
    assert_eq!(said["candidates"][0]["finishReason"], "STOP");
    let history = through_the_sdk(&said["candidates"][0]["content"]);
    returns_claudes_thinking(&[history], &content);
}

fn returns_claudes_thinking(history: &[Value], content: &Value) {
    let mut contents = vec![json!({"role": "user", "parts": [{"text": "Look."}]})];
    contents.extend_from_slice(history);
    contents.push(json!({"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"result": "seen"}}}]}));
    let body = json!({
        "contents": contents,
        "tools": [{"functionDeclarations": [{"name": "look", "parameters": {"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}}}]}],
        "generationConfig": {"maxOutputTokens": 4000, "thinkingConfig": {"thinkingBudget": 2000}},
    });
    let sent = request(GEMINI, Dialect::AnthropicMessages, "claude-sonnet-4-5", &body);
    assert_eq!(sent["messages"][1]["content"], *content);
    assert_eq!(sent["messages"][2]["content"][0]["tool_use_id"], "toolu_1");
    assert_eq!(sent["thinking"]["budget_tokens"], 2000);
    assert_eq!(
        sent["tools"][0]["input_schema"],
        json!({"type": "object", "properties": {"n": {"type": "integer"}}})
    );
}

/// The same from a stream, whose chunks the SDK keeps as contents of their own.
#[test]
fn a_gemini_client_returns_claudes_streamed_thinking() {
    let mut stream = String::new();
    let mut event = |data: Value| {
        stream.push_str(&format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap()));
    };
    event(
        json!({"type": "message_start", "message": {"id": "msg_1", "model": "claude", "usage": {"input_tokens": 1}}}),
    );
    let blocks = [
        (
            json!({"type": "thinking", "thinking": "", "signature": ""}),
            vec![
                json!({"type": "thinking_delta", "thinking": "Let me "}),
                json!({"type": "thinking_delta", "thinking": "think."}),
                json!({"type": "signature_delta", "signature": "EqQB+Ckb/w=="}),
            ],
        ),
        (json!({"type": "redacted_thinking", "data": "EmwK+/=="}), vec![]),
        (
            json!({"type": "text", "text": ""}),
            vec![
                json!({"type": "text_delta", "text": "Look"}),
                json!({"type": "text_delta", "text": "ing."}),
            ],
        ),
        (
            json!({"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}),
            vec![
                json!({"type": "input_json_delta", "partial_json": "{\"n\""}),
                json!({"type": "input_json_delta", "partial_json": ":1}"}),
            ],
        ),
    ];
    for (index, (block, deltas)) in blocks.into_iter().enumerate() {
        event(json!({"type": "content_block_start", "index": index, "content_block": block}));
        for delta in deltas {
            event(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        event(json!({"type": "content_block_stop", "index": index}));
    }
    event(
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}}),
    );
    event(json!({"type": "message_stop"}));
    let encoded = recode(Dialect::AnthropicMessages, GEMINI, [stream.as_bytes()]).and_error().bytes;
    let chunks: Vec<Value> = String::from_utf8(encoded)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let last = chunks.last().unwrap();
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    assert_eq!(last["usageMetadata"]["candidatesTokenCount"], 9);
    let history: Vec<Value> =
        chunks.iter().map(|chunk| through_the_sdk(&chunk["candidates"][0]["content"])).collect();
    returns_claudes_thinking(&history, &serde_json::from_str(CLAUDE_CONTENT).unwrap());
}

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
        anthropic_grammar::read(&encoded).map_err(TestCaseError::fail)?;
    }
}
