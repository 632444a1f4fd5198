//! What requests of other dialects become: things no Anthropic client sends, so no fixture has them.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::*;
use crate::hub::{
    Arguments, CacheMark, Content, Effort, Part, RawJson, Role, Source, Text, Thinking, ToolCall, ToolResult,
    Turn,
};

fn raw(json: &str) -> RawJson<'_> {
    Cow::Borrowed(serde_json::from_str(json).unwrap())
}

fn turn<'a>(role: Role, parts: Vec<Part<'a>>) -> Turn<'a> {
    Turn { role, name: None, content: parts.into_iter().map(Content::from).collect() }
}

fn text(text: &str) -> Part<'_> {
    Part::Text(text.into())
}

fn call<'a>(id: &'a str, arguments: Arguments<'a>) -> Part<'a> {
    Part::ToolCall(ToolCall { id: id.into(), name: "look".into(), arguments, signature: None })
}

fn result<'a>(id: &'a str, content: &'a str) -> Part<'a> {
    Part::ToolResult(ToolResult { call_id: id.into(), content: vec![text(content).into()], is_error: false })
}

fn function(schema: Option<&str>) -> Tool<'_> {
    Tool::Function {
        name: "look".into(),
        description: None,
        schema: schema.map(raw),
        strict: None,
        cache: None,
    }
}

/// A request that says "Hi".
fn hi() -> Request<'static> {
    Request { model: "m".into(), turns: vec![turn(Role::User, vec![text("Hi")])], ..Request::default() }
}

fn encode(request: &Request<'_>) -> Value {
    serde_json::from_slice(&encode_request(request).unwrap()).unwrap()
}

fn refusal(request: &Request<'_>) -> (bool, String) {
    match encode_request(request).unwrap_err() {
        Error::Unsupported { field, .. } => (true, field),
        Error::ClientSent { field, .. } => (false, field),
        error => panic!("{error}"),
    }
}

#[test]
fn output_is_limited_by_default() {
    assert_eq!(
        encode(&hi()),
        json!({"model": "m", "max_tokens": 4096, "messages": [{"role": "user", "content": "Hi"}]})
    );
}

#[test]
fn the_same_request_gives_the_same_bytes() {
    assert_eq!(encode_request(&hi()), encode_request(&hi()));
}

#[test]
fn results_sent_apart_are_gathered_in_the_order_of_the_calls() {
    let turns = vec![
        turn(Role::User, vec![text("Look twice.")]),
        turn(
            Role::Assistant,
            vec![
                text(""),
                call("a", Arguments::Json(raw("{\"x\":1}"))),
                call("b.2", Arguments::Json(raw("{}"))),
            ],
        ),
        turn(Role::User, vec![result("b.2", "B")]),
        turn(Role::User, vec![text("And?")]),
        turn(Role::User, vec![result("a", "A")]),
    ];
    let body = encode(&Request { turns, tools: vec![function(None)], ..hi() });
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": "Look twice."},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "a", "name": "look", "input": {"x": 1}},
                {"type": "tool_use", "id": "b_2", "name": "look", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "A"},
                {"type": "tool_result", "tool_use_id": "b_2", "content": "B"},
                {"type": "text", "text": "And?"},
            ]},
        ])
    );
}

#[test]
fn arguments_are_always_an_object() {
    for (arguments, input) in [
        (Arguments::Invalid("{\"x\": ".into()), json!({"raw_arguments": "{\"x\": "})),
        (Arguments::Invalid(" ".into()), json!({})),
        (Arguments::Json(raw("[1]")), json!({"raw_arguments": "[1]"})),
    ] {
        let mut request = hi();
        request.turns.push(turn(Role::Assistant, vec![call("a", arguments)]));
        assert_eq!(encode(&request)["messages"][1]["content"][0]["input"], input);
    }
}

#[test]
fn only_signed_thinking_is_replayed() {
    let mut request = hi();
    let thinking = |signature: Option<&'static str>| Part::Thinking {
        text: "Hm".into(),
        signature: signature.map(Into::into),
    };
    request.turns.push(turn(
        Role::Assistant,
        vec![thinking(None), thinking(Some("")), thinking(Some("c2ln")), text("Yes")],
    ));
    let content = &encode(&request)["messages"][1]["content"];
    assert_eq!(content[0], json!({"type": "thinking", "thinking": "Hm", "signature": "c2ln"}));
    assert_eq!(content[1]["text"], "Yes");
}

