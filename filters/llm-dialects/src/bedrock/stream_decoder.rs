//! Streamed answers of Bedrock.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::error::{error_of_event, is_exception};
use super::response::{model_of, stop_reason};
use super::stream_wire::{
    BlockDelta, BlockStart, BlockStop, MessageStart, MessageStop, Metadata, ReasoningDelta, ToolUse,
    ToolUseDelta,
};
use super::wire::stop_sequence;
use crate::Error;
use crate::hub::{Block, Delta, StreamEvent};
use crate::json::{Str, is_object, non_empty, unreadable};
use crate::signature::{Signer, mark};

/// Turns the messages of a Converse stream into hub events.
///
/// Only tool calls announce themselves (`contentBlockStart`); text and reasoning begin with their first delta. Redacted
/// reasoning is put together and handed over when its block ends. Results and calls of tools that the provider runs, and
/// images, have no hub event and are left out; hub indices stay contiguous. Unknown messages and deltas are ignored. A
/// block that is still open when another one begins or generation ends is closed. Usage comes after the stop reason, in
/// the last message.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    phase: Phase,
    open: Option<Open>,
    next_index: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Before `messageStart`.
    #[default]
    Waiting,
    /// After it.
    Message,
    /// After `messageStop`.
    Stopped,
    /// After `metadata` or an error.
    Ended,
}

/// The block that is being streamed.
#[derive(Debug)]
struct Open {
    /// Its index upstream.
    upstream: u64,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Text {
        index: u32,
    },
    Thinking {
        index: u32,
    },
    ToolCall {
        index: u32,
    },
    /// Redacted reasoning: base64, as far as it came.
    Redacted {
        data: String,
    },
    /// A block the hub has no event for.
    Foreign,
}

