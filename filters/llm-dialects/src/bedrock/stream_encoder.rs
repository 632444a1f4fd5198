//! Streams for Bedrock clients.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>

use std::collections::VecDeque;

use framing::aws_event_stream::{Value, encode};
use serde::Serialize;

use super::content::is_base64;
use super::encode_content::is_blank;
use super::error::exception_of;
use super::out::{Citation, Metrics, ResponseFields, Usage as OutUsage, write_json};
use super::response::stop_reason_name;
use crate::hub::{self, Block, Delta, StopReason, StreamEvent, Usage};

/// Turns hub events into the messages of a Converse stream.
///
/// Every stream of this encoder is as Bedrock's own: `messageStart`, then blocks one after another with indices from 0
/// up, then `messageStop`, then `metadata` with the usage. Hence:
///
/// * Hub blocks that overlap are sent in the order they started. What comes for a block behind the open one is held
///   until it is its turn.
/// * Only tool calls are announced with `contentBlockStart`. A text or thinking block begins with its first delta, so
///   one that stays empty is not sent at all.
/// * Arguments that stay blank are sent as `{}`; refusals as text.
/// * A signature is sent whole, at the end of its block. Redacted thinking that is not base64 is dropped.
/// * `messageStop` and `metadata` wait for the end, as usage may come before or after the stop reason.
/// * Keep-alives have no message. After `metadata` or an exception nothing follows.
///
/// How long the model took is not known here; `metrics`, which the API demands, says 0.
#[derive(Debug)]
pub struct StreamEncoder {
    phase: Phase,
    /// The hub blocks that are not sent completely, in the order they started. The first may be open.
    blocks: VecDeque<Pending>,
    /// The index of the block that is open, or comes next.
    index: u32,
    usage: Usage,
    finish: Option<(StopReason, Option<String>)>,
    calls: bool,
    refuses: bool,
    /// The JSON of the message being written, kept for its allocation.
    scratch: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Message,
    Ended,
}

/// A hub block that is not sent completely.
#[derive(Debug)]
struct Pending {
    hub_index: u32,
    kind: Kind,
    /// What came while other blocks were open.
    held: Vec<Held>,
    signature: String,
    /// Its first message is sent.
    opened: bool,
    /// Something that is not blank is sent: a tool call needs no `{}`.
    filled: bool,
    /// The hub has stopped it.
    stopped: bool,
}

#[derive(Debug)]
enum Kind {
    Text,
    Thinking,
    Redacted { data: String },
    ToolCall { id: String, name: String },
}

