//! What is measured: the cases, and the variants of Envoy each of them runs through.

use std::time::Duration;

use crate::chain::Chain;
use crate::payloads::{self, Conversation, Dialect, Shape};

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

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An answer that is not streamed.
    Unary,
    /// A stream, all events at once.
    Stream,
    /// A stream, the events apart in time.
    Paced,
    /// An answer that is not streamed, to a conversation with so many bytes of text.
    Large(usize),
    /// A count of the tokens of a prompt with so many bytes of text. The provider cannot count: Weir does.
    Count(usize),
}

/// A kind of traffic between two dialects, through some of Weir's filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    /// What is asked for.
    pub(crate) kind: Kind,
    /// What the client of Weir speaks.
    pub(crate) client: Dialect,
    /// What the provider speaks.
    pub(crate) provider: Dialect,
    /// The filters of Weir it passes.
    pub(crate) chain: Chain,
}

impl Case {
    /// Traffic through a gateway.
    pub(crate) const fn new(kind: Kind, client: Dialect, provider: Dialect) -> Self {
        Self { kind, client, provider, chain: Chain::Gateway }
    }

    /// OpenAI chat, passing through other filters.
    pub(crate) const fn through(chain: Chain, kind: Kind) -> Self {
        Self { kind, client: Dialect::Chat, provider: Dialect::Chat, chain }
    }

    /// All of them, in the order of the report.
    pub(crate) fn all() -> Vec<Self> {
        use Dialect::{Anthropic, Chat};
        let mut cases = Vec::new();
        for kind in [Kind::Unary, Kind::Stream, Kind::Paced] {
            cases.extend([Self::new(kind, Chat, Chat), Self::new(kind, Chat, Anthropic)]);
        }
        for kind in [Kind::Unary, Kind::Stream] {
            let translated = Dialect::ALL.map(|provider| Self::new(kind, Chat, provider));
            let passing = Dialect::ALL.map(|dialect| Self::new(kind, dialect, dialect));
            for case in translated.into_iter().chain(passing) {
                if !cases.contains(&case) {
                    cases.push(case);
                }
            }
        }
        cases.extend([Chat, Anthropic].map(|provider| Self::new(Kind::Large(1_000_000), Chat, provider)));
        cases.extend([2_000, 100_000].map(|bytes| Self::new(Kind::Count(bytes), Anthropic, Chat)));
        cases.extend([Kind::Unary, Kind::Stream].map(|kind| Self::through(Chain::Idle, kind)));
        let guarded = [Kind::Unary, Kind::Large(100_000), Kind::Stream, Kind::Paced];
        cases.extend(guarded.map(|kind| Self::through(Chain::Guard, kind)));
        cases.push(Self::through(Chain::Keywords, Kind::Unary));
        cases.extend([Kind::Unary, Kind::Stream].map(|kind| Self::through(Chain::Limit, kind)));
        cases.push(Self::through(Chain::Global, Kind::Unary));
        cases
    }

    /// One of the cases that are measured longest, with every number of connections and against aims: OpenAI chat
    /// completions, and their translation to Anthropic messages. The others are measured shorter, with the first
    /// number of connections.
    pub(crate) fn core(self) -> bool {
        matches!(self.kind, Kind::Unary | Kind::Stream | Kind::Paced)
            && self.chain == Chain::Gateway
            && self.client == Dialect::Chat
            && matches!(self.provider, Dialect::Chat | Dialect::Anthropic)
    }

    /// The name on the command line.
    pub(crate) fn name(self) -> String {
        let kind = match self.kind {
            Kind::Unary => "unary",
            Kind::Stream => "stream",
            Kind::Paced => "paced",
            Kind::Large(_) => "large",
            Kind::Count(bytes) => return format!("count-{}kb", bytes / 1000),
        };
        if self.chain != Chain::Gateway {
            format!("{}-{kind}", self.chain.name())
        } else if self.translated() {
            format!("{kind}-{}-{}", self.client.name(), self.provider.name())
        } else {
            format!("{kind}-{}-pass", self.client.name())
        }
    }

    /// The name in reports.
    pub(crate) fn title(self) -> String {
        let what = match self.kind {
            Kind::Unary => "2 KB chat".to_owned(),
            Kind::Stream => "50-chunk stream".to_owned(),
            Kind::Paced => "paced stream".to_owned(),
            Kind::Large(1_000_000) => "1 MB chat".to_owned(),
            Kind::Large(bytes) => format!("{} KB chat", bytes / 1000),
            Kind::Count(bytes) => return format!("count of a {} KB prompt", bytes / 1000),
        };
        match self.chain {
            Chain::Gateway => format!("{what}, {}", self.way()),
            chain => format!("{what}, {}", chain.title()),
        }
    }

    /// From which dialect to which.
    pub(crate) fn way(self) -> String {
        match (self.translated(), self.client) {
            (true, client) => format!("{} → {}", client.title(), self.provider.title()),
            (false, Dialect::Chat) => "pass-through".to_owned(),
            (false, client) => format!("pass-through ({})", client.title()),
        }
    }

    /// How the answer comes.
    pub(crate) fn shape(self) -> Shape {
        match self.kind {
            Kind::Stream | Kind::Paced => Shape::Stream,
            Kind::Unary | Kind::Large(_) | Kind::Count(_) => Shape::Unary,
        }
    }

