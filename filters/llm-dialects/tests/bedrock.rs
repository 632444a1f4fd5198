//! The Bedrock dialect over its fixtures, over other dialects, and over whatever proptest comes up with.
//!
//! [`goldens`] tells how the fixtures lie and how their expected files are rewritten. Requests have an expected file for
//! each sort of model.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is a failed test")]

mod anthropic_grammar;
mod goldens;

use std::fs;

use goldens::planned_blocks::{Planned, PlannedKind, interleave, planned};
use goldens::recoding::{Recoded, recode};
use goldens::{Goldens, assert_stable, frames, inputs, line};
use llm_dialects::Dialect::{AnthropicMessages, BedrockConverse};
use llm_dialects::bedrock::{
    StreamDecoder, StreamEncoder, decode_error, decode_request, decode_response, encode_request,
    encode_response,
};
use llm_dialects::hub::{StopReason, StreamEvent, Usage};
use llm_dialects::{Dialect, Error};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A model of each sort, by the word that stands for it in the names of expected files.
const MODELS: [(&str, &str); 3] = [
    ("claude", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("nova", "us.amazon.nova-2-lite-v1:0"),
    ("llama", "us.meta.llama3-3-70b-instruct-v1:0"),
];
const CLAUDE: &str = MODELS[0].1;

fn reencode(body: &[u8], model: &str) -> Result<Vec<u8>, Error> {
    let mut request = decode_request(body)?;
    assert!(request.model.is_empty() && request.stream.is_none());
    request.model = model.to_owned().into();
    encode_request(&request)
}

#[test]
fn requests() {
    let mut goldens = Goldens::new(BedrockConverse, "requests");
    for input in inputs(BedrockConverse, "requests") {
        let body = fs::read(&input).unwrap();
        if let Err(error) = decode_request(&body) {
            goldens.expect_error(&input, &error);
            continue;
        }
        for (word, model) in MODELS {
            let encoded = reencode(&body, model).unwrap();
            assert_stable(&input, &encoded, &reencode(&encoded, model).unwrap());
            goldens.expect(&input, &format!("{word}.json"), &line(&encoded));
        }
    }
}

#[test]
fn responses() {
    let mut goldens = Goldens::new(BedrockConverse, "responses");
    for input in inputs(BedrockConverse, "responses") {
        let body = fs::read(&input).unwrap();
        match decode_response(&body) {
            Ok(response) => {
                let encoded = encode_response(&response, 0);
                assert_stable(&input, &encoded, &encode_response(&decode_response(&encoded).unwrap(), 0));
                let watched = llm_dialects::inspect::response(BedrockConverse, &body).unwrap();
                assert_eq!(watched.usage, response.usage);
                assert_eq!(watched.model.unwrap_or_default(), response.model);
                goldens.expect(&input, "reencoded.json", &line(&encoded));
            }
            Err(error) => {
                assert!(!error.to_string().contains("secret"));
                goldens.expect_error(&input, &error);
            }
        }
    }
}

/// A stream of Bedrock, which comes in these chunks, told in another dialect.
fn told<'a>(to: Dialect, chunks: impl IntoIterator<Item = &'a [u8]>) -> Recoded {
    recode(BedrockConverse, to, chunks).and_error()
}

fn unframed(bytes: &[u8]) -> String {
    frames::legible(BedrockConverse, bytes)
}

#[test]
fn streams() {
    let mut goldens = Goldens::new(BedrockConverse, "streams");
    for input in inputs(BedrockConverse, "streams") {
        let stream = frames::load(BedrockConverse, &input);
        goldens.expect_stream(&input, &told(BedrockConverse, [&stream[..]]));
        if let Err(breach) = anthropic_grammar::read(&told(AnthropicMessages, [&stream[..]]).bytes) {
            panic!("{}: {breach}", input.display());
        }
    }
}

#[test]
fn streams_follow_the_rules_of_the_hub() {
    goldens::hub_rules::check(BedrockConverse);
}

