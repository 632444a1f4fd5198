//! Hub events as the events of a streamed response.
//!
//! The order is OpenAI's: `created`, `in_progress`, then for each item `output_item.added`, its parts with their deltas
//! and their end, `output_item.done`; at last `completed` or `incomplete` with the whole response.

use std::borrow::Cow;

use framing::sse;

use super::output::{AsOutput, Ending, Head, OutItem, OutPart, call_item_id};
use super::reasoning;
use super::stream_event::{EventPart, OutEvent, send, send_error};
use super::stream_parts::{message_delta, owned, reasoning_delta, reasoning_done};
use crate::hub::{ApiError, Block, Delta, StopReason, StreamEvent, Usage};

/// Encodes one streamed answer.
///
/// Ids stay the same throughout: the response's is made from the answer's, and those of items from it. Adjacent texts
/// are parts of one message. An item is done when the next begins, or the answer ends, which tells whether it is
/// complete. An error is an event `error`, and `response.failed` behind it if the response has begun; nothing follows.
#[derive(Debug)]
pub struct StreamEncoder {
    now: u64,
    head: Option<Head<'static>>,
    /// Number of the next event.
    sequence: u64,
    /// The output so far; the place of an item is its `output_index`.
    items: Vec<Entry>,
    /// Blocks that have not stopped.
    blocks: Vec<Open>,
    usage: Option<Usage>,
    stop: Option<StopReason>,
    over: bool,
}

#[derive(Debug)]
struct Entry {
    item: OutItem<'static>,
    /// Blocks of it have not stopped.
    open: bool,
    /// `output_item.done` has been sent.
    done: bool,
}

impl AsOutput for Entry {
    fn item(&self) -> &OutItem<'_> {
        &self.item
    }
}

#[derive(Debug)]
struct Open {
    /// The hub's index.
    block: u32,
    /// Place of its item.
    item: usize,
    /// `content_index` in a message.
    part: usize,
    /// Characters of text so far.
    characters: u64,
    /// Signature of reasoning so far.
    signature: String,
}

impl StreamEncoder {
    /// An encoder; `now` (seconds since 1970) is `created_at` where the source has none.
    pub fn new(now: u64) -> Self {
        Self {
            now,
            head: None,
            sequence: 0,
            items: Vec::new(),
            blocks: Vec::new(),
            usage: None,
            stop: None,
            over: false,
        }
    }

    /// Goes on behind `events` events another encoder has sent.
    pub fn behind(&mut self, events: u64) {
        self.sequence = events;
    }

