//! Hub events as the chunks of a streamed chat completion.

use framing::sse;
use serde::Serialize;

use super::annotations::{OutAnnotation, characters};
use super::error::write_error;
use super::logprobs::OutLogprobs;
use super::response::finish_reason;
use super::usage::OutUsage;
use super::wire::OutThinkingBlock;
use crate::hub::{Block, Citation, Delta, StreamEvent, Usage};
use crate::json::write_json;

/// Encodes one streamed answer.
///
/// Every chunk has the same `id`, `created` and `model`; only the first has a `role`. Reasoning is sent as
/// `reasoning_content`; when a block of it ends and is signed, its whole text and signature follow in
/// `thinking_blocks`, as LiteLLM does, so that the client can send it back. Log probabilities come in
/// chunks of their own behind the text they belong to, citations when their text block ends. Usage comes in a last chunk
/// without choices if the client asked for it, then `[DONE]`. After an error nothing follows, not even
/// `[DONE]`.
#[derive(Debug)]
pub struct StreamEncoder {
    now: u64,
    include_usage: bool,
    /// The beginning of every chunk up to `choices`; empty before the first.
    head: Vec<u8>,
    /// The chunk being written.
    chunk: Vec<u8>,
    calls: Vec<Call>,
    thinking: Option<Thinking>,
    usage: Option<Usage>,
    /// The text block that came last.
    text: TextBlock,
    failed: bool,
}

/// A text block, and what is cited in it. An annotation tells the span of the whole block unless it knows better, so
/// it waits for the end.
#[derive(Debug, Default)]
struct TextBlock {
    block: u32,
    /// Where it begins and ends in the message, in characters.
    span: (u64, u64),
    citations: Vec<Citation<'static>>,
}

/// A tool call in progress; its place in the list is its index on the wire.
#[derive(Debug)]
struct Call {
    block: u32,
    has_arguments: bool,
}

/// The open thinking block, kept to be sent whole with its signature.
#[derive(Debug)]
struct Thinking {
    block: u32,
    text: String,
    signature: String,
}

#[derive(Debug, Serialize)]
struct Head<'r> {
    id: &'r str,
    object: &'static str,
    created: u64,
    model: &'r str,
}

#[derive(Debug, Default, Serialize)]
struct OutDelta<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<[OutAnnotation<'r>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_blocks: Option<[OutThinkingBlock<'r>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[OutCall<'r>; 1]>,
}

#[derive(Debug, Serialize)]
struct OutCall<'r> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'r str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: OutFunction<'r>,
}

#[derive(Debug, Serialize)]
struct OutFunction<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'r str>,
    arguments: &'r str,
}

#[derive(Debug, Serialize)]
struct OutChoice<'r> {
    index: u32,
    delta: OutDelta<'r>,
    logprobs: Option<OutLogprobs<'r>>,
    finish_reason: Option<&'static str>,
}

impl StreamEncoder {
    /// An encoder for one answer. `now` (seconds since 1970) is `created` where the source has none.
    pub fn new(now: u64, include_usage: bool) -> Self {
        Self {
            now,
            include_usage,
            head: Vec::new(),
            chunk: Vec::new(),
            calls: Vec::new(),
            thinking: None,
            usage: None,
            text: TextBlock::default(),
            failed: false,
        }
    }

    /// Appends the bytes for `event` to `out`.
    pub fn event(&mut self, event: &StreamEvent<'_>, out: &mut Vec<u8>) {
        if self.failed {
            return;
        }
        match event {
            StreamEvent::Start { id, model, created } => {
                self.start(id, model, created.unwrap_or(self.now));
                let delta = OutDelta { role: Some("assistant"), content: Some(""), ..OutDelta::default() };
                self.delta(delta, out);
            }
            StreamEvent::BlockStart { index, block } => self.block_start(*index, block, out),
            StreamEvent::Delta { index, delta } => self.block_delta(*index, delta, out),
            StreamEvent::BlockStop { index } => self.block_stop(*index, out),
            StreamEvent::Usage(usage) => self.usage = Some(*usage),
            StreamEvent::Finish { reason, .. } => {
                let finish_reason = Some(finish_reason(*reason));
                let delta = OutDelta::default();
                self.choice(OutChoice { index: 0, delta, logprobs: None, finish_reason }, out);
            }
            StreamEvent::Ping => sse::write_comment(out, b"ping"),
            StreamEvent::Error(error) => {
                self.failed = true;
                self.chunk.clear();
                write_error(&mut self.chunk, error);
                write_data(out, &self.chunk);
            }
            StreamEvent::End => {
                self.usage_chunk(out);
                write_data(out, b"[DONE]");
            }
        }
    }

    fn start(&mut self, id: &str, model: &str, created: u64) {
        self.head.clear();
        write_json(&mut self.head, &Head { id, object: "chat.completion.chunk", created, model });
        // The object goes on with `choices`.
        self.head.pop();
    }