#[test]
fn streams_say_the_same_at_every_split() {
    for input in inputs(BedrockConverse, "streams") {
        let stream = frames::load(BedrockConverse, &input);
        let whole = told(BedrockConverse, [&stream[..]]);
        let same = |split: Recoded, how: &str| {
            assert_eq!(split.lines, whole.lines, "{} {how}", input.display());
            assert_eq!(split.bytes, whole.bytes, "{} {how}", input.display());
        };
        same(told(BedrockConverse, stream.chunks(1)), "byte by byte");
        for at in 0..stream.len() {
            let (head, tail) = stream.split_at(at);
            same(told(BedrockConverse, [head, tail]), &format!("split at {at}"));
        }
    }
}

/// A request in `from` as Bedrock gets it.
fn translate(from: Dialect, body: &Value, model: &str) -> Result<Value, Error> {
    let body = body.to_string();
    let mut request = from.decode_request(body.as_bytes())?;
    request.model = model.to_owned().into();
    let (encoded, _) = Dialect::BedrockConverse.encode_request(&mut request)?;
    Ok(serde_json::from_slice(&encoded).unwrap())
}

fn anthropic(body: &Value, model: &str) -> Value {
    let mut body = body.clone();
    body["model"] = "m".into();
    if body.get("max_tokens").is_none() {
        body["max_tokens"] = 8000.into();
    }
    translate(Dialect::AnthropicMessages, &body, model).unwrap()
}

fn openai(body: &Value, model: &str) -> Result<Value, Error> {
    let mut body = body.clone();
    body["model"] = "m".into();
    if body.get("messages").is_none() {
        body["messages"] = json!([{"role": "user", "content": "Hi"}]);
    }
    translate(Dialect::OpenaiChat, &body, model)
}

#[test]
fn a_loop_of_parallel_calls_from_openai() {
    let call = |id: &str, city: &str| json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": json!({"city": city}).to_string()}});
    let body = json!({
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Weather in Oslo and Bern?"},
            {"role": "assistant", "content": null, "tool_calls": [call("call_1", "Oslo"), call("call_2", "Bern")]},
            {"role": "tool", "tool_call_id": "call_2", "content": "sun"},
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
            {"role": "assistant", "content": "Rain, sun. Rome too?"},
            {"role": "user", "content": "Yes."},
            {"role": "assistant", "content": null, "tool_calls": [call("call_3", "Rome")]},
            {"role": "tool", "tool_call_id": "call_3", "content": ""},
            {"role": "user", "content": "Well?"},
        ],
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"properties": {}}}}],
        "parallel_tool_calls": false,
    });
    let encoded = openai(&body, CLAUDE).unwrap();
    let results = |message: usize| -> Vec<String> {
        let blocks = encoded["messages"][message]["content"].as_array().unwrap().iter();
        blocks.map(|block| block["toolResult"]["toolUseId"].as_str().unwrap_or("-").to_owned()).collect()
    };
    assert_eq!(encoded["messages"].as_array().unwrap().len(), 7);
    assert_eq!(results(2), ["call_1", "call_2"]);
    assert_eq!(results(6), ["call_3", "-"]);
    assert_eq!(
        encoded["messages"][6]["content"][0]["toolResult"]["content"],
        json!([{"text": "(no output)"}])
    );
    assert_eq!(encoded["messages"][1]["content"][1]["toolUse"]["input"], json!({"city": "Bern"}));
    assert_eq!(
        encoded["toolConfig"],
        json!({"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object", "properties": {}}}}}]})
    );
    assert_eq!(
        encoded["additionalModelRequestFields"],
        json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}})
    );
    // And the same loop as a Bedrock client sends it, to OpenAI and back.
    let bytes = encoded.to_string();
    let mut again = decode_request(bytes.as_bytes()).unwrap();
    again.model = "gpt-4o".into();
    let (chat, _) = Dialect::OpenaiChat.encode_request(&mut again).unwrap();
    let mut back = Dialect::OpenaiChat.decode_request(&chat).unwrap();
    back.model = CLAUDE.into();
    let (back, _) = Dialect::BedrockConverse.encode_request(&mut back).unwrap();
    let mut back: Value = serde_json::from_slice(&back).unwrap();
    back["additionalModelRequestFields"] = encoded["additionalModelRequestFields"].clone();
    assert_eq!(back, encoded);
}

