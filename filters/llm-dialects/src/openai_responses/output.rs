//! Responses as clients get them: complete enough for the SDKs' models, which are strict about what is required
//! (<https://platform.openai.com/docs/api-reference/responses/object>).
//!
//! What a response repeats of its request is not known here; where the field is required it has OpenAI's default, and
//! else it is null or left out.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use super::error::response_code;
use super::usage::OutUsage;
use crate::hub::{ApiError, Citation, StopReason, TokenLogprob, Usage};

/// An output item.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutItem<'r> {
    /// What the model says.
    Message {
        /// The item's id.
        id: String,
        /// `in_progress`, `completed`, `incomplete`.
        status: &'static str,
        /// Always `assistant`.
        role: &'static str,
        /// Texts and refusals.
        content: Vec<OutPart<'r>>,
    },
    /// What the model thought.
    Reasoning {
        /// The item's id.
        id: String,
        /// The text, in one piece.
        summary: Vec<OutSummary<'r>>,
        /// The signature, see [`reasoning`](super::reasoning).
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<Cow<'r, str>>,
    },
    /// The model calls a function.
    FunctionCall {
        /// The item's id.
        id: String,
        /// `in_progress`, `completed`, `incomplete`.
        status: &'static str,
        /// The call's id.
        call_id: Cow<'r, str>,
        /// The function.
        name: Cow<'r, str>,
        /// JSON text.
        arguments: Cow<'r, str>,
    },
}

impl OutItem<'_> {
    /// A message without content.
    pub(super) fn message(base: &str, index: usize, status: &'static str) -> Self {
        Self::Message { id: format!("msg_{base}_{index}"), status, role: "assistant", content: Vec::new() }
    }

    /// Reasoning without content.
    pub(super) fn reasoning(base: &str, index: usize) -> Self {
        Self::Reasoning { id: format!("rs_{base}_{index}"), summary: Vec::new(), encrypted_content: None }
    }

    /// Says how the item ended. Reasoning has no status.
    pub(super) fn set_status(&mut self, to: &'static str) {
        match self {
            Self::Message { status, .. } | Self::FunctionCall { status, .. } => *status = to,
            Self::Reasoning { .. } => {}
        }
    }

    /// Whether it is a message that refuses.
    pub(super) fn refuses(&self) -> bool {
        match self {
            Self::Message { content, .. } => {
                content.iter().any(|part| matches!(part, OutPart::Refusal { .. }))
            }
            Self::Reasoning { .. } | Self::FunctionCall { .. } => false,
        }
    }
}

/// The id of a call's item.
pub(super) fn call_item_id(base: &str, index: usize) -> String {
    format!("fc_{base}_{index}")
}

/// A part of a message.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutPart<'r> {
    /// Text.
    OutputText {
        /// Its sources.
        annotations: Vec<OutAnnotation>,
        /// How likely its tokens were.
        logprobs: Vec<OutLogprob>,
        /// The text.
        text: Cow<'r, str>,
    },
    /// A refusal.
    Refusal {
        /// Its text.
        refusal: Cow<'r, str>,
    },
}

impl<'r> OutPart<'r> {
    /// A text without sources.
    pub(super) fn text(text: Cow<'r, str>) -> Self {
        Self::OutputText { annotations: Vec::new(), logprobs: Vec::new(), text }
    }
}

/// A summary of reasoning.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutSummary<'r> {
    /// Text.
    SummaryText {
        /// The text.
        text: Cow<'r, str>,
    },
}

/// A citation of a web page, the only kind another provider's can be told as.
#[derive(Debug, Clone, Serialize)]
pub(super) struct OutAnnotation {
    #[serde(rename = "type")]
    kind: &'static str,
    start_index: u64,
    end_index: u64,
    url: String,
    title: String,
}

impl OutAnnotation {
    /// The annotation for a citation in a text of so many characters; `None` for one without an address. One that does
    /// not say where it belongs is for the whole text.
    pub(super) fn new(citation: &Citation<'_>, characters: u64) -> Option<Self> {
        let (start_index, end_index) = citation.range.unwrap_or((0, characters));
        Some(Self {
            kind: "url_citation",
            start_index,
            end_index,
            url: citation.url.as_deref()?.to_owned(),
            title: citation.title.as_deref().unwrap_or_default().to_owned(),
        })
    }
}

/// How likely a token was.
#[derive(Debug, Clone, Serialize)]
pub(super) struct OutLogprob {
    token: String,
    logprob: f64,
    bytes: Vec<u8>,
    top_logprobs: Vec<OutTopLogprob>,
}

#[derive(Debug, Clone, Serialize)]
struct OutTopLogprob {
    token: String,
    logprob: f64,
    bytes: Vec<u8>,
}

impl From<&TokenLogprob<'_>> for OutLogprob {
    fn from(logprob: &TokenLogprob<'_>) -> Self {
        let bytes = |of: &TokenLogprob<'_>| of.bytes.clone().unwrap_or_else(|| of.token.as_bytes().to_vec());
        let top = |top: &TokenLogprob<'_>| OutTopLogprob {
            token: top.token.to_string(),
            logprob: finite(top.logprob),
            bytes: bytes(top),
        };
        Self {
            token: logprob.token.to_string(),
            logprob: finite(logprob.logprob),
            bytes: bytes(logprob),
            top_logprobs: logprob.top.iter().map(top).collect(),
        }
    }
}

