//! The conversation of a request, item by item.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::reasoning;
use super::wire::{At, Item, Piece, TextOrList, object, paragraphs};
use crate::Error;
use crate::hub::{CacheMark, Content, Part, Role, Source, Text, ToolCall, ToolResult, Turn};
use crate::json::{Str, non_empty};
use crate::media_type::is_name;
use crate::openai_chat::{call_arguments, data_url};

/// The conversation so far.
#[derive(Debug, Default)]
pub(super) struct Conversation<'a> {
    /// Instructions before the first turn.
    pub(super) system: Vec<Text<'a>>,
    /// Everything after.
    pub(super) turns: Vec<Turn<'a>>,
    last: Last,
}

/// What the last item was: items of one step of the model belong to one turn, and so do the results of its calls.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
enum Last {
    #[default]
    Nothing,
    Message,
    Output,
}

impl<'a> Conversation<'a> {
    /// Adds item number `index`.
    pub(super) fn push(&mut self, index: usize, json: &'a RawValue) -> Result<(), Error> {
        let at = At::item(index);
        let item: Item<'a> = object(json, |field| at.field(field))?;
        let kind = match &item.kind {
            Some(Str(kind)) => kind.clone(),
            None if item.role.is_some() => Cow::Borrowed("message"),
            None if item.id.is_some() => Cow::Borrowed("item_reference"),
            None => return Err(Error::client(at.field("type"), "is required")),
        };
        match kind.as_ref() {
            "message" => self.message(at, item),
            "reasoning" => {
                let text = reasoning_text(&item, at)?;
                let id = item.id.as_ref().map(|Str(id)| id.as_ref());
                let encrypted = item.encrypted_content.map(|Str(encrypted)| encrypted);
                if let Some(part) = reasoning::part(id, text, encrypted) {
                    self.assistant(part);
                }
                Ok(())
            }
            "function_call" => {
                let required = |text, field: &str| {
                    non_empty(text)
                        .ok_or_else(|| Error::client(at.field(field), "is required and must not be empty"))
                };
                self.assistant(Part::ToolCall(ToolCall {
                    id: required(item.call_id, "call_id")?,
                    name: required(item.name, "name")?,
                    arguments: call_arguments::read(item.arguments.unwrap_or_default().0),
                    signature: None,
                }));
                Ok(())
            }
            "function_call_output" => {
                let call_id = non_empty(item.call_id)
                    .ok_or_else(|| Error::client(at.field("call_id"), "is required and must not be empty"))?;
                let content = content(at, "output", item.output)?;
                self.result(Part::ToolResult(ToolResult { call_id, content, is_error: false }));
                Ok(())
            }
            "item_reference" => Err(Error::unsupported(
                at.field(""),
                "refers to an item OpenAI keeps, which the provider of this model cannot see: send the item itself",
            )),
            kind => {
                let part = Part::Foreign { kind: Cow::Owned(kind.to_owned()), json: Cow::Borrowed(json) };
                if kind.ends_with("_output") || kind == "mcp_approval_response" {
                    self.result(part);
                } else {
                    self.assistant(part);
                }
                Ok(())
            }
        }
    }

    fn message(&mut self, at: At, item: Item<'a>) -> Result<(), Error> {
        let role = non_empty(item.role)
            .ok_or_else(|| Error::client(at.field("role"), "is required and must not be empty"))?;
        let content = content(at, "content", item.content)?;
        match role.as_ref() {
            "user" => self.turn(Role::User, content),
            "assistant" => {
                let continues = self.last != Last::Message
                    && self.turns.last().is_some_and(|turn| turn.role == Role::Assistant);
                match self.turns.last_mut().filter(|_| continues) {
                    Some(turn) => turn.content.extend(content),
                    None => self.turn(Role::Assistant, content),
                }
                self.last = Last::Message;
            }
            "system" | "developer" => {
                for (index, piece) in content.iter().enumerate() {
                    if !matches!(piece.part, Part::Text(_)) {
                        let at = at.member("content", index);
                        return Err(Error::client(at.field("type"), "must be `input_text` in instructions"));
                    }
                }
                if self.turns.is_empty() {
                    self.system.extend(content.into_iter().filter_map(
                        |Content { part, cache }| match part {
                            Part::Text(text) => Some(Text { text, cache }),
                            _ => None,
                        },
                    ));
                } else {
                    self.turn(Role::System, content);
                }
            }
            _ => {
                return Err(Error::client(
                    at.field("role"),
                    "must be `user`, `assistant`, `system` or `developer`",
                ));
            }
        }
        Ok(())
    }

    fn turn(&mut self, role: Role, content: Vec<Content<'a>>) {
        self.turns.push(Turn { role, name: None, content });
        self.last = Last::Message;
    }

    /// Adds to what the model says in this step.
    fn assistant(&mut self, part: Part<'a>) {
        match self.turns.last_mut().filter(|turn| turn.role == Role::Assistant) {
            Some(turn) => turn.content.push(part.into()),
            None => self.turn(Role::Assistant, vec![part.into()]),
        }
        self.last = Last::Nothing;
    }

    /// Adds to the results of the calls of a step.
    fn result(&mut self, part: Part<'a>) {
        let continues = self.last == Last::Output;
        match self.turns.last_mut().filter(|_| continues) {
            Some(turn) => turn.content.push(part.into()),
            None => self.turn(Role::User, vec![part.into()]),
        }
        self.last = Last::Output;
    }
}

