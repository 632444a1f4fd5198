//! Streams for clients of this API: SSE chunks that each are a `GenerateContentResponse`.

use framing::sse;

use super::encode_response::{finish_reason, redacted_part, thinking_part};
use super::error::encode_error;
use super::logprobs::out_logprobs;
use super::out::{self, Fields, FunctionCall, GroundingMetadata, LogprobsResult};
use super::usage::OutUsage;
use super::{carrier, citations, timestamp};
use crate::hub::{Block, Delta, StopReason, StreamEvent, Usage};
use crate::json::write_json;
use crate::tool_input::ToolInput;

/// Turns hub events into chunks.
///
/// * Text and thoughts are passed on as they come, each in a chunk.
/// * A call can only be sent whole: its arguments are held until its block stops, and calls are sent in the order they
///   started.
/// * A signature is sent whole, at the end of its block, in a part without text.
/// * The last chunk has an empty text (as that of Gemini: the SDKs take a content without parts for a failed answer),
///   the finish reason, the usage, and the sources as grounding metadata.
/// * Keep-alives are not sent: the Python SDK takes an SSE comment for a chunk and fails.
/// * After the last chunk or an error nothing follows.
#[derive(Debug)]
pub struct StreamEncoder {
    now: u64,
    phase: Phase,
    id: String,
    model: String,
    created: String,
    /// The open blocks, in the order they started.
    blocks: Vec<Open>,
    /// The text of the answer so far, where citations have their places.
    text: String,
    grounding: GroundingMetadata<'static>,
    usage: Option<Usage>,
    finish: Option<StopReason>,
    refuses: bool,
    /// The JSON of the chunk being written, kept for its allocation.
    scratch: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Started,
    Ended,
}

#[derive(Debug)]
struct Open {
    index: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Text that begins at this byte of the answer.
    Text(usize),
    Thinking {
        signature: String,
    },
    Call {
        id: String,
        name: String,
        signature: Option<String>,
        arguments: String,
        stopped: bool,
    },
}

/// What a chunk holds beside its part.
#[derive(Default)]
struct More<'a> {
    logprobs: Option<LogprobsResult<'a>>,
    finish: Option<&'static str>,
    usage: Option<OutUsage>,
    grounding: Option<GroundingMetadata<'static>>,
}

impl StreamEncoder {
    /// An encoder; `now` (seconds since 1970) is the time where the source has none.
    pub fn new(now: u64) -> Self {
        Self {
            now,
            phase: Phase::Waiting,
            id: String::new(),
            model: String::new(),
            created: String::new(),
            blocks: Vec::new(),
            text: String::new(),
            grounding: GroundingMetadata::default(),
            usage: None,
            finish: None,
            refuses: false,
            scratch: Vec::new(),
        }
    }

    /// Appends the SSE bytes for `event` to `out`. Events before the start (but errors) and after the end are ignored.
    pub fn event(&mut self, event: &StreamEvent<'_>, out: &mut Vec<u8>) {
        match (self.phase, event) {
            (Phase::Ended, _) | (_, StreamEvent::Ping) => {}
            (_, StreamEvent::Error(error)) => {
                self.phase = Phase::Ended;
                write(out, &encode_error(error));
            }
            (Phase::Waiting, StreamEvent::Start { id, model, created }) => {
                self.phase = Phase::Started;
                self.id = id.to_string();
                self.model = model.to_string();
                self.created = timestamp::format(created.unwrap_or(self.now));
            }
            (Phase::Waiting, _) | (Phase::Started, StreamEvent::Start { .. }) => {}
            (Phase::Started, StreamEvent::BlockStart { index, block }) => self.start(*index, block, out),
            (Phase::Started, StreamEvent::Delta { index, delta }) => self.delta(*index, delta, out),
            (Phase::Started, StreamEvent::BlockStop { index }) => self.stop(*index, out),
            (Phase::Started, StreamEvent::Usage(usage)) => self.usage = Some(*usage),
            (Phase::Started, StreamEvent::Finish { reason, .. }) => self.finish = Some(*reason),
            (Phase::Started, StreamEvent::End) => self.end(out),
        }
    }

    fn start(&mut self, index: u32, block: &Block<'_>, out: &mut Vec<u8>) {
        let kind = match block {
            Block::Text => Kind::Text(self.text.len()),
            Block::Refusal => {
                self.refuses = true;
                Kind::Text(self.text.len())
            }
            Block::Thinking => Kind::Thinking { signature: String::new() },
            Block::RedactedThinking(data) => {
                self.send(redacted_part(data), More::default(), out);
                return;
            }
            Block::ToolCall { id, name, signature } => Kind::Call {
                id: id.to_string(),
                name: name.to_string(),
                signature: signature.as_deref().map(str::to_owned),
                arguments: String::new(),
                stopped: false,
            },
        };
        self.blocks.push(Open { index, kind });
    }

