//! The filters that ship, through the exported hooks, in a fake Envoy.
use crate::fake_envoy::FakeEnvoy;
use testkit::{Expected, Outcome, Script, Splits, Subject, check_every_split};

const CHAT: &str = r#"{"model":"gpt-4.1","messages":[{"role":"user","content":"hi"}]}"#;
const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-4.1-2025-04-14","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;

fn filter(name: &str, json: &str) -> FakeEnvoy {
    FakeEnvoy::with_filter(name, json).unwrap()
}

fn chat() -> Script {
    Script::json("/v1/chat/completions", CHAT, ANSWER)
}

fn record(outcome: &Outcome) -> String {
    outcome.filter_state_text("weir.record").unwrap_or_default().to_owned()
}

#[test]
fn downstream_filters_leave_other_traffic_alone() {
    let script = Script::json("/health", "not json", "neither");
    let expected = Expected::nothing().request_body("not json").response_body("neither").status(200);
    for name in ["llm", "usage"] {
        let outcome = check_every_split(&mut filter(name, ""), &script, &expected).unwrap();
        outcome.passed_through().unwrap();
        assert!(outcome.filter_state.is_empty(), "{:?}", outcome.filter_state);
    }
}

#[test]
fn llm_publishes_the_model_and_routes_again() {
    let mut envoy = filter("llm", r#"{"model_header":"x-gateway-model-name"}"#);
    let expected = Expected::nothing().request_body(CHAT).response_body(ANSWER);
    let outcome = check_every_split(&mut envoy, &chat(), &expected).unwrap();
    assert_eq!(outcome.request.header("x-gateway-model-name"), Some("gpt-4.1"));
    assert_eq!(outcome.route_cache_clears, 1);
}

#[test]
fn llm_refuses_a_body_that_turns_out_too_large() {
    let mut script = chat();
    script.request.headers.remove("content-length");
    let mut envoy = filter("llm", r#"{"max_request_body_bytes":10}"#);
    let outcome = check_every_split(&mut envoy, &script, &Expected::nothing().status(413)).unwrap();
    assert_eq!(outcome.response.header("content-type"), Some("application/json"));
    assert_eq!(outcome.request.headers, None);
}

#[test]
fn llm_gives_an_answer_without_a_body_one() {
    let mut script = chat().with_property(&["response", "code_details"], "route_not_found");
    script.response.headers.set(":status", "404");
    script.response.body.clear();
    let outcome =
        check_every_split(&mut filter("llm", ""), &script, &Expected::nothing().status(404)).unwrap();
    let body = String::from_utf8(outcome.response.body()).unwrap();
    assert!(body.starts_with(r#"{"error":"#), "{body}");
}

#[test]
fn usage_counts_a_stream_and_holds_nothing_back() {
    let event = |delta: &str| {
        format!(
            "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4.1\",{delta}}}\n\n"
        )
    };
    let first = event(r#""choices":[{"index":0,"delta":{"role":"assistant","content":"hello"}}]"#);
    let last = event(r#""choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}"#);
    let events = format!("{first}{last}data: [DONE]\n\n");
    let script = Script::event_stream("/v1/chat/completions", CHAT, events.clone());
    let mut envoy = filter("usage", "");
    let expected = Expected::nothing().response_body(events.as_str());
    let outcome = check_every_split(&mut envoy, &script, &expected).unwrap();
    assert!(record(&outcome).contains(r#""output":2"#), "{}", record(&outcome));

    let splits = Splits { response: vec![first.len()], ..Splits::whole() };
    assert_eq!(envoy.exchange(&script, &splits).response.chunks.len(), 2);
}

/// What a guard on a cluster has ended, the downstream filter ends towards the client.
#[test]
fn llm_ends_what_filters_of_the_cluster_have_ended() {
    let guard = r#"{"response": [{"name": "pii", "check": {"kind": "text", "action": "reject", "builtins": ["ssn"]}}]}"#;
    let event = |text: &str| {
        format!(
            "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"
        )
    };
    let (first, bad) = (event("All is well. "), event("It is 123-45-6789. "));
    let rest = event("And so on. ").repeat(50);
    let script = Script::event_stream("/v1/chat/completions", CHAT, format!("{first}{bad}{rest}"));
    let mut envoy = filter("llm", "").with_upstream("guard", guard).unwrap();
    let at = first.len() + bad.len();
    let splits = Splits { response: vec![first.len(), at, at + 100], ..Splits::whole() };
    let outcome = envoy.exchange(&script, &splits);
    let body = String::from_utf8(outcome.response.body()).unwrap();
    assert!(body.starts_with(&first) && body.contains("guardrail_intervention"), "{body}");
    assert!(!body.contains("123") && !body.contains("And so on"), "{body}");
    assert!(outcome.response.ended && !outcome.reset);
    assert!(record(&outcome).contains(r#""outcome":"refused""#), "{}", record(&outcome));
}

#[test]
fn the_provider_filter_finds_what_the_llm_filter_published() {
    let downstream = filter("llm", "").exchange(&chat(), &Splits::whole());
    let mut attempt = chat();
    for (key, value) in &downstream.filter_state {
        attempt = attempt.with_property(&[key.as_str()], value.clone());
    }
    let mut envoy = filter(
        "provider",
        r#"{"name":"openai","host":"api.openai.com","speaks":[{"endpoint":"openai_chat","path":"/v1/x"}],"model":"gpt-5"}"#,
    );
    let expected = Expected::nothing().request_body(CHAT.replace("gpt-4.1", "gpt-5")).status(200);
    let outcome = check_every_split(&mut envoy, &attempt, &expected).unwrap();
    outcome.passed_through().unwrap();
    assert_eq!(outcome.request.header(":path"), Some("/v1/x"));
    assert_eq!(outcome.request.header(":authority"), Some("api.openai.com"));
    assert!(record(&outcome).contains(r#""provider":"openai""#), "{}", record(&outcome));
}
