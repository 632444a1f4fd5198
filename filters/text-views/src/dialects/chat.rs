//! OpenAI chat completions, with what compatible providers add to them.
//!
//! <https://platform.openai.com/docs/api-reference/chat/create>

use llm_dialects::Dialect;

use super::{Body, number, unknown};
use crate::collect::{Collector, Seal};
use crate::json::{Fault, Shape, Value};
use crate::passage::Passages;
use crate::slot::{At, Role, ThreadKind};

/// Fields in which providers put what the model thinks, and the thread each is.
const REASONING: [(&str, u32); 3] = [("reasoning_content", 0), ("reasoning", 1), ("reasoning_text", 2)];
/// Threads of the lists that hold it.
const REASONING_DETAILS: u32 = 3;
const THINKING_BLOCKS: u32 = 4;

pub(super) fn request<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    let messages = root.list("messages")?;
    let after = number(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        let message = message.object()?;
        let role = role(&message.str("role"));
        said(message, At::says(role, number(index)), Body::Request, |nth, _| nth, found)?;
    }
    if let Some(prediction) = root.get("prediction") {
        content(prediction.get("content"), At::says(Role::Assistant, after), found)?;
    }
    Ok(())
}

pub(super) fn answer<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    for (index, choice) in root.list("choices")?.into_iter().enumerate() {
        let at = At::says(Role::Assistant, choice.number("index").unwrap_or(number(index)));
        found.echo(choice.get("logprobs"), "null");
        if let Some(message) = choice.get("message") {
            said(message.object()?, at, Body::Answer, |nth, _| nth, found)?;
        }
    }
    Ok(())
}

fn role(name: &str) -> Role {
    match name {
        "system" | "developer" => Role::System,
        "assistant" => Role::Assistant,
        "tool" | "function" => Role::Tool,
        _ => Role::User,
    }
}

/// The texts of a message or a delta. `call` numbers the tool calls of its list.
pub(super) fn said<'a>(
    message: Value<'_, 'a>,
    at: At,
    body: Body,
    mut call: impl FnMut(u32, Value<'_, 'a>) -> u32,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    reasoning(message, at, body, found)?;
    content(message.get("content"), at, found)?;
    found.text(message.get("refusal"), at.thread(ThreadKind::Refusal, 0))?;
    if let Some(audio) = message.get("audio") {
        found.text(audio.get("transcript"), at.thread(ThreadKind::Transcript, 0))?;
    }
    for (nth, tool_call) in message.list("tool_calls")?.into_iter().enumerate() {
        let at = at.calls(call(number(nth), tool_call));
        match (tool_call.get("function"), tool_call.get("custom")) {
            (None, None) => unknown::block(tool_call, at, at.thread.part, found)?,
            (function, custom) => {
                found.json_text(function.and_then(|function| function.get("arguments")), at)?;
                found.text(custom.and_then(|custom| custom.get("input")), at)?;
            }
        }
    }
    // Deprecated; there is one at most, and no list beside it.
    if let Some(function) = message.get("function_call") {
        found.json_text(function.get("arguments"), at.calls(0))?;
    }
    // Azure's documents.
    if let Some(context) = message.get("context") {
        unknown::block(context, at, 0, found)?;
    }
    for annotation in message.get("annotations").into_iter().flat_map(Value::children) {
        for citation in annotation.children() {
            match citation.get("content") {
                Some(content) if content.shape() == Shape::String => found.echo(Some(content), "\"\""),
                // OpenRouter's words of a file, which clients send back.
                Some(content) => unknown::block(content, at, 0, found)?,
                None => {}
            }
        }
    }
    Ok(())
}

fn reasoning<'a>(message: Value<'_, 'a>, at: At, body: Body, found: &mut Collector<'a>) -> Result<(), Fault> {
    for (name, thread) in REASONING {
        if let Some(value) = message.get(name) {
            match value.shape() {
                Shape::String => found.text(Some(value), at.thinks(thread))?,
                _ => unknown::block(value, at.thinks(thread), thread, found)?,
            }
        }
    }
    for (list, thread, texts) in [
        ("reasoning_details", REASONING_DETAILS, ["text", "summary"]),
        ("thinking_blocks", THINKING_BLOCKS, ["thinking", "text"]),
    ] {
        let Some(blocks) = message.get(list) else { continue };
        let container = found.container(blocks, None);
        // A stream's pieces, put into one list, have their signature at the end.
        let mut unsigned = found.slots.len();
        let message = at.thread.message;
        // What repeats a whole message begins anew.
        let mut repeated = Passages::default();
        for (index, block) in blocks.elements()?.into_iter().enumerate() {
            let first = found.slots.len();
            for text in texts {
                found.text(block.get(text), at.thinks(thread).block(number(index)))?;
            }
            let listed = blocks.shape() == Shape::Array;
            if body == Body::Request && listed && !block.str("signature").is_empty() {
                found.seal(unsigned, Seal { container, child: index });
                unsigned = found.slots.len();
            }
            if body == Body::Answer {
                let passages = if at.snapshot { &repeated } else { &found.passages };
                let passage = passages.current(message, thread);
                found.passage(first, passage);
                if found.signature(block.get("signature"), Dialect::OpenaiChat, passage) {
                    let passages = if at.snapshot { &mut repeated } else { &mut found.passages };
                    passages.end(message, thread);
                }
            }
        }
    }
    Ok(())
}

/// Text, or a list of parts.
fn content<'a>(content: Option<Value<'_, 'a>>, at: At, found: &mut Collector<'a>) -> Result<(), Fault> {
    let Some(content) = content else { return Ok(()) };
    if content.shape() == Shape::String {
        return found.text(Some(content), at);
    }
    if content.shape() == Shape::Scalar || content.has_scalars() {
        return Err(content.wrong("a string or a list of parts"));
    }
    for (index, part) in content.elements()?.into_iter().enumerate() {
        let block = number(index);
        let at = at.block(block);
        if part.shape() == Shape::String {
            found.text(Some(part), at)?;
            continue;
        }
        let kind = part.object()?.str("type");
        match &*kind {
            "text" | "input_text" | "output_text" => found.text(part.get("text"), at)?,
            "refusal" => found.text(part.get("refusal"), at.thread(ThreadKind::Refusal, 0))?,
            // Mistral's.
            "thinking" => match part.get("thinking") {
                Some(thinking) if thinking.shape() != Shape::String => {
                    for piece in thinking.elements()? {
                        found.text(piece.get("text"), at.thinks(0).block(block))?;
                    }
                }
                thinking => found.text(thinking, at.thinks(0).block(block))?,
            },
            "image_url" | "input_audio" | "file" | "reference" => {}
            _ => unknown::block(part, at, block, found)?,
        }
    }
    Ok(())
}

/// The role of a delta; only the first of a choice names it.
pub(super) fn delta_role(name: &str) -> Role {
    if name.is_empty() { Role::Assistant } else { role(name) }
}
