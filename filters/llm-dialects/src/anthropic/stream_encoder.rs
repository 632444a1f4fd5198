//! Streams for Anthropic clients.
//! <https://platform.claude.com/docs/en/build-with-claude/streaming>

use std::borrow::Cow;

use framing::sse;
use serde::Serialize;

use super::citations::OutCitation;
use super::error::ErrorBody;
use super::out::{self, Block as OutBlock, Id};
use super::response::{out_usage, stop_reason_name};
use super::stream_out::{
    Bare, BlockDelta, BlockStart, BlockStop, MessageDelta, MessageStart, OutDelta, Stop,
};
use crate::blocks_in_turn::{BlocksInTurn, Kind, Piece, Write};
use crate::hub::{StopReason, StreamEvent};
use crate::json::write_json;
use crate::tool_input::ToolInput;

/// Turns hub events into message events.
///
/// Clients hold the API to a strict grammar, which every stream of this encoder keeps: `message_start`, then
/// blocks one after another with indices from 0 up, each a start, deltas and a stop, then one `message_delta`
/// and one `message_stop`. Hence:
///
/// * Hub blocks that overlap are sent one after another, and one that stays empty is not sent at all:
///   [`BlocksInTurn`].
/// * Refusals are sent as text.
/// * Citations follow the text they belong to as `citations_delta`, where their source has an address.
/// * A signature is sent whole, since clients replace rather than append it. A thinking block without one gets none.
/// * `message_delta` waits for the end, because usage may come after the stop reason. It has the totals of all
///   token counts; `message_start` has zeros, as other dialects count only at the end.
/// * After `message_stop` or `error` nothing follows.
#[derive(Debug, Default)]
pub struct StreamEncoder {
    phase: Phase,
    blocks: BlocksInTurn,
    writer: Writer,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Waiting,
    Message,
    Ended,
}

impl StreamEncoder {
    /// Appends the SSE bytes for `event` to `out`. Events before the start (but errors and keep-alives) and after
    /// the end are ignored.
    pub fn event(&mut self, event: &StreamEvent<'_>, out: &mut Vec<u8>) {
        match (self.phase, event) {
            (Phase::Ended, _) => {}
            // Before `message_start` no event may come; a comment keeps the connection alive just as well.
            (Phase::Waiting, StreamEvent::Ping) => sse::write_comment(out, b"ping"),
            (Phase::Message, StreamEvent::Ping) => self.writer.send(out, "ping", &Bare { kind: "ping" }),
            (_, StreamEvent::Error(error)) => {
                self.phase = Phase::Ended;
                self.writer.send(out, "error", &ErrorBody::new(error));
            }
            (Phase::Waiting, StreamEvent::Start { id, model, .. }) => self.start(id, model, out),
            (Phase::Waiting, _) => {}
            (Phase::Message, StreamEvent::End) => self.end(out),
            (Phase::Message, event) => self.blocks.event(event, &mut self.writer, out),
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
        self.writer.send(out, "message_start", &MessageStart { kind: "message_start", message });
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let ending = self.blocks.end(&mut self.writer, out);
        self.phase = Phase::Ended;
        let reason = ending.reason.unwrap_or(StopReason::EndTurn);
        let event = MessageDelta {
            kind: "message_delta",
            delta: Stop {
                stop_reason: stop_reason_name(reason, ending.calls, ending.refuses),
                stop_sequence: ending.stop_sequence.as_deref(),
            },
            usage: out_usage(&ending.usage),
        };
        self.writer.send(out, "message_delta", &event);
        self.writer.send(out, "message_stop", &Bare { kind: "message_stop" });
    }
}

/// Writes events.
#[derive(Debug, Default)]
struct Writer {
    /// The JSON of the event being written, kept for its allocation.
    scratch: Vec<u8>,
}

impl Writer {
    /// Appends one SSE event.
    fn send(&mut self, out: &mut Vec<u8>, name: &str, event: &impl Serialize) {
        self.scratch.clear();
        write_json(&mut self.scratch, event);
        // Refused only for names with line breaks, and the names are literals of this file.
        let written = sse::write_event(out, Some(name), &self.scratch);
        debug_assert!(written.is_ok(), "{written:?}");
    }
}

impl Write for Writer {
    fn takes(&self, _kind: &Kind) -> bool {
        true
    }

    fn begin(&mut self, index: u32, kind: &Kind, out: &mut Vec<u8>) {
        let content_block = match kind {
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
                input: Some(ToolInput::Empty),
                ..OutBlock::default()
            },
        };
        let event = BlockStart { kind: "content_block_start", index, content_block };
        self.send(out, "content_block_start", &event);
    }

    fn piece(&mut self, index: u32, piece: Piece<'_>, out: &mut Vec<u8>) {
        let none = OutDelta::default();
        let delta = match piece {
            Piece::Text(text) => OutDelta { kind: "text_delta", text: Some(text), ..none },
            Piece::Thinking(text) => OutDelta { kind: "thinking_delta", thinking: Some(text), ..none },
            Piece::Arguments(text) => OutDelta { kind: "input_json_delta", partial_json: Some(text), ..none },
            Piece::Signature(signature) => {
                OutDelta { kind: "signature_delta", signature: Some(signature), ..none }
            }
            Piece::Citation(citation) => match OutCitation::new(citation) {
                Some(citation) => OutDelta { kind: "citations_delta", citation: Some(citation), ..none },
                None => return,
            },
        };
        self.send(out, "content_block_delta", &BlockDelta { kind: "content_block_delta", index, delta });
    }

    fn end(&mut self, index: u32, out: &mut Vec<u8>) {
        self.send(out, "content_block_stop", &BlockStop { kind: "content_block_stop", index });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{Block, Delta};

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
