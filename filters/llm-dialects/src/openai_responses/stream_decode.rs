//! Streamed answers of providers as hub events.
//!
//! The events of this dialect say which part of which item they belong to, and repeat at the end of a part, of an item
//! and of the response what came before. The decoder follows the deltas; where a provider sends none, it takes what is
//! repeated.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::ErrorObject;
use super::response::{Response, function_call, output_object, pieces, reasoning_part, unreadable};
use super::stream_blocks::{Block, Blocks, Kind, Sink, number, read, string};
use super::wire::{Piece, list};
use crate::Error;
use crate::hub::{self, Block as HubBlock, Delta, Part, StreamEvent};
use crate::json::{Str, is_object, non_empty};
use crate::openai_chat::call_arguments;

/// An event of any type. Fields whose type differs between events are read later.
#[derive(Debug, Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Str<'a>>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    output_index: Option<u64>,
    content_index: Option<u64>,
    summary_index: Option<u64>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    part: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    annotation: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// Decodes the events of one streamed response.
///
/// Events of unknown types are passed over, and so is the `[DONE]` some providers add. An answer is complete with
/// `response.completed` or `response.incomplete`, and failed with `response.failed` or `error`.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    phase: Phase,
    blocks: Blocks,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Before,
    Started,
    Over,
}

