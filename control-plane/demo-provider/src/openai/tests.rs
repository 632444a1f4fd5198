//! The OpenAI side as a client sees it.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::client::{Answer, call, no_delay};
use crate::options::{Models, Options};

const KEY: (&str, &str) = ("authorization", "Bearer any");

async fn chat_with(options: Options, body: &Value) -> Answer {
    call(options, "POST /v1/chat/completions", &[KEY], &body.to_string()).await
}

async fn chat(body: Value) -> Answer {
    chat_with(no_delay(), &body).await
}

/// A request with these members besides a model and one user message.
fn request(changes: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "What about Paris?"}]});
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body
}

fn tools() -> Value {
    let parameters =
        json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    ["weather", "clock"]
        .map(|name| json!({"type": "function", "function": {"name": name, "parameters": parameters}}))
        .to_vec()
        .into()
}

fn golden(name: &str, text: &str) {
    insta::with_settings!({snapshot_path => "../../golden/openai", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(name, text);
    });
}

#[tokio::test]
async fn whole_replies() {
    for (name, changes) in [("text", json!({})), ("tools", json!({"tools": tools()}))] {
        let answer = chat(request(changes)).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.headers["content-type"], "application/json");
        assert!(answer.headers["x-request-id"].to_str().unwrap().starts_with("req_"));
        golden(&format!("whole_{name}"), &serde_json::to_string_pretty(&answer.json()).unwrap());
    }
}

#[tokio::test]
async fn streamed_replies() {
    let parallel = json!([{"role": "user", "content": "both, for Paris"}]);
    let cases = [
        ("text", json!({})),
        ("usage", json!({"stream_options": {"include_usage": true}, "reasoning_effort": "low"})),
        ("length", json!({"max_completion_tokens": 2})),
        ("tools", json!({"tools": tools(), "messages": parallel})),
    ];
    for (name, changes) in cases {
        let mut body = request(changes);
        body["stream"] = true.into();
        let answer = chat(body).await;
        assert_eq!(answer.headers["content-type"], "text/event-stream; charset=utf-8");
        golden(&format!("stream_{name}"), &answer.text);
    }
}

#[tokio::test]
async fn a_stream_has_the_chunks_and_bytes_asked_for() {
    let options = Options { chunks: Some(100), reply_bytes: Some(4000), ..no_delay() };
    let answer = chat_with(options, &request(json!({"stream": true}))).await;
    let pieces: Vec<String> = answer
        .text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
        .filter_map(|chunk| Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned()))
        .collect();
    assert_eq!(pieces.len(), 101, "100 pieces behind the empty one of the opening chunk");
    assert_eq!(pieces.concat().len(), 4000);
}

#[tokio::test]
async fn a_tool_loop_ends_with_the_results() {
    let first = chat(request(json!({"tools": tools(), "tool_choice": "required"}))).await.json();
    let message = &first["choices"][0]["message"];
    assert_eq!(first["choices"][0]["finish_reason"], "tool_calls");
    let id = &message["tool_calls"][0]["id"];
    let conversation = json!([
        {"role": "user", "content": "What about Paris?"}, message,
        {"role": "tool", "tool_call_id": id, "content": [{"type": "text", "text": "21 C"}]},
    ]);
    let body = request(json!({"tools": tools(), "tool_choice": "required", "messages": conversation}));
    let second = chat(body).await.json();
    let text = second["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.ends_with("The tool returned: 21 C"), "{text}");
}

#[tokio::test]
async fn tool_choices() {
    let called = async |choice: Value| {
        let answer = chat(request(json!({"tools": tools(), "tool_choice": choice}))).await.json();
        answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"].clone()
    };
    let clock = json!({"type": "function", "function": {"name": "clock"}});
    assert_eq!(called(clock.clone()).await, "clock");
    let allowed = json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [clock]}});
    assert_eq!(called(allowed).await, "clock");
    assert_eq!(called(json!("none")).await, Value::Null);
}

