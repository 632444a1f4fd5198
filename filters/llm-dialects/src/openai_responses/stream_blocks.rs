//! The blocks of a streamed answer, opened and closed as its items say.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::{Annotation, Logprob};
use crate::hub::{Block as HubBlock, Delta, StreamEvent, TokenLogprob};
use crate::json::Str;

/// Where hub events go.
pub(super) type Sink<'s> = dyn FnMut(StreamEvent<'_>) + 's;

/// What a piece of JSON is, if it is that.
pub(super) fn read<'a, T: Deserialize<'a>>(json: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(json?.get()).ok()
}

/// A string, or nothing.
pub(super) fn string(json: Option<&RawValue>) -> Cow<'_, str> {
    read::<Str<'_>>(json).unwrap_or_default().0
}

/// A block of the answer.
#[derive(Debug)]
pub(super) struct Block {
    /// `output_index` of its item.
    pub(super) item: u64,
    /// `content_index` of texts; 0 for others, which have one block to an item.
    pub(super) part: u64,
    /// What it is.
    pub(super) kind: Kind,
    /// It has not stopped.
    pub(super) open: bool,
    /// Something of it has come.
    pub(super) begun: bool,
    /// Of reasoning: the summary (or content) that came last.
    pub(super) paragraph: u64,
    /// Of reasoning: it is shown as it is, not in summary.
    pub(super) in_full: bool,
    /// Of text: how many sources it has.
    pub(super) citations: usize,
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// A refusal.
    Refusal,
    /// Reasoning.
    Thinking,
    /// A tool call.
    Call,
}

/// Every block so far; its place is its index.
#[derive(Debug, Default)]
pub(super) struct Blocks(pub(super) Vec<Block>);

impl Blocks {
    pub(super) fn logprobs(&self, index: usize, json: Option<&RawValue>, sink: &mut Sink<'_>) {
        let logprobs: Vec<Logprob<'_>> = read(json).unwrap_or_default();
        if !logprobs.is_empty() {
            let logprobs = logprobs.into_iter().map(TokenLogprob::from).collect();
            sink(StreamEvent::Delta { index: number(index), delta: Delta::Logprobs(logprobs) });
        }
    }

    pub(super) fn cite(&mut self, index: usize, annotations: Vec<Annotation<'_>>, sink: &mut Sink<'_>) {
        for annotation in annotations {
            if let Some(block) = self.0.get_mut(index) {
                block.citations += 1;
            }
            if let Some(citation) = annotation.into_citation() {
                sink(StreamEvent::Delta { index: number(index), delta: Delta::Citation(citation) });
            }
        }
    }

    /// Adds reasoning, in the form that came first. Each summary is a paragraph of its own.
    pub(super) fn think(
        &mut self,
        item: u64,
        paragraph: u64,
        in_full: bool,
        text: Cow<'_, str>,
        sink: &mut Sink<'_>,
    ) {
        if text.is_empty() {
            return;
        }
        let index = self.open(item, 0, Kind::Thinking, sink);
        let Some(block) = self.0.get_mut(index) else { return };
        if !block.begun {
            block.in_full = in_full;
        } else if block.in_full != in_full {
            return;
        } else if block.paragraph != paragraph {
            sink(StreamEvent::Delta { index: number(index), delta: Delta::Thinking(Cow::Borrowed("\n\n")) });
        }
        block.paragraph = paragraph;
        self.add(index, Delta::Thinking, text, sink);
    }

    /// A paragraph of reasoning is complete: adds it if it has not come in deltas.
    pub(super) fn thought(
        &mut self,
        item: u64,
        paragraph: u64,
        in_full: bool,
        text: Cow<'_, str>,
        sink: &mut Sink<'_>,
    ) {
        let block = self.find(item, 0, Kind::Thinking).and_then(|index| self.0.get(index));
        if block.is_none_or(|block| !block.begun || block.paragraph < paragraph) {
            self.think(item, paragraph, in_full, text, sink);
        }
    }

    /// Adds to a block.
    pub(super) fn add<'t>(
        &mut self,
        index: usize,
        delta: impl FnOnce(Cow<'t, str>) -> Delta<'t>,
        text: Cow<'t, str>,
        sink: &mut Sink<'_>,
    ) {
        if text.is_empty() {
            return;
        }
        if let Some(block) = self.0.get_mut(index) {
            block.begun = true;
            sink(StreamEvent::Delta { index: number(index), delta: delta(text) });
        }
    }

    /// Adds to a block unless something has come of it already.
    pub(super) fn add_first<'t>(
        &mut self,
        index: usize,
        delta: impl FnOnce(Cow<'t, str>) -> Delta<'t>,
        text: Cow<'t, str>,
        sink: &mut Sink<'_>,
    ) {
        if self.0.get(index).is_some_and(|block| !block.begun) {
            self.add(index, delta, text, sink);
        }
    }

    /// An open block.
    pub(super) fn find(&self, item: u64, part: u64, kind: Kind) -> Option<usize> {
        self.0
            .iter()
            .rposition(|block| block.open && block.item == item && block.part == part && block.kind == kind)
    }

    /// An open block of text, refusal or thinking, opened now if need be.
    pub(super) fn open(&mut self, item: u64, part: u64, kind: Kind, sink: &mut Sink<'_>) -> usize {
        if let Some(index) = self.find(item, part, kind) {
            return index;
        }
        self.close_others(sink);
        let index = self.push(item, part, kind);
        let block = match kind {
            Kind::Text | Kind::Call => HubBlock::Text,
            Kind::Refusal => HubBlock::Refusal,
            Kind::Thinking => HubBlock::Thinking,
        };
        sink(StreamEvent::BlockStart { index: number(index), block });
        index
    }

    pub(super) fn open_call(&mut self, item: u64, id: Cow<'_, str>, name: Cow<'_, str>, sink: &mut Sink<'_>) {
        self.close_others(sink);
        let index = self.push(item, 0, Kind::Call);
        let block = HubBlock::ToolCall { id, name, signature: None };
        sink(StreamEvent::BlockStart { index: number(index), block });
    }

    pub(super) fn push(&mut self, item: u64, part: u64, kind: Kind) -> usize {
        self.0.push(Block {
            item,
            part,
            kind,
            open: true,
            begun: false,
            paragraph: 0,
            in_full: false,
            citations: 0,
        });
        self.0.len() - 1
    }

    /// Closes every block but calls, which alone may overlap.
    pub(super) fn close_others(&mut self, sink: &mut Sink<'_>) {
        for index in 0..self.0.len() {
            let is_call = self.0.get(index).is_some_and(|block| block.kind == Kind::Call);
            if !is_call {
                self.close(index, sink);
            }
        }
    }

    pub(super) fn close(&mut self, index: usize, sink: &mut Sink<'_>) {
        if let Some(block) = self.0.get_mut(index).filter(|block| block.open) {
            block.open = false;
            sink(StreamEvent::BlockStop { index: number(index) });
        }
    }
}

/// The hub's number for the place of a block.
pub(super) fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
