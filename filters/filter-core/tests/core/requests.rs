//! What becomes of requests: bad bodies, limits, models, headers.

use crate::gateway::Gateway;
use crate::scripts::{ANTHROPIC, OPENAI, answer, path, provider, request};

const JSON: &[(&str, &str)] = &[(":status", "200"), ("content-type", "application/json")];

/// The type of an error in the client's dialect.
fn kind(dialect: &str, body: &serde_json::Value) -> String {
    assert_eq!(body["type"] == "error", dialect == ANTHROPIC, "{body}");
    assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
    body["error"]["type"].as_str().unwrap().to_owned()
}

#[test]
fn bad_bodies_are_refused_in_the_callers_dialect() {
    for client in [OPENAI, ANTHROPIC] {
        for upstream in [OPENAI, ANTHROPIC] {
            let gateway = Gateway::new("{}", &provider(upstream));
            for body in [
                "",
                " ",
                "x",
                "{",
                "[]",
                "[\"m\"]",
                "null",
                "{}",
                r#"{"model":7}"#,
                r#"{"model":" "}"#,
                r#"{"model":"m","stream":"yes"}"#,
            ] {
                let run = gateway.post(path(client), body, (JSON, &[b"{}"]));
                assert_eq!(
                    (run.status(), run.header("content-type")),
                    ("400", Some("application/json")),
                    "{body}"
                );
                assert_eq!(kind(client, &run.json()), "invalid_request_error", "{body}");
                assert_eq!((run.sent, run.replied), (None, Some("weir_bad_request")), "{body}");
            }
        }
    }
}

#[test]
fn what_only_the_translation_reads_is_refused_by_it() {
    for (client, upstream) in [(OPENAI, ANTHROPIC), (ANTHROPIC, OPENAI)] {
        let body = r#"{"model":"m","messages":7}"#;
        let run = Gateway::new("{}", &provider(upstream)).post(path(client), body, (JSON, &[b"{}"]));
        assert_eq!((run.status(), kind(client, &run.json()).as_str()), ("400", "invalid_request_error"));
        assert_eq!(run.record().outcome, filter_core::Outcome::Refused);
        // The provider that speaks the client's dialect has its own say.
        let run = Gateway::new("{}", &provider(client)).post(
            path(client),
            body,
            (JSON, &[answer(client).as_bytes()]),
        );
        assert_eq!(run.sent.as_deref(), Some(body.as_bytes()));
    }
    let several = r#"{"model":"m","n":2,"messages":[{"role":"user","content":"Hi"}]}"#;
    let run = Gateway::new("{}", &provider(ANTHROPIC)).post(path(OPENAI), several, (JSON, &[b"{}"]));
    let told = run.json();
    assert_eq!(
        (&told["error"]["code"], &told["error"]["param"]),
        (&"unsupported_by_provider".into(), &"n".into())
    );
}

