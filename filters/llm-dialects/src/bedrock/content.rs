//! Content blocks, as requests and answers hold them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::formats;
use super::wire::{self, Block, joined};
use crate::hub::{self, Arguments, CacheMark, Content, Part, RawJson, ToolCall};
use crate::json::{Str, non_empty};
use crate::media_type::is_name;
use crate::openai_chat::data_url::is_data;
use crate::signature::{Signer, mark};

/// Members of a block the hub has no word for, under which blocks are kept as they are.
const FOREIGN: [&str; 8] =
    ["audio", "image", "searchResult", "toolAddition", "toolRemoval", "toolResult", "toolUse", "video"];

/// What a block is.
pub(super) enum Piece<'a> {
    /// Content; text with sources makes several parts.
    Parts(Vec<Part<'a>>),
    /// A cache mark behind the content before it.
    Cache(CacheMark<'a>),
}

/// What is wrong with a block.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Path of the field inside the block; empty for the block itself.
    pub(super) path: String,
    /// What is wrong with it.
    pub(super) message: String,
}

impl Wrong {
    fn new(path: &str, message: &str) -> Self {
        Self { path: path.to_owned(), message: message.to_owned() }
    }
}

/// Reads a JSON object. What is wrong is found by reading it a second time, which costs too much while things go well.
pub(super) fn read<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Wrong> {
    if !json.starts_with('{') {
        return Err(Wrong::new("", "must be an object"));
    }
    serde_json::from_str(json).map_err(|error| {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Err(located) => {
                let path = located.path().to_string();
                let path = if path == "." { String::new() } else { path };
                Wrong { path, message: located.inner().to_string() }
            }
            Ok(_) => Wrong { path: String::new(), message: error.to_string() },
        }
    })
}

/// Reads one block of a message or of an answer.
pub(super) fn piece(json: &RawValue) -> Result<Piece<'_>, Wrong> {
    let block: Block<'_> = read(json.get())?;
    let part = match block {
        Block { text: Some(Str(text)), .. } => Part::Text(text),
        Block { cache_point: Some(point), .. } => return Ok(Piece::Cache(point.into())),
        Block { image: Some(image), .. } => match image_of(image, "image")? {
            Some(part) => part,
            None => foreign(json)?,
        },
        Block { document: Some(document), .. } => document_of(document)?,
        Block { audio: Some(audio), .. } => match audio_of(audio)? {
            Some(part) => part,
            None => foreign(json)?,
        },
        // Tools that the provider runs have no hub equivalent.
        Block { tool_use: Some(wire::ToolUse { kind: Some(_), .. }), .. }
        | Block { tool_result: Some(wire::ToolResult { kind: Some(_), .. }), .. } => foreign(json)?,
        Block { tool_use: Some(call), .. } => Part::ToolCall(ToolCall {
            id: required_filled(call.tool_use_id, "toolUse.toolUseId")?,
            name: required_filled(call.name, "toolUse.name")?,
            arguments: arguments_of(call.input),
            signature: None,
        }),
        Block { tool_result: Some(result), .. } => Part::ToolResult(tool_result(result)?),
        Block { guard_content: Some(wire::GuardContent { text: Some(text), .. }), .. } => {
            Part::Text(required(text.text, "guardContent.text.text")?)
        }
        Block { guard_content: Some(wire::GuardContent { image: Some(image), .. }), .. } => {
            match image_of(image, "guardContent.image")? {
                Some(part) => part,
                None => return Err(Wrong::new("guardContent.image.source", "must hold bytes")),
            }
        }
        Block { reasoning_content: Some(reasoning), .. } => reasoning_of(reasoning)?,
        Block { citations_content: Some(content), .. } => return Ok(Piece::Parts(cited(content))),
        _ => foreign(json)?,
    };
    Ok(Piece::Parts(vec![part]))
}

/// The arguments of a call; missing ones count as `{}`.
fn arguments_of(input: Option<&RawValue>) -> Arguments<'_> {
    match input {
        Some(json) if json.get().starts_with('{') => Arguments::Json(Cow::Borrowed(json)),
        Some(json) => Arguments::Invalid(Cow::Borrowed(json.get())),
        None => Arguments::Json(empty_object()),
    }
}

