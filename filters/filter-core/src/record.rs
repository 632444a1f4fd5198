//! What is published about an exchange for access logs.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use llm_dialects::hub::Usage;
use llm_dialects::skim;

use crate::Host;

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
    /// Tokens of the input, counted by this gateway; only where limits need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Most tokens of output the request asks for, all answers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output: Option<u64>,
    /// Most tokens of output there is a reservation for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_cap: Option<u64>,
    /// The path named the model.
    #[serde(default, skip_serializing_if = "is_false")]
    pub model_in_path: bool,
    /// The answer is generated behind the exchange (`background` of OpenAI's responses), which does not say what it uses;
    /// only where limits need it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub background: bool,
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

/// Notes that the exchange was refused here, and in a word why.
pub(crate) fn refuse(host: &mut dyn Host, why: &str) {
    edit(host, |record| {
        record.outcome = Outcome::Refused;
        record.error = Some(why.to_owned().into());
    });
}

/// Changes what is published of the exchange. Nothing happens where no filter has published anything.
pub(crate) fn edit(host: &mut dyn Host, change: impl FnOnce(&mut Record<'_>)) {
    let Some(json) = host.state(RECORD_STATE) else { return };
    let Ok(mut record) = serde_json::from_slice::<Record<'_>>(&json) else { return };
    change(&mut record);
    host.publish(RECORD_STATE, &record.to_json());
}

impl Record<'_> {
    /// The record as JSON: what serde makes of it, in a third of the time. Every exchange writes two or three.
    pub fn to_json(&self) -> Vec<u8> {
        let Self {
            path,
            client,
            provider,
            upstream,
            model,
            sent_model,
            answered_model,
            stream,
            request_bytes,
            usage,
            estimated,
            started_ms,
            time_to_first_token_ms,
            duration_ms,
            attempt,
            exhausted,
            traits,
            outcome,
            invalid,
            error,
        } = self;
        // Most records fit: growing by and by is an eighth of the work.
        let mut json = Members(Vec::with_capacity(512));
        json.text(",\"path\":", path.as_deref());
        json.text(",\"client\":", client.as_deref());
        json.text(",\"provider\":", provider.as_deref());
        json.text(",\"upstream\":", upstream.as_deref());
        json.text(",\"model\":", model.as_deref());
        json.text(",\"sent_model\":", sent_model.as_deref());
        json.text(",\"answered_model\":", answered_model.as_deref());
        json.put(if *stream { ",\"stream\":true" } else { ",\"stream\":false" });
        json.number(",\"request_bytes\":", *request_bytes);
        if let Some(usage) = usage {
            json.put(",\"usage\":");
            json.usage(usage);
        }
        json.flag(",\"estimated\":true", *estimated);
        json.number(",\"started_ms\":", *started_ms);
        json.number(",\"time_to_first_token_ms\":", *time_to_first_token_ms);
        json.number(",\"duration_ms\":", *duration_ms);
        json.number(",\"attempt\":", *attempt);
        json.flag(",\"exhausted\":true", *exhausted);
        if !traits.is_default() {
            json.put(",\"traits\":");
            json.value(traits);
        }
        json.put(match outcome {
            Outcome::Partial => ",\"outcome\":\"partial\"",
            Outcome::Complete => ",\"outcome\":\"complete\"",
            Outcome::Refused => ",\"outcome\":\"refused\"",
            Outcome::Failed => ",\"outcome\":\"failed\"",
        });
        json.text(",\"invalid\":", invalid.as_deref());
        json.text(",\"error\":", error.as_deref());
        json.close(0)
    }
}

/// JSON that is being written, each member with a comma and its name in front.
struct Members(Vec<u8>);

impl Members {
    fn put(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn value(&mut self, value: &impl Serialize) {
        // Strings, numbers and fixed keys: there is nothing in a record that could fail to serialise.
        let _ = serde_json::to_writer(&mut self.0, value);
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        self.put(name);
        if value.bytes().fold(false, |found, byte| found | (byte < 0x20 || byte == b'"' || byte == b'\\')) {
            self.value(&value);
        } else {
            self.put("\"");
            self.put(value);
            self.put("\"");
        }
    }

    fn number(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.put(name);
            self.value(&value);
        }
    }

