//! Streams that break, and what is known of an exchange while it goes on.

use filter_core::fake_host::{FakeStream, Passed, SharedState};
use filter_core::{FilterKind, Outcome, Plan, RECORD_STATE, Record};

use crate::gateway::Gateway;
use crate::scripts::{ANTHROPIC, OPENAI, events, path, provider, request};

const STREAM: &[(&str, &str)] = &[(":status", "200"), ("content-type", "text/event-stream")];
const PAIRS: [(&str, &str); 4] =
    [(OPENAI, OPENAI), (OPENAI, ANTHROPIC), (ANTHROPIC, OPENAI), (ANTHROPIC, ANTHROPIC)];

#[test]
fn truncated_streams_end_in_an_error_event() {
    for (client, upstream) in PAIRS {
        let gateway = Gateway::new("{}", &provider(upstream));
        let whole = events(upstream).as_bytes();
        // Behind the finish reason a stream counts as complete.
        let marker = if upstream == OPENAI { "\"finish_reason\":\"stop\"" } else { "event: message_delta" };
        let finish = events(upstream).find(marker).unwrap();
        for at in 1..finish {
            let run = gateway.post(path(client), request(client, true), (STREAM, &[&whole[..at]]));
            let told = String::from_utf8_lossy(&run.body).into_owned();
            let last = told.trim_end().rsplit("\n\n").next().unwrap();
            let is_error = if client == OPENAI {
                last.starts_with("data: {\"error\":{\"message\":")
            } else {
                last.starts_with("event: error\ndata: {\"type\":\"error\",")
            };
            assert!(is_error && told.ends_with("\n\n"), "{client}, {upstream}, cut at {at}: {told}");
            assert_eq!(run.record().outcome, Outcome::Failed);
            if client == upstream {
                assert!(run.body.starts_with(&whole[..at]), "what came before is untouched");
            }
        }
    }
}

#[test]
fn errors_in_a_stream_end_it() {
    for (client, upstream) in PAIRS {
        let error = if upstream == OPENAI {
            "data: {\"error\":{\"message\":\"Overloaded\",\"type\":\"overloaded_error\",\"code\":null}}\n\n"
        } else {
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"
        };
        let first = events(upstream).find("\n\n").unwrap() + 2;
        let body = [&events(upstream)[..first], error].concat();
        let gateway = Gateway::new("{}", &provider(upstream));
        let run = gateway.post(path(client), request(client, true), (STREAM, &[body.as_bytes()]));
        let told = String::from_utf8(run.body.clone()).unwrap();
        assert_eq!(told.matches("Overloaded").count(), 1, "{told}");
        assert!(!told.contains("[DONE]") && !told.contains("message_stop"), "{told}");
        assert_eq!(run.record().outcome, Outcome::Failed);
    }
}

fn record(state: &SharedState) -> Record<'static> {
    serde_json::from_slice(&state.borrow()[RECORD_STATE]).unwrap()
}

#[test]
fn the_record_grows_with_the_stream() {
    for (client, upstream) in PAIRS {
        let state = SharedState::default();
        let llm = Plan::compile(FilterKind::Llm, b"").unwrap();
        let provider = Plan::compile(FilterKind::Provider, provider(upstream).as_bytes()).unwrap();
        let body = request(client, true);
        let headers = [(":method", "POST"), (":path", path(client))];
        FakeStream::start(&llm, &state).request(&headers, &[body.as_bytes()]);
        let mut attempt = FakeStream::start(&provider, &state);
        attempt.request(&headers, &[body.as_bytes()]);
        let sent = record(&state);
        assert_eq!((sent.outcome, sent.stream, sent.usage), (Outcome::Partial, true, None));
        assert_eq!((sent.client.as_deref(), sent.model.as_deref()), (Some(client), Some("m")));

        attempt.response(STREAM, &[events(upstream).as_bytes()]);
        let complete = record(&state);
        assert_eq!((complete.provider.as_deref(), complete.upstream.as_deref()), (Some("p"), Some(upstream)));
        assert_eq!(
            (complete.outcome, complete.error, complete.answered_model.as_deref()),
            (Outcome::Complete, None, Some("m-1"))
        );
        let usage = complete.usage.unwrap();
        assert_eq!((usage.input, usage.cache_read, usage.output, usage.reasoning), (6, 4, 5, 2));
    }
}

#[test]
fn a_second_attempt_starts_from_the_clients_request() {
    // The first provider fails; the second speaks another dialect. Both see the client's body.
    let state = SharedState::default();
    let llm = Plan::compile(FilterKind::Llm, b"").unwrap();
    let body = request(OPENAI, false);
    let mut downstream = FakeStream::start(&llm, &state);
    let length = body.len().to_string();
    let sent = [(":method", "POST"), (":path", path(OPENAI)), ("content-length", length.as_str())];
    downstream.request(&sent, &[body.as_bytes()]);
    let mut headers: Vec<(String, String)> =
        downstream.host.headers[&filter_core::HeaderMap::Request].clone();
    for (upstream, version) in
        [(ANTHROPIC, Some("2023-06-01")), (OPENAI, None), (ANTHROPIC, Some("2023-06-01"))]
    {
        let plan = Plan::compile(FilterKind::Provider, provider(upstream).as_bytes()).unwrap();
        let mut attempt = FakeStream::start(&plan, &state);
        let lent: Vec<(&str, &str)> = headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let passed = attempt.request(&lent, &[body.as_bytes()]);
        let Passed::On(sent) = passed else { panic!("{passed:?}") };
        headers = attempt.host.headers[&filter_core::HeaderMap::Request].clone();
        let found = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!((found(":path"), found("anthropic-version")), (Some(path(upstream)), version));
        // The length is that of what is sent, not of what an earlier attempt sent.
        assert_eq!(found("content-length"), Some(sent.len().to_string().as_str()));
        attempt.response(&[(":status", "500")], &[]);
        assert_eq!(record(&state).upstream.as_deref(), Some(upstream));
    }
}
