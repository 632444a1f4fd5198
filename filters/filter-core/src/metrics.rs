//! Metrics of generative AI traffic, by the OpenTelemetry semantic conventions
//! (<https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/>).
//!
//! They are recorded once per request, when it is over, from the record the filters have published: so a request
//! that failed over, or whose client went away, counts once and with what it really cost.

use filter_config::Endpoint;

use crate::Host;
use crate::record::{Outcome, Published};

/// A metric: histograms, and one counter. Envoy's hold whole numbers, hence the units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// `gen_ai.client.token.usage`, in tokens; label `gen_ai.token.type`.
    TokenUsage,
    /// `gen_ai.server.request.duration`, in milliseconds; label `error.type` when it failed.
    RequestDuration,
    /// `gen_ai.server.time_to_first_token`, in milliseconds.
    TimeToFirstToken,
    /// `gen_ai.server.time_per_output_token`, after the first, in microseconds.
    TimePerOutputToken,
    /// `weir.guard.checks`, a counter: what guards made of requests and answers.
    GuardChecks,
    /// `weir.limit.decisions`, a counter: what limits did beside letting pass.
    LimitDecisions,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 6] = [
        Self::TokenUsage,
        Self::RequestDuration,
        Self::TimeToFirstToken,
        Self::TimePerOutputToken,
        Self::GuardChecks,
        Self::LimitDecisions,
    ];

    /// It is a counter, not a histogram.
    pub fn is_counter(self) -> bool {
        matches!(self, Self::GuardChecks | Self::LimitDecisions)
    }

    /// The name by the conventions.
    pub fn name(self) -> &'static str {
        match self {
            Self::TokenUsage => "gen_ai.client.token.usage",
            Self::RequestDuration => "gen_ai.server.request.duration",
            Self::TimeToFirstToken => "gen_ai.server.time_to_first_token",
            Self::TimePerOutputToken => "gen_ai.server.time_per_output_token",
            Self::GuardChecks => "weir.guard.checks",
            Self::LimitDecisions => "weir.limit.decisions",
        }
    }

    /// The names of its labels, in the order of [`Labels::values`].
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            Self::TokenUsage => &[
                "gen_ai.operation.name",
                "gen_ai.provider.name",
                "gen_ai.request.model",
                "gen_ai.response.model",
                "gen_ai.token.type",
            ],
            Self::RequestDuration => &[
                "gen_ai.operation.name",
                "gen_ai.provider.name",
                "gen_ai.request.model",
                "gen_ai.response.model",
                "error.type",
            ],
            Self::TimeToFirstToken | Self::TimePerOutputToken => &[
                "gen_ai.operation.name",
                "gen_ai.provider.name",
                "gen_ai.request.model",
                "gen_ai.response.model",
            ],
            Self::GuardChecks => &["weir.guard", "weir.phase", "weir.action"],
            Self::LimitDecisions => &["weir.unit", "weir.decision"],
        }
    }
}

/// Values of a metric's labels, in the order of [`Metric::labels`]; never empty strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels<'a>(Vec<&'a str>);

impl<'a> Labels<'a> {
    pub(crate) fn new(values: impl Into<Vec<&'a str>>) -> Self {
        Self(values.into())
    }

    /// The values.
    pub fn values(&self) -> &[&str] {
        &self.0
    }
}

/// Stands for what is not known.
const UNKNOWN: &str = "unknown";

/// What the conventions call the operation of an endpoint.
pub(crate) fn operation(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::OpenaiChat | Endpoint::OpenaiResponses | Endpoint::AnthropicMessages => "chat",
        Endpoint::BedrockConverse | Endpoint::BedrockConverseStream => "chat",
        Endpoint::GeminiGenerateContent | Endpoint::GeminiStreamGenerateContent => "generate_content",
        Endpoint::OpenaiCompletions => "text_completion",
        Endpoint::OpenaiEmbeddings
        | Endpoint::GeminiEmbedContent
        | Endpoint::GeminiBatchEmbedContents
        | Endpoint::VertexEmbeddings
        | Endpoint::BedrockEmbeddings => "embeddings",
        Endpoint::CohereRerank | Endpoint::BedrockRerank | Endpoint::VertexRank => "rerank",
        Endpoint::AnthropicCountTokens | Endpoint::GeminiCountTokens | Endpoint::BedrockCountTokens => {
            "count_tokens"
        }
        Endpoint::OpenaiImages => "image_generation",
        Endpoint::OpenaiAudio => "audio",
        Endpoint::OpenaiModels => "list_models",
        Endpoint::OpenaiRealtime => "realtime",
        Endpoint::Detect | Endpoint::Passthrough => UNKNOWN,
    }
}

/// Records what a finished exchange was; `now_ms` is its end, `status` what the client got.
pub(crate) fn observe(host: &mut dyn Host, record: &Published<'_>, now_ms: u64, status: &str) {
    // What was refused before any provider was asked says nothing about one, and its model may be anything.
    let Some(provider) = record.provider.as_deref().filter(|_| record.outcome != Outcome::Refused) else {
        return;
    };
    let endpoint = Endpoint::from_name(&record.client);
    let operation = endpoint.map_or(UNKNOWN, operation);
    let failed = record.outcome == Outcome::Failed;
    let answered = record.answered_model.as_deref().filter(|model| !model.is_empty());
    // A model nobody has answered as is whatever the client wrote: no label may grow without bound.
    let asked = if failed && answered.is_none() { None } else { record.model.as_deref() };
    let common = [operation, provider, asked.unwrap_or(UNKNOWN), answered.unwrap_or(UNKNOWN)];
    let mut send = |metric: Metric, last: Option<&str>, value: u64| {
        let mut values = Vec::with_capacity(common.len() + 1);
        values.extend(common);
        values.extend(last.map(|last| if last.is_empty() { UNKNOWN } else { last }));
        host.observe(metric, &Labels(values), value);
    };
    if let Some(usage) = &record.usage {
        let input = usage.input.saturating_add(usage.cache_read).saturating_add(usage.cache_write);
        send(Metric::TokenUsage, Some("input"), input);
        send(Metric::TokenUsage, Some("output"), usage.output);
        if usage.cache_read > 0 {
            send(Metric::TokenUsage, Some("input_cache_read"), usage.cache_read);
        }
        if usage.cache_write > 0 {
            send(Metric::TokenUsage, Some("input_cache_write"), usage.cache_write);
        }
    }
    let Some(started) = record.started_ms else { return };
    let error = match record.outcome {
        Outcome::Complete => "none",
        Outcome::Partial => "cancelled",
        Outcome::Failed | Outcome::Refused => status,
    };
    send(Metric::RequestDuration, Some(error), now_ms.saturating_sub(started));
    let (Some(first), Some(last)) = (record.time_to_first_token_ms, record.duration_ms) else { return };
    if failed || !record.stream {
        return;
    }
    send(Metric::TimeToFirstToken, None, first);
    if let Some(output) = record.usage.map(|usage| usage.output).filter(|output| *output > 1) {
        let microseconds = last.saturating_sub(first).saturating_mul(1000) / (output - 1);
        send(Metric::TimePerOutputToken, None, microseconds);
    }
}
