//! The conversation of a request, in the shape Converse insists on.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::encode_content::{assistant_block, cache_point, is_blank, user_block};
use super::models::Rules;
use super::out::{Block, Document, Message};
use super::request_out::System;
use crate::Error;
use crate::hub::{self, Part, Role, Turn};
use crate::turns::{Place, later_instructions};

const USER: &str = "user";
const ASSISTANT: &str = "assistant";

/// What a conversation begins with that the assistant begins: the API wants the user first.
const FIRST_WORDS: &str = "Continue.";

/// What goes with documents that come without text, which the API refuses.
const WITH_DOCUMENTS: &str = "See the documents.";

/// The system prompt: the request's own, then that of turns with the system role, in order.
pub(super) fn system<'a>(request: &'a hub::Request<'a>, rules: &Rules) -> Result<Vec<System<'a>>, Error> {
    let mut blocks = Vec::new();
    let mut push = |text: &'a str, cache: Option<&'a hub::CacheMark<'a>>| {
        if is_blank(text) {
            return;
        }
        blocks.push(System::Text(Cow::Borrowed(text)));
        blocks.extend(cache.and_then(|mark| cache_point(mark, rules)).map(System::CachePoint));
    };
    for text in &request.system {
        push(&text.text, text.cache.as_ref());
    }
    for (text, cache) in later_instructions(&request.turns, "Bedrock")? {
        push(text, cache);
    }
    Ok(blocks)
}

/// The messages. Adjacent turns of one role become one message, results of tools come first in theirs and in the order
/// of the calls, and what the API refuses (blank text, reasoning the model did not sign) is left out.
pub(super) fn messages<'a>(turns: &'a [Turn<'a>], rules: &Rules) -> Result<Vec<Message<'a>>, Error> {
    let mut messages: Vec<Message<'a>> = Vec::with_capacity(turns.len());
    for (i, turn) in turns.iter().enumerate() {
        let role = match turn.role {
            Role::System => continue,
            Role::User => USER,
            Role::Assistant => ASSISTANT,
        };
        for (j, content) in turn.content.iter().enumerate() {
            let at = Place::new(i, j);
            let block = match turn.role {
                Role::Assistant => assistant_block(content, at, rules)?,
                Role::System | Role::User => user_block(content, at, rules)?,
            };
            let Some(block) = block else { continue };
            // Nothing can be cached behind reasoning alone.
            let markable = !matches!(block, Block::ReasoningContent(_));
            let mark = mark_of(content).filter(|_| markable).and_then(|mark| cache_point(mark, rules));
            if messages.last().is_none_or(|last| last.role != role) {
                messages.push(Message { role, content: Vec::new() });
            }
            if let Some(last) = messages.last_mut() {
                last.content.push(block);
                last.content.extend(mark.map(Block::CachePoint));
            }
        }
    }
    if messages.is_empty() {
        return Err(Error::no_content());
    }
    order_results(&mut messages);
    trim_prefill(&mut messages);
    tell_documents_apart(&mut messages);
    if messages.first().is_some_and(|first| first.role == ASSISTANT) {
        let content = vec![Block::Text(Cow::Borrowed(FIRST_WORDS))];
        messages.insert(0, Message { role: USER, content });
    }
    Ok(messages)
}

/// Whether thinking may not be enabled: Claude wants the assistant's open turn (the one being continued, or the loop of
/// tool calls whose results come last) to begin with the thinking that led to it.
pub(super) fn open_turn_lacks_thinking(messages: &[Message<'_>]) -> bool {
    let mut open = false;
    for message in messages.iter().rev() {
        if message.role == ASSISTANT {
            if matches!(message.content.first(), Some(Block::ReasoningContent(_))) {
                return false;
            }
            open = true;
        } else if !message.content.iter().any(|block| matches!(block, Block::ToolResult(_))) {
            break;
        }
    }
    open
}

/// The names of the tools the conversation has calls of, each once.
pub(super) fn called_tools<'a>(messages: &[Message<'a>]) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    let blocks = messages.iter().flat_map(|message| &message.content);
    blocks
        .filter_map(|block| match block {
            Block::ToolUse(call) => Some(call.name),
            _ => None,
        })
        .filter(|name| seen.insert(*name))
        .collect()
}

