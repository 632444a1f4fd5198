//! Turns of the hub as items of this dialect.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::input_wire::{OutAudio, OutContent, OutItem, OutPart};
use super::reasoning;
use crate::Error;
use crate::hub::{Content, Part, Role, Source, ToolCall, ToolResult, Turn};
use crate::openai_chat::data_url::OutUrl;
use crate::openai_chat::{call_arguments, refused};

/// The longest id of a call OpenAI takes, in bytes.
const MAX_CALL_ID: usize = 64;

/// Types of items that only this dialect has and that a client can send.
const FOREIGN_ITEMS: [&str; 26] = [
    "additional_tools",
    "apply_patch_call",
    "apply_patch_call_output",
    "code_interpreter_call",
    "compaction",
    "compaction_trigger",
    "computer_call",
    "computer_call_output",
    "configuration_update",
    "custom_tool_call",
    "custom_tool_call_output",
    "file_search_call",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "mcp_list_tools",
    "program",
    "program_output",
    "shell_call",
    "shell_call_output",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
];

/// Every item of the conversation; those of reasoning only if the model `reasons`, as others refuse them.
pub(super) fn items<'r>(turns: &'r [Turn<'_>], reasons: bool) -> Result<Vec<OutItem<'r>>, Error> {
    let mut out = Vec::with_capacity(turns.len());
    // Reasoning belongs to what follows it, and OpenAI refuses it alone.
    let mut held = Vec::new();
    for (index, turn) in turns.iter().enumerate() {
        if turn.role == Role::Assistant {
            assistant(&mut out, &mut held, index, turn)?;
        } else {
            held.clear();
            told(&mut out, index, turn)?;
        }
    }
    if !reasons {
        out.retain(|item| !matches!(item, OutItem::Reasoning { .. }));
    }
    Ok(out)
}

fn assistant<'r>(
    out: &mut Vec<OutItem<'r>>,
    held: &mut Vec<OutItem<'r>>,
    index: usize,
    turn: &'r Turn<'_>,
) -> Result<(), Error> {
    let mut said = Vec::new();
    for (piece, Content { part, .. }) in turn.content.iter().enumerate() {
        match part {
            Part::Text(text) if text.is_empty() => {}
            Part::Text(text) => said.push(OutPart::OutputText { text: Cow::Borrowed(text) }),
            Part::Refusal(refusal) => said.push(OutPart::Refusal { refusal }),
            Part::Thinking { text, signature } => {
                let own = signature.as_deref().and_then(reasoning::own);
                if let Some((id, encrypted_content)) = own {
                    say(out, held, &mut said);
                    let text = (!text.is_empty()).then(|| OutPart::SummaryText { text: Cow::Borrowed(text) });
                    held.push(OutItem::Reasoning {
                        id,
                        summary: text.into_iter().collect(),
                        encrypted_content,
                    });
                }
            }
            Part::RedactedThinking(_) | Part::Citation(_) => {}
            Part::ToolCall(call) => {
                say(out, held, &mut said);
                out.append(held);
                out.push(function_call(call));
            }
            Part::Foreign { kind, json } if is_own(kind, json) => {
                say(out, held, &mut said);
                out.append(held);
                out.push(OutItem::Verbatim(json));
            }
            other => return Err(refused(index, piece, other, "in an assistant turn")),
        }
    }
    say(out, held, &mut said);
    Ok(())
}

/// Writes the message so far, with the reasoning before it.
fn say<'r>(out: &mut Vec<OutItem<'r>>, held: &mut Vec<OutItem<'r>>, said: &mut Vec<OutPart<'r>>) {
    if !said.is_empty() {
        out.append(held);
        let content = OutContent::from_parts(std::mem::take(said));
        out.push(OutItem::Message { role: "assistant", content });
    }
}

fn function_call<'r>(call: &'r ToolCall<'_>) -> OutItem<'r> {
    let arguments = call_arguments::text(&call.arguments);
    OutItem::FunctionCall { call_id: call_id(&call.id), name: &call.name, arguments }
}

/// What a user or a system says. Results come first, right behind their calls.
fn told<'r>(out: &mut Vec<OutItem<'r>>, index: usize, turn: &'r Turn<'_>) -> Result<(), Error> {
    let mut parts = Vec::with_capacity(turn.content.len());
    for (piece, Content { part, .. }) in turn.content.iter().enumerate() {
        match part {
            Part::ToolResult(result) => out.push(OutItem::FunctionCallOutput {
                call_id: call_id(&result.call_id),
                output: output(index, piece, result)?,
            }),
            Part::Foreign { kind, json } if is_own(kind, json) => out.push(OutItem::Verbatim(json)),
            // Of the model, and of no use in another's mouth.
            Part::Thinking { .. } | Part::RedactedThinking(_) | Part::Citation(_) => {}
            Part::Text(text) if text.is_empty() => {}
            part if turn.role == Role::System && !matches!(part, Part::Text(_)) => {
                return Err(refused(index, piece, part, "in instructions"));
            }
            part => parts.push(input_part(index, piece, part)?),
        }
    }
    if !parts.is_empty() {
        let role = if turn.role == Role::System { "system" } else { "user" };
        out.push(OutItem::Message { role, content: OutContent::from_parts(parts) });
    }
    Ok(())
}