    /// Appends the bytes for `event` to `out`.
    pub fn event(&mut self, event: &StreamEvent<'_>, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        match event {
            StreamEvent::Start { id, model, created } => {
                self.start(id, model, created.unwrap_or(self.now), out);
            }
            StreamEvent::BlockStart { index, block } => self.block_start(*index, block, out),
            StreamEvent::Delta { index, delta } => self.delta(*index, delta, out),
            StreamEvent::BlockStop { index } => self.block_stop(*index, out),
            StreamEvent::Usage(usage) => self.usage = Some(*usage),
            StreamEvent::Finish { reason, .. } => self.stop = Some(*reason),
            StreamEvent::Ping => sse::write_comment(out, b"ping"),
            StreamEvent::Error(error) => self.fail(error, out),
            StreamEvent::End => self.end(out),
        }
    }

    fn start(&mut self, id: &str, model: &str, created: u64, out: &mut Vec<u8>) {
        if self.head.is_some() {
            return;
        }
        self.head = Some(Head::new(id, model.to_owned(), created));
        for kind in ["response.created", "response.in_progress"] {
            self.response(kind, Ending::InProgress, out);
        }
    }

    /// Sends an event with the whole response.
    fn response(&mut self, kind: &'static str, ending: Ending<'_>, out: &mut Vec<u8>) {
        let Some(head) = &self.head else { return };
        let usage = self.usage.as_ref().filter(|_| ending != Ending::InProgress);
        let response = Some(head.response(&self.items, ending, usage));
        send(&mut self.sequence, out, OutEvent { kind, response, ..OutEvent::empty() });
    }

    fn block_start(&mut self, block: u32, kind: &Block<'_>, out: &mut Vec<u8>) {
        if self.head.is_none() {
            // Events of a decoder begin with `Start`; should one not, the stream is still whole.
            self.start("", "", self.now, out);
        }
        let last = self.items.len().checked_sub(1);
        let continues = matches!(kind, Block::Text | Block::Refusal)
            && matches!(
                self.items.last(),
                Some(Entry { item: OutItem::Message { .. }, open: false, done: false })
            );
        self.finish_items(if continues { last } else { None }, "completed", out);
        let item = match last {
            Some(last) if continues => last,
            _ => self.add_item(kind, out),
        };
        let Some(entry) = self.items.get_mut(item) else { return };
        entry.open = true;
        let mut part = 0;
        if let OutItem::Message { id, content, .. } = &mut entry.item {
            part = content.len();
            content.push(match kind {
                Block::Refusal => OutPart::Refusal { refusal: owned("") },
                _ => OutPart::text(owned("")),
            });
            let added = OutEvent {
                kind: "response.content_part.added",
                item_id: Some(id),
                output_index: Some(item),
                content_index: Some(part),
                part: content.last().map(EventPart::Content),
                ..OutEvent::<()>::empty()
            };
            send(&mut self.sequence, out, added);
        }
        self.blocks.push(Open { block, item, part, characters: 0, signature: String::new() });
    }

    /// Begins the item for a block; returns its place.
    fn add_item(&mut self, kind: &Block<'_>, out: &mut Vec<u8>) -> usize {
        let index = self.items.len();
        let base = self.head.as_ref().map_or("", Head::base);
        let item = match kind {
            Block::Text | Block::Refusal => OutItem::message(base, index, "in_progress"),
            Block::Thinking => OutItem::reasoning(base, index),
            Block::RedactedThinking(data) => {
                let mut item = OutItem::reasoning(base, index);
                if let OutItem::Reasoning { encrypted_content, .. } = &mut item {
                    *encrypted_content = Some(Cow::Owned(reasoning::redacted(data).into_owned()));
                }
                item
            }
            Block::ToolCall { id, name, .. } => OutItem::FunctionCall {
                id: call_item_id(base, index),
                status: "in_progress",
                call_id: owned(id),
                name: owned(name),
                arguments: owned(""),
            },
        };
        let added = OutEvent {
            kind: "response.output_item.added",
            output_index: Some(index),
            item: Some(&item),
            ..OutEvent::<()>::empty()
        };
        send(&mut self.sequence, out, added);
        self.items.push(Entry { item, open: true, done: false });
        index
    }

    fn delta(&mut self, block: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        let Some(open) = self.blocks.iter_mut().find(|open| open.block == block) else { return };
        let Some(Entry { item, .. }) = self.items.get_mut(open.item) else { return };
        let (output_index, content_index) = (Some(open.item), Some(open.part));
        let sequence = &mut self.sequence;
        match (item, delta) {
            (OutItem::Message { id, content, .. }, delta) => {
                let event =
                    OutEvent { item_id: Some(id), output_index, content_index, ..OutEvent::<()>::empty() };
                message_delta(content.get_mut(open.part), &mut open.characters, delta, event, sequence, out);
            }
            (OutItem::Reasoning { id, summary, .. }, Delta::Thinking(delta)) if !delta.is_empty() => {
                let event = OutEvent {
                    item_id: Some(id),
                    output_index,
                    summary_index: Some(0),
                    ..OutEvent::<()>::empty()
                };
                reasoning_delta(summary, delta, event, sequence, out);
            }
            (OutItem::Reasoning { .. }, Delta::Signature(signature)) => open.signature.push_str(signature),
            (OutItem::FunctionCall { id, arguments, .. }, Delta::Arguments(delta)) if !delta.is_empty() => {
                arguments.to_mut().push_str(delta);
                let event = OutEvent {
                    kind: "response.function_call_arguments.delta",
                    item_id: Some(id),
                    output_index,
                    delta: Some(delta),
                    ..OutEvent::<()>::empty()
                };
                send(sequence, out, event);
            }
            _ => {}
        }
    }

    /// Ends what a block stands for; its item waits for [`Self::finish_items`].
    fn block_stop(&mut self, block: u32, out: &mut Vec<u8>) {
        let Some(at) = self.blocks.iter().position(|open| open.block == block) else { return };
        let open = self.blocks.remove(at);
        let Some(entry) = self.items.get_mut(open.item) else { return };
        entry.open = false;
        let (output_index, content_index) = (Some(open.item), Some(open.part));
        let sequence = &mut self.sequence;
        match &mut entry.item {
            OutItem::Message { id, content, .. } => {
                let Some(part) = content.get(open.part) else { return };
                let of_part = || OutEvent {
                    item_id: Some(id.as_str()),
                    output_index,
                    content_index,
                    ..OutEvent::<()>::empty()
                };
                let done = match part {
                    OutPart::OutputText { text, logprobs, .. } => OutEvent {
                        kind: "response.output_text.done",
                        text: Some(text),
                        logprobs: Some(logprobs),
                        ..of_part()
                    },
                    OutPart::Refusal { refusal } => {
                        OutEvent { kind: "response.refusal.done", refusal: Some(refusal), ..of_part() }
                    }
                };
                send(sequence, out, done);
                let part = Some(EventPart::Content(part));
                send(sequence, out, OutEvent { kind: "response.content_part.done", part, ..of_part() });
            }
            OutItem::Reasoning { id, summary, encrypted_content } => {
                reasoning_done(id, summary, open.item, sequence, out);
                if !open.signature.is_empty() {
                    *encrypted_content = Some(Cow::Owned(reasoning::encrypted(&open.signature).into_owned()));
                }
            }
            OutItem::FunctionCall { id, name, arguments, .. } => {
                let of_call =
                    || OutEvent { item_id: Some(id.as_str()), output_index, ..OutEvent::<()>::empty() };
                if arguments.is_empty() {
                    // Clients parse the arguments, and no text is no JSON.
                    *arguments = owned("{}");
                    let kind = "response.function_call_arguments.delta";
                    send(sequence, out, OutEvent { kind, delta: Some("{}"), ..of_call() });
                }
                let done = OutEvent {
                    kind: "response.function_call_arguments.done",
                    name: Some(name),
                    arguments: Some(arguments),
                    ..of_call()
                };
                send(sequence, out, done);
            }
        }
    }

    /// Ends the items that have nothing open, but `except`. `last` is the status of the last one.
    fn finish_items(&mut self, except: Option<usize>, last: &'static str, out: &mut Vec<u8>) {
        let count = self.items.len();
        for (index, entry) in self.items.iter_mut().enumerate() {
            if entry.open || entry.done || except == Some(index) {
                continue;
            }
            entry.done = true;
            entry.item.set_status(if index + 1 == count { last } else { "completed" });
            let done = OutEvent {
                kind: "response.output_item.done",
                output_index: Some(index),
                item: Some(&entry.item),
                ..OutEvent::<()>::empty()
            };
            send(&mut self.sequence, out, done);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.head.is_none() {
            self.start("", "", self.now, out);
        }
        while let Some(open) = self.blocks.first() {
            self.block_stop(open.block, out);
        }
        let refuses = self.items.iter().any(|entry| entry.item.refuses());
        let ending = Ending::of(self.stop.unwrap_or(StopReason::EndTurn), refuses);
        let (kind, status) = match ending {
            Ending::Incomplete(_) => ("response.incomplete", "incomplete"),
            _ => ("response.completed", "completed"),
        };
        self.finish_items(None, status, out);
        self.response(kind, ending, out);
        self.over = true;
    }

    fn fail(&mut self, error: &ApiError, out: &mut Vec<u8>) {
        send_error(&mut self.sequence, out, error);
        self.response("response.failed", Ending::Failed(error), out);
        self.over = true;
    }
}
