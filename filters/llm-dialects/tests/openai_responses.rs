//! OpenAI responses against bodies as OpenAI documents them and its SDKs send them, in `fixtures/openai_responses`.
//!
//! Each fixture lies beside what is expected of it: `x.json` beside `x.reencoded.json` (decoded and encoded again in the
//! same dialect), `x.sse` beside `x.events.txt` (the hub's events) and `x.reencoded.sse`. Run with `UPDATE_GOLDEN=1` to
//! write the expected files anew, and read the difference before keeping it.

// A test fails by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "anthropic_grammar/mod.rs"]
mod anthropic_grammar;
#[path = "openai_responses/conversations.rs"]
mod conversations;
#[path = "openai_responses/grammar.rs"]
mod grammar;
#[path = "openai_responses/requests.rs"]
mod requests;
#[path = "openai_responses/streams.rs"]
mod streams;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use framing::sse::{Decoder, Frame, Limits};
use llm_dialects::hub::StreamEvent;
use llm_dialects::openai_responses::{
    StreamDecoder, StreamEncoder, decode_request, decode_response, encode_request, encode_response,
};

/// The clock of these tests, in seconds since 1970.
const NOW: u64 = 1_234_567_890;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/openai_responses").join(name)
}

/// The fixtures of a folder: files that end in `extension` and are not expected files themselves.
fn fixtures(name: &str, extension: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .filter(|path| !path.to_string_lossy().contains(".reencoded."))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no fixtures in {name}");
    paths
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(folder(name)).unwrap()
}

/// Compares with the expected file beside the fixture.
fn assert_golden(input: &Path, extension: &str, actual: &str) {
    let expected = input.with_extension(extension);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&expected, actual).unwrap();
    }
    let wanted =
        fs::read_to_string(&expected).unwrap_or_else(|_| panic!("{} is missing", expected.display()));
    assert_eq!(actual, wanted, "{} differs", expected.display());
}

fn pretty(json: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(json).unwrap();
    serde_json::to_string_pretty(&value).unwrap() + "\n"
}

fn reencode(body: &[u8]) -> Vec<u8> {
    encode_request(&decode_request(body).unwrap()).unwrap()
}

#[test]
fn requests_keep_what_they_say() {
    for path in fixtures("requests", "json") {
        let encoded = reencode(&fs::read(&path).unwrap());
        assert_golden(&path, "reencoded.json", &pretty(&encoded));
        assert_eq!(reencode(&encoded), encoded, "{}: encoding is not stable", path.display());
    }
}

#[test]
fn responses_keep_what_they_say() {
    for path in fixtures("responses", "json") {
        let body = fs::read(&path).unwrap();
        let encoded = encode_response(&decode_response(&body).unwrap(), NOW);
        assert_golden(&path, "reencoded.json", &pretty(&encoded));
        let again = encode_response(&decode_response(&encoded).unwrap(), NOW);
        assert_eq!(again, encoded, "{}: encoding is not stable", path.display());
    }
}

#[test]
fn streams_keep_what_they_say() {
    for path in fixtures("streams", "sse") {
        let body = fs::read(&path).unwrap();
        let whole = decode_stream(std::iter::once(body.as_slice()));
        for size in [1, 7] {
            let split = decode_stream(body.chunks(size));
            assert_eq!(split.events, whole.events, "{}: the split matters", path.display());
            assert_eq!(split.bytes, whole.bytes, "{}: the split matters", path.display());
        }
        assert_golden(&path, "events.txt", &whole.events);
        assert_golden(&path, "reencoded.sse", std::str::from_utf8(&whole.bytes).unwrap());
    }
}

/// What a stream becomes: its hub events, one per line, and its bytes in the same dialect.
struct Decoded {
    events: String,
    bytes: Vec<u8>,
}

/// Decodes a stream that arrives in the given chunks.
fn decode_stream<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Decoded {
    let mut framing = Decoder::new(Limits::default());
    let mut decoder = StreamDecoder::default();
    let mut encoder = StreamEncoder::new(NOW);
    let mut decoded = Decoded { events: String::new(), bytes: Vec::new() };
    let mut failure = None;
    let mut sink = |event: StreamEvent<'_>, decoded: &mut Decoded| {
        writeln!(decoded.events, "{event:?}").unwrap();
        encoder.event(&event, &mut decoded.bytes);
    };
    let mut on_frame = |frame: Frame<'_>| -> Result<(), framing::Error> {
        match frame {
            Frame::Event(event) if failure.is_none() => {
                let result = decoder.event(event.event, event.data, &mut |event| sink(event, &mut decoded));
                failure = result.err();
            }
            Frame::Event(_) => {}
            Frame::Comment(_) => sink(StreamEvent::Ping, &mut decoded),
        }
        Ok(())
    };
    for chunk in chunks {
        framing.feed(chunk, &mut on_frame).unwrap();
    }
    framing.finish(&mut on_frame).unwrap();
    let result = match failure {
        Some(error) => Err(error),
        None => decoder.finish(&mut |event| sink(event, &mut decoded)),
    };
    if let Err(error) = result {
        writeln!(decoded.events, "{error:?}").unwrap();
    }
    decoded
}
