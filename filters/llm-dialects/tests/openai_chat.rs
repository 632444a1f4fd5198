//! OpenAI chat completions against recorded and hand-made bodies in `fixtures/openai_chat`.
//!
//! [`goldens`] tells how the fixtures lie and how their expected files are rewritten.

// A test fails by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod goldens;

use std::fs;

use goldens::recoding::{Recoded, recode_with};
use goldens::{Goldens, NOW, assert_stable, inputs, pretty};
use llm_dialects::Dialect::OpenaiChat;
use llm_dialects::Error;
use llm_dialects::hub::{
    Arguments, Content, Effort, OutputFormat, Part, Request, Response, Role, Source, StopReason, Text,
    Thinking, Tool, ToolCall, ToolChoice, ToolResult, Turn,
};
use llm_dialects::openai_chat::{
    StreamDecoder, decode_request, decode_response, encode_request, encode_response,
};
use proptest::prelude::*;

fn fixture(name: &str) -> Vec<u8> {
    fs::read(goldens::folder(OpenaiChat, name)).unwrap()
}

fn reencode(body: &[u8]) -> Vec<u8> {
    encode_request(&decode_request(body).unwrap()).unwrap()
}

#[test]
fn requests_keep_what_they_say() {
    goldens::bodies(OpenaiChat, "requests", pretty, |body| encode_request(&decode_request(body)?));
}

#[test]
fn responses_keep_what_they_say() {
    goldens::bodies(OpenaiChat, "responses", pretty, |body| {
        decode_response(body).map(|response| encode_response(&response, NOW))
    });
}

/// A stream, which comes in these chunks, told in the same dialect.
fn told<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, include_usage: bool) -> Recoded {
    recode_with(OpenaiChat, OpenaiChat.stream_encoder(NOW, include_usage), chunks).noting_error()
}

#[test]
fn streams_keep_what_they_say() {
    let mut goldens = Goldens::new(OpenaiChat, "streams");
    for input in inputs(OpenaiChat, "streams") {
        let stream = fs::read(&input).unwrap();
        let whole = told([&stream[..]], true);
        let bytewise = told(stream.chunks(1), true);
        assert_eq!(bytewise.lines, whole.lines, "{}: the split matters", input.display());
        goldens.expect_stream(&input, &whole);
    }
}

#[test]
fn streams_survive_a_second_trip() {
    for input in inputs(OpenaiChat, "streams") {
        let once = told([&fs::read(&input).unwrap()[..]], true);
        let twice = told([&once.bytes[..]], true);
        assert_stable(&input, &once.bytes, &twice.bytes);
    }
}

#[test]
fn streams_follow_the_rules_of_the_hub() {
    goldens::hub_rules::check(OpenaiChat);
}

