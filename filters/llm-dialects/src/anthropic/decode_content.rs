//! The messages of a request from an Anthropic client.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::decode_request::{cache_mark, required, required_filled};
use super::request_wire::{Message, RawContent, RawRequest};
use super::response::arguments_of;
use super::wire::{Block, Blocks, Field, Source};
use crate::Error;
use crate::hub::{self, Content, Part, Role, ToolResult, Turn};
use crate::media_type;
use crate::openai_chat::data_url::is_data;

/// Where in `messages` a block is.
#[derive(Clone, Copy)]
pub(super) struct At {
    message: usize,
    block: Option<usize>,
    nested: Option<usize>,
}

impl At {
    pub(super) fn message(message: usize) -> Self {
        Self { message, block: None, nested: None }
    }

    fn block(self, block: usize) -> Self {
        Self { block: Some(block), ..self }
    }

    fn nested(self, nested: usize) -> Self {
        Self { nested: Some(nested), ..self }
    }

    /// The JSON path of `name` in this place.
    fn field(self, name: &str) -> String {
        let mut path = format!("messages[{}]", self.message);
        for index in [self.block, self.nested].into_iter().flatten() {
            // Writing to a String cannot fail.
            let _ = write!(path, ".content[{index}]");
        }
        if !name.is_empty() {
            path.push('.');
            path.push_str(name);
        }
        path
    }
}

/// The body once more, with blocks and tools as bytes. Parsed only when one of them is foreign.
pub(super) struct Raw<'a> {
    body: &'a [u8],
    parsed: Option<RawRequest<'a>>,
}

impl<'a> Raw<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, parsed: None }
    }

    fn request(&mut self) -> Option<&RawRequest<'a>> {
        if self.parsed.is_none() {
            self.parsed = serde_json::from_slice(self.body).ok();
        }
        self.parsed.as_ref()
    }

    fn block(&mut self, at: At) -> Result<hub::RawJson<'a>, Error> {
        let found = self.request().and_then(|request| {
            let block = *request.messages.get(at.message)?.content.0.get(at.block?)?;
            match at.nested {
                None => Some(block),
                Some(nested) => {
                    let inner: RawContent<'a> = serde_json::from_str(block.get()).ok()?;
                    inner.content.0.get(nested).copied()
                }
            }
        });
        found.map(Cow::Borrowed).ok_or_else(|| Error::client(at.field(""), "is not a content block"))
    }

    /// The bytes of a tool.
    pub(super) fn tool(&mut self, index: usize) -> Result<hub::RawJson<'a>, Error> {
        let found = self.request().and_then(|request| request.tools.as_ref()?.get(index).copied());
        found.map(Cow::Borrowed).ok_or_else(|| Error::client(format!("tools[{index}]"), "is not a tool"))
    }
}

/// One message.
pub(super) fn turn<'a>(at: At, message: Message<'a>, raw: &mut Raw<'a>) -> Result<Turn<'a>, Error> {
    let role = match message.role.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(Error::client(at.field("role"), "must be `user`, `assistant` or `system`")),
    };
    let content = match message.content {
        Blocks::Text(text) => vec![Part::Text(text).into()],
        Blocks::List(blocks) => {
            let mut content = Vec::with_capacity(blocks.len());
            for (i, block) in blocks.into_iter().enumerate() {
                content.push(content_of(at.block(i), block, raw)?);
            }
            content
        }
        Blocks::Absent | Blocks::Other => {
            return Err(Error::client(at.field("content"), "must be a string or an array of content blocks"));
        }
    };
    Ok(Turn { role, name: None, content })
}

fn content_of<'a>(at: At, mut block: Block<'a>, raw: &mut Raw<'a>) -> Result<Content<'a>, Error> {
    let cache = block.cache_control.take().map(cache_mark);
    let part = match block.kind.as_str() {
        "" => return Err(Error::client(at.field("type"), "is required and must be a string")),
        kind @ ("image" | "document") => match hub_source(at, kind, std::mem::take(&mut block.source))? {
            Some(source) if kind == "image" => Part::Image { source, detail: None },
            Some(source) => Part::Document { source, name: block.title.into_string() },
            None => foreign(at, block.kind, raw)?,
        },
        "tool_use" => Part::ToolCall(hub::ToolCall {
            id: required_filled(block.id, || at.field("id"))?,
            name: required_filled(block.name, || at.field("name"))?,
            arguments: arguments_of(block.input),
            signature: None,
        }),
        "tool_result" if at.nested.is_none() => Part::ToolResult(tool_result(at, block, raw)?),
        "tool_result" => {
            return Err(Error::client(at.field("type"), "cannot be inside another `tool_result`"));
        }
        "text" => Part::Text(required(block.text, || at.field("text"))?),
        "thinking" => Part::Thinking {
            text: required(block.thinking, || at.field("thinking"))?,
            signature: block.signature.into_string(),
        },
        "redacted_thinking" => Part::RedactedThinking(required(block.data, || at.field("data"))?),
        "search_result" => search_result(at, block)?,
        _ => foreign(at, block.kind, raw)?,
    };
    Ok(Content { part, cache })
}

