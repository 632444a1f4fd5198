//! Messages of Amazon Bedrock `ConverseStream`.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>

use super::bedrock::{block, cited, signature};
use super::unknown;
use crate::collect::Collector;
use crate::json::{Fault, Shape, Value};
use crate::slot::{At, Role};
use crate::stream::{Ending, State};

pub(super) fn event<'a>(
    name: &str,
    root: Value<'_, 'a>,
    state: &mut State,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    let index = root.number("contentBlockIndex").unwrap_or(0);
    let at = At::says(Role::Assistant, 0).block(index);
    match name {
        "contentBlockStart" => match root.get("start") {
            Some(start) => block(start, at, index, found),
            None => Ok(()),
        },
        "contentBlockDelta" => match root.get("delta") {
            Some(delta) => piece(delta, at, index, found),
            None => Ok(()),
        },
        "contentBlockStop" => {
            state.end(Ending::Block(index));
            Ok(())
        }
        "messageStop" => {
            found.echo(root.get("additionalModelResponseFields"), "null");
            state.end(Ending::Everything);
            Ok(())
        }
        "metadata" => {
            found.echo(root.get("trace"), "null");
            Ok(())
        }
        name if name == "messageStart" || name.ends_with("Exception") => Ok(()),
        _ => unknown::block(root, at, index, found),
    }
}

fn piece<'a>(delta: Value<'_, 'a>, at: At, index: u32, found: &mut Collector<'a>) -> Result<(), Fault> {
    for member in delta.object()?.children() {
        if member.shape() == Shape::Null {
            continue;
        }
        match &*member.key() {
            "text" => found.text(Some(member), at)?,
            "toolUse" => found.json_text(member.object()?.get("input"), at.calls(index))?,
            "reasoningContent" => {
                let first = found.slots.len();
                found.text(member.object()?.get("text"), at.thinks(0))?;
                signature(member, first, at.thread.message, index, found);
            }
            "toolResult" => {
                let at = at.returns(index);
                member.elements()?.into_iter().try_for_each(|inner| block(inner, at, index, found))?;
            }
            "citation" => cited(member, found),
            "image" => {}
            _ if matches!(member.shape(), Shape::Object | Shape::Array) => {
                unknown::block(member, at, index, found)?;
            }
            _ => {}
        }
    }
    Ok(())
}
