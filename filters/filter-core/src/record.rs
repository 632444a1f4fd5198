//! What is published about an exchange for access logs.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use llm_dialects::hub::Usage;

/// State key of the record: `%FILTER_STATE(wasm.weir.record:PLAIN)%` (wasm) or
/// `%FILTER_STATE(weir.record:PLAIN)%` (native) in an access log.
pub const RECORD_STATE: &str = "weir.record";

/// One exchange, as far as it is known. Published as JSON whenever more becomes known, so that the last
/// state stands in the access log even when the client goes away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record<'a> {
    /// The client's path, without its query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Cow<'a, str>>,
    /// The endpoint the client called, by its name in configurations: `openai_chat`, `gemini_generate_content`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Cow<'a, str>>,
    /// The provider's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Cow<'a, str>>,
    /// The provider's endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Cow<'a, str>>,
    /// The model the client asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Cow<'a, str>>,
    /// The model the provider was asked for, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_model: Option<Cow<'a, str>>,
    /// The model that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_model: Option<Cow<'a, str>>,
    /// The answer is streamed.
    #[serde(default)]
    pub stream: bool,
    /// Length of the client's request body in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_bytes: Option<u64>,
    /// Tokens, by the provider's count unless they are `estimated`; absent when nothing is known (yet).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<RecordedUsage>,
    /// The provider did not count (yet): `usage` is this gateway's own estimate.
    #[serde(default, skip_serializing_if = "is_false")]
    pub estimated: bool,
    /// When the request came, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<u64>,
    /// From the request to the first piece of the answer, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_first_token_ms: Option<u64>,
    /// From the request to the last piece of the answer so far, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// How many attempts were made, where several providers could be asked and the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u64>,
    /// Every provider was asked, and none could answer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub exhausted: bool,
    /// What the provider filter needs to know of the request beside the above.
    #[serde(default, skip_serializing_if = "Traits::is_default")]
    pub traits: Traits,
    /// How it went.
    pub outcome: Outcome,
    /// Present when no provider can serve the request: the JSON path of what is wrong with it, or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<Cow<'a, str>>,
    /// Why it went wrong, in words that hold nothing of any body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Cow<'a, str>>,
}

/// Traits of a request that decide how it is handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traits {
    /// A streamed answer goes out as a JSON array (Gemini without `alt=sse`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub json_array: bool,
    /// The client asked for usage in an OpenAI stream.
    #[serde(default, skip_serializing_if = "is_false")]
    pub include_usage: bool,
    /// The body holds a signature made by a provider of another dialect.
    #[serde(default, skip_serializing_if = "is_false")]
    pub foreign_signature: bool,
    /// Each field of the record is published under a key of its own as well.
    #[serde(default, skip_serializing_if = "is_false")]
    pub publish_fields: bool,
    /// The path named the model.
    #[serde(default, skip_serializing_if = "is_false")]
    pub model_in_path: bool,
}

impl Traits {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}

/// How an exchange went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The request was handed on, or the answer is still coming: what stands in the log when the client went away, the
    /// provider's connection broke, or the route leads to something that is no LLM provider.
    #[default]
    Partial,
    /// The answer was complete.
    Complete,
    /// The request was refused here.
    Refused,
    /// The provider failed or could not be reached.
    Failed,
}

/// [`Usage`] under the names used in logs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedUsage {
    /// Input tokens neither read from nor written to the prompt cache.
    pub input: u64,
    /// Input tokens read from the prompt cache.
    #[serde(default)]
    pub cache_read: u64,
    /// Input tokens written to the prompt cache.
    #[serde(default)]
    pub cache_write: u64,
    /// Generated tokens, reasoning included.
    pub output: u64,
    /// The part of `output` spent on reasoning.
    #[serde(default)]
    pub reasoning: u64,
    /// The part of `cache_write` that is kept for an hour.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_1h: u64,
    /// The part of the input that is audio.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub audio_input: u64,
    /// The part of `output` that is audio.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub audio_output: u64,
    /// The part of the input that is images.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub image_input: u64,
    /// The part of `output` that is images.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub image_output: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl From<Usage> for RecordedUsage {
    fn from(usage: Usage) -> Self {
        Self {
            input: usage.input_uncached,
            cache_read: usage.cache_read,
            cache_write: usage.cache_write,
            output: usage.output,
            reasoning: usage.reasoning,
            cache_write_1h: usage.cache_write_1h,
            audio_input: usage.audio_input,
            audio_output: usage.audio_output,
            image_input: usage.image_input,
            image_output: usage.image_output,
        }
    }
}

impl Record<'_> {
    /// The record as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        // Most records fit: growing by and by is an eighth of the work.
        let mut json = Vec::with_capacity(512);
        // Strings, numbers and fixed keys: there is nothing in a record that could fail to serialise.
        match serde_json::to_writer(&mut json, self) {
            Ok(()) => json,
            Err(_) => Vec::new(),
        }
    }
}
