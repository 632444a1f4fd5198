//! Endpoints that are no conversations: completions, embeddings, rerank, images, audio.

use super::{number, unknown};
use crate::collect::Collector;
use crate::json::{Fault, Shape, Value};
use crate::slot::{At, Role, ThreadKind};
use crate::stream::{Ending, State, Sub};

const TOKENS: &str = "it is a list of token ids; send text";

/// One text, or a list of texts, each a message of its own.
fn inputs<'a>(value: Option<Value<'_, 'a>>, found: &mut Collector<'a>) -> Result<u32, Fault> {
    let Some(value) = value else { return Ok(0) };
    if value.has_scalars() {
        return Err(value.opaque(TOKENS));
    }
    let inputs = match value.shape() {
        Shape::Array => value.elements()?,
        _ => vec![value],
    };
    for (index, input) in inputs.iter().enumerate() {
        let at = At::says(Role::User, number(index));
        match input.shape() {
            Shape::String => found.text(Some(*input), at)?,
            Shape::Array => return Err(input.opaque(TOKENS)),
            Shape::Object => unknown::block(*input, at, 0, found)?,
            Shape::Null | Shape::Scalar => return Err(input.wrong("text")),
        }
    }
    Ok(number(inputs.len()))
}

/// <https://platform.openai.com/docs/api-reference/completions>
pub(super) fn completions<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    let after = inputs(root.get("prompt"), found)?;
    found.text(root.get("suffix"), At::says(Role::User, after))
}

/// Returns the choices, and whether each says that it is over.
pub(super) fn completed<'a>(
    root: Value<'_, 'a>,
    found: &mut Collector<'a>,
) -> Result<Vec<(u32, bool)>, Fault> {
    let mut choices = Vec::new();
    for (position, choice) in root.list("choices")?.into_iter().enumerate() {
        let index = choice.number("index").unwrap_or(number(position));
        found.text(choice.get("text"), At::says(Role::Assistant, index))?;
        found.echo(choice.get("logprobs"), "null");
        choices.push((index, !choice.str("finish_reason").is_empty()));
    }
    Ok(choices)
}

pub(super) fn completion_event<'a>(
    root: Value<'_, 'a>,
    state: &mut State,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    completed(root, found)?.into_iter().for_each(|(index, over)| state.about(index, over));
    Ok(())
}

/// <https://platform.openai.com/docs/api-reference/embeddings>
pub(super) fn embeddings<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    inputs(root.get("input"), found).map(|_| ())
}

/// <https://docs.cohere.com/reference/rerank>
pub(super) fn rerank<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    found.text(root.get("query"), At::says(Role::User, 0))?;
    for (index, document) in root.list("documents")?.into_iter().enumerate() {
        every_string(
            document,
            At::says(Role::User, number(index + 1)).thread(ThreadKind::Document, 0),
            found,
        )?;
    }
    Ok(())
}

/// The documents of an answer, where they were asked for.
pub(super) fn ranked<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    for (index, result) in root.list("results")?.into_iter().enumerate() {
        if let Some(document) = result.get("document") {
            let at = At::says(Role::Tool, number(index)).thread(ThreadKind::Document, 0);
            every_string(document, at, found)?;
        }
    }
    Ok(())
}

/// A document may have any fields, and `rank_fields` says which are ranked.
fn every_string<'a>(value: Value<'_, 'a>, at: At, found: &mut Collector<'a>) -> Result<(), Fault> {
    match value.shape() {
        Shape::String => found.text(Some(value), at),
        _ => value.children().try_for_each(|child| every_string(child, at, found)),
    }
}

/// <https://platform.openai.com/docs/api-reference/images>
pub(super) fn images<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    found.text(root.get("prompt"), At::says(Role::User, 0))
}

pub(super) fn revised<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    for (index, image) in root.list("data")?.into_iter().enumerate() {
        found.text(image.get("revised_prompt"), At::says(Role::Assistant, number(index)))?;
    }
    Ok(())
}

/// <https://platform.openai.com/docs/api-reference/audio/createSpeech>
pub(super) fn speech<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    found.text(root.get("instructions"), At::says(Role::System, 0))?;
    found.text(root.get("input"), At::says(Role::User, 1))
}

/// <https://platform.openai.com/docs/api-reference/audio/createTranscription>
pub(super) fn transcribed<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    let at = At::says(Role::Assistant, 0);
    found.text(root.get("text"), at)?;
    // Joined, they say the same once more.
    for segment in root.list("segments")? {
        found.text(segment.get("text"), at.thread(ThreadKind::Other, 0))?;
    }
    found.echo(root.get("words"), "[]");
    found.echo(root.get("logprobs"), "null");
    Ok(())
}

pub(super) fn audio_event<'a>(
    root: Value<'_, 'a>,
    state: &mut State,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    let at = At::says(Role::Assistant, 0);
    found.echo(root.get("logprobs"), "null");
    match &*root.str("type") {
        "transcript.text.delta" => {
            let at = state.blocks.at(at, 0, Sub::Content, 0)?;
            found.text(root.get("delta"), at)
        }
        "transcript.text.done" => {
            state.blocks.repeats = true;
            let at = state.blocks.at(at, 0, Sub::Content, 0)?;
            state.end(Ending::Everything);
            found.text(root.get("text"), at)
        }
        "transcript.text.segment" => {
            let at = state.blocks.at(at.thread(ThreadKind::Other, 0), 0, Sub::Other, 0)?;
            found.text(root.get("text"), at)
        }
        // Sound.
        _ => Ok(()),
    }
}
