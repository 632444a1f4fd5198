//! Requests as another dialect decodes them.

use llm_dialects::Error;
use llm_dialects::hub::{
    Arguments, Content, OutputFormat, Part, Request, Role, Source, Tool, ToolCall, ToolResult, Turn,
};
use llm_dialects::openai_chat::encode_request;

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
