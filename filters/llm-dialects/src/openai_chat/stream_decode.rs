//! Streamed answers of OpenAI-compatible providers as hub events.
//!
//! The chunks of this dialect have no notion of blocks. The decoder opens one when the kind of delta
//! changes, and keeps tool calls open to the end, because providers may interleave the fragments of
//! parallel calls.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::annotations::characters;
use super::error::{ErrorObject, api_error, stream_error};
use super::logprobs;
use super::response::{call_id, stop_reason, unreadable};
use super::said::{Call, CallParts, Said, Word, Words};
use super::usage::Usage;
use super::wire::{Choice as ChoiceIndex, FirstChoice, Scalar, TextOr, ThinkingBlock};
use crate::Error;
use crate::hub::{self, Block, Delta as HubDelta, Part, StreamEvent};
use crate::json::{Str, is_object, non_empty};

#[derive(Debug, Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    id: Option<Str<'a>>,
    #[serde(borrow)]
    model: Option<Str<'a>>,
    #[serde(borrow)]
    created: Option<Scalar<'a>>,
    #[serde(borrow)]
    object: Option<Str<'a>>,
    #[serde(borrow)]
    choices: Option<FirstChoice<Choice<'a>>>,
    #[serde(borrow)]
    usage: Option<Usage<'a>>,
    #[serde(borrow)]
    x_groq: Option<Groq<'a>>,
    #[serde(borrow)]
    error: Option<TextOr<'a, ErrorObject<'a>>>,
}

#[derive(Debug, Deserialize)]
struct Choice<'a> {
    index: Option<u64>,
    #[serde(borrow)]
    delta: Option<Said<'a>>,
    #[serde(borrow)]
    logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    finish_reason: Option<Str<'a>>,
    /// Moonshot puts usage here.
    #[serde(borrow)]
    usage: Option<Usage<'a>>,
}

impl ChoiceIndex for Choice<'_> {
    fn index(&self) -> u64 {
        self.index.unwrap_or(0)
    }
}

/// Groq's own field, where it put usage before it knew `stream_options`.
#[derive(Debug, Deserialize)]
struct Groq<'a> {
    #[serde(borrow)]
    usage: Option<Usage<'a>>,
}

/// Decodes the chunks of one streamed chat completion.
///
/// Only the first choice is read. An answer is complete at `[DONE]`, or when the body ends after a finish
/// reason. The hub's `Finish` waits for that: providers repeat the finish reason, and some send more after
/// it.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    phase: Phase,
    /// Id of the answer, for calls that have none.
    id: String,
    /// Index of the next block.
    next: u32,
    /// The open block that is no tool call.
    open: Option<Open>,
    calls: Vec<OpenCall>,
    /// The first finish reason seen.
    finish: Option<String>,
    usage: Option<hub::Usage>,
    /// Characters of text so far, and those before the text block that is open.
    characters: u64,
    text_start: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Before,
    Started,
    Over,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    index: u32,
    kind: OpenKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OpenKind {
    Text,
    Refusal,
    Thinking,
    /// Thinking that has its signature: more thinking is another block.
    Signed,
}

/// A tool call in progress.
#[derive(Debug)]
struct OpenCall {
    /// The provider's index, if it sends one.
    wire_index: Option<u64>,
    id: String,
    /// Index of the hub's block; `None` while the name is missing.
    block: Option<u32>,
    /// Arguments that came before the name.
    held: String,
}

type Sink<'s> = dyn FnMut(StreamEvent<'_>) + 's;

impl StreamDecoder {
    /// Decodes the data of one event. `name` is its `event:` field, which only some providers use, for
    /// errors.
    ///
    /// # Errors
    /// [`Error::UpstreamSent`] when the data is no chunk.
    pub fn event(&mut self, name: Option<&[u8]>, data: &[u8], sink: &mut Sink<'_>) -> Result<(), Error> {
        let data = data.trim_ascii();
        if self.phase == Phase::Over || data.is_empty() {
            return Ok(());
        }
        if data == b"[DONE]" {
            return self.end(sink);
        }
        if name == Some(b"error") {
            self.phase = Phase::Over;
            sink(StreamEvent::Error(stream_error(data)));
            return Ok(());
        }
        if !is_object(data) {
            return Err(Error::upstream("a chunk of the stream is not a JSON object"));
        }
        let chunk: Chunk<'_> = serde_json::from_slice(data).map_err(|error| unreadable(&error))?;
        if chunk.object.as_ref().is_some_and(|Str(object)| object == "error") {
            self.phase = Phase::Over;
            sink(StreamEvent::Error(stream_error(data)));
            return Ok(());
        }
        self.chunk(chunk, sink);
        Ok(())
    }

