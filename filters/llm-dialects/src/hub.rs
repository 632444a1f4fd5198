//! The model in the middle: one request, one response, one stream of events that every dialect can
//! be decoded into and encoded from.
//!
//! Text is borrowed from the body wherever the JSON needs no unescaping ([`Cow`]), so that a 20 MB
//! image is not copied on its way through. JSON that the gateway has no opinion about (tool schemas,
//! tool arguments, structured-output schemas) is kept as the bytes it came in ([`RawJson`]).
//!
//! The hub types do not serialise: dialects do. What a dialect cannot express is dropped or refused by
//! the rules listed in the docs of its `encode_request`.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// A JSON value kept verbatim.
pub type RawJson<'a> = Cow<'a, RawValue>;

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

/// A prompt-cache breakpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheMark<'a> {
    /// Time to live as the provider writes it (`5m`, `1h`); `None` is the provider's default.
    pub ttl: Option<Cow<'a, str>>,
}

/// Who speaks in a turn. Instructions in the middle of a conversation keep their place as
/// [`Role::System`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A system or developer message that comes after the first turn.
    System,
    /// The user; also carries tool results.
    User,
    /// The model.
    Assistant,
}

/// One turn of the conversation.
#[derive(Debug, Clone)]
pub struct Turn<'a> {
    /// Who speaks.
    pub role: Role,
    /// Participant name (OpenAI `name`).
    pub name: Option<Cow<'a, str>>,
    /// What is said.
    pub content: Vec<Content<'a>>,
}

/// A piece of a turn, with its prompt-cache mark.
#[derive(Debug, Clone)]
pub struct Content<'a> {
    /// The piece.
    pub part: Part<'a>,
    /// A prompt-cache mark behind this piece.
    pub cache: Option<CacheMark<'a>>,
}

impl<'a> From<Part<'a>> for Content<'a> {
    fn from(part: Part<'a>) -> Self {
        Self { part, cache: None }
    }
}