/// A Bedrock answer with signed thinking, to an Anthropic client, and what the client sends back with the result.
#[test]
fn claude_gets_its_thinking_back_from_an_anthropic_client() {
    let answer = json!({"output": {"message": {"role": "assistant", "content": [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "ZGF0YQ=="}},
        {"toolUse": {"toolUseId": "tooluse_1", "name": "look", "input": {"q": 1}}},
    ]}}, "stopReason": "tool_use", "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}});
    let answer = answer.to_string();
    let response = Dialect::BedrockConverse.decode_response(answer.as_bytes()).unwrap();
    let told: Value =
        serde_json::from_slice(&Dialect::AnthropicMessages.encode_response(&response, 0)).unwrap();
    assert_eq!(told["stop_reason"], "tool_use");
    let body = json!({
        "messages": [
            {"role": "user", "content": "Look"},
            {"role": "assistant", "content": told["content"]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "tooluse_1", "content": "found"}]},
        ],
        "tools": [{"name": "look", "input_schema": {"type": "object"}}],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    });
    let encoded = anthropic(&body, CLAUDE);
    let original: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(encoded["messages"][1]["content"], original["output"]["message"]["content"]);
    assert_eq!(
        encoded["additionalModelRequestFields"],
        json!({"thinking": {"type": "enabled", "budget_tokens": 2000}})
    );
    // Other models refuse reasoning in the history.
    let nova = anthropic(&body, MODELS[1].1);
    assert_eq!(nova["messages"][1]["content"].as_array().unwrap().len(), 1);
    assert_eq!(
        nova["additionalModelRequestFields"],
        json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}})
    );
}

/// The other way round: an answer of Anthropic's to a Bedrock client and back, and signatures of others on the way.
#[test]
fn signatures_survive_a_bedrock_client() {
    let answer = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "text", "text": "Yes."},
    ], "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 2}});
    let answer = answer.to_string();
    let response = Dialect::AnthropicMessages.decode_response(answer.as_bytes()).unwrap();
    let told: Value =
        serde_json::from_slice(&Dialect::BedrockConverse.encode_response(&response, 0)).unwrap();
    let mut said = told["output"]["message"].clone();
    said["content"].as_array_mut().unwrap().insert(
        0,
        json!({"reasoningContent": {"reasoningText": {"text": "Gemini thought.", "signature": "weir-gemini:AbC="}}}),
    );
    let body = json!({"messages": [
        {"role": "user", "content": [{"text": "Is it?"}]},
        said,
        {"role": "user", "content": [{"text": "Sure?"}]},
    ]});
    let body = body.to_string();
    let mut request = Dialect::BedrockConverse.decode_request(body.as_bytes()).unwrap();
    request.model = "claude-sonnet-4-5".into();
    let (encoded, _) = Dialect::AnthropicMessages.encode_request(&mut request).unwrap();
    let encoded: Value = serde_json::from_slice(&encoded).unwrap();
    let content = encoded["messages"][1]["content"].as_array().unwrap();
    assert!(
        content.contains(&json!({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"})),
        "{encoded}"
    );
    // To Claude on Bedrock the signature of Gemini is none.
    let again: Value = serde_json::from_slice(&reencode(body.as_bytes(), CLAUDE).unwrap()).unwrap();
    assert_eq!(again["messages"][1]["content"], told["output"]["message"]["content"]);
}

#[test]
fn efforts_are_asked_for_as_the_family_does() {
    for (model, effort, max, fields, max_tokens) in [
        (
            CLAUDE,
            "medium",
            None,
            json!({"thinking": {"type": "enabled", "budget_tokens": 2048}}),
            Some(32000),
        ),
        (CLAUDE, "high", Some(1000), Value::Null, Some(1000)),
        (
            "anthropic.claude-opus-4-7",
            "high",
            None,
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
            None,
        ),
        (
            MODELS[1].1,
            "high",
            None,
            json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}),
            None,
        ),
        ("openai.gpt-oss-120b-1:0", "xhigh", None, json!({"reasoning_effort": "high"}), None),
        (MODELS[2].1, "high", None, Value::Null, None),
        ("us.deepseek.r1-v1:0", "high", None, Value::Null, None),
    ] {
        let mut body = json!({"reasoning_effort": effort, "temperature": 1.5});
        if let Some(max) = max {
            body["max_completion_tokens"] = json!(max);
        }
        let encoded = openai(&body, model).unwrap();
        assert_eq!(encoded["additionalModelRequestFields"], fields, "{model} {effort}");
        assert_eq!(encoded["inferenceConfig"]["maxTokens"].as_u64(), max_tokens, "{model} {effort}");
        let reasons = fields.get("thinking").is_some() || fields.get("reasoningConfig").is_some();
        let temperature = if reasons { Value::Null } else { json!(1.0) };
        assert_eq!(encoded["inferenceConfig"]["temperature"], temperature, "{model} {effort}");
    }
}

