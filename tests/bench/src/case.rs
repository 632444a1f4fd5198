//! What is measured: the cases, and the variants of Envoy each of them runs through.

use std::time::Duration;

use crate::payloads::{self, Dialect};

/// An Envoy to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Variant {
    /// No filters of ours.
    Bare,
    /// Weir as a dynamic module.
    Native,
    /// Weir as a wasm module.
    Wasm,
}

impl Variant {
    /// All of them, in the order in which they take turns.
    pub(crate) const ALL: [Self; 3] = [Self::Bare, Self::Native, Self::Wasm];

    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Native => "native",
            Self::Wasm => "wasm",
        }
    }
}

/// A kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Case {
    /// OpenAI client, OpenAI provider, not streamed.
    ChatPass,
    /// OpenAI client, Anthropic provider, not streamed.
    ChatTranslated,
    /// OpenAI client, OpenAI provider, streamed; all events at once.
    StreamPass,
    /// OpenAI client, Anthropic provider, streamed; all events at once.
    StreamTranslated,
    /// Like `stream-pass`, the events apart in time.
    PacedPass,
    /// Like `stream-translated`, the events apart in time.
    PacedTranslated,
}

impl Case {
    /// All of them, in the order of the report.
    pub(crate) const ALL: [Self; 6] = [
        Self::ChatPass,
        Self::ChatTranslated,
        Self::StreamPass,
        Self::StreamTranslated,
        Self::PacedPass,
        Self::PacedTranslated,
    ];

    /// The name in reports.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::ChatPass => "2 KB chat, pass-through",
            Self::ChatTranslated => "2 KB chat, OpenAI → Anthropic",
            Self::StreamPass => "50-chunk stream, pass-through",
            Self::StreamTranslated => "50-chunk stream, OpenAI → Anthropic",
            Self::PacedPass => "paced stream, pass-through",
            Self::PacedTranslated => "paced stream, OpenAI → Anthropic",
        }
    }

    /// The answer is a stream of events.
    pub(crate) fn streams(self) -> bool {
        !matches!(self, Self::ChatPass | Self::ChatTranslated)
    }

    /// The events come one by one: what counts is the time to the first, not how many per second.
    pub(crate) fn paced(self) -> bool {
        matches!(self, Self::PacedPass | Self::PacedTranslated)
    }

    /// The provider does not speak the client's dialect.
    pub(crate) fn translated(self) -> bool {
        matches!(self, Self::ChatTranslated | Self::StreamTranslated | Self::PacedTranslated)
    }

    /// What the client speaks. Bare Envoy cannot translate: there, the client of a translated case speaks
    /// what the provider speaks, so that the same bytes flow on the provider's side.
    pub(crate) fn client(self, variant: Variant) -> Dialect {
        if self.translated() && variant == Variant::Bare { Dialect::Anthropic } else { Dialect::Openai }
    }

    /// The host name by which the route to the case's provider is chosen.
    pub(crate) fn host(self) -> &'static str {
        if self.translated() { Dialect::Anthropic.host() } else { Dialect::Openai.host() }
    }

    /// The request, head and body, as it goes over the wire.
    pub(crate) fn request(self, variant: Variant, pace: Duration) -> Vec<u8> {
        let pace = self.paced().then_some(pace);
        payloads::request(self.client(variant), self.host(), self.streams(), pace)
    }

    /// How long the provider takes for one answer.
    pub(crate) fn answer_time(self, pace: Duration) -> Duration {
        let events = u32::try_from(payloads::STREAM_CHUNKS).unwrap_or(u32::MAX);
        if self.paced() { pace * events } else { Duration::ZERO }
    }
}