#[test]
fn usage_is_sent_only_to_clients_that_asked() {
    let body = fixture("streams/text.sse");
    let asked = String::from_utf8(told([&body[..]], true).bytes).unwrap();
    let not_asked = String::from_utf8(told([&body[..]], false).bytes).unwrap();
    assert!(asked.contains(r#""usage":{"prompt_tokens":9"#));
    assert!(!not_asked.contains("usage"));
    assert!(not_asked.ends_with("data: [DONE]\n\n"));
}

#[test]
fn a_stream_without_an_answer_is_an_error() {
    for body in ["", "data: [DONE]\n\n", ": ping\n\n", "data: {\"choices\":[]}\n\n"] {
        let decoded = told([body.as_bytes()], true);
        assert!(matches!(decoded.error, Some(Error::UpstreamSent { .. })), "{body:?}: {:?}", decoded.lines);
    }
    let error = StreamDecoder::default().event(None, b"{\"choices\":\"SECRET\"}", &mut |_| {}).unwrap_err();
    assert!(matches!(&error, Error::UpstreamSent { message } if !message.contains("SECRET")), "{error}");
}

#[test]
fn events_named_error_are_errors() {
    let data = br#"{"error":{"message":"Too many.","type":"requests","code":"rate_limit_exceeded"}}"#;
    let mut events = Vec::new();
    StreamDecoder::default()
        .event(Some(b"error"), data, &mut |event| events.push(format!("{event:?}")))
        .unwrap();
    assert_eq!(events.len(), 1);
    assert!(events[0].contains("status: 429, kind: RateLimit"), "{events:?}");
}

#[test]
fn parameters_are_read() {
    let body = fixture("requests/parameters.json");
    let request = decode_request(&body).unwrap();
    assert_eq!(request.max_output_tokens, Some(100));
    assert_eq!(request.top_k, Some(40));
    assert_eq!(request.user.as_deref(), Some("user-1"));
    assert_eq!(request.stop, ["END", "\n\n"]);
    assert_eq!(request.thinking, Some(Thinking::Effort(Effort::High)));
    assert_eq!(request.tool_choice, Some(ToolChoice::Required));
    assert_eq!(request.parallel_tool_calls, Some(false));
    assert!(request.stream.is_some_and(|stream| !stream.include_usage));
    assert!(request.output_format.is_none());
    assert_eq!(request.turns[0].name.as_deref(), Some("ann"));
}

#[test]
fn instructions_stay_where_they_are_given() {
    let body = fixture("requests/multi_turn.json");
    let request = decode_request(&body).unwrap();
    let system: Vec<&str> = request.system.iter().map(|piece| piece.text.as_ref()).collect();
    assert_eq!(system, ["One.", "Two.", "Three."]);
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    use Role::{Assistant, System, User};
    assert_eq!(roles, [User, Assistant, System, User, Assistant, Assistant, User]);
    let body = fixture("requests/developer_role.json");
    let request = decode_request(&body).unwrap();
    assert_eq!(request.system, [Text { text: "Be brief.".into(), cache: None }]);
    assert_eq!(request.turns.last().map(|turn| turn.role), Some(Role::System));
    assert_eq!(request.thinking, Some(Thinking::Disabled));
}

#[test]
fn cache_marks_are_read() {
    let body = fixture("requests/cache_control.json");
    let request = decode_request(&body).unwrap();
    let ttl = request.system[0].cache.as_ref().and_then(|mark| mark.ttl.as_deref());
    assert_eq!(ttl, Some("1h"));
    assert!(request.turns[0].content[0].cache.is_some());
    let assistant = &request.turns[1].content;
    assert!(matches!(assistant[0], Content { part: Part::Thinking { .. }, cache: None }));
    assert!(matches!(assistant[1], Content { part: Part::Text(_), cache: Some(_) }));
    assert!(matches!(request.tools[0], Tool::Function { cache: Some(_), .. }));
}

#[test]
fn signed_reasoning_comes_back_from_clients() {
    let body = fixture("requests/thinking_blocks.json");
    let request = decode_request(&body).unwrap();
    let first = &request.turns[1].content;
    assert!(matches!(&first[0].part, Part::Thinking { text, signature: Some(signature) }
        if text == "First." && signature == "sig=="));
    assert!(matches!(&first[1].part, Part::RedactedThinking(data) if data == "enc=="));
    assert!(matches!(&first[2].part, Part::Text(text) if text == "Done."));
    let second = &request.turns[2].content;
    assert!(matches!(&second[0].part, Part::Thinking { text, signature: None } if text == "Second."));
}

#[test]
fn images_keep_every_scheme_and_are_borrowed() {
    let body = fixture("requests/images.json");
    let request = decode_request(&body).unwrap();
    let sources: Vec<&Source<'_>> = request.turns[0]
        .content
        .iter()
        .filter_map(|piece| match &piece.part {
            Part::Image { source, .. } => Some(source),
            _ => None,
        })
        .collect();
    let inline = |media_type: &'static str, data: &'static str| Source::Base64 {
        media_type: media_type.into(),
        data: data.into(),
    };
    assert_eq!(
        sources,
        [
            &Source::Url("https://a.example/x.png".into()),
            &inline("image/png", "iVBORw0KGgo="),
            &Source::Url("gs://bucket/x.png".into()),
            &Source::Url("https://a.example/plain.png".into()),
            &inline("image/jpeg", "/9j/4AA="),
        ]
    );
    let Source::Base64 { data: std::borrow::Cow::Borrowed(data), .. } = sources[1] else {
        panic!("the image was copied");
    };
    assert!(body.as_ptr_range().contains(&data.as_ptr()), "the image was copied");
}

#[test]
fn arguments_are_json_or_what_the_model_wrote() {
    let body = fixture("requests/broken_arguments.json");
    let request = decode_request(&body).unwrap();
    let arguments: Vec<String> = request.turns[1]
        .content
        .iter()
        .map(|piece| match &piece.part {
            Part::ToolCall(ToolCall { arguments: Arguments::Json(json), .. }) => format!("json {json}"),
            Part::ToolCall(ToolCall { arguments: Arguments::Invalid(text), .. }) => format!("text {text}"),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(arguments, [r#"text {"x": "#, "text [1]", "json { }"]);
}

#[test]
fn wrong_requests_are_refused_with_their_path() {
    let user = r#"{"role":"user","content":"x"}"#;
    let cases = [
        (r#"{"messages":[]}"#.to_owned(), "model"),
        (r#"{"model":"m"}"#.to_owned(), "messages"),
        (r#"{"model":"m","messages":[]}"#.to_owned(), "messages"),
        (r#"{"model":"","messages":[]}"#.to_owned(), "model"),
        (r#"{"model":3}"#.to_owned(), "model"),
        ("[]".to_owned(), ""),
        ("{".to_owned(), ""),
        (String::new(), ""),
        (r#"{"model":"m","messages":[{"content":"x"}]}"#.to_owned(), "messages[0].role"),
        (r#"{"model":"m","messages":[{"role":"bot"}]}"#.to_owned(), "messages[0].role"),
        (r#"{"model":"m","messages":[{"role":"function","name":"f"}]}"#.to_owned(), "messages[0].role"),
        (r#"{"model":"m","messages":[{"role":"tool","content":"x"}]}"#.to_owned(), "messages[0].tool_call_id"),
        (r#"{"model":"m","messages":[{"role":"user","content":5}]}"#.to_owned(), "messages[0].content"),
        (
            format!(r#"{{"model":"m","messages":[{user},{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":7}}}}]}}]}}"#),
            "messages[1].content[0].image_url.url",
        ),
        (
            format!(r#"{{"model":"m","messages":[{user},{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png,x"}}}}]}}]}}"#),
            "messages[1].content[0].image_url.url",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}"#.to_owned(),
            "messages[0].content[0].text",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{}}]}]}"#.to_owned(),
            "messages[0].content[0].file",
        ),
        (
            r#"{"model":"m","messages":[{"role":"system","content":[{"type":"input_audio","input_audio":{"data":"x","format":"wav"}}]}]}"#.to_owned(),
            "messages[0].content[0].type",
        ),
        (
            r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{}}]}]}"#.to_owned(),
            "messages[0].tool_calls[0].function.name",
        ),
        (
            r#"{"model":"m","messages":[{"role":"assistant","function_call":{"name":"f"}}]}"#.to_owned(),
            "messages[0].function_call",
        ),
        (format!(r#"{{"model":"m","messages":[{user}],"functions":[]}}"#), "functions"),
        (format!(r#"{{"model":"m","messages":[{user}],"function_call":"auto"}}"#), "function_call"),
        (format!(r#"{{"model":"m","messages":[{user}],"tool_choice":"required"}}"#), "tool_choice"),
        (format!(r#"{{"model":"m","messages":[{user}],"tool_choice":"any"}}"#), "tool_choice"),
        (format!(r#"{{"model":"m","messages":[{user}],"tools":[{{"type":"function"}}]}}"#), "tools[0].function"),
        (
            format!(r#"{{"model":"m","messages":[{user}],"tools":[{{"type":"function","function":{{"name":"f","parameters":[]}}}}]}}"#),
            "tools[0].function.parameters",
        ),
        (format!(r#"{{"model":"m","messages":[{user}],"reasoning_effort":"huge"}}"#), "reasoning_effort"),
        (format!(r#"{{"model":"m","messages":[{user}],"response_format":{{"type":"xml"}}}}"#), "response_format.type"),
        (format!(r#"{{"model":"m","messages":[{user}],"max_tokens":-1}}"#), "max_tokens"),
        (format!(r#"{{"model":"m","messages":[{user}],"stop":[1]}}"#), "stop[0]"),
    ];
    for (body, path) in cases {
        match decode_request(body.as_bytes()) {
            Err(Error::ClientSent { field, .. }) => assert_eq!(field, path, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn what_no_other_provider_can_do_is_refused() {
    for (body, path) in [
        (
            r#"{"model":"m","messages":[{"role":"user"}],"tool_choice":{"type":"allowed_tools","allowed_tools":{}}}"#,
            "tool_choice.type",
        ),
        (r#"{"model":"m","messages":[{"role":"assistant","audio":{"id":"a"}}]}"#, "messages[0].audio"),
        (
            r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{}}]}]}"#,
            "messages[0].tool_calls[0].type",
        ),
    ] {
        match decode_request(body.as_bytes()) {
            Err(Error::Unsupported { field, .. }) => assert_eq!(field, path, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn unknown_parts_are_kept_verbatim() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"video_url", "video_url":{"url":"v"}}]}]}"#;
    let request = decode_request(body).unwrap();
    let Part::Foreign { kind, json } = &request.turns[0].content[1].part else { panic!("{request:?}") };
    assert_eq!(
        (kind.as_ref(), json.get()),
        ("video_url", r#"{"type":"video_url", "video_url":{"url":"v"}}"#)
    );
    let Err(Error::Unsupported { field, message }) = encode_request(&request) else { panic!("not refused") };
    assert_eq!(field, "messages[0].content[1]");
    assert!(message.contains("video_url"), "{message}");
}

// Requests as another dialect decodes them.

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, name: None, content: parts.into_iter().map(Content::from).collect() }
}

fn call(id: &'static str) -> Part<'static> {
    let arguments = Arguments::Invalid("{}".into());
    Part::ToolCall(ToolCall { id: id.into(), name: "f".into(), arguments, signature: None })
}

fn result(call_id: &'static str, parts: Vec<Part<'static>>, is_error: bool) -> Part<'static> {
    let content = parts.into_iter().map(Content::from).collect();
    Part::ToolResult(ToolResult { call_id: call_id.into(), content, is_error })
}

fn text(text: &'static str) -> Part<'static> {
    Part::Text(text.into())
}

fn image(source: Source<'static>) -> Part<'static> {
    Part::Image { source, detail: None }
}

fn messages(turns: Vec<Turn<'static>>) -> Result<String, Error> {
    let request = Request { model: "m".into(), turns, ..Request::default() };
    let body = encode_request(&request)?;
    let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
    Ok(value["messages"].as_array().unwrap().iter().map(|message| format!("{message}\n")).collect())
}

#[test]
fn tool_results_follow_the_calls_in_their_order() {
    let png = Source::Base64 { media_type: "image/png".into(), data: "AA==".into() };
    let written = messages(vec![
        turn(Role::User, vec![text("go")]),
        turn(
            Role::Assistant,
            vec![
                Part::Thinking { text: "hm".into(), signature: Some("sig".into()) },
                text("a"),
                text("b"),
                call("1"),
                call("2"),
                call("3"),
            ],
        ),
        turn(
            Role::User,
            vec![
                text("by the way"),
                result("3", vec![text("boom")], true),
                result("2", vec![text("see"), image(png)], false),
            ],
        ),
        turn(Role::User, vec![result("1", vec![], false)]),
        turn(Role::User, vec![text("go on")]),
    ]);
    assert_eq!(
        written.unwrap(),
        r#"{"role":"user","content":"go"}
{"role":"assistant","content":"ab","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"2","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"3","type":"function","function":{"name":"f","arguments":"{}"}}]}
{"role":"tool","content":"","tool_call_id":"1"}
{"role":"tool","content":"see\n[image: see the next user message]","tool_call_id":"2"}
{"role":"tool","content":"Error: boom","tool_call_id":"3"}
{"role":"user","content":[{"type":"text","text":"[image returned by tool call 2]"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}},{"type":"text","text":"by the way"}]}
{"role":"user","content":"go on"}
"#
    );
}

#[test]
fn calls_in_adjacent_assistant_turns_become_one_message() {
    let written = messages(vec![
        turn(Role::Assistant, vec![call("1")]),
        turn(Role::Assistant, vec![call("2")]),
        turn(Role::User, vec![result("2", vec![text("ERROR 5")], true), result("1", vec![], true)]),
        turn(Role::Assistant, vec![text("a")]),
        turn(Role::Assistant, vec![text("b")]),
    ]);
    assert_eq!(
        written.unwrap(),
        r#"{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"2","type":"function","function":{"name":"f","arguments":"{}"}}]}
{"role":"tool","content":"Error","tool_call_id":"1"}
{"role":"tool","content":"ERROR 5","tool_call_id":"2"}
{"role":"assistant","content":"a"}
{"role":"assistant","content":"b"}
"#
    );
}

#[test]
fn attachments_of_the_last_result_are_a_message_of_their_own() {
    let written = messages(vec![
        turn(Role::Assistant, vec![call("1")]),
        turn(Role::User, vec![result("1", vec![image(Source::Url("https://a.example/x".into()))], false)]),
        turn(Role::System, vec![text("rules")]),
    ]);
    assert_eq!(
        written.unwrap(),
        r#"{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]}
{"role":"tool","content":"[image: see the next user message]","tool_call_id":"1"}
{"role":"user","content":[{"type":"text","text":"[image returned by tool call 1]"},{"type":"image_url","image_url":{"url":"https://a.example/x"}}]}
{"role":"system","content":"rules"}
"#
    );
}

#[test]
fn documents_are_files_or_text() {
    let document = |source| Part::Document { source, name: None };
    let written = messages(vec![turn(
        Role::User,
        vec![
            document(Source::Base64 { media_type: "application/pdf".into(), data: "AA==".into() }),
            document(Source::File("file-1".into())),
            document(Source::Text("plain".into())),
        ],
    )]);
    assert_eq!(
        written.unwrap(),
        r#"{"role":"user","content":[{"type":"file","file":{"filename":"document.pdf","file_data":"data:application/pdf;base64,AA=="}},{"type":"file","file":{"file_id":"file-1"}},{"type":"text","text":"plain"}]}
"#
    );
}

#[test]
fn what_this_dialect_cannot_say_is_refused_with_its_path() {
    let foreign = || Part::Foreign {
        kind: "server_tool_use".into(),
        json: serde_json::value::RawValue::from_string("{}".into()).map(std::borrow::Cow::Owned).unwrap(),
    };
    for (role, part) in [
        (Role::User, image(Source::File("f".into()))),
        (Role::User, Part::Document { source: Source::Url("https://a.example/x.pdf".into()), name: None }),
        (Role::User, foreign()),
        (Role::Assistant, foreign()),
        (Role::Assistant, image(Source::Url("https://a.example/x.png".into()))),
        (Role::User, result("1", vec![foreign()], false)),
    ] {
        let shown = format!("{part:?}");
        match messages(vec![turn(Role::User, vec![text("x")]), turn(role, vec![text("x"), part])]) {
            Err(Error::Unsupported { field, .. }) => assert_eq!(field, "messages[1].content[1]", "{shown}"),
            other => panic!("{shown}: {other:?}"),
        }
    }
    let json = serde_json::value::RawValue::from_string("{}".into()).map(std::borrow::Cow::Owned).unwrap();
    let tools = vec![Tool::Foreign { kind: "web_search_20250305".into(), json }];
    let request = Request { model: "m".into(), tools, ..Request::default() };
    let Err(Error::Unsupported { field, message }) = encode_request(&request) else { panic!("not refused") };
    assert_eq!(field, "tools[0]");
    assert!(message.contains("web_search_20250305"), "{message}");
}

#[test]
fn a_schema_without_name_is_given_one() {
    let schema = serde_json::value::RawValue::from_string(r#"{"type":"object"}"#.into()).unwrap();
    let output_format = Some(OutputFormat::JsonSchema {
        name: None,
        description: None,
        schema: std::borrow::Cow::Owned(schema),
        strict: None,
    });
    let request = Request {
        model: "m".into(),
        output_format,
        turns: vec![turn(Role::User, vec![text("Hi")])],
        ..Request::default()
    };
    assert_eq!(
        String::from_utf8(encode_request(&request).unwrap()).unwrap(),
        r#"{"model":"m","messages":[{"role":"user","content":"Hi"}],"response_format":{"type":"json_schema","json_schema":{"name":"response","schema":{"type":"object"}}}}"#
    );
}

#[test]
fn answers_of_other_dialects_are_whole() {
    let response = Response {
        id: "msg_1".into(),
        model: "claude".into(),
        created: None,
        content: vec![Part::Thinking { text: "".into(), signature: Some("sig".into()) }],
        stop: StopReason::Pause,
        stop_sequence: None,
        usage: None,
        service_tier: None,
        logprobs: Vec::new(),
    };
    assert_eq!(
        String::from_utf8(encode_response(&response, NOW)).unwrap(),
        r#"{"id":"msg_1","object":"chat.completion","created":1234567890,"model":"claude","choices":[{"index":0,"message":{"role":"assistant","content":"","refusal":null,"thinking_blocks":[{"type":"thinking","thinking":"","signature":"sig"}]},"logprobs":null,"finish_reason":"stop"}]}"#
    );
}

#[test]
fn answers_that_are_none_are_errors_without_their_text() {
    for body in [
        "",
        "<html>SECRET</html>",
        r#"{"error":{"message":"SECRET"}}"#,
        r#"{"id":"x","choices":[]}"#,
        r#"{"choices":"SECRET"}"#,
        r#"{"choices":[{"index":0,"finish_reason":"stop"}]}"#,
        r#"{"choices":[{"message":{"content":"SECRET"},"finish_reason":"error"}]}"#,
        r#"{"choices":[{"message":{"tool_calls":[{"id":"SECRET"}]}}]}"#,
    ] {
        match decode_response(body.as_bytes()) {
            Err(Error::UpstreamSent { message }) => assert!(!message.contains("SECRET"), "{message}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

/// Bytes near valid bodies: a fixture with a piece cut out and some bytes put in.
fn mutated(kind: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let bodies: Vec<Vec<u8>> =
        inputs(OpenaiChat, kind).into_iter().map(|path| fs::read(path).unwrap()).collect();
    (
        prop::sample::select(bodies),
        any::<prop::sample::Index>(),
        0..40_usize,
        prop::collection::vec(any::<u8>(), 0..6),
    )
        .prop_map(|(mut body, at, cut, insert)| {
            let from = at.index(body.len());
            let to = (from + cut).min(body.len());
            body.splice(from..to, insert);
            body
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..200), status in any::<u16>()) {
        let _ = decode_request(&body);
        let _ = decode_response(&body);
        let error = llm_dialects::openai_chat::decode_error(status, &body);
        prop_assert!((400..=599).contains(&error.status));
    }

    #[test]
    fn no_request_panics(body in mutated("requests")) {
        if let Ok(request) = decode_request(&body)
            && let Ok(encoded) = encode_request(&request)
        {
            prop_assert_eq!(reencode(&encoded), encoded);
        }
    }

    #[test]
    fn no_response_panics(body in mutated("responses")) {
        if let Ok(response) = decode_response(&body) {
            let encoded = encode_response(&response, NOW);
            prop_assert!(decode_response(&encoded).is_ok());
        }
    }

    #[test]
    fn no_stream_panics(body in mutated("streams"), end in any::<prop::sample::Index>()) {
        told([&body[..end.index(body.len() + 1)]], true);
    }
}