    /// The answer is a stream of events.
    pub(crate) fn streams(self) -> bool {
        self.shape() == Shape::Stream
    }

    /// The events come one by one: what counts is the time to the first, not how many per second.
    pub(crate) fn paced(self) -> bool {
        self.kind == Kind::Paced
    }

    /// The provider does not speak the client's dialect.
    pub(crate) fn translated(self) -> bool {
        self.client != self.provider
    }

    /// What the client speaks. Bare Envoy cannot translate: there, the client of a translated case speaks
    /// what the provider speaks, so that the same bytes flow on the provider's side. Counts are asked for in one
    /// dialect only; behind bare Envoy the provider answers them.
    fn client(self, variant: Variant) -> Dialect {
        let counts = matches!(self.kind, Kind::Count(_));
        if variant == Variant::Bare && !counts { self.provider } else { self.client }
    }

    fn conversation(self) -> Conversation {
        let conversation = match self.kind {
            Kind::Large(bytes) | Kind::Count(bytes) => Conversation::of_length(bytes),
            Kind::Unary | Kind::Stream | Kind::Paced => Conversation::short(),
        };
        match self.chain.masks() {
            Some((found, _)) => conversation.ending_with(&found),
            None => conversation,
        }
    }

    /// The request, head and body, as it goes over the wire.
    pub(crate) fn request(self, variant: Variant, pace: Duration) -> Vec<u8> {
        let conversation = self.conversation();
        if matches!(self.kind, Kind::Count(_)) {
            return payloads::count_request(&conversation);
        }
        let pace = self.paced().then_some(pace);
        payloads::request(self.client(variant), self.provider, &conversation, self.shape(), pace)
    }

    /// Checks the body of an answer.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check(self, variant: Variant, body: &[u8]) -> anyhow::Result<()> {
        match (self.kind, variant) {
            // The provider of the bench says the same of every prompt.
            (Kind::Count(_), Variant::Bare) => Ok(()),
            (Kind::Count(_), _) => payloads::check_count(&self.conversation(), body),
            _ => payloads::check_answer(self.client(variant), self.shape(), body),
        }
    }

    /// A request that tells whether the guards of this case are at work: its prompt holds what they mask, and the
    /// provider says what it got. `None` where nothing is masked.
    pub(crate) fn probe(self, variant: Variant) -> Option<Vec<u8>> {
        let (found, _) = self.chain.masks().filter(|_| variant != Variant::Bare)?;
        Some(payloads::probe_request(&found))
    }

    /// Checks the answer to [`Self::probe`].
    ///
    /// # Errors
    /// When a guard did not mask what it should.
    pub(crate) fn check_probe(self, body: &[u8]) -> anyhow::Result<()> {
        let Some((found, masked)) = self.chain.masks() else { return Ok(()) };
        payloads::check_probe(body, &found, masked, self.chain.masks_answers())
    }

    /// The time of every chunk of text is looked at, not only that of the first byte.
    pub(crate) fn times_chunks(self) -> bool {
        self.paced() && self.chain != Chain::Gateway
    }

    /// How long the provider takes for one answer.
    pub(crate) fn answer_time(self, pace: Duration) -> Duration {
        let events = u32::try_from(payloads::STREAM_CHUNKS).unwrap_or(u32::MAX);
        if self.paced() { pace * events } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_dialect_is_asked_from_chat_and_passed_through() {
        let cases = Case::all();
        for kind in [Kind::Unary, Kind::Stream] {
            for dialect in Dialect::ALL {
                assert!(cases.contains(&Case::new(kind, Dialect::Chat, dialect)));
                assert!(cases.contains(&Case::new(kind, dialect, dialect)));
            }
        }
        let names: BTreeSet<String> = cases.iter().map(|case| case.name()).collect();
        let titles: BTreeSet<String> = cases.iter().map(|case| case.title()).collect();
        assert_eq!((names.len(), titles.len()), (cases.len(), cases.len()));
        assert!(names.contains("unary-chat-bedrock") && names.contains("stream-gemini-pass"));
        assert_eq!(cases.iter().filter(|case| case.core()).count(), 6);
    }

    #[test]
    fn bare_envoy_gets_what_the_provider_reads() {
        let case = Case::new(Kind::Stream, Dialect::Chat, Dialect::Gemini);
        let path = |variant| {
            let request = case.request(variant, Duration::ZERO);
            String::from_utf8(request).unwrap().split(' ').nth(1).unwrap().to_owned()
        };
        assert_eq!(path(Variant::Native), "/v1/chat/completions");
        assert_eq!(path(Variant::Bare), "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse");
    }

    #[test]
    fn what_guards_look_for_is_in_the_prompt() {
        for case in Case::all() {
            let Some((found, _)) = case.chain.masks() else { continue };
            for variant in Variant::ALL {
                let request = String::from_utf8(case.request(variant, Duration::ZERO)).unwrap();
                assert_eq!(request.matches(&found).count(), 1, "{}", case.name());
                assert_eq!(case.probe(variant).is_some(), variant != Variant::Bare);
            }
        }
    }

    #[test]
    fn a_large_request_is_1_mb() {
        let case = Case::new(Kind::Large(1_000_000), Dialect::Chat, Dialect::Anthropic);
        for variant in Variant::ALL {
            let length = case.request(variant, Duration::ZERO).len();
            assert!((1_000_000..1_100_000).contains(&length), "{length} bytes");
        }
    }
}
