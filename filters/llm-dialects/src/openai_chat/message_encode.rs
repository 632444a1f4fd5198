//! Turns of the hub as messages of this dialect, in the order the API demands.

use std::borrow::Cow;

use serde::Serialize;

use super::data_url::OutUrl;
use super::wire::{OutToolCall, append};
use crate::Error;
use crate::hub::{Content, Part, Request, Role, Source, ToolResult, Turn};

/// A message as it is written.
#[derive(Debug, Serialize)]
pub(super) struct OutMessage<'r> {
    role: &'static str,
    content: OutContent<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Cow<'r, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<OutToolCall<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'r str>,
}

impl<'r> OutMessage<'r> {
    fn new(role: &'static str, content: OutContent<'r>) -> Self {
        Self { role, content, name: None, refusal: None, tool_calls: Vec::new(), tool_call_id: None }
    }
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum OutContent<'r> {
    Null,
    Text(Cow<'r, str>),
    Parts(Vec<OutPart<'r>>),
}

impl<'r> OutContent<'r> {
    /// Parts in their shortest form: a single text is a plain string, which every provider takes.
    fn from_parts(mut parts: Vec<OutPart<'r>>) -> Self {
        match parts.pop() {
            None => Self::Text(Cow::Borrowed("")),
            Some(OutPart::Text { text, .. }) if parts.is_empty() => Self::Text(text),
            Some(last) => {
                parts.push(last);
                Self::Parts(parts)
            }
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum OutPart<'r> {
    Text {
        #[serde(rename = "type")]
        kind: &'static str,
        text: Cow<'r, str>,
    },
    Image {
        #[serde(rename = "type")]
        kind: &'static str,
        image_url: OutImageUrl<'r>,
    },
    Audio {
        #[serde(rename = "type")]
        kind: &'static str,
        input_audio: OutAudio<'r>,
    },
    File {
        #[serde(rename = "type")]
        kind: &'static str,
        file: OutFile<'r>,
    },
}

#[derive(Debug, Serialize)]
struct OutImageUrl<'r> {
    url: OutUrl<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'r str>,
}

#[derive(Debug, Serialize)]
struct OutAudio<'r> {
    data: &'r str,
    format: &'r str,
}

#[derive(Debug, Serialize)]
struct OutFile<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<OutUrl<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_id: Option<&'r str>,
}

fn text_part<'r>(text: impl Into<Cow<'r, str>>) -> OutPart<'r> {
    OutPart::Text { kind: "text", text: text.into() }
}

/// Every message of the request, instructions first.
pub(super) fn messages<'r>(request: &'r Request<'_>) -> Result<Vec<OutMessage<'r>>, Error> {
    let mut out = Vec::with_capacity(request.turns.len() + 1);
    let said = request.system.iter().filter(|piece| !piece.text.is_empty());
    let parts: Vec<_> = said.map(|piece| text_part(piece.text.as_ref())).collect();
    if !parts.is_empty() {
        out.push(OutMessage::new("system", OutContent::from_parts(parts)));
    }
    let mut turns: Vec<(usize, &Turn<'_>)> = request.turns.iter().enumerate().collect();
    let mut rest = turns.as_mut_slice();
    // One step is what the assistant says, and everything up to when it speaks again.
    while !rest.is_empty() {
        let said = rest.iter().take_while(|(_, turn)| turn.role == Role::Assistant).count();
        let (assistant, after) = rest.split_at_mut(said);
        let answered = after.iter().take_while(|(_, turn)| turn.role != Role::Assistant).count();
        let (answers, next) = after.split_at_mut(answered);
        let calls = push_assistant(&mut out, assistant)?;
        let attachments = push_results(&mut out, answers, &calls)?;
        push_answers(&mut out, answers, attachments)?;
        rest = next;
    }
    Ok(out)
}

/// Adjacent assistant turns stay messages of their own, unless one but the last calls tools: the results
/// would then no longer follow the calls, so all of them become one message. Returns the ids of the calls.
fn push_assistant<'r>(
    out: &mut Vec<OutMessage<'r>>,
    turns: &[(usize, &'r Turn<'_>)],
) -> Result<Vec<&'r str>, Error> {
    let calls = |turn: &Turn<'_>| turn.content.iter().any(|piece| matches!(piece.part, Part::ToolCall(_)));
    let merge = turns.split_last().is_some_and(|(_, before)| before.iter().any(|(_, turn)| calls(turn)));
    let mut ids = Vec::new();
    for group in turns.chunks(if merge { turns.len() } else { 1 }) {
        let mut text: Option<Cow<'r, str>> = None;
        let mut message = OutMessage::new("assistant", OutContent::Null);
        for &(index, turn) in group {
            message.name = message.name.or(turn.name.as_deref());
            for (piece, Content { part, .. }) in turn.content.iter().enumerate() {
                match part {
                    Part::Text(more) => append(&mut text, more),
                    Part::Refusal(more) => append(&mut message.refusal, more),
                    Part::ToolCall(call) => {
                        ids.push(call.id.as_ref());
                        message.tool_calls.push(call.into());
                    }
                    Part::Thinking { .. } | Part::RedactedThinking(_) => {}
                    other => return Err(refused(index, piece, other, "in an assistant turn")),
                }
            }
        }
        message.content = match text {
            Some(text) => OutContent::Text(text),
            None if message.tool_calls.is_empty() && message.refusal.is_none() => OutContent::Text("".into()),
            None => OutContent::Null,
        };
        out.push(message);
    }
    Ok(ids)
}

