//! Errors at endpoints where nothing is translated, and at rerank, whose errors have a form of their own.

use filter_core::Outcome;
use serde_json::json;

use crate::gateway::Gateway;

/// A provider that speaks one format.
fn speaking(endpoint: &str) -> Gateway {
    let provider =
        json!({"name": "p", "speaks": [{"endpoint": endpoint, "path": "/there", "region": "us-east-1"}]});
    Gateway::new("{}", &provider.to_string())
}

const RERANK: &str = r#"{"model":"m","query":"q","documents":["a"]}"#;

fn failed(status: &'static str, content_type: &'static str) -> [(&'static str, &'static str); 2] {
    [(":status", status), ("content-type", content_type)]
}

#[test]
fn errors_of_the_same_api_come_as_the_provider_sent_them() {
    for (endpoint, path) in [
        ("cohere_rerank", "/v2/rerank"),
        ("openai_embeddings", "/v1/embeddings"),
        ("openai_images", "/v1/images/generations"),
        ("openai_audio", "/v1/audio/speech"),
        ("openai_completions", "/v1/completions"),
        ("anthropic_count_tokens", "/v1/messages/count_tokens"),
    ] {
        let gateway = speaking(endpoint);
        for (content_type, body) in [
            ("application/json", r#"{"message":"model 'x' not found"}"#),
            ("application/json; charset=utf-8", r#"{"error": {"message":"No.","type":"t","extra":[1]}}"#),
            ("application/problem+json", r#"{"detail":[{"loc":["query"],"msg":"no"}]}"#),
        ] {
            let run = gateway.post(path, RERANK, (&failed("404", content_type), &[body.as_bytes()]));
            assert_eq!(String::from_utf8_lossy(&run.body), body, "{endpoint}");
            assert_eq!((run.status(), run.header("content-type")), ("404", Some(content_type)));
            let record = run.record();
            assert_eq!(record.outcome, Outcome::Failed);
            assert!(!record.error.unwrap().contains("not found"), "no text of the provider in logs");
        }
    }
}

#[test]
fn errors_of_chat_keep_having_their_dialects_form() {
    let run = speaking("openai_chat").post(
        "/v1/chat/completions",
        r#"{"model":"m","messages":[]}"#,
        (&failed("404", "application/json"), &[br#"{"message":"SECRET"}"#]),
    );
    assert_eq!(run.json()["error"]["type"], "not_found_error");
    assert!(!String::from_utf8_lossy(&run.body).contains("SECRET"));
}

#[test]
fn errors_that_are_no_json_are_told_in_the_clients_form() {
    let answer = failed("503", "text/html");
    let run = speaking("cohere_rerank").post("/v2/rerank", RERANK, (&answer, &[b"<html>SECRET</html>"]));
    let told = json!({"message": "The provider answered with status 503 and said no more."});
    assert_eq!((run.status(), run.json()), ("503", told));
}

#[test]
fn translated_rerank_tells_errors_as_cohere_does() {
    for (endpoint, body) in [
        ("bedrock_rerank", r#"{"message":"Too many sources"}"#),
        ("vertex_rank", r#"{"error":{"code":400,"message":"Too many sources","status":"INVALID_ARGUMENT"}}"#),
    ] {
        let run = speaking(endpoint).post(
            "/v1/rerank",
            RERANK,
            (&failed("400", "application/json"), &[body.as_bytes()]),
        );
        assert_eq!((run.status(), run.json()), ("400", json!({"message": "Too many sources"})), "{endpoint}");
        assert_eq!(run.header("x-amzn-errortype"), None);
    }
    // So do those this gateway makes itself: of an answer that is none, and of a request.
    let nonsense = [(":status", "200"), ("content-type", "application/json")];
    let run = speaking("vertex_rank").post("/v1/rerank", RERANK, (&nonsense, &[b"[]"]));
    assert_eq!(run.status(), "502");
    assert!(run.json()["message"].as_str().unwrap().contains("not a JSON object"));
    let run = speaking("vertex_rank").post("/v1/rerank", r#"{"model":"m"}"#, (&nonsense, &[b"{}"]));
    assert_eq!(
        (run.status(), run.json()),
        ("400", json!({"message": "query: is required and must not be empty"}))
    );
    let run = speaking("openai_chat").post("/v1/rerank", RERANK, (&nonsense, &[b"{}"]));
    assert_eq!(run.status(), "404");
    assert!(run.json()["message"].as_str().unwrap().contains("does not serve"));
    let gone = [(":status", "503"), ("content-type", "text/plain")];
    let run = speaking("cohere_rerank").local("/v1/rerank", RERANK, "no_healthy_upstream", (&gone, &[b"x"]));
    let told = json!({"message": "No provider for this request is available at the moment."});
    assert_eq!((run.status(), run.json()), ("503", told));
}
