//! The conversation of a request, message by message.

use super::request_decode::{Raw, cache_mark, required};
use super::request_wire::{ContentPart, File, Message, ToolCall};
use super::wire::TextOr;
use super::{call_arguments, data_url};
use crate::Error;
use crate::hub::{self, CacheMark, Content, Part, Role, Text, ToolResult, Turn};
use crate::json::{Str, non_empty};
use crate::media_type::is_name;

/// The conversation so far.
#[derive(Debug)]
pub(super) struct Conversation<'a> {
    /// Instructions before the first turn.
    pub(super) system: Vec<Text<'a>>,
    /// Everything after.
    pub(super) turns: Vec<Turn<'a>>,
}

/// Where a message is, for error paths.
#[derive(Debug, Clone, Copy)]
struct At(usize);

impl At {
    fn field(self, name: &str) -> String {
        format!("messages[{}].{name}", self.0)
    }

    fn part(self, part: usize, name: &str) -> String {
        format!("messages[{}].content[{part}].{name}", self.0)
    }
}

impl<'a> Conversation<'a> {
    pub(super) fn with_capacity(messages: usize) -> Self {
        Self { system: Vec::new(), turns: Vec::with_capacity(messages) }
    }

    /// Adds message number `index`.
    pub(super) fn push(
        &mut self,
        index: usize,
        mut message: Message<'a>,
        raw: &mut Raw<'a>,
    ) -> Result<(), Error> {
        let at = At(index);
        if message.function_call.is_some() {
            return Err(Error::client(at.field("function_call"), "is no longer supported: use `tool_calls`"));
        }
        let role = required(message.role.take(), || at.field("role"))?;
        let turn = match role.as_ref() {
            "system" | "developer" => return self.push_system(at, message, raw),
            "user" => user(at, message, raw)?,
            "assistant" => assistant(at, message, raw)?,
            "tool" => tool(at, message, raw)?,
            "function" => {
                return Err(Error::client(
                    at.field("role"),
                    "`function` is no longer supported: use `tool` with a `tool_call_id`",
                ));
            }
            _ => {
                return Err(Error::client(
                    at.field("role"),
                    "must be `system`, `developer`, `user`, `assistant` or `tool`",
                ));
            }
        };
        self.turns.push(turn);
        Ok(())
    }

    /// Instructions go to the front while nobody has spoken, and stay in place after that.
    fn push_system(&mut self, at: At, message: Message<'a>, raw: &mut Raw<'a>) -> Result<(), Error> {
        let name = non_empty(message.name);
        let mut content = content(at, message.content, raw)?;
        mark_last(&mut content, at, message.cache_control)?;
        for (index, piece) in content.iter().enumerate() {
            if !matches!(piece.part, Part::Text(_)) {
                return Err(Error::client(at.part(index, "type"), "must be `text` in instructions"));
            }
        }
        if self.turns.is_empty() {
            let texts = content.into_iter().filter_map(|Content { part, cache }| match part {
                Part::Text(text) => Some(Text { text, cache }),
                _ => None,
            });
            self.system.extend(texts);
        } else {
            self.turns.push(Turn { role: Role::System, name, content });
        }
        Ok(())
    }
}

fn user<'a>(at: At, message: Message<'a>, raw: &mut Raw<'a>) -> Result<Turn<'a>, Error> {
    let mut content = content(at, message.content, raw)?;
    mark_last(&mut content, at, message.cache_control)?;
    Ok(Turn { role: Role::User, name: non_empty(message.name), content })
}

/// Reasoning comes first, then what was said, then the tool calls: the order models produce them in.
fn assistant<'a>(at: At, message: Message<'a>, raw: &mut Raw<'a>) -> Result<Turn<'a>, Error> {
    if message.audio.is_some() {
        return Err(Error::unsupported(
            at.field("audio"),
            "earlier spoken answers cannot be translated: send their transcript as `content`",
        ));
    }
    let mut thoughts = Vec::new();
    let blocks = message.thinking_blocks.unwrap_or_default();
    if blocks.is_empty() {
        let text = non_empty(message.reasoning_content);
        thoughts.extend(text.map(|text| Content::from(Part::Thinking { text, signature: None })));
    }
    for (index, block) in blocks.into_iter().enumerate() {
        let part = block.into_part().ok_or_else(|| {
            let field = at.field(&format!("thinking_blocks[{index}].type"));
            Error::client(field, "must be `thinking` or `redacted_thinking`")
        })?;
        thoughts.push(part.into());
    }
    let mut said = content(at, message.content, raw)?;
    said.extend(non_empty(message.refusal).map(|text| Content::from(Part::Refusal(text))));
    for (index, call) in message.tool_calls.unwrap_or_default().into_iter().enumerate() {
        said.push(Part::ToolCall(tool_call(at, index, call)?).into());
    }
    // Marks go behind what was said, never behind reasoning: Anthropic refuses them there.
    mark_last(&mut said, at, message.cache_control)?;
    thoughts.append(&mut said);
    Ok(Turn { role: Role::Assistant, name: non_empty(message.name), content: thoughts })
}