    /// The body has ended.
    ///
    /// # Errors
    /// [`Error::UpstreamSent`] when it ended before the answer did.
    pub fn finish(&mut self, sink: &mut Sink<'_>) -> Result<(), Error> {
        match (self.phase, &self.finish) {
            (Phase::Over, _) => Ok(()),
            (_, Some(_)) => self.end(sink),
            (_, None) => Err(Error::upstream("the stream was cut short before the answer was complete")),
        }
    }

    fn chunk(&mut self, chunk: Chunk<'_>, sink: &mut Sink<'_>) {
        if let Some(error) = chunk.error {
            self.phase = Phase::Over;
            sink(StreamEvent::Error(api_error(None, &error.into())));
            return;
        }
        let choice = chunk.choices.and_then(|choices| choices.0);
        let id = chunk.id.unwrap_or_default().0;
        if self.phase == Phase::Before {
            // Azure sends the verdict on the prompt first, in a chunk without id and choices.
            if id.is_empty() && choice.is_none() && chunk.usage.is_none() {
                return;
            }
            self.phase = Phase::Started;
            self.id = id.clone().into_owned();
            let model = chunk.model.unwrap_or_default().0;
            sink(StreamEvent::Start { id, model, created: chunk.created.as_ref().and_then(Scalar::number) });
        }
        let mut usage = chunk.usage.or_else(|| chunk.x_groq.and_then(|groq| groq.usage));
        if let Some(choice) = choice {
            usage = usage.or(choice.usage);
            if let Some(delta) = choice.delta {
                self.delta(delta.words(), sink);
            }
            self.logprobs(choice.logprobs, sink);
            if let Some(reason) = non_empty(choice.finish_reason) {
                if reason == "error" {
                    self.phase = Phase::Over;
                    sink(StreamEvent::Error(api_error(Some(502), &ErrorObject::default())));
                    return;
                }
                self.finish.get_or_insert_with(|| reason.into_owned());
            }
        }
        if let Some(usage) = usage.map(hub::Usage::from)
            && self.usage != Some(usage)
        {
            self.usage = Some(usage);
            sink(StreamEvent::Usage(usage));
        }
    }

    fn delta(&mut self, words: Words<'_>, sink: &mut Sink<'_>) {
        if let Some(text) = words.reasoning {
            self.think(text, sink);
        }
        for block in words.thinking_blocks {
            self.thinking_block(block, sink);
        }
        for word in words.content {
            match word {
                Word::Thinking(text) => self.think(text, sink),
                Word::Text(text) => {
                    let index = self.open(OpenKind::Text, sink);
                    self.characters = self.characters.saturating_add(characters(&text));
                    sink(StreamEvent::Delta { index, delta: HubDelta::Text(text) });
                }
            }
        }
        // A citation belongs to a text; behind it, nobody could tell which.
        if let Some(Open { index, kind: OpenKind::Text }) = self.open {
            for citation in
                words.annotations.into_iter().filter_map(|annotation| annotation.citation(self.text_start))
            {
                sink(StreamEvent::Delta { index, delta: HubDelta::Citation(citation) });
            }
        }
        if let Some(text) = words.refusal {
            let index = self.open(OpenKind::Refusal, sink);
            sink(StreamEvent::Delta { index, delta: HubDelta::Refusal(text) });
        }
        for call in words.calls {
            self.call(call, sink);
        }
    }

    fn think(&mut self, text: Cow<'_, str>, sink: &mut Sink<'_>) {
        let index = self.open(OpenKind::Thinking, sink);
        sink(StreamEvent::Delta { index, delta: HubDelta::Thinking(text) });
    }

    /// Hands over the log probabilities of the text that has just come.
    fn logprobs(&self, json: Option<&RawValue>, sink: &mut Sink<'_>) {
        let Some(Open { index, kind: OpenKind::Text | OpenKind::Refusal }) = self.open else { return };
        let tokens = logprobs::tokens(json);
        if !tokens.is_empty() {
            sink(StreamEvent::Delta { index, delta: HubDelta::Logprobs(tokens) });
        }
    }

