//! `contents` as turns of the hub.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::carrier::Carried;
use super::media;
use super::request_wire::{RawContent, RawRequest};
use super::wire::{self, Entries, elements};
use crate::Error;
use crate::hub::{self, Arguments, Content, Part, Role, ToolCall, ToolResult, Turn};
use crate::json::{Str, non_empty};
use crate::media_type;
use crate::openai_chat::data_url::is_data;

/// The turns, adjacent contents of one role as one turn.
///
/// Clients keep the chunks of a streamed answer as contents of their own: thoughts and texts of the model that such
/// chunks broke up are put together again. Calls without an id get one from their place, results without one that of
/// the first open call of their name.
pub(super) fn turns<'a>(contents: Vec<wire::Content<'a>>, raw: &mut Raw<'a>) -> Result<Vec<Turn<'a>>, Error> {
    let mut turns: Vec<Turn<'a>> = Vec::with_capacity(contents.len());
    let mut calls: Vec<OpenCall> = Vec::new();
    for (i, content) in contents.into_iter().enumerate() {
        let role = match content.role.as_ref().map(|Str(role)| role.as_ref()) {
            None | Some("" | "user" | "function") => Role::User,
            Some("model") => Role::Assistant,
            Some(_) => {
                return Err(Error::client(format!("contents[{i}].role"), "must be `user` or `model`"));
            }
        };
        let continues = turns.last().is_some_and(|turn| turn.role == role);
        if !continues {
            if role == Role::Assistant {
                calls.clear();
            }
            turns.push(Turn { role, name: None, content: Vec::new() });
        }
        let Some(turn) = turns.last_mut() else { continue };
        for (j, part) in content.parts.unwrap_or_default().0.into_iter().enumerate() {
            let at = At { content: i, part: j };
            let chunk = continues && j == 0;
            push(at, part, chunk, turn, &mut calls, raw)?;
        }
    }
    Ok(turns)
}

/// Where in `contents` a part is.
#[derive(Clone, Copy)]
struct At {
    content: usize,
    part: usize,
}

impl At {
    fn field(self, name: &str) -> String {
        let Self { content, part } = self;
        if name.is_empty() {
            format!("contents[{content}].parts[{part}]")
        } else {
            format!("contents[{content}].parts[{part}].{name}")
        }
    }
}

/// A call whose result may come.
struct OpenCall {
    id: String,
    name: String,
    answered: bool,
}

/// The body once more, with parts as bytes. Parsed only when one of them is foreign.
pub(super) struct Raw<'a> {
    body: &'a [u8],
    parsed: Option<Vec<Vec<&'a RawValue>>>,
}

impl<'a> Raw<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, parsed: None }
    }

    fn part(&mut self, at: At) -> Result<hub::RawJson<'a>, Error> {
        let body = self.body;
        let parsed = self.parsed.get_or_insert_with(|| {
            let Ok(request) = serde_json::from_slice::<RawRequest<'a>>(body) else { return Vec::new() };
            let parts = |content: &'a RawValue| {
                serde_json::from_str::<RawContent<'a>>(content.get())
                    .map_or_else(|_| Vec::new(), |content| elements(content.parts))
            };
            elements(request.contents).into_iter().map(parts).collect()
        });
        let found = parsed.get(at.content).and_then(|parts| parts.get(at.part)).copied();
        found.map(Cow::Borrowed).ok_or_else(|| Error::client(at.field(""), "is not a part"))
    }
}