fn empty_object() -> RawJson<'static> {
    // `{}` always parses; `null` stands in only to keep this free of panics.
    Cow::Borrowed(serde_json::from_str("{}").unwrap_or(RawValue::NULL))
}

/// An image; `None` for one that holds an error instead of a source.
fn image_of<'a>(image: wire::Image<'a>, path: &str) -> Result<Option<Part<'a>>, Wrong> {
    let Some(source) = image.source else { return Ok(None) };
    let source = match source {
        wire::Source { bytes: data @ Some(_), .. } => {
            let data = required_filled(data, &format!("{path}.source.bytes"))?;
            let format = required(image.format, &format!("{path}.format"))?;
            let Some(media_type) = formats::image_type(&format) else {
                return Err(Wrong::new(&format!("{path}.format"), "must be png, jpeg, gif or webp"));
            };
            hub::Source::Base64 { media_type: Cow::Borrowed(media_type), data }
        }
        wire::Source { s3_location: Some(place), .. } => {
            hub::Source::Url(address(place, &format!("{path}.source.s3Location.uri"))?)
        }
        _ => return Err(Wrong::new(&format!("{path}.source"), "must hold bytes or s3Location")),
    };
    Ok(Some(Part::Image { source, detail: None }))
}

fn document_of(document: wire::Document<'_>) -> Result<Part<'_>, Wrong> {
    let name = document.name.map(|Str(name)| name);
    let Some(source) = document.source else {
        return Err(Wrong::new("document.source", "is required"));
    };
    let source = match source {
        wire::Source { bytes: data @ Some(_), .. } => {
            let data = required_filled(data, "document.source.bytes")?;
            let format = document.format.map_or(Cow::Borrowed("txt"), |Str(format)| format);
            let Some(media_type) = formats::document_type(&format) else {
                return Err(Wrong::new("document.format", "is not a document format of this API"));
            };
            let text = formats::is_text(&format).then(|| STANDARD.decode(data.as_bytes()).ok()).flatten();
            match text.and_then(|bytes| String::from_utf8(bytes).ok()) {
                Some(text) => hub::Source::Text(Cow::Owned(text)),
                None => hub::Source::Base64 { media_type: Cow::Borrowed(media_type), data },
            }
        }
        wire::Source { s3_location: Some(place), .. } => {
            hub::Source::Url(address(place, "document.source.s3Location.uri")?)
        }
        wire::Source { text: text @ Some(_), .. } => {
            hub::Source::Text(required_filled(text, "document.source.text")?)
        }
        wire::Source { content: Some(texts), .. } => match joined(texts).filter(|text| !text.is_empty()) {
            Some(text) => hub::Source::Text(text),
            None => return Err(Wrong::new("document.source.content", "must hold text that is not empty")),
        },
        _ => return Err(Wrong::new("document.source", "must hold bytes, text, content or s3Location")),
    };
    Ok(Part::Document { source, name })
}

/// Audio; `None` if it is not given as bytes.
fn audio_of(audio: wire::Audio<'_>) -> Result<Option<Part<'_>>, Wrong> {
    match audio.source {
        Some(wire::Source { bytes: data @ Some(_), .. }) => {
            let data = required_filled(data, "audio.source.bytes")?;
            let format = required_filled(audio.format, "audio.format")?;
            if !is_name(&format) {
                return Err(Wrong::new("audio.format", "must be a format, such as `wav`"));
            }
            Ok(Some(Part::Audio { data, format }))
        }
        _ => Ok(None),
    }
}

fn tool_result(result: wire::ToolResult<'_>) -> Result<hub::ToolResult<'_>, Wrong> {
    let mut content: Vec<Content<'_>> = Vec::new();
    for (i, json) in result.content.unwrap_or_default().into_iter().enumerate() {
        let at = |wrong: Wrong| {
            let dot = if wrong.path.is_empty() { "" } else { "." };
            Wrong { path: format!("toolResult.content[{i}]{dot}{}", wrong.path), message: wrong.message }
        };
        let block: Block<'_> = read(json.get()).map_err(at)?;
        if let Some(json) = block.json {
            content.push(Part::Text(Cow::Borrowed(json.get())).into());
            continue;
        }
        if block.tool_result.is_some() {
            return Err(at(Wrong::new("", "cannot be inside another tool result")));
        }
        match piece(json).map_err(at)? {
            Piece::Parts(parts) => content.extend(parts.into_iter().map(Content::from)),
            Piece::Cache(mark) => {
                if let Some(last) = content.last_mut() {
                    last.cache = Some(mark);
                }
            }
        }
    }
    Ok(hub::ToolResult {
        call_id: required_filled(result.tool_use_id, "toolResult.toolUseId")?,
        content,
        is_error: result.status.is_some_and(|Str(status)| status == "error"),
    })
}

fn reasoning_of(reasoning: wire::Reasoning<'_>) -> Result<Part<'_>, Wrong> {
    match reasoning {
        wire::Reasoning { reasoning_text: Some(text), .. } => Ok(Part::Thinking {
            text: required(text.text, "reasoningContent.reasoningText.text")?,
            signature: text
                .signature
                .map(|Str(signature)| signature)
                .filter(|signature| !signature.is_empty())
                .map(|signature| mark(Signer::Anthropic, signature)),
        }),
        wire::Reasoning { redacted_content: Some(Str(data)), .. } => Ok(Part::RedactedThinking(data)),
        _ => Err(Wrong::new("reasoningContent", "must hold reasoningText or redactedContent")),
    }
}

/// Text, then its sources.
fn cited(content: wire::CitationsContent<'_>) -> Vec<Part<'_>> {
    let mut parts = vec![Part::Text(content.content.and_then(joined).unwrap_or_default())];
    let citations = content.citations.unwrap_or_default().into_iter();
    parts.extend(citations.map(|citation| Part::Citation(citation.into())));
    parts
}

/// A block the hub has no word for, as it is.
fn foreign(json: &RawValue) -> Result<Part<'_>, Wrong> {
    match member(json) {
        Some(kind) => Ok(Part::Foreign { kind: Cow::Owned(kind), json: Cow::Borrowed(json) }),
        None => Err(Wrong::new("", "must have exactly one member, which says what it is")),
    }
}

/// The only member of an object that is not `null`.
fn member(json: &RawValue) -> Option<String> {
    let members: BTreeMap<String, Option<IgnoredAny>> = serde_json::from_str(json.get()).ok()?;
    let mut members = members.into_iter().filter_map(|(name, value)| value.map(|_| name));
    let first = members.next()?;
    members.next().is_none().then_some(first)
}

/// Whether a foreign block is one of this API's, so that it may be sent verbatim. Blocks of other dialects have a
/// `type`, so their JSON does not look like it.
pub(super) fn is_bedrock_block(kind: &str, json: &RawValue) -> bool {
    FOREIGN.contains(&kind) && member(json).is_some_and(|member| member == kind)
}

/// Whether the hub's word for redacted reasoning can be sent: the API takes base64 only.
pub(super) fn is_base64(text: &str) -> bool {
    !text.is_empty() && STANDARD.decode(text).is_ok()
}

fn required<'a>(field: Option<Str<'a>>, path: &str) -> Result<Cow<'a, str>, Wrong> {
    field.map(|Str(text)| text).ok_or_else(|| Wrong::new(path, "is required"))
}

/// Where a file is; the API takes `s3://` only.
fn address<'a>(place: wire::S3Location<'a>, path: &str) -> Result<Cow<'a, str>, Wrong> {
    match required_filled(place.uri, path)? {
        uri if is_data(&uri) => Err(Wrong::new(path, "must not be a `data:` URL: use `bytes`")),
        uri => Ok(uri),
    }
}

/// An id or a name, which no dialect takes empty.
fn required_filled<'a>(field: Option<Str<'a>>, path: &str) -> Result<Cow<'a, str>, Wrong> {
    non_empty(field).ok_or_else(|| Wrong::new(path, "is required and must not be empty"))
}