/// What a piece of a turn is.
#[derive(Debug, Clone)]
pub enum Part<'a> {
    /// Plain text.
    Text(Cow<'a, str>),
    /// A refusal by the model (OpenAI `refusal`).
    Refusal(Cow<'a, str>),
    /// An image; `detail` is OpenAI's `low|high|auto`.
    Image {
        /// Where the image is.
        source: Source<'a>,
        /// OpenAI's resolution hint.
        detail: Option<Cow<'a, str>>,
    },
    /// A document such as a PDF.
    Document {
        /// Where the document is.
        source: Source<'a>,
        /// File name or title.
        name: Option<Cow<'a, str>>,
    },
    /// Audio input.
    Audio {
        /// Base64 data.
        data: Cow<'a, str>,
        /// `wav`, `mp3`.
        format: Cow<'a, str>,
    },
    /// Reasoning with the provider's signature over it; replayed only to the dialect that signed it.
    Thinking {
        /// The reasoning text (may be empty when the provider withholds it).
        text: Cow<'a, str>,
        /// The provider's signature, marked with who signed (see [`crate::signature`]); `None` when the source
        /// dialect has none.
        signature: Option<Cow<'a, str>>,
    },
    /// Reasoning the provider encrypted; opaque. Only Anthropic's models make it.
    RedactedThinking(Cow<'a, str>),
    /// Where the text part before it is taken from. Answers only; requests drop citations.
    Citation(Citation<'a>),
    /// The model calls a tool.
    ToolCall(ToolCall<'a>),
    /// The answer of a tool.
    ToolResult(ToolResult<'a>),
    /// A block only the source dialect knows, verbatim; `kind` is its `type`. Encoders of other dialects
    /// refuse or drop it by their listed rules.
    Foreign {
        /// The block's `type`.
        kind: Cow<'a, str>,
        /// The block.
        json: RawJson<'a>,
    },
}

/// Where binary content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source<'a> {
    /// A URL of any scheme but `data:`.
    Url(Cow<'a, str>),
    /// Base64 bytes with their media type.
    Base64 {
        /// Such as `image/png`.
        media_type: Cow<'a, str>,
        /// The base64 text, not decoded.
        data: Cow<'a, str>,
    },
    /// Plain text content (documents).
    Text(Cow<'a, str>),
    /// The id of a file uploaded to the provider.
    File(Cow<'a, str>),
}

/// A tool call by the model.
#[derive(Debug, Clone)]
pub struct ToolCall<'a> {
    /// The call's id, which results refer to.
    pub id: Cow<'a, str>,
    /// The tool's name.
    pub name: Cow<'a, str>,
    /// The arguments.
    pub arguments: Arguments<'a>,
    /// The provider's signature over the call, marked with who signed (see [`crate::signature`]). Gemini signs
    /// calls; dialects without a field for it carry it inside the id ([`crate::tool_ids`]).
    pub signature: Option<Cow<'a, str>>,
}

/// A source the model cites.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Citation<'a> {
    /// Address of the source, where it has one.
    pub url: Option<Cow<'a, str>>,
    /// Title of the source.
    pub title: Option<Cow<'a, str>>,
    /// The words of the source that are cited.
    pub cited_text: Option<Cow<'a, str>>,
    /// Where in the answer's text part the citation applies, in characters: start (inclusive), end (exclusive).
    pub range: Option<(u64, u64)>,
    /// Which document of the request is cited, counted from 0.
    pub document: Option<u64>,
}

impl Citation<'_> {
    /// The citation with text of its own, to be kept longer than the event it came in.
    pub fn owned(&self) -> Citation<'static> {
        let own = |text: &Option<Cow<'_, str>>| text.as_deref().map(|text| Cow::Owned(text.to_owned()));
        Citation {
            url: own(&self.url),
            title: own(&self.title),
            cited_text: own(&self.cited_text),
            range: self.range,
            document: self.document,
        }
    }
}

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

/// Arguments of a tool call. OpenAI carries them as a string which the model may have got wrong, so
/// they are not always JSON.
#[derive(Debug, Clone)]
pub enum Arguments<'a> {
    /// A JSON object.
    Json(RawJson<'a>),
    /// Text that is not a JSON object: what the model really wrote.
    Invalid(Cow<'a, str>),
}

/// The answer of a tool.
#[derive(Debug, Clone)]
pub struct ToolResult<'a> {
    /// Id of the call answered.
    pub call_id: Cow<'a, str>,
    /// Text, images and documents; may be empty.
    pub content: Vec<Content<'a>>,
    /// The tool failed.
    pub is_error: bool,
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

/// An error as a client is told it, in no dialect yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status, 400..=599.
    pub status: u16,
    /// What kind.
    pub kind: ErrorKind,
    /// A machine-readable code, where there is one (`insufficient_quota`, `model_not_found`).
    pub code: Option<String>,
    /// The offending parameter, where there is one.
    pub param: Option<String>,
    /// For people.
    pub message: String,
}

/// Kinds of errors all dialects tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// 400, 422: the request is wrong.
    InvalidRequest,
    /// 401
    Authentication,
    /// 402: billing.
    Billing,
    /// 403
    Permission,
    /// 404
    NotFound,
    /// 413
    TooLarge,
    /// 429: too many requests or tokens.
    RateLimit,
    /// 408, 504
    Timeout,
    /// 529, 503: the provider is overloaded or away.
    Overloaded,
    /// 500: the provider failed.
    Internal,
    /// 502: the provider's answer makes no sense.
    Upstream,
}

impl ErrorKind {
    /// The kind an HTTP status stands for when the body does not say.
    pub fn from_status(status: u16) -> Self {
        match status {
            401 => Self::Authentication,
            402 => Self::Billing,
            403 => Self::Permission,
            404 => Self::NotFound,
            408 | 504 => Self::Timeout,
            413 => Self::TooLarge,
            429 => Self::RateLimit,
            502 => Self::Upstream,
            503 | 529 => Self::Overloaded,
            400..=499 => Self::InvalidRequest,
            _ => Self::Internal,
        }
    }
}
