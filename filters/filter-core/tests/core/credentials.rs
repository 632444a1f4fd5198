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
fn tokens_go_where_tokens_are_expected() {
    for (header, key, token) in [("x_goog_api_key", "AIza-k", "ya29.x"), ("api_key", "k", "eyJ0eXAi.x.y")] {
        let credential = format!(r#"{{"from":"client","header":"{header}"}}"#);
        let bearer = format!("Bearer {token}");
        let moved = run(KEEP, &credential, OPENAI, OPENAI, &[("authorization", &bearer)]);
        assert_eq!(got(&moved), (Some(bearer.as_str()), None));
        let bearer = format!("Bearer {key}");
        let moved = run(KEEP, &credential, OPENAI, OPENAI, &[("authorization", &bearer)]);
        assert_eq!(moved.sent_header(&header.replace('_', "-")), Some(key));
        assert_eq!(got(&moved), (None, None));
    }
}

#[test]
fn the_clients_key_may_go_into_any_header() {
    let credential = r#"{"from":"client_in","header":"x-key","prefix":"Key "}"#;
    for client in [OPENAI, ANTHROPIC] {
        let moved = run(KEEP, credential, client, OPENAI, &[("x-api-key", "k")]);
        assert_eq!((moved.sent_header("x-key"), got(&moved)), (Some("Key k"), (None, None)));
        let without = run(KEEP, credential, client, OPENAI, &[]);
        assert_eq!((without.sent_header("x-key"), got(&without)), (None, (None, None)));
    }
}

#[test]
fn headers_of_other_providers_credentials_are_removed() {
    let credential = r#"{"from":"injected"},"credential_headers":["x-own-key"]"#;
    let asked = run("{}", credential, OPENAI, OPENAI, &[("x-own-key", "SECRET"), ("x-other", "kept")]);
    assert_eq!((asked.sent_header("x-own-key"), asked.sent_header("x-other")), (None, Some("kept")));
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
