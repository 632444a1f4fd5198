//! Reading the few facts of a body that routing and accounting need, without decoding the rest.
//!
//! Everything else is skipped over by the JSON parser, which still checks the syntax.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::hub::Usage;
use crate::json::{Str, is_object};
use crate::{Dialect, Error, anthropic, bedrock, detect, gemini, openai_chat, openai_responses, skim};

/// What routing needs to know of a request. The fields stand in the same place in every dialect that has
/// them in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFacts<'a> {
    /// The model asked for; empty when the body names none.
    pub model: Cow<'a, str>,
    /// The answer is to be streamed.
    pub stream: bool,
    /// The client asked for usage in the stream, as OpenAI clients do (`stream_options.include_usage`).
    pub include_usage: bool,
}

/// Reads the facts of a request.
///
/// # Errors
/// [`Error::ClientSent`] when the body is empty, no JSON object, or a field has the wrong type.
pub fn request(body: &[u8]) -> Result<RequestFacts<'_>, Error> {
    match skim_request(body) {
        Some(facts) => Ok(facts),
        None => read_request(body),
    }
}

/// The facts of a plain request; `None` for one that is unusual or faulty.
fn skim_request(body: &[u8]) -> Option<RequestFacts<'_>> {
    let (mut model, mut stream, mut options) = (None, None, None);
    skim::members(body, |name, value| {
        let before = match name {
            b"model" => model.replace(value),
            b"stream" => stream.replace(value),
            b"stream_options" => options.replace(value),
            _ => None,
        };
        before.is_none().then_some(())
    })?;
    let model = match model {
        Some(model) => skim::plain_text(model).filter(|model| !model.trim().is_empty())?,
        None => "",
    };
    let stream = match stream {
        None | Some(b"false") => false,
        Some(b"true") => true,
        Some(_) => return None,
    };
    let mut include_usage = false;
    if let Some(options) = options {
        std::str::from_utf8(options).ok()?;
        skim::members(options, |name, value| {
            include_usage |= name == b"include_usage" && value == b"true";
            // What else may stand there is serde's to judge.
            (name != b"include_usage" || value == b"true").then_some(())
        })?;
    }
    Some(RequestFacts { model: Cow::Borrowed(model), stream, include_usage })
}

fn read_request(body: &[u8]) -> Result<RequestFacts<'_>, Error> {
    #[derive(Deserialize)]
    struct Top<'a> {
        #[serde(borrow, default)]
        model: Option<&'a RawValue>,
        #[serde(borrow, default)]
        stream: Option<&'a RawValue>,
        #[serde(borrow, default)]
        stream_options: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct StreamOptions {
        #[serde(default)]
        include_usage: Option<bool>,
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::client("", "The request has no body; send a JSON object."));
    }
    let invalid = |why: &dyn std::fmt::Display| {
        Error::client("", format!("The request body is not a valid JSON object: {why}."))
    };
    // serde would read an array into a struct, field by field.
    if !is_object(body) {
        return Err(invalid(&"it does not begin with `{`"));
    }
    let top: Top<'_> = serde_json::from_slice(body).map_err(|error| invalid(&error))?;
    let model: Str<'_> = match top.model {
        None => Str::default(),
        Some(raw) => {
            serde_json::from_str(raw.get()).map_err(|_| Error::client("model", "must be a string"))?
        }
    };
    if top.model.is_some() && model.0.trim().is_empty() {
        return Err(Error::client("model", "must not be empty"));
    }
    let stream = match top.stream.map(RawValue::get) {
        None | Some("false" | "null") => false,
        Some("true") => true,
        Some(_) => return Err(Error::client("stream", "must be true or false")),
    };
    // Options of another shape are the codec's to refuse.
    let options = top.stream_options.and_then(|raw| serde_json::from_str::<StreamOptions>(raw.get()).ok());
    let include_usage = options.and_then(|options| options.include_usage) == Some(true);
    Ok(RequestFacts { model: model.0, stream, include_usage })
}

/// The error for a request that names no model where one is needed.
pub fn missing_model() -> Error {
    Error::client("model", "you must provide a model parameter")
}

/// What accounting needs to know of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerFacts {
    /// The model that answered.
    pub model: Option<String>,
    /// Token usage, where the provider says.
    pub usage: Option<Usage>,
}