    fn block_start(&mut self, block_index: u32, block: &Block<'_>, out: &mut Vec<u8>) {
        match block {
            Block::Text => {
                let end = self.text.span.1;
                self.text = TextBlock { block: block_index, span: (end, end), citations: Vec::new() };
            }
            Block::Refusal => {}
            Block::Thinking => {
                self.thinking =
                    Some(Thinking { block: block_index, text: String::new(), signature: String::new() });
            }
            Block::RedactedThinking(data) => {
                let blocks = Some([OutThinkingBlock::redacted(data)]);
                self.delta(OutDelta { thinking_blocks: blocks, ..OutDelta::default() }, out);
            }
            Block::ToolCall { id, name, .. } => {
                let index = self.calls.len();
                self.calls.push(Call { block: block_index, has_arguments: false });
                let function = OutFunction { name: Some(name), arguments: "" };
                self.tool_call(OutCall { index, id: Some(id), kind: Some("function"), function }, out);
            }
        }
    }

    fn block_delta(&mut self, block: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        match delta {
            Delta::Text(text) if !text.is_empty() => {
                self.text.span.1 = self.text.span.1.saturating_add(characters(text));
                self.delta(OutDelta { content: Some(text), ..OutDelta::default() }, out);
            }
            Delta::Refusal(text) if !text.is_empty() => {
                self.delta(OutDelta { refusal: Some(text), ..OutDelta::default() }, out);
            }
            Delta::Thinking(text) if !text.is_empty() => {
                if let Some(thinking) = self.thinking.as_mut().filter(|thinking| thinking.block == block) {
                    thinking.text.push_str(text);
                }
                self.delta(OutDelta { reasoning_content: Some(text), ..OutDelta::default() }, out);
            }
            Delta::Signature(signature) => {
                if let Some(thinking) = self.thinking.as_mut().filter(|thinking| thinking.block == block) {
                    thinking.signature.push_str(signature);
                }
            }
            Delta::Citation(citation) => self.text.citations.push(citation.owned()),
            Delta::Logprobs(tokens) => {
                if let Some(logprobs) = OutLogprobs::new(tokens) {
                    let delta = OutDelta { content: Some(""), ..OutDelta::default() };
                    self.choice(
                        OutChoice { index: 0, delta, logprobs: Some(logprobs), finish_reason: None },
                        out,
                    );
                }
            }
            Delta::Arguments(fragment) if !fragment.is_empty() => self.arguments(block, fragment, out),
            Delta::Text(_) | Delta::Refusal(_) | Delta::Thinking(_) | Delta::Arguments(_) => {}
        }
    }

    fn block_stop(&mut self, block: u32, out: &mut Vec<u8>) {
        if block == self.text.block {
            let span = self.text.span;
            for citation in std::mem::take(&mut self.text.citations) {
                if let Some(annotation) = OutAnnotation::new(&citation, span) {
                    self.delta(OutDelta { annotations: Some([annotation]), ..OutDelta::default() }, out);
                }
            }
        }
        if let Some(thinking) = self.thinking.take_if(|thinking| thinking.block == block) {
            if !thinking.signature.is_empty() {
                let blocks = Some([OutThinkingBlock::thinking(&thinking.text, Some(&thinking.signature))]);
                self.delta(OutDelta { thinking_blocks: blocks, ..OutDelta::default() }, out);
            }
        } else if self.calls.iter().any(|call| call.block == block && !call.has_arguments) {
            // Clients parse the arguments, and no text is no JSON.
            self.arguments(block, "{}", out);
        }
    }

    fn arguments(&mut self, block: u32, arguments: &str, out: &mut Vec<u8>) {
        let call = self.calls.iter_mut().enumerate().rfind(|(_, call)| call.block == block);
        let Some((index, call)) = call else { return };
        call.has_arguments = true;
        let function = OutFunction { name: None, arguments };
        self.tool_call(OutCall { index, id: None, kind: None, function }, out);
    }

    fn tool_call(&mut self, call: OutCall<'_>, out: &mut Vec<u8>) {
        self.delta(OutDelta { tool_calls: Some([call]), ..OutDelta::default() }, out);
    }

    fn delta(&mut self, delta: OutDelta<'_>, out: &mut Vec<u8>) {
        self.choice(OutChoice { index: 0, delta, logprobs: None, finish_reason: None }, out);
    }

    /// Writes a chunk with one choice.
    fn choice(&mut self, choice: OutChoice<'_>, out: &mut Vec<u8>) {
        self.begin();
        self.chunk.extend_from_slice(b",\"choices\":[");
        write_json(&mut self.chunk, &choice);
        // A client that asked for usage finds the field in every chunk, with its value in the last.
        let tail: &[u8] = if self.include_usage { b"],\"usage\":null}" } else { b"]}" };
        self.chunk.extend_from_slice(tail);
        write_data(out, &self.chunk);
    }

    fn usage_chunk(&mut self, out: &mut Vec<u8>) {
        let Some(usage) = self.usage.filter(|_| self.include_usage) else { return };
        self.begin();
        self.chunk.extend_from_slice(b",\"choices\":[],\"usage\":");
        write_json(&mut self.chunk, &OutUsage::from(&usage));
        self.chunk.push(b'}');
        write_data(out, &self.chunk);
    }

    fn begin(&mut self) {
        if self.head.is_empty() {
            // Events of a decoder begin with `Start`; should one not, the chunks are still whole.
            self.start("", "", self.now);
        }
        self.chunk.clear();
        self.chunk.extend_from_slice(&self.head);
    }
}

/// Appends an event that has data and no name.
fn write_data(out: &mut Vec<u8>, data: &[u8]) {
    let result = sse::write_event(out, None, data);
    debug_assert!(result.is_ok(), "only a name can be unwritable");
}