    /// Takes the signature of a thinking block. Its text has come as `reasoning_content` already, unless no
    /// thinking is open.
    fn thinking_block(&mut self, block: ThinkingBlock<'_>, sink: &mut Sink<'_>) {
        match block.into_part() {
            Some(Part::Thinking { text, signature }) => {
                let streamed = self.open.is_some_and(|open| open.kind == OpenKind::Thinking);
                if !streamed && text.is_empty() && signature.is_none() {
                    return;
                }
                let index = self.open(OpenKind::Thinking, sink);
                if !streamed && !text.is_empty() {
                    sink(StreamEvent::Delta { index, delta: HubDelta::Thinking(text) });
                }
                if let Some(signature) = signature {
                    sink(StreamEvent::Delta { index, delta: HubDelta::Signature(signature) });
                    self.open = Some(Open { index, kind: OpenKind::Signed });
                }
            }
            Some(Part::RedactedThinking(data)) => {
                self.close(sink);
                let index = self.index();
                sink(StreamEvent::BlockStart { index, block: Block::RedactedThinking(data) });
                sink(StreamEvent::BlockStop { index });
            }
            _ => {}
        }
    }

    fn call(&mut self, call: Call<'_>, sink: &mut Sink<'_>) {
        let wire_index = call.index;
        let CallParts { id, name, arguments } = call.parts();
        let known = self.position(wire_index, id.as_deref(), name.is_some());
        let position = known.unwrap_or(self.calls.len());
        if known.is_none() {
            let id = id.map_or_else(|| call_id(&self.id, position), Cow::into_owned);
            self.calls.push(OpenCall { wire_index, id, block: None, held: String::new() });
        }
        let Some(state) = self.calls.get_mut(position) else { return };
        let index = match (state.block, name) {
            (Some(index), _) => index,
            (None, None) => {
                // Nothing can be said about a call before its name is known.
                state.held.push_str(arguments.as_deref().unwrap_or_default());
                return;
            }
            (None, Some(name)) => {
                let index = self.next;
                state.block = Some(index);
                let (id, held) = (state.id.clone(), std::mem::take(&mut state.held));
                self.close(sink);
                self.next = self.next.saturating_add(1);
                let block = Block::ToolCall { id: id.into(), name, signature: None };
                sink(StreamEvent::BlockStart { index, block });
                if !held.is_empty() {
                    sink(StreamEvent::Delta { index, delta: HubDelta::Arguments(held.into()) });
                }
                index
            }
        };
        if let Some(arguments) = arguments {
            sink(StreamEvent::Delta { index, delta: HubDelta::Arguments(arguments) });
        }
    }

    /// Which call a fragment belongs to; `None` for a new one.
    ///
    /// OpenAI numbers the calls. Some providers number all of them 0 and send each whole, so a fragment
    /// with a name and another id is a new call; others send no number, and name or id tell a new call from
    /// more of the last.
    fn position(&self, index: Option<u64>, id: Option<&str>, named: bool) -> Option<usize> {
        let other = |call: &OpenCall| named && call.block.is_some() && id.is_some_and(|id| id != call.id);
        let found = match (index, id) {
            (Some(_), _) => self.calls.iter().rposition(|call| call.wire_index == index),
            (None, Some(id)) if named => return self.calls.iter().rposition(|call| call.id == id),
            (None, None) if named => return None,
            (None, _) => self.calls.len().checked_sub(1),
        }?;
        self.calls.get(found).filter(|call| !other(call)).map(|_| found)
    }

    fn index(&mut self) -> u32 {
        let index = self.next;
        self.next = self.next.saturating_add(1);
        index
    }

    /// The index of an open block of this kind, opened now if need be.
    fn open(&mut self, kind: OpenKind, sink: &mut Sink<'_>) -> u32 {
        if let Some(open) = self.open
            && open.kind == kind
        {
            return open.index;
        }
        self.close(sink);
        let index = self.index();
        let block = match kind {
            OpenKind::Text => Block::Text,
            OpenKind::Refusal => Block::Refusal,
            OpenKind::Thinking | OpenKind::Signed => Block::Thinking,
        };
        self.open = Some(Open { index, kind });
        self.text_start = self.characters;
        sink(StreamEvent::BlockStart { index, block });
        index
    }

    fn close(&mut self, sink: &mut Sink<'_>) {
        if let Some(open) = self.open.take() {
            sink(StreamEvent::BlockStop { index: open.index });
        }
    }

    /// The answer is complete.
    fn end(&mut self, sink: &mut Sink<'_>) -> Result<(), Error> {
        if self.phase == Phase::Before {
            return Err(Error::upstream("the stream ended without an answer"));
        }
        if self.calls.iter().any(|call| call.block.is_none()) {
            return Err(Error::upstream("a tool call has no name"));
        }
        self.phase = Phase::Over;
        self.close(sink);
        for call in &self.calls {
            if let Some(index) = call.block {
                sink(StreamEvent::BlockStop { index });
            }
        }
        let reason = stop_reason(self.finish.as_deref().unwrap_or_default(), !self.calls.is_empty());
        sink(StreamEvent::Finish { reason, stop_sequence: None });
        sink(StreamEvent::End);
        Ok(())
    }
}
