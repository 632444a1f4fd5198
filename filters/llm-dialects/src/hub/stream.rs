//! Streamed answers, as events.

use std::borrow::Cow;

use super::{ApiError, Citation, StopReason, TokenLogprob, Usage};

/// One step of a streamed answer.
///
/// Decoders guarantee: `Start` first and once; `BlockStart` before the deltas of its index, `BlockStop`
/// after them; indices count up from 0 and are never reused; blocks may overlap only where the source
/// dialect lets them (parallel OpenAI tool calls); at most one `Finish`, after every block has stopped;
/// `Usage` holds totals so far, the last one counts; `End` last and once, unless an `Error` ended it.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamEvent<'a> {
    /// The answer begins.
    Start {
        /// The provider's id of the answer.
        id: Cow<'a, str>,
        /// The model that answers.
        model: Cow<'a, str>,
        /// When, in seconds since 1970.
        created: Option<u64>,
    },
    /// A block begins.
    BlockStart {
        /// Its index.
        index: u32,
        /// What it is.
        block: Block<'a>,
    },
    /// More of a block.
    Delta {
        /// Its index.
        index: u32,
        /// What is added.
        delta: Delta<'a>,
    },
    /// A block is complete.
    BlockStop {
        /// Its index.
        index: u32,
    },
    /// Usage so far.
    Usage(Usage),
    /// Why generation ended.
    Finish {
        /// The reason.
        reason: StopReason,
        /// The stop sequence that matched.
        stop_sequence: Option<Cow<'a, str>>,
    },
    /// A keep-alive.
    Ping,
    /// The provider reports an error in the middle of the stream; nothing follows.
    Error(ApiError),
    /// The stream is complete.
    End,
}

/// What a streamed block is.
#[derive(Debug, Clone, PartialEq)]
pub enum Block<'a> {
    /// Text.
    Text,
    /// A refusal.
    Refusal,
    /// Reasoning.
    Thinking,
    /// Encrypted reasoning, whole.
    RedactedThinking(Cow<'a, str>),
    /// A tool call; its arguments follow as deltas.
    ToolCall {
        /// The call's id.
        id: Cow<'a, str>,
        /// The tool's name.
        name: Cow<'a, str>,
        /// As in [`ToolCall::signature`].
        signature: Option<Cow<'a, str>>,
    },
}

/// What is added to a streamed block.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta<'a> {
    /// Text of a text block.
    Text(Cow<'a, str>),
    /// Text of a refusal block.
    Refusal(Cow<'a, str>),
    /// Text of a thinking block.
    Thinking(Cow<'a, str>),
    /// The signature over a thinking block.
    Signature(Cow<'a, str>),
    /// A fragment of a tool call's arguments (JSON text).
    Arguments(Cow<'a, str>),
    /// A source of the text block so far.
    Citation(Citation<'a>),
    /// Log probabilities of the text just added.
    Logprobs(Vec<TokenLogprob<'a>>),
}
