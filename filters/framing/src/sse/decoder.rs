//! The decoder: chunks in, frames out.

use super::block::{self, Search};
use super::{Ending, Event, Frame};
use crate::Error;

/// Default of [`Limits::event_bytes`]: 4 MiB. Text events of the providers are a few KiB at most; the large ones are
/// base64 images in one event, which run to 2-3 MiB.
pub const DEFAULT_EVENT_BYTES: usize = 4 * 1024 * 1024;

/// Buffers that grew beyond this many bytes for one large event are freed after it, so that a stream which once sent
/// an image does not hold its memory until it ends.
const KEPT_CAPACITY: usize = 64 * 1024;

/// The byte order mark that may precede the stream (U+FEFF in UTF-8).
const BOM: &[u8] = b"\xef\xbb\xbf";

/// How much a [`Decoder`] accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest event in bytes, counted on the wire: all its lines with field names and line ends, without the blank
    /// line after it. A comment counts as an event. This also bounds what the decoder buffers.
    pub event_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { event_bytes: DEFAULT_EVENT_BYTES }
    }
}

/// Decodes one event stream, given in chunks of any size.
///
/// An event that lies inside one chunk is lent from it, not copied (unless it has several `data` lines, which must be
/// joined). Only an event still unfinished at the end of a chunk is kept, until the rest of it arrives.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    state: State,
    /// The unfinished block at the end of the last chunk.
    tail: Vec<u8>,
    /// Where the search for the end of that block stands.
    search: Search,
    /// Scratch space for data of several lines.
    joined: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// At the start of the stream, after this many bytes of a byte order mark.
    Bom(usize),
    Open,
    Failed(Error),
}

impl Decoder {
    /// A decoder at the start of a stream. Allocates nothing until an event is split between chunks.
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: State::Bom(0), tail: Vec::new(), search: Search::default(), joined: Vec::new() }
    }

    /// Decodes the next chunk, and calls `sink` for every frame it completes, in the order of the stream. A comment
    /// between the lines of an event comes before that event.
    ///
    /// # Errors
    /// [`Error::EventTooLarge`] as soon as an event exceeds the limit, and whatever `sink` returns. Both are final:
    /// later calls return the same error, or [`Error::Closed`] after an error of the sink or after [`Self::finish`].
    pub fn feed<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        mut sink: impl FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = self.skip_bom(chunk)?;
        loop {
            if self.tail.is_empty() {
                rest = block::skip_blank_lines(rest);
                self.search = Search::default();
            }
            if rest.is_empty() {
                return Ok(());
            }
            if self.tail.is_empty()
                && let Some(block) = block::one_data_line(rest)
            {
                self.check_size(block.lines)?;
                if let Err(error) = sink(Frame::Event(Event { data: block.data, ..Event::default() })) {
                    self.fail(Error::Closed);
                    return Err(error);
                }
                rest = block.rest;
                continue;
            }
            let Some((part, after)) = self.search.advance(rest).and_then(|end| rest.split_at_checked(end))
            else {
                self.check_size(rest)?;
                self.tail.extend_from_slice(rest);
                return Ok(());
            };
            self.check_size(part)?;
            self.read_block(part, Ending::Complete, &mut sink)?;
            rest = after;
        }
    }

    /// Ends the stream, delivers an event that the input left without its blank line, and says how the input ended.
    ///
    /// The standard would discard that event; see the [module documentation](super) for why this does not. Of a line
    /// that the input left without line end, only a non-empty `data:` value is used. The event carries the same
    /// [`Ending`] as is returned. The decoder is closed afterwards.
    ///
    /// # Errors
    /// The error of an earlier call ([`Error::Closed`] after one of the sink, or if this was called before), or that of
    /// `sink`.
    pub fn finish<E: From<Error>>(
        &mut self,
        mut sink: impl FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<Ending, E> {
        let ending = match self.state {
            State::Failed(error) => return Err(error.into()),
            State::Bom(0) => Ending::Complete,
            State::Bom(_) => Ending::MidLine,
            State::Open => self.search.ending(),
        };
        if !self.tail.is_empty() {
            self.read_block(&[], ending, &mut sink)?;
        }
        self.fail(Error::Closed);
        Ok(ending)
    }

    /// Number of bytes held back: the unfinished event at the end of the last chunk. Never more than
    /// [`Limits::event_bytes`].
    pub fn buffered(&self) -> usize {
        self.tail.len()
    }

    /// Reads the block made of the kept tail and `part`, and forgets the tail.
    fn read_block<E>(
        &mut self,
        part: &[u8],
        ending: Ending,
        sink: impl FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let result = if self.tail.is_empty() {
            block::read(part, ending, &mut self.joined, sink)
        } else {
            self.tail.extend_from_slice(part);
            let result = block::read(&self.tail, ending, &mut self.joined, sink);
            reset(&mut self.tail);
            result
        };
        reset(&mut self.joined);
        if result.is_err() {
            self.fail(Error::Closed);
        }
        result
    }

    /// Fails if the unfinished block together with `part` is over the limit.
    fn check_size(&mut self, part: &[u8]) -> Result<(), Error> {
        let limit = self.limits.event_bytes;
        if self.tail.len().saturating_add(part.len()) <= limit {
            return Ok(());
        }
        Err(self.fail(Error::EventTooLarge { limit }))
    }

    /// Drops a byte order mark at the start of the stream, which may itself be split between chunks. What began like
    /// one and is none belongs to the first line.
    fn skip_bom<'a>(&mut self, chunk: &'a [u8]) -> Result<&'a [u8], Error> {
        let seen = match self.state {
            State::Open => return Ok(chunk),
            State::Failed(error) => return Err(error),
            State::Bom(seen) => seen,
        };
        let (before, missing) = BOM.split_at_checked(seen).unwrap_or((BOM, &[]));
        if let Some(rest) = chunk.strip_prefix(missing) {
            self.state = State::Open;
            return Ok(rest);
        }
        if missing.starts_with(chunk) {
            self.state = State::Bom(seen + chunk.len());
            return Ok(&[]);
        }
        self.state = State::Open;
        if !before.is_empty() {
            self.check_size(before)?;
            self.search.advance(before);
            self.tail.extend_from_slice(before);
        }
        Ok(chunk)
    }

    /// Enters the failed state for good and frees the buffers.
    fn fail(&mut self, error: Error) -> Error {
        self.state = State::Failed(error);
        self.tail = Vec::new();
        self.joined = Vec::new();
        error
    }
}

/// Empties a buffer, and frees it if one large event made it grow.
fn reset(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT_CAPACITY {
        *buffer = Vec::new();
    } else {
        buffer.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_are_freed_after_their_event() {
        let mut decoder = Decoder::new(Limits::default());
        let line = vec![b'x'; 1 << 20];
        for part in [b"data: ", &line[..], b"\ndata: ", &line[..], b"\n\n"] {
            decoder.feed(part, |_| Ok::<(), Error>(())).unwrap();
        }
        assert_eq!((decoder.tail.capacity(), decoder.joined.capacity()), (0, 0));
    }
}
