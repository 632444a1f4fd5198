//! The recorded bodies and streams of the translation crate.

use std::fs;
use std::path::{Path, PathBuf};

use filter_config::Endpoint;
use framing::sse;

/// Folder of the recordings, and the endpoint they are of.
pub const DIALECTS: [(&str, Endpoint); 5] = [
    ("openai_chat", Endpoint::OpenaiChat),
    ("openai_responses", Endpoint::OpenaiResponses),
    ("anthropic", Endpoint::AnthropicMessages),
    ("gemini", Endpoint::GeminiStreamGenerateContent),
    ("bedrock", Endpoint::BedrockConverseStream),
];

const TRANSLATED: [(&str, Endpoint); 5] = [
    ("openai_chat", Endpoint::OpenaiChat),
    ("openai_responses", Endpoint::OpenaiResponses),
    ("anthropic_messages", Endpoint::AnthropicMessages),
    ("gemini_generate_content", Endpoint::GeminiStreamGenerateContent),
    ("bedrock_converse", Endpoint::BedrockConverseStream),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../llm-dialects/fixtures")
}

/// The files in a folder with one of the extensions, but for those that were made to fail.
fn files(folder: &Path, extensions: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| extensions.iter().any(|wanted| found == *wanted)))
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with("error_"))
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Bodies of all dialects: those recorded, and what requests or answers of other dialects are translated to.
fn bodies(kind: &str) -> Vec<(Endpoint, String, Vec<u8>)> {
    let mut bodies = Vec::new();
    for (folder, endpoint) in DIALECTS {
        let found = files(&root().join(folder).join(kind), &["json"]);
        assert!(!found.is_empty(), "{folder} {kind}");
        bodies.extend(found.into_iter().map(|(name, body)| (endpoint, name, body)));
    }
    for (from, _) in TRANSLATED {
        for (to, endpoint) in TRANSLATED.iter().filter(|(to, _)| *to != from) {
            // Answers to a client of `from` are made from those of a provider of `to`, and so named after it first.
            let folder = root().join("translate").join(kind).join(format!("{from}_to_{to}"));
            bodies.extend(files(&folder, &["json"]).into_iter().map(|(name, body)| (*endpoint, name, body)));
        }
    }
    bodies
}

pub fn requests() -> Vec<(Endpoint, String, Vec<u8>)> {
    bodies("requests")
}

pub fn answers() -> Vec<(Endpoint, String, Vec<u8>)> {
    bodies("responses")
}

/// Events of a stream: name and data.
pub type Events = Vec<(String, Vec<u8>)>;

pub fn events(name: &str, bytes: &[u8]) -> Events {
    let mut events = Vec::new();
    if name.ends_with(".sse") {
        let mut decoder = sse::Decoder::new(sse::Limits::default());
        decoder
            .feed(bytes, |frame| {
                let sse::Frame::Event(event) = frame else { return Ok(()) };
                let name = event.event.map(|name| String::from_utf8_lossy(name).into_owned());
                events.push((name.unwrap_or_default(), event.data.to_vec()));
                Ok::<(), framing::Error>(())
            })
            .unwrap();
    } else {
        // A message in a line: its name, then its payload.
        for line in String::from_utf8(bytes.to_vec()).unwrap().lines().filter(|line| !line.is_empty()) {
            let (name, payload) = line.split_once(' ').unwrap();
            events.push((name.to_owned(), payload.as_bytes().to_vec()));
        }
    }
    events
}

/// Streams of all dialects.
pub fn streams() -> Vec<(Endpoint, String, Events)> {
    let mut streams = Vec::new();
    let mut add = |endpoint, folder: PathBuf| {
        for (name, bytes) in files(&folder, &["sse", "events"]) {
            // Broken on purpose.
            if !name.contains("/malformed.") {
                streams.push((endpoint, name.clone(), events(&name, &bytes)));
            }
        }
    };
    for (folder, endpoint) in DIALECTS {
        add(endpoint, root().join(folder).join("streams"));
    }
    for (from, _) in TRANSLATED {
        for (to, endpoint) in TRANSLATED {
            add(endpoint, root().join("translate/streams").join(format!("{from}_to_{to}")));
        }
    }
    assert!(streams.len() > 100, "{}", streams.len());
    streams
}

/// One conversation's answer, as every dialect says it at once and streamed.
pub fn canonical() -> Vec<(Endpoint, Vec<u8>, Events)> {
    let folder = root().join("translate/canonical");
    TRANSLATED
        .into_iter()
        .map(|(name, endpoint)| {
            let answer = fs::read(folder.join(format!("{name}.answer.json"))).unwrap();
            let stream = fs::read(folder.join(format!("{name}.stream"))).unwrap();
            let kind = if name == "bedrock_converse" { ".events" } else { ".sse" };
            (endpoint, answer, events(kind, &stream))
        })
        .collect()
}
