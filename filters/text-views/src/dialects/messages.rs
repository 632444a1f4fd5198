//! Anthropic messages.
//!
//! <https://docs.anthropic.com/en/api/messages>

use llm_dialects::Dialect;

use super::{Body, number, unknown};
use crate::collect::{Collector, Seal};
use crate::json::{Fault, Shape, Value};
use crate::passage::Passage;
use crate::slot::{At, Role};

/// Around the text of a block that takes the place of the only blocks of a message, which cannot be empty.
const TEXT_BLOCK: [&str; 2] = ["{\"type\":\"text\",\"text\":", "}"];

pub(super) fn request<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    let mut index = 0;
    if let Some(system) = root.get("system") {
        content(system, At::says(Role::System, 0), Body::Request, found)?;
        index = 1;
    }
    for message in root.list("messages")? {
        let role = match &*message.object()?.str("role") {
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => Role::User,
        };
        if let Some(said) = message.get("content") {
            content(said, At::says(role, index), Body::Request, found)?;
        }
        index += 1;
    }
    Ok(())
}

pub(super) fn answer<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    match root.get("content") {
        Some(said) => content(said, At::says(Role::Assistant, 0), Body::Answer, found),
        None => Ok(()),
    }
}

/// Text, or a list of blocks.
fn content<'a>(content: Value<'_, 'a>, at: At, body: Body, found: &mut Collector<'a>) -> Result<(), Fault> {
    if content.shape() == Shape::String {
        return found.text(Some(content), at);
    }
    if content.shape() == Shape::Scalar || content.has_scalars() {
        return Err(content.wrong("a string or a list of blocks"));
    }
    let blocks = content.elements()?;
    let signed =
        |block: &Value<'_, '_>| block.str("type") == "thinking" && !block.str("signature").is_empty();
    let container = (body == Body::Request && content.shape() == Shape::Array && blocks.iter().any(signed))
        .then(|| found.container(content, Some(TEXT_BLOCK)));
    for (index, value) in blocks.into_iter().enumerate() {
        let first = found.slots.len();
        block(value, at, number(index), body, found)?;
        if let Some(container) = container.filter(|_| signed(&value)) {
            found.seal(first, Seal { container, child: index });
        }
    }
    Ok(())
}

/// One content block, at `index` of its message.
pub(super) fn block<'a>(
    block: Value<'_, 'a>,
    at: At,
    index: u32,
    body: Body,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    let at = at.block(index);
    if block.shape() == Shape::String {
        return found.text(Some(block), at);
    }
    let kind = block.object()?.str("type");
    match &*kind {
        "text" => {
            citations(block.get("citations"), body, found);
            found.text(block.get("text"), at)
        }
        "thinking" => {
            let first = found.slots.len();
            found.text(block.get("thinking"), at.thinks(0))?;
            if body == Body::Answer {
                signed(block, first, at.thread.message, index, found);
            }
            Ok(())
        }
        "redacted_thinking" | "image" | "container_upload" | "tool_reference" => Ok(()),
        "tool_use" | "server_tool_use" | "mcp_tool_use" => {
            found.json_value(block.get("input"), at.calls(index))
        }
        "document" => {
            let at = at.document(index);
            found.text(block.get("title"), at)?;
            found.text(block.get("context"), at)?;
            let source = block.get("source");
            match source.map(|source| source.str("type")).as_deref() {
                Some("text") => found.text(source.and_then(|source| source.get("data")), at),
                Some("base64" | "url" | "file") | None => Ok(()),
                _ => inner(source.and_then(|source| source.get("content")), at, body, found),
            }
        }
        "search_result" => {
            let at = at.document(index);
            found.text(block.get("title"), at)?;
            inner(block.get("content"), at, body, found)
        }
        "tool_result" | "mcp_tool_result" => inner(block.get("content"), at.returns(index), body, found),
        // Results of tools that run at the provider: each has a shape of its own.
        kind if kind.ends_with("_tool_result") => unknown::block(block, at.returns(index), index, found),
        _ => unknown::block(block, at, index, found),
    }
}

/// The slots from `first` on are of block `index`, over which `value` may have the signature.
pub(super) fn signed<'a>(
    value: Value<'_, 'a>,
    first: usize,
    message: u32,
    index: u32,
    found: &mut Collector<'a>,
) {
    let passage = Passage::of_block(message, index);
    found.passage(first, passage);
    found.signature(value.get("signature"), Dialect::AnthropicMessages, passage);
}

/// The content of a block: all of it belongs to the thread of `at`.
fn inner<'a>(
    content: Option<Value<'_, 'a>>,
    at: At,
    body: Body,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    let Some(content) = content else { return Ok(()) };
    if content.shape() == Shape::String {
        return found.text(Some(content), at);
    }
    for value in content.elements()? {
        block(value, at, at.block, body, found)?;
    }
    Ok(())
}

/// What a text cites. A request may leave it out; clients read an answer's sources from it, so only the words go.
fn citations<'a>(citations: Option<Value<'_, 'a>>, body: Body, found: &mut Collector<'a>) {
    let Some(citations) = citations.filter(|citations| citations.shape() == Shape::Array) else { return };
    match body {
        Body::Request if citations.children().any(|one| one.get("cited_text").is_some()) => {
            found.echo(Some(citations), "null");
        }
        Body::Request => {}
        Body::Answer => citations.children().for_each(|one| found.echo(one.get("cited_text"), "\"\"")),
    }
}
