//! The Anthropic side as a client sees it.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::thinking::sign;
use crate::client::{Answer, call, no_delay};
use crate::options::{Models, Options};

const KEY: (&str, &str) = ("x-api-key", "any");
const VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");

async fn messages_with(options: Options, body: &Value) -> Answer {
    call(options, "POST /v1/messages", &[KEY, VERSION], &body.to_string()).await
}

async fn messages(body: Value) -> Answer {
    messages_with(no_delay(), &body).await
}

/// A request with these members besides a model, a limit and one user message.
fn request(changes: Value) -> Value {
    let question = json!([{"role": "user", "content": "What about Paris?"}]);
    let mut body = json!({"model": "m", "max_tokens": 2048, "messages": question});
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body
}

fn conversation(messages: Value) -> Value {
    request(json!({"messages": messages}))
}

fn tools() -> Value {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    ["weather", "clock"].map(|name| json!({"name": name, "input_schema": schema})).to_vec().into()
}

fn thinking() -> Value {
    json!({"type": "enabled", "budget_tokens": 1024})
}

fn golden(name: &str, text: &str) {
    insta::with_settings!({snapshot_path => "../../golden/anthropic", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(name, text);
    });
}

#[tokio::test]
async fn whole_replies() {
    let cases = [
        ("text", json!({})),
        ("thinking", json!({"thinking": thinking()})),
        ("tools", json!({"tools": tools()})),
    ];
    for (name, changes) in cases {
        let answer = messages(request(changes)).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.headers["content-type"], "application/json");
        assert!(answer.headers["request-id"].to_str().unwrap().starts_with("req_"));
        golden(&format!("whole_{name}"), &serde_json::to_string_pretty(&answer.json()).unwrap());
    }
}

#[tokio::test]
async fn streamed_replies() {
    let parallel = json!([{"role": "user", "content": "both, for Paris"}]);
    let cases = [
        ("text", json!({})),
        ("thinking", json!({"thinking": thinking()})),
        (
            "thinking_omitted",
            json!({"thinking": {"type": "adaptive", "display": "omitted"}, "max_tokens": 30}),
        ),
        ("stop_sequence", json!({"stop_sequences": ["demo"]})),
        ("tools", json!({"tools": tools(), "messages": parallel, "thinking": thinking()})),
        ("nothing", json!({"stop_sequences": ["This"]})),
    ];
    for (name, changes) in cases {
        let mut body = request(changes);
        body["stream"] = true.into();
        let answer = messages(body).await;
        assert_eq!(answer.headers["content-type"], "text/event-stream; charset=utf-8");
        golden(&format!("stream_{name}"), &answer.text);
    }
}

#[tokio::test]
async fn a_stream_has_the_chunks_asked_for() {
    let options = Options { chunks: Some(7), ..no_delay() };
    let answer = messages_with(options, &request(json!({"stream": true}))).await;
    assert_eq!(answer.text.matches("text_delta").count(), 7);
}

#[tokio::test]
async fn a_tool_loop_with_thinking_ends_with_the_results() {
    let first = messages(request(json!({"tools": tools(), "thinking": thinking()}))).await.json();
    assert_eq!(first["stop_reason"], "tool_use");
    let id = &first["content"][1]["id"];
    let result =
        json!({"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": "21 C"}]});
    let history = |assistant: &Value| {
        json!([
            {"role": "user", "content": "What about Paris?"},
            {"role": "assistant", "content": assistant},
            {"role": "user", "content": [result]},
        ])
    };
    let with =
        |history: Value| request(json!({"tools": tools(), "thinking": thinking(), "messages": history}));
    let second = messages(with(history(&first["content"]))).await.json();
    let text = second["content"][1]["text"].as_str().unwrap();
    assert!(text.ends_with("The tool returned: 21 C"), "{text}");

    // The thinking block is required, and must be ours.
    let without = messages(with(history(&json!([first["content"][1]])))).await;
    assert_eq!(without.status, StatusCode::BAD_REQUEST);
    assert!(without.text.contains("messages.1.content.0"), "{}", without.text);
    let mut changed = first["content"].clone();
    changed[0]["thinking"] = "something else".into();
    assert_eq!(messages(with(history(&changed))).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn tool_choices() {
    let called = async |choice: Value| {
        let answer = messages(request(json!({"tools": tools(), "tool_choice": choice}))).await.json();
        answer["content"][0]["name"].clone()
    };
    assert_eq!(called(json!({"type": "tool", "name": "clock"})).await, "clock");
    assert_eq!(called(json!({"type": "any"})).await, "weather");
    assert_eq!(called(json!({"type": "none"})).await, Value::Null);
    let one = json!({"tools": tools(), "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        "messages": [{"role": "user", "content": "both"}]});
    assert_eq!(messages(request(one)).await.json()["content"].as_array().unwrap().len(), 1);
    let server = json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]});
    assert_eq!(messages(request(server)).await.json()["stop_reason"], "end_turn");
}

