//! The Bedrock dialect over its fixtures.
//!
//! [`goldens`] tells how the fixtures lie and how their expected files are rewritten. Requests have an expected file for
//! each sort of model.

mod conversations;
mod properties;

use std::fs;

use llm_dialects::Dialect::{AnthropicMessages, BedrockConverse};
use llm_dialects::bedrock::{decode_request, decode_response, encode_request, encode_response};
use llm_dialects::{Dialect, Error};

use crate::goldens::recoding::{Recoded, recode};
use crate::goldens::{self, Goldens, assert_stable, frames, inputs, line};
use crate::grammar;

/// A model of each sort, by the word that stands for it in the names of expected files.
const MODELS: [(&str, &str); 3] = [
    ("claude", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("nova", "us.amazon.nova-2-lite-v1:0"),
    ("llama", "us.meta.llama3-3-70b-instruct-v1:0"),
];
const CLAUDE: &str = MODELS[0].1;

fn reencode(body: &[u8], model: &str) -> Result<Vec<u8>, Error> {
    let mut request = decode_request(body)?;
    assert!(request.model.is_empty() && request.stream.is_none());
    request.model = model.to_owned().into();
    encode_request(&request)
}

#[test]
fn requests() {
    let mut goldens = Goldens::new(BedrockConverse, "requests");
    for input in inputs(BedrockConverse, "requests") {
        let body = fs::read(&input).unwrap();
        if let Err(error) = decode_request(&body) {
            goldens.expect_error(&input, &error);
            continue;
        }
        for (word, model) in MODELS {
            let encoded = reencode(&body, model).unwrap();
            assert_stable(&input, &encoded, &reencode(&encoded, model).unwrap());
            goldens.expect(&input, &format!("{word}.json"), &line(&encoded));
        }
    }
}

#[test]
fn responses() {
    let mut goldens = Goldens::new(BedrockConverse, "responses");
    for input in inputs(BedrockConverse, "responses") {
        let body = fs::read(&input).unwrap();
        match decode_response(&body) {
            Ok(response) => {
                let encoded = encode_response(&response, 0);
                assert_stable(&input, &encoded, &encode_response(&decode_response(&encoded).unwrap(), 0));
                let watched = llm_dialects::inspect::response(BedrockConverse, &body).unwrap();
                assert_eq!(watched.usage, response.usage);
                assert_eq!(watched.model.unwrap_or_default(), response.model);
                goldens.expect(&input, "reencoded.json", &line(&encoded));
            }
            Err(error) => {
                assert!(!error.to_string().contains("secret"));
                goldens.expect_error(&input, &error);
            }
        }
    }
}

/// A stream of Bedrock, which comes in these chunks, told in another dialect.
fn told<'a>(to: Dialect, chunks: impl IntoIterator<Item = &'a [u8]>) -> Recoded {
    recode(BedrockConverse, to, chunks).and_error()
}

fn unframed(bytes: &[u8]) -> String {
    frames::legible(BedrockConverse, bytes)
}

#[test]
fn streams() {
    let mut goldens = Goldens::new(BedrockConverse, "streams");
    for input in inputs(BedrockConverse, "streams") {
        let stream = frames::load(BedrockConverse, &input);
        goldens.expect_stream(&input, &told(BedrockConverse, [&stream[..]]));
        if let Err(breach) = grammar::anthropic::read(&told(AnthropicMessages, [&stream[..]]).bytes) {
            panic!("{}: {breach}", input.display());
        }
    }
}

#[test]
fn streams_follow_the_rules_of_the_hub() {
    goldens::hub_rules::check(BedrockConverse);
}

#[test]
fn streams_say_the_same_at_every_split() {
    for input in inputs(BedrockConverse, "streams") {
        let stream = frames::load(BedrockConverse, &input);
        let whole = told(BedrockConverse, [&stream[..]]);
        let same = |split: Recoded, how: &str| {
            assert_eq!(split.lines, whole.lines, "{} {how}", input.display());
            assert_eq!(split.bytes, whole.bytes, "{} {how}", input.display());
        };
        same(told(BedrockConverse, stream.chunks(1)), "byte by byte");
        for at in 0..stream.len() {
            let (head, tail) = stream.split_at(at);
            same(told(BedrockConverse, [head, tail]), &format!("split at {at}"));
        }
    }
}
