//! The pieces of a conversation, as the content blocks of a request.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::content::{is_base64, is_bedrock_block};
use super::formats;
use super::models::{Cache, Rules};
use super::out::{Block, CachePoint, Document, Image, Reasoning, Source, ToolResult, ToolUse};
use crate::Error;
use crate::hub::{self, Part};
use crate::signature::{Signer, own};
use crate::turns::Place;

/// What a tool is told to have said when it said nothing: not every model takes an empty list, and Claude takes no
/// empty text (`text content blocks must be non-empty`).
const NO_OUTPUT: &str = "(no output)";

/// The longest tool call id the API takes, in bytes.
const LONGEST_ID: usize = 64;

/// A cache mark as the model takes it.
pub(super) fn cache_point<'a>(mark: &'a hub::CacheMark<'_>, rules: &Rules) -> Option<CachePoint<'a>> {
    let ttl = match rules.cache {
        Cache::No => return None,
        Cache::Claude { ttl: true } => mark.ttl.as_deref().filter(|ttl| matches!(*ttl, "5m" | "1h")),
        Cache::Claude { ttl: false } | Cache::Nova => None,
    };
    Some(CachePoint { kind: "default", ttl })
}

/// Whether `text` is what the API calls blank.
pub(super) fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// A piece of what the assistant said; `None` for what is left out.
pub(super) fn assistant_block<'a>(
    content: &'a hub::Content<'a>,
    at: Place,
    rules: &Rules,
) -> Result<Option<Block<'a>>, Error> {
    let block = match &content.part {
        Part::Text(text) | Part::Refusal(text) if is_blank(text) => return Ok(None),
        Part::Text(text) | Part::Refusal(text) => Block::Text(Cow::Borrowed(text)),
        // Claude takes back what it signed; the others refuse reasoning in the history.
        Part::Thinking { text, signature: Some(signature) } if rules.claude.is_some() => {
            match own(Signer::Anthropic, signature).filter(|signature| !signature.is_empty()) {
                Some(signature) => {
                    Block::ReasoningContent(Reasoning::ReasoningText { text, signature: Some(signature) })
                }
                None => return Ok(None),
            }
        }
        Part::RedactedThinking(data) if rules.claude.is_some() && is_base64(data) => {
            Block::ReasoningContent(Reasoning::RedactedContent(data))
        }
        Part::Thinking { .. } | Part::RedactedThinking(_) | Part::Citation(_) => return Ok(None),
        Part::ToolCall(call) => Block::ToolUse(ToolUse {
            tool_use_id: tool_id(&call.id),
            name: &call.name,
            input: (&call.arguments).into(),
        }),
        Part::ToolResult(_) => return Err(at.result_from_assistant()),
        Part::Foreign { kind, json } => return foreign_block(kind, json, at).map(Some),
        Part::Image { .. } | Part::Document { .. } | Part::Audio { .. } => {
            return Err(at.unsupported(
                "Bedrock takes only text and tool calls from the assistant: move this content to a user message",
            ));
        }
    };
    Ok(Some(block))
}

/// A piece of what the user or a tool said; `None` for what is left out.
pub(super) fn user_block<'a>(
    content: &'a hub::Content<'a>,
    at: Place,
    rules: &Rules,
) -> Result<Option<Block<'a>>, Error> {
    let block = match &content.part {
        Part::Text(text) | Part::Refusal(text) if is_blank(text) => return Ok(None),
        Part::Text(text) | Part::Refusal(text) => Block::Text(Cow::Borrowed(text)),
        Part::Image { source, .. } => Block::Image(image(source, at)?),
        Part::Document { source, name } => Block::Document(document(source, name.as_deref(), at)?),
        Part::Audio { data, format } => match formats::audio(format) {
            Some(format) => Block::Audio(Image { format, source: Source::Bytes(Cow::Borrowed(data)) }),
            None => return Err(at.unsupported("Bedrock reads no audio of this format: send wav or mp3")),
        },
        Part::ToolResult(result) => Block::ToolResult(tool_result(result, at, rules)?),
        Part::Foreign { kind, json } => return foreign_block(kind, json, at).map(Some),
        Part::Citation(_) => return Ok(None),
        Part::Thinking { .. } | Part::RedactedThinking(_) | Part::ToolCall(_) => {
            return Err(at.not_from_assistant());
        }
    };
    Ok(Some(block))
}

