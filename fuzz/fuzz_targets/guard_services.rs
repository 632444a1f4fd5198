//! Answers of guard services. The input is the answer's body.
//!
//! Holds: no panic; a mask has a place for each message, and none for those that were not sent; what was found is told
//! in words.

#![no_main]
#![forbid(unsafe_code)]

use std::borrow::Cow;

use filter_config::{BedrockGuardrails, Callout, ModelArmor};
use guard_services::{
    Asked, Direction, Error, Message, Verdict, bedrock_guardrails, model_armor, openai_moderation, webhook,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let callout = || Callout { cluster: "c".into(), authority: "a".into(), timeout_ms: 1 };
    let guardrail = BedrockGuardrails { callout: callout(), identifier: "g".into(), version: "1".into() };
    let armor =
        ModelArmor { callout: callout(), project: "p".into(), location: "l".into(), template: "t".into() };
    for texts in [vec!["one"], vec!["one", " ", "two"]] {
        let messages: Vec<_> =
            texts.iter().map(|text| Message { role: "user", content: Cow::Borrowed(*text) }).collect();
        let (_, asked) = webhook::call("", Direction::Request, &messages);
        check(webhook::verdict(200, body, &asked), &messages, false);
        let checks: [(fn(u16, &[u8], &Asked) -> Result<Verdict, Error>, _); 3] = [
            (openai_moderation::verdict, openai_moderation::call("m", &messages)),
            (
                bedrock_guardrails::verdict,
                bedrock_guardrails::call(&guardrail, Direction::Request, &messages),
            ),
            (model_armor::verdict, model_armor::call(&armor, Direction::Response, &messages)),
        ];
        for (verdict, called) in checks {
            let (_, asked) = called.expect("there is a text");
            check(verdict(200, body, &asked), &messages, true);
        }
    }
});

fn check(verdict: Result<Verdict, Error>, messages: &[Message<'_>], only_texts: bool) {
    match verdict {
        Ok(Verdict::Mask(masked)) => {
            assert_eq!(masked.len(), messages.len());
            for (message, mask) in messages.iter().zip(masked) {
                assert!(mask.is_some() || only_texts && message.content.trim().is_empty());
            }
        }
        Ok(Verdict::Reject { status, found, .. }) => {
            assert!(status.is_none_or(|status| (200..600).contains(&status)));
            assert!(found.len() <= 32 && found.iter().all(|word| word.is_ascii() && word.len() <= 64));
        }
        Ok(Verdict::Pass) | Err(_) => {}
    }
}