    fn delta(&mut self, index: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        let Some(open) = self.blocks.iter_mut().find(|open| open.index == index) else { return };
        match (&mut open.kind, delta) {
            (_, Delta::Text(text) | Delta::Refusal(text) | Delta::Thinking(text)) if text.is_empty() => {}
            (Kind::Text(_), Delta::Text(text) | Delta::Refusal(text)) => {
                self.text.push_str(text);
                self.send(Fields::text(text.as_ref()), More::default(), out);
            }
            (Kind::Thinking { .. }, Delta::Thinking(text)) => {
                self.send(thinking_part(text, None), More::default(), out);
            }
            (Kind::Thinking { signature }, Delta::Signature(more)) => signature.push_str(more),
            (Kind::Call { arguments, .. }, Delta::Arguments(more)) => arguments.push_str(more),
            (Kind::Text(begin), Delta::Citation(citation)) => {
                let begin = *begin;
                let text = self.text.get(begin..).unwrap_or_default();
                citations::add(&mut self.grounding, citation.owned(), text, begin, None);
            }
            (Kind::Text(_), Delta::Logprobs(tokens)) => {
                let logprobs = out_logprobs(tokens);
                self.send(Fields::text(""), More { logprobs, ..More::default() }, out);
            }
            // The hub keeps deltas and blocks in step.
            _ => {}
        }
    }

    fn stop(&mut self, index: u32, out: &mut Vec<u8>) {
        let Some(position) = self.blocks.iter().position(|open| open.index == index) else { return };
        if let Some(Open { kind: Kind::Call { stopped, .. }, .. }) = self.blocks.get_mut(position) {
            *stopped = true;
            self.send_calls(false, out);
            return;
        }
        if let Open { kind: Kind::Thinking { signature }, .. } = self.blocks.remove(position)
            && !signature.is_empty()
        {
            self.send(thinking_part("", Some(&signature)), More::default(), out);
        }
    }

    /// Sends the calls that have stopped and have no open call before them, or all.
    fn send_calls(&mut self, all: bool, out: &mut Vec<u8>) {
        while let Some(position) = self.blocks.iter().position(|open| matches!(open.kind, Kind::Call { .. }))
        {
            let due = matches!(self.blocks.get(position), Some(Open { kind: Kind::Call { stopped, .. }, .. }) if *stopped);
            if !due && !all {
                return;
            }
            let Open { kind: Kind::Call { id, name, signature, arguments, .. }, .. } =
                self.blocks.remove(position)
            else {
                return;
            };
            let part = Fields {
                function_call: Some(FunctionCall {
                    id: &id,
                    name: &name,
                    args: ToolInput::of_text(&arguments),
                }),
                thought_signature: signature.as_deref().map(carrier::wrap_signature),
                ..Fields::default()
            };
            self.send(part, More::default(), out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.send_calls(true, out);
        self.phase = Phase::Ended;
        let grounding = std::mem::take(&mut self.grounding);
        let more = More {
            logprobs: None,
            finish: Some(finish_reason(self.finish.unwrap_or(StopReason::EndTurn), self.refuses)),
            usage: self.usage.as_ref().map(Into::into),
            grounding: (!grounding.grounding_chunks.is_empty()).then_some(grounding),
        };
        self.send(Fields::text(""), more, out);
    }

    /// Appends one chunk with one part.
    fn send(&mut self, part: Fields<'_>, more: More<'_>, out: &mut Vec<u8>) {
        let candidate = out::Candidate {
            content: out::Content { role: Some("model"), parts: vec![out::Part::Fields(part)] },
            finish_reason: more.finish,
            index: 0,
            grounding_metadata: more.grounding,
            logprobs_result: more.logprobs,
        };
        let chunk = out::Response {
            candidates: [candidate],
            usage_metadata: more.usage,
            model_version: &self.model,
            create_time: &self.created,
            response_id: &self.id,
        };
        self.scratch.clear();
        write_json(&mut self.scratch, &chunk);
        // Arguments are kept as the model wrote them, perhaps with line breaks, and some clients read line by line.
        // Inside JSON strings there are none.
        for byte in &mut self.scratch {
            if matches!(*byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        write(out, &self.scratch);
    }
}

/// Appends one SSE event without a name: the Python SDK knows only `data` lines.
fn write(out: &mut Vec<u8>, data: &[u8]) {
    let written = sse::write_event(out, None, data);
    debug_assert!(written.is_ok(), "{written:?}");
}
