//! Every fixture of one dialect in the other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use llm_dialects::{Dialect, Error};

use crate::{DIRECTIONS, client_reads, model_of, readers, request, response, stream};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The fixtures of a dialect, by name: files with this extension that are not expected files.
pub(crate) fn inputs(dialect: Dialect, kind: &str, extension: &str) -> Vec<(String, Vec<u8>)> {
    let folder = match dialect {
        Dialect::OpenaiChat => "openai_chat",
        Dialect::AnthropicMessages => "anthropic",
    };
    let mut inputs = Vec::new();
    for entry in fs::read_dir(fixtures().join(folder).join(kind)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.extension().is_some_and(|found| found == extension) && !name.ends_with(".reencoded") {
            inputs.push((name, fs::read(&path).unwrap()));
        }
    }
    inputs.sort();
    assert!(!inputs.is_empty());
    inputs
}

/// The expected files of one direction.
struct Goldens {
    folder: PathBuf,
    seen: BTreeSet<PathBuf>,
}

impl Goldens {
    fn new(kind: &str, from: Dialect, to: Dialect) -> Self {
        let folder = fixtures().join("translate").join(kind).join(format!("{from}_to_{to}"));
        if std::env::var_os("UPDATE_FIXTURES").is_some() && folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        Self { folder, seen: BTreeSet::new() }
    }

    fn compare(&mut self, name: &str, actual: &[u8]) {
        let path = self.folder.join(name);
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(&path, actual).unwrap();
        }
        let expected = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(
            String::from_utf8_lossy(actual),
            String::from_utf8_lossy(&expected),
            "{} differs",
            path.display()
        );
        self.seen.insert(path);
    }

    /// Compares JSON, laid out for reading, or why there is none.
    fn compare_json(&mut self, name: &str, actual: &Result<Vec<u8>, Error>) {
        match actual {
            Ok(json) => {
                let json: serde_json::Value = serde_json::from_slice(json).unwrap();
                let pretty = format!("{}\n", serde_json::to_string_pretty(&json).unwrap());
                self.compare(&format!("{name}.json"), pretty.as_bytes());
            }
            Err(error) => {
                self.compare(&format!("{name}.refused.txt"), format!("{error}\n").as_bytes());
            }
        }
    }
}

impl Drop for Goldens {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for entry in fs::read_dir(&self.folder).unwrap() {
            let path = entry.unwrap().path();
            assert!(self.seen.contains(&path), "no fixture for {}", path.display());
        }
    }
}

/// Fixtures whose clients made the mistake that the provider will complain about; it is not for a translation
/// to mend a conversation.
const CLIENT_ERRORS: [(&str, &str); 2] =
    [("broken_arguments", "calls without results"), ("cache_marks_beyond_four", "a result of no ")];

#[test]
fn requests() {
    for (from, to) in DIRECTIONS {
        let mut goldens = Goldens::new("requests", from, to);
        for (name, body) in inputs(from, "requests", "json") {
            let sent = request(from, to, model_of(to), &body);
            goldens.compare_json(&name, &sent);
            let Ok(sent) = sent else { continue };
            let breach = readers::request(to, &serde_json::from_slice(&sent).unwrap()).err();
            let known = CLIENT_ERRORS.iter().find(|(fixture, _)| *fixture == name);
            match (breach, known) {
                (None, None) => {}
                (Some(breach), Some((_, expected))) if breach.starts_with(expected) => {}
                (breach, known) => panic!("{from} to {to}: {name}: {breach:?}, expected {known:?}"),
            }
            // T-09: prompt caches live on equal bytes.
            for _ in 0..100 {
                assert!(request(from, to, model_of(to), &body).as_ref() == Ok(&sent), "{name} is not stable");
            }
        }
    }
}

#[test]
fn responses() {
    for (to, from) in DIRECTIONS {
        let mut goldens = Goldens::new("responses", from, to);
        for (name, body) in inputs(from, "responses", "json") {
            let told = response(from, to, &body);
            goldens.compare_json(&name, &told);
            if let Ok(told) = told {
                readers::response(to, &serde_json::from_slice(&told).unwrap())
                    .unwrap_or_else(|breach| panic!("{from} to {to}: {name}: {breach}"));
                // What was translated can be translated back.
                to.decode_response(&told).unwrap();
            }
        }
    }
}

#[test]
fn streams() {
    for (to, from) in DIRECTIONS {
        let mut goldens = Goldens::new("streams", from, to);
        for (name, body) in inputs(from, "streams", "sse") {
            let told = stream(from, to, [&body[..]]);
            goldens.compare(&format!("{name}.sse"), &told);
            client_reads(to, &told).unwrap_or_else(|breach| panic!("{from} to {to}: {name}: {breach}"));
        }
    }
}

#[test]
fn streams_do_not_depend_on_how_they_arrive() {
    for (to, from) in DIRECTIONS {
        for (name, body) in inputs(from, "streams", "sse") {
            let whole = stream(from, to, [&body[..]]);
            for at in 1..body.len() {
                let (head, tail) = body.split_at(at);
                assert!(stream(from, to, [head, tail]) == whole, "{from} to {to}: {name} cut at {at}");
            }
            assert!(stream(from, to, body.chunks(1)) == whole, "{from} to {to}: {name} byte by byte");
        }
    }
}