#[tokio::test]
async fn images_reasoning_and_stop_sequences() {
    let content = json!([
        {"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    ]);
    let answer = chat(request(json!({"messages": [{"role": "user", "content": content}]}))).await.json();
    assert!(
        answer["choices"][0]["message"]["content"].as_str().unwrap().ends_with("You said: Look (1 image)")
    );
    assert_eq!(answer["usage"]["prompt_tokens"], 2);

    let answer = chat(request(json!({"reasoning_effort": "high", "stop": "no model"}))).await.json();
    let content = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(content, "This is Weir's demo provider answering as m (");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    let reasoning = answer["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap();
    assert!(reasoning > 0);
    assert_eq!(answer["usage"]["completion_tokens"], reasoning + 9);
}

/// Status, `param` and `code` of each refusal.
#[tokio::test]
async fn refusals() {
    let user = json!({"role": "user", "content": "x"});
    let calling = json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]});
    let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "r"});
    let cases = [
        (json!({"messages": [user]}), None, None),
        (json!({"model": "m"}), Some("messages"), Some("missing_required_parameter")),
        (request(json!({"messages": []})), Some("messages"), None),
        (
            request(json!({"messages": [{"role": "robot", "content": "x"}]})),
            Some("messages[0].role"),
            Some("invalid_value"),
        ),
        (
            request(json!({"messages": [{"role": "user", "content": null}]})),
            Some("messages[0].content"),
            None,
        ),
        (
            request(json!({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]})),
            Some("messages[0].content[0].type"),
            Some("invalid_value"),
        ),
        (request(json!({"messages": [user, calling]})), Some("messages[2].role"), None),
        (request(json!({"messages": [user, calling, user]})), Some("messages[2].role"), None),
        (request(json!({"messages": [user, calling, result("c2")]})), Some("messages[2].role"), None),
        (request(json!({"messages": [user, result("c1")]})), Some("messages[1].role"), None),
        (request(json!({"max_tokens": 0})), Some("max_tokens"), Some("integer_below_min_value")),
        (request(json!({"max_tokens": 1, "max_completion_tokens": 1})), Some("max_tokens"), None),
        (request(json!({"stream_options": {}})), Some("stream_options"), None),
        (request(json!({"tool_choice": "auto"})), Some("tool_choice"), None),
        (request(json!({"stop": ["1", "2", "3", "4", "5"]})), Some("stop"), None),
        (request(json!({"reasoning_effort": "huge"})), Some("reasoning_effort"), Some("invalid_value")),
        (
            request(json!({"tools": [{"type": "function", "function": {"name": "a b"}}]})),
            Some("tools[0].function.name"),
            Some("invalid_value"),
        ),
        (request(json!({"n": 2})), Some("n"), None),
    ];
    for (body, param, code) in cases {
        let answer = chat(body.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}: {}", answer.text);
        let error = &answer.json()["error"];
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!(
            (&error["param"], &error["code"]),
            (&json!(param), &json!(code)),
            "{body}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn keys_models_paths_and_bodies() {
    let post = "POST /v1/chat/completions";
    for headers in [&[][..], &[("authorization", "Basic x")], &[("authorization", "Bearer ")]] {
        let answer = call(no_delay(), post, headers, "{}").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    }
    let answer = call(no_delay(), post, &[KEY], "{").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);

    let closed = Options { models: Models::Closed(vec!["a".into()]), ..no_delay() };
    let answer = chat_with(closed.clone(), &request(json!({}))).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (StatusCode::NOT_FOUND, &json!("model_not_found"))
    );
    let answer = call(closed.clone(), "GET /v1/models", &[KEY], "").await;
    golden("models", &serde_json::to_string_pretty(&answer.json()).unwrap());
    assert_eq!(call(closed.clone(), "GET /v1/models/a", &[KEY], "").await.json()["id"], "a");
    assert_eq!(call(closed.clone(), "GET /v1/models/b", &[KEY], "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(call(closed, "GET /v1/models", &[], "").await.status, StatusCode::UNAUTHORIZED);

    let answer = call(no_delay(), "POST /v1/embeddings", &[KEY], "{}").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("POST /v1/embeddings"));
    let answer = call(no_delay(), "GET /v1/chat/completions", &[KEY], "").await;
    assert_eq!(
        (answer.status, answer.headers["allow"].as_bytes()),
        (StatusCode::METHOD_NOT_ALLOWED, &b"POST"[..])
    );
}