fn tool_result<'a>(
    result: &'a hub::ToolResult<'a>,
    at: Place,
    rules: &Rules,
) -> Result<ToolResult<'a>, Error> {
    let mut content = Vec::with_capacity(result.content.len());
    if result.is_error && !rules.result_status {
        content.push(Block::Text(Cow::Borrowed("Error:")));
    }
    for (k, inner) in result.content.iter().enumerate() {
        let at = at.inside(k);
        match &inner.part {
            Part::ToolResult(_) => return Err(at.client("cannot be inside another tool result")),
            Part::Audio { .. } => {
                return Err(at.unsupported("Bedrock takes no audio from tools: send a transcript"));
            }
            _ => content.extend(user_block(inner, at, rules)?),
        }
    }
    if content.is_empty() {
        content.push(Block::Text(Cow::Borrowed(NO_OUTPUT)));
    }
    Ok(ToolResult {
        tool_use_id: tool_id(&result.call_id),
        content,
        status: (result.is_error && rules.result_status).then_some("error"),
    })
}

fn foreign_block<'a>(kind: &str, json: &'a hub::RawJson<'a>, at: Place) -> Result<Block<'a>, Error> {
    if is_bedrock_block(kind, json) { Ok(Block::Verbatim(json)) } else { Err(at.foreign("Bedrock", kind)) }
}

fn image<'a>(source: &'a hub::Source<'a>, at: Place) -> Result<Image<'a>, Error> {
    let format = match source {
        hub::Source::Base64 { media_type, .. } => formats::image(media_type),
        hub::Source::Url(url) if is_s3(url) => formats::image_by_name(url),
        hub::Source::Url(_) | hub::Source::File(_) => {
            return Err(at.unsupported("images must be base64 for Bedrock, or lie in S3 (`s3://…`)"));
        }
        hub::Source::Text(_) => return Err(at.unsupported("an image cannot be given as text")),
    };
    let Some(format) = format else {
        return Err(at.unsupported("Bedrock reads images of type png, jpeg, gif and webp: convert it"));
    };
    let source = match source {
        hub::Source::Base64 { data, .. } => Source::Bytes(Cow::Borrowed(data)),
        hub::Source::Url(uri) | hub::Source::Text(uri) | hub::Source::File(uri) => Source::S3Location { uri },
    };
    Ok(Image { format, source })
}

fn document<'a>(
    source: &'a hub::Source<'a>,
    name: Option<&'a str>,
    at: Place,
) -> Result<Document<'a>, Error> {
    let (format, source) = match source {
        hub::Source::Base64 { media_type, data } => {
            let by_name = || name.and_then(formats::document_by_name);
            let Some(format) = formats::document(media_type).or_else(by_name) else {
                return Err(at.unsupported(
                    "Bedrock reads documents of type pdf, csv, doc, docx, xls, xlsx, html, txt and md: convert it",
                ));
            };
            (Some(format), Source::Bytes(Cow::Borrowed(data)))
        }
        hub::Source::Text(text) => (Some("txt"), Source::Bytes(Cow::Owned(STANDARD.encode(text.as_bytes())))),
        hub::Source::Url(uri) if is_s3(uri) => (formats::document_by_name(uri), Source::S3Location { uri }),
        hub::Source::Url(_) | hub::Source::File(_) => {
            return Err(at.unsupported("documents must be base64 for Bedrock, or lie in S3 (`s3://…`)"));
        }
    };
    Ok(Document { format, name: formats::document_name(name.unwrap_or_default()), source })
}

fn is_s3(url: &str) -> bool {
    url.starts_with("s3://")
}

/// A tool call id in the alphabet and length that both the API and Claude take. Other characters become `_`, and the
/// end of a longer id a hash of the whole, in calls and results alike, so that they still match.
fn tool_id(id: &str) -> Cow<'_, str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=LONGEST_ID).contains(&id.len()) && id.chars().all(allowed) {
        return Cow::Borrowed(id);
    }
    let mut fitting: String = id.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    if fitting.len() > LONGEST_ID || fitting.is_empty() {
        let tail = format!("_{:016x}", super::hash(id.as_bytes()));
        fitting.truncate(LONGEST_ID - tail.len());
        fitting.push_str(&tail);
    }
    Cow::Owned(fitting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_made_fit() {
        assert_eq!(tool_id("tooluse_a-1"), "tooluse_a-1");
        assert_eq!(tool_id("call:1.x"), "call_1_x");
        let long = tool_id(&"x".repeat(100)).into_owned();
        assert_eq!(long.len(), 64);
        assert_ne!(long, tool_id(&"x".repeat(101)));
        assert_eq!(tool_id("").len(), 17);
    }
}