/// JSON has no infinity; OpenAI writes -9999 for a token that is all but impossible.
fn finite(logprob: f64) -> f64 {
    if logprob.is_finite() { logprob.max(-9999.0) } else { -9999.0 }
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending<'r> {
    /// Not yet.
    InProgress,
    /// As it should.
    Completed,
    /// Too soon, for this reason.
    Incomplete(&'static str),
    /// With an error.
    Failed(&'r ApiError),
}

impl Ending<'_> {
    /// The ending for a stop reason. A refusal in words is a complete answer; without words a filter cut in.
    pub(super) fn of(stop: StopReason, refuses: bool) -> Self {
        match stop {
            StopReason::MaxTokens | StopReason::ContextWindow => Self::Incomplete("max_output_tokens"),
            StopReason::Refusal if !refuses => Self::Incomplete("content_filter"),
            StopReason::Refusal
            | StopReason::EndTurn
            | StopReason::StopSequence
            | StopReason::ToolUse
            | StopReason::Pause => Self::Completed,
        }
    }

    /// `status` of the response.
    fn status(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
            Self::Failed(_) => "failed",
        }
    }
}

/// What stays the same of a response while it is made.
#[derive(Debug)]
pub(super) struct Head<'r> {
    /// `resp_…`
    pub(super) id: Cow<'r, str>,
    /// The model that answers.
    pub(super) model: Cow<'r, str>,
    /// In seconds since 1970.
    pub(super) created_at: u64,
    /// Where the provider says it.
    pub(super) service_tier: Option<Cow<'r, str>>,
}

impl<'r> Head<'r> {
    /// The head of an answer with the provider's `id`, which becomes one of this dialect.
    pub(super) fn new(id: &str, model: impl Into<Cow<'r, str>>, created_at: u64) -> Self {
        let id = match id {
            "" => format!("resp_{created_at}"),
            id if id.starts_with("resp_") => id.to_owned(),
            id => format!("resp_{id}"),
        };
        Self { id: Cow::Owned(id), model: model.into(), created_at, service_tier: None }
    }

    /// What ids of items are made from.
    pub(super) fn base(&self) -> &str {
        self.id.strip_prefix("resp_").unwrap_or(&self.id)
    }

    /// The response with this output.
    pub(super) fn response<'s>(
        &'s self,
        output: &'s [impl AsOutput],
        ending: Ending<'s>,
        usage: Option<&Usage>,
    ) -> impl Serialize + 's {
        OutResponse {
            id: &self.id,
            object: "response",
            created_at: self.created_at,
            status: ending.status(),
            background: false,
            error: match ending {
                Ending::Failed(error) => {
                    Some(OutError { code: response_code(error), message: &error.message })
                }
                _ => None,
            },
            incomplete_details: match ending {
                Ending::Incomplete(reason) => Some(OutIncomplete { reason }),
                _ => None,
            },
            instructions: None,
            max_output_tokens: None,
            model: &self.model,
            output: output.iter().map(|item| Verbatim(item.item())).collect::<Vec<_>>(),
            parallel_tool_calls: true,
            previous_response_id: None,
            reasoning: None,
            service_tier: self.service_tier.as_deref(),
            store: false,
            temperature: None,
            tool_choice: "auto",
            tools: [],
            top_p: None,
            truncation: "disabled",
            usage: usage.map(OutUsage::from),
            user: None,
            metadata: Metadata {},
        }
    }
}

/// Something that holds an output item.
pub(super) trait AsOutput {
    /// The item.
    fn item(&self) -> &OutItem<'_>;
}

impl AsOutput for OutItem<'_> {
    fn item(&self) -> &OutItem<'_> {
        self
    }
}

struct Verbatim<'s>(&'s OutItem<'s>);

impl Serialize for Verbatim<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[derive(Serialize)]
struct OutResponse<'s> {
    id: &'s str,
    object: &'static str,
    created_at: u64,
    status: &'static str,
    background: bool,
    error: Option<OutError<'s>>,
    incomplete_details: Option<OutIncomplete>,
    instructions: Option<()>,
    max_output_tokens: Option<()>,
    model: &'s str,
    output: Vec<Verbatim<'s>>,
    parallel_tool_calls: bool,
    previous_response_id: Option<()>,
    reasoning: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'s str>,
    store: bool,
    temperature: Option<()>,
    tool_choice: &'static str,
    tools: [(); 0],
    top_p: Option<()>,
    truncation: &'static str,
    usage: Option<OutUsage>,
    user: Option<()>,
    metadata: Metadata,
}

#[derive(Serialize)]
struct OutError<'s> {
    code: &'s str,
    message: &'s str,
}

#[derive(Serialize)]
struct OutIncomplete {
    reason: &'static str,
}

/// An object without fields.
#[derive(Serialize)]
struct Metadata {}
