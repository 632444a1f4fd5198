//! What the targets of all dialects have in common.
#![allow(dead_code, unused_imports, reason = "not every target uses all of it")]

#[path = "../../../filters/llm-dialects/tests/grammar/mod.rs"]
mod grammar;
mod streams;

use llm_dialects::hub::StreamOptions;
use llm_dialects::{Dialect, Error};
use serde_json::Value;

pub use streams::stream;

/// The clock, in seconds since 1970.
const NOW: u64 = 1_234_567_890;

/// A model of each generation whose rules differ, by dialect.
fn models(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::OpenaiChat | Dialect::OpenaiResponses => &["gpt-5.4", "gpt-4.1", "other"],
        Dialect::AnthropicMessages => &["claude-opus-5-5", "claude-sonnet-4-5", "other"],
        Dialect::GeminiGenerate => &["gemini-3-pro-preview", "gemini-2.5-flash", "other"],
        Dialect::BedrockConverse => &[
            "us.anthropic.claude-opus-4-7",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "us.amazon.nova-2-lite-v1:0",
            "other",
        ],
    }
}

/// A request of `from`: whatever is decoded can be encoded or is refused, in every dialect, as the same valid JSON
/// every time, streamed or not; in its own dialect it is understood again.
pub fn request(from: Dialect, body: &[u8]) {
    let Ok(request) = from.decode_request(body) else { return };
    for to in Dialect::ALL {
        for model in models(to) {
            let mut asked = request.clone();
            asked.model = (*model).into();
            if from.addresses_in_path() {
                asked.stream = Some(StreamOptions { include_usage: true });
            }
            let mut again = asked.clone();
            let sent = match to.encode_request(&mut asked) {
                Ok((sent, _)) => sent,
                Err(Error::Unsupported { .. } | Error::ClientSent { .. }) => continue,
                Err(error) => panic!("{from} to {to}: {error:?}"),
            };
            let same = to.encode_request(&mut again).map(|(sent, _)| sent);
            assert_eq!(same.as_ref(), Ok(&sent), "not stable");
            let json: Value = serde_json::from_slice(&sent).expect("valid JSON");
            assert!(json.is_object());
            to.decode_request(&sent).expect("a request of the dialect");
        }
    }
}

/// An answer, or an error, of any dialect: what comes out is valid JSON, and an answer or an error of the client's
/// dialect, whole and told as a stream.
pub fn response(body: &[u8]) {
    for from in Dialect::ALL {
        let response = from.decode_response(body);
        let error = from.decode_error(500, body);
        for to in Dialect::ALL {
            if let Ok(response) = &response {
                let told = to.encode_response(response, NOW);
                to.decode_response(&told).expect("an answer of the dialect");
                let mut events = Vec::new();
                let mut encoder = to.stream_encoder(NOW, true);
                response.replay(&mut |event| encoder.event(&event, &mut events));
                streams::check(to, &events);
            }
            let told = to.encode_error(&error);
            assert!(to.is_error_body(&told));
            assert!((400..=599).contains(&to.error_status(&error)));
        }
    }
}