/// The text of a reasoning item: its summary, or what the model really thought where the provider shows it.
fn reasoning_text<'a>(item: &Item<'a>, at: At) -> Result<Cow<'a, str>, Error> {
    let summary = item.summary.iter().flatten().filter_map(|piece| piece.text.as_ref());
    let text = paragraphs(summary.map(|Str(text)| text.clone()));
    let Some(json) = item.content.filter(|_| text.is_empty()) else { return Ok(text) };
    let Some(TextOrList::List(pieces)) = TextOrList::read(json) else {
        return Err(Error::client(at.field("content"), "must be an array"));
    };
    let mut texts = Vec::with_capacity(pieces.len());
    for (index, json) in pieces.into_iter().enumerate() {
        let piece: Piece<'a> = object(json, |field| at.member("content", index).field(field))?;
        texts.extend(piece.text.map(|Str(text)| text));
    }
    Ok(paragraphs(texts.into_iter()))
}

/// Content in each of its forms. Empty text says nothing, and some providers refuse it, so it is left out.
fn content<'a>(at: At, field: &'static str, json: Option<&'a RawValue>) -> Result<Vec<Content<'a>>, Error> {
    let Some(json) = json else { return Err(Error::client(at.field(field), "is required")) };
    let pieces = match TextOrList::read(json) {
        None => return Err(Error::client(at.field(field), "must be a string or an array")),
        Some(TextOrList::Text(text)) if text.is_empty() => return Ok(Vec::new()),
        Some(TextOrList::Text(text)) => return Ok(vec![Part::Text(text).into()]),
        Some(TextOrList::List(pieces)) => pieces,
    };
    let mut content = Vec::with_capacity(pieces.len());
    for (index, json) in pieces.into_iter().enumerate() {
        let at = at.member(field, index);
        let mut piece: Piece<'a> = object(json, |field| at.field(field))?;
        let cache = piece.prompt_cache_breakpoint.take().map(|mark| CacheMark { ttl: ttl(mark.ttl) });
        let part = part(at, piece)?;
        if !matches!(&part, Part::Text(text) if text.is_empty()) {
            content.push(Content { part, cache });
        }
    }
    Ok(content)
}

/// OpenAI's times to live in the hub's words, which are Anthropic's: the shortest that lasts as long, else the longest.
fn ttl(ttl: Option<Str<'_>>) -> Option<Cow<'_, str>> {
    ttl.map(|_| Cow::Borrowed("1h"))
}

fn part(at: At, piece: Piece<'_>) -> Result<Part<'_>, Error> {
    let required = |text, field: &str| {
        non_empty(text).ok_or_else(|| Error::client(at.field(field), "is required and must not be empty"))
    };
    let kind = required(piece.kind, "type")?;
    match kind.as_ref() {
        "input_text" | "output_text" | "text" => piece
            .text
            .map(|Str(text)| Part::Text(text))
            .ok_or_else(|| Error::client(at.field("text"), "is required")),
        "refusal" => required(piece.refusal, "refusal").map(Part::Refusal),
        "input_image" => {
            let source = match (non_empty(piece.image_url), non_empty(piece.file_id)) {
                (Some(url), _) => data_url::source(url).ok_or_else(|| {
                    Error::client(
                        at.field("image_url"),
                        "must be a URL, or `data:<media type>;base64,<data>`",
                    )
                })?,
                (None, Some(id)) => Source::File(id),
                (None, None) => {
                    return Err(Error::client(at.field(""), "must have an `image_url` or a `file_id`"));
                }
            };
            Ok(Part::Image { source, detail: non_empty(piece.detail) })
        }
        "input_file" => {
            let name = non_empty(piece.filename);
            let source = if let Some(data) = non_empty(piece.file_data) {
                match data_url::source(data) {
                    Some(source @ Source::Base64 { .. }) => source,
                    _ => {
                        return Err(Error::client(
                            at.field("file_data"),
                            "must be `data:<media type>;base64,<data>`",
                        ));
                    }
                }
            } else if let Some(url) = non_empty(piece.file_url) {
                if data_url::is_data(&url) {
                    return Err(Error::client(
                        at.field("file_url"),
                        "must not be a `data:` URL: use `file_data`",
                    ));
                }
                Source::Url(url)
            } else if let Some(id) = non_empty(piece.file_id) {
                Source::File(id)
            } else {
                return Err(Error::client(
                    at.field(""),
                    "must have `file_data`, a `file_url` or a `file_id`",
                ));
            };
            Ok(Part::Document { source, name })
        }
        "input_audio" => {
            let audio =
                piece.input_audio.ok_or_else(|| Error::client(at.field("input_audio"), "is required"))?;
            let data = required(audio.data, "input_audio.data")?;
            let format = required(audio.format, "input_audio.format")?;
            if !is_name(&format) {
                return Err(Error::client(at.field("input_audio.format"), "must be a format, such as `wav`"));
            }
            Ok(Part::Audio { data, format })
        }
        kind => Err(Error::unsupported(
            at.field("type"),
            format!("content of type `{kind}` cannot be translated: use text, images or files"),
        )),
    }
}