impl StreamDecoder {
    /// Decodes the data of one event; `name` is its `event:` field, which repeats its type.
    ///
    /// # Errors
    /// [`Error::UpstreamSent`] when the data is no event of this dialect.
    pub fn event(&mut self, name: Option<&[u8]>, data: &[u8], sink: &mut Sink<'_>) -> Result<(), Error> {
        let data = data.trim_ascii();
        if self.phase == Phase::Over || data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        if !is_object(data) {
            return Err(Error::upstream("an event of the stream is not a JSON object"));
        }
        let event: Event<'_> = serde_json::from_slice(data).map_err(|error| unreadable(&error))?;
        let typed = event.kind.clone();
        let kind = match (&typed, name) {
            (Some(Str(kind)), _) => kind.as_bytes(),
            (None, Some(name)) => name,
            // Proxies put errors of other shapes into streams.
            (None, None) if event.error.is_some() => b"error",
            (None, None) => return Ok(()),
        };
        match kind {
            b"error" => {
                let object = read::<ErrorObject<'_>>(event.error)
                    .or_else(|| serde_json::from_slice(data).ok())
                    .unwrap_or_default();
                self.fail(object, sink);
            }
            b"response.failed" | b"response.cancelled" => {
                #[derive(Deserialize)]
                struct Failed<'a> {
                    #[serde(borrow)]
                    error: Option<ErrorObject<'a>>,
                }
                let error = read::<Failed<'_>>(event.response).and_then(|failed| failed.error);
                self.fail(error.unwrap_or_default(), sink);
            }
            b"response.created" | b"response.queued" | b"response.in_progress" => {
                let response = read::<Response<'_>>(event.response);
                self.start(response.as_ref(), sink);
            }
            b"response.completed" | b"response.incomplete" => {
                let Some(response) = event.response else {
                    return Err(Error::upstream("the last event of the stream holds no response"));
                };
                let response: Response<'_> =
                    serde_json::from_str(response.get()).map_err(|error| unreadable(&error))?;
                self.end(response, sink)?;
            }
            kind => return self.part_event(kind, event, sink),
        }
        Ok(())
    }

    /// The body has ended.
    ///
    /// # Errors
    /// [`Error::UpstreamSent`] when it ended before the answer did.
    pub fn finish(&mut self, _sink: &mut Sink<'_>) -> Result<(), Error> {
        if self.phase == Phase::Over {
            return Ok(());
        }
        Err(Error::upstream("the stream was cut short before the answer was complete"))
    }

    /// Events of items and their parts.
    fn part_event(&mut self, kind: &[u8], event: Event<'_>, sink: &mut Sink<'_>) -> Result<(), Error> {
        let item = event.output_index.unwrap_or_else(|| self.blocks.0.last().map_or(0, |block| block.item));
        let part = event.content_index.unwrap_or(0);
        if event.output_index.is_some() || event.delta.is_some() || event.item.is_some() {
            // The answer has begun, even if nobody said so.
            self.start(None, sink);
        }
        match kind {
            b"response.output_item.added" => {
                if let Some(json) = event.item {
                    self.item_added(item, json, sink)?;
                }
            }
            b"response.output_item.done" => {
                if let Some(json) = event.item {
                    self.item_done(item, json, sink)?;
                }
            }
            b"response.content_part.added" | b"response.content_part.done" => {
                if let Some(piece) = read::<Piece<'_>>(event.part) {
                    self.piece(item, part, piece, kind.ends_with(b".done"), sink);
                }
            }
            b"response.output_text.delta" => {
                let index = self.blocks.open(item, part, Kind::Text, sink);
                self.blocks.add(index, Delta::Text, string(event.delta), sink);
                self.blocks.logprobs(index, event.logprobs, sink);
            }
            b"response.output_text.done" => {
                let index = self.blocks.open(item, part, Kind::Text, sink);
                self.blocks.add_first(index, Delta::Text, string(event.text), sink);
            }
            b"response.output_text.annotation.added" => {
                let index = self.blocks.open(item, part, Kind::Text, sink);
                self.blocks.cite(index, read(event.annotation).into_iter().collect(), sink);
            }
            b"response.refusal.delta" => {
                let index = self.blocks.open(item, part, Kind::Refusal, sink);
                self.blocks.add(index, Delta::Refusal, string(event.delta), sink);
            }
            b"response.refusal.done" => {
                let index = self.blocks.open(item, part, Kind::Refusal, sink);
                self.blocks.add_first(index, Delta::Refusal, string(event.refusal), sink);
            }
            b"response.reasoning_summary_text.delta" => {
                self.blocks.think(item, event.summary_index.unwrap_or(0), false, string(event.delta), sink);
            }
            b"response.reasoning_text.delta" => {
                self.blocks.think(item, part, true, string(event.delta), sink)
            }
            b"response.reasoning_summary_text.done" => {
                self.blocks.thought(item, event.summary_index.unwrap_or(0), false, string(event.text), sink);
            }
            b"response.reasoning_text.done" => {
                self.blocks.thought(item, part, true, string(event.text), sink)
            }
            b"response.function_call_arguments.delta" => {
                if let Some(index) = self.blocks.find(item, 0, Kind::Call) {
                    self.blocks.add(index, Delta::Arguments, string(event.delta), sink);
                }
            }
            b"response.function_call_arguments.done" => {
                if let Some(index) = self.blocks.find(item, 0, Kind::Call) {
                    self.blocks.add_first(index, Delta::Arguments, string(event.arguments), sink);
                    if self.blocks.0.get(index).is_some_and(|block| block.begun) {
                        self.blocks.close(index, sink);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, response: Option<&Response<'_>>, sink: &mut Sink<'_>) {
        if self.phase != Phase::Before {
            return;
        }
        self.phase = Phase::Started;
        let text =
            |text: Option<&Str<'_>>| text.map(|Str(text)| Cow::Owned(text.to_string())).unwrap_or_default();
        sink(StreamEvent::Start {
            id: text(response.and_then(|response| response.id.as_ref())),
            model: text(response.and_then(|response| response.model.as_ref())),
            created: response.and_then(Response::created),
        });
    }

    fn fail(&mut self, error: ErrorObject<'_>, sink: &mut Sink<'_>) {
        self.phase = Phase::Over;
        sink(StreamEvent::Error(error.into_api_error()));
    }

    /// Opens the block of a call: all that is needed of it is known. Its arguments come later, or once more.
    fn item_added(&mut self, item: u64, json: &RawValue, sink: &mut Sink<'_>) -> Result<(), Error> {
        let added = output_object(json)?;
        let is_call = added.kind.as_ref().is_some_and(|Str(kind)| kind == "function_call");
        if is_call && let Ok(call) = function_call(added) {
            self.blocks.open_call(item, call.id, call.name, sink);
        }
        Ok(())
    }

    /// Closes what is open of an item, after making up for what did not come as deltas.
    fn item_done(&mut self, item: u64, json: &RawValue, sink: &mut Sink<'_>) -> Result<(), Error> {
        let done = output_object(json)?;
        match done.kind.as_ref().map(|Str(kind)| kind.as_ref()) {
            Some("message") => {
                for (part, piece) in (0..).zip(pieces(done.content)?) {
                    self.piece(item, part, piece, true, sink);
                }
            }
            Some("reasoning") => match reasoning_part(done)? {
                Some(Part::Thinking { text, signature }) => {
                    let index = self.blocks.open(item, 0, Kind::Thinking, sink);
                    self.blocks.add_first(index, Delta::Thinking, text, sink);
                    if let Some(signature) = signature {
                        sink(StreamEvent::Delta { index: number(index), delta: Delta::Signature(signature) });
                    }
                }
                Some(Part::RedactedThinking(data)) => {
                    self.blocks.close_others(sink);
                    let index = self.blocks.push(item, 0, Kind::Thinking);
                    sink(StreamEvent::BlockStart {
                        index: number(index),
                        block: HubBlock::RedactedThinking(data),
                    });
                }
                _ => {}
            },
            Some("function_call") => {
                let call = function_call(done)?;
                let known = self.blocks.0.iter().any(|block| block.item == item && block.kind == Kind::Call);
                if !known {
                    self.blocks.open_call(item, call.id, call.name, sink);
                }
                if let Some(index) = self.blocks.find(item, 0, Kind::Call) {
                    let arguments = call_arguments::text(&call.arguments);
                    self.blocks.add_first(index, Delta::Arguments, Cow::Borrowed(arguments), sink);
                }
            }
            _ => {}
        }
        for index in 0..self.blocks.0.len() {
            if self.blocks.0.get(index).is_some_and(|block| block.item == item) {
                self.blocks.close(index, sink);
            }
        }
        Ok(())
    }

    /// A part of a message, at its beginning or at its end.
    fn piece(&mut self, item: u64, part: u64, piece: Piece<'_>, done: bool, sink: &mut Sink<'_>) {
        let kind = match piece.kind.as_ref().map(|Str(kind)| kind.as_ref()) {
            Some("output_text") => Kind::Text,
            Some("refusal") => Kind::Refusal,
            _ => return,
        };
        let over =
            |block: &Block| block.item == item && block.part == part && block.kind == kind && !block.open;
        if self.blocks.0.iter().any(over) {
            return;
        }
        let index = self.blocks.open(item, part, kind, sink);
        match kind {
            Kind::Text => {
                self.blocks.add_first(index, Delta::Text, non_empty(piece.text).unwrap_or_default(), sink)
            }
            _ => self.blocks.add_first(
                index,
                Delta::Refusal,
                non_empty(piece.refusal).unwrap_or_default(),
                sink,
            ),
        }
        if done {
            let known = self.blocks.0.get(index).map_or(0, |block| block.citations);
            self.blocks.cite(index, piece.annotations.into_iter().flatten().skip(known).collect(), sink);
            self.blocks.close(index, sink);
        }
    }

    /// The answer is complete.
    fn end(&mut self, response: Response<'_>, sink: &mut Sink<'_>) -> Result<(), Error> {
        self.start(Some(&response), sink);
        if self.blocks.0.is_empty() {
            let items = response.output.and_then(list).unwrap_or_default();
            for (item, json) in (0..).zip(items) {
                self.item_done(item, json, sink)?;
            }
        }
        for index in 0..self.blocks.0.len() {
            self.blocks.close(index, sink);
        }
        self.phase = Phase::Over;
        let has = |kind| self.blocks.0.iter().any(|block| block.kind == kind);
        let reason = response.stop(has(Kind::Call), has(Kind::Refusal));
        if let Some(usage) = response.usage {
            sink(StreamEvent::Usage(hub::Usage::from(usage)));
        }
        sink(StreamEvent::Finish { reason, stop_sequence: None });
        sink(StreamEvent::End);
        Ok(())
    }
}
