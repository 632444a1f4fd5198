//! Blocks: the lines between two blank lines.
//!
//! Finding a block's end and reading its fields are two passes. The first keeps its place between chunks, so that an
//! event arriving byte by byte is still looked at once; the second runs on contiguous bytes, so that it can lend them.

use memchr::{memchr, memchr2};

use super::{Ending, Event, Frame};

const CR: u8 = b'\r';
const LF: u8 = b'\n';

/// Drops the line breaks at the start of `bytes`: between blocks, blank lines mean nothing. This also drops the LF of
/// a CRLF whose CR already ended the block before.
pub(super) fn skip_blank_lines(bytes: &[u8]) -> &[u8] {
    let blank = bytes.iter().take_while(|&&byte| byte == CR || byte == LF).count();
    bytes.get(blank..).unwrap_or_default()
}

/// A whole block of nothing but one `data` line, as most events are.
pub(super) struct OneDataLine<'a> {
    /// The line, with its line break.
    pub(super) lines: &'a [u8],
    pub(super) data: &'a [u8],
    /// What follows, beginning with the line break that ends the block.
    pub(super) rest: &'a [u8],
}

/// The block at the start of `bytes` if it is whole, has nothing but a `data` line, and all line breaks are LF: found in
/// one pass. Everything else takes [`Search`] and [`read`].
pub(super) fn one_data_line(bytes: &[u8]) -> Option<OneDataLine<'_>> {
    let value = bytes.strip_prefix(b"data:")?;
    let at = bytes.len() - value.len() + memchr2(CR, LF, value)?;
    let (line, [LF, rest @ ..]) = bytes.split_at_checked(at)? else { return None };
    if rest.first() != Some(&LF) {
        return None;
    }
    let data = line.strip_prefix(b"data: ").or_else(|| line.strip_prefix(b"data:"))?;
    Some(OneDataLine { lines: bytes.get(..=at)?, data, rest })
}

/// Searches for the end of one block across any number of chunks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Search {
    /// Nothing of the block was seen yet; its first byte is no line break.
    #[default]
    Start,
    /// In a comment line before any field. It is a block of its own, so that a keep-alive is not held back until the
    /// next event.
    Comment,
    /// Inside a line.
    Line,
    /// After a CR, which ends a line whether or not an LF follows.
    AfterCr,
    /// After a line's LF.
    LineStart,
}

impl Search {
    /// Looks at the next bytes of the block and returns the offset of the line break that ends it, if that is here.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut offset = 0;
        loop {
            let rest = bytes.get(offset..)?;
            match *self {
                Search::Start => *self = if *rest.first()? == b':' { Search::Comment } else { Search::Line },
                Search::Comment => return memchr2(CR, LF, rest).map(|at| offset + at),
                Search::Line => {
                    let at = memchr2(CR, LF, rest)?;
                    *self = if rest.get(at) == Some(&CR) { Search::AfterCr } else { Search::LineStart };
                    offset += at + 1;
                }
                Search::AfterCr if *rest.first()? == LF => {
                    *self = Search::LineStart;
                    offset += 1;
                }
                Search::AfterCr | Search::LineStart => match *rest.first()? {
                    CR | LF => return Some(offset),
                    _ => *self = Search::Line,
                },
            }
        }
    }

    /// How a block ends if the input ends here.
    pub(super) fn ending(self) -> Ending {
        match self {
            Search::Start => Ending::Complete,
            Search::Comment | Search::Line => Ending::MidLine,
            Search::AfterCr | Search::LineStart => Ending::LineEnd,
        }
    }
}

/// Reads one block, that is all its lines without the blank one, and hands its comments and then its event to `sink`.
/// `joined` is scratch space for data of several lines.
pub(super) fn read<E>(
    block: &[u8],
    ending: Ending,
    joined: &mut Vec<u8>,
    mut sink: impl FnMut(Frame<'_>) -> Result<(), E>,
) -> Result<(), E> {
    joined.clear();
    let mut event = Event { ending, ..Event::default() };
    let mut data = Data::Absent;
    let mut rest = block;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        if ending == Ending::MidLine && after.is_none() {
            // Cut by the end of input. A cut name or id is a wrong one, and a cut comment of no use; cut data is
            // delivered because it may just as well be whole (`data: [DONE]`, connection closed).
            if let (b"data", value @ [_, ..]) = split_field(line) {
                data = data.push(value, joined);
            }
            break;
        }
        rest = after.unwrap_or_default();
        match split_field(line) {
            (b"data", value) => data = data.push(value, joined),
            (b"event", value) => event.event = Some(value).filter(|name| !name.is_empty()),
            (b"", comment) if line.first() == Some(&b':') => sink(Frame::Comment(comment))?,
            (b"id", value) if memchr(0, value).is_none() => event.id = Some(value),
            (b"retry", value) => event.retry = milliseconds(value).or(event.retry),
            _ => {}
        }
    }
    event.data = match data {
        Data::Absent => return Ok(()),
        Data::Line(line) => line,
        Data::Joined => joined.as_slice(),
    };
    sink(Frame::Event(event))
}

/// The data seen so far: lent while it is one line, copied together from the second on.
enum Data<'a> {
    Absent,
    Line(&'a [u8]),
    Joined,
}

impl<'a> Data<'a> {
    fn push(self, line: &'a [u8], joined: &mut Vec<u8>) -> Self {
        match self {
            Data::Absent => return Data::Line(line),
            Data::Line(first) => joined.extend_from_slice(first),
            Data::Joined => {}
        }
        joined.push(LF);
        joined.extend_from_slice(line);
        Data::Joined
    }
}

/// Splits off the first line; what follows its line end is `None` if it has none.
pub(super) fn split_line(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr2(CR, LF, bytes).and_then(|at| bytes.split_at_checked(at)) {
        Some((line, [CR, LF, after @ ..] | [_, after @ ..])) => (line, Some(after)),
        _ => (bytes, None),
    }
}

/// Splits a line at its first colon and drops one space after it; a line without colon is a field without value.
fn split_field(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b':', line).and_then(|at| line.split_at_checked(at)) {
        Some((name, [_, b' ', value @ ..] | [_, value @ ..])) => (name, value),
        _ => (line, &[]),
    }
}

/// The value of a `retry` field; `None` for anything but ASCII digits that fit, which the standard ignores.
fn milliseconds(value: &[u8]) -> Option<u64> {
    // `u64::from_str` alone would also take a leading plus sign.
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}