#[tokio::test]
async fn images_consecutive_roles_and_limits() {
    let image =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}});
    let body = conversation(json!([
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": [image]},
        {"role": "user", "content": "Look"},
    ]));
    let answer = messages(body).await.json();
    assert!(answer["content"][0]["text"].as_str().unwrap().ends_with("You said: Look (1 image)"));
    assert_eq!(answer["usage"]["input_tokens"], 3);
    let answer = messages(request(json!({"max_tokens": 2}))).await.json();
    assert_eq!(
        (&answer["stop_reason"], &answer["content"][0]["text"]),
        (&json!("max_tokens"), &json!("This is"))
    );
}

/// The path at the start of each refusal's message.
#[tokio::test]
async fn refusals() {
    let user = json!({"role": "user", "content": "x"});
    let using =
        json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]});
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "r"});
    let turn = |blocks: Value| json!({"role": "user", "content": blocks});
    let assistant =
        |block: Value| conversation(json!([user, {"role": "assistant", "content": [block]}, user]));
    let text = json!({"type": "text", "text": "y"});
    let mut no_limit = request(json!({}));
    no_limit.as_object_mut().unwrap().remove("max_tokens");
    let cases = [
        (json!({"max_tokens": 1, "messages": [user]}), "model:"),
        (no_limit, "max_tokens:"),
        (request(json!({"max_tokens": 0})), "max_tokens:"),
        (json!({"model": "m", "max_tokens": 1}), "messages:"),
        (conversation(json!([])), "messages:"),
        (conversation(json!([{"role": "system", "content": "x"}, user])), "messages.0.role:"),
        (conversation(json!([{"role": "tool", "content": "x"}])), "messages.0.role:"),
        (conversation(json!([{"role": "user", "content": ""}])), "messages.0:"),
        (conversation(json!([turn(json!([{"type": "image_url"}]))])), "messages.0.content.0.type:"),
        (conversation(json!([turn(json!([{"type": "text", "text": ""}]))])), "messages.0.content.0.text:"),
        (
            conversation(json!([turn(json!([{"type": "image", "source": {}}]))])),
            "messages.0.content.0.source:",
        ),
        (conversation(json!([turn(json!([result("t1")]))])), "messages.0.content.0:"),
        (conversation(json!([user, using])), "messages.1:"),
        (conversation(json!([user, using, user])), "messages.1:"),
        (conversation(json!([user, using, turn(json!([result("t2")]))])), "messages.2.content.0:"),
        (conversation(json!([user, using, turn(json!([text, result("t1")]))])), "messages.2.content.1:"),
        (
            assistant(json!({"type": "tool_use", "id": "t 1", "name": "f", "input": {}})),
            "messages.1.content.0.tool_use.id:",
        ),
        (
            assistant(json!({"type": "tool_use", "id": "t1", "name": "f", "input": "{}"})),
            "messages.1.content.0.tool_use.input:",
        ),
        (
            assistant(json!({"type": "thinking", "thinking": "x", "signature": "y"})),
            "messages.1.content.0.signature:",
        ),
        (request(json!({"system": 1})), "system:"),
        (request(json!({"temperature": 1.5})), "temperature:"),
        (request(json!({"stop_sequences": [" "]})), "stop_sequences:"),
        (request(json!({"tools": [{"name": "f"}]})), "tools.0.custom.input_schema:"),
        (request(json!({"tools": [{"name": "f f"}]})), "tools.0.custom.name:"),
        (request(json!({"tool_choice": {"type": "any"}})), "tool_choice:"),
        (
            request(json!({"tools": tools(), "tool_choice": {"type": "tool", "name": "x"}})),
            "tool_choice.tool.name:",
        ),
        (
            request(json!({"thinking": {"type": "enabled", "budget_tokens": 5}})),
            "thinking.enabled.budget_tokens:",
        ),
    ];
    for (body, path) in cases {
        let answer = messages(body.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}: {}", answer.text);
        let answer = answer.json();
        assert_eq!(answer["type"], "error");
        assert_eq!(answer["error"]["type"], "invalid_request_error");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(path), "{body}: {message}");
    }
}

