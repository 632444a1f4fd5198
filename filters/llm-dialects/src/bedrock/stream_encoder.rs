//! Streams for Bedrock clients.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>

use framing::aws_event_stream::{Value, encode};
use serde::Serialize;

use super::content::is_base64;
use super::error::exception_of;
use super::out::{Citation, Metrics, ResponseFields, Usage as OutUsage};
use super::response::stop_reason_name;
use crate::blocks_in_turn::{BlocksInTurn, Kind, Piece, Write};
use crate::hub::{StopReason, StreamEvent};
use crate::json::write_json;

/// Turns hub events into the messages of a Converse stream.
///
/// Every stream of this encoder is as Bedrock's own: `messageStart`, then blocks one after another with indices from 0
/// up, then `messageStop`, then `metadata` with the usage. Hence:
///
/// * Hub blocks that overlap are sent one after another, and one that stays empty is not sent at all:
///   [`BlocksInTurn`].
/// * Only tool calls are announced with `contentBlockStart`. A text or thinking block begins with its first delta.
/// * Refusals are sent as text. Redacted thinking that is not base64 is dropped.
/// * `messageStop` and `metadata` wait for the end, as usage may come before or after the stop reason.
/// * Keep-alives have no message. After `metadata` or an exception nothing follows.
///
/// How long the model took is not known here; `metrics`, which the API demands, says 0.
#[derive(Debug)]
pub struct StreamEncoder {
    phase: Phase,
    blocks: BlocksInTurn,
    writer: Writer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Message,
    Ended,
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
        Self { phase: Phase::Waiting, blocks: BlocksInTurn::default(), writer: Writer::default() }
    }

    /// Appends the messages for `event` to `out`. Events before the start (but errors) and after the end are ignored.
    pub fn event(&mut self, event: &StreamEvent<'_>, out: &mut Vec<u8>) {
        match (self.phase, event) {
            (Phase::Ended, _) | (_, StreamEvent::Ping) => {}
            (_, StreamEvent::Error(error)) => {
                self.phase = Phase::Ended;
                let (name, exception) = exception_of(error);
                self.writer.message(out, ("exception", ":exception-type", name), &exception);
            }
            (Phase::Waiting, StreamEvent::Start { .. }) => {
                self.phase = Phase::Message;
                self.writer.send(out, "messageStart", &MessageStart { role: "assistant" });
            }
            (Phase::Waiting, _) => {}
            (Phase::Message, StreamEvent::End) => self.end(out),
            (Phase::Message, event) => self.blocks.event(event, &mut self.writer, out),
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let ending = self.blocks.end(&mut self.writer, out);
        self.phase = Phase::Ended;
        let reason = ending.reason.unwrap_or(StopReason::EndTurn);
        let event = MessageStop {
            stop_reason: stop_reason_name(reason, ending.calls, ending.refuses),
            additional_model_response_fields: ending
                .stop_sequence
                .as_deref()
                .map(|stop_sequence| ResponseFields { stop_sequence }),
        };
        self.writer.send(out, "messageStop", &event);
        let event = Metadata { usage: ending.usage.into(), metrics: Metrics::default() };
        self.writer.send(out, "metadata", &event);
    }
}

/// Writes messages.
#[derive(Debug, Default)]
struct Writer {
    /// The JSON of the message being written, kept for its allocation.
    scratch: Vec<u8>,
}

impl Writer {
    /// Appends one event.
    fn send(&mut self, out: &mut Vec<u8>, name: &str, event: &impl Serialize) {
        self.message(out, ("event", ":event-type", name), event);
    }

    /// Appends one message: its type, the header of its name, and its name come first.
    fn message(
        &mut self,
        out: &mut Vec<u8>,
        (message_type, header, name): (&str, &str, &str),
        event: &impl Serialize,
    ) {
        self.scratch.clear();
        write_json(&mut self.scratch, event);
        let headers = [
            (header, Value::Str(name)),
            (":content-type", Value::Str("application/json")),
            (":message-type", Value::Str(message_type)),
        ];
        // Refused only for long headers, which are literals of this file, and for payloads of 4 GiB.
        let written = encode(out, &headers, &self.scratch);
        debug_assert!(written.is_ok(), "{written:?}");
    }

    fn delta(&mut self, content_block_index: u32, delta: OutDelta<'_>, out: &mut Vec<u8>) {
        self.send(out, "contentBlockDelta", &BlockDelta { content_block_index, delta });
    }
}

impl Write for Writer {
    fn takes(&self, kind: &Kind) -> bool {
        !matches!(kind, Kind::Redacted { data } if !is_base64(data))
    }

    fn begin(&mut self, index: u32, kind: &Kind, out: &mut Vec<u8>) {
        match kind {
            Kind::Text | Kind::Thinking => {}
            Kind::ToolCall { id, name } => {
                let start = Start::ToolUse { tool_use_id: id, name };
                self.send(out, "contentBlockStart", &BlockStart { content_block_index: index, start });
            }
            Kind::Redacted { data } => {
                self.delta(index, OutDelta::ReasoningContent(ReasoningDelta::RedactedContent(data)), out);
            }
        }
    }

    fn piece(&mut self, index: u32, piece: Piece<'_>, out: &mut Vec<u8>) {
        let delta = match piece {
            Piece::Text(text) => OutDelta::Text(text),
            Piece::Thinking(text) => OutDelta::ReasoningContent(ReasoningDelta::Text(text)),
            Piece::Arguments(text) => OutDelta::ToolUse { input: text },
            Piece::Signature(signature) => OutDelta::ReasoningContent(ReasoningDelta::Signature(signature)),
            Piece::Citation(citation) => OutDelta::Citation(citation.into()),
        };
        self.delta(index, delta, out);
    }

    fn end(&mut self, index: u32, out: &mut Vec<u8>) {
        self.send(out, "contentBlockStop", &BlockStop { content_block_index: index });
    }
}
