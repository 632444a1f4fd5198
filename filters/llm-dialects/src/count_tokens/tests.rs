use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn decoded<T>(format: Format, body: &Value, read: impl FnOnce(Result<hub::Request<'_>, Error>) -> T) -> T {
    let body = body.to_string();
    match open(format, body.as_bytes()) {
        Ok(counted) => read(counted.request()),
        Err(error) => read(Err(error)),
    }
}

/// What a count request becomes at another provider.
fn counted(from: Format, to: Format, body: &Value) -> Result<Value, Error> {
    decoded(from, body, |request| {
        let mut request = request?;
        request.model = "m".into();
        Ok(serde_json::from_slice(&encode_request(to, &mut request)?).unwrap())
    })
}

fn claude() -> Value {
    json!({
        "model": "claude-sonnet-4-5", "system": "Be brief.",
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "auto"},
    })
}

#[test]
fn anthropic_needs_no_max_tokens_to_count() {
    let sent = counted(Format::Anthropic, Format::Anthropic, &claude()).unwrap();
    assert_eq!(
        sent,
        json!({
            "model": "m", "system": "Be brief.", "messages": [{"role": "user", "content": "Hi"}],
            "tools": [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "auto"},
        })
    );
    let chat = claude().to_string();
    assert!(anthropic::decode_request(chat.as_bytes()).unwrap_err().to_string().starts_with("max_tokens"));
}

#[test]
fn what_does_not_cost_input_is_left_out() {
    let mut body = claude();
    let extra = json!({"max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop_sequences": ["x"], "stream": true,
        "metadata": {"user_id": "u"}, "service_tier": "auto"});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    assert_eq!(
        counted(Format::Anthropic, Format::Anthropic, &body).unwrap(),
        counted(Format::Anthropic, Format::Anthropic, &claude()).unwrap()
    );
}

#[test]
fn bedrock_takes_converse_or_a_claude_body() {
    let mut body = claude();
    body.as_object_mut().unwrap().remove("model");
    body["anthropic_version"] = json!("bedrock-2023-05-31");
    body["max_tokens"] = json!(5);
    let wrapped = json!({"input": {"invokeModel": {"body": STANDARD.encode(body.to_string())}}});
    assert_eq!(
        counted(Format::Bedrock, Format::Anthropic, &wrapped).unwrap(),
        counted(Format::Anthropic, Format::Anthropic, &claude()).unwrap()
    );
    for (body, field) in [
        (json!({}), "input"),
        (json!({"input": {"invokeModel": {}}}), "input"),
        (json!({"input": {"invokeModel": {"body": "!"}}}), "input.invokeModel.body"),
        (json!({"input": {"invokeModel": {"body": STANDARD.encode("[1]")}}}), "input.invokeModel.body"),
        (
            json!({"input": {"invokeModel": {"body": STANDARD.encode("{\"inputText\":\"a\"}")}}}),
            "input.invokeModel.body",
        ),
    ] {
        let error = counted(Format::Bedrock, Format::Anthropic, &body).unwrap_err();
        let (Error::ClientSent { field: at, .. } | Error::Unsupported { field: at, .. }) = &error else {
            panic!("{error:?}")
        };
        assert_eq!(at, field, "{error}");
    }
}

#[test]
fn the_wrapping_is_taken_off() {
    let chat = json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]});
    for (format, body) in [
        (Format::Gemini, chat.clone()),
        (Format::Gemini, json!({"generateContentRequest": chat})),
        (Format::Vertex, chat.clone()),
        (Format::Bedrock, json!({"input": {"converse": chat}})),
    ] {
        let body = body.to_string();
        let counted = open(format, body.as_bytes()).unwrap();
        assert_eq!(counted.dialect, format.dialect());
        assert_eq!(serde_json::from_slice::<Value>(&counted.body).unwrap(), chat);
    }
}