/// Reads the facts of a whole answer.
///
/// # Errors
/// [`Error::UpstreamSent`] when the body is no JSON object.
pub fn response(dialect: Dialect, body: &[u8]) -> Result<AnswerFacts, Error> {
    match dialect {
        Dialect::OpenaiChat => facts::<openai_chat::Usage<'_>>(body),
        Dialect::OpenaiResponses => openai_responses::response_facts(body),
        Dialect::AnthropicMessages => facts::<anthropic::Usage>(body),
        Dialect::GeminiGenerate => gemini::response_facts(body),
        Dialect::BedrockConverse => bedrock::response_facts(body),
    }
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "U: Deserialize<'de>"))]
struct Answer<'a, U> {
    #[serde(borrow, default)]
    model: Option<Str<'a>>,
    #[serde(default)]
    usage: Option<U>,
}

fn facts<'a, U: Deserialize<'a> + Into<Usage>>(body: &'a [u8]) -> Result<AnswerFacts, Error> {
    match skim_facts::<U>(body) {
        Some(facts) => Ok(facts),
        None => read_facts::<U>(body),
    }
}

/// The facts of a plain answer; `None` for one that is unusual or faulty.
fn skim_facts<'a, U: Deserialize<'a> + Into<Usage>>(body: &'a [u8]) -> Option<AnswerFacts> {
    let (mut model, mut usage) = (None, None);
    skim::members(body, |name, value| {
        let before = match name {
            b"model" => model.replace(value),
            b"usage" => usage.replace(value),
            _ => None,
        };
        before.is_none().then_some(())
    })?;
    let model = match model {
        None | Some(b"null") => None,
        Some(model) => Some(skim::plain_text(model)?.to_owned()),
    };
    let usage: Option<U> = match usage {
        None => None,
        Some(usage) => serde_json::from_slice(usage).ok()?,
    };
    Some(AnswerFacts { model, usage: usage.map(Into::into) })
}

fn read_facts<'a, U: Deserialize<'a> + Into<Usage>>(body: &'a [u8]) -> Result<AnswerFacts, Error> {
    if !is_object(body) {
        return Err(Error::upstream("it is no JSON object"));
    }
    let answer: Answer<'a, U> =
        serde_json::from_slice(body).map_err(|error| Error::upstream(where_(&error)))?;
    Ok(AnswerFacts {
        model: answer.model.map(|model| model.0.into_owned()),
        usage: answer.usage.map(Into::into),
    })
}

/// Where JSON is broken, without quoting it.
fn where_(error: &serde_json::Error) -> String {
    format!("invalid JSON at line {} column {}", error.line(), error.column())
}

/// Watches a stream that passes untouched.
#[derive(Debug)]
pub struct StreamWatch {
    /// `None`: not known.
    dialect: Option<Dialect>,
    /// What is known so far.
    pub facts: AnswerFacts,
    /// The stream has said that it is complete.
    pub complete: bool,
    /// The provider has reported an error inside the stream.
    pub failed: bool,
}