fn foreign<'a>(at: At, kind: Field<'a>, raw: &mut Raw<'a>) -> Result<Part<'a>, Error> {
    Ok(Part::Foreign { kind: kind.into_string().unwrap_or_default(), json: raw.block(at)? })
}

fn tool_result<'a>(at: At, block: Block<'a>, raw: &mut Raw<'a>) -> Result<ToolResult<'a>, Error> {
    let content = match block.content {
        Blocks::Absent => Vec::new(),
        Blocks::Text(text) => vec![Part::Text(text).into()],
        Blocks::List(blocks) => {
            let mut content = Vec::with_capacity(blocks.len());
            for (i, block) in blocks.into_iter().enumerate() {
                content.push(content_of(at.nested(i), block, raw)?);
            }
            content
        }
        Blocks::Other => {
            return Err(Error::client(at.field("content"), "must be a string or an array of content blocks"));
        }
    };
    Ok(ToolResult {
        call_id: required_filled(block.tool_use_id, || at.field("tool_use_id"))?,
        content,
        is_error: block.is_error == Some(true),
    })
}

/// A search result of the client's own tools is a text document that begins with where it was found.
fn search_result<'a>(at: At, block: Block<'a>) -> Result<Part<'a>, Error> {
    let Source::Text(source) = block.source else {
        return Err(Error::client(at.field("source"), "is required and must be a string"));
    };
    let Some(text) = text_only(block.content) else {
        return Err(Error::client(at.field("content"), "must be an array of text blocks"));
    };
    let text = Cow::Owned(format!("Source: {source}\n\n{text}"));
    Ok(Part::Document { source: hub::Source::Text(text), name: block.title.into_string() })
}

/// Content as one text, blocks on lines of their own; `None` when it holds anything else.
fn text_only(content: Blocks<'_>) -> Option<Cow<'_, str>> {
    match content {
        Blocks::Text(text) => Some(text),
        Blocks::List(blocks) => {
            let texts: Option<Vec<Cow<'_, str>>> = blocks
                .into_iter()
                .map(|block| block.text.into_string().filter(|_| block.kind.as_str() == "text"))
                .collect();
            let mut texts = texts?.into_iter();
            let first = texts.next()?;
            Some(texts.fold(first, |all, text| Cow::Owned(format!("{all}\n{text}"))))
        }
        Blocks::Absent | Blocks::Other => None,
    }
}

/// The source of an image or document; `None` when only Anthropic knows such a source.
fn hub_source<'a>(at: At, kind: &str, source: Source<'a>) -> Result<Option<hub::Source<'a>>, Error> {
    let Source::Object(source) = source else {
        return Err(Error::client(at.field("source"), "is required and must be an object"));
    };
    let source = match source.kind.as_str() {
        "" => return Err(Error::client(at.field("source.type"), "is required and must be a string")),
        "base64" => {
            let path = || at.field("source.media_type");
            hub::Source::Base64 {
                media_type: media_type::checked(required(source.media_type, path)?, path)?,
                data: required_filled(source.data, || at.field("source.data"))?,
            }
        }
        "url" => match required_filled(source.url, || at.field("source.url"))? {
            url if is_data(&url) => {
                return Err(Error::client(at.field("source.url"), "must not be a `data:` URL: use `base64`"));
            }
            url => hub::Source::Url(url),
        },
        "file" => hub::Source::File(required_filled(source.file_id, || at.field("source.file_id"))?),
        "text" if kind == "document" => {
            hub::Source::Text(required_filled(source.data, || at.field("source.data"))?)
        }
        "content" if kind == "document" => match text_only(source.content) {
            Some(text) if text.is_empty() => {
                return Err(Error::client(at.field("source.content"), "must hold text that is not empty"));
            }
            Some(text) => hub::Source::Text(text),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(source))
}
