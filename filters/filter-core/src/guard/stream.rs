//! Guards on a stream as it passes.
//!
//! Every event keeps its place. What an event says goes through the guards of its thread; while a guard cannot decide
//! about the end of it yet, the event waits, and all events behind it. So an event leaves when nothing it says can be
//! part of a match any more, with what the guards have left of its text.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use filter_config::{Endpoint, Scope};
use framing::{aws_event_stream, sse};
use llm_dialects::dialect::Framing;
use prompt_guard::{Chain, Piece, Vault};
use text_views::{ChangedReasoning, EventReader, Form, Slot, Thread, Views};

use super::document::{Event, Unreadable};
use super::plan::GuardPlan;
use super::texts::{Parts, form, joins};

/// A stream under guard.
#[derive(Debug)]
pub(super) struct GuardedStream {
    plan: Arc<GuardPlan>,
    decoder: Decoder,
    work: Work,
}

#[derive(Debug)]
enum Decoder {
    Sse(Box<sse::Decoder>),
    Aws(Box<aws_event_stream::Decoder>),
}

#[derive(Debug)]
struct Work {
    reader: EventReader,
    chains: BTreeMap<Thread, Checked>,
    held: VecDeque<Held>,
    /// What the guards have left so far of the texts of held events.
    settled: BTreeMap<u64, String>,
    /// Number of the next text.
    next: u64,
    /// What has left of each block, for events that repeat it.
    said: BTreeMap<(Thread, u32), String>,
    /// The dialect has such events.
    repeats: bool,
    /// The dialect says which content block a text is of.
    blocks: bool,
    /// Reasoning that has left with another text, for signatures over it.
    changed: ChangedReasoning,
    /// How often each rule has matched in threads that are over.
    finished_matches: Vec<u64>,
    /// Events that have left.
    sent: u64,
}

/// A thread and its guards.
#[derive(Debug)]
struct Checked {
    chain: Chain,
    scope: Scope,
    form: Form,
    /// The content block it is in.
    block: u32,
}

/// An event that waits.
#[derive(Debug)]
struct Held {
    event: Waiting,
    /// Number of its first text.
    first: u64,
    /// Number behind its last.
    end: u64,
}

#[derive(Debug)]
enum Waiting {
    /// Its data is written when its texts are decided.
    Event(Box<(Frame, Views<'static>)>),
    /// It says nothing: how it is written.
    Written(Vec<u8>),
}

/// What is around the data of an event.
#[derive(Debug)]
enum Frame {
    Sse { event: Option<Vec<u8>>, id: Option<Vec<u8>>, retry: Option<u64> },
    Aws { headers: Vec<u8> },
    Nothing,
}

/// Why a stream ends here.
#[derive(Debug)]
pub(super) enum Stopped {
    /// A guard rejects it: the number of the rule.
    Rejected(usize),
    /// It cannot be read.
    Unreadable(Unreadable),
}

impl From<Unreadable> for Stopped {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable(unreadable)
    }
}

impl From<text_views::Error> for Stopped {
    fn from(error: text_views::Error) -> Self {
        Self::Unreadable(error.into())
    }
}

impl From<framing::Error> for Stopped {
    fn from(error: framing::Error) -> Self {
        Self::Unreadable(error.into())
    }
}

impl GuardedStream {
    pub(super) fn new(plan: Arc<GuardPlan>, endpoint: Endpoint, framing: Framing) -> Self {
        let decoder = match framing {
            Framing::Sse => Decoder::Sse(Box::new(sse::Decoder::new(sse::Limits::default()))),
            Framing::AwsEventStream => {
                Decoder::Aws(Box::new(aws_event_stream::Decoder::new(aws_event_stream::Limits::default())))
            }
        };
        let work = Work {
            reader: EventReader::new(endpoint),
            chains: BTreeMap::new(),
            held: VecDeque::new(),
            settled: BTreeMap::new(),
            next: 0,
            said: BTreeMap::new(),
            repeats: matches!(
                endpoint,
                Endpoint::OpenaiResponses | Endpoint::OpenaiChat | Endpoint::OpenaiAudio | Endpoint::Detect
            ),
            blocks: Parts::of_answer(endpoint) == Parts::Blocks,
            changed: ChangedReasoning::default(),
            finished_matches: Vec::new(),
            sent: 0,
        };
        Self { plan, decoder, work }
    }

