//! Events of OpenAI responses.
//!
//! <https://platform.openai.com/docs/api-reference/responses-streaming>
//!
//! Most text is sent four times: as deltas, when its part is done, when its item is done, and with the whole response.
//! Only its first appearance is no snapshot; some servers send no deltas at all.

use super::responses::{content_part, item, output};
use super::{Body, unknown};
use crate::collect::Collector;
use crate::json::{Fault, Value};
use crate::passage::Passage;
use crate::slot::{At, Role, ThreadKind};
use crate::stream::{Ending, State, Sub};

/// Which text a `.delta` event brings a piece of, and a `.done` event the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Text,
    Refusal,
    Transcript,
    Reasoning,
    Summary,
    /// A string that holds JSON.
    Arguments,
    Input,
}

/// Event names without `response.` and `.delta` or `.done`; the field the latter has the text in.
const TEXTS: &[(&str, &str, Says)] = &[
    ("output_text", "text", Says::Text),
    ("refusal", "refusal", Says::Refusal),
    ("audio.transcript", "transcript", Says::Transcript),
    ("audio_transcript", "transcript", Says::Transcript),
    ("reasoning_text", "text", Says::Reasoning),
    ("reasoning_summary_text", "text", Says::Summary),
    ("function_call_arguments", "arguments", Says::Arguments),
    ("mcp_call_arguments", "arguments", Says::Arguments),
    ("custom_tool_call_input", "input", Says::Input),
    ("code_interpreter_call_code", "code", Says::Input),
];

pub(super) fn event<'a>(
    name: &str,
    root: Value<'_, 'a>,
    state: &mut State,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    let kind = root.str("type");
    let kind = if kind.is_empty() { name } else { &kind };
    let Some(kind) = kind.strip_prefix("response.") else { return Ok(()) };
    let nth = root.number("output_index").unwrap_or(0);
    let at = At::says(Role::Assistant, 0);
    let (stem, stage) = kind.rsplit_once('.').unwrap_or((kind, ""));
    state.blocks.repeats =
        matches!(stage, "done" | "added") || matches!(kind, "completed" | "incomplete" | "failed");
    if let Some((_, field, says)) = TEXTS.iter().find(|(known, ..)| *known == stem) {
        let field = if stage == "delta" { "delta" } else { field };
        found.echo(root.get("logprobs"), "[]");
        return text(root, field, *says, nth, stage == "done", state, found);
    }
    match kind {
        "content_part.added"
        | "content_part.done"
        | "reasoning_summary_part.added"
        | "reasoning_summary_part.done" => {
            let Some(part) = root.get("part") else { return Ok(()) };
            let at = match root.number("summary_index") {
                Some(index) => state.blocks.at(at, nth, Sub::Summary, index)?,
                None => state.blocks.at(at, nth, Sub::Content, root.number("content_index").unwrap_or(0))?,
            };
            content_part(part, at, nth, found)?;
            found.passage(0, Passage::of_block(at.thread.message, nth));
            Ok(())
        }
        "output_item.added" | "output_item.done" => {
            if stage == "done" {
                state.end(Ending::Block(nth));
            }
            match root.get("item") {
                Some(value) => item(value, 0, nth, Body::Answer, &mut state.blocks, found),
                None => Ok(()),
            }
        }
        "created" | "queued" | "in_progress" | "completed" | "incomplete" | "failed" => {
            if state.blocks.repeats {
                state.end(Ending::Everything);
            }
            match root.get("response") {
                Some(response) => output(response, &mut state.blocks, found),
                None => Ok(()),
            }
        }
        // Sound, and sources that have no words of the text.
        "audio.delta" | "audio.done" | "output_text.annotation.added" => Ok(()),
        _ => {
            let at = state.blocks.at(at, nth, Sub::Other, 0)?;
            unknown::block(root, at, nth, found)
        }
    }
}

/// The text of a delta, or of the event that says it is complete.
fn text<'a>(
    root: Value<'_, 'a>,
    field: &str,
    says: Says,
    nth: u32,
    done: bool,
    state: &mut State,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    let at = At::says(Role::Assistant, 0);
    let (at, sub, index) = match says {
        Says::Text => (at, Sub::Content, "content_index"),
        Says::Refusal => (at.thread(ThreadKind::Refusal, 0), Sub::Content, "content_index"),
        Says::Transcript => (at.thread(ThreadKind::Transcript, 0), Sub::Content, "content_index"),
        Says::Reasoning => (at.thinks(1), Sub::Content, "content_index"),
        Says::Summary => (at.thinks(0), Sub::Summary, "summary_index"),
        Says::Arguments | Says::Input => (at.calls(nth), Sub::Input, ""),
    };
    let at = state.blocks.at(at, nth, sub, root.number(index).unwrap_or(0))?;
    if done && matches!(says, Says::Arguments | Says::Input) {
        state.end(Ending::One(at.thread));
    }
    match says {
        Says::Arguments => found.json_text(root.get(field), at)?,
        _ => found.text(root.get(field), at)?,
    }
    found.passage(0, Passage::of_block(at.thread.message, nth));
    Ok(())
}