#[tokio::test]
async fn a_complete_history_is_accepted() {
    let using = |id: &str| json!({"type": "tool_use", "id": id, "name": "f", "input": {"a": 1}});
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "r"});
    let thought = json!({"type": "thinking", "thinking": "hm", "signature": sign("hm")});
    let body = conversation(json!([
        {"role": "user", "content": [{"type": "document", "source": {"type": "text", "data": "x"}}]},
        {"role": "assistant", "content": [thought, using("t1"), using("t2")]},
        {"role": "user", "content": [result("t2"), result("t1"), {"type": "text", "text": "and now"}]},
        {"role": "assistant", "content": "done"},
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "Thanks"},
        {"role": "assistant", "content": ""},
    ]));
    let answer = messages(body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(answer.json()["content"][0]["text"].as_str().unwrap().ends_with("You said: Thanks"));
}

#[tokio::test]
async fn the_version_of_2026_takes_less() {
    let user = json!({"role": "user", "content": "x"});
    let cited = json!([{"type": "text", "text": "x", "citations": [{}]}]);
    let found = json!([{"type": "search_result", "source": "x", "title": "x", "content": cited}]);
    let document = json!({"type": "document", "source": {"type": "text", "data": "x"}});
    let cases = [
        (request(json!({"temperature": 1})), "temperature:"),
        (request(json!({"top_p": 1})), "top_p:"),
        (request(json!({"top_k": 1})), "top_k:"),
        (conversation(json!([{"role": "user", "content": cited}])), "messages.0.content.0.citations:"),
        (conversation(json!([{"role": "user", "content": found}])), "messages.0.content.0.citations:"),
        (
            conversation(json!([user, {"role": "assistant", "content": [document]}, user])),
            "messages.1.content.0.type:",
        ),
    ];
    for (body, path) in cases {
        assert_eq!(messages(body.clone()).await.status, StatusCode::OK, "the older version takes it");
        let headers = [KEY, ("anthropic-version", "2026-10-21")];
        let answer = call(no_delay(), "POST /v1/messages", &headers, &body.to_string()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.json()["error"]["message"].as_str().unwrap().starts_with(path), "{}", answer.text);
    }
}

#[tokio::test]
async fn keys_versions_models_paths_and_bodies() {
    let post = "POST /v1/messages";
    let answer = call(no_delay(), post, &[VERSION], "{}").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    golden("no_key", &serde_json::to_string_pretty(&answer.json()).unwrap());
    let body = request(json!({})).to_string();
    let bearer = ("authorization", "Bearer any");
    assert_eq!(call(no_delay(), post, &[bearer, VERSION], &body).await.status, StatusCode::OK);
    for headers in [&[KEY][..], &[KEY, ("anthropic-version", "1999-01-01")]] {
        let answer = call(no_delay(), post, headers, "{}").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.text.contains("anthropic-version"), "{}", answer.text);
    }
    assert_eq!(call(no_delay(), post, &[KEY, VERSION], "{").await.status, StatusCode::BAD_REQUEST);

    let closed = Options { models: Models::Closed(vec!["a".into()]), ..no_delay() };
    let answer = messages_with(closed.clone(), &request(json!({}))).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["type"]),
        (StatusCode::NOT_FOUND, &json!("not_found_error"))
    );
    let answer = call(closed.clone(), "GET /v1/models", &[KEY, VERSION], "").await;
    golden("models", &serde_json::to_string_pretty(&answer.json()).unwrap());
    assert_eq!(call(closed, "GET /v1/models/b", &[KEY, VERSION], "").await.status, StatusCode::NOT_FOUND);

    let answer = call(no_delay(), "POST /v1/complete", &[KEY, VERSION], "{}").await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["type"]),
        (StatusCode::NOT_FOUND, &json!("not_found_error"))
    );
    assert_eq!(
        call(no_delay(), "GET /v1/messages", &[KEY, VERSION], "").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
}
