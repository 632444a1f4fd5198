//! What policies do to whole bodies.

mod caching;
mod fields;
mod prompt;

use std::borrow::Cow;

use expressions::Context;
use llm_dialects::Dialect;
use serde_json::{Value, json};

use crate::{Error, RequestPolicy};

/// A policy from its configuration as JSON.
fn policy(config: Value) -> RequestPolicy {
    RequestPolicy::compile(&serde_json::from_value(config).unwrap()).unwrap()
}

fn before(policy: &RequestPolicy, dialect: Dialect, body: &str) -> Result<String, Error> {
    let edited = policy.before(dialect, body.as_bytes(), &Context::new())?;
    Ok(String::from_utf8(edited.into_owned()).unwrap())
}

fn after(policy: &RequestPolicy, dialect: Dialect, model: &str, body: &str) -> String {
    let body = policy.after(dialect, model, body.as_bytes().to_vec(), &Context::new()).unwrap();
    String::from_utf8(body).unwrap()
}

#[test]
fn an_empty_policy_lends_the_body() {
    let policy = policy(json!({}));
    assert!(policy.is_empty_before() && policy.is_empty_after());
    // Nothing is parsed, so nothing is refused.
    let lent = policy.before(Dialect::OpenaiChat, b"not JSON", &Context::new()).unwrap();
    assert!(matches!(lent, Cow::Borrowed(b"not JSON")));
    assert_eq!(after(&policy, Dialect::OpenaiChat, "m", "not JSON"), "not JSON");
}

#[test]
fn mistakes_in_the_configuration_are_named_by_their_path() {
    let message = |config: Value| {
        RequestPolicy::compile(&serde_json::from_value(config).unwrap()).unwrap_err().to_string()
    };
    assert_eq!(
        message(json!({"transformations": {"n": "1 +"}})).split(": line 1").next(),
        Some("transformations.n")
    );
    assert!(
        message(json!({"final_transformations": {"n": "uuid()"}}))
            .starts_with("final_transformations.n: `uuid`")
    );
    assert!(
        message(
            json!({"prompt": {"append": [{"role": "user", "content": ""}, {"role": "tool", "content": ""}]}})
        )
        .starts_with("prompt.append[1].role: must be")
    );
}
