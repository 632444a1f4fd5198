//! Requests: what is refused and where, and requests other dialects make.

use std::borrow::Cow;

use llm_dialects::Dialect::{self, OpenaiResponses};
use llm_dialects::Error;
use llm_dialects::hub::{
    Arguments, Citation, Content, Effort, OutputFormat, Part, Request, Role, Source, Thinking, Tool,
    ToolCall, ToolChoice, ToolResult, Turn,
};
use llm_dialects::openai_responses::{decode_request, decode_response, encode_request};
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{fixture, reencode};
use crate::goldens::inputs;

#[test]
fn wrong_requests_are_refused_with_their_path() {
    let with = |fields: Value| {
        let mut request = json!({"model": "m", "input": "x"});
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        request.to_string()
    };
    let item = |item: Value| with(json!({"input": [{"role": "user", "content": "x"}, item]}));
    for (body, path) in [
        ("[]".to_owned(), ""),
        ("{".to_owned(), ""),
        (r#"{"input":"x"}"#.to_owned(), "model"),
        (r#"{"model":"m"}"#.to_owned(), "input"),
        (with(json!({"input": 5})), "input"),
        (with(json!({"input": ["x"]})), "input[0]"),
        (with(json!({"instructions": 5})), "instructions"),
        (with(json!({"max_output_tokens": "x"})), "max_output_tokens"),
        (item(json!({"content": "x"})), "input[1].type"),
        (item(json!({"role": "bot", "content": "x"})), "input[1].role"),
        (item(json!({"role": "user"})), "input[1].content"),
        (item(json!({"role": "user", "content": [{"text": "x"}]})), "input[1].content[0].type"),
        (item(json!({"role": "user", "content": [{"type": "input_text"}]})), "input[1].content[0].text"),
        (
            item(json!({"role": "user", "content": [{"type": "input_image", "image_url": {"url": "x"}}]})),
            "input[1].content[0].image_url",
        ),
        (
            item(json!({"role": "user", "content": [{"type": "input_image", "image_url": "data:x"}]})),
            "input[1].content[0].image_url",
        ),
        (item(json!({"role": "user", "content": [{"type": "input_file"}]})), "input[1].content[0]"),
        (
            item(json!({"role": "system", "content": [{"type": "input_image", "file_id": "f"}]})),
            "input[1].content[0].type",
        ),
        (item(json!({"type": "function_call", "name": "f"})), "input[1].call_id"),
        (item(json!({"type": "function_call", "call_id": "c", "name": ""})), "input[1].name"),
        (item(json!({"type": "function_call_output", "call_id": "c"})), "input[1].output"),
        (item(json!({"type": "reasoning", "summary": [{"text": 5}]})), "input[1].summary[0].text"),
        (with(json!({"tools": {}})), "tools"),
        (with(json!({"tools": [{"name": "f"}]})), "tools[0].type"),
        (with(json!({"tools": [{"type": "function", "function": {"name": "f"}}]})), "tools[0].name"),
        (
            with(json!({"tools": [{"type": "function", "name": "f", "parameters": []}]})),
            "tools[0].parameters",
        ),
        (with(json!({"tool_choice": "required"})), "tool_choice"),
        (with(json!({"tool_choice": "any"})), "tool_choice"),
        (with(json!({"tool_choice": {"type": "function"}})), "tool_choice.name"),
        (with(json!({"reasoning": {"effort": "huge"}})), "reasoning.effort"),
        (with(json!({"text": {"format": {"type": "xml"}}})), "text.format.type"),
        (with(json!({"text": {"format": {"type": "json_schema", "name": "x"}}})), "text.format.schema"),
    ] {
        match decode_request(body.as_bytes()) {
            Err(Error::ClientSent { field, .. }) => assert_eq!(field, path, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn what_only_openai_keeps_is_refused() {
    for (fields, path) in [
        (json!({"previous_response_id": "resp_1"}), "previous_response_id"),
        (json!({"conversation": {"id": "conv_1"}}), "conversation"),
        (json!({"prompt": {"id": "pmpt_1"}}), "prompt"),
        (json!({"background": true}), "background"),
        (json!({"moderation": {"model": "x"}}), "moderation"),
        (json!({"input": [{"type": "item_reference", "id": "msg_1"}]}), "input[0]"),
        (json!({"input": [{"id": "msg_1"}]}), "input[0]"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_video"}]}]}),
            "input[0].content[0].type",
        ),
        (json!({"tool_choice": {"type": "web_search_preview"}}), "tool_choice.type"),
        (json!({"tool_choice": {"type": "custom", "name": "x"}}), "tool_choice.type"),
    ] {
        let mut request = json!({"model": "m", "input": "x"});
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        match decode_request(request.to_string().as_bytes()) {
            Err(Error::Unsupported { field, message }) => {
                assert_eq!(field, path, "{request}");
                assert!(message.contains(": ") || path.ends_with("type"), "{message}");
            }
            other => panic!("{request}: {other:?}"),
        }
    }
}

/// A request of this dialect with these fields.
fn asked(fields: &Value) -> Vec<u8> {
    let mut request = json!({"model": "m", "input": "Hi"});
    request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    request.to_string().into_bytes()
}

#[test]
fn t06_reasoning_items_and_built_in_tools_keep_their_form() {
    let fields = json!({
        "input": [
            {"role": "user", "content": "Hi"},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}],
                "encrypted_content": "gAAAAABo=="},
            {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": "Go on."},
        ],
        "tools": [
            {"type": "web_search", "search_context_size": "low", "filters": {"allowed_domains": ["a.example"]}},
            {"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "1g"}},
        ],
    });
    let again: Value = serde_json::from_slice(&reencode(&asked(&fields))).unwrap();
    assert_eq!(again["tools"], fields["tools"]);
    assert_eq!(again["input"][1], fields["input"][1]);
    // Nobody else can run what only OpenAI knows: a client is told, rather than given an answer without it. (To OpenAI
    // its clients' bodies pass, and new tools with them.)
    for provider in Dialect::ALL.into_iter().filter(|provider| *provider != OpenaiResponses) {
        let body = asked(&json!({"tools": [{"type": "not_invented_yet", "setting": [1.50, null]}]}));
        let mut request = OpenaiResponses.decode_request(&body).unwrap();
        match provider.encode_request(&mut request) {
            Err(Error::Unsupported { field, message }) => {
                assert_eq!(field, "tools[0]", "{provider}");
                assert!(message.contains("not_invented_yet"), "{provider}: {message}");
            }
            other => panic!("{provider}: {other:?}"),
        }
    }
}

#[test]
fn t06_a_forced_tool_is_forced_in_every_dialect() {
    let tool = json!({"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}});
    let body = asked(&json!({"tools": [tool], "tool_choice": {"type": "function", "name": "f"}}));
    for (provider, place, expected) in [
        (OpenaiResponses, "/tool_choice", json!({"type": "function", "name": "f"})),
        (Dialect::OpenaiChat, "/tool_choice", json!({"type": "function", "function": {"name": "f"}})),
        (Dialect::AnthropicMessages, "/tool_choice", json!({"type": "tool", "name": "f"})),
        (
            Dialect::GeminiGenerate,
            "/toolConfig/functionCallingConfig",
            json!({"mode": "ANY", "allowedFunctionNames": ["f"]}),
        ),
        (Dialect::BedrockConverse, "/toolConfig/toolChoice", json!({"tool": {"name": "f"}})),
    ] {
        let mut request = OpenaiResponses.decode_request(&body).unwrap();
        let model = if provider == Dialect::BedrockConverse { "anthropic.claude-sonnet-4-5" } else { "m" };
        request.model = model.into();
        let (sent, _) = provider.encode_request(&mut request).unwrap();
        let sent: Value = serde_json::from_slice(&sent).unwrap();
        assert_eq!(sent.pointer(place), Some(&expected), "{provider}: {sent}");
        // And the other way round: whoever forces it.
        let bytes = sent.to_string().into_bytes();
        let mut request = provider.decode_request(&bytes).unwrap();
        request.model = "m".into();
        let (told, _) = OpenaiResponses.encode_request(&mut request).unwrap();
        let told: Value = serde_json::from_slice(&told).unwrap();
        assert_eq!(told["tool_choice"], json!({"type": "function", "name": "f"}), "{provider}");
    }
}

#[test]
fn items_of_one_step_are_one_turn() {
    let body = fixture("requests/tool_loop.json");
    let request = decode_request(&body).unwrap();
    let turns: Vec<(Role, usize)> =
        request.turns.iter().map(|turn| (turn.role, turn.content.len())).collect();
    use Role::{Assistant, User};
    assert_eq!(
        turns,
        [(User, 1), (Assistant, 4), (User, 2), (Assistant, 2), (User, 1), (Assistant, 1), (User, 1)]
    );
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("get_weather".into())));
    assert!(matches!(&request.turns[1].content[0].part, Part::Thinking { text, signature: Some(signature) }
        if text == "**Planning**\n\nTwo calls." && signature == "weir-openai:rs_1.gAAAAABo-1_=="));
    assert!(
        matches!(&request.turns[1].content[3].part, Part::ToolCall(ToolCall { arguments: Arguments::Invalid(text), .. })
        if text == "{\"city\": ")
    );
}

#[test]
fn images_are_borrowed() {
    let body = fixture("requests/images_and_files.json");
    let request = decode_request(&body).unwrap();
    let Part::Image { source: Source::Base64 { data: Cow::Borrowed(data), .. }, .. } =
        &request.turns[0].content[2].part
    else {
        panic!("the image was copied");
    };
    assert!(body.as_ptr_range().contains(&data.as_ptr()), "the image was copied");
}

#[test]
fn answers_that_are_none_are_errors_without_their_text() {
    for body in [
        "",
        "<html>SECRET</html>",
        r#"{"error":{"message":"SECRET"},"output":[]}"#,
        r#"{"id":"x","status":"completed"}"#,
        r#"{"id":"x","status":"in_progress","output":[]}"#,
        r#"{"output":"SECRET"}"#,
        r#"{"output":["SECRET"]}"#,
        r#"{"output":[{"type":"message","content":"SECRET"}]}"#,
        r#"{"output":[{"type":"function_call","call_id":"SECRET"}]}"#,
    ] {
        match decode_response(body.as_bytes()) {
            Err(Error::UpstreamSent { message }) => assert!(!message.contains("SECRET"), "{message}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

// Requests as other dialects decode them.

fn raw(json: &str) -> Cow<'static, RawValue> {
    Cow::Owned(RawValue::from_string(json.to_owned()).unwrap())
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, name: Some("ann".into()), content: parts.into_iter().map(Content::from).collect() }
}

fn text(text: &'static str) -> Part<'static> {
    Part::Text(text.into())
}

fn thinking(signature: Option<&'static str>) -> Part<'static> {
    Part::Thinking { text: "hm".into(), signature: signature.map(Cow::Borrowed) }
}

fn call(id: &'static str) -> Part<'static> {
    let arguments = Arguments::Json(raw("{}"));
    Part::ToolCall(ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments,
        signature: Some("weir-gemini:x".into()),
    })
}

fn result(call_id: &'static str, parts: Vec<Part<'static>>, is_error: bool) -> Part<'static> {
    let content = parts.into_iter().map(Content::from).collect();
    Part::ToolResult(ToolResult { call_id: call_id.into(), content, is_error })
}

fn input(turns: Vec<Turn<'static>>) -> Result<Value, Error> {
    let request = Request { model: "gpt-5".into(), turns, ..Request::default() };
    let body: Value = serde_json::from_slice(&encode_request(&request)?).unwrap();
    Ok(body["input"].clone())
}

#[test]
fn conversations_of_others_become_items() {
    let png = Source::Base64 { media_type: "image/png".into(), data: "AA==".into() };
    let written = input(vec![
        turn(Role::User, vec![text("go")]),
        turn(
            Role::Assistant,
            vec![
                thinking(Some("EqQB")),
                Part::RedactedThinking("enc".into()),
                thinking(Some("weir-openai:rs_1.gAAA")),
                text("a"),
                Part::Citation(Citation::default()),
                call("1"),
                call("2"),
            ],
        ),
        turn(
            Role::User,
            vec![
                text("by the way"),
                result("2", vec![text("see"), Part::Image { source: png, detail: None }], true),
                result("1", vec![text("x"), text("y")], false),
                result("3", vec![], true),
            ],
        ),
        turn(Role::System, vec![text("rules")]),
        turn(Role::Assistant, vec![thinking(Some("weir-openai:rs_2.gBBB"))]),
        turn(Role::User, vec![Part::Document { source: Source::Text("plain".into()), name: None }]),
    ]);
    let message = |role: &str, content: Value| json!({"type": "message", "role": role, "content": content});
    assert_eq!(
        written.unwrap(),
        json!([
            message("user", "go".into()),
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "gAAA"},
            message("assistant", "a".into()),
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "2", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "2", "output": [
                {"type": "input_text", "text": "Error: see"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
            ]},
            {"type": "function_call_output", "call_id": "1", "output": "x\ny"},
            {"type": "function_call_output", "call_id": "3", "output": "Error"},
            message("user", "by the way".into()),
            message("system", "rules".into()),
            message("user", "plain".into()),
        ])
    );
}

#[test]
fn models_that_do_not_reason_get_no_reasoning() {
    let body = fixture("requests/tool_loop.json");
    let mut request = decode_request(&body).unwrap();
    request.model = "gpt-4o".into();
    let sent = String::from_utf8(encode_request(&request).unwrap()).unwrap();
    for refused in ["gAAAAABo", "reasoning", "include"] {
        assert!(!sent.contains(refused), "{sent}");
    }
    request.model = "my-deployment".into();
    let sent = String::from_utf8(encode_request(&request).unwrap()).unwrap();
    assert!(sent.contains("gAAAAABo-2_==") && sent.contains("reasoning.encrypted_content"), "{sent}");
}

#[test]
fn what_would_change_the_answer_is_refused() {
    let asking = |change: &dyn Fn(&mut Request<'static>)| {
        let turns = vec![turn(Role::User, vec![text("x")])];
        let mut request = Request { model: "gpt-5".into(), turns, ..Request::default() };
        change(&mut request);
        encode_request(&request)
    };
    for (path, answer) in [
        ("n", asking(&|request| request.n = Some(2))),
        ("stop", asking(&|request| request.stop = vec!["END".into()])),
        ("logit_bias", asking(&|request| request.logit_bias = Some(raw(r#"{"5":1}"#)))),
        (
            "tools[0]",
            asking(&|request| {
                let json = raw(r#"{"type":"web_search_20250305","name":"web_search"}"#);
                request.tools = vec![Tool::Foreign { kind: "web_search_20250305".into(), json }];
            }),
        ),
        // A tool of chat completions and one of Gemini's, whose kinds this dialect has in another shape.
        (
            "tools[0]",
            asking(&|request| {
                let json = raw(r#"{"type":"custom","custom":{"name":"x"}}"#);
                request.tools = vec![Tool::Foreign { kind: "custom".into(), json }];
            }),
        ),
        (
            "tools[0]",
            asking(&|request| {
                let json = raw(r#"{"file_search":{}}"#);
                request.tools = vec![Tool::Foreign { kind: "file_search".into(), json }];
            }),
        ),
    ] {
        match answer {
            Err(Error::Unsupported { field, .. }) => assert_eq!(field, path),
            other => panic!("{path}: {other:?}"),
        }
    }
    assert!(asking(&|request| request.n = Some(1)).is_ok());
    assert!(asking(&|request| request.logit_bias = Some(raw("{}"))).is_ok());
    for part in [
        Part::Image { source: Source::File("file_011".into()), detail: None },
        Part::Document { source: Source::File("file_011".into()), name: None },
        Part::Foreign { kind: "server_tool_use".into(), json: raw(r#"{"type":"server_tool_use"}"#) },
        Part::Foreign { kind: "mcp_call".into(), json: raw(r#"{"type":"mcp_tool_use"}"#) },
    ] {
        let shown = format!("{part:?}");
        match input(vec![turn(Role::User, vec![text("x")]), turn(Role::User, vec![text("x"), part])]) {
            Err(Error::Unsupported { field, .. }) => assert_eq!(field, "messages[1].content[1]", "{shown}"),
            other => panic!("{shown}: {other:?}"),
        }
    }
}

/// Any part anywhere, for requests no decoder would make.
fn odd_part() -> impl Strategy<Value = Part<'static>> {
    let flat = prop_oneof![
        Just(text("")),
        Just(text("error é")),
        Just(Part::Refusal("no".into())),
        Just(Part::Image { source: Source::Text("x".into()), detail: Some("low".into()) }),
        Just(Part::Image { source: Source::Url("https://a.example/x".into()), detail: None }),
        Just(Part::Document { source: Source::Text("plain".into()), name: None }),
        Just(Part::Document { source: Source::File("file-1".into()), name: Some("n".into()) }),
        Just(Part::Audio { data: "AA".into(), format: "wav".into() }),
        Just(thinking(None)),
        Just(thinking(Some("weir-openai:nodot"))),
        Just(thinking(Some("weir-openai:rs.enc"))),
        Just(Part::RedactedThinking("x".into())),
        Just(Part::Citation(Citation::default())),
        Just(call("1")),
        Just(Part::Foreign { kind: "program".into(), json: raw(r#"{"type":"program"}"#) }),
        Just(Part::Foreign { kind: "x".into(), json: raw("5") }),
    ];
    flat.prop_recursive(1, 4, 4, |inner| {
        (
            prop::collection::vec(inner, 0..4),
            any::<bool>(),
            prop::sample::select(vec!["1", "é".repeat(70).leak()]),
        )
            .prop_map(|(parts, is_error, id)| result(id, parts, is_error))
    })
}

fn odd_request() -> impl Strategy<Value = Request<'static>> {
    let role = prop::sample::select(vec![Role::System, Role::User, Role::Assistant]);
    let turns = prop::collection::vec((role, prop::collection::vec(odd_part(), 0..5)), 0..5);
    let thinking = prop::sample::select(vec![
        None,
        Some(Thinking::Disabled),
        Some(Thinking::Budget(u64::MAX)),
        Some(Thinking::Adaptive(Some(Effort::Max))),
        Some(Thinking::Effort(Effort::Minimal)),
    ]);
    let model = prop::sample::select(vec!["gpt-5", "gpt-5.2-pro", "o", "gpt-", "gpt-99999999999", "x"]);
    (turns, thinking, model, any::<Option<f64>>(), any::<Option<u64>>(), any::<bool>()).prop_map(
        |(turns, thinking, model, temperature, max_output_tokens, json)| Request {
            model: model.into(),
            turns: turns.into_iter().map(|(role, parts)| turn(role, parts)).collect(),
            thinking,
            temperature,
            max_output_tokens,
            tool_choice: Some(ToolChoice::Required),
            output_format: json.then_some(OutputFormat::JsonObject),
            ..Request::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_request_of_others_panics(request in odd_request()) {
        if let Ok(body) = encode_request(&request) {
            prop_assert!(decode_request(&body).is_ok(), "{}", String::from_utf8_lossy(&body));
        }
    }

    #[test]
    fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_request(&body);
        let _ = decode_response(&body);
    }

    #[test]
    fn no_request_panics(
        path in prop::sample::select(inputs(OpenaiResponses, "requests")),
        at in any::<prop::sample::Index>(),
        cut in 0..40_usize,
        insert in prop::collection::vec(any::<u8>(), 0..6),
    ) {
        let mut body = std::fs::read(path).unwrap();
        let from = at.index(body.len());
        body.splice(from..(from + cut).min(body.len()), insert);
        if let Ok(request) = decode_request(&body)
            && let Ok(encoded) = encode_request(&request)
        {
            prop_assert_eq!(reencode(&encoded), encoded);
        }
    }
}
