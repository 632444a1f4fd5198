//! Requests: what is asked, of which model, with which tools and limits.

use std::borrow::Cow;

use super::{CacheMark, RawJson, Turn};

/// One chat request.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// The model asked for. The provider filter sets it to the upstream's model before encoding.
    pub model: Cow<'a, str>,
    /// System and developer instructions that come before the first turn, in order.
    pub system: Vec<Text<'a>>,
    /// The conversation. Adjacent turns may have the same role; encoders merge where they must.
    pub turns: Vec<Turn<'a>>,
    /// Tools the model may call.
    pub tools: Vec<Tool<'a>>,
    /// Which tool may or must be called.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// `Some(false)` forbids more than one tool call in a turn.
    pub parallel_tool_calls: Option<bool>,
    /// Upper bound on generated tokens, reasoning included.
    pub max_output_tokens: Option<u64>,
    /// Sampling temperature in the client's scale (OpenAI 0..=2, Anthropic 0..=1).
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Top-k sampling.
    pub top_k: Option<u64>,
    /// Seed for reproducible sampling.
    pub seed: Option<i64>,
    /// -2..=2, OpenAI.
    pub frequency_penalty: Option<f64>,
    /// -2..=2, OpenAI.
    pub presence_penalty: Option<f64>,
    /// Token id → bias, verbatim.
    pub logit_bias: Option<RawJson<'a>>,
    /// Return log probabilities of output tokens.
    pub logprobs: Option<bool>,
    /// How many alternatives per token.
    pub top_logprobs: Option<u64>,
    /// Number of answers asked for.
    pub n: Option<u64>,
    /// Stop sequences.
    pub stop: Vec<Cow<'a, str>>,
    /// Reasoning asked for.
    pub thinking: Option<Thinking>,
    /// Structured output asked for.
    pub output_format: Option<OutputFormat<'a>>,
    /// `Some` when the answer is to be streamed.
    pub stream: Option<StreamOptions>,
    /// An end-user identifier (`user`, `safety_identifier`, `metadata.user_id`).
    pub user: Option<Cow<'a, str>>,
    /// Client-defined metadata, verbatim JSON object.
    pub metadata: Option<RawJson<'a>>,
    /// Service tier, in the client's words.
    pub service_tier: Option<Cow<'a, str>>,
    /// How wordy the answer is to be (OpenAI `verbosity`: `low`, `medium`, `high`).
    pub verbosity: Option<Cow<'a, str>>,
}

/// Options of a streamed answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamOptions {
    /// The client wants usage in the stream (Anthropic clients always do).
    pub include_usage: bool,
}

/// A piece of instruction text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// A prompt-cache mark behind this piece.
    pub cache: Option<CacheMark<'a>>,
}

/// A tool the model may call.
#[derive(Debug, Clone)]
pub enum Tool<'a> {
    /// A function with a JSON schema, run by the client.
    Function {
        /// The name the model calls it by.
        name: Cow<'a, str>,
        /// What it is for.
        description: Option<Cow<'a, str>>,
        /// JSON schema of the arguments; `None` means an object without properties.
        schema: Option<RawJson<'a>>,
        /// The provider must follow the schema exactly.
        strict: Option<bool>,
        /// A prompt-cache mark behind this tool.
        cache: Option<CacheMark<'a>>,
    },
    /// A tool only the source dialect knows (provider-run tools, custom grammars), verbatim.
    Foreign {
        /// Its `type`.
        kind: Cow<'a, str>,
        /// The definition.
        json: RawJson<'a>,
    },
}

/// Which tool may or must be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    /// The model decides.
    Auto,
    /// No tool may be called.
    None,
    /// Some tool must be called.
    Required,
    /// This tool must be called.
    Named(Cow<'a, str>),
}

/// Reasoning asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinking {
    /// No reasoning.
    Disabled,
    /// An effort level (OpenAI `reasoning_effort`).
    Effort(Effort),
    /// A token budget (Anthropic `thinking.budget_tokens`).
    Budget(u64),
    /// The model decides how much, with an optional effort (Anthropic `adaptive`).
    Adaptive(Option<Effort>),
}

/// Effort levels, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// `minimal`
    Minimal,
    /// `low`
    Low,
    /// `medium`
    Medium,
    /// `high`
    High,
    /// `xhigh`
    XHigh,
    /// `max`
    Max,
}

/// Structured output asked for.
#[derive(Debug, Clone)]
pub enum OutputFormat<'a> {
    /// Any JSON object.
    JsonObject,
    /// JSON that follows a schema.
    JsonSchema {
        /// The schema's name (OpenAI requires one).
        name: Option<Cow<'a, str>>,
        /// What it is for.
        description: Option<Cow<'a, str>>,
        /// The schema.
        schema: RawJson<'a>,
        /// Follow it exactly.
        strict: Option<bool>,
    },
}
