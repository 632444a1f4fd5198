//! Counting a text that arrives in parts.

use crate::classes::{self, LETTER, LOWER, MARK, NEWLINE, WHITE};
use crate::encoding::Encoding;
use crate::merge::{self, Scratch};

/// How many bytes of a piece without an end are held before its start is decided.
const LONGEST_TAIL: usize = 64 * 1024;
/// Text is taken in at most this many bytes at a time.
const PART: usize = 16 * 1024;

/// The token count of a text that arrives in parts: after every part exactly what [`Encoding::count`] gives for all of
/// them together, however the text was cut.
///
/// What later text can still change (usually one word) is held back; at most 80 KiB of it. Should a single piece of
/// text (a word, a run of punctuation or of white space) grow beyond 64 KiB, its start is counted and dropped at a place
/// where no continuation can change it. Only if there is no such place is one assumed, and the total may then be off by
/// a few tokens for each 64 KiB: in more than 64 KiB of nothing but combining marks, of newlines behind punctuation, of
/// blanks behind a newline, of capitals behind letters without case, or of the latter behind small letters.
#[derive(Debug)]
pub struct RunningCount {
    encoding: Encoding,
    decided: usize,
    tail: String,
    /// How long the tail must be before it is looked at again: twice what was undecided, so that text arriving byte by
    /// byte costs no more than text arriving whole.
    look_at: usize,
    scratch: Scratch,
}

impl RunningCount {
    /// A count of no text yet. Allocates nothing.
    pub fn new(encoding: Encoding) -> Self {
        RunningCount { encoding, decided: 0, tail: String::new(), look_at: 0, scratch: Scratch::default() }
    }

    /// Takes the next part of the text.
    pub fn push(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let (part, after) = rest.split_at_checked(rest.floor_char_boundary(PART)).unwrap_or((rest, ""));
            rest = after;
            self.tail.push_str(part);
            if self.tail.len() >= self.look_at {
                self.decide();
                self.look_at = (self.tail.len() * 2).min(LONGEST_TAIL + 1);
            }
        }
    }

    /// The tokens of the text so far, as if it ended here. Costs as much as counting what is held back.
    pub fn total(&self) -> usize {
        self.decided + self.encoding.count(&self.tail)
    }

    /// The tokens that no later text can change: at most [`total`](Self::total), and free of cost.
    pub fn decided(&self) -> usize {
        self.decided
    }

    /// The bytes held back.
    pub fn held_bytes(&self) -> usize {
        self.tail.len()
    }

    /// Counts and drops what is decided of the tail.
    fn decide(&mut self) {
        let vocabulary = self.encoding.vocabulary();
        let mut start = 0;
        while start < self.tail.len() {
            let text = self.tail.as_bytes();
            let piece = self.encoding.pattern().piece(text, start);
            let end = if !piece.open {
                piece.end
            } else if text.len() - start > LONGEST_TAIL {
                let sure = self.tail.get(start..piece.sure).unwrap_or_default();
                let cuts = Cuts::of(sure.as_bytes(), self.encoding);
                let settled =
                    merge::settled_start(vocabulary, sure.as_bytes(), &mut self.scratch, |at| cuts.allow(at));
                if let Some(settled) = settled {
                    self.decided += settled.tokens;
                    start += settled.bytes;
                    continue;
                }
                piece.sure
            } else {
                break;
            };
            let bytes = text.get(start..end).unwrap_or_default();
            self.decided += merge::count(vocabulary, bytes, &mut self.scratch);
            start = end;
        }
        self.tail.drain(..start);
    }
}

/// Where a long piece may be cut so that the rest, taken for the start of a piece, goes on as the whole would have.
struct Cuts<'a> {
    piece: &'a [u8],
    encoding: Encoding,
    is_white_space: bool,
    /// Where the first small letter stands: behind it capitals end the piece.
    first_small: usize,
    /// Where the first newline stands: behind it, punctuation ends the piece.
    first_newline: usize,
}

impl<'a> Cuts<'a> {
    fn of(piece: &'a [u8], encoding: Encoding) -> Self {
        let whole = piece.len();
        let mut cuts =
            Cuts { piece, encoding, is_white_space: true, first_small: whole, first_newline: whole };
        let mut place = 0;
        while let Some(next) = classes::at(piece, place) {
            if next.is(LOWER) {
                cuts.first_small = cuts.first_small.min(place);
            }
            if next.is(NEWLINE) {
                cuts.first_newline = cuts.first_newline.min(place);
            }
            cuts.is_white_space &= next.is(WHITE);
            place += next.len;
        }
        cuts
    }

    fn allow(&self, place: usize) -> bool {
        // Inside a character the byte is none of the first of one.
        if self.piece.get(place).is_none_or(|byte| byte & 0xC0 == 0x80) {
            return false;
        }
        let Some(next) = classes::at(self.piece, place) else { return false };
        // Case and marks matter to one of the patterns only.
        let plain = self.encoding == Encoding::Cl100k;
        if next.is(LETTER) {
            return plain || next.is(LOWER) || place <= self.first_small;
        }
        if next.is(WHITE) {
            return self.is_white_space;
        }
        let marked = classes::at(self.piece, place + next.len).is_none_or(|second| second.is(MARK));
        (plain || (!next.is(MARK) && !marked)) && place <= self.first_newline
    }
}
