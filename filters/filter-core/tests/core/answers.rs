//! Errors, whoever makes them, and answers that are none.

use filter_core::Outcome;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::scripts::{ANTHROPIC, OPENAI, answer, path, provider, request};

/// Status, error type and code as the client is told.
fn told(run: &crate::gateway::Run) -> (String, String, Value) {
    assert_eq!(run.header("content-type"), Some("application/json"));
    let body = run.json();
    (
        run.status().to_owned(),
        body["error"]["type"].as_str().unwrap().to_owned(),
        body["error"]["code"].clone(),
    )
}

#[test]
fn answers_of_envoy_itself() {
    for (details, status, openai, anthropic) in [
        (
            "route_not_found",
            "404",
            ("404", "invalid_request_error", json!("model_not_found")),
            ("404", "not_found_error"),
        ),
        (
            "no_healthy_upstream",
            "503",
            ("503", "server_error", json!("no_healthy_provider")),
            ("529", "overloaded_error"),
        ),
        (
            "upstream_response_timeout",
            "504",
            ("504", "server_error", json!("provider_timeout")),
            ("504", "timeout_error"),
        ),
        (
            "response_timeout",
            "504",
            ("504", "server_error", json!("provider_timeout")),
            ("504", "timeout_error"),
        ),
        (
            "upstream_reset_before_response_started{connection_failure}",
            "503",
            ("502", "server_error", json!("provider_unreachable")),
            ("502", "api_error"),
        ),
        (
            "direct_response",
            "500",
            ("500", "server_error", json!("gateway_configuration")),
            ("500", "api_error"),
        ),
        (
            "something_else",
            "429",
            ("429", "rate_limit_exceeded", json!("rate_limit_exceeded")),
            ("429", "rate_limit_error"),
        ),
    ] {
        for client in [OPENAI, ANTHROPIC] {
            let gateway = Gateway::new("{}", &provider(client));
            let headers = [(":status", status), ("content-type", "text/plain")];
            let run = gateway.local(
                path(client),
                request(client, false),
                details,
                (&headers, &[b"no route", b"!"]),
            );
            let (status, kind, code) = told(&run);
            if client == OPENAI {
                assert_eq!((status.as_str(), kind.as_str(), code), openai, "{details}");
            } else {
                assert_eq!((status.as_str(), kind.as_str()), anthropic, "{details}");
                assert_eq!(run.json()["type"], "error");
            }
            let record = run.record();
            let outcome = if details == "route_not_found" { Outcome::Refused } else { Outcome::Failed };
            assert_eq!((record.outcome, record.error.as_deref()), (outcome, Some(details)));
            assert_eq!((record.client.as_deref(), record.model.as_deref()), (Some(client), Some("m")));
        }
    }
}

#[test]
fn a_path_without_a_route_is_explained() {
    for (called, body, expected) in
        [(path(OPENAI), request(OPENAI, false), "the model `m`"), ("/v1/models", "", "names no model")]
    {
        let headers = [(":status", "404"), ("content-type", "text/plain")];
        let run =
            Gateway::new("{}", &provider(OPENAI)).local(called, body, "route_not_found", (&headers, &[]));
        let message = run.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(expected) && !message.contains("``"), "{message}");
    }
}

#[test]
fn errors_of_the_provider_keep_their_meaning() {
    let openai = r#"{"error":{"message":"Slow down.","type":"rate_limit_exceeded","param":null,"code":"rate_limit_exceeded"}}"#;
    let anthropic = r#"{"type":"error","error":{"type":"rate_limit_error","message":"Slow down."}}"#;
    let json = [(":status", "429"), ("content-type", "application/json"), ("retry-after", "7")];
    for client in [OPENAI, ANTHROPIC] {
        for (upstream, body) in [(OPENAI, openai), (ANTHROPIC, anthropic)] {
            let run = Gateway::new("{}", &provider(upstream)).post(
                path(client),
                request(client, true),
                (&json, &[body.as_bytes()]),
            );
            if client == upstream {
                assert_eq!(run.body, body.as_bytes(), "nothing to translate");
            }
            let (status, kind, _) = told(&run);
            let expected = if client == OPENAI { "rate_limit_exceeded" } else { "rate_limit_error" };
            assert_eq!(
                (status.as_str(), kind.as_str(), run.header("retry-after")),
                ("429", expected, Some("7"))
            );
            let record = run.record();
            assert_eq!(record.outcome, Outcome::Failed);
            assert!(!record.error.unwrap().contains("Slow"), "no text of the provider in logs");
        }
    }
}

