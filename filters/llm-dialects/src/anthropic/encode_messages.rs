//! The conversation of a request, in the shape the Messages API insists on.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::out::{Block, Blocks, CacheControl, Content, Message, Source};
use super::{is_anthropic_block, is_blank};
use crate::Error;
use crate::hub::{self, Part, Role, Turn};
use crate::signature::{self, Signer};
use crate::turns::{Place, later_instructions};

const USER: &str = "user";
const ASSISTANT: &str = "assistant";

/// Image types the API reads.
/// <https://platform.claude.com/docs/en/build-with-claude/vision>
const IMAGE_TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// The system blocks: the request's own, then those of turns with the system role, in order.
pub(super) fn system<'a>(request: &'a hub::Request<'a>) -> Result<Vec<Content<'a>>, Error> {
    let mut blocks = Vec::new();
    for text in request.system.iter().filter(|text| !is_blank(&text.text)) {
        blocks.push(text_block(&text.text, text.cache.as_ref()));
    }
    let later = later_instructions(&request.turns, "Anthropic")?;
    blocks.extend(
        later.into_iter().filter(|(text, _)| !is_blank(text)).map(|(text, cache)| text_block(text, cache)),
    );
    Ok(blocks)
}

/// The messages. Adjacent turns of one role become one message, results of tools come first in theirs and in
/// the order of the calls, and what the API refuses (blank text, unsigned thinking) is left out.
pub(super) fn messages<'a>(turns: &'a [Turn<'a>]) -> Result<Vec<Message<'a>>, Error> {
    let mut messages: Vec<Message<'a>> = Vec::with_capacity(turns.len());
    for (i, turn) in turns.iter().enumerate() {
        let role = match turn.role {
            Role::System => continue,
            Role::User => USER,
            Role::Assistant => ASSISTANT,
        };
        for (j, content) in turn.content.iter().enumerate() {
            let block = match turn.role {
                Role::Assistant => assistant_block(content, Place::new(i, j))?,
                Role::System | Role::User => user_block(content, Place::new(i, j))?,
            };
            let Some(block) = block else { continue };
            match messages.last_mut() {
                Some(last) if last.role == role => last.content.0.push(block),
                _ => messages.push(Message { role, content: Blocks(vec![block]) }),
            }
        }
    }
    if messages.is_empty() {
        return Err(Error::no_content());
    }
    order_results(&mut messages);
    trim_prefill(&mut messages);
    Ok(messages)
}

/// Whether thinking may not be enabled: the API wants the assistant's open turn (the one being continued, or
/// the loop of tool calls whose results come last) to begin with the thinking that led to it.
/// <https://platform.claude.com/docs/en/build-with-claude/extended-thinking>
pub(super) fn open_turn_lacks_thinking(messages: &[Message<'_>]) -> bool {
    let mut open = false;
    for message in messages.iter().rev() {
        if message.role == ASSISTANT {
            let first = message.content.0.first();
            if matches!(first, Some(Content::Block(Block { kind: "thinking" | "redacted_thinking", .. }))) {
                return false;
            }
            open = true;
        } else if !message.content.0.iter().any(is_tool_result) {
            break;
        }
    }
    open
}

/// The names of the tools the conversation has calls of, each once.
pub(super) fn called_tools<'a>(messages: &[Message<'a>]) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    let contents = messages.iter().flat_map(|message| &message.content.0);
    contents
        .filter_map(|content| match content {
            Content::Block(Block { kind: "tool_use", name, .. }) => *name,
            _ => None,
        })
        .filter(|name| seen.insert(*name))
        .collect()
}

/// A text block.
pub(super) fn text_block<'a>(text: &'a str, cache: Option<&'a hub::CacheMark<'a>>) -> Content<'a> {
    Content::Block(Block {
        kind: "text",
        text: Some(text),
        cache_control: cache.map(cache_control),
        ..Block::default()
    })
}

/// A cache mark.
pub(super) fn cache_control<'a>(mark: &'a hub::CacheMark<'a>) -> CacheControl<'a> {
    CacheControl { kind: "ephemeral", ttl: mark.ttl.as_deref() }
}