#[test]
fn answers_both_ways() {
    for (format, body) in [
        (Format::Anthropic, r#"{"input_tokens":14}"#),
        (Format::Gemini, r#"{"totalTokens":14}"#),
        (Format::Vertex, r#"{"totalTokens":14}"#),
        (Format::Bedrock, r#"{"inputTokens":14}"#),
    ] {
        assert_eq!(decode_response(format, body.as_bytes()), Ok(14));
        assert_eq!(encode_response(format, 14), body.as_bytes());
    }
    let google = br#"{"totalTokens":31,"totalBillableCharacters":96,"promptTokensDetails":[{"modality":"TEXT","tokenCount":31}]}"#;
    assert_eq!(decode_response(Format::Vertex, google), Ok(31));
    assert_eq!(decode_response(Format::Gemini, b"{}"), Ok(0));
    assert!(decode_response(Format::Anthropic, b"{}").is_err());
    assert!(decode_response(Format::Bedrock, b"[1]").is_err());
}

#[test]
fn every_text_is_handed_over() {
    let body = json!({
        "model": "claude-sonnet-4-5", "system": [{"type": "text", "text": "S"}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "U"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "D"}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "H", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "c2VjcmV0"},
                {"type": "tool_use", "id": "c", "name": "look", "input": {"q": 1}},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "R"}]}]},
        ],
        "tools": [{"name": "look", "description": "L", "input_schema": {"type": "object"}}],
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "string"}}},
    });
    decoded(Format::Anthropic, &body, |request| {
        let request = request.unwrap();
        let mut found = Vec::new();
        let extras = texts(&request, &mut |text| found.push(text));
        assert_eq!(
            found,
            [
                "S",
                "U",
                "T",
                "D",
                "H",
                "look",
                "{\"q\":1}",
                "R",
                "look",
                "L",
                "{\"type\":\"object\"}",
                "{\"type\":\"string\"}"
            ]
        );
        let expected = Extras { messages: 4, tools: 1, images: 1, documents: 1, ..Extras::default() };
        assert_eq!(extras, expected);
        assert_eq!(extras.tokens(), 5 * 3 + 7 + 12 + 765 + 1500);
    });
    assert_eq!(Extras::default().tokens(), Extras::PER_MESSAGE);
}

/// Requests for the providers whose chat dialect carries the model in the path.
#[test]
fn wrapped_for_every_provider() {
    let gemini = counted(Format::Anthropic, Format::Gemini, &claude()).unwrap();
    let whole = &gemini["generateContentRequest"];
    assert_eq!(whole["model"], "models/m");
    assert_eq!(whole["contents"][0]["parts"][0]["text"], "Hi");
    assert_eq!(whole["systemInstruction"]["parts"][0]["text"], "Be brief.");
    assert!(whole["tools"].is_array(), "{gemini}");

    let vertex = counted(Format::Anthropic, Format::Vertex, &claude()).unwrap();
    let names: Vec<&String> = vertex.as_object().unwrap().keys().collect();
    assert!(names.iter().all(|name| VERTEX_MEMBERS.contains(&name.as_str())), "{names:?}");
    assert_eq!(vertex["contents"], whole["contents"]);

    let bedrock = counted(Format::Anthropic, Format::Bedrock, &claude()).unwrap();
    let converse = &bedrock["input"]["converse"];
    assert_eq!(converse["messages"][0]["content"][0]["text"], "Hi");
    assert_eq!(converse["system"][0]["text"], "Be brief.");
    assert_eq!(converse["toolConfig"]["tools"][0]["toolSpec"]["name"], "look");
    let names: Vec<&String> = converse.as_object().unwrap().keys().collect();
    assert!(names.iter().all(|name| CONVERSE_MEMBERS.contains(&name.as_str())), "{names:?}");

    // And back: every wrapping holds the same request.
    let expected = counted(Format::Anthropic, Format::Vertex, &claude()).unwrap();
    for (format, body) in [(Format::Gemini, gemini), (Format::Vertex, vertex), (Format::Bedrock, bedrock)] {
        assert_eq!(counted(format, Format::Vertex, &body).unwrap(), expected, "{format:?}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(body in "\\PC{0,60}") {
        for format in [Format::Anthropic, Format::Gemini, Format::Vertex, Format::Bedrock] {
            if let Ok(counted) = open(format, body.as_bytes()) {
                let _ = counted.request();
            }
            let _ = decode_response(format, body.as_bytes());
        }
        let _ = invoked(&body);
    }
}
