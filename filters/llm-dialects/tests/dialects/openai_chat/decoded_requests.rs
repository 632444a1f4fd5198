//! What is read of requests, and what is refused.

use llm_dialects::Error;
use llm_dialects::hub::{
    Arguments, Content, Effort, Part, Role, Source, Text, Thinking, Tool, ToolCall, ToolChoice,
};
use llm_dialects::openai_chat::{decode_request, encode_request};

use super::fixture;

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
