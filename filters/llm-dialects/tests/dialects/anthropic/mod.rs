//! The Anthropic dialect over its fixtures.
//!
//! [`goldens`] tells how the fixtures lie and how their expected files are rewritten.

mod properties;

use llm_dialects::Dialect::AnthropicMessages;
use llm_dialects::anthropic::{decode_request, decode_response, encode_request, encode_response};

use crate::goldens::recoding::recode;
use crate::goldens::{self, Goldens, frames, inputs};
use crate::grammar;

#[test]
fn requests() {
    goldens::bodies(AnthropicMessages, "requests", goldens::line, |body| {
        encode_request(&decode_request(body)?)
    });
}

#[test]
fn responses() {
    goldens::bodies(AnthropicMessages, "responses", goldens::line, |body| {
        decode_response(body).map(|response| encode_response(&response))
    });
}

#[test]
fn streams() {
    let mut goldens = Goldens::new(AnthropicMessages, "streams");
    for input in inputs(AnthropicMessages, "streams") {
        let stream = frames::load(AnthropicMessages, &input);
        let recoded = recode(AnthropicMessages, AnthropicMessages, [&stream[..]]).and_error();
        goldens.expect_stream(&input, &recoded);
        if let Err(breach) = grammar::anthropic::read(&recoded.bytes) {
            panic!("{}: {breach}", input.display());
        }
    }
}

#[test]
fn streams_follow_the_rules_of_the_hub() {
    goldens::hub_rules::check(AnthropicMessages);
}
