//! Streams for Anthropic clients.
//! <https://platform.claude.com/docs/en/build-with-claude/streaming>

use std::borrow::Cow;
use std::collections::VecDeque;

use framing::sse;
use serde::Serialize;

use super::citations::OutCitation;
use super::error::ErrorBody;
use super::is_blank;
use super::out::{self, Block as OutBlock, Id, write_json};
use super::response::{out_usage, stop_reason_name};
use super::stream_out::{
    Bare, BlockDelta, BlockStart, BlockStop, MessageDelta, MessageStart, OutDelta, Stop,
};
use crate::hub::{Block, Citation, Delta, StopReason, StreamEvent, Usage};

/// Turns hub events into message events.
///
/// Clients hold the API to a strict grammar, which every stream of this encoder keeps: `message_start`, then
/// blocks one after another with indices from 0 up, each a start, deltas and a stop, then one `message_delta`
/// and one `message_stop`. Hence:
///
/// * Hub blocks that overlap are sent in the order they started. What comes for a block behind the open one is
///   held until it is its turn.
/// * A text or thinking block begins with its first text, so one that stays empty is not sent at all.
/// * Arguments that stay blank are sent as `{}`; refusals as text.
/// * Citations follow the text they belong to as `citations_delta`, where their source has an address.
/// * A signature is sent whole, at the end of its block, since clients replace rather than append it. A thinking
///   block without one gets none.
/// * `message_delta` waits for the end, because usage may come after the stop reason. It has the totals of all
///   token counts; `message_start` has zeros, as other dialects count only at the end.
/// * After `message_stop` or `error` nothing follows.
#[derive(Debug, Default)]
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
    /// The JSON of the event being written, kept for its allocation.
    scratch: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
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
    held: String,
    /// Citations that came before their text was sent.
    citations: Vec<Citation<'static>>,
    signature: String,
    /// `content_block_start` is sent.
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

impl StreamEncoder {
    /// Appends the SSE bytes for `event` to `out`. Events before the start (but errors and keep-alives) and after
    /// the end are ignored.
    pub fn event(&mut self, event: &StreamEvent<'_>, out: &mut Vec<u8>) {
        match (self.phase, event) {
            (Phase::Ended, _) => {}
            // Before `message_start` no event may come; a comment keeps the connection alive just as well.
            (Phase::Waiting, StreamEvent::Ping) => framing::sse::write_comment(out, b"ping"),
            (Phase::Message, StreamEvent::Ping) => self.send(out, "ping", &Bare { kind: "ping" }),
            (_, StreamEvent::Error(error)) => {
                self.phase = Phase::Ended;
                self.send(out, "error", &ErrorBody::new(error));
            }
            (Phase::Waiting, StreamEvent::Start { id, model, .. }) => self.start(id, model, out),
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

    fn start(&mut self, id: &str, model: &str, out: &mut Vec<u8>) {
        self.phase = Phase::Message;
        let message = out::Response {
            id: Id(id),
            kind: "message",
            role: "assistant",
            model,
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            usage: out::Usage::default(),
        };
        self.send(out, "message_start", &MessageStart { kind: "message_start", message });
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
            held: String::new(),
            citations: Vec::new(),
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
                block.citations.push(citation.owned());
                if position == 0 && block.held.is_empty() {
                    self.send_citations(out);
                }
                return;
            }
            // The hub keeps deltas and blocks in step. Log probabilities have no event here.
            _ => return,
        };
        if text.is_empty() {
            return;
        }
        if position == 0 {
            self.open_front(out);
            self.send_delta(text, out);
            self.send_citations(out);
        } else {
            block.held.push_str(text);
        }
    }

    /// Sends what can be sent: opens the first block where due, and closes it and goes on if it is complete.
    fn advance(&mut self, out: &mut Vec<u8>) {
        while let Some(front) = self.blocks.front_mut() {
            let held = std::mem::take(&mut front.held);
            let stopped = front.stopped;
            let due = match front.kind {
                Kind::Redacted { .. } | Kind::ToolCall { .. } => true,
                Kind::Text => !held.is_empty(),
                Kind::Thinking => !held.is_empty() || (stopped && !front.signature.is_empty()),
            };
            if due {
                self.open_front(out);
            }
            if !held.is_empty() {
                self.send_delta(&held, out);
            }
            self.send_citations(out);
            if !stopped {
                return;
            }
            self.close_front(out);
        }
    }

    /// Sends `content_block_start` for the first block, once.
    fn open_front(&mut self, out: &mut Vec<u8>) {
        let Self { blocks, scratch, index, .. } = self;
        let Some(front) = blocks.front_mut() else { return };
        if std::mem::replace(&mut front.opened, true) {
            return;
        }
        let content_block = match &front.kind {
            Kind::Text => OutBlock { kind: "text", text: Some(""), ..OutBlock::default() },
            Kind::Thinking => {
                OutBlock { kind: "thinking", thinking: Some(""), signature: Some(""), ..OutBlock::default() }
            }
            Kind::Redacted { data } => {
                OutBlock { kind: "redacted_thinking", data: Some(data), ..OutBlock::default() }
            }
            Kind::ToolCall { id, name } => OutBlock {
                kind: "tool_use",
                id: Some(Cow::Borrowed(id)),
                name: Some(name),
                input: Some(out::Input::Empty),
                ..OutBlock::default()
            },
        };
        let event = BlockStart { kind: "content_block_start", index: *index, content_block };
        send(scratch, out, "content_block_start", &event);
    }