/// Writes every tool result of `turns`, in the order of the calls it answers; results of unknown calls come
/// last, in their own order. Returns what a tool message cannot carry, for the user message that follows.
fn push_results<'r>(
    out: &mut Vec<OutMessage<'r>>,
    turns: &[(usize, &'r Turn<'_>)],
    calls: &[&str],
) -> Result<Vec<OutPart<'r>>, Error> {
    let mut results: Vec<(usize, usize, &'r ToolResult<'_>)> = Vec::new();
    for &(index, turn) in turns {
        for (piece, Content { part, .. }) in turn.content.iter().enumerate() {
            if let Part::ToolResult(result) = part {
                results.push((index, piece, result));
            }
        }
    }
    results.sort_by_key(|(_, _, result)| {
        calls.iter().position(|id| *id == result.call_id).unwrap_or(usize::MAX)
    });
    let mut attachments = Vec::new();
    for (turn, piece, result) in results {
        let text = result_text(turn, piece, result, &mut attachments)?;
        let mut message = OutMessage::new("tool", OutContent::Text(text));
        message.tool_call_id = Some(&result.call_id);
        out.push(message);
    }
    Ok(attachments)
}

/// The text of a tool result; its images and documents go to `attachments`, and a note says so.
fn result_text<'r>(
    turn: usize,
    piece: usize,
    result: &'r ToolResult<'_>,
    attachments: &mut Vec<OutPart<'r>>,
) -> Result<Cow<'r, str>, Error> {
    let mut text: Option<Cow<'r, str>> = None;
    let mut add = |more: Cow<'r, str>| match &mut text {
        None => text = Some(more),
        Some(text) => {
            let text = text.to_mut();
            text.push('\n');
            text.push_str(&more);
        }
    };
    for Content { part, .. } in &result.content {
        let kind = match part {
            Part::Text(more) | Part::Document { source: Source::Text(more), .. } => {
                add(Cow::Borrowed(more));
                continue;
            }
            Part::Image { .. } => "image",
            Part::Document { .. } => "document",
            other => return Err(refused(turn, piece, other, "in a tool result")),
        };
        add(Cow::Owned(format!("[{kind}: see the next user message]")));
        attachments.push(text_part(format!("[{kind} returned by tool call {}]", result.call_id)));
        attachments.push(user_part(turn, piece, part)?);
    }
    let text = text.unwrap_or_default();
    if !result.is_error {
        return Ok(text);
    }
    Ok(match text.as_ref() {
        "" => Cow::Borrowed("Error"),
        said if said.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("error")) => text,
        said => Cow::Owned(format!("Error: {said}")),
    })
}