fn tool<'a>(at: At, message: Message<'a>, raw: &mut Raw<'a>) -> Result<Turn<'a>, Error> {
    let call_id = required(message.tool_call_id, || at.field("tool_call_id"))?;
    let content = content(at, message.content, raw)?;
    let cache =
        message.cache_control.map(|control| cache_mark(control, || at.field("cache_control"))).transpose()?;
    let result = Part::ToolResult(ToolResult { call_id, content, is_error: false });
    Ok(Turn { role: Role::User, name: None, content: vec![Content { part: result, cache }] })
}

fn tool_call<'a>(at: At, index: usize, call: ToolCall<'a>) -> Result<hub::ToolCall<'a>, Error> {
    let field = |name: &str| at.field(&format!("tool_calls[{index}].{name}"));
    if let Some(Str(kind)) = &call.kind
        && kind != "function"
    {
        return Err(Error::unsupported(
            field("type"),
            format!("tool calls of type `{kind}` cannot be translated for another provider: use functions"),
        ));
    }
    let Some(function) = call.function else {
        return Err(Error::client(field("function"), "is required"));
    };
    Ok(hub::ToolCall {
        id: required(call.id, || field("id"))?,
        name: required(function.name, || field("function.name"))?,
        arguments: call_arguments::read(function.arguments.unwrap_or_default().0),
        signature: None,
    })
}

/// Content in each of its forms. Empty text says nothing, and some providers refuse it, so it is left out.
fn content<'a>(
    at: At,
    content: Option<TextOr<'a, Vec<ContentPart<'a>>>>,
    raw: &mut Raw<'a>,
) -> Result<Vec<Content<'a>>, Error> {
    let parts = match content {
        None => return Ok(Vec::new()),
        Some(TextOr::Text(Str(text))) if text.is_empty() => return Ok(Vec::new()),
        Some(TextOr::Text(Str(text))) => return Ok(vec![Part::Text(text).into()]),
        Some(TextOr::Other(parts)) => parts,
    };
    let mut content = Vec::with_capacity(parts.len());
    for (index, mut wire) in parts.into_iter().enumerate() {
        let cache = match wire.cache_control.take() {
            Some(control) => Some(cache_mark(control, || at.part(index, "cache_control"))?),
            None => None,
        };
        let part = part(at, index, wire, raw)?;
        if !matches!(&part, Part::Text(text) if text.is_empty()) {
            content.push(Content { part, cache });
        }
    }
    Ok(content)
}

fn part<'a>(at: At, index: usize, part: ContentPart<'a>, raw: &mut Raw<'a>) -> Result<Part<'a>, Error> {
    let field = |name: &str| at.part(index, name);
    let missing = |name: &str| Error::client(field(name), "is required");
    let kind = required(part.kind, || field("type"))?;
    match kind.as_ref() {
        "text" => part.text.map(|Str(text)| Part::Text(text)).ok_or_else(|| missing("text")),
        "refusal" => part.refusal.map(|Str(text)| Part::Refusal(text)).ok_or_else(|| missing("refusal")),
        "image_url" => {
            let (url, detail) = match part.image_url {
                None => return Err(missing("image_url")),
                Some(TextOr::Text(url)) => (Some(url), None),
                Some(TextOr::Other(image)) => (image.url, image.detail),
            };
            let url = required(url, || field("image_url.url"))?;
            let source = data_url::source(url).ok_or_else(|| {
                Error::client(field("image_url.url"), "must be a URL, or `data:<media type>;base64,<data>`")
            })?;
            Ok(Part::Image { source, detail: detail.map(|Str(detail)| detail) })
        }
        "input_audio" => {
            let audio = part.input_audio.ok_or_else(|| missing("input_audio"))?;
            let data = required(audio.data, || field("input_audio.data"))?;
            let format = required(audio.format, || field("input_audio.format"))?;
            if !is_name(&format) {
                return Err(Error::client(field("input_audio.format"), "must be a format, such as `wav`"));
            }
            Ok(Part::Audio { data, format })
        }
        "file" => file(part.file.ok_or_else(|| missing("file"))?, field),
        _ => {
            let json = raw.part(at.0, index).ok_or_else(|| Error::client(field("type"), "is not known"))?;
            Ok(Part::Foreign { kind, json })
        }
    }
}

fn file<'a>(file: File<'a>, field: impl Fn(&str) -> String) -> Result<Part<'a>, Error> {
    let name = non_empty(file.filename);
    if let Some(data) = non_empty(file.file_data) {
        return match data_url::source(data) {
            Some(source @ hub::Source::Base64 { .. }) => Ok(Part::Document { source, name }),
            _ => Err(Error::client(field("file.file_data"), "must be `data:<media type>;base64,<data>`")),
        };
    }
    match non_empty(file.file_id) {
        Some(id) => Ok(Part::Document { source: hub::Source::File(id), name }),
        None => Err(Error::client(field("file"), "must have a `file_id` or `file_data`")),
    }
}

/// Puts the mark of a whole message behind its last piece, unless that has one of its own.
fn mark_last<'a>(
    content: &mut [Content<'a>],
    at: At,
    control: Option<super::request_wire::CacheControl<'a>>,
) -> Result<(), Error> {
    let Some(control) = control else { return Ok(()) };
    let mark: CacheMark<'a> = cache_mark(control, || at.field("cache_control"))?;
    if let Some(last) = content.last_mut() {
        last.cache.get_or_insert(mark);
    }
    Ok(())
}