    /// How many events have left.
    pub(super) fn sent(&self) -> u64 {
        self.work.sent
    }

    /// Takes the next bytes, `end` with the last ones, and appends what may leave to `out`. With an error nothing more
    /// may.
    pub(super) fn chunk(
        &mut self,
        bytes: &[u8],
        end: bool,
        vault: &mut Vault,
        out: &mut Vec<u8>,
    ) -> Result<(), Stopped> {
        let Self { plan, decoder, work } = self;
        match decoder {
            Decoder::Sse(decoder) => {
                let mut sink = |frame: sse::Frame<'_>| match frame {
                    sse::Frame::Event(event) => work.event(plan, &Event::Sse(event), vault, out),
                    sse::Frame::Comment(text) => work.event(plan, &Event::Comment(text), vault, out),
                };
                decoder.feed(bytes, &mut sink)?;
                if end {
                    decoder.finish(&mut sink)?;
                }
            }
            Decoder::Aws(decoder) => {
                decoder.feed(bytes, |message| work.event(plan, &Event::Aws(message), vault, out))?;
                if end {
                    decoder.finish().map_err(Unreadable::from)?;
                }
            }
        }
        if end {
            let open: Vec<Thread> = work.chains.keys().copied().collect();
            work.finish(plan, &open, vault)?;
            work.release(plan, u64::MAX, out)?;
        }
        Ok(())
    }

    /// How often each rule matched in what has been checked so far.
    pub(super) fn matches(&self) -> Vec<u64> {
        let mut matches = self.work.finished_matches.clone();
        for checked in self.work.chains.values() {
            checked.count(&self.plan, &mut matches);
        }
        matches
    }
}

impl Checked {
    fn count(&self, plan: &GuardPlan, matches: &mut Vec<u64>) {
        for (matches_of_guard, rule) in self.chain.tally().into_iter().zip(plan.streamed(self.scope).rules())
        {
            if matches.len() <= *rule {
                matches.resize(*rule + 1, 0);
            }
            if let Some(count) = matches.get_mut(*rule) {
                *count += matches_of_guard;
            }
        }
    }
}

impl Work {
    fn event(
        &mut self,
        plan: &GuardPlan,
        event: &Event<'_>,
        vault: &mut Vault,
        out: &mut Vec<u8>,
    ) -> Result<(), Stopped> {
        let first = self.next;
        let Some((name, data)) = event.content() else {
            return self.pass(event, out);
        };
        let views = self.reader.views(name, data)?;
        for slot in views.slots() {
            self.text(plan, slot, self.next, vault)?;
            self.next += 1;
        }
        let ends = views.ends().to_vec();
        self.finish(plan, &ends, vault)?;
        // The end of a thread may be what events before this one waited for.
        let undecided = self.undecided();
        self.release(plan, undecided, out)?;
        if self.held.is_empty() && self.next <= undecided.max(first) {
            return self.send(plan, event, views, first, out);
        }
        let event = Waiting::Event(Box::new((Frame::of(event), views.into_owned())));
        self.held.push_back(Held { event, first, end: self.next });
        Ok(())
    }

    /// What says nothing goes on in its turn.
    fn pass(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), Stopped> {
        if self.held.is_empty() {
            return Ok(event.write(None, out)?);
        }
        let mut written = Vec::new();
        event.write(None, &mut written)?;
        self.held.push_back(Held { event: Waiting::Written(written), first: self.next, end: self.next });
        Ok(())
    }

    fn text(
        &mut self,
        plan: &GuardPlan,
        slot: &Slot<'_>,
        number: u64,
        vault: &mut Vault,
    ) -> Result<(), Stopped> {
        // What says nothing waits for nothing: most streams begin so.
        if slot.snapshot || slot.text.is_empty() {
            return Ok(());
        }
        if self.chains.get(&slot.thread).is_some_and(|checked| !joins(checked.form, slot.form)) {
            self.finish(plan, &[slot.thread], vault)?;
        }
        let blocks = self.blocks;
        let checked = self.chains.entry(slot.thread).or_insert_with(|| Checked {
            chain: plan.streamed(slot.scope).start(form(slot.form), blocks, plan.restores),
            scope: slot.scope,
            form: slot.form,
            block: slot.block,
        });
        let mut pieces = Vec::new();
        let mut result = Ok(());
        if blocks && checked.block != slot.block {
            checked.block = slot.block;
            result = checked.chain.next_block(vault, &mut pieces);
        }
        if result.is_ok() {
            result = checked.chain.push(&slot.text, number, vault, &mut pieces);
        }
        settle(&mut self.settled, pieces);
        result.map_err(|rejected| plan.stopped(checked.scope, &rejected))
    }

