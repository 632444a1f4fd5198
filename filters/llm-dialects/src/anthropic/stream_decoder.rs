//! Streamed answers of Anthropic.
//! <https://platform.claude.com/docs/en/build-with-claude/streaming>

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::citations::{citation, citations};
use super::error::error_of_event;
use super::response::stop_reason;
use super::wire::{self, Block as WireBlock, ErrorObject, Field};
use crate::Error;
use crate::hub::{Block, Delta, StopReason, StreamEvent, Usage};
use crate::json::unreadable;

/// Turns message events into hub events.
///
/// Blocks of server tools (`server_tool_use`, `*_tool_result`) have no hub event and are left
/// out; hub indices stay contiguous. Unknown events and deltas are ignored, as the API asks of its clients. A
/// block that is still open when the next one starts or generation ends is closed.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    phase: Phase,
    open: Option<Open>,
    next_index: u32,
    usage: Usage,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Before `message_start`.
    #[default]
    Waiting,
    /// After it.
    Message,
    /// After a stop reason.
    Stopped,
    /// After `message_stop` or an error.
    Ended,
}

/// The block that is being streamed.
#[derive(Debug)]
struct Open {
    /// Its index upstream.
    upstream: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text {
        index: u32,
    },
    Thinking {
        index: u32,
    },
    Redacted {
        index: u32,
    },
    ToolCall {
        index: u32,
        /// Arguments that came with the start, for upstreams that send them whole. They count unless
        /// fragments follow.
        input: Option<Box<str>>,
    },
    /// A block the hub has no event for.
    Foreign,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Field<'a>,
    index: Option<u64>,
    #[serde(borrow)]
    message: Option<Box<Message<'a>>>,
    #[serde(borrow)]
    content_block: Option<Box<WireBlock<'a>>>,
    #[serde(borrow)]
    delta: Option<WireDelta<'a>>,
    usage: Option<Box<wire::Usage>>,
    #[serde(borrow)]
    error: Option<Box<ErrorObject<'a>>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    id: Field<'a>,
    #[serde(borrow, default)]
    model: Field<'a>,
    usage: Option<wire::Usage>,
}

/// The fields of every delta, of `content_block_delta` and `message_delta`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct WireDelta<'a> {
    #[serde(borrow, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow)]
    text: Field<'a>,
    #[serde(borrow)]
    partial_json: Field<'a>,
    #[serde(borrow)]
    thinking: Field<'a>,
    #[serde(borrow)]
    signature: Field<'a>,
    #[serde(borrow)]
    citation: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_reason: Field<'a>,
    #[serde(borrow)]
    stop_sequence: Field<'a>,
}