    fn flag(&mut self, member: &str, value: bool) {
        if value {
            self.put(member);
        }
    }

    fn usage(&mut self, usage: &RecordedUsage) {
        let RecordedUsage {
            input,
            cache_read,
            cache_write,
            output,
            reasoning,
            cache_write_1h,
            audio_input,
            audio_output,
            image_input,
            image_output,
        } = *usage;
        let unless_zero = |count: u64| (count != 0).then_some(count);
        let start = self.0.len();
        self.number(",\"input\":", Some(input));
        self.number(",\"cache_read\":", Some(cache_read));
        self.number(",\"cache_write\":", Some(cache_write));
        self.number(",\"output\":", Some(output));
        self.number(",\"reasoning\":", Some(reasoning));
        self.number(",\"cache_write_1h\":", unless_zero(cache_write_1h));
        self.number(",\"audio_input\":", unless_zero(audio_input));
        self.number(",\"audio_output\":", unless_zero(audio_output));
        self.number(",\"image_input\":", unless_zero(image_input));
        self.number(",\"image_output\":", unless_zero(image_output));
        self.end_object(start);
    }

    /// Makes an object of the members from `start` on.
    fn end_object(&mut self, start: usize) {
        if let Some(comma) = self.0.get_mut(start) {
            *comma = b'{';
        }
        self.put("}");
    }

    fn close(mut self, start: usize) -> Vec<u8> {
        self.end_object(start);
        self.0
    }
}

/// Some members of a published record, read without looking closely at the others: every exchange does it twice.
#[derive(Debug, Default)]
pub(crate) struct Published<'j> {
    pub(crate) path: Cow<'j, str>,
    pub(crate) client: Cow<'j, str>,
    pub(crate) provider: Option<Cow<'j, str>>,
    pub(crate) model: Option<Cow<'j, str>>,
    pub(crate) answered_model: Option<Cow<'j, str>>,
    pub(crate) stream: bool,
    pub(crate) request_bytes: u64,
    pub(crate) usage: Option<RecordedUsage>,
    pub(crate) started_ms: Option<u64>,
    pub(crate) time_to_first_token_ms: Option<u64>,
    pub(crate) duration_ms: Option<u64>,
    pub(crate) traits: Traits,
    pub(crate) outcome: Outcome,
    pub(crate) invalid: Option<Cow<'j, str>>,
    pub(crate) error: Option<Cow<'j, str>>,
}

impl<'j> Published<'j> {
    /// Reads what [`Record::to_json`] wrote; `None` for anything else.
    pub(crate) fn read(json: &'j [u8]) -> Option<Self> {
        let mut record = Self::default();
        skim::members(json, |name, value| {
            match name {
                b"path" => record.path = text(value)?,
                b"client" => record.client = text(value)?,
                b"provider" => record.provider = Some(text(value)?),
                b"model" => record.model = Some(text(value)?),
                b"answered_model" => record.answered_model = Some(text(value)?),
                b"stream" => record.stream = value == b"true",
                b"request_bytes" => record.request_bytes = number(value)?,
                b"usage" => record.usage = Some(RecordedUsage::read(value)?),
                b"started_ms" => record.started_ms = Some(number(value)?),
                b"time_to_first_token_ms" => record.time_to_first_token_ms = Some(number(value)?),
                b"duration_ms" => record.duration_ms = Some(number(value)?),
                b"traits" => record.traits = serde_json::from_slice(value).ok()?,
                b"outcome" => {
                    record.outcome = match value {
                        b"\"partial\"" => Outcome::Partial,
                        b"\"complete\"" => Outcome::Complete,
                        b"\"refused\"" => Outcome::Refused,
                        b"\"failed\"" => Outcome::Failed,
                        _ => return None,
                    }
                }
                b"invalid" => record.invalid = Some(text(value)?),
                b"error" => record.error = Some(text(value)?),
                _ => {}
            }
            Some(())
        })?;
        Some(record)
    }
}

