//! Content of a kind that is not known, which may hold text all the same.
//!
//! APIs grow new blocks all the time, and a guard must not go blind with each. Providers name their fields alike, so
//! wherever in such a value a string stands under one of the keys below, it is taken, lists of strings included:
//! [`TEXT`] as what the message says, [`INPUT`] as arguments of a tool, [`OUTPUT`] as its result. An object under an
//! `INPUT` key is taken whole, as [`Form::JsonValue`](crate::Form::JsonValue). Strings under other keys (ids, names,
//! URLs, signatures, Base64 data) are left alone, and so is all of an object that says `"type": "base64"`.

use crate::collect::Collector;
use crate::json::{Fault, Shape, Value};
use crate::slot::At;

const TEXT: &[&str] = &[
    "text",
    "content",
    "context",
    "delta",
    "lines",
    "logs",
    "message",
    "reason",
    "reasoning",
    "refusal",
    "snippet",
    "summary",
    "thinking",
    "title",
    "transcript",
];
const INPUT: &[&str] =
    &["action", "args", "arguments", "code", "command", "input", "patch", "prompt", "queries", "query"];
const OUTPUT: &[&str] = &["error", "output", "outputs", "response", "result", "results", "stderr", "stdout"];

/// Takes the texts in `value`, which belongs to block `part` of the message of `at`.
pub(super) fn block<'a>(
    value: Value<'_, 'a>,
    at: At,
    part: u32,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    walk(value, at.other(part), part, found)
}

fn walk<'a>(value: Value<'_, 'a>, at: At, part: u32, found: &mut Collector<'a>) -> Result<(), Fault> {
    if value.str("type") == "base64" {
        return Ok(());
    }
    // A source of text, as Anthropic has it.
    if value.str("type") == "text"
        && let Some(data) = value.get("data").filter(|data| data.shape() == Shape::String)
    {
        found.text(Some(data), at)?;
    }
    for child in value.children() {
        let key = child.key();
        // An echo.
        if key == "logprobs" {
            continue;
        }
        let among = |keys: &[&str]| keys.contains(&&*key);
        if among(TEXT) {
            strings(child, at, part, found)?;
        } else if among(INPUT) {
            match child.shape() {
                Shape::Object => found.json_value(Some(child), at.calls(part))?,
                Shape::String if key == "arguments" => found.json_text(Some(child), at.calls(part))?,
                _ => strings(child, at.calls(part), part, found)?,
            }
        } else if among(OUTPUT) {
            strings(child, at.returns(part), part, found)?;
        } else if matches!(child.shape(), Shape::Object | Shape::Array) {
            walk(child, at, part, found)?;
        }
    }
    Ok(())
}

/// A string, or the strings directly in a list; what else is inside is looked through.
pub(super) fn strings<'a>(
    value: Value<'_, 'a>,
    at: At,
    part: u32,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    match value.shape() {
        Shape::String => found.text(Some(value), at),
        Shape::Object => walk(value, at, part, found),
        Shape::Array => value.children().try_for_each(|child| strings(child, at, part, found)),
        Shape::Null | Shape::Scalar => Ok(()),
    }
}