/// The content of a result: a string if it is only text, which every provider takes.
fn output<'r>(turn: usize, piece: usize, result: &'r ToolResult<'_>) -> Result<OutContent<'r>, Error> {
    let mut parts = Vec::with_capacity(result.content.len());
    for Content { part, .. } in &result.content {
        match part {
            Part::Text(_) | Part::Image { .. } | Part::Document { .. } => {
                parts.push(input_part(turn, piece, part)?);
            }
            other => return Err(refused(turn, piece, other, "in a tool result")),
        }
    }
    if result.is_error {
        mark_error(&mut parts);
    }
    let texts = || {
        parts.iter().map(|part| match part {
            OutPart::InputText { text } => Some(text.as_ref()),
            _ => None,
        })
    };
    match texts().collect::<Option<Vec<&str>>>() {
        Some(texts) if texts.len() > 1 => Ok(OutContent::Text(Cow::Owned(texts.join("\n")))),
        _ => Ok(OutContent::from_parts(parts)),
    }
}

/// Says that a tool failed, unless its text says so: there is no field for it.
fn mark_error(parts: &mut Vec<OutPart<'_>>) {
    match parts.first_mut() {
        Some(OutPart::InputText { text }) => {
            if !text.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("error")) {
                *text = Cow::Owned(format!("Error: {text}"));
            }
        }
        _ => parts.insert(0, OutPart::InputText { text: Cow::Borrowed("Error") }),
    }
}

fn input_part<'r>(turn: usize, piece: usize, part: &'r Part<'_>) -> Result<OutPart<'r>, Error> {
    Ok(match part {
        Part::Text(text) | Part::Document { source: Source::Text(text), .. } => {
            OutPart::InputText { text: Cow::Borrowed(text) }
        }
        Part::Image { source, detail } => {
            let (image_url, file_id) = match source {
                Source::Url(url) => (Some(OutUrl::Reference(url)), None),
                Source::Base64 { media_type, data } => (Some(OutUrl::Data { media_type, data }), None),
                Source::File(id) if is_openai_file(id) => (None, Some(id.as_ref())),
                Source::File(_) | Source::Text(_) => return Err(uploaded(turn, piece, part)),
            };
            OutPart::InputImage { image_url, file_id, detail: detail.as_deref() }
        }
        Part::Document { source, name } => {
            let name = name.as_deref();
            let (filename, file_data, file_url, file_id) = match source {
                // OpenAI wants a name beside inline data, and tells the type by its ending.
                Source::Base64 { media_type, data } => {
                    let unnamed = if media_type == "application/pdf" { "document.pdf" } else { "document" };
                    (Some(name.unwrap_or(unnamed)), Some(OutUrl::Data { media_type, data }), None, None)
                }
                // It refuses one beside a URL or an id.
                Source::Url(url) => (None, None, Some(url.as_ref()), None),
                Source::File(id) if is_openai_file(id) => (None, None, None, Some(id.as_ref())),
                Source::File(_) | Source::Text(_) => return Err(uploaded(turn, piece, part)),
            };
            OutPart::InputFile { filename, file_data, file_url, file_id }
        }
        Part::Audio { data, format } => OutPart::InputAudio { input_audio: OutAudio { data, format } },
        other => return Err(refused(turn, piece, other, "in a user turn")),
    })
}

/// OpenAI's ids begin with `file-`, and those of Azure's assistants with `assistant-`; Anthropic's have an underscore.
fn is_openai_file(id: &str) -> bool {
    !id.starts_with("file_") && !id.contains("://") && !id.starts_with("files/")
}

/// Whether a part is an item of this dialect, as its client sent it.
fn is_own(kind: &str, json: &RawValue) -> bool {
    FOREIGN_ITEMS.contains(&kind) && super::tool_encode::has_type(json, kind)
}

/// The id of a call, cut to what OpenAI takes: ids made by others, or carrying signatures, can be longer. The same id
/// always becomes the same.
fn call_id(id: &str) -> Cow<'_, str> {
    if id.len() <= MAX_CALL_ID {
        return Cow::Borrowed(id);
    }
    // FNV-1a, 64 bits.
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let tail = format!("_{hash:016x}");
    let mut end = MAX_CALL_ID.saturating_sub(tail.len());
    while !id.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(id.get(..end).unwrap_or_default().to_owned() + &tail)
}

fn uploaded(turn: usize, piece: usize, part: &Part<'_>) -> Error {
    refused(turn, piece, part, "uploaded to another provider: send it inline or by URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ids_stay_apart_and_the_same() {
        let long = "call_".repeat(20);
        let other = long.clone() + "x";
        assert_eq!(call_id("toolu_1"), "toolu_1");
        assert_eq!(call_id(&long).len(), MAX_CALL_ID);
        assert_eq!(call_id(&long), call_id(&long.clone()));
        assert_ne!(call_id(&long), call_id(&other));
        assert!(call_id(&"é".repeat(40)).len() <= MAX_CALL_ID);
    }
}
