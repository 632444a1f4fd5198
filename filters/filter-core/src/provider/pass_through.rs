//! Streams that pass: client and provider speak the same.

use framing::sse;
use llm_dialects::Dialect;
use llm_dialects::dialect::Framing;
use llm_dialects::hub::{ApiError, StreamEvent};

use super::stream::{State, cut_short, ended, too_long, with_room};
use crate::BodyFlow;
use crate::frames::Event;
use crate::watched::Watched;

/// What is kept of the memory that a large event took, in bytes.
const KEPT_CAPACITY: usize = 64 * 1024;

/// A stream whose bytes pass; usage is read off.
#[derive(Debug)]
pub(super) struct PassThrough {
    client: Dialect,
    pub(super) watched: Watched,
    /// The client did not ask for usage, and does not get it.
    take_usage_out: bool,
    /// Of a stream that may be ended: what has come of an event that is not whole.
    held: Vec<u8>,
}

impl PassThrough {
    pub(super) fn new(client: Dialect, watched: Watched, take_usage_out: bool) -> Self {
        Self { client, watched, take_usage_out, held: Vec::new() }
    }

    /// Lets a chunk pass as it is.
    pub(super) fn chunk(&mut self, bytes: &[u8], end: bool, state: &mut State) -> BodyFlow {
        let mut rewritten = Vec::with_capacity(if self.take_usage_out { bytes.len() } else { 0 });
        self.feed(bytes, end, &mut rewritten);
        self.note_failure(state);
        let Some(error) = self.lacks(end) else {
            return if self.take_usage_out { BodyFlow::Replace(rewritten) } else { BodyFlow::Keep };
        };
        let mut out = if self.take_usage_out { rewritten } else { bytes.to_vec() };
        end_line(self.client, &mut out);
        self.report(error, self.watched.events(), state, &mut out);
        BodyFlow::Replace(out)
    }

    /// Lets the whole events of a chunk pass, up to the one that goes beyond `cap` tokens: the stream ends before it. What
    /// leaves does not depend on how the stream is cut into chunks.
    pub(super) fn chunk_up_to(&mut self, cap: u64, bytes: &[u8], end: bool, state: &mut State) -> BodyFlow {
        let joined = (!self.held.is_empty()).then(|| {
            let mut joined = std::mem::take(&mut self.held);
            joined.extend_from_slice(bytes);
            joined
        });
        let stream = joined.as_deref().unwrap_or(bytes);
        // Up to here events are whole, and up to here they have been looked at.
        let (mut whole, mut seen) = (0, stream.len() - bytes.len());
        let mut rewritten = Vec::new();
        while let (Some(begun), Some(rest @ [_, ..])) = (stream.get(whole..seen), stream.get(seen..)) {
            let (step, rest) = rest.split_at_checked(self.watched.step(begun, rest)).unwrap_or((rest, &[]));
            let (sent, kept) = (self.watched.events(), rewritten.len());
            self.feed(step, false, &mut rewritten);
            if self.is_beyond(cap, state) {
                rewritten.truncate(kept);
                self.drop_chunk(rest, end);
                return self.cut(cap, sent, state, self.passed(stream, whole, rewritten), end);
            }
            seen += step.len();
            whole = whole.max(seen.saturating_sub(self.watched.unfinished()));
            self.note_failure(state);
        }
        if end {
            return self.last(cap, stream, whole, rewritten, state);
        }
        let all = joined.is_none() && whole == stream.len() && !self.take_usage_out;
        let flow =
            if all { BodyFlow::Keep } else { BodyFlow::Replace(self.passed(stream, whole, rewritten)) };
        match joined {
            Some(mut joined) => {
                if whole > 0 {
                    joined.drain(..whole);
                    joined.shrink_to(KEPT_CAPACITY);
                }
                self.held = joined;
            }
            None => self.held.extend_from_slice(bytes.get(whole..).unwrap_or_default()),
        }
        flow
    }