#[test]
fn thinking_never_carries_a_cache_mark() {
    let mut request = hi();
    let part = Part::Thinking { text: "Hm".into(), signature: Some("c2ln".into()) };
    let content = Content { part, cache: Some(CacheMark { ttl: None }) };
    request.turns.push(Turn { role: Role::Assistant, name: None, content: vec![content] });
    assert_eq!(encode(&request)["messages"][1]["content"][0].get("cache_control"), None);
}

#[test]
fn marks_of_tools_and_system_are_kept_first() {
    let mark = || Some(CacheMark { ttl: None });
    let mut request = hi();
    request.system = (0..5).map(|_| Text { text: "s".into(), cache: mark() }).collect();
    request.turns[0].content[0].cache = mark();
    let body = encode(&request);
    let marked: Vec<bool> =
        body["system"].as_array().unwrap().iter().map(|block| block.get("cache_control").is_some()).collect();
    assert_eq!(marked, [true, true, true, true, false]);
    assert_eq!(body["messages"][0]["content"], "Hi");
}

#[test]
fn efforts_become_budgets() {
    for (effort, max_output_tokens, budget, max_tokens) in [
        (Effort::Minimal, Some(8000), Some(1024), 8000),
        (Effort::Medium, Some(8000), Some(2048), 8000),
        (Effort::High, Some(2000), Some(1999), 2000),
        (Effort::Max, Some(1024), None, 1024),
        (Effort::XHigh, None, Some(8192), 4096 + 8192),
    ] {
        let request = Request {
            thinking: Some(Thinking::Effort(effort)),
            max_output_tokens,
            temperature: Some(0.2),
            top_p: Some(0.5),
            top_k: Some(3),
            ..hi()
        };
        let body = encode(&request);
        assert_eq!(body["thinking"]["budget_tokens"].as_u64(), budget);
        assert_eq!(body["max_tokens"], max_tokens);
        for sampling in ["temperature", "top_p", "top_k"] {
            assert_eq!(body.get(sampling).is_none(), budget.is_some(), "{sampling}");
        }
    }
}

#[test]
fn a_forced_call_goes_before_an_effort() {
    let mut request = Request {
        thinking: Some(Thinking::Effort(Effort::High)),
        tools: vec![function(None)],
        tool_choice: Some(ToolChoice::Required),
        ..hi()
    };
    assert_eq!(encode(&request).get("thinking"), None);
    request.tool_choice = Some(ToolChoice::Auto);
    assert_eq!(encode(&request)["thinking"]["type"], "enabled");
}

#[test]
fn adaptive_thinking_is_left_to_the_model() {
    let request = Request { thinking: Some(Thinking::Adaptive(Some(Effort::Minimal))), ..hi() };
    let body = encode(&request);
    assert_eq!(
        (&body["thinking"], &body["output_config"]),
        (&json!({"type": "adaptive"}), &json!({"effort": "low"}))
    );
}

#[test]
fn sampling_is_clamped() {
    let body = encode(&Request { temperature: Some(1.7), top_p: Some(1.0), ..hi() });
    assert_eq!(body["temperature"], 1.0);
    assert_eq!(body.get("top_p"), None);
    assert_eq!(encode(&Request { top_p: Some(1.0), ..hi() })["top_p"], 1.0);
}

#[test]
fn serial_tool_calls_need_tools() {
    let mut request = Request { parallel_tool_calls: Some(false), ..hi() };
    assert_eq!(encode(&request).get("tool_choice"), None);
    request.tools.push(function(None));
    assert_eq!(encode(&request)["tool_choice"], json!({"type": "auto", "disable_parallel_tool_use": true}));
    request.tool_choice = Some(ToolChoice::None);
    assert_eq!(encode(&request)["tool_choice"], json!({"type": "none"}));
}

