//! OpenAI responses against bodies as OpenAI documents them and its SDKs send them, in `fixtures/openai_responses`.
//!
//! [`goldens`] tells how the fixtures lie and how their expected files are rewritten.

// A test fails by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "anthropic_grammar/mod.rs"]
mod anthropic_grammar;
#[path = "openai_responses/conversations.rs"]
mod conversations;
mod goldens;
#[path = "openai_responses/grammar.rs"]
mod grammar;
#[path = "openai_responses/requests.rs"]
mod requests;
#[path = "openai_responses/streams.rs"]
mod streams;

use std::fs;

use goldens::recoding::{Recoded, recode};
use goldens::{Goldens, NOW, inputs, pretty};
use llm_dialects::Dialect::OpenaiResponses;
use llm_dialects::openai_responses::{decode_request, decode_response, encode_request, encode_response};

fn fixture(name: &str) -> Vec<u8> {
    fs::read(goldens::folder(OpenaiResponses, name)).unwrap()
}

fn reencode(body: &[u8]) -> Vec<u8> {
    encode_request(&decode_request(body).unwrap()).unwrap()
}

#[test]
fn requests_keep_what_they_say() {
    goldens::bodies(OpenaiResponses, "requests", pretty, |body| encode_request(&decode_request(body)?));
}

#[test]
fn responses_keep_what_they_say() {
    goldens::bodies(OpenaiResponses, "responses", pretty, |body| {
        decode_response(body).map(|response| encode_response(&response, NOW))
    });
}

#[test]
fn streams_keep_what_they_say() {
    let mut goldens = Goldens::new(OpenaiResponses, "streams");
    for input in inputs(OpenaiResponses, "streams") {
        let stream = fs::read(&input).unwrap();
        let whole = told([&stream[..]]);
        for size in [1, 7] {
            let split = told(stream.chunks(size));
            assert_eq!(split.lines, whole.lines, "{}: the split matters", input.display());
            assert_eq!(split.bytes, whole.bytes, "{}: the split matters", input.display());
        }
        goldens.expect_stream(&input, &whole);
    }
}

/// A stream, which comes in these chunks, told in the same dialect.
fn told<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Recoded {
    recode(OpenaiResponses, OpenaiResponses, chunks).noting_error()
}
