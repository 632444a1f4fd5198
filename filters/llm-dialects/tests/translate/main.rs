//! From any client's dialect to any provider's and back: every pair of two different dialects, unary and streamed,
//! and what users of other gateways tripped over (the T-numbers).
//!
//! Whatever comes out is read by [`readers`], which are as strict as the strictest provider and client. What becomes
//! of each feature is claimed in [`features`], checked by [`table`] and written by it into `docs/translation.md`
//! (`WEIR_UPDATE=1` rewrites the tables). Expected files are in `fixtures/translate/<requests|responses|streams>/`
//! (`UPDATE_FIXTURES=1` writes them anew; read the difference as the provider or the client would).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // A panic is a failed test.

mod canonical;
mod errors;
mod features;
mod goldens;
#[path = "../grammar/mod.rs"]
mod grammar;
mod media;
mod odd_answers;
mod odd_requests;
mod odd_values;
mod pipe;
mod properties;
mod readers;
#[path = "../dialects/goldens/mod.rs"]
mod recorded;
mod refused_values;
mod streams;
mod table;
mod thinking;
mod tool_loops;
mod usage;

use llm_dialects::Dialect::{
    self, AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiResponses,
};
use llm_dialects::{Error, hub};
use recorded::NOW;
use serde_json::Value;

/// Every pair of a client and a provider that need translation, client first.
fn pairs() -> impl Iterator<Item = (Dialect, Dialect)> {
    Dialect::ALL
        .into_iter()
        .flat_map(|client| Dialect::ALL.into_iter().map(move |provider| (client, provider)))
        .filter(|(client, provider)| client != provider)
}

/// The model a request is sent to, as an alias in a provider's configuration would name it: one that thinks.
fn model_of(dialect: Dialect) -> &'static str {
    match dialect {
        OpenaiChat | OpenaiResponses => "gpt-5",
        AnthropicMessages => "claude-sonnet-4-5",
        GeminiGenerate => "gemini-3-pro-preview",
        BedrockConverse => "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    }
}

/// A request as the provider gets it; `model` is the provider's.
fn request(from: Dialect, to: Dialect, model: &str, body: &[u8]) -> Result<Vec<u8>, Error> {
    request_with(from, to, model, body, |_| {})
}

/// The same, with a change to the decoded request.
fn request_with(
    from: Dialect,
    to: Dialect,
    model: &str,
    body: &[u8],
    change: impl FnOnce(&mut hub::Request<'_>),
) -> Result<Vec<u8>, Error> {
    let mut request = from.decode_request(body)?;
    request.model = model.to_owned().into();
    change(&mut request);
    to.encode_request(&mut request).map(|(body, _)| body)
}

/// A request of `client` as `provider` gets it, which it takes.
fn provider_gets(client: Dialect, provider: Dialect, body: &Value) -> Value {
    let sent = request(client, provider, model_of(provider), body.to_string().as_bytes())
        .unwrap_or_else(|error| panic!("{client} to {provider}: {error}"));
    let sent = serde_json::from_slice(&sent).unwrap();
    readers::request(provider, &sent).unwrap_or_else(|breach| panic!("{client} to {provider}: {breach}"));
    sent
}

/// An answer of `from` as a client of `to` gets it. Bedrock does not name the model that answers, so the gateway does.
fn response(from: Dialect, to: Dialect, body: &[u8]) -> Result<Vec<u8>, Error> {
    let mut response = from.decode_response(body)?;
    if response.model.is_empty() {
        response.model = model_of(from).into();
    }
    Ok(to.encode_response(&response, NOW))
}

/// The smallest request of a dialect.
fn base(dialect: Dialect) -> Value {
    serde_json::from_str(match dialect {
        OpenaiChat => r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]}"#,
        OpenaiResponses => r#"{"model":"m","input":[{"role":"user","content":"Hi"}]}"#,
        AnthropicMessages => r#"{"model":"m","max_tokens":9000,"messages":[{"role":"user","content":"Hi"}]}"#,
        GeminiGenerate => r#"{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}"#,
        BedrockConverse => r#"{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}"#,
    })
    .unwrap()
}

/// A body with some of its top-level fields replaced.
fn laid_over(mut body: Value, patch: &Value) -> Value {
    for (key, value) in patch.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}
