//! Gemini `generateContent` and its relatives.
//!
//! <https://ai.google.dev/api/generate-content>. Fields may be spelt in camel case or, as in every JSON that protobuf
//! readers take, as in the protobuf; a list of one may stand without brackets.

use llm_dialects::Dialect;

use super::{number, unknown};
use crate::collect::{Collector, Seal};
use crate::json::{Fault, Shape, Value};
use crate::slot::{At, Role, Thread, ThreadKind};
use crate::stream::{Ending, PartCount, State};

const SYSTEM: [&str; 2] = ["systemInstruction", "system_instruction"];
const SIGNATURE: [&str; 2] = ["thoughtSignature", "thought_signature"];

pub(super) fn request<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    let mut index = 0;
    let mut thoughts = Thoughts::default();
    if let Some(system) = root.either(SYSTEM) {
        content(system, At::says(Role::System, 0), &mut thoughts, found)?;
        index += 1;
    }
    for message in root.list("contents")? {
        let role = match &*message.str("role") {
            "model" => Role::Assistant,
            "system" => Role::System,
            _ => Role::User,
        };
        content(message, At::says(role, index), &mut thoughts, found)?;
        index += 1;
    }
    Ok(())
}

pub(super) fn count_tokens<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    match root.either(["generateContentRequest", "generate_content_request"]) {
        Some(inner) => request(inner.object()?, found),
        None => request(root, found),
    }
}

/// One text to embed, as message `index`.
pub(super) fn embed<'a>(root: Value<'_, 'a>, index: u32, found: &mut Collector<'a>) -> Result<(), Fault> {
    let at = At::says(Role::User, index);
    found.text(root.get("title"), at.thread(ThreadKind::Document, 0))?;
    match root.get("content") {
        Some(inner) => content(inner, at, &mut Thoughts::default(), found),
        None => Ok(()),
    }
}

pub(super) fn batch_embed<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    let each = root.list("requests")?.into_iter().enumerate();
    each.into_iter().try_for_each(|(index, request)| embed(request, number(index), found))
}

/// An answer, or the list of answers that a stream is without Server-Sent Events.
pub(super) fn answers<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    let mut state = State::default();
    root.elements()?.into_iter().try_for_each(|answer| event(answer, &mut state, found))
}

/// An answer, or a piece of one.
pub(super) fn event<'a>(
    root: Value<'_, 'a>,
    state: &mut State,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    for (position, candidate) in root.list("candidates")?.into_iter().enumerate() {
        let index = candidate.number("index").unwrap_or(number(position));
        let at = At::says(Role::Assistant, index);
        if let Some(content) = candidate.get("content") {
            let mut ended = Vec::new();
            let count = state.candidates.entry(index).or_default();
            for (nth, value) in content.list("parts")?.into_iter().enumerate() {
                let first = found.slots.len();
                part(value, at.block(number(nth)), count, &mut ended, found)?;
                thought(value, first, index, found);
            }
            ended.into_iter().for_each(|thread| state.end(Ending::One(thread)));
        }
        // It quotes a call that could not be parsed.
        found.text(candidate.either(["finishMessage", "finish_message"]), at.thread(ThreadKind::Other, 0))?;
        echoes(candidate, found);
        state.about(index, candidate.either(["finishReason", "finish_reason"]).is_some());
    }
    Ok(())
}

/// Metadata that quotes the answer or its sources.
fn echoes<'a>(candidate: Value<'_, 'a>, found: &mut Collector<'a>) {
    found.echo(candidate.either(["logprobsResult", "logprobs_result"]), "null");
    let Some(grounding) = candidate.either(["groundingMetadata", "grounding_metadata"]) else { return };
    let list = |names| grounding.either(names).into_iter().flat_map(Value::children);
    for support in list(["groundingSupports", "grounding_supports"]) {
        found.echo(support.get("segment").and_then(|segment| segment.get("text")), "\"\"");
    }
    for chunk in list(["groundingChunks", "grounding_chunks"]) {
        chunk.children().for_each(|source| found.echo(source.get("text"), "\"\""));
    }
    for names in [["webSearchQueries", "web_search_queries"], ["retrievalQueries", "retrieval_queries"]] {
        list(names).for_each(|query| found.echo(Some(query), "\"\""));
    }
    let entry = grounding.either(["searchEntryPoint", "search_entry_point"]);
    found.echo(entry.and_then(|entry| entry.either(["renderedContent", "rendered_content"])), "\"\"");
}