/// Writes what `turns` hold beside tool results. `attachments` go in front of the first user message, or
/// are one of their own when a system message or nothing follows.
fn push_answers<'r>(
    out: &mut Vec<OutMessage<'r>>,
    turns: &[(usize, &'r Turn<'_>)],
    mut attachments: Vec<OutPart<'r>>,
) -> Result<(), Error> {
    for &(index, turn) in turns {
        let is_result = |piece: &Content<'_>| matches!(piece.part, Part::ToolResult(_));
        if !turn.content.is_empty() && turn.content.iter().all(is_result) {
            continue;
        }
        let role = if turn.role == Role::System { "system" } else { "user" };
        let mut parts = Vec::with_capacity(turn.content.len());
        if role == "user" {
            parts.append(&mut attachments);
        } else {
            push_attachments(out, &mut attachments);
        }
        for (piece, Content { part, .. }) in turn.content.iter().enumerate() {
            match part {
                // Written already; or of the model, and of no use in another's mouth.
                Part::ToolResult(_) | Part::Thinking { .. } | Part::RedactedThinking(_) => {}
                // Says nothing, and some providers refuse it.
                Part::Text(text) if text.is_empty() => {}
                part => parts.push(user_part(index, piece, part)?),
            }
        }
        let mut message = OutMessage::new(role, OutContent::from_parts(parts));
        message.name = turn.name.as_deref();
        out.push(message);
    }
    push_attachments(out, &mut attachments);
    Ok(())
}

fn push_attachments<'r>(out: &mut Vec<OutMessage<'r>>, attachments: &mut Vec<OutPart<'r>>) {
    if !attachments.is_empty() {
        out.push(OutMessage::new("user", OutContent::from_parts(std::mem::take(attachments))));
    }
}

fn user_part<'r>(turn: usize, piece: usize, part: &'r Part<'_>) -> Result<OutPart<'r>, Error> {
    Ok(match part {
        Part::Text(text) | Part::Document { source: Source::Text(text), .. } => text_part(text.as_ref()),
        Part::Image { source, detail } => {
            let url = match source {
                Source::Url(url) => OutUrl::Reference(url),
                Source::Base64 { media_type, data } => OutUrl::Data { media_type, data },
                Source::File(_) | Source::Text(_) => {
                    return Err(refused(turn, piece, part, "by file id: send it inline or by URL"));
                }
            };
            let detail = detail.as_deref();
            OutPart::Image { kind: "image_url", image_url: OutImageUrl { url, detail } }
        }
        Part::Document { source, name } => {
            let name = name.as_deref();
            let file = match source {
                Source::Base64 { media_type, data } => OutFile {
                    // OpenAI wants a name beside inline data, and tells the type by its ending.
                    filename: name.or(Some(if media_type == "application/pdf" {
                        "document.pdf"
                    } else {
                        "document"
                    })),
                    file_data: Some(OutUrl::Data { media_type, data }),
                    file_id: None,
                },
                // Anthropic's ids, and Google's URIs and names; OpenAI's have a hyphen and no slash.
                Source::File(id) if id.starts_with("file_") || id.contains('/') => {
                    return Err(refused(turn, piece, part, "uploaded elsewhere: send it inline"));
                }
                Source::File(id) => OutFile { filename: name, file_data: None, file_id: Some(id) },
                Source::Url(_) | Source::Text(_) => {
                    return Err(refused(turn, piece, part, "by URL: send it inline"));
                }
            };
            OutPart::File { kind: "file", file }
        }
        Part::Audio { data, format } => {
            OutPart::Audio { kind: "input_audio", input_audio: OutAudio { data, format } }
        }
        other => return Err(refused(turn, piece, other, "in a user turn")),
    })
}

/// The error for a part that cannot be carried; `how` completes "takes no image …".
pub(crate) fn refused(turn: usize, piece: usize, part: &Part<'_>, how: &str) -> Error {
    let what = match part {
        Part::Text(_) => "text",
        Part::Refusal(_) => "refusal",
        Part::Image { .. } => "image",
        Part::Document { .. } => "document",
        Part::Audio { .. } => "audio",
        Part::Thinking { .. } | Part::RedactedThinking(_) => "reasoning",
        Part::ToolCall(_) => "tool call",
        Part::ToolResult(_) => "tool result",
        Part::Citation(_) => "citation",
        Part::Foreign { kind, .. } => kind,
    };
    Error::unsupported(
        format!("messages[{turn}].content[{piece}]"),
        format!("the provider of this model takes no `{what}` {how}"),
    )
}
