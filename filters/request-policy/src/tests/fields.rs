//! Overrides, transformations and defaults.

use super::*;
use proptest::prelude::*;

#[test]
fn order_and_precedence() {
    let policy = policy(json!({
        "overrides": {"temperature": 0, "user": "gateway", "seed": 1},
        "transformations": {
            "user": "llmRequest.user + '!'",
            "max_tokens": "min(llmRequest.max_tokens, 100)",
            "seed": "llmRequest.nothing",
            "top_p": "fail()",
        },
        "defaults": {"top_p": 0.5, "stop": ["x"], "n": 2},
    }));
    assert!(!policy.is_empty_before() && policy.is_empty_after());
    assert!(policy.references("llmRequest") && !policy.references("request"));
    assert_eq!(
        before(
            &policy,
            Dialect::OpenaiChat,
            "{ \"model\":\"m\", \"temperature\" :1.0, \"user\":\"ann\",\n \"max_tokens\":4096,\"top_p\": 1,\"stop\":null,\"x\":1e2}"
        )
        .unwrap(),
        // The expression sees the client's `user`, not the override; a failing one removes the field, which leaves
        // room for a default; a null is there.
        "{ \"model\":\"m\", \"temperature\" :0, \"user\":\"ann!\",\n \"max_tokens\":100,\"stop\":null,\"x\":1e2,\"n\":2,\"top_p\":0.5}"
    );
}

#[test]
fn expressions_see_the_callers_variables() {
    let policy = policy(json!({"transformations": {"user": "request.headers['x-user'].lowerAscii()"}}));
    let mut context = Context::new();
    context.bind("request", json!({"headers": {"x-user": "ANN"}}));
    let edited = policy.before(Dialect::OpenaiChat, b"{}", &context).unwrap();
    assert_eq!(*edited, *b"{\"user\":\"ann\"}");
    assert!(policy.references("request") && !policy.references("llmRequest"));
}

#[test]
fn a_body_is_lent_when_nothing_changes() {
    let policy = policy(json!({"defaults": {"n": 1}, "transformations": {"x": "nothing"}}));
    let body = b" {\"n\" : null} ";
    assert!(matches!(policy.before(Dialect::OpenaiChat, body, &Context::new()).unwrap(), Cow::Borrowed(_)));
}

#[test]
fn final_transformations_see_the_providers_body() {
    let policy = policy(json!({
        "final_transformations": {"max_tokens": "llmRequest.max_completion_tokens", "max_completion_tokens": "fail()"},
    }));
    assert_eq!(
        after(&policy, Dialect::OpenaiChat, "m", "{\"max_completion_tokens\":5, \"z\":[ ]}"),
        "{ \"z\":[ ],\"max_tokens\":5}"
    );
    let error = policy.after(Dialect::OpenaiChat, "m", b"[]".to_vec(), &Context::new()).unwrap_err();
    assert!(error.to_string().contains("JSON object"));
}

#[test]
fn ambiguous_bodies_are_refused() {
    let policy = policy(json!({"overrides": {"n": 1}}));
    for body in ["", "[]", "{\"a\":1,\"a\":2}", "{\"a\":1}}"] {
        assert!(before(&policy, Dialect::OpenaiChat, body).is_err(), "{body}");
    }
}

/// A body with 20 MB of base64 is neither copied more than once nor parsed into a tree, unless an expression asks.
#[test]
fn large_bodies_keep_their_bytes() {
    let image = "A".repeat(20 << 20);
    let body = format!("{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"{image}\"}}]}}");
    let policy = policy(json!({
        "overrides": {"model": "n"},
        "prompt": {"prepend": [{"role": "system", "content": "S"}]},
    }));
    let edited = before(&policy, Dialect::OpenaiChat, &body).unwrap();
    assert!(edited.starts_with(
        "{\"model\":\"n\",\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\""
    ));
    assert_eq!(edited.len(), body.len() + "{\"role\":\"system\",\"content\":\"S\"},".len());
}

fn fields() -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
        "[a-z\"]{0,4}".prop_map(Value::from)
    ];
    prop::collection::btree_map("[a-f]", value, 0..5).prop_map(|map| map.into_iter().collect())
}

proptest! {
    #[test]
    fn fields_are_those_of_a_tree(body in fields(), overrides in fields(), defaults in fields(), doubled in "[a-f]") {
        let text = serde_json::to_string_pretty(&body).unwrap();
        let policy = policy(json!({
            "overrides": overrides,
            "defaults": defaults,
            "transformations": {doubled.clone(): format!("llmRequest.{doubled} * 2")},
        }));
        let edited = before(&policy, Dialect::OpenaiChat, &text).unwrap();
        prop_assert_eq!(&edited, &before(&policy, Dialect::OpenaiChat, &text).unwrap());
        let mut expected = body.clone();
        expected.extend(overrides.clone());
        match body.get(&doubled).and_then(Value::as_i64) {
            Some(number) => expected.insert(doubled.clone(), json!(number * 2)),
            None => expected.shift_remove(&doubled),
        };
        for (field, value) in &defaults {
            expected.entry(field.clone()).or_insert_with(|| value.clone());
        }
        prop_assert_eq!(serde_json::from_str::<Value>(&edited).unwrap(), Value::Object(expected));
    }
}