    fn finish(&mut self, plan: &GuardPlan, threads: &[Thread], vault: &mut Vault) -> Result<(), Stopped> {
        for thread in threads {
            let Some(mut checked) = self.chains.remove(thread) else { continue };
            let mut pieces = Vec::new();
            let result = checked.chain.finish(vault, &mut pieces);
            settle(&mut self.settled, pieces);
            checked.count(plan, &mut self.finished_matches);
            result.map_err(|rejected| plan.stopped(checked.scope, &rejected))?;
        }
        Ok(())
    }

    /// The number of the first text that is not decided yet.
    fn undecided(&self) -> u64 {
        self.chains.values().filter_map(|checked| checked.chain.held_since()).min().unwrap_or(u64::MAX)
    }

    /// Lets go what need not wait any more.
    fn release(&mut self, plan: &GuardPlan, undecided: u64, out: &mut Vec<u8>) -> Result<(), Stopped> {
        while self.held.front().is_some_and(|held| held.end <= undecided.max(held.first)) {
            let Some(held) = self.held.pop_front() else { break };
            match held.event {
                Waiting::Event(event) => {
                    let (frame, views) = *event;
                    self.send(plan, &frame.empty(), views, held.first, out)?;
                }
                Waiting::Written(written) => out.extend_from_slice(&written),
            }
        }
        Ok(())
    }

    /// The data of an event whose first text has this number, with what the guards have left of its texts.
    fn renew<'a>(
        &mut self,
        plan: &GuardPlan,
        mut views: Views<'a>,
        first: u64,
    ) -> Result<Cow<'a, [u8]>, Stopped> {
        for (index, number) in (0..views.slots().len()).zip(first..) {
            let Some(slot) = views.slots().get(index) else { continue };
            let block = (slot.thread, slot.block);
            let text = if slot.snapshot {
                self.said.get(&block).cloned().unwrap_or_default()
            } else {
                let text = self.settled.remove(&number).unwrap_or_default();
                if self.repeats {
                    self.said.entry(block).or_default().push_str(&text);
                }
                text
            };
            views.replace(index, &text)?;
        }
        views.mark_signatures(&mut self.changed);
        if plan.changes_answers {
            views.drop_echoes();
        }
        Ok(views.into_body())
    }

    /// Lets an event go that has these texts.
    fn send(
        &mut self,
        plan: &GuardPlan,
        event: &Event<'_>,
        views: Views<'_>,
        first: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Stopped> {
        let data = self.renew(plan, views, first)?;
        event.write(Some(&data), out)?;
        self.sent += 1;
        Ok(())
    }
}

impl Frame {
    fn of(event: &Event<'_>) -> Self {
        match event {
            Event::Sse(event) => Self::Sse {
                event: event.event.map(<[u8]>::to_vec),
                id: event.id.map(<[u8]>::to_vec),
                retry: event.retry,
            },
            Event::Aws(message) => Self::Aws { headers: message.headers.as_bytes().to_vec() },
            Event::Comment(_) | Event::Element(_) => Self::Nothing,
        }
    }

    /// The event without its data.
    fn empty(&self) -> Event<'_> {
        match self {
            Self::Sse { event, id, retry } => Event::Sse(sse::Event {
                event: event.as_deref(),
                id: id.as_deref(),
                retry: *retry,
                ..sse::Event::default()
            }),
            Self::Aws { headers } => Event::Aws(aws_event_stream::Message {
                headers: aws_event_stream::Headers::of(headers),
                payload: &[],
            }),
            Self::Nothing => Event::Element(&[]),
        }
    }
}

fn settle(settled: &mut BTreeMap<u64, String>, pieces: Vec<Piece>) {
    for piece in pieces {
        settled.entry(piece.tag).or_default().push_str(&piece.text);
    }
}