    /// Sends text of the first block.
    fn send_delta(&mut self, text: &str, out: &mut Vec<u8>) {
        let Some(front) = self.blocks.front_mut() else { return };
        front.filled = front.filled || !is_blank(text);
        let delta = match front.kind {
            Kind::Text => OutDelta { kind: "text_delta", text: Some(text), ..OutDelta::default() },
            Kind::Thinking => {
                OutDelta { kind: "thinking_delta", thinking: Some(text), ..OutDelta::default() }
            }
            Kind::ToolCall { .. } => {
                OutDelta { kind: "input_json_delta", partial_json: Some(text), ..OutDelta::default() }
            }
            Kind::Redacted { .. } => return,
        };
        self.send_block_delta(delta, out);
    }

    /// Sends the citations of the first block, once it is open.
    fn send_citations(&mut self, out: &mut Vec<u8>) {
        let Some(front) = self.blocks.front_mut().filter(|front| front.opened) else { return };
        for citation in std::mem::take(&mut front.citations) {
            let citation = OutCitation::new(&citation);
            if citation.is_some() {
                self.send_block_delta(
                    OutDelta { kind: "citations_delta", citation, ..OutDelta::default() },
                    out,
                );
            }
        }
    }

    fn send_block_delta(&mut self, delta: OutDelta<'_>, out: &mut Vec<u8>) {
        let event = BlockDelta { kind: "content_block_delta", index: self.index, delta };
        send(&mut self.scratch, out, "content_block_delta", &event);
    }

    /// Ends the first block and removes it.
    fn close_front(&mut self, out: &mut Vec<u8>) {
        let Some(front) = self.blocks.pop_front() else { return };
        if !front.opened {
            return;
        }
        if matches!(front.kind, Kind::ToolCall { .. }) && !front.filled {
            let delta =
                OutDelta { kind: "input_json_delta", partial_json: Some("{}"), ..OutDelta::default() };
            self.send_block_delta(delta, out);
        }
        if !front.signature.is_empty() {
            let signature = Some(front.signature.as_str());
            self.send_block_delta(
                OutDelta { kind: "signature_delta", signature, ..OutDelta::default() },
                out,
            );
        }
        let event = BlockStop { kind: "content_block_stop", index: self.index };
        self.send(out, "content_block_stop", &event);
        self.index = self.index.saturating_add(1);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        for block in &mut self.blocks {
            block.stopped = true;
        }
        self.advance(out);
        self.phase = Phase::Ended;
        let (reason, stop_sequence) = self.finish.take().unwrap_or((StopReason::EndTurn, None));
        let event = MessageDelta {
            kind: "message_delta",
            delta: Stop {
                stop_reason: stop_reason_name(reason, self.calls, self.refuses),
                stop_sequence: stop_sequence.as_deref(),
            },
            usage: out_usage(&self.usage),
        };
        self.send(out, "message_delta", &event);
        self.send(out, "message_stop", &Bare { kind: "message_stop" });
    }

    fn send(&mut self, out: &mut Vec<u8>, name: &str, event: &impl Serialize) {
        send(&mut self.scratch, out, name, event);
    }
}

/// Appends one SSE event.
fn send(scratch: &mut Vec<u8>, out: &mut Vec<u8>, name: &str, event: &impl Serialize) {
    scratch.clear();
    write_json(scratch, event);
    // Refused only for names with line breaks, and the names are literals of this file.
    let written = sse::write_event(out, Some(name), scratch);
    debug_assert!(written.is_ok(), "{written:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parallel calls as OpenAI streams them: the fragments of the second come while the first is open.
    #[test]
    fn overlapping_calls_are_sent_one_after_another() {
        let call = |index, id: &'static str| StreamEvent::BlockStart {
            index,
            block: Block::ToolCall { id: id.into(), name: "look".into(), signature: None },
        };
        let more =
            |index, text: &'static str| StreamEvent::Delta { index, delta: Delta::Arguments(text.into()) };
        let mut encoder = StreamEncoder::default();
        let mut sent = Vec::new();
        for event in [
            StreamEvent::Start { id: "1".into(), model: "m".into(), created: None },
            call(0, "a"),
            call(1, "b"),
            more(1, "{\"x\""),
            more(0, "{}"),
            more(1, ":1}"),
            StreamEvent::BlockStop { index: 1 },
            StreamEvent::BlockStop { index: 0 },
            StreamEvent::End,
        ] {
            encoder.event(&event, &mut sent);
        }
        let sent = String::from_utf8(sent).unwrap();
        let told: Vec<&str> = sent
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .filter(|data| data.contains("content_block_"))
            .collect();
        assert_eq!(
            told,
            [
                r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"look","input":{}}}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
                r#"{"type":"content_block_stop","index":0}"#,
                r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"b","name":"look","input":{}}}"#,
                r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"x\":1}"}}"#,
                r#"{"type":"content_block_stop","index":1}"#,
            ]
        );
    }
}