#[test]
fn errors_without_words_get_some() {
    for client in [OPENAI, ANTHROPIC] {
        for upstream in [OPENAI, ANTHROPIC] {
            let gateway = Gateway::new("{}", &provider(upstream));
            for (content_type, body) in [
                ("text/html", "<html>SECRET</html>"),
                ("application/json", "{\"detail\":\"SECRET\"}"),
                ("application/json", "SECRET"),
                ("text/plain", ""),
            ] {
                for (status, openai, anthropic) in [
                    ("401", "authentication_error", "authentication_error"),
                    ("500", "server_error", "api_error"),
                    ("502", "server_error", "api_error"),
                ] {
                    let headers = [(":status", status), ("content-type", content_type)];
                    let chunks: &[&[u8]] = if body.is_empty() { &[] } else { &[body.as_bytes()] };
                    let run = gateway.post(path(client), request(client, false), (&headers, chunks));
                    let (told_status, kind, _) = told(&run);
                    let expected = if client == OPENAI { openai } else { anthropic };
                    assert_eq!((told_status.as_str(), kind.as_str()), (status, expected), "{body}");
                    assert!(!String::from_utf8_lossy(&run.body).contains("SECRET"));
                    assert_eq!(run.record().outcome, Outcome::Failed);
                }
            }
        }
    }
}

#[test]
fn answers_that_are_none() {
    let ok = |content_type: &'static str| vec![(":status", "200"), ("content-type", content_type)];
    let compressed =
        vec![(":status", "200"), ("content-type", "application/json"), ("content-encoding", "gzip")];
    let redirect = vec![(":status", "302"), ("location", "https://x.example"), ("content-type", "text/html")];
    for (client, upstream) in [(OPENAI, ANTHROPIC), (ANTHROPIC, OPENAI)] {
        let gateway = Gateway::new("{}", &provider(upstream));
        for (headers, body) in [
            (ok("text/html"), "<html>SECRET</html>"),
            (ok("application/json"), "SECRET"),
            (ok("application/json"), "[]"),
            (ok("application/json"), "{}"),
            (compressed.clone(), "SECRET"),
            (redirect.clone(), "<html>SECRET</html>"),
        ] {
            let run = gateway.post(path(client), request(client, false), (&headers, &[body.as_bytes()]));
            let (status, kind, _) = told(&run);
            let expected = if client == OPENAI { "server_error" } else { "api_error" };
            assert_eq!((status.as_str(), kind.as_str()), ("502", expected), "{headers:?}");
            assert_eq!(run.header("content-encoding"), None);
            assert!(!String::from_utf8_lossy(&run.body).contains("SECRET"));
            assert_eq!(run.record().outcome, Outcome::Failed);
        }
    }
    // Who speaks the client's dialect may compress: the client can read it, and only the usage is unknown.
    for same in [OPENAI, ANTHROPIC] {
        let gateway = Gateway::new("{}", &provider(same));
        let run = gateway.post(path(same), request(same, false), (&compressed, &[b"\x1f\x8b"]));
        assert_eq!((run.status(), run.body.as_slice()), ("200", &b"\x1f\x8b"[..]));
        assert_eq!((run.record().outcome, run.record().usage), (Outcome::Complete, None));
        // A redirect is no answer for it either.
        let run = gateway.post(path(same), request(same, false), (&redirect, &[b"<html>"]));
        assert_eq!(told(&run).0, "502");
    }
}

#[test]
fn large_answers() {
    let json = [(":status", "200"), ("content-type", "application/json")];
    for (client, upstream) in [(OPENAI, OPENAI), (OPENAI, ANTHROPIC)] {
        let provider =
            format!(r#"{{"name":"p","speaks":[{{"endpoint":"{upstream}"}}],"max_response_body_bytes":20}}"#);
        let run = Gateway::new("{}", &provider).post(
            path(client),
            request(client, false),
            (&json, &[answer(upstream).as_bytes()]),
        );
        if client == upstream {
            assert_eq!((run.status(), run.body.as_slice()), ("200", answer(upstream).as_bytes()));
            assert_eq!((run.record().outcome, run.record().usage), (Outcome::Complete, None));
        } else {
            assert_eq!(told(&run).0, "502");
        }
    }
}

#[test]
fn tokens_that_envoy_refuses_are_told_of_as_such() {
    for (status, why) in [("401", "Jwt_is_expired"), ("403", "Audiences_in_Jwt_are_not_allowed")] {
        let headers = [(":status", status), ("content-type", "text/plain")];
        let details = format!("jwt_authn_access_denied{{{why}}}");
        let gateway = Gateway::new("{}", &provider(OPENAI));
        let run = gateway.local(path(OPENAI), request(OPENAI, false), &details, (&headers, &[b"Jwt"]));
        let told = (run.status().to_owned(), run.json()["error"]["code"].clone());
        assert_eq!(told, ("401".to_owned(), json!("invalid_token")));
        let message = run.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(message, format!("The request needs a valid token: {}.", why.replace('_', " ")));
        assert_eq!(run.record().outcome, Outcome::Refused);
    }
}