impl RecordedUsage {
    /// The usage as far as it is counted in metrics.
    fn read(json: &[u8]) -> Option<Self> {
        let mut usage = Self::default();
        skim::members(json, |name, value| {
            match name {
                b"input" => usage.input = number(value)?,
                b"cache_read" => usage.cache_read = number(value)?,
                b"cache_write" => usage.cache_write = number(value)?,
                b"output" => usage.output = number(value)?,
                _ => {}
            }
            Some(())
        })?;
        Some(usage)
    }
}

fn text(value: &[u8]) -> Option<Cow<'_, str>> {
    match skim::plain_text(value) {
        Some(text) => Some(Cow::Borrowed(text)),
        None => serde_json::from_slice(value).ok().map(Cow::Owned),
    }
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> [Record<'static>; 4] {
        let usage = RecordedUsage {
            input: 1,
            cache_read: 2,
            cache_write: 3,
            output: u64::MAX,
            ..RecordedUsage::default()
        };
        let full = Record {
            path: Some("/v1/\"x\"\n\u{1f600}\u{7f}".into()),
            client: Some("openai_chat".into()),
            provider: Some("p".into()),
            upstream: Some("u".into()),
            model: Some("a\\b".into()),
            sent_model: Some("s".into()),
            answered_model: Some(String::new().into()),
            stream: true,
            request_bytes: Some(7),
            usage: Some(RecordedUsage {
                reasoning: 4,
                cache_write_1h: 5,
                audio_input: 6,
                audio_output: 7,
                image_input: 8,
                image_output: 9,
                ..usage
            }),
            estimated: true,
            started_ms: Some(0),
            time_to_first_token_ms: Some(1),
            duration_ms: Some(2),
            attempt: Some(3),
            exhausted: true,
            traits: Traits { json_array: true, include_usage: true, ..Traits::default() },
            outcome: Outcome::Failed,
            invalid: Some("a.b".into()),
            error: Some("\u{1}".into()),
        };
        let refused = Record { outcome: Outcome::Refused, usage: Some(usage), ..Record::default() };
        let complete = Record { outcome: Outcome::Complete, path: Some("/".into()), ..Record::default() };
        [full, refused, complete, Record::default()]
    }

    #[test]
    fn it_is_written_as_serde_writes_it() {
        for record in records() {
            let json = record.to_json();
            assert_eq!(String::from_utf8_lossy(&json), serde_json::to_string(&record).unwrap());
        }
    }

    #[test]
    fn what_was_written_is_read() {
        for record in records() {
            let json = record.to_json();
            let read = Published::read(&json).unwrap();
            assert_eq!(read.path, record.path.unwrap_or_default());
            assert_eq!(read.client, record.client.unwrap_or_default());
            let texts = (read.provider, read.model, read.answered_model, read.invalid, read.error);
            assert_eq!(
                texts,
                (record.provider, record.model, record.answered_model, record.invalid, record.error)
            );
            let times = (read.started_ms, read.time_to_first_token_ms, read.duration_ms);
            assert_eq!(times, (record.started_ms, record.time_to_first_token_ms, record.duration_ms));
            let others = (read.stream, read.request_bytes, read.traits, read.outcome);
            let request_bytes = record.request_bytes.unwrap_or_default();
            assert_eq!(others, (record.stream, request_bytes, record.traits, record.outcome));
            let counts =
                |usage: RecordedUsage| [usage.input, usage.cache_read, usage.cache_write, usage.output];
            assert_eq!(read.usage.map(counts), record.usage.map(counts));
        }
        assert!(Published::read(b"{}").is_some());
        assert!(Published::read(b"").is_none() && Published::read(br#"{"outcome":"odd"}"#).is_none());
    }
}
