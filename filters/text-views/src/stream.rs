//! Streams: what one event means depends on those before it.

use std::collections::{BTreeMap, BTreeSet};

use filter_config::Endpoint;

use crate::Error;
use crate::dialects::{self, Holds};
use crate::json::Fault;
use crate::passage::Passages;
use crate::slot::{At, Thread, ThreadKind};
use crate::views::Views;

/// Most threads, calls and blocks one stream may have: more than any model makes, few enough to stay small.
const MAX_PARTS: usize = 16_384;

/// Reads the events of one stream in order.
///
/// It remembers which threads have begun, which tool call a delta belongs to, and which blocks have been sent, never
/// any text. One is needed per stream; a stream that is cut short leaves threads [`open`](Self::open).
#[derive(Debug)]
pub struct EventReader {
    endpoint: Endpoint,
    state: State,
}

impl EventReader {
    /// For a stream that answers a request to `endpoint`, in the client's dialect.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, state: State::default() }
    }

    /// For a single event of which nothing is known.
    pub(crate) fn alone(endpoint: Endpoint) -> Self {
        let blocks = Blocks { alone: true, ..Blocks::default() };
        Self { endpoint, state: State { blocks, ..State::default() } }
    }

    /// The texts of the next event. `event` is its name: the `event:` field of Server-Sent Events, which may be
    /// empty, or the `:event-type` of a Bedrock message, which must not. `data` is its data or payload. Empty data and
    /// `[DONE]` have no texts.
    ///
    /// # Errors
    /// As [`Views::of_request`].
    pub fn views<'a>(&mut self, event: &str, data: &'a [u8]) -> Result<Views<'a>, Error> {
        let state = &mut self.state;
        match data.trim_ascii() {
            b"" => return Ok(Views::without_texts(data)),
            b"[DONE]" => {
                let ends = std::mem::take(&mut state.open).into_iter().collect();
                return Ok(Views::without_texts(data).with_ends(ends));
            }
            _ => {}
        }
        match dialects::of_event(self.endpoint) {
            Holds::Texts => {}
            Holds::Nothing => return Ok(Views::without_texts(data)),
            Holds::Unreadable(reason) => return Err(Error::opaque(reason)),
        }
        state.ending.clear();
        state.about.clear();
        state.blocks.repeats = false;
        let views = Views::read(data, |root, found| {
            found.passages = std::mem::take(&mut state.passages);
            dialects::event(self.endpoint, event, root, state, found)?;
            state.passages = std::mem::take(&mut found.passages);
            Ok(())
        })?;
        for slot in views.slots().iter().filter(|slot| !slot.snapshot) {
            state.open.insert(slot.thread);
            if !slot.text.is_empty() {
                state.blocks.seen.insert(slot.block);
            }
        }
        let parts = [state.open.len(), state.calls.len(), state.blocks.numbers.len(), state.passages.len()];
        if parts.into_iter().any(|parts| parts > MAX_PARTS) {
            return Err(Error::TooMuch { limit: MAX_PARTS, of: "texts in one stream" });
        }
        let ends = state.finish();
        Ok(views.with_ends(ends))
    }

    /// The threads that have begun and not ended: when the stream is over, what is held back of them must leave.
    pub fn open(&self) -> impl Iterator<Item = Thread> {
        self.state.open.iter().copied()
    }
}

/// What a reader remembers.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    open: BTreeSet<Thread>,
    /// Of the event at hand.
    ending: Vec<Ending>,
    /// Messages that have said that they are over.
    over: BTreeSet<u32>,
    /// Messages the event at hand is about, and whether it says that they are over.
    about: BTreeMap<u32, bool>,
    calls: Vec<Call>,
    pub(crate) blocks: Blocks,
    /// Of each candidate of Gemini.
    pub(crate) candidates: BTreeMap<u32, PartCount>,
    /// Of the reasoning so far, where only signatures set them apart.
    passages: Passages,
}

/// What ends with an event.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending {
    Everything,
    /// The texts of one block that are not joined with those of others.
    Block(u32),
    One(Thread),
}