#[test]
fn schemas_get_a_type() {
    for (schema, expected) in [
        (None, r#"{"type":"object","properties":{}}"#),
        (Some("{ }"), r#"{"type":"object","properties":{}}"#),
        (
            Some(r#"{"properties":{"a":{"type":"string"}}}"#),
            r#"{"type":"object","properties":{"a":{"type":"string"}}}"#,
        ),
        (Some(r#"{"type":"object","x":1}"#), r#"{"type":"object","x":1}"#),
    ] {
        let request = Request { tools: vec![function(schema)], ..hi() };
        let body = String::from_utf8(encode_request(&request).unwrap()).unwrap();
        assert!(body.contains(&format!(r#""input_schema":{expected}"#)), "{body}");
    }
    assert_eq!(
        refusal(&Request { tools: vec![function(Some("[1]"))], ..hi() }),
        (false, "tools[0]".to_owned())
    );
}

#[test]
fn json_object_output_is_an_instruction() {
    let request = Request { output_format: Some(OutputFormat::JsonObject), ..hi() };
    assert_eq!(encode(&request)["system"], JSON_OBJECT_INSTRUCTION);
}

#[test]
fn service_tiers_are_mapped() {
    for (tier, expected) in
        [("auto", json!("auto")), ("default", json!("standard_only")), ("flex", Value::Null)]
    {
        assert_eq!(encode(&Request { service_tier: Some(tier.into()), ..hi() })["service_tier"], expected);
    }
}

#[test]
fn blank_stop_sequences_are_dropped() {
    let request = Request { stop: vec!["\n".into(), "END".into()], ..hi() };
    assert_eq!(encode(&request)["stop_sequences"], json!(["END"]));
}

#[test]
fn what_cannot_be_done_is_refused() {
    let image = |source| Request {
        turns: vec![turn(Role::User, vec![text("a"), Part::Image { source, detail: None }])],
        ..hi()
    };
    let base64 =
        |media_type: &'static str| Source::Base64 { media_type: media_type.into(), data: "aa".into() };
    let audio = Part::Audio { data: "aa".into(), format: "wav".into() };
    let foreign = || Part::Foreign { kind: "input_thing".into(), json: raw("{}") };
    let nested = Part::ToolResult(ToolResult {
        call_id: "a".into(),
        content: vec![foreign().into()],
        is_error: false,
    });
    for (request, unsupported, field) in [
        (Request { n: Some(2), ..hi() }, true, "n"),
        (Request { logprobs: Some(true), ..hi() }, true, "logprobs"),
        (Request { top_logprobs: Some(3), ..hi() }, true, "top_logprobs"),
        (image(Source::Url("gs://bucket/a.png".into())), true, "messages[0].content[1]"),
        (image(base64("image/tiff")), true, "messages[0].content[1]"),
        (Request { turns: vec![turn(Role::User, vec![audio])], ..hi() }, true, "messages[0].content[0]"),
        (Request { turns: vec![turn(Role::User, vec![foreign()])], ..hi() }, true, "messages[0].content[0]"),
        (
            Request { turns: vec![turn(Role::User, vec![nested])], ..hi() },
            true,
            "messages[0].content[0].content[0]",
        ),
        (
            Request {
                tools: vec![Tool::Foreign { kind: "web_search_preview_2025_03_11".into(), json: raw("{}") }],
                ..hi()
            },
            true,
            "tools[0]",
        ),
        (Request { tool_choice: Some(ToolChoice::Named("look".into())), ..hi() }, false, "tool_choice"),
        (
            Request { turns: vec![turn(Role::User, vec![call("a", Arguments::Json(raw("{}")))])], ..hi() },
            false,
            "messages[0].content[0]",
        ),
    ] {
        assert_eq!(refusal(&request), (unsupported, field.to_owned()));
    }
    assert_eq!(
        encode(&image(base64("image/jpg")))["messages"][0]["content"][1]["source"]["media_type"],
        "image/jpeg"
    );
}

#[test]
fn what_has_no_equivalent_is_dropped() {
    let request = Request {
        seed: Some(1),
        frequency_penalty: Some(0.5),
        presence_penalty: Some(0.5),
        logit_bias: Some(raw("{}")),
        metadata: Some(raw("{}")),
        n: Some(1),
        logprobs: Some(false),
        ..hi()
    };
    assert_eq!(encode_request(&request), encode_request(&hi()));
}

fn of_model(model: &'static str) -> Request<'static> {
    Request { model: model.into(), ..hi() }
}

#[test]
fn new_models_get_no_sampling_parameters() {
    for (model, sampled) in [
        ("claude-sonnet-4-5", json!([0.7, null, 5])),
        ("claude-3-7-sonnet-latest", json!([0.7, 0.9, 5])),
        ("claude-opus-4-7", json!([null, null, null])),
        ("claude-next", json!([null, null, null])),
    ] {
        let request = Request { temperature: Some(0.7), top_p: Some(0.9), top_k: Some(5), ..of_model(model) };
        let body = encode(&request);
        assert_eq!(json!([body["temperature"], body["top_p"], body["top_k"]]), sampled, "{model}");
    }
}

#[test]
fn efforts_are_asked_for_as_the_model_wants() {
    for (model, thinking, effort) in [
        ("claude-3-5-haiku-latest", Value::Null, Value::Null),
        ("claude-haiku-4-5", json!({"type": "enabled", "budget_tokens": 8192}), Value::Null),
        ("claude-opus-4-6", json!({"type": "adaptive"}), json!("high")),
        ("claude-opus-4-7", json!({"type": "adaptive"}), json!("xhigh")),
    ] {
        let body = encode(&Request { thinking: Some(Thinking::Effort(Effort::XHigh)), ..of_model(model) });
        assert_eq!((&body["thinking"], &body["output_config"]["effort"]), (&thinking, &effort), "{model}");
    }
    let budget = Request { thinking: Some(Thinking::Budget(3000)), ..of_model("claude-opus-5") };
    assert_eq!(encode(&budget)["output_config"], json!({"effort": "high"}));
    let adaptive = Request { thinking: Some(Thinking::Adaptive(None)), ..of_model("claude-haiku-4-5") };
    assert_eq!(encode(&adaptive)["thinking"], json!({"type": "enabled", "budget_tokens": 4096}));
}

#[test]
fn thinking_is_turned_off_as_far_as_the_model_lets() {
    for (model, thinking, effort) in [
        ("claude-3-5-haiku-latest", Value::Null, Value::Null),
        ("claude-opus-5", json!({"type": "disabled"}), Value::Null),
        ("claude-sonnet-5-5", json!({"type": "between_tools"}), Value::Null),
        ("claude-opus-5-5", Value::Null, json!("low")),
    ] {
        let body = encode(&Request { thinking: Some(Thinking::Disabled), ..of_model(model) });
        assert_eq!((&body["thinking"], &body["output_config"]["effort"]), (&thinking, &effort), "{model}");
    }
}

#[test]
fn models_that_refuse_forced_calls_are_told_instead() {
    let mut request = Request {
        tools: vec![function(None)],
        tool_choice: Some(ToolChoice::Named("look".into())),
        thinking: Some(Thinking::Effort(Effort::Low)),
        ..of_model("claude-opus-5-5")
    };
    let body = encode(&request);
    assert_eq!(body["tool_choice"], json!({"type": "auto"}));
    assert_eq!(body["system"], "Answer with a call of the tool `look`.");
    request.tool_choice = Some(ToolChoice::Required);
    assert_eq!(encode(&request)["system"], SOME_TOOL_INSTRUCTION);
    request.model = "claude-opus-5".into();
    let body = encode(&request);
    assert_eq!((&body["tool_choice"], body.get("system")), (&json!({"type": "any"}), None));
    assert_eq!((body.get("thinking"), &body["output_config"]["effort"]), (None, &json!("low")));
}

#[test]
fn output_is_limited_by_model() {
    for (model, max_tokens) in
        [("claude-3-opus-20240229", 4096), ("claude-opus-4-1", 32_000), ("claude-opus-5", 64_000)]
    {
        assert_eq!(encode(&of_model(model))["max_tokens"], max_tokens, "{model}");
    }
    let thinking = Some(Thinking::Effort(Effort::Max));
    let body = encode(&Request { thinking, ..of_model("claude-opus-4-1") });
    assert_eq!((&body["max_tokens"], &body["thinking"]["budget_tokens"]), (&json!(32_000), &json!(16_384)));
}

#[test]
fn only_opaque_user_ids_are_sent() {
    for (user, sent) in [
        ("user_1-a", true),
        ("123456", true),
        ("ann@example.com", false),
        ("+49 151 1234567", false),
        ("0151-1234567", false),
        ("", false),
    ] {
        let body = encode(&Request { user: Some(user.into()), ..hi() });
        assert_eq!(body["metadata"]["user_id"].is_string(), sent, "{user}");
    }
}

#[test]
fn blocks_of_others_that_are_called_the_same_are_refused() {
    for json in [r#"{"image":{"format":"png","error":{"message":"gone"}}}"#, r#"{"type":"video"}"#, "[]"] {
        let foreign = Part::Foreign { kind: "image".into(), json: raw(json) };
        let turns = vec![turn(Role::User, vec![text("Look"), foreign])];
        let request = Request { model: "claude-sonnet-4-5".into(), turns, ..Request::default() };
        assert!(matches!(encode_request(&request), Err(Error::Unsupported { .. })), "{json}");
    }
    let own = Part::Foreign { kind: "search_result".into(), json: raw(r#"{"type":"search_result"}"#) };
    let turns = vec![turn(Role::User, vec![own])];
    let request = Request { model: "claude-sonnet-4-5".into(), turns, ..Request::default() };
    assert!(encode_request(&request).is_ok());
}