impl StreamWatch {
    /// A watch at the start of a stream.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect: Some(dialect), ..Self::detect() }
    }

    /// A watch over a stream of unknown format.
    pub fn detect() -> Self {
        Self { dialect: None, facts: AnswerFacts::default(), complete: false, failed: false }
    }

    /// Looks at one SSE event. Events that are not of the dialect are none of its business.
    pub fn event(&mut self, name: Option<&[u8]>, data: &[u8]) {
        match self.dialect {
            None => detect::watch(self, data),
            Some(Dialect::OpenaiChat) => self.openai_chat(data),
            Some(Dialect::OpenaiResponses) => openai_responses::watch(self, name, data),
            Some(Dialect::AnthropicMessages) => self.anthropic(name, data),
            Some(Dialect::GeminiGenerate) => gemini::watch(self, name, data),
            Some(Dialect::BedrockConverse) => bedrock::watch(self, name, data),
        }
    }

    fn openai_chat(&mut self, data: &[u8]) {
        if data == b"[DONE]" {
            self.complete = true;
            return;
        }
        // Nearly every event of a stream is a piece of text, and this is how most of them end.
        if self.facts.model.is_some() && PIECE_ENDS.iter().any(|end| data.ends_with(end)) {
            return;
        }
        let has_usage = value_of(data, &KEYS.usage).is_some_and(|first| first == b'{');
        // A piece of text says at its end that the answer goes on, and has nothing more to tell once the model is known.
        if !has_usage && self.facts.model.is_some() && is_unfinished(data) {
            return;
        }
        if value_of(data, &KEYS.finish_reason).is_some_and(|first| first == b'"') {
            self.complete = true;
        }
        if value_of(data, &KEYS.error).is_some_and(|first| first == b'{') {
            self.failed = true;
        }
        if (has_usage || self.facts.model.is_none())
            && let Ok(found) = facts::<openai_chat::Usage<'_>>(data)
        {
            self.merge(found);
        }
    }

    fn anthropic(&mut self, name: Option<&[u8]>, data: &[u8]) {
        #[derive(Deserialize)]
        struct Start<'a> {
            #[serde(borrow)]
            message: Answer<'a, anthropic::Usage>,
        }
        #[derive(Deserialize)]
        struct Event {
            #[serde(default)]
            usage: Option<anthropic::Usage>,
        }
        #[derive(Deserialize)]
        struct Type<'a> {
            #[serde(borrow, rename = "type")]
            kind: Str<'a>,
        }
        let from_data: Str<'_>;
        let kind = match name {
            Some(name) => name,
            None => match serde_json::from_slice::<Type<'_>>(data) {
                Ok(event) => {
                    from_data = event.kind;
                    from_data.0.as_bytes()
                }
                Err(_) => return,
            },
        };
        match kind {
            b"message_start" => {
                if let Ok(start) = serde_json::from_slice::<Start<'_>>(data) {
                    self.merge(AnswerFacts {
                        model: start.message.model.map(|model| model.0.into_owned()),
                        usage: start.message.usage.map(Into::into),
                    });
                }
            }
            b"message_delta" => {
                if let Ok(Event { usage: Some(delta) }) = serde_json::from_slice::<Event>(data) {
                    self.facts.usage = Some(delta.over(self.facts.usage.unwrap_or_default()));
                }
            }
            b"message_stop" => self.complete = true,
            b"error" => self.failed = true,
            _ => {}
        }
    }

    /// Adds what an event said: the first model and the last usage count.
    pub(crate) fn merge(&mut self, found: AnswerFacts) {
        if self.facts.model.is_none() {
            self.facts.model = found.model;
        }
        if found.usage.is_some() {
            self.facts.usage = found.usage;
        }
    }
}

/// How far from its end an event is searched for its finish reason: past it, providers write a usage of
/// null and padding against traffic analysis.
const TAIL: usize = 128;

/// Ends of OpenAI events that say that the answer goes on and that there is no usage. An event whose usage stands behind
/// its choices cannot end so with a usage in it.
const PIECE_ENDS: [&[u8]; 1] = [b"\"finish_reason\":null}],\"usage\":null}"];

/// Whether an OpenAI event says at its end that the answer goes on.
fn is_unfinished(data: &[u8]) -> bool {
    let tail = data.get(data.len().saturating_sub(TAIL)..).unwrap_or(data);
    // Inside a string the quotes would be escaped.
    KEYS.unfinished.find(tail).is_some()
}

/// Searchers for keys of chunks, made once: making one costs more than a search.
static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys {
    unfinished: memmem::Finder::new(b"\"finish_reason\":null"),
    finish_reason: memmem::Finder::new(b"\"finish_reason\""),
    error: memmem::Finder::new(b"\"error\""),
    usage: memmem::Finder::new(b"\"usage\""),
});

struct Keys {
    unfinished: memmem::Finder<'static>,
    finish_reason: memmem::Finder<'static>,
    error: memmem::Finder<'static>,
    usage: memmem::Finder<'static>,
}