/// A tool call of a chat stream.
#[derive(Debug, Clone)]
struct Call {
    choice: u32,
    index: Option<u32>,
    id: String,
    ordinal: u32,
}

impl State {
    /// The open threads that end with the event at hand; they are no longer open.
    fn finish(&mut self) -> Vec<Thread> {
        let mut ends = Vec::new();
        let about = std::mem::take(&mut self.about);
        for message in std::mem::take(&mut self.over) {
            if !about.contains_key(&message) {
                let first = Thread { message, kind: ThreadKind::FIRST, part: 0 };
                ends.extend(self.open.range(first..).take_while(|thread| thread.message == message));
            }
        }
        ends.iter().for_each(|ended| {
            self.open.remove(ended);
        });
        self.over.extend(about.into_iter().filter(|(_, over)| *over).map(|(message, _)| message));
        for ending in std::mem::take(&mut self.ending) {
            let from = ends.len();
            match ending {
                Ending::Everything => ends.extend(&self.open),
                Ending::Block(part) => {
                    ends.extend(
                        self.open.iter().filter(|thread| !thread.kind.is_joined() && thread.part == part),
                    );
                }
                Ending::One(thread) => ends.extend(self.open.get(&thread)),
            }
            for ended in ends.iter().skip(from) {
                self.open.remove(ended);
            }
        }
        ends
    }

    pub(crate) fn end(&mut self, ending: Ending) {
        self.ending.push(ending);
    }

    /// The event is about a choice or candidate, and may say that it is over. Some providers say so with every piece of
    /// a text, so it ends with the first event that is not about it, or with the stream.
    pub(crate) fn about(&mut self, message: u32, over: bool) {
        self.about.insert(message, over);
    }

    /// Which call of a choice a delta belongs to: providers leave out the index, the id after the first delta, or give
    /// every call index 0 and another id.
    pub(crate) fn call(&mut self, choice: u32, index: Option<u32>, id: &str) -> u32 {
        let of_choice = || self.calls.iter().rev().filter(|call| call.choice == choice);
        let at_index = || of_choice().filter(|call| index.is_none() || call.index == index);
        let known = match id {
            "" => at_index().next(),
            id => at_index()
                .find(|call| call.id == id)
                .or_else(|| at_index().next().filter(|call| call.id.is_empty())),
        };
        if let Some(call) = known {
            return call.ordinal;
        }
        let ordinal = of_choice().next().map_or(0, |call| call.ordinal.saturating_add(1));
        // One too many is enough for the limit to be noticed.
        if self.calls.len() <= MAX_PARTS {
            self.calls.push(Call { choice, index, id: id.to_owned(), ordinal });
        }
        ordinal
    }
}

/// Numbers of the content blocks of an answer whose items hold lists of parts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blocks {
    numbers: BTreeMap<(u32, Sub, u32), u32>,
    seen: BTreeSet<u32>,
    /// Whether the event at hand can repeat what was sent.
    pub(crate) repeats: bool,
    alone: bool,
}

/// The lists an item of the Responses API holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sub {
    Content,
    Summary,
    Input,
    Output,
    Other,
}

impl Blocks {
    /// `at` in part `part` of a list of item `item`.
    pub(crate) fn at(&mut self, at: At, item: u32, sub: Sub, part: u32) -> Result<At, Fault> {
        let next = self.numbers.len();
        if next > MAX_PARTS * 8 {
            return Err(Fault::TooMuch { limit: MAX_PARTS * 8, of: "parts" });
        }
        let number = *self.numbers.entry((item, sub, part)).or_insert(next as u32);
        Ok(at.block(number).snapshot(self.repeats && (self.alone || self.seen.contains(&number))))
    }
}

/// Counts the calls and results in the parts of a candidate of Gemini, which have no index.
#[derive(Debug, Clone, Default)]
pub(crate) struct PartCount {
    pub(crate) calls: u32,
    /// The path of the argument that is being streamed, and its thread.
    pub(crate) argument: Option<(String, u32)>,
}