    /// The end of a stream whose events are whole up to `whole`.
    fn last(
        &mut self,
        cap: u64,
        stream: &[u8],
        whole: usize,
        mut rewritten: Vec<u8>,
        state: &mut State,
    ) -> BodyFlow {
        let (sent, kept) = (self.watched.events(), rewritten.len());
        self.feed(&[], true, &mut rewritten);
        if self.is_beyond(cap, state) {
            rewritten.truncate(kept);
            return self.cut(cap, sent, state, self.passed(stream, whole, rewritten), true);
        }
        self.note_failure(state);
        let Some(error) = self.lacks(true) else {
            return BodyFlow::Replace(self.passed(stream, stream.len(), rewritten));
        };
        // Behind a part of a binary message nothing can be read.
        let until = if self.client.framing() == Framing::Sse { stream.len() } else { whole };
        let mut out = self.passed(stream, until, rewritten);
        end_line(self.client, &mut out);
        self.report(error, self.watched.events(), state, &mut out);
        BodyFlow::Replace(out)
    }

    /// What is said behind the end of a stream that was cut: it counts all the same.
    pub(super) fn drop_chunk(&mut self, bytes: &[u8], end: bool) {
        self.watched.feed(bytes, end, |_| ());
    }

    fn feed(&mut self, bytes: &[u8], end: bool, rewritten: &mut Vec<u8>) {
        let take_usage_out = self.take_usage_out;
        self.watched.feed(bytes, end, |event| {
            if !take_usage_out {
                return;
            }
            match event {
                // An event that was decoded can be written: its name holds no line break.
                Event::Data { name, data } if !is_usage_alone(data) => {
                    let _ = sse::Event { event: name, data, ..sse::Event::default() }.write(rewritten);
                }
                Event::Data { .. } => {}
                Event::KeepAlive => sse::write_comment(rewritten, b"keep-alive"),
            }
        });
    }

    fn is_beyond(&self, cap: u64, state: &State) -> bool {
        let open = *state == State::Open && !self.watched.complete() && !self.watched.failed();
        open && self.watched.estimated_output() > with_room(cap)
    }

    fn note_failure(&self, state: &mut State) {
        if self.watched.failed() && *state == State::Open {
            *state = State::Failed("the provider reported an error in the stream".to_owned());
        }
    }

    /// What a stream that ends here lacks.
    fn lacks(&self, end: bool) -> Option<ApiError> {
        let whole = !end || self.watched.complete() || self.watched.failed();
        (!whole).then(|| cut_short(self.watched.broken()))
    }

    /// What leaves of a stream up to `until`.
    fn passed(&self, stream: &[u8], until: usize, rewritten: Vec<u8>) -> Vec<u8> {
        if self.take_usage_out { rewritten } else { stream.get(..until).unwrap_or(stream).to_vec() }
    }

    /// Ends the stream behind `out`, with which `sent` events have left.
    fn cut(&self, cap: u64, sent: u64, state: &mut State, mut out: Vec<u8>, end: bool) -> BodyFlow {
        let error = too_long(cap);
        self.encode(&error, sent, &mut out);
        *state = State::Broken(error.message);
        if end { BodyFlow::Replace(out) } else { ended(out) }
    }

    fn report(&self, error: ApiError, sent: u64, state: &mut State, out: &mut Vec<u8>) {
        self.encode(&error, sent, out);
        *state = State::Failed(error.message);
    }

    /// Writes an error behind `sent` events.
    fn encode(&self, error: &ApiError, sent: u64, out: &mut Vec<u8>) {
        let mut encoder = self.client.stream_encoder(0, false);
        encoder.behind(sent);
        encoder.event(&StreamEvent::Error(error.clone()), out);
    }
}

/// The last event may lack its blank line; what follows must be an event of its own.
fn end_line(client: Dialect, out: &mut Vec<u8>) {
    if client.framing() == Framing::Sse {
        out.extend_from_slice(b"\n\n");
    }
}

/// Whether an OpenAI chunk holds usage and nothing else.
fn is_usage_alone(data: &[u8]) -> bool {
    let compact = |text: &[u8]| memchr::memmem::find(data, text).is_some();
    (compact(b"\"choices\":[]") || compact(b"\"choices\": []")) && compact(b"\"usage\"")
}
