//! Every fixture of every dialect in every other: read strictly, and compared with expected files for those that say
//! most ([`is_golden`]).

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use llm_dialects::{Dialect, Error};

use crate::canonical::fixtures;
use crate::pipe::stream;
use crate::recorded::frames::{self, legible};
use crate::{model_of, pairs, readers, recorded, request, response};

/// The fixtures of a dialect, by name.
pub(crate) fn inputs(dialect: Dialect, kind: &str) -> Vec<(String, Vec<u8>)> {
    let name = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    let paths = recorded::inputs(dialect, kind);
    if kind == "streams" {
        return paths.iter().map(|path| (name(path), frames::load(dialect, path))).collect();
    }
    paths.iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}

/// Whether a fixture has expected files: all between the two dialects most clients speak, a few of the others.
fn is_golden(from: Dialect, to: Dialect, name: &str) -> bool {
    let most = |dialect| matches!(dialect, Dialect::OpenaiChat | Dialect::AnthropicMessages);
    let few = [
        "tool_loop",
        "tool_round",
        "parallel_tools",
        "parameters",
        "thinking",
        "thinking_blocks",
        "reasoning",
        "tools",
        "tool_calls",
        "citations",
    ];
    (most(from) && most(to)) || few.contains(&name)
}

/// The expected files of one direction.
struct Goldens {
    from: Dialect,
    to: Dialect,
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
        Self { from, to, folder, seen: BTreeSet::new() }
    }

    fn compare(&mut self, name: &str, extension: &str, actual: &str) {
        if !is_golden(self.from, self.to, name) {
            return;
        }
        let path = self.folder.join(format!("{name}.{extension}"));
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(&path, actual).unwrap();
        }
        let expected =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(actual, expected, "{} differs", path.display());
        self.seen.insert(path);
    }

    /// Compares JSON, laid out for reading, or why there is none.
    fn compare_json(&mut self, name: &str, actual: &Result<Vec<u8>, Error>) {
        match actual {
            Ok(json) => {
                let json: serde_json::Value = serde_json::from_slice(json).unwrap();
                let pretty = format!("{}\n", serde_json::to_string_pretty(&json).unwrap());
                self.compare(name, "json", &pretty);
            }
            Err(error) => self.compare(name, "refused.txt", &format!("{error}\n")),
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
const CLIENT_ERRORS: [&str; 3] = ["broken_arguments", "cache_marks_beyond_four", "sdk_python_after_stream"];

#[test]
fn t01_every_request_is_one_of_the_provider_or_refused() {
    let mut breaches = Vec::new();
    for (from, to) in pairs() {
        let mut goldens = Goldens::new("requests", from, to);
        for (name, body) in inputs(from, "requests") {
            let sent = request(from, to, model_of(to), &body);
            goldens.compare_json(&name, &sent);
            match sent {
                Ok(sent) => {
                    let sent = serde_json::from_slice(&sent).unwrap();
                    let breach = readers::request(to, &sent).err();
                    let known = CLIENT_ERRORS.contains(&name.as_str());
                    if let Some(breach) = breach
                        && !known
                    {
                        breaches.push(format!("{from} to {to}: {name}: {breach}"));
                    }
                }
                Err(Error::Unsupported { .. } | Error::ClientSent { .. }) => {}
                Err(error) => breaches.push(format!("{from} to {to}: {name}: {error:?}")),
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn t01_every_answer_is_one_of_the_client_or_an_error_of_the_provider() {
    let mut breaches = Vec::new();
    for (to, from) in pairs() {
        let mut goldens = Goldens::new("responses", from, to);
        for (name, body) in inputs(from, "responses") {
            let told = response(from, to, &body);
            goldens.compare_json(&name, &told);
            match told {
                Ok(told) => {
                    if let Err(breach) = readers::response(to, &serde_json::from_slice(&told).unwrap()) {
                        breaches.push(format!("{from} to {to}: {name}: {breach}"));
                    }
                    // What was translated can be translated back.
                    to.decode_response(&told).unwrap();
                }
                Err(Error::UpstreamSent { .. }) => {}
                Err(error) => breaches.push(format!("{from} to {to}: {name}: {error:?}")),
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn t01_every_stream_is_one_of_the_client() {
    let mut breaches = Vec::new();
    for (to, from) in pairs() {
        let mut goldens = Goldens::new("streams", from, to);
        for (name, body) in inputs(from, "streams") {
            let told = stream(from, to, [&body[..]]);
            goldens.compare(&name, frames::extension(to), &legible(to, &told));
            if let Err(breach) = readers::stream(to, &told) {
                breaches.push(format!("{from} to {to}: {name}: {breach}"));
            }
            for size in [1, 61] {
                if stream(from, to, body.chunks(size)) != told {
                    breaches.push(format!("{from} to {to}: {name}: in chunks of {size}"));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}
