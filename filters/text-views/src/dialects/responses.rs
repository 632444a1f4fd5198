//! OpenAI responses.
//!
//! <https://platform.openai.com/docs/api-reference/responses>

use llm_dialects::Dialect;

use super::{Body, number, unknown};
use crate::collect::{Collector, Seal};
use crate::json::{Fault, Shape, Value};
use crate::passage::Passage;
use crate::slot::{At, Role, ThreadKind};
use crate::stream::{Blocks, Sub};

/// What a field of an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// A string that holds the arguments as JSON.
    Arguments,
    /// A string, or a list of strings, that a tool is given.
    Input,
    /// An object that a tool is given.
    Action,
    /// What a tool returns: text, a list of parts, or an object.
    Output,
    /// What a person says.
    Words,
}

/// The fields of items that have texts, but for messages and reasoning. Items that have none are listed, too: what is
/// not here is of unknown kind.
const ITEMS: &[(&str, &[(&str, Field)])] = &[
    ("function_call", &[("arguments", Field::Arguments)]),
    ("custom_tool_call", &[("input", Field::Input)]),
    ("mcp_call", &[("arguments", Field::Arguments), ("output", Field::Output), ("error", Field::Output)]),
    ("mcp_approval_request", &[("arguments", Field::Arguments)]),
    ("mcp_approval_response", &[("reason", Field::Words)]),
    ("web_search_call", &[("action", Field::Action)]),
    ("file_search_call", &[("queries", Field::Input), ("results", Field::Output)]),
    ("computer_call", &[("action", Field::Action), ("actions", Field::Action)]),
    ("local_shell_call", &[("action", Field::Action)]),
    ("shell_call", &[("action", Field::Action)]),
    ("apply_patch_call", &[("operation", Field::Action)]),
    ("code_interpreter_call", &[("code", Field::Input), ("outputs", Field::Output)]),
    ("image_generation_call", &[("revised_prompt", Field::Input)]),
    ("function_call_output", &[("output", Field::Output)]),
    ("custom_tool_call_output", &[("output", Field::Output)]),
    ("computer_call_output", &[("output", Field::Output)]),
    ("local_shell_call_output", &[("output", Field::Output)]),
    ("shell_call_output", &[("output", Field::Output)]),
    ("apply_patch_call_output", &[("output", Field::Output)]),
    ("item_reference", &[]),
    ("mcp_list_tools", &[]),
    ("compaction", &[]),
];

pub(super) fn request<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    let mut index = 0;
    if let Some(instructions) = root.get("instructions") {
        found.text(Some(instructions), At::says(Role::System, 0))?;
        index += 1;
    }
    // Values put into a stored prompt: text, or a part of a message.
    if let Some(variables) = root.get("prompt").and_then(|prompt| prompt.get("variables")) {
        for (nth, variable) in variables.children().enumerate() {
            let at = At::says(Role::User, index).thread(ThreadKind::Document, number(nth));
            match variable.shape() {
                Shape::String => found.text(Some(variable), at)?,
                _ => found.text(variable.get("text"), at)?,
            }
        }
        index += 1;
    }
    let Some(input) = root.get("input") else { return Ok(()) };
    if input.shape() == Shape::String {
        return found.text(Some(input), At::says(Role::User, index));
    }
    let mut blocks = Blocks::default();
    for value in input.elements()? {
        item(value, index, index, Body::Request, &mut blocks, found)?;
        index += 1;
    }
    Ok(())
}

pub(super) fn answer<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    output(root, &mut Blocks::default(), found)
}

/// The items of an answer. They are one message: SDKs join the texts of all.
pub(super) fn output<'a>(
    response: Value<'_, 'a>,
    blocks: &mut Blocks,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    for (index, value) in response.list("output")?.into_iter().enumerate() {
        item(value, 0, number(index), Body::Answer, blocks, found)?;
    }
    Ok(())
}

/// One item: number `nth` of its list, part of message `message`.
pub(super) fn item<'a>(
    item: Value<'_, 'a>,
    message: u32,
    nth: u32,
    body: Body,
    blocks: &mut Blocks,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    if item.shape() == Shape::String {
        return found.text(Some(item), At::says(Role::User, message));
    }
    let kind = item.object()?.str("type");
    let role = match &*item.str("role") {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "tool" => Role::Tool,
        // Items of the model have none.
        _ => Role::Assistant,
    };
    let at = At::says(role, message);
    match &*kind {
        "message" => content(item.get("content"), at, nth, blocks, found),
        "" if item.get("role").is_some() => content(item.get("content"), at, nth, blocks, found),
        "reasoning" => reasoning(item, At::says(Role::Assistant, message), nth, body, blocks, found),
        _ => match ITEMS.iter().find(|(name, _)| *name == kind) {
            Some((_, fields)) => fields
                .iter()
                .try_for_each(|(name, field)| take(item.get(name), *field, at, nth, blocks, found)),
            None => {
                let at = blocks.at(at, nth, Sub::Other, 0)?;
                unknown::block(item, at, nth, found)
            }
        },
    }
}