fn push<'a>(
    at: At,
    mut part: wire::Part<'a>,
    chunk: bool,
    turn: &mut Turn<'a>,
    calls: &mut Vec<OpenCall>,
    raw: &mut Raw<'a>,
) -> Result<(), Error> {
    let carried = non_empty(part.thought_signature.take()).map(Carried::read);
    if let Some(call) = part.function_call {
        let call = tool_call(at, call, carried)?;
        calls.push(OpenCall { id: call.id.to_string(), name: call.name.to_string(), answered: false });
        turn.content.push(Part::ToolCall(call).into());
        return Ok(());
    }
    if let Some(result) = part.function_response {
        turn.content.push(Part::ToolResult(tool_result(at, result, calls)?).into());
        return Ok(());
    }
    if part.thought == Some(true) {
        // Only the last piece matters to a thought; the hub's pieces have cache marks, which this API lacks.
        let mut last: Vec<Part<'a>> = turn.content.pop().map(|content| content.part).into_iter().collect();
        thought(part.text.unwrap_or_default().0, carried, &mut last);
        turn.content.extend(last.into_iter().map(Content::from));
        return Ok(());
    }
    if let Some(kind) = part.foreign() {
        // Its signature is inside.
        turn.content.push(Part::Foreign { kind: Cow::Borrowed(kind), json: raw.part(at)? }.into());
        return Ok(());
    }
    let known = if let Some(blob) = part.inline_data {
        let media_type = media_type(blob.mime_type, || at.field("inlineData.mimeType"))?;
        let data = required(blob.data, || at.field("inlineData.data"))?;
        Some((media::inline_part(media_type, data), "inlineData"))
    } else if let Some(file) = part.file_data {
        let uri = address(file.file_uri, || at.field("fileData.fileUri"))?;
        let media_type = file.mime_type.as_ref().map(|Str(media_type)| media_type.as_ref());
        Some((media::file_part(uri, media_type), "fileData"))
    } else {
        None
    };
    match (known, part.text) {
        (Some((Some(part), _)), _) => turn.content.push(part.into()),
        (Some((None, kind)), _) => {
            turn.content.push(Part::Foreign { kind: Cow::Borrowed(kind), json: raw.part(at)? }.into());
            return Ok(());
        }
        (None, Some(Str(text))) => push_text(text, chunk, turn),
        (None, None) if carried.is_some() => {}
        (None, None) => {
            return Err(Error::client(
                at.field(""),
                "must hold `text`, `inlineData`, `fileData`, `functionCall` or `functionResponse`",
            ));
        }
    }
    if let Some(signature) = carried.and_then(Carried::signature) {
        let thinking = Part::Thinking { text: Cow::Borrowed(""), signature: Some(signature) };
        turn.content.push(thinking.into());
    }
    Ok(())
}

fn push_text<'a>(text: Cow<'a, str>, chunk: bool, turn: &mut Turn<'a>) {
    if text.is_empty() {
        return;
    }
    if chunk
        && turn.role == Role::Assistant
        && let Some(Content { part: Part::Text(before), .. }) = turn.content.last_mut()
    {
        before.to_mut().push_str(&text);
        return;
    }
    turn.content.push(Part::Text(text).into());
}

/// Adds a thought. One that begins without a signature goes on until there is one.
pub(super) fn thought<'a>(text: Cow<'a, str>, carried: Option<Carried<'a>>, content: &mut Vec<Part<'a>>) {
    let signature = match carried {
        Some(Carried::Redacted(data)) => {
            content.push(Part::RedactedThinking(Cow::Owned(data)));
            return;
        }
        Some(Carried::Signature(signature)) => Some(signature),
        None => None,
    };
    if let Some(Part::Thinking { text: before, signature: unsigned @ None }) = content.last_mut() {
        if !text.is_empty() {
            before.to_mut().push_str(&text);
        }
        *unsigned = signature;
    } else if !text.is_empty() || signature.is_some() {
        content.push(Part::Thinking { text, signature });
    }
}

fn tool_call<'a>(
    at: At,
    call: wire::FunctionCall<'a>,
    carried: Option<Carried<'a>>,
) -> Result<ToolCall<'a>, Error> {
    let name = required(call.name, || at.field("functionCall.name"))?;
    if call.args.is_some_and(|args| !args.get().starts_with('{')) {
        return Err(Error::client(at.field("functionCall.args"), "must be an object"));
    }
    Ok(ToolCall {
        id: non_empty(call.id).unwrap_or_else(|| Cow::Owned(format!("call_{}_{}", at.content, at.part))),
        name,
        arguments: arguments(call.args),
        signature: carried.and_then(Carried::signature),
    })
}

/// The arguments of a call; missing ones are none.
pub(super) fn arguments(args: Option<&RawValue>) -> Arguments<'_> {
    match args {
        Some(args) if args.get().starts_with('{') => Arguments::Json(Cow::Borrowed(args)),
        Some(args) => Arguments::Invalid(Cow::Borrowed(args.get())),
        // `{}` always parses; `null` stands in only to keep this free of panics.
        None => Arguments::Json(Cow::Borrowed(serde_json::from_str("{}").unwrap_or(RawValue::NULL))),
    }
}