#[test]
fn large_requests_are_refused() {
    for client in [OPENAI, ANTHROPIC] {
        let gateway = Gateway::new(r#"{"max_request_body_bytes":100}"#, &provider(client));
        let body = format!(r#"{{"model":"{}"}}"#, "m".repeat(100));
        let announced = [(":method", "POST"), (":path", path(client)), ("content-length", "101")];
        for headers in [&announced[..], &announced[..2]] {
            let run = gateway.send(headers, &body, (JSON, &[b"{}"]));
            assert_eq!((run.status(), run.replied), ("413", Some("weir_request_too_large")));
            let expected = if client == OPENAI { "invalid_request_error" } else { "request_too_large" };
            assert_eq!(kind(client, &run.json()), expected);
            assert_eq!(run.record().outcome, filter_core::Outcome::Refused);
        }
        let fits = request(client, false);
        assert!(fits.len() <= 100, "{}", fits.len());
        assert!(gateway.post(path(client), fits, (JSON, &[answer(client).as_bytes()])).sent.is_some());
    }
}

#[test]
fn models_are_replaced() {
    for (config, asked, sent) in [
        (r#""model":"fixed""#, "m", "fixed"),
        (r#""model_aliases":{"m":"alias"}"#, "m", "alias"),
        (r#""model_aliases":{"gpt-*":"alias"}"#, "gpt-9", "alias"),
        (r#""model":"fixed","model_aliases":{"fixed":"alias"}"#, "m", "alias"),
        (r#""model_aliases":{"x":"alias"}"#, "m", "m"),
    ] {
        for (client, upstream) in
            [(OPENAI, OPENAI), (OPENAI, ANTHROPIC), (ANTHROPIC, OPENAI), (ANTHROPIC, ANTHROPIC)]
        {
            let provider = format!(r#"{{"name":"p","speaks":[{{"endpoint":"{upstream}"}}],{config}}}"#);
            let body = request(client, false).replace("\"m\"", &format!("\"{asked}\""));
            let run = Gateway::new("{}", &provider).post(
                path(client),
                &body,
                (JSON, &[answer(upstream).as_bytes()]),
            );
            assert_eq!(run.sent_json()["model"], sent, "{config}");
            if client == upstream {
                let expected = body.replace(&format!("\"{asked}\""), &format!("\"{sent}\""));
                assert_eq!(run.sent.as_deref(), Some(expected.as_bytes()), "only the model changes");
            }
            let record = run.record();
            assert_eq!(
                (record.model.as_deref(), record.answered_model.as_deref()),
                (Some(asked), Some("m-1"))
            );
            assert_eq!(record.sent_model.as_deref(), (asked != sent).then_some(sent));
        }
    }
}

#[test]
fn the_model_is_published_for_routing_and_taken_out_again() {
    let gateway = Gateway::new(
        r#"{"model_header":"x-model"}"#,
        r#"{"name":"p","host":"api.example","model_header":"x-model","speaks":[{"endpoint":"openai_chat"}]}"#,
    );
    let headers = [
        (":method", "POST"),
        (":path", "/v1/chat/completions"),
        (":authority", "gateway"),
        ("x-model", "forged"),
    ];
    let run = gateway.send(&headers, request(OPENAI, false), (JSON, &[answer(OPENAI).as_bytes()]));
    assert_eq!((run.sent_header("x-model"), run.sent_header(":authority")), (None, Some("api.example")));
    assert_eq!(
        run.sent_header(":path"),
        Some("/v1/chat/completions"),
        "kept without a path of the provider's"
    );
}

#[test]
fn other_traffic_is_left_alone() {
    let gateway = Gateway::new("{}", &provider(OPENAI));
    for (method, path) in [("GET", "/v1/chat/completions"), ("POST", "/v1/models"), ("POST", "/v1/files")] {
        let run = gateway.send(&[(":method", method), (":path", path)], "x", (JSON, &[b"{}"]));
        assert_eq!((run.status(), run.replied), ("404", Some("weir_unknown_endpoint")), "{path}");
    }
}

#[test]
fn the_version_of_the_messages_api() {
    let headers = |version: Option<&'static str>| {
        let mut headers = vec![(":method", "POST"), (":path", "/v1/messages"), ("anthropic-beta", "b")];
        headers.extend(version.map(|version| ("anthropic-version", version)));
        headers
    };
    let same = Gateway::new("{}", &provider(ANTHROPIC));
    for (sent, expected) in [(Some("2026-10-21"), "2026-10-21"), (None, "2023-06-01")] {
        let run =
            same.send(&headers(sent), request(ANTHROPIC, false), (JSON, &[answer(ANTHROPIC).as_bytes()]));
        assert_eq!(run.sent_header("anthropic-version"), Some(expected));
        assert_eq!(run.sent_header("anthropic-beta"), Some("b"));
    }
    let other = Gateway::new("{}", &provider(OPENAI));
    let run = other.send(
        &headers(Some("2026-10-21")),
        request(ANTHROPIC, false),
        (JSON, &[answer(OPENAI).as_bytes()]),
    );
    assert_eq!((run.sent_header("anthropic-version"), run.sent_header("anthropic-beta")), (None, None));
    let openai = [
        (":method", "POST"),
        (":path", "/v1/chat/completions"),
        ("openai-organization", "o"),
        ("accept-encoding", "gzip"),
    ];
    let run = same.send(&openai, request(OPENAI, false), (JSON, &[answer(ANTHROPIC).as_bytes()]));
    assert_eq!((run.sent_header("openai-organization"), run.sent_header("accept-encoding")), (None, None));
    assert_eq!(run.sent_header("anthropic-version"), Some("2023-06-01"));
}