/// The first byte of the value behind the first occurrence of a key (with its quotes). Inside a JSON
/// string the quotes of a key are escaped, so text never looks like a key.
fn value_of(data: &[u8], key: &memmem::Finder<'_>) -> Option<u8> {
    let at = key.find(data)? + key.needle().len();
    let mut rest = data.get(at..)?.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    (rest.next()? == b':').then(|| rest.next()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_facts() {
        let facts = request(br#"{"messages":[{"model":"no"}],"stream":true,"model":"gpt-4o"}"#).unwrap();
        assert_eq!(facts, RequestFacts { model: "gpt-4o".into(), stream: true, include_usage: false });
        assert!(matches!(facts.model, Cow::Borrowed(_)));
        let facts = request(br#"{"stream_options":{"include_usage":true}}"#).unwrap();
        assert!(facts.include_usage && facts.model.is_empty());
    }

    #[test]
    fn bad_requests_say_what_is_wrong() {
        let message = |body: &[u8]| request(body).unwrap_err().to_string();
        assert!(message(b"").contains("no body"));
        assert!(message(b"{").contains("not a valid JSON object"));
        assert!(message(b"[]").contains("not a valid JSON object"));
        assert!(message(br#"{"model":5}"#).contains("model: must be a string"));
        assert!(message(br#"{"model":" "}"#).contains("must not be empty"));
        assert!(message(br#"{"model":"m","stream":"yes"}"#).contains("stream: must be true or false"));
        assert!(message(br#"{"model":"m","model":"n"}"#).contains("duplicate field"));
    }

    #[test]
    fn keys_inside_strings_are_not_keys() {
        assert_eq!(value_of(br#"{"text":"\"usage\": {}"}"#, &KEYS.usage), None);
        assert_eq!(value_of(br#"{"usage" : {"#, &KEYS.usage), Some(b'{'));
        assert_eq!(value_of(br#"{"usage":null}"#, &KEYS.usage), Some(b'n'));
    }

    #[test]
    fn unfinished_events_are_known_by_their_end() {
        assert!(is_unfinished(br#"{"choices":[{"delta":{"content":"x"},"finish_reason":null}]}"#));
        assert!(is_unfinished(
            br#"{"choices":[{"delta":{},"finish_reason":null}],"usage":null,"obfuscation":"aX93"}"#
        ));
        assert!(!is_unfinished(br#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}"#));
        assert!(!is_unfinished(br#"{"choices":[],"usage":{"prompt_tokens":1}}"#));
        assert!(!is_unfinished(br#"{"delta":"\"finish_reason\":null"}"#));
        assert!(!is_unfinished(b"\":null"));
    }

    #[test]
    fn watches_openai() {
        let mut watch = StreamWatch::new(Dialect::OpenaiChat);
        watch.event(
            None,
            br#"{"model":"m","choices":[{"delta":{"role":"assistant"},"finish_reason":null}],"usage":null}"#,
        );
        assert!(!watch.complete);
        watch.event(None, br#"{"model":"m","choices":[{"delta":{},"finish_reason":"stop"}]}"#);
        assert!(watch.complete);
        watch.event(None, br#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":4}}}"#);
        assert_eq!(watch.facts.model.as_deref(), Some("m"));
        let usage = watch.facts.usage.unwrap();
        assert_eq!((usage.input_uncached, usage.cache_read, usage.output), (6, 4, 3));
    }

    /// T-11: OpenRouter's last event carries the usage beside a choice without a finish reason.
    #[test]
    fn usage_beside_an_unfinished_choice_counts() {
        for event in [
            &br#"{"model":"m","choices":[{"delta":{"content":""},"finish_reason":null}],"usage":{"prompt_tokens":9,"completion_tokens":3}}"#[..],
            br#"{"usage": {"prompt_tokens":9,"completion_tokens":3},"choices":[{"delta":{},"finish_reason":null}]}"#,
        ] {
            let mut watch = StreamWatch::new(Dialect::OpenaiChat);
            watch.event(None, br#"{"model":"m","choices":[{"delta":{"role":"assistant"},"finish_reason":null}]}"#);
            watch.event(None, event);
            assert_eq!(watch.facts.usage.map(|usage| usage.output), Some(3));
        }
    }

    #[test]
    fn watches_anthropic() {
        let mut watch = StreamWatch::new(Dialect::AnthropicMessages);
        watch.event(
            Some(b"message_start"),
            br#"{"type":"message_start","message":{"model":"claude","usage":{"input_tokens":7,"cache_read_input_tokens":2,"output_tokens":1}}}"#,
        );
        watch.event(
            None,
            br#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#,
        );
        watch.event(Some(b"message_stop"), br#"{"type":"message_stop"}"#);
        assert!(watch.complete);
        let usage = watch.facts.usage.unwrap();
        assert_eq!((usage.input_uncached, usage.cache_read, usage.output), (7, 2, 9));
    }
}