fn tool_result<'a>(
    at: At,
    result: wire::FunctionResponse<'a>,
    calls: &mut [OpenCall],
) -> Result<ToolResult<'a>, Error> {
    let id = non_empty(result.id);
    let name = non_empty(result.name);
    let by_name =
        || calls.iter().position(|call| !call.answered && Some(call.name.as_str()) == name.as_deref());
    let by_id = id.as_ref().and_then(|id| calls.iter().position(|call| call.id == *id));
    let call_id = match (by_id.or_else(by_name).and_then(|position| calls.get_mut(position)), id) {
        (Some(call), _) => {
            call.answered = true;
            Cow::Owned(call.id.clone())
        }
        (None, Some(id)) => id,
        (None, None) if name.is_none() => {
            return Err(Error::client(at.field("functionResponse.name"), "is required"));
        }
        (None, None) => {
            return Err(Error::client(
                at.field("functionResponse.name"),
                "answers no function call of the turn before: send the call, too",
            ));
        }
    };
    let (mut content, is_error) = match result.response {
        Some(response) => said(at, response)?,
        None => (Vec::new(), false),
    };
    for (k, part) in result.parts.unwrap_or_default().0.into_iter().enumerate() {
        let path = || at.field(&format!("functionResponse.parts[{k}]"));
        let part = if let Some(blob) = part.inline_data {
            media::inline_part(media_type(blob.mime_type, path)?, required(blob.data, path)?)
        } else if let Some(file) = part.file_data {
            let media_type = file.mime_type.as_ref().map(|Str(media_type)| media_type.as_ref());
            media::file_part(address(file.file_uri, path)?, media_type)
        } else {
            return Err(Error::client(path(), "must hold `inlineData` or `fileData`"));
        };
        match part {
            Some(part) => content.push(part.into()),
            None => {
                return Err(Error::unsupported(
                    path(),
                    "the provider of this model takes no such media in a tool's result: send text or images",
                ));
            }
        }
    }
    Ok(ToolResult { call_id, content, is_error })
}

/// What a function said. The API reads `output` and `error` where they stand alone, its Python SDK writes `result`;
/// any other object is the output as a whole.
fn said<'a>(at: At, response: &'a RawValue) -> Result<(Vec<Content<'a>>, bool), Error> {
    let Ok(Entries(entries)) = serde_json::from_str::<Entries<'a>>(response.get()) else {
        return Err(Error::client(at.field("functionResponse.response"), "must be an object"));
    };
    let (value, is_error) = match entries.as_slice() {
        [] => return Ok((Vec::new(), false)),
        [(key, value)] if matches!(key.as_ref(), "output" | "result" | "error") => (*value, key == "error"),
        _ => (response, false),
    };
    let text = match serde_json::from_str::<Str<'a>>(value.get()) {
        Ok(Str(text)) => text,
        Err(_) => Cow::Borrowed(value.get()),
    };
    let content = if text.is_empty() { Vec::new() } else { vec![Part::Text(text).into()] };
    Ok((content, is_error))
}

/// The texts of a system instruction.
pub(super) fn system(content: Option<wire::Content<'_>>) -> Result<Vec<hub::Text<'_>>, Error> {
    let parts = content.and_then(|content| content.parts).unwrap_or_default().0;
    let mut texts = Vec::with_capacity(parts.len());
    for (i, part) in parts.into_iter().enumerate() {
        match part.text {
            Some(Str(text)) => texts.push(hub::Text { text, cache: None }),
            None => {
                let path = format!("systemInstruction.parts[{i}]");
                return Err(Error::client(path, "must be text"));
            }
        }
    }
    texts.retain(|text| !text.text.is_empty());
    Ok(texts)
}

fn media_type<'a>(field: Option<Str<'a>>, path: impl Fn() -> String) -> Result<Cow<'a, str>, Error> {
    media_type::checked(required(field, &path)?, path)
}

fn address<'a>(field: Option<Str<'a>>, path: impl Fn() -> String) -> Result<Cow<'a, str>, Error> {
    match required(field, &path)? {
        uri if is_data(&uri) => Err(Error::client(path(), "must not be a `data:` URL: use `inlineData`")),
        uri => Ok(uri),
    }
}

fn required<'a>(field: Option<Str<'a>>, path: impl FnOnce() -> String) -> Result<Cow<'a, str>, Error> {
    non_empty(field).ok_or_else(|| Error::client(path(), "is required"))
}
