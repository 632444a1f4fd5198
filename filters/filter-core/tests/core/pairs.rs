//! All pairs of dialects: the same outcome however the bytes arrive.

use testkit::check_every_split;

use crate::gateway::Gateway;
use crate::scripts::{ANTHROPIC, OPENAI, answer, events, pairs, path, provider, request};

#[test]
fn the_outcome_does_not_depend_on_how_the_bytes_arrive() {
    for case in pairs() {
        let mut gateway = Gateway::new(case.llm, &case.provider);
        let outcome = check_every_split(&mut gateway, &case.script, &case.expected)
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        outcome.passed_through().unwrap_or_else(|error| panic!("{}: {error}", case.name));
    }
}

#[test]
fn whole_answers_are_what_the_client_speaks() {
    let to_openai = Gateway::new("{}", &provider(ANTHROPIC));
    let json =
        [(":status", "200"), ("content-type", "application/json; charset=utf-8"), ("content-length", "1")];
    let run = to_openai.post(path(OPENAI), request(OPENAI, false), (&json, &[answer(ANTHROPIC).as_bytes()]));
    assert_eq!(run.status(), "200");
    assert_eq!(run.header("content-length"), Some(run.body.len().to_string().as_str()));
    let told = run.json();
    assert_eq!(told["choices"][0]["message"]["content"], "Grüße");
    assert_eq!((&told["created"], &told["usage"]["prompt_tokens"]), (&1_700_000_000_u64.into(), &10.into()));
    assert_eq!(run.sent_header(":path"), Some("/v1/messages"));
    assert_eq!(run.sent_header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(
        run.sent_header("content-length"),
        Some(run.sent.as_ref().unwrap().len().to_string().as_str())
    );
    assert_eq!(run.sent_json()["messages"][0]["content"], "Grüße");

    let to_anthropic = Gateway::new("{}", &provider(OPENAI));
    let run =
        to_anthropic.post(path(ANTHROPIC), request(ANTHROPIC, false), (&json, &[answer(OPENAI).as_bytes()]));
    let told = run.json();
    assert_eq!(told["content"][0]["text"], "Grüße");
    assert_eq!(
        (&told["usage"]["input_tokens"], &told["usage"]["cache_read_input_tokens"]),
        (&6.into(), &4.into())
    );
    assert_eq!(run.sent_header(":path"), Some("/v1/chat/completions"));
    assert_eq!(run.sent_header("anthropic-version"), None);
}

#[test]
fn a_provider_that_did_not_stream_is_streamed() {
    for (client, upstream) in [(OPENAI, ANTHROPIC), (ANTHROPIC, OPENAI)] {
        let gateway = Gateway::new("{}", &provider(upstream));
        let json = [(":status", "200"), ("content-type", "application/json")];
        let run = gateway.post(path(client), request(client, true), (&json, &[answer(upstream).as_bytes()]));
        assert_eq!(run.header("content-type"), Some("text/event-stream; charset=utf-8"), "{client}");
        let told = String::from_utf8(run.body).unwrap();
        let end = if client == OPENAI { "data: [DONE]\n\n" } else { "data: {\"type\":\"message_stop\"}\n\n" };
        assert!(told.contains("Grüße") && told.ends_with(end), "{told}");
    }
}

#[test]
fn a_provider_that_streamed_unasked_is_an_error() {
    let gateway = Gateway::new("{}", &provider(ANTHROPIC));
    let stream = [(":status", "200"), ("content-type", "text/event-stream")];
    let run = gateway.post(path(OPENAI), request(OPENAI, false), (&stream, &[events(ANTHROPIC).as_bytes()]));
    assert_eq!((run.status(), run.header("content-type")), ("502", Some("application/json")));
    assert_eq!(run.json()["error"]["code"], "bad_upstream_response");
}

#[test]
fn usage_is_streamed_to_openai_clients_that_asked() {
    let gateway = Gateway::new("{}", &provider(ANTHROPIC));
    let stream = [(":status", "200"), ("content-type", "text/event-stream")];
    for (options, told) in [("", false), (r#""stream_options":{"include_usage":true},"#, true)] {
        let body = format!(
            r#"{{"model":"m","stream":true,{options}"messages":[{{"role":"user","content":"Hi"}}]}}"#
        );
        let run = gateway.post(path(OPENAI), &body, (&stream, &[events(ANTHROPIC).as_bytes()]));
        let usage = String::from_utf8(run.body.clone()).unwrap().contains("\"prompt_tokens\":10");
        assert_eq!(usage, told, "{options}");
        // Accounting does not depend on it.
        assert_eq!(run.record().usage.unwrap().output, 5);
    }
}