fn assistant_block<'a>(content: &'a hub::Content<'a>, at: Place) -> Result<Option<Content<'a>>, Error> {
    let cache_control = content.cache.as_ref().map(cache_control);
    let block = match &content.part {
        Part::Text(text) | Part::Refusal(text) if is_blank(text) => return Ok(None),
        Part::Text(text) | Part::Refusal(text) => {
            Block { kind: "text", text: Some(text), cache_control, ..Block::default() }
        }
        // Only what Anthropic's own models signed is accepted back. It can carry no cache mark.
        Part::Thinking { text, signature } => {
            let own = signature.as_deref().and_then(|signature| signature::own(Signer::Anthropic, signature));
            let Some(signature) = own.filter(|signature| !signature.is_empty()) else { return Ok(None) };
            Block { kind: "thinking", thinking: Some(text), signature: Some(signature), ..Block::default() }
        }
        Part::Citation(_) => return Ok(None),
        Part::RedactedThinking(data) => {
            Block { kind: "redacted_thinking", data: Some(data), ..Block::default() }
        }
        Part::ToolCall(call) => Block {
            kind: "tool_use",
            id: Some(tool_id(&call.id)),
            name: Some(&call.name),
            input: Some((&call.arguments).into()),
            cache_control,
            ..Block::default()
        },
        Part::ToolResult(_) => return Err(at.result_from_assistant()),
        Part::Foreign { kind, json } => return foreign_block(kind, json, at).map(Some),
        Part::Image { .. } | Part::Document { .. } | Part::Audio { .. } => {
            return Err(at.unsupported("Anthropic takes only text and tool calls from the assistant: move this content to a user message"));
        }
    };
    Ok(Some(Content::Block(block)))
}

fn user_block<'a>(content: &'a hub::Content<'a>, at: Place) -> Result<Option<Content<'a>>, Error> {
    let cache_control = content.cache.as_ref().map(cache_control);
    let block = match &content.part {
        Part::Text(text) | Part::Refusal(text) if is_blank(text) => return Ok(None),
        Part::Text(text) | Part::Refusal(text) => {
            Block { kind: "text", text: Some(text), cache_control, ..Block::default() }
        }
        Part::Image { source, .. } => Block {
            kind: "image",
            source: Some(image_source(source, at)?),
            cache_control,
            ..Block::default()
        },
        Part::Document { source, name } => Block {
            kind: "document",
            source: Some(document_source(source, at)?),
            title: name.as_deref(),
            cache_control,
            ..Block::default()
        },
        Part::Audio { .. } => {
            return Err(at.unsupported("Anthropic takes no audio input: send a transcript"));
        }
        Part::ToolResult(result) => Block {
            kind: "tool_result",
            tool_use_id: Some(tool_id(&result.call_id)),
            content: result_content(result, at)?,
            is_error: result.is_error,
            cache_control,
            ..Block::default()
        },
        Part::Foreign { kind, json } => return foreign_block(kind, json, at).map(Some),
        Part::Citation(_) => return Ok(None),
        Part::Thinking { .. } | Part::RedactedThinking(_) | Part::ToolCall(_) => {
            return Err(at.not_from_assistant());
        }
    };
    Ok(Some(Content::Block(block)))
}

fn result_content<'a>(result: &'a hub::ToolResult<'a>, at: Place) -> Result<Option<Blocks<'a>>, Error> {
    let mut blocks = Vec::with_capacity(result.content.len());
    for (k, content) in result.content.iter().enumerate() {
        let at = at.inside(k);
        match &content.part {
            Part::ToolResult(_) => return Err(at.client("cannot be inside another tool result")),
            _ => blocks.extend(user_block(content, at)?),
        }
    }
    Ok((!blocks.is_empty()).then_some(Blocks(blocks)))
}

fn foreign_block<'a>(kind: &str, json: &'a hub::RawJson<'a>, at: Place) -> Result<Content<'a>, Error> {
    if is_anthropic_block(kind, json) {
        Ok(Content::Verbatim(json))
    } else {
        Err(at.foreign("Anthropic", kind))
    }
}