type Sink<'s> = &'s mut dyn FnMut(StreamEvent<'_>);

impl StreamDecoder {
    /// Decodes one message: `name` is its `:event-type` (or `:exception-type`, or `:error-code`), `data` its payload.
    ///
    /// # Errors
    /// [`Error::UpstreamSent`] for messages without a name or out of order, and malformed JSON.
    pub fn event(&mut self, name: Option<&[u8]>, data: &[u8], sink: Sink<'_>) -> Result<(), Error> {
        if self.phase == Phase::Ended {
            return Ok(());
        }
        match name {
            None => Err(Error::upstream("a message of the stream says no type")),
            Some(b"messageStart") => self.start(data, sink),
            Some(b"contentBlockStart") => self.block_start(read(data)?, sink),
            Some(b"contentBlockDelta") => self.block_delta(read(data)?, sink),
            Some(b"contentBlockStop") => self.block_stop(&read(data)?, sink),
            Some(b"messageStop") => self.message_stop(read(data)?, sink),
            Some(b"metadata") => self.metadata(read(data)?, sink),
            Some(name) if is_exception(name) => {
                self.phase = Phase::Ended;
                sink(StreamEvent::Error(error_of_event(name, data)));
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    /// The body has ended. An answer whose stop reason is known is complete even without `metadata`.
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

    fn start(&mut self, data: &[u8], sink: Sink<'_>) -> Result<(), Error> {
        if self.phase != Phase::Waiting {
            return Err(Error::upstream("a second `messageStart`"));
        }
        let start: MessageStart<'_> = read(data)?;
        self.phase = Phase::Message;
        sink(StreamEvent::Start {
            id: Cow::Owned(super::answer_id(data)),
            model: model_of(start.trace).unwrap_or_default(),
            created: None,
        });
        Ok(())
    }

    fn block_start(&mut self, event: BlockStart<'_>, sink: Sink<'_>) -> Result<(), Error> {
        self.expect_message()?;
        let upstream = event.content_block_index.unwrap_or_default();
        self.close(sink);
        let kind = match event.start.and_then(|start| start.tool_use) {
            Some(ToolUse { tool_use_id, name, kind: None }) => {
                let id = non_empty(tool_use_id).ok_or_else(|| Error::upstream("a tool use without an id"))?;
                let name = non_empty(name).ok_or_else(|| Error::upstream("a tool use without a name"))?;
                Kind::ToolCall {
                    index: self.open_hub_block(Block::ToolCall { id, name, signature: None }, sink),
                }
            }
            _ => Kind::Foreign,
        };
        self.open = Some(Open { upstream, kind });
        Ok(())
    }

    fn block_delta(&mut self, event: BlockDelta<'_>, sink: Sink<'_>) -> Result<(), Error> {
        self.expect_message()?;
        let upstream = event.content_block_index.unwrap_or_default();
        let Some(delta) = event.delta else { return Ok(()) };
        if let Some(Str(text)) = delta.text {
            if let Some(index) = self.text_block(upstream, sink) {
                emit(index, Delta::Text, text, sink);
            }
        } else if let Some(ToolUseDelta { input: Some(Str(fragment)) }) = delta.tool_use {
            match self.kind(upstream) {
                Some(Kind::ToolCall { index }) => emit(*index, Delta::Arguments, fragment, sink),
                Some(Kind::Foreign) => {}
                _ => return Err(Error::upstream("arguments of a tool use that did not start")),
            }
        } else if let Some(reasoning) = delta.reasoning_content {
            self.reasoning(upstream, reasoning, sink);
        } else if let Some(citation) = delta.citation
            && let Some(index) = self.text_block(upstream, sink)
        {
            sink(StreamEvent::Delta { index, delta: Delta::Citation(citation.into()) });
        }
        Ok(())
    }

    fn reasoning(&mut self, upstream: u64, delta: ReasoningDelta<'_>, sink: Sink<'_>) {
        if let Some(Str(data)) = delta.redacted_content {
            match self.open.as_mut().filter(|open| open.upstream == upstream) {
                Some(Open { kind: Kind::Redacted { data: before }, .. }) => append(before, &data),
                Some(Open { kind: Kind::Foreign, .. }) => {}
                _ => {
                    self.close(sink);
                    self.open = Some(Open { upstream, kind: Kind::Redacted { data: data.into_owned() } });
                }
            }
            return;
        }
        let index = match self.kind(upstream) {
            Some(Kind::Thinking { index }) => *index,
            Some(Kind::Foreign) => return,
            _ => {
                self.close(sink);
                let index = self.open_hub_block(Block::Thinking, sink);
                self.open = Some(Open { upstream, kind: Kind::Thinking { index } });
                index
            }
        };
        if let Some(Str(text)) = delta.text {
            emit(index, Delta::Thinking, text, sink);
        }
        if let Some(Str(signature)) = delta.signature {
            emit(index, Delta::Signature, mark(Signer::Anthropic, signature), sink);
        }
    }

    fn block_stop(&mut self, event: &BlockStop, sink: Sink<'_>) -> Result<(), Error> {
        self.expect_message()?;
        // A block without a delta never began.
        if self.kind(event.content_block_index.unwrap_or_default()).is_some() {
            self.close(sink);
        }
        Ok(())
    }

    fn message_stop(&mut self, event: MessageStop<'_>, sink: Sink<'_>) -> Result<(), Error> {
        self.expect_message()?;
        self.close(sink);
        self.phase = Phase::Stopped;
        sink(StreamEvent::Finish {
            reason: stop_reason(event.stop_reason.as_ref().map_or("", |Str(reason)| reason.as_ref())),
            stop_sequence: stop_sequence(event.additional_model_response_fields),
        });
        Ok(())
    }

    fn metadata(&mut self, event: Metadata<'_>, sink: Sink<'_>) -> Result<(), Error> {
        if self.phase == Phase::Waiting {
            return Err(Error::upstream("`metadata` before `messageStart`"));
        }
        if let Some(usage) = event.usage {
            sink(StreamEvent::Usage(usage.into()));
        }
        if self.phase == Phase::Stopped {
            self.phase = Phase::Ended;
            sink(StreamEvent::End);
        }
        Ok(())
    }

    /// What the open block is, if it is this one.
    fn kind(&self, upstream: u64) -> Option<&Kind> {
        self.open.as_ref().filter(|open| open.upstream == upstream).map(|open| &open.kind)
    }

    /// The hub index of the text block, begun if need be; `None` inside a block the hub has no event for.
    fn text_block(&mut self, upstream: u64, sink: Sink<'_>) -> Option<u32> {
        match self.kind(upstream) {
            Some(Kind::Text { index }) => Some(*index),
            Some(Kind::Foreign) => None,
            _ => {
                self.close(sink);
                let index = self.open_hub_block(Block::Text, sink);
                self.open = Some(Open { upstream, kind: Kind::Text { index } });
                Some(index)
            }
        }
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
            Kind::Text { index } | Kind::Thinking { index } | Kind::ToolCall { index } => index,
            Kind::Redacted { data } => self.open_hub_block(Block::RedactedThinking(Cow::Owned(data)), sink),
        };
        sink(StreamEvent::BlockStop { index });
    }

    fn expect_message(&self) -> Result<(), Error> {
        match self.phase {
            Phase::Waiting => Err(Error::upstream("a message before `messageStart`")),
            Phase::Stopped => Err(Error::upstream("a block after `messageStop`")),
            Phase::Message | Phase::Ended => Ok(()),
        }
    }
}

fn read<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Result<T, Error> {
    if !is_object(data) {
        return Err(Error::upstream("a message of the stream is no JSON object"));
    }
    serde_json::from_slice(data).map_err(|error| unreadable(&error))
}

/// Puts base64 behind base64: pieces are encoded on their own, with padding of their own.
fn append(before: &mut String, data: &str) {
    if !before.ends_with('=') {
        before.push_str(data);
    } else if let (Ok(mut whole), Ok(more)) = (STANDARD.decode(&*before), STANDARD.decode(data)) {
        whole.extend_from_slice(&more);
        *before = STANDARD.encode(whole);
    }
}

/// Hands over a delta, unless it is empty.
fn emit<'a>(index: u32, delta: fn(Cow<'a, str>) -> Delta<'a>, text: Cow<'a, str>, sink: Sink<'_>) {
    if !text.is_empty() {
        sink(StreamEvent::Delta { index, delta: delta(text) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(events: &[(&str, &str)]) -> Vec<String> {
        let mut decoder = StreamDecoder::default();
        let mut told = Vec::new();
        for (name, data) in events {
            decoder
                .event(Some(name.as_bytes()), data.as_bytes(), &mut |event| told.push(format!("{event:?}")))
                .unwrap();
        }
        told
    }

    #[test]
    fn pieces_of_redacted_reasoning_are_put_together() {
        let delta = |data| {
            format!(
                r#"{{"contentBlockIndex":0,"delta":{{"reasoningContent":{{"redactedContent":"{data}"}}}}}}"#
            )
        };
        let told = decode(&[
            ("messageStart", r#"{"role":"assistant"}"#),
            ("contentBlockDelta", &delta("YQ==")),
            ("contentBlockDelta", &delta("Yg==")),
            ("contentBlockDelta", &delta("Yw==")),
            ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        ]);
        assert_eq!(
            told[1..],
            [r#"BlockStart { index: 0, block: RedactedThinking("YWJj") }"#, "BlockStop { index: 0 }",]
        );
    }

    #[test]
    fn what_is_out_of_order_is_refused() {
        for (events, message) in [
            (&[("contentBlockDelta", "{}")][..], "before `messageStart`"),
            (&[("messageStart", "{}"), ("messageStart", "{}")], "second"),
            (
                &[("messageStart", "{}"), ("messageStop", "{}"), ("contentBlockDelta", "{}")],
                "after `messageStop`",
            ),
            (&[("messageStart", "[]")], "no JSON object"),
            (
                &[("messageStart", "{}"), ("contentBlockDelta", r#"{"delta":{"toolUse":{"input":"x"}}}"#)],
                "did not start",
            ),
        ] {
            let mut decoder = StreamDecoder::default();
            let result = events.iter().try_for_each(|(name, data)| {
                decoder.event(Some(name.as_bytes()), data.as_bytes(), &mut |_| {})
            });
            assert!(result.as_ref().is_err_and(|error| error.to_string().contains(message)), "{result:?}");
        }
        assert!(StreamDecoder::default().event(None, b"{}", &mut |_| {}).is_err());
        assert!(StreamDecoder::default().finish(&mut |_| {}).is_err());
    }
}
