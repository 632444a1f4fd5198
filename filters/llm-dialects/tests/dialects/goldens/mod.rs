//! The fixtures of a dialect and what is expected of them, side by side in
//! `fixtures/<dialect>/<requests|responses|streams>/`: `x.json` beside `x.reencoded.json` (decoded and encoded again in
//! the same dialect) or `x.error.txt`, `x.sse` beside `x.events.txt` (the hub's events) and `x.reencoded.sse`. Streams of
//! AWS messages are kept as text, `x.events`, one message per line: its name, then its payload.
//!
//! `UPDATE_FIXTURES=1 cargo test -p llm-dialects` writes the expected files anew; read the difference as the provider or
//! the client would.
#![allow(dead_code, reason = "every suite uses a part")]

pub mod frames;
pub mod hub_rules;
pub mod planned_blocks;
pub mod recoding;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use llm_dialects::{Dialect, Error};
use proptest::sample::Index;

use recoding::Recoded;

/// The clock of these tests, in seconds since 1970.
pub const NOW: u64 = 1_234_567_890;

/// The folder of the fixtures of a dialect; `kind` is `requests`, `responses` or `streams`.
pub fn folder(dialect: Dialect, kind: &str) -> PathBuf {
    let name = match dialect {
        Dialect::OpenaiChat => "openai_chat",
        Dialect::OpenaiResponses => "openai_responses",
        Dialect::AnthropicMessages => "anthropic",
        Dialect::GeminiGenerate => "gemini",
        Dialect::BedrockConverse => "bedrock",
    };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name).join(kind)
}

/// The inputs in a folder, in order: expected files have another dot in their names.
pub fn inputs(dialect: Dialect, kind: &str) -> Vec<PathBuf> {
    let extension = if kind == "streams" { frames::extension(dialect) } else { "json" };
    let mut paths: Vec<PathBuf> = fs::read_dir(folder(dialect, kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .filter(|path| !path.file_stem().unwrap().to_string_lossy().contains('.'))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{dialect} has no {kind}");
    paths
}

/// One of the inputs with one of its bytes replaced.
pub fn damaged(dialect: Dialect, kind: &str, which: Index, at: Index, byte: u8) -> Vec<u8> {
    let mut body = fs::read(which.get(&inputs(dialect, kind))).unwrap();
    let at = at.index(body.len());
    body[at] = byte;
    body
}

/// JSON laid out for reading; keys stay in their order on the wire.
pub fn pretty(json: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(json).unwrap();
    serde_json::to_string_pretty(&value).unwrap() + "\n"
}

/// The bytes as they are, on one line.
pub fn line(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap() + "\n"
}

/// The comparison of one folder. At its end every file of the folder must have been an input or been compared.
pub struct Goldens {
    dialect: Dialect,
    folder: PathBuf,
    seen: BTreeSet<PathBuf>,
}

impl Goldens {
    /// For the fixtures of that kind.
    pub fn new(dialect: Dialect, kind: &str) -> Self {
        Self { dialect, folder: folder(dialect, kind), seen: BTreeSet::new() }
    }

    /// Compares with the file beside `input` that ends in `suffix`, or writes it.
    pub fn expect(&mut self, input: &Path, suffix: &str, actual: &str) {
        let path = input.with_extension(suffix);
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(&path, actual).unwrap();
        }
        let expected =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(actual, expected, "{} differs", path.display());
        self.seen.extend([input.to_owned(), path]);
    }

    /// Compares why an input is refused.
    pub fn expect_error(&mut self, input: &Path, error: &Error) {
        self.expect(input, "error.txt", &format!("{error}\n"));
    }

    /// Compares the events of a stream, and its bytes in its own dialect.
    pub fn expect_stream(&mut self, input: &Path, recoded: &Recoded) {
        self.expect(input, "events.txt", &recoded.events());
        let suffix = format!("reencoded.{}", frames::extension(self.dialect));
        self.expect(input, &suffix, &frames::legible(self.dialect, &recoded.bytes));
    }
}

impl Drop for Goldens {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for entry in fs::read_dir(&self.folder).unwrap() {
            let path = entry.unwrap().path();
            assert!(self.seen.contains(&path), "nobody reads {}", path.display());
        }
    }
}

/// Every body of a folder, decoded and encoded again: as expected, and the same when that is done once more.
pub fn bodies(
    dialect: Dialect,
    kind: &str,
    layout: fn(&[u8]) -> String,
    reencode: impl Fn(&[u8]) -> Result<Vec<u8>, Error>,
) {
    let mut goldens = Goldens::new(dialect, kind);
    for input in inputs(dialect, kind) {
        match reencode(&fs::read(&input).unwrap()) {
            Ok(encoded) => {
                assert_stable(&input, &encoded, &reencode(&encoded).unwrap());
                goldens.expect(&input, "reencoded.json", &layout(&encoded));
            }
            Err(error) => goldens.expect_error(&input, &error),
        }
    }
}

/// What was encoded from `input` does not change when it is decoded and encoded again.
pub fn assert_stable(input: &Path, encoded: &[u8], again: &[u8]) {
    assert_eq!(
        String::from_utf8_lossy(again),
        String::from_utf8_lossy(encoded),
        "{} changes when encoded twice",
        input.display()
    );
}