#[derive(Debug)]
enum Held {
    Text(String),
    Citation(hub::Citation<'static>),
}

#[derive(Serialize)]
struct MessageStart {
    role: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockStart<'a> {
    content_block_index: u32,
    start: Start<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Start<'a> {
    ToolUse { tool_use_id: &'a str, name: &'a str },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockDelta<'a> {
    content_block_index: u32,
    delta: OutDelta<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum OutDelta<'a> {
    Text(&'a str),
    ToolUse { input: &'a str },
    ReasoningContent(ReasoningDelta<'a>),
    Citation(Citation<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum ReasoningDelta<'a> {
    Text(&'a str),
    Signature(&'a str),
    RedactedContent(&'a str),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockStop {
    content_block_index: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageStop<'a> {
    stop_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_model_response_fields: Option<ResponseFields<'a>>,
}

#[derive(Serialize)]
struct Metadata {
    usage: OutUsage,
    metrics: Metrics,
}

impl StreamEncoder {
    /// An encoder for one stream; `_now` is not needed, as the stream tells no time.
    pub fn new(_now: u64) -> Self {
        Self {
            phase: Phase::Waiting,
            blocks: VecDeque::new(),
            index: 0,
            usage: Usage::default(),
            finish: None,
            calls: false,
            refuses: false,
            scratch: Vec::new(),
        }
    }

    /// Appends the messages for `event` to `out`. Events before the start (but errors) and after the end are ignored.
    pub fn event(&mut self, event: &StreamEvent<'_>, out: &mut Vec<u8>) {
        match (self.phase, event) {
            (Phase::Ended, _) | (_, StreamEvent::Ping) => {}
            (_, StreamEvent::Error(error)) => {
                self.phase = Phase::Ended;
                let (name, exception) = exception_of(error);
                send(&mut self.scratch, out, ("exception", ":exception-type", name), &exception);
            }
            (Phase::Waiting, StreamEvent::Start { .. }) => {
                self.phase = Phase::Message;
                self.send(out, "messageStart", &MessageStart { role: "assistant" });
            }
            (Phase::Waiting, _) | (Phase::Message, StreamEvent::Start { .. }) => {}
            (Phase::Message, StreamEvent::BlockStart { index, block }) => {
                let pending = self.pending(*index, block);
                self.blocks.push_back(pending);
                self.advance(out);
            }
            (Phase::Message, StreamEvent::Delta { index, delta }) => self.delta(*index, delta, out),
            (Phase::Message, StreamEvent::BlockStop { index }) => {
                if let Some(block) = self.blocks.iter_mut().find(|block| block.hub_index == *index) {
                    block.stopped = true;
                }
                self.advance(out);
            }
            (Phase::Message, StreamEvent::Usage(usage)) => self.usage = *usage,
            (Phase::Message, StreamEvent::Finish { reason, stop_sequence }) => {
                self.finish = Some((*reason, stop_sequence.as_deref().map(str::to_owned)));
            }
            (Phase::Message, StreamEvent::End) => self.end(out),
        }
    }

    fn pending(&mut self, hub_index: u32, block: &Block<'_>) -> Pending {
        let kind = match block {
            Block::Text => Kind::Text,
            Block::Refusal => {
                self.refuses = true;
                Kind::Text
            }
            Block::Thinking => Kind::Thinking,
            Block::RedactedThinking(data) => Kind::Redacted { data: data.to_string() },
            Block::ToolCall { id, name, .. } => {
                self.calls = true;
                Kind::ToolCall { id: id.to_string(), name: name.to_string() }
            }
        };
        Pending {
            hub_index,
            kind,
            held: Vec::new(),
            signature: String::new(),
            opened: false,
            filled: false,
            stopped: false,
        }
    }

    fn delta(&mut self, hub_index: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        let Some(position) = self.blocks.iter().position(|block| block.hub_index == hub_index) else {
            return;
        };
        let Some(block) = self.blocks.get_mut(position) else { return };
        let text = match (&block.kind, delta) {
            (Kind::Text, Delta::Text(text) | Delta::Refusal(text))
            | (Kind::Thinking, Delta::Thinking(text))
            | (Kind::ToolCall { .. }, Delta::Arguments(text)) => text,
            (Kind::Thinking, Delta::Signature(signature)) => {
                block.signature.push_str(signature);
                return;
            }
            (Kind::Text, Delta::Citation(citation)) => {
                if position == 0 {
                    self.send_citation(citation, out);
                } else {
                    block.held.push(Held::Citation(owned(citation)));
                }
                return;
            }
            // Log probabilities have no field; otherwise the hub keeps deltas and blocks in step.
            _ => return,
        };
        if text.is_empty() {
            return;
        }
        if position == 0 {
            self.send_text(text, out);
            return;
        }
        match block.held.last_mut() {
            Some(Held::Text(held)) => held.push_str(text),
            _ => block.held.push(Held::Text(text.to_string())),
        }
    }

    /// Sends what can be sent: announces the first block where due, and closes it and goes on if it is complete.
    fn advance(&mut self, out: &mut Vec<u8>) {
        while let Some(front) = self.blocks.front_mut() {
            let held = std::mem::take(&mut front.held);
            let stopped = front.stopped;
            self.announce_front(out);
            for held in held {
                match held {
                    Held::Text(text) => self.send_text(&text, out),
                    Held::Citation(citation) => self.send_citation(&citation, out),
                }
            }
            if !stopped {
                return;
            }
            self.close_front(out);
        }
    }

    /// Sends the start of the first block, if it is a tool call, or all of it, if it is redacted thinking.
    fn announce_front(&mut self, out: &mut Vec<u8>) {
        let Self { blocks, scratch, index, .. } = self;
        let Some(front) = blocks.front_mut().filter(|front| !front.opened) else { return };
        let content_block_index = *index;
        match &front.kind {
            Kind::Text | Kind::Thinking => return,
            Kind::ToolCall { id, name } => {
                let start = Start::ToolUse { tool_use_id: id, name };
                let event = BlockStart { content_block_index, start };
                send(scratch, out, ("event", ":event-type", "contentBlockStart"), &event);
            }
            Kind::Redacted { data } if is_base64(data) => {
                let delta = OutDelta::ReasoningContent(ReasoningDelta::RedactedContent(data));
                let event = BlockDelta { content_block_index, delta };
                send(scratch, out, ("event", ":event-type", "contentBlockDelta"), &event);
            }
            Kind::Redacted { .. } => return,
        }
        front.opened = true;
    }

    /// Sends text of the first block.
    fn send_text(&mut self, text: &str, out: &mut Vec<u8>) {
        let Some(front) = self.blocks.front_mut() else { return };
        front.opened = true;
        front.filled = front.filled || !is_blank(text);
        let delta = match front.kind {
            Kind::Text => OutDelta::Text(text),
            Kind::Thinking => OutDelta::ReasoningContent(ReasoningDelta::Text(text)),
            Kind::ToolCall { .. } => OutDelta::ToolUse { input: text },
            Kind::Redacted { .. } => return,
        };
        self.send_delta(delta, out);
    }

    /// Sends a source of the text so far; sources of no text are dropped.
    fn send_citation(&mut self, citation: &hub::Citation<'_>, out: &mut Vec<u8>) {
        if self.blocks.front().is_some_and(|front| front.opened) {
            self.send_delta(OutDelta::Citation(citation.into()), out);
        }
    }

    fn send_delta(&mut self, delta: OutDelta<'_>, out: &mut Vec<u8>) {
        let event = BlockDelta { content_block_index: self.index, delta };
        self.send(out, "contentBlockDelta", &event);
    }

    /// Ends the first block and removes it.
    fn close_front(&mut self, out: &mut Vec<u8>) {
        let Some(front) = self.blocks.pop_front() else { return };
        if !front.opened && front.signature.is_empty() {
            return;
        }
        if matches!(front.kind, Kind::ToolCall { .. }) && !front.filled {
            self.send_delta(OutDelta::ToolUse { input: "{}" }, out);
        }
        if !front.signature.is_empty() {
            self.send_delta(OutDelta::ReasoningContent(ReasoningDelta::Signature(&front.signature)), out);
        }
        let event = BlockStop { content_block_index: self.index };
        self.send(out, "contentBlockStop", &event);
        self.index = self.index.saturating_add(1);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        for block in &mut self.blocks {
            block.stopped = true;
        }
        self.advance(out);
        self.phase = Phase::Ended;
        let (reason, stop_sequence) = self.finish.take().unwrap_or((StopReason::EndTurn, None));
        let event = MessageStop {
            stop_reason: stop_reason_name(reason, self.calls, self.refuses),
            additional_model_response_fields: stop_sequence
                .as_deref()
                .map(|stop_sequence| ResponseFields { stop_sequence }),
        };
        self.send(out, "messageStop", &event);
        let event = Metadata { usage: self.usage.into(), metrics: Metrics::default() };
        self.send(out, "metadata", &event);
    }

    fn send(&mut self, out: &mut Vec<u8>, name: &str, event: &impl Serialize) {
        send(&mut self.scratch, out, ("event", ":event-type", name), event);
    }
}

/// Appends one message: its type, the header of its name, and its name come first.
fn send(
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
    (message_type, header, name): (&str, &str, &str),
    event: &impl Serialize,
) {
    scratch.clear();
    write_json(scratch, event);
    let headers = [
        (header, Value::Str(name)),
        (":content-type", Value::Str("application/json")),
        (":message-type", Value::Str(message_type)),
    ];
    // Refused only for long headers, which are literals of this file, and for payloads of 4 GiB.
    let written = encode(out, &headers, scratch);
    debug_assert!(written.is_ok(), "{written:?}");
}

fn owned(citation: &hub::Citation<'_>) -> hub::Citation<'static> {
    let own = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(|text| text.to_owned().into());
    hub::Citation {
        url: own(&citation.url),
        title: own(&citation.title),
        cited_text: own(&citation.cited_text),
        range: citation.range,
        document: citation.document,
    }
}
