//! Whatever a service answers: no panic, and a mask has a place for each message.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is a failed test")]

use std::borrow::Cow;

use filter_config::{BedrockGuardrails, Callout, ModelArmor};
use guard_services::{
    Asked, Direction, Error, Message, Verdict, bedrock_guardrails, model_armor, openai_moderation, webhook,
};
use proptest::prelude::*;
use serde_json::{Value, json};

type Read = fn(u16, &[u8], &Asked) -> Result<Verdict, Error>;

/// Each service's view of some messages.
fn services(messages: &[Message<'_>]) -> Vec<(Read, Asked)> {
    let callout = || Callout { cluster: "c".into(), authority: "a".into(), timeout_ms: 1 };
    let guardrail = BedrockGuardrails { callout: callout(), identifier: "g".into(), version: "1".into() };
    let armor =
        ModelArmor { callout: callout(), project: "p".into(), location: "l".into(), template: "t".into() };
    let mut services: Vec<(Read, Asked)> =
        vec![(webhook::verdict, webhook::call("", Direction::Request, messages).1)];
    let asked = |called: Option<(guard_services::Call, Asked)>| called.map(|(_, asked)| asked);
    services.extend(
        asked(openai_moderation::call("m", messages))
            .map(|asked| (openai_moderation::verdict as Read, asked)),
    );
    services.extend(
        asked(bedrock_guardrails::call(&guardrail, Direction::Request, messages))
            .map(|asked| (bedrock_guardrails::verdict as Read, asked)),
    );
    services.extend(
        asked(model_armor::call(&armor, Direction::Response, messages))
            .map(|asked| (model_armor::verdict as Read, asked)),
    );
    services
}

/// JSON out of the words services use.
fn answer() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "action",
        "body",
        "messages",
        "choices",
        "message",
        "content",
        "results",
        "flagged",
        "categories",
        "outputs",
        "text",
        "assessments",
        "sanitizationResult",
        "filterMatchState",
        "filterResults",
        "sdpFilterResult",
        "deidentifyResult",
        "data",
        "matchState",
        "invocationResult",
    ]);
    let leaf = prop_oneof![
        Just(json!("GUARDRAIL_INTERVENED")),
        Just(json!("ANONYMIZED")),
        Just(json!("MATCH_FOUND")),
        Just(json!("NO_MATCH_FOUND")),
        Just(json!("SUCCESS")),
        Just(json!(true)),
        Just(Value::Null),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..4).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

fn check(status: u16, body: &[u8], texts: &[String]) {
    let messages: Vec<_> =
        texts.iter().map(|text| Message { role: "user", content: Cow::Borrowed(text) }).collect();
    for (verdict, asked) in services(&messages) {
        match verdict(status, body, &asked) {
            Ok(Verdict::Mask(masked)) => assert_eq!(masked.len(), messages.len()),
            Ok(Verdict::Reject { status: Some(status), .. }) => assert!((200..600).contains(&status)),
            Ok(_) => assert!((200..300).contains(&status)),
            Err(_) => {}
        }
    }
}

proptest! {
    #[test]
    fn bytes(status in any::<u16>(), body in any::<Vec<u8>>(), texts in prop::collection::vec(any::<String>(), 0..4)) {
        check(status, &body, &texts);
    }

    #[test]
    fn words_of_services(answer in answer(), texts in prop::collection::vec(any::<String>(), 0..4)) {
        check(200, answer.to_string().as_bytes(), &texts);
    }
}
