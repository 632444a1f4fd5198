//! OpenAI responses against bodies as OpenAI documents them and its SDKs send them, in `fixtures/openai_responses`.
//!
//! [`goldens`] tells how the fixtures lie and how their expected files are rewritten.

mod conversations;
mod requests;
mod streams;

use std::fs;

use llm_dialects::Dialect::OpenaiResponses;
use llm_dialects::openai_responses::{decode_request, decode_response, encode_request, encode_response};

use crate::goldens::recoding::{Recoded, recode};
use crate::goldens::{self, Goldens, NOW, inputs, pretty};

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