fn take<'a>(
    value: Option<Value<'_, 'a>>,
    field: Field,
    at: At,
    nth: u32,
    blocks: &mut Blocks,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    let Some(value) = value else { return Ok(()) };
    let at = match field {
        Field::Arguments | Field::Action | Field::Input => blocks.at(at.calls(nth), nth, Sub::Input, 0)?,
        Field::Output => blocks.at(at.returns(nth), nth, Sub::Output, 0)?,
        Field::Words => blocks.at(At::says(Role::User, at.thread.message), nth, Sub::Content, 0)?,
    };
    match (field, value.shape()) {
        (Field::Arguments, _) => found.json_text(Some(value), at),
        (Field::Action, _) => found.json_value(Some(value), at),
        (Field::Input, Shape::Array) => {
            value.elements()?.into_iter().try_for_each(|one| found.text(Some(one), at))
        }
        (Field::Input | Field::Words, _) | (Field::Output, Shape::String) => found.text(Some(value), at),
        (Field::Output, Shape::Scalar) => Err(value.wrong("text, a list of parts or an object")),
        // Parts of text and pictures; logs; results of a search with their words; what a screen shows.
        (Field::Output, _) => unknown::block(value, at, nth, found),
    }
}

/// Text, or a list of parts.
fn content<'a>(
    content: Option<Value<'_, 'a>>,
    at: At,
    nth: u32,
    blocks: &mut Blocks,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    let Some(content) = content else { return Ok(()) };
    match content.shape() {
        Shape::String => {
            let at = blocks.at(at, nth, Sub::Content, 0)?;
            found.text(Some(content), at)
        }
        Shape::Scalar => Err(content.wrong("a string or a list of parts")),
        _ => content.elements()?.into_iter().enumerate().try_for_each(|(index, part)| {
            let at = blocks.at(at, nth, Sub::Content, number(index))?;
            content_part(part, at, nth, found)
        }),
    }
}

/// One part of a message's or a reasoning item's content.
pub(super) fn content_part<'a>(
    part: Value<'_, 'a>,
    at: At,
    nth: u32,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    found.echo(part.object()?.get("logprobs"), "[]");
    match &*part.str("type") {
        "input_text" | "output_text" | "text" => found.text(part.get("text"), at),
        "refusal" => found.text(part.get("refusal"), at.thread(ThreadKind::Refusal, 0)),
        "summary_text" => found.text(part.get("text"), at.thinks(0)),
        "reasoning_text" => found.text(part.get("text"), at.thinks(1)),
        "input_audio" | "output_audio" => {
            found.text(part.get("transcript"), at.thread(ThreadKind::Transcript, 0))
        }
        "input_image" | "input_file" | "computer_screenshot" => Ok(()),
        _ => unknown::block(part, at, nth, found),
    }
}

fn reasoning<'a>(
    item: Value<'_, 'a>,
    at: At,
    nth: u32,
    body: Body,
    blocks: &mut Blocks,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    let first = found.slots.len();
    for (name, sub, thread) in [("summary", Sub::Summary, 0), ("content", Sub::Content, 1)] {
        for (index, piece) in item.list(name)?.into_iter().enumerate() {
            let at = blocks.at(at.thinks(thread), nth, sub, number(index))?;
            match piece.shape() {
                Shape::String => found.text(Some(piece), at)?,
                _ => found.text(piece.get("text"), at)?,
            }
        }
    }
    if body == Body::Answer {
        let passage = Passage::of_block(at.thread.message, nth);
        found.passage(first, passage);
        found.signature(item.get("encrypted_content"), Dialect::OpenaiResponses, passage);
        return Ok(());
    }
    if found.slots.len() == first || !carries_foreign(&item.str("encrypted_content")) {
        return Ok(());
    }
    if let Some(child) = item.children().position(|member| member.key() == "encrypted_content") {
        let container = found.container(item, None);
        found.seal(first, Seal { container, child });
    }
    Ok(())
}

/// Whether `encrypted_content` is a signature over the item's text, which another provider made and Weir put there.
/// OpenAI's own is the reasoning itself, sealed: it does not vouch for the summary, and must stay for the item to be
/// accepted.
fn carries_foreign(encrypted: &str) -> bool {
    llm_dialects::signature::has_foreign(llm_dialects::Dialect::OpenaiResponses, encrypted.as_bytes())
}