type Sink<'s> = &'s mut dyn FnMut(StreamEvent<'_>);

impl StreamDecoder {
    /// Decodes one SSE event.
    ///
    /// # Errors
    /// [`Error::UpstreamSent`] for malformed JSON and events out of order.
    pub fn event(&mut self, name: Option<&[u8]>, data: &[u8], sink: Sink<'_>) -> Result<(), Error> {
        // Some compatible upstreams end every stream the way OpenAI does.
        if self.phase == Phase::Ended || data == b"[DONE]" {
            return Ok(());
        }
        if data.is_empty() {
            if name == Some(b"ping") {
                sink(StreamEvent::Ping);
            }
            return Ok(());
        }
        let event: Event<'_> = serde_json::from_slice(data).map_err(|error| unreadable(&error))?;
        let kind = match &event.kind {
            Field::Str(kind) => kind.as_bytes(),
            Field::Absent | Field::Other => name.unwrap_or_default(),
        };
        match kind {
            b"message_start" => self.start(event.message.map(|message| *message), sink),
            b"content_block_start" => {
                self.block_start(event.index, event.content_block.map(|block| *block), sink)
            }
            b"content_block_delta" => self.block_delta(event.index, event.delta, sink),
            b"content_block_stop" => self.block_stop(event.index, sink),
            b"message_delta" => self.message_delta(event.delta, event.usage.as_deref(), sink),
            b"message_stop" => {
                self.expect_message()?;
                self.close(sink);
                if self.phase == Phase::Message {
                    // The answer is complete, though nothing said why it ended.
                    sink(StreamEvent::Finish { reason: StopReason::EndTurn, stop_sequence: None });
                }
                self.phase = Phase::Ended;
                sink(StreamEvent::End);
                Ok(())
            }
            b"ping" => {
                sink(StreamEvent::Ping);
                Ok(())
            }
            b"error" => {
                self.phase = Phase::Ended;
                sink(StreamEvent::Error(error_of_event(*event.error.unwrap_or_default())));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The body has ended. An answer whose stop reason is known is complete even without `message_stop`.
    ///
    /// # Errors
    /// [`Error::UpstreamSent`] when the answer was cut short.
    pub fn finish(&mut self, sink: Sink<'_>) -> Result<(), Error> {
        match self.phase {
            Phase::Ended => Ok(()),
            Phase::Stopped => {
                self.phase = Phase::Ended;
                sink(StreamEvent::End);
                Ok(())
            }
            Phase::Waiting | Phase::Message => Err(Error::upstream("the stream was cut short")),
        }
    }

    fn start(&mut self, message: Option<Message<'_>>, sink: Sink<'_>) -> Result<(), Error> {
        if self.phase != Phase::Waiting {
            return Err(Error::upstream("a second `message_start`"));
        }
        let message = message.ok_or_else(|| Error::upstream("`message_start` without a message"))?;
        self.phase = Phase::Message;
        sink(StreamEvent::Start {
            id: message.id.into_string().unwrap_or_default(),
            model: message.model.into_string().unwrap_or_default(),
            created: None,
        });
        self.count(message.usage.as_ref(), sink);
        Ok(())
    }

    fn block_start(
        &mut self,
        upstream: Option<u64>,
        block: Option<WireBlock<'_>>,
        sink: Sink<'_>,
    ) -> Result<(), Error> {
        self.expect_open_message()?;
        let upstream = upstream.ok_or_else(|| Error::upstream("`content_block_start` without an index"))?;
        let block = block.ok_or_else(|| Error::upstream("`content_block_start` without a block"))?;
        self.close(sink);
        let kind = match block.kind.as_str() {
            "text" => {
                let index = self.open_hub_block(Block::Text, sink);
                emit(index, Delta::Text, block.text.as_str(), sink);
                for citation in citations(block.citations) {
                    sink(StreamEvent::Delta { index, delta: Delta::Citation(citation) });
                }
                Kind::Text { index }
            }
            "thinking" => {
                let index = self.open_hub_block(Block::Thinking, sink);
                emit(index, Delta::Thinking, block.thinking.as_str(), sink);
                emit(index, Delta::Signature, block.signature.as_str(), sink);
                Kind::Thinking { index }
            }
            "redacted_thinking" => {
                let data = block.data.into_string().unwrap_or_default();
                Kind::Redacted { index: self.open_hub_block(Block::RedactedThinking(data), sink) }
            }
            "tool_use" => {
                let id = block.id.into_filled().ok_or_else(|| Error::upstream("a tool use without an id"))?;
                let name =
                    block.name.into_filled().ok_or_else(|| Error::upstream("a tool use without a name"))?;
                let input = block.input.map(|input| input.get()).filter(|input| !is_empty_object(input));
                let index = self.open_hub_block(Block::ToolCall { id, name, signature: None }, sink);
                Kind::ToolCall { index, input: input.map(Box::from) }
            }
            _ => Kind::Foreign,
        };
        self.open = Some(Open { upstream, kind });
        Ok(())
    }

    fn block_delta(
        &mut self,
        upstream: Option<u64>,
        delta: Option<WireDelta<'_>>,
        sink: Sink<'_>,
    ) -> Result<(), Error> {
        let open = self.expect_open_block(upstream)?;
        let delta = delta.ok_or_else(|| Error::upstream("`content_block_delta` without a delta"))?;
        match (&mut open.kind, delta.kind.as_str()) {
            (Kind::Text { index }, "text_delta") => emit(*index, Delta::Text, delta.text.as_str(), sink),
            (Kind::Text { index }, "citations_delta") => {
                if let Some(citation) = delta.citation.and_then(citation) {
                    sink(StreamEvent::Delta { index: *index, delta: Delta::Citation(citation) });
                }
            }
            (Kind::Thinking { index }, "thinking_delta") => {
                emit(*index, Delta::Thinking, delta.thinking.as_str(), sink);
            }
            (Kind::Thinking { index }, "signature_delta") => {
                emit(*index, Delta::Signature, delta.signature.as_str(), sink);
            }
            (Kind::ToolCall { index, input }, "input_json_delta") => {
                let fragment = delta.partial_json.as_str();
                if !fragment.is_empty() {
                    *input = None;
                }
                emit(*index, Delta::Arguments, fragment, sink);
            }
            (Kind::Foreign, _) => {}
            (_, "text_delta" | "thinking_delta" | "signature_delta" | "input_json_delta") => {
                return Err(Error::upstream("a delta that does not fit its block"));
            }
            // Whatever comes next.
            _ => {}
        }
        Ok(())
    }

    fn block_stop(&mut self, upstream: Option<u64>, sink: Sink<'_>) -> Result<(), Error> {
        self.expect_open_block(upstream)?;
        self.close(sink);
        Ok(())
    }

    fn message_delta(
        &mut self,
        delta: Option<WireDelta<'_>>,
        usage: Option<&wire::Usage>,
        sink: Sink<'_>,
    ) -> Result<(), Error> {
        self.expect_message()?;
        let delta = delta.unwrap_or_default();
        self.count(usage, sink);
        if let Field::Str(reason) = &delta.stop_reason
            && self.phase == Phase::Message
        {
            self.close(sink);
            self.phase = Phase::Stopped;
            sink(StreamEvent::Finish {
                reason: stop_reason(reason),
                stop_sequence: delta.stop_sequence.into_string(),
            });
        }
        Ok(())
    }

    /// Takes over the totals in `usage`; what it does not say stays as it was.
    fn count(&mut self, usage: Option<&wire::Usage>, sink: Sink<'_>) {
        let Some(usage) = usage else { return };
        self.usage = usage.over(self.usage);
        sink(StreamEvent::Usage(self.usage));
    }

    fn open_hub_block(&mut self, block: Block<'_>, sink: Sink<'_>) -> u32 {
        let index = self.next_index;
        self.next_index = index.saturating_add(1);
        sink(StreamEvent::BlockStart { index, block });
        index
    }

    /// Closes the open block, if there is one.
    fn close(&mut self, sink: Sink<'_>) {
        let Some(open) = self.open.take() else { return };
        let index = match open.kind {
            Kind::Foreign => return,
            Kind::Text { index } | Kind::Thinking { index } | Kind::Redacted { index } => index,
            Kind::ToolCall { index, input } => {
                emit(index, Delta::Arguments, input.as_deref().unwrap_or_default(), sink);
                index
            }
        };
        sink(StreamEvent::BlockStop { index });
    }

    fn expect_message(&self) -> Result<(), Error> {
        match self.phase {
            Phase::Waiting => Err(Error::upstream("an event before `message_start`")),
            _ => Ok(()),
        }
    }

    fn expect_open_message(&self) -> Result<(), Error> {
        self.expect_message()?;
        match self.phase {
            Phase::Stopped => Err(Error::upstream("a block after the stop reason")),
            _ => Ok(()),
        }
    }

    fn expect_open_block(&mut self, upstream: Option<u64>) -> Result<&mut Open, Error> {
        match &mut self.open {
            Some(open) if upstream == Some(open.upstream) => Ok(open),
            _ => Err(Error::upstream("an event for a block that is not open")),
        }
    }
}

/// Hands over a delta, unless it is empty.
fn emit<'a>(index: u32, delta: fn(Cow<'a, str>) -> Delta<'a>, text: &'a str, sink: Sink<'_>) {
    if !text.is_empty() {
        sink(StreamEvent::Delta { index, delta: delta(Cow::Borrowed(text)) });
    }
}

fn is_empty_object(json: &str) -> bool {
    json == "null" || json.strip_prefix('{').is_some_and(|rest| rest.trim_start() == "}")
}
