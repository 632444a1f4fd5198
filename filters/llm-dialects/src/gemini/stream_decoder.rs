//! Streamed answers of Gemini: chunks that each are a `GenerateContentResponse`.
//! <https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent>

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::logprobs::Logprobs;
use super::partial_args::PartialArgs;
use super::response::{Body, Candidate, Ending, PromptFeedback, call_id};
use super::wire::{FunctionCall, elements};
use super::{carrier, citations, error, timestamp};
use crate::Error;
use crate::hub::{Block, Delta, StopReason, StreamEvent, Usage};
use crate::json::{Str, is_object, non_empty, unreadable};

/// Turns chunks into hub events.
///
/// The chunks have no notion of blocks: one is opened when the kind of part changes. Calls come whole, or value by
/// value where Vertex AI was asked for that; their arguments are handed on when they are complete. A signature over
/// text follows as a block of thinking without text. Images, code that Google runs and citations behind the end of
/// their text have no hub event and are left out. The end is the end of the body after a finish reason.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    phase: Phase,
    /// Id of the answer, for calls that have none.
    id: String,
    /// Index of the next block.
    next: u32,
    open: Option<Open>,
    /// How many calls there were.
    calls: usize,
    /// There was text or a refusal.
    spoke: bool,
    /// The text of the open text block, where citations have their places.
    text: String,
    ending: Option<Ending>,
    usage: Option<Usage>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Before,
    Started,
    Over,
}

#[derive(Debug)]
struct Open {
    index: u32,
    kind: OpenKind,
}

#[derive(Debug)]
enum OpenKind {
    Text,
    Thinking,
    /// A call whose arguments come value by value.
    Call(PartialArgs),
}

