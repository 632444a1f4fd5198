//! A stream that passes and is watched on its way: model, usage and end are read off.

use filter_config::Endpoint;
use llm_dialects::dialect::Framing;
use llm_dialects::inspect::{AnswerFacts, StreamWatch};

use crate::endpoints;
use crate::frames::{Event, Frames};

/// A passing stream.
#[derive(Debug)]
pub(crate) struct Watched {
    frames: Frames,
    watch: StreamWatch,
    /// Something is wrong with the framing; nothing more can be read.
    broken: Option<framing::Error>,
    seen: Seen,
}

/// How much text has passed, for an estimate of its tokens.
///
/// Text is not decoded for this. Providers send about one token in an event, or more; what an event has over the
/// shortest one is text, of about four bytes to a token. The few events without text count as if they had one.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    events: u64,
    bytes: u64,
    shortest: u64,
}

impl Seen {
    fn event(&mut self, data: &[u8]) {
        let length = data.len() as u64;
        self.shortest = if self.events == 0 { length } else { self.shortest.min(length) };
        self.events += 1;
        self.bytes += length;
    }

    fn tokens(&self) -> u64 {
        let text = self.bytes.saturating_sub(self.events.saturating_mul(self.shortest));
        self.events.max(text / 4)
    }
}

impl Watched {
    /// A stream at its start.
    pub(crate) fn new(endpoint: Endpoint, framing: Framing) -> Self {
        let watch = endpoints::dialect(endpoint).map_or_else(StreamWatch::detect, StreamWatch::new);
        Self { frames: Frames::new(framing), watch, broken: None, seen: Seen::default() }
    }

    /// Takes the next bytes, `end` with the last ones, and shows every event to `also`.
    pub(crate) fn feed(&mut self, bytes: &[u8], end: bool, mut also: impl FnMut(Event<'_>)) {
        if self.broken.is_some() {
            return;
        }
        let (watch, seen) = (&mut self.watch, &mut self.seen);
        let fed = self.frames.feed(bytes, end, |event| {
            if let Event::Data { name, data } = event {
                watch.event(name, data);
                seen.event(data);
            }
            also(event);
            Ok::<(), framing::Error>(())
        });
        self.broken = fed.err();
    }

    pub(crate) fn facts(&self) -> &AnswerFacts {
        &self.watch.facts
    }

    /// The provider has said that the answer is complete.
    pub(crate) fn complete(&self) -> bool {
        self.watch.complete
    }

    /// The provider has reported an error inside the stream.
    pub(crate) fn failed(&self) -> bool {
        self.watch.failed
    }

    /// What is wrong with the framing.
    pub(crate) fn broken(&self) -> Option<&framing::Error> {
        self.broken.as_ref()
    }

    /// How many events have passed.
    pub(crate) fn events(&self) -> u64 {
        self.seen.events
    }

    /// About how many tokens have passed.
    pub(crate) fn estimated_output(&self) -> u64 {
        self.seen.tokens()
    }
}