fn image_source<'a>(source: &'a hub::Source<'a>, at: Place) -> Result<Source<'a>, Error> {
    match source {
        hub::Source::Base64 { media_type, data } => {
            // A common misspelling that other providers forgive.
            let media_type = if media_type == "image/jpg" { "image/jpeg" } else { media_type.as_ref() };
            if !IMAGE_TYPES.contains(&media_type) {
                return Err(at.unsupported("Anthropic reads images of type image/jpeg, image/png, image/gif and image/webp: convert it"));
            }
            Ok(Source {
                kind: "base64",
                media_type: Some(media_type),
                data: Some(data),
                url: None,
                file_id: None,
            })
        }
        hub::Source::Url(url) => url_source(url, at),
        hub::Source::File(id) => file_source(id, at),
        hub::Source::Text(_) => Err(at.unsupported("an image cannot be given as text")),
    }
}

fn document_source<'a>(source: &'a hub::Source<'a>, at: Place) -> Result<Source<'a>, Error> {
    match source {
        hub::Source::Base64 { media_type, data } if media_type == "application/pdf" => Ok(Source {
            kind: "base64",
            media_type: Some("application/pdf"),
            data: Some(data),
            url: None,
            file_id: None,
        }),
        hub::Source::Base64 { .. } => Err(
            at.unsupported("Anthropic reads documents of type application/pdf: convert it, or send its text")
        ),
        hub::Source::Url(url) => url_source(url, at),
        hub::Source::Text(text) => Ok(Source {
            kind: "text",
            media_type: Some("text/plain"),
            data: Some(text),
            url: None,
            file_id: None,
        }),
        hub::Source::File(id) => file_source(id, at),
    }
}

fn url_source<'a>(url: &'a str, at: Place) -> Result<Source<'a>, Error> {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    if scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http") {
        Ok(Source { kind: "url", media_type: None, data: None, url: Some(url), file_id: None })
    } else {
        Err(at.unsupported("Anthropic fetches http and https URLs only: send the content as base64"))
    }
}

/// Ids of OpenAI's files begin with `file-`, those of Anthropic's with `file_`; Google's are URIs or `files/…`.
fn file_source(id: &str, at: Place) -> Result<Source<'_>, Error> {
    if id.starts_with("file-") || id.contains('/') {
        return Err(at.unsupported(
            "Anthropic cannot read a file that was uploaded elsewhere: send the content as base64",
        ));
    }
    Ok(Source { kind: "file", media_type: None, data: None, url: None, file_id: Some(id) })
}

/// A tool call id in the alphabet the API takes (`^[a-zA-Z0-9_-]+$`): other characters become `_`, in calls
/// and results alike, so that they still match.
fn tool_id(id: &str) -> Cow<'_, str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if id.chars().all(allowed) {
        Cow::Borrowed(id)
    } else {
        Cow::Owned(id.chars().map(|c| if allowed(c) { c } else { '_' }).collect())
    }
}

fn is_tool_result(content: &Content<'_>) -> bool {
    matches!(content, Content::Block(Block { kind: "tool_result", .. }))
}

/// Puts tool results before everything else in their message, in the order of the calls before it.
fn order_results(messages: &mut [Message<'_>]) {
    let mut calls: BTreeMap<String, usize> = BTreeMap::new();
    for message in messages {
        if message.role == ASSISTANT {
            calls.clear();
            for (place, content) in message.content.0.iter().enumerate() {
                if let Content::Block(Block { kind: "tool_use", id: Some(id), .. }) = content {
                    calls.entry(id.to_string()).or_insert(place);
                }
            }
        } else if message.content.0.iter().any(is_tool_result) {
            // Results of unknown calls go last among the results, other content after them.
            message.content.0.sort_by_cached_key(|content| match content {
                Content::Block(Block { kind: "tool_result", tool_use_id: Some(id), .. }) => {
                    calls.get(id.as_ref()).copied().unwrap_or(usize::MAX - 1)
                }
                _ => usize::MAX,
            });
        }
    }
}

/// The API refuses a conversation that ends in an assistant message with white space at its end.
fn trim_prefill(messages: &mut [Message<'_>]) {
    if let Some(Message { role: ASSISTANT, content }) = messages.last_mut()
        && let Some(Content::Block(Block { text: Some(text), .. })) = content.0.last_mut()
    {
        *text = text.trim_end();
    }
}
