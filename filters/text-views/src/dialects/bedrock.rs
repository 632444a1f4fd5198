//! Amazon Bedrock `Converse`.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>

use llm_dialects::Dialect;

use super::{Body, number, unknown};
use crate::collect::{Collector, Seal};
use crate::json::{Fault, Shape, Value};
use crate::passage::Passage;
use crate::slot::{At, Role, ThreadKind};

/// Around the text of a block that takes the place of the only blocks of a message, which cannot be empty.
const TEXT_BLOCK: [&str; 2] = ["{\"text\":", "}"];

pub(super) fn request<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    let mut index = 0;
    if let Some(system) = root.get("system") {
        content(system, At::says(Role::System, 0), Body::Request, found)?;
        index += 1;
    }
    // Values put into a stored prompt.
    if let Some(variables) = root.get("promptVariables") {
        for (nth, variable) in variables.children().enumerate() {
            let at = At::says(Role::User, index).thread(ThreadKind::Document, number(nth));
            found.text(variable.get("text"), at)?;
        }
        index += 1;
    }
    for message in root.list("messages")? {
        let role = match &*message.object()?.str("role") {
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => Role::User,
        };
        if let Some(blocks) = message.get("content") {
            content(blocks, At::says(role, index), Body::Request, found)?;
        }
        index += 1;
    }
    Ok(())
}

pub(super) fn count_tokens<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    let Some(input) = root.get("input") else { return Ok(()) };
    match (input.get("converse"), input.get("invokeModel")) {
        (Some(converse), _) => request(converse.object()?, found),
        (None, Some(invoke)) => Err(invoke.opaque("the body of an InvokeModel request is not looked into")),
        (None, None) => Ok(()),
    }
}

pub(super) fn answer<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    let message = root.get("output").and_then(|output| output.get("message"));
    if let Some(blocks) = message.and_then(|message| message.get("content")) {
        content(blocks, At::says(Role::Assistant, 0), Body::Answer, found)?;
    }
    found.echo(root.get("trace"), "null");
    found.echo(root.get("additionalModelResponseFields"), "null");
    Ok(())
}

fn content<'a>(content: Value<'_, 'a>, at: At, body: Body, found: &mut Collector<'a>) -> Result<(), Fault> {
    let blocks = content.elements()?;
    let signed =
        |block: &Value<'_, '_>| reasoning(*block).is_some_and(|text| !text.str("signature").is_empty());
    let container = (body == Body::Request && content.shape() == Shape::Array && blocks.iter().any(signed))
        .then(|| found.container(content, Some(TEXT_BLOCK)));
    for (index, value) in blocks.into_iter().enumerate() {
        let first = found.slots.len();
        block(value, at.block(number(index)), number(index), found)?;
        if let Some(container) = container.filter(|_| signed(&value)) {
            found.seal(first, Seal { container, child: index });
        }
        if let (Body::Answer, Some(text)) = (body, reasoning(value)) {
            signature(text, first, at.thread.message, number(index), found);
        }
    }
    Ok(())
}

/// What a block says of the model's reasoning.
fn reasoning<'d, 'a>(block: Value<'d, 'a>) -> Option<Value<'d, 'a>> {
    block.get("reasoningContent")?.get("reasoningText")
}

/// The slots from `first` on are of block `index`, over which `value` may have the signature.
pub(super) fn signature<'a>(
    value: Value<'_, 'a>,
    first: usize,
    message: u32,
    index: u32,
    found: &mut Collector<'a>,
) {
    let passage = Passage::of_block(message, index);
    found.passage(first, passage);
    found.signature(value.get("signature"), Dialect::BedrockConverse, passage);
}

/// One content block, at `index` of its message. Its only member says what it is.
pub(super) fn block<'a>(
    block: Value<'_, 'a>,
    at: At,
    index: u32,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    for member in block.object()?.children() {
        if member.shape() == Shape::Null {
            continue;
        }
        match &*member.key() {
            "text" => found.text(Some(member), at)?,
            "guardContent" => {
                let text = member.object()?.get("text");
                found.text(text.and_then(|text| text.get("text")), at)?;
            }
            "reasoningContent" => {
                let text = member.object()?.get("reasoningText");
                found.text(text.and_then(|text| text.get("text")), at.thinks(0))?;
            }
            "toolUse" => found.json_value(member.object()?.get("input"), at.calls(index))?,
            "toolResult" => {
                let at = at.returns(index);
                member
                    .list("content")?
                    .into_iter()
                    .try_for_each(|inner| self::block(inner, at, index, found))?;
            }
            "json" => found.json_value(Some(member), at)?,
            "document" => {
                let at = at.document(index);
                found.text(member.object()?.get("context"), at)?;
                if let Some(source) = member.get("source") {
                    found.text(source.get("text"), at)?;
                    source
                        .list("content")?
                        .into_iter()
                        .try_for_each(|chunk| self::block(chunk, at, index, found))?;
                }
            }
            "searchResult" => {
                let at = at.document(index);
                found.text(member.object()?.get("title"), at)?;
                member
                    .list("content")?
                    .into_iter()
                    .try_for_each(|inner| self::block(inner, at, index, found))?;
            }
            "citationsContent" => {
                member
                    .list("content")?
                    .into_iter()
                    .try_for_each(|inner| self::block(inner, at, index, found))?;
                member
                    .get("citations")
                    .into_iter()
                    .flat_map(Value::children)
                    .for_each(|one| cited(one, found));
            }
            "image" | "video" | "audio" | "cachePoint" => {}
            _ if matches!(member.shape(), Shape::Object | Shape::Array) => {
                unknown::block(member, at, index, found)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The words of a citation's source.
pub(super) fn cited<'a>(citation: Value<'_, 'a>, found: &mut Collector<'a>) {
    for source in citation.get("sourceContent").into_iter().flat_map(Value::children) {
        found.echo(source.get("text"), "\"\"");
    }
}
