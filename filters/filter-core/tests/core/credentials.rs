//! Credentials: the client's goes where it is meant to and nowhere else.

use crate::gateway::{Gateway, Run};
use crate::scripts::{ANTHROPIC, OPENAI, answer, path, request};

const KEEP: &str = r#"{"keep_client_credential":true}"#;

fn run(llm: &str, credential: &str, client: &str, upstream: &str, sent: &[(&str, &str)]) -> Run {
    let provider =
        format!(r#"{{"name":"p","speaks":[{{"endpoint":"{upstream}"}}],"credential":{credential}}}"#);
    let mut headers = vec![(":method", "POST"), (":path", path(client))];
    headers.extend_from_slice(sent);
    let json = [(":status", "200"), ("content-type", "application/json")];
    Gateway::new(llm, &provider).send(
        &headers,
        request(client, false),
        (&json, &[answer(upstream).as_bytes()]),
    )
}

/// What the provider gets in `authorization` and `x-api-key`.
fn got(run: &Run) -> (Option<&str>, Option<&str>) {
    assert!(run.sent.is_some());
    (run.sent_header("authorization"), run.sent_header("x-api-key"))
}

const BEARER: &str = r#"{"from":"client","header":"bearer"}"#;
const X_API_KEY: &str = r#"{"from":"client","header":"x_api_key"}"#;

#[test]
fn the_clients_key_moves_to_where_the_provider_wants_it() {
    for (client, upstream) in
        [(OPENAI, OPENAI), (OPENAI, ANTHROPIC), (ANTHROPIC, OPENAI), (ANTHROPIC, ANTHROPIC)]
    {
        for sent in [("authorization", "Bearer k"), ("x-api-key", "k")] {
            let moved = run(KEEP, BEARER, client, upstream, &[sent]);
            assert_eq!(got(&moved), (Some("Bearer k"), None));
            let moved = run(KEEP, X_API_KEY, client, upstream, &[sent]);
            assert_eq!(got(&moved), (None, Some("k")));
        }
    }
}

#[test]
fn oauth_tokens_of_anthropic_stay_bearer_tokens() {
    let token = [("authorization", "Bearer sk-ant-oat01-x")];
    for credential in [BEARER, X_API_KEY] {
        assert_eq!(
            got(&run(KEEP, credential, ANTHROPIC, ANTHROPIC, &token)),
            (Some("Bearer sk-ant-oat01-x"), None)
        );
    }
    let key = [("authorization", "Bearer sk-ant-api03-x")];
    assert_eq!(got(&run(KEEP, X_API_KEY, ANTHROPIC, ANTHROPIC, &key)), (None, Some("sk-ant-api03-x")));
}

#[test]
fn no_credential_of_the_client_reaches_a_provider_it_is_not_for() {
    let sent = [
        ("authorization", "Bearer SECRET"),
        ("x-api-key", "SECRET"),
        ("api-key", "SECRET"),
        ("x-goog-api-key", "SECRET"),
    ];
    for client in [OPENAI, ANTHROPIC] {
        for upstream in [OPENAI, ANTHROPIC] {
            // Injected, with and without a kept credential; the client's, but none was kept.
            for (llm, credential) in
                [("{}", r#"{"from":"injected"}"#), (KEEP, r#"{"from":"injected"}"#), ("{}", BEARER)]
            {
                let run = run(llm, credential, client, upstream, &sent);
                assert!(
                    run.sent_headers.iter().all(|(_, value)| !value.contains("SECRET")),
                    "{:?}",
                    run.sent_headers
                );
            }
        }
    }
}

#[test]
fn other_schemes_are_no_keys() {
    let basic = [("authorization", "Basic dTpw")];
    assert_eq!(got(&run(KEEP, BEARER, OPENAI, OPENAI, &basic)), (None, None));
}

#[test]
fn the_record_holds_no_credential() {
    let run = run(KEEP, BEARER, OPENAI, OPENAI, &[("authorization", "Bearer SECRET")]);
    let record = run.state.borrow()[filter_core::RECORD_STATE].clone();
    assert!(!String::from_utf8(record).unwrap().contains("SECRET"));
}
