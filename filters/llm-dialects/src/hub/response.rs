//! Whole answers, and what they cost.

use std::borrow::Cow;

use super::Part;

/// How likely a token was.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprob<'a> {
    /// The token as text.
    pub token: Cow<'a, str>,
    /// Its log probability.
    pub logprob: f64,
    /// The bytes of the token, where the provider says them.
    pub bytes: Option<Vec<u8>>,
    /// The likeliest tokens at this place; their own `top` is empty.
    pub top: Vec<TokenLogprob<'a>>,
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Response<'a> {
    /// The provider's id of the answer.
    pub id: Cow<'a, str>,
    /// The model that answered.
    pub model: Cow<'a, str>,
    /// When, in seconds since 1970; the encoder's caller supplies one where the dialect has none.
    pub created: Option<u64>,
    /// Text, refusals, thinking and tool calls.
    pub content: Vec<Part<'a>>,
    /// Why generation ended.
    pub stop: StopReason,
    /// The stop sequence that matched.
    pub stop_sequence: Option<Cow<'a, str>>,
    /// Token usage.
    pub usage: Option<Usage>,
    /// Service tier that was used, in the provider's words.
    pub service_tier: Option<Cow<'a, str>>,
    /// Log probabilities of the text's tokens, when asked for.
    pub logprobs: Vec<TokenLogprob<'a>>,
}

/// Why generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The model was done.
    EndTurn,
    /// A stop sequence matched.
    StopSequence,
    /// The token limit was reached.
    MaxTokens,
    /// The context window was exhausted.
    ContextWindow,
    /// The model calls tools.
    ToolUse,
    /// The model refused or a content filter cut in.
    Refusal,
    /// The provider paused a long turn; the client may continue it.
    Pause,
}

/// Tokens of one exchange, normalised: the parts never overlap, except where said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input tokens neither read from nor written to the prompt cache.
    pub input_uncached: u64,
    /// Input tokens read from the prompt cache.
    pub cache_read: u64,
    /// Input tokens written to the prompt cache.
    pub cache_write: u64,
    /// The part of `cache_write` that is kept for an hour instead of five minutes (dearer at Anthropic).
    pub cache_write_1h: u64,
    /// All generated tokens, reasoning and audio included.
    pub output: u64,
    /// The part of `output` spent on reasoning.
    pub reasoning: u64,
    /// The part of the input that is audio.
    pub audio_input: u64,
    /// The part of `output` that is audio.
    pub audio_output: u64,
    /// The part of the input that is images.
    pub image_input: u64,
    /// The part of `output` that is images.
    pub image_output: u64,
}

impl Usage {
    /// Every input token, cached or not.
    pub fn input_total(&self) -> u64 {
        self.input_uncached.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }

    /// Every token of the exchange.
    pub fn total(&self) -> u64 {
        self.input_total().saturating_add(self.output)
    }
}