type Sink<'s> = &'s mut dyn FnMut(StreamEvent<'_>);

impl StreamDecoder {
    /// Decodes the data of one event.
    ///
    /// # Errors
    /// [`Error::UpstreamSent`] when the data is no chunk.
    pub fn event(&mut self, _name: Option<&[u8]>, data: &[u8], sink: Sink<'_>) -> Result<(), Error> {
        let data = data.trim_ascii();
        if self.phase == Phase::Over || data.is_empty() {
            return Ok(());
        }
        if data == b"[DONE]" {
            // Some proxies end every stream the way OpenAI does.
            return self.end(sink);
        }
        if data.starts_with(b"[") {
            // Errors may come in an array, as a stream without SSE has them.
            let raw: &RawValue = serde_json::from_slice(data).map_err(|error| unreadable(&error))?;
            for chunk in elements(raw) {
                self.chunk(chunk.get().as_bytes(), sink)?;
            }
            return Ok(());
        }
        self.chunk(data, sink)
    }

    /// The body has ended.
    ///
    /// # Errors
    /// [`Error::UpstreamSent`] when it ended before the answer did, or when the model failed without an answer.
    pub fn finish(&mut self, sink: Sink<'_>) -> Result<(), Error> {
        match self.phase {
            Phase::Over => Ok(()),
            Phase::Before | Phase::Started => self.end(sink),
        }
    }

    fn chunk(&mut self, data: &[u8], sink: Sink<'_>) -> Result<(), Error> {
        if self.phase == Phase::Over {
            return Ok(());
        }
        if !is_object(data) {
            return Err(Error::upstream("a chunk of the stream is not a JSON object"));
        }
        let mut body: Body<'_> = serde_json::from_slice(data).map_err(|error| unreadable(&error))?;
        if body.error.is_some() {
            let error = error::stream_error(data)
                .ok_or_else(|| Error::upstream("an error in the stream could not be read"))?;
            self.phase = Phase::Over;
            sink(StreamEvent::Error(error));
            return Ok(());
        }
        if self.phase == Phase::Before {
            self.phase = Phase::Started;
            let id = body.response_id.take().unwrap_or_default().0;
            self.id = id.clone().into_owned();
            sink(StreamEvent::Start {
                id,
                model: body.model_version.take().unwrap_or_default().0,
                created: body.create_time.as_ref().and_then(|Str(time)| timestamp::parse(time)),
            });
        }
        match body.take_candidate() {
            Some(candidate) => self.candidate(candidate, sink)?,
            None => {
                let refusal = body.prompt_feedback.and_then(PromptFeedback::refusal);
                if let Some(refusal) = refusal.filter(|_| self.ending.is_none()) {
                    self.refuse(refusal, sink);
                }
            }
        }
        if let Some(usage) = body.usage_metadata.as_ref().map(Usage::from)
            && self.usage != Some(usage)
        {
            self.usage = Some(usage);
            sink(StreamEvent::Usage(usage));
        }
        Ok(())
    }

    fn candidate(&mut self, candidate: Candidate<'_>, sink: Sink<'_>) -> Result<(), Error> {
        let parts = candidate.content.and_then(|content| content.parts).unwrap_or_default().0;
        // A signature over text waits for the citations of that text.
        let mut signature = None;
        for mut part in parts {
            let signed = non_empty(part.thought_signature.take()).map(carrier::gemini);
            if let Some(signature) = signature.take() {
                self.sign(signature, sink);
            }
            if let Some(call) = part.function_call {
                self.call(call, signed, sink)?;
                continue;
            }
            if part.foreign().is_some() || part.inline_data.is_some() || part.file_data.is_some() {
                continue;
            }
            let text = part.text.unwrap_or_default().0;
            let thought = part.thought == Some(true);
            if !text.is_empty() {
                let index = self.open(thought, sink);
                if !thought {
                    self.text.push_str(&text);
                }
                let delta = if thought { Delta::Thinking(text) } else { Delta::Text(text) };
                sink(StreamEvent::Delta { index, delta });
            }
            if let Some(signed) = signed {
                if thought {
                    self.open(true, sink);
                }
                signature = Some(signed);
            }
        }
        self.cite(citations::found(candidate.grounding_metadata, candidate.citation_metadata), sink);
        if let Some(index) = self.open_text() {
            let tokens = candidate.logprobs_result.map(Logprobs::tokens).unwrap_or_default();
            if !tokens.is_empty() {
                sink(StreamEvent::Delta { index, delta: Delta::Logprobs(tokens) });
            }
        }
        if let Some(signature) = signature {
            self.sign(signature, sink);
        }
        if let Some(ending) = candidate.finish_reason.as_ref().and_then(Ending::of) {
            let refuses = ending == Ending::Stop(StopReason::Refusal) && self.next == 0;
            if let Some(message) = non_empty(candidate.finish_message).filter(|_| refuses) {
                self.refuse(message, sink);
            }
            self.ending = Some(ending);
        }
        Ok(())
    }

    fn refuse(&mut self, text: Cow<'_, str>, sink: Sink<'_>) {
        self.close(sink);
        let index = self.start(Block::Refusal, sink);
        sink(StreamEvent::Delta { index, delta: Delta::Refusal(text) });
        sink(StreamEvent::BlockStop { index });
        self.ending = Some(Ending::Stop(StopReason::Refusal));
    }

    fn call(
        &mut self,
        mut call: FunctionCall<'_>,
        signature: Option<Cow<'_, str>>,
        sink: Sink<'_>,
    ) -> Result<(), Error> {
        let goes_on = call.will_continue == Some(true);
        if let Some(name) = non_empty(call.name.clone()) {
            self.close(sink);
            let id =
                non_empty(call.id.take()).unwrap_or_else(|| Cow::Owned(call_id(&self.id, self.calls, &call)));
            self.calls += 1;
            let index = self.start(Block::ToolCall { id, name, signature }, sink);
            if !goes_on && call.partial_args.is_none() {
                let arguments = call.args.map_or("{}", RawValue::get);
                sink(StreamEvent::Delta { index, delta: Delta::Arguments(Cow::Borrowed(arguments)) });
                sink(StreamEvent::BlockStop { index });
                return Ok(());
            }
            self.open = Some(Open { index, kind: OpenKind::Call(PartialArgs::default()) });
        }
        let Some(Open { kind: OpenKind::Call(args), .. }) = &mut self.open else {
            return Err(Error::upstream("a function call has no name"));
        };
        if let Some(whole) = call.args {
            args.extend(whole.get());
        }
        for arg in call.partial_args.iter().flatten() {
            args.add(arg)?;
        }
        if !goes_on {
            self.close(sink);
        }
        Ok(())
    }

    /// Adds a signature: to the open thinking, or as thinking of its own.
    fn sign(&mut self, signature: Cow<'_, str>, sink: Sink<'_>) {
        let index = match &self.open {
            Some(Open { index, kind: OpenKind::Thinking }) => *index,
            _ => self.open(true, sink),
        };
        sink(StreamEvent::Delta { index, delta: Delta::Signature(signature) });
        self.close(sink);
    }

    fn cite(&mut self, found: Vec<citations::Found<'_>>, sink: Sink<'_>) {
        let Some(index) = self.open_text() else { return };
        for citation in found {
            let citation = citation.place(&self.text);
            sink(StreamEvent::Delta { index, delta: Delta::Citation(citation) });
        }
    }

    fn open_text(&self) -> Option<u32> {
        match &self.open {
            Some(Open { index, kind: OpenKind::Text }) => Some(*index),
            _ => None,
        }
    }

    /// The index of an open block of text or thinking, opened now if need be.
    fn open(&mut self, thinking: bool, sink: Sink<'_>) -> u32 {
        match &self.open {
            Some(Open { index, kind: OpenKind::Text }) if !thinking => return *index,
            Some(Open { index, kind: OpenKind::Thinking }) if thinking => return *index,
            _ => {}
        }
        self.close(sink);
        let (block, kind) =
            if thinking { (Block::Thinking, OpenKind::Thinking) } else { (Block::Text, OpenKind::Text) };
        let index = self.start(block, sink);
        self.open = Some(Open { index, kind });
        index
    }

    fn start(&mut self, block: Block<'_>, sink: Sink<'_>) -> u32 {
        let index = self.next;
        self.next = index.saturating_add(1);
        self.spoke = self.spoke || matches!(block, Block::Text | Block::Refusal);
        sink(StreamEvent::BlockStart { index, block });
        index
    }

    fn close(&mut self, sink: Sink<'_>) {
        let Some(Open { index, kind }) = self.open.take() else { return };
        if let OpenKind::Call(args) = kind {
            sink(StreamEvent::Delta { index, delta: Delta::Arguments(Cow::Owned(args.into_json())) });
        }
        self.text.clear();
        sink(StreamEvent::BlockStop { index });
    }

    /// The answer is complete.
    fn end(&mut self, sink: Sink<'_>) -> Result<(), Error> {
        let Some(ending) = self.ending.take() else {
            return Err(Error::upstream("the stream was cut short before the answer was complete"));
        };
        self.phase = Phase::Over;
        let reason = ending.reason(self.spoke, self.calls > 0)?;
        self.close(sink);
        sink(StreamEvent::Finish { reason, stop_sequence: None });
        sink(StreamEvent::End);
        Ok(())
    }
}