#[test]
fn tool_choices_are_told_as_the_family_takes_them() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let named = json!({"type": "function", "function": {"name": "b"}});
    let names = |encoded: &Value| -> Vec<String> {
        let tools = encoded["toolConfig"]["tools"].as_array().cloned().unwrap_or_default();
        tools.iter().map(|tool| tool["toolSpec"]["name"].as_str().unwrap().to_owned()).collect()
    };
    for (model, choice, tools, out, told) in [
        (CLAUDE, json!("auto"), &["a", "b"][..], Value::Null, ""),
        (CLAUDE, json!("required"), &["a", "b"], json!({"any": {}}), ""),
        (CLAUDE, named.clone(), &["a", "b"], json!({"tool": {"name": "b"}}), ""),
        (CLAUDE, json!("none"), &[], Value::Null, ""),
        ("mistral.mistral-large-2402-v1:0", named.clone(), &["b"], json!({"any": {}}), ""),
        (MODELS[2].1, json!("required"), &["a", "b"], Value::Null, "Answer with a call of one of the tools."),
        (MODELS[2].1, named, &["a", "b"], Value::Null, "Answer with a call of the tool `b`."),
        (
            "anthropic.claude-opus-5-5",
            json!("required"),
            &["a", "b"],
            Value::Null,
            "Answer with a call of one of the tools.",
        ),
    ] {
        let body = json!({"tools": [tool("a"), tool("b")], "tool_choice": choice});
        let encoded = openai(&body, model).unwrap();
        assert_eq!(names(&encoded), tools, "{model} {choice}");
        assert_eq!(encoded["toolConfig"]["toolChoice"], out, "{model} {choice}");
        assert_eq!(encoded["system"][0]["text"].as_str().unwrap_or_default(), told, "{model} {choice}");
    }
    // Claude does not think when it must call.
    let body = json!({"tools": [tool("a")], "tool_choice": "required", "reasoning_effort": "high"});
    assert_eq!(openai(&body, CLAUDE).unwrap()["additionalModelRequestFields"], Value::Null);
}

#[test]
fn what_bedrock_cannot_do_is_refused() {
    let image = |url: &str| json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]});
    for (body, field, message) in [
        (image("https://example.com/a.png"), "messages[0].content[0]", "images must be base64 for Bedrock"),
        (image("data:image/tiff;base64,AAAA"), "messages[0].content[0]", "png, jpeg, gif and webp"),
        (json!({"n": 2}), "n", "one answer"),
        (json!({"logprobs": true}), "logprobs", "log probabilities"),
    ] {
        let error = openai(&body, CLAUDE).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().starts_with(&format!("{field}: ")), "{error}");
        assert!(error.to_string().contains(message), "{error}");
    }
    let encoded = openai(&image("s3://bucket/a.jpg"), CLAUDE).unwrap();
    assert_eq!(
        encoded["messages"][0]["content"][0],
        json!({"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://bucket/a.jpg"}}}})
    );
}

#[test]
fn metadata_is_carried_where_it_fits() {
    let body = json!({"metadata": {"team": "a-1", "odd": "ü", "long": "x".repeat(300)}, "service_tier": "priority", "user": "u", "seed": 1});
    let encoded = openai(&body, CLAUDE).unwrap();
    assert_eq!(encoded["requestMetadata"], json!({"team": "a-1"}));
    assert_eq!(encoded["serviceTier"], json!({"type": "priority"}));
    assert!(encoded.get("additionalModelRequestFields").is_none());
}

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
        events.push(StreamEvent::Ping);
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
        anthropic_grammar::read(&told(AnthropicMessages, [&bytes[..]]).bytes).map_err(TestCaseError::fail)?;
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
            anthropic_grammar::read(&encoded).map_err(TestCaseError::fail)?;
        }
    }
}
