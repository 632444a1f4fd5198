//! The same conversation and the same answer in every dialect, as clients and providers write them:
//! `fixtures/translate/canonical/<dialect>.*`.

use std::fs;
use std::path::{Path, PathBuf};

use llm_dialects::Dialect;
use serde_json::{Value, json};

use crate::readers::Said;
use crate::recorded::frames::framed;

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn file(dialect: Dialect, what: &str) -> String {
    let path = fixtures().join("translate/canonical").join(format!("{dialect}.{what}"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A request: three turns of tools, the first with three calls at once, whose results come out of order: a failed
/// one, an empty one and one with an image.
pub(crate) fn tool_loop(dialect: Dialect) -> Value {
    serde_json::from_str(&file(dialect, "loop.json")).unwrap()
}

/// An answer: thinking (signed, where the dialect signs), text, two parallel calls, usage.
pub(crate) fn answer(dialect: Dialect) -> Vec<u8> {
    file(dialect, "answer.json").into_bytes()
}

/// The same answer as a stream.
pub(crate) fn stream(dialect: Dialect) -> Vec<u8> {
    let text = file(dialect, "stream");
    if dialect == Dialect::BedrockConverse { framed(&text) } else { text.into_bytes() }
}

/// What a client of `to` reads in the answer of a provider, whole or streamed. The ids of calls may carry a signature
/// behind them; this is without.
pub(crate) fn said(to: Dialect) -> Said {
    let stop = match to {
        Dialect::OpenaiChat => "tool_calls",
        Dialect::OpenaiResponses => "completed",
        Dialect::AnthropicMessages | Dialect::BedrockConverse => "tool_use",
        Dialect::GeminiGenerate => "STOP",
    };
    let call = |id: &str, city: &str| (id.to_owned(), "weather".to_owned(), json!({ "city": city }));
    Said {
        text: "I look them up.".to_owned(),
        reasoning: "Two cities.".to_owned(),
        calls: vec![call("call_1", "Oslo"), call("call_2", "Rome")],
        stop: stop.to_owned(),
        usage: Some((100, 20)),
        error: None,
    }
}

/// The same with ids that carry no signature.
pub(crate) fn unsigned(mut said: Said) -> Said {
    for (id, _, _) in &mut said.calls {
        if let Some((own, _)) = id.split_once("_weir-sig_") {
            *id = own.to_owned();
        }
    }
    said
}
