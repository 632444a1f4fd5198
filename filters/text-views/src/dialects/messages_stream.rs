//! Events of Anthropic messages.
//!
//! <https://docs.anthropic.com/en/docs/build-with-claude/streaming>

use super::messages::{answer, block, signed};
use super::{Body, unknown};
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
    let at = At::says(Role::Assistant, 0);
    let index = root.number("index").unwrap_or(0);
    let kind = root.str("type");
    match if kind.is_empty() { name } else { &kind } {
        "message_start" => match root.get("message") {
            Some(message) => answer(message, found),
            None => Ok(()),
        },
        "content_block_start" => match root.get("content_block") {
            // The arguments follow; until then they are an empty object.
            Some(start) if start.get("input").is_some_and(is_empty_object) => Ok(()),
            Some(start) => block(start, at, index, Body::Answer, found),
            None => Ok(()),
        },
        "content_block_delta" => match root.get("delta") {
            Some(delta) => piece(delta, at.block(index), index, found),
            None => Ok(()),
        },
        "content_block_stop" => {
            state.end(Ending::Block(index));
            Ok(())
        }
        "message_delta" | "message_stop" => {
            state.end(Ending::Everything);
            Ok(())
        }
        "ping" | "error" => Ok(()),
        _ => unknown::block(root, at, index, found),
    }
}

fn piece<'a>(delta: Value<'_, 'a>, at: At, index: u32, found: &mut Collector<'a>) -> Result<(), Fault> {
    match &*delta.object()?.str("type") {
        "text_delta" => found.text(delta.get("text"), at),
        "thinking_delta" | "signature_delta" => {
            let first = found.slots.len();
            found.text(delta.get("thinking"), at.thinks(0))?;
            signed(delta, first, at.thread.message, index, found);
            Ok(())
        }
        "input_json_delta" => found.json_text(delta.get("partial_json"), at.calls(index)),
        "citations_delta" => {
            let cited = delta.get("citation").and_then(|citation| citation.get("cited_text"));
            found.echo(cited, "\"\"");
            Ok(())
        }
        _ => unknown::block(delta, at, index, found),
    }
}

fn is_empty_object(value: Value<'_, '_>) -> bool {
    value.shape() == Shape::Object && value.children().next().is_none()
}