/// The parts of a message of a request.
fn content<'a>(
    content: Value<'_, 'a>,
    at: At,
    thoughts: &mut Thoughts,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    // SDKs take a bare string, and some send it.
    if content.shape() == Shape::String {
        return found.text(Some(content), at);
    }
    let mut count = PartCount::default();
    for (nth, value) in content.object()?.list("parts")?.into_iter().enumerate() {
        let first = found.slots.len();
        part(value, at.block(number(nth)), &mut count, &mut Vec::new(), found)?;
        thoughts.part(value, first, found);
    }
    Ok(())
}

/// Thoughts of which the signature has not been seen yet. In a history made from a stream it stands in the last of
/// several parts, and each part may be a message.
#[derive(Debug, Default)]
struct Thoughts {
    /// Index of the first slot.
    first: Option<usize>,
}

impl Thoughts {
    /// `part` has the slots from `first` on.
    fn part<'a>(&mut self, part: Value<'_, 'a>, first: usize, found: &mut Collector<'a>) {
        if !part.is_true("thought") {
            self.first = None;
            return;
        }
        let first = *self.first.get_or_insert(first);
        let signature = part.either(SIGNATURE).map(Value::key);
        if let Some(child) = part.children().position(|member| Some(member.key()) == signature) {
            let container = found.container(part, None);
            found.seal(first, Seal { container, child });
            self.first = None;
        }
    }
}

/// The slots from `first` on are of `part` of an answer. Its thoughts are one passage up to the part that brings a
/// signature, or to what is no thought.
fn thought<'a>(part: Value<'_, 'a>, first: usize, candidate: u32, found: &mut Collector<'a>) {
    if !part.is_true("thought") {
        found.passages.end(candidate, 0);
        return;
    }
    let passage = found.passages.current(candidate, 0);
    found.passage(first, passage);
    if found.signature(part.either(SIGNATURE), Dialect::GeminiGenerate, passage) {
        found.passages.end(candidate, 0);
    }
}

fn part<'a>(
    part: Value<'_, 'a>,
    at: At,
    count: &mut PartCount,
    ended: &mut Vec<Thread>,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    if part.shape() == Shape::String {
        return found.text(Some(part), at);
    }
    for member in part.object()?.children() {
        if member.shape() == Shape::Null {
            continue;
        }
        let mut next = || {
            count.calls = count.calls.saturating_add(1);
            count.calls
        };
        match &*member.key() {
            "text" if part.is_true("thought") => found.text(Some(member), at.thinks(0))?,
            "text" => found.text(Some(member), at)?,
            "functionCall" | "function_call" => call(member, at, count, ended, found)?,
            "functionResponse" | "function_response" => {
                let at = at.returns(next());
                found.json_value(member.object()?.get("response"), at)?;
                ended.push(at.thread);
            }
            "executableCode" | "executable_code" => {
                let at = at.calls(next());
                found.text(member.object()?.get("code"), at)?;
                ended.push(at.thread);
            }
            "codeExecutionResult" | "code_execution_result" => {
                let at = at.returns(next());
                found.text(member.object()?.get("output"), at)?;
                ended.push(at.thread);
            }
            "inlineData" | "inline_data" | "fileData" | "file_data" => {}
            _ if matches!(member.shape(), Shape::Object | Shape::Array) => {
                let part = next();
                unknown::block(member, at, part, found)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A call: its arguments at once, or string by string.
fn call<'a>(
    call: Value<'_, 'a>,
    at: At,
    count: &mut PartCount,
    ended: &mut Vec<Thread>,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    if let Some(args) = call.object()?.get("args") {
        count.calls = count.calls.saturating_add(1);
        let at = at.calls(count.calls);
        found.json_value(Some(args), at)?;
        ended.push(at.thread);
    }
    for piece in call.either(["partialArgs", "partial_args"]).map_or(Ok(Vec::new()), Value::elements)? {
        let Some(text) = piece.either(["stringValue", "string_value"]) else { continue };
        let path = piece.either(["jsonPath", "json_path"]).and_then(Value::text).unwrap_or_default();
        let part = match &count.argument {
            Some((streamed, part)) if *streamed == path => *part,
            _ => {
                count.calls = count.calls.saturating_add(1);
                count.calls
            }
        };
        let at = at.calls(part);
        found.text(Some(text), at)?;
        if ["willContinue", "will_continue"].into_iter().any(|name| piece.is_true(name)) {
            count.argument = Some((path.into_owned(), part));
        } else {
            count.argument = None;
            ended.push(at.thread);
        }
    }
    Ok(())
}
