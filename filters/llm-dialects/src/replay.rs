//! A whole answer told as a stream, for clients that asked for one where the provider did not stream.

use std::borrow::Cow;

use crate::hub::{Arguments, Block, Delta, Part, Response, StreamEvent};

impl Response<'_> {
    /// Hands the events of a stream with this answer's content to `sink`, under the guarantees of
    /// [`StreamEvent`].
    pub fn replay(&self, sink: &mut dyn FnMut(StreamEvent<'_>)) {
        sink(StreamEvent::Start {
            id: Cow::Borrowed(&self.id),
            model: Cow::Borrowed(&self.model),
            created: self.created,
        });
        let mut index = 0;
        let mut logprobs = self.logprobs.as_slice();
        let mut parts = self.content.iter().peekable();
        while let Some(part) = parts.next() {
            if !replay_part(part, index, sink) {
                continue;
            }
            if matches!(part, Part::Text(_)) {
                // All of them with the first text: nothing says which token is in which text.
                let tokens = std::mem::take(&mut logprobs);
                if !tokens.is_empty() {
                    sink(StreamEvent::Delta { index, delta: Delta::Logprobs(tokens.to_vec()) });
                }
                while let Some(Part::Citation(citation)) =
                    parts.next_if(|part| matches!(part, Part::Citation(_)))
                {
                    sink(StreamEvent::Delta { index, delta: Delta::Citation(citation.clone()) });
                }
            }
            sink(StreamEvent::BlockStop { index });
            index += 1;
        }
        if let Some(usage) = self.usage {
            sink(StreamEvent::Usage(usage));
        }
        sink(StreamEvent::Finish {
            reason: self.stop,
            stop_sequence: self.stop_sequence.as_deref().map(Cow::Borrowed),
        });
        sink(StreamEvent::End);
    }
}

/// Starts and fills the block of one part; `false` for parts that no stream can carry.
fn replay_part(part: &Part<'_>, index: u32, sink: &mut dyn FnMut(StreamEvent<'_>)) -> bool {
    let start = |block, sink: &mut dyn FnMut(StreamEvent<'_>)| sink(StreamEvent::BlockStart { index, block });
    match part {
        Part::Text(text) => {
            start(Block::Text, sink);
            sink(StreamEvent::Delta { index, delta: Delta::Text(Cow::Borrowed(text)) });
        }
        Part::Refusal(text) => {
            start(Block::Refusal, sink);
            sink(StreamEvent::Delta { index, delta: Delta::Refusal(Cow::Borrowed(text)) });
        }
        Part::Thinking { text, signature } => {
            start(Block::Thinking, sink);
            sink(StreamEvent::Delta { index, delta: Delta::Thinking(Cow::Borrowed(text)) });
            if let Some(signature) = signature {
                sink(StreamEvent::Delta { index, delta: Delta::Signature(Cow::Borrowed(signature)) });
            }
        }
        Part::RedactedThinking(data) => start(Block::RedactedThinking(Cow::Borrowed(data)), sink),
        Part::ToolCall(call) => {
            let (id, name) = (Cow::Borrowed(&*call.id), Cow::Borrowed(&*call.name));
            let signature = call.signature.as_deref().map(Cow::Borrowed);
            start(Block::ToolCall { id, name, signature }, sink);
            let arguments = match &call.arguments {
                Arguments::Json(json) => json.get(),
                Arguments::Invalid(text) => text,
            };
            sink(StreamEvent::Delta { index, delta: Delta::Arguments(Cow::Borrowed(arguments)) });
        }
        Part::Image { .. }
        | Part::Document { .. }
        | Part::Audio { .. }
        | Part::ToolResult(_)
        | Part::Citation(_)
        | Part::Foreign { .. } => return false,
    }
    true
}