/// Whether the conversation has calls of tools or their results.
pub(super) fn has_tool_blocks(messages: &[Message<'_>]) -> bool {
    let is_tool_block = |block: &Block<'_>| matches!(block, Block::ToolUse(_) | Block::ToolResult(_));
    messages.iter().flat_map(|message| &message.content).any(is_tool_block)
}

/// The mark behind a piece of a turn; for a tool result also one inside it, where the API takes none.
fn mark_of<'a>(content: &'a hub::Content<'a>) -> Option<&'a hub::CacheMark<'a>> {
    let inside = match &content.part {
        Part::ToolResult(result) => result.content.iter().rev().find_map(|inner| inner.cache.as_ref()),
        _ => None,
    };
    content.cache.as_ref().or(inside)
}

/// Puts tool results before everything else in their message, in the order of the calls before it. Cache marks stay
/// behind what they stood behind.
fn order_results(messages: &mut [Message<'_>]) {
    let mut calls: BTreeMap<String, usize> = BTreeMap::new();
    for message in messages {
        if message.role == ASSISTANT {
            calls.clear();
            for (place, block) in message.content.iter().enumerate() {
                if let Block::ToolUse(call) = block {
                    calls.entry(call.tool_use_id.to_string()).or_insert(place);
                }
            }
        } else if message.content.iter().any(|block| matches!(block, Block::ToolResult(_))) {
            let mut rank = usize::MAX;
            let ranks: Vec<usize> = message
                .content
                .iter()
                .map(|block| {
                    rank = match block {
                        Block::CachePoint(_) => rank,
                        // Results of unknown calls go last among the results, other content after them.
                        Block::ToolResult(result) => {
                            calls.get(result.tool_use_id.as_ref()).copied().unwrap_or(usize::MAX - 1)
                        }
                        _ => usize::MAX,
                    };
                    rank
                })
                .collect();
            let mut ranked: Vec<_> = ranks.into_iter().zip(message.content.drain(..)).collect();
            ranked.sort_by_key(|(rank, _)| *rank);
            message.content.extend(ranked.into_iter().map(|(_, block)| block));
        }
    }
}

/// Claude refuses a conversation that ends in an assistant message with white space at its end.
fn trim_prefill(messages: &mut [Message<'_>]) {
    if let Some(Message { role: ASSISTANT, content }) = messages.last_mut()
        && let Some(Block::Text(text)) = content.last_mut()
    {
        *text = Cow::Owned(text.trim_end().to_owned());
    }
}

/// Gives documents of the same name a number, and text to messages that have documents only: the API refuses both.
fn tell_documents_apart(messages: &mut [Message<'_>]) {
    let mut names = Names::default();
    for message in messages {
        let is_document = |block: &Block<'_>| matches!(block, Block::Document(_));
        let is_text = |block: &Block<'_>| matches!(block, Block::Text(_));
        let alone = message.content.iter().any(is_document) && !message.content.iter().any(is_text);
        for block in &mut message.content {
            match block {
                Block::Document(document) => names.number(document),
                Block::ToolResult(result) => {
                    for block in &mut result.content {
                        if let Block::Document(document) = block {
                            names.number(document);
                        }
                    }
                }
                _ => {}
            }
        }
        if alone {
            message.content.push(Block::Text(Cow::Borrowed(WITH_DOCUMENTS)));
        }
    }
}

/// The document names that are given out.
#[derive(Default)]
struct Names {
    taken: BTreeSet<String>,
    /// The last number behind each name, so that finding the next one takes no search from the start.
    numbers: BTreeMap<String, u32>,
}

impl Names {
    /// Adds a number to a name that is taken.
    fn number(&mut self, document: &mut Document<'_>) {
        if self.taken.insert(document.name.to_string()) {
            return;
        }
        // A long name gives up its end for the number.
        let base = document.name.get(..180).unwrap_or(&document.name);
        let last = self.numbers.entry(base.to_owned()).or_insert(1);
        let mut name = String::new();
        while *last < u32::MAX {
            *last += 1;
            name = format!("{base} ({last})");
            if self.taken.insert(name.clone()) {
                break;
            }
        }
        document.name = Cow::Owned(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bedrock::out::Source;

    #[test]
    fn documents_of_one_name_are_numbered() {
        let mut names = Names::default();
        let numbered: Vec<String> = ["a", "a", "a", "b (2)", "b (2)"]
            .into_iter()
            .map(|name| {
                let source = Source::S3Location { uri: "s3://b/k" };
                let mut document = Document { format: None, name: name.into(), source };
                names.number(&mut document);
                document.name.into_owned()
            })
            .collect();
        assert_eq!(numbered, ["a", "a (2)", "a (3)", "b (2)", "b (2) (2)"]);
    }
}
