//! Cutting a text into the pieces that are merged on their own: the split patterns of tiktoken, as scanners.
//!
//! The patterns (`tiktoken_ext/openai_public.py` of tiktoken 0.14) use greedy alternatives with backtracking, a negative
//! lookahead and case-insensitive groups. Each function below says which alternative it stands for and where its end
//! lies after all backtracking; every character is looked at a bounded number of times.

use crate::classes::{self, CASELESS, LETTER, LOWER, MARK, NEWLINE, NUMBER, SPACE, UPPER, WHITE};

/// Which split pattern.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pattern {
    /// That of `o200k_base` and `o200k_harmony`.
    O200k,
    /// That of `cl100k_base`.
    Cl100k,
}

/// The piece that starts at some place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Piece {
    /// Where it ends, in bytes from the start of the text.
    pub(crate) end: usize,
    /// Whether more text behind the end of this text could move that end.
    pub(crate) open: bool,
    /// How far an open piece goes at least, whatever follows; the end of a decided one.
    pub(crate) sure: usize,
}

impl Piece {
    #[inline]
    fn decided(end: usize) -> Self {
        Piece { end, open: false, sure: end }
    }

    /// A piece that could go on if the text does, and could not become shorter.
    #[inline]
    fn open_at_end(end: usize, of: &[u8]) -> Self {
        Piece { end, open: end == of.len(), sure: end }
    }
}

/// What may stand in a run of letters before the first small one, in the pattern of `o200k_base`.
const CAPITAL: u8 = UPPER | CASELESS | MARK;
/// And from the first small one on.
const SMALL: u8 = LOWER | CASELESS | MARK;

impl Pattern {
    /// The piece of `text` that starts at `start`, which must be before the end.
    #[inline]
    pub(crate) fn piece(self, text: &[u8], start: usize) -> Piece {
        let Some(first) = classes::at(text, start) else { return Piece::open_at_end(text.len(), text) };
        let second = start + first.len;
        let starts_word = match self {
            Pattern::O200k => LETTER | MARK,
            Pattern::Cl100k => {
                // One that is not whole yet at the end of the text is an open word, below.
                if let Some(piece) = contraction(text, start).filter(|piece| !piece.open) {
                    return piece;
                }
                LETTER
            }
        };
        if first.is(starts_word) {
            return self.word(text, start);
        }
        if first.is(NUMBER) {
            return number(text, second);
        }
        if !first.is(NEWLINE) {
            // `[^\r\n\p{L}\p{N}]?` before a word: any one character, white space or not.
            match classes::at(text, second) {
                Some(next) if next.is(starts_word) => return self.word(text, second),
                Some(next) if first.is(SPACE) && !next.is(WHITE | NUMBER | LETTER) => {
                    return self.punctuation(text, second);
                }
                Some(_) => {}
                None => return Piece::open_at_end(second, text),
            }
        }
        if first.is(WHITE) { self.white_space(text, start) } else { self.punctuation(text, start) }
    }

    /// The letters from `start` on, with what belongs to them.
    #[inline]
    fn word(self, text: &[u8], start: usize) -> Piece {
        match self {
            // `\p{L}++`
            Pattern::Cl100k => {
                let end = run(text, start, LETTER);
                Piece::open_at_end(end, text)
            }
            // `[CAPITAL]*[SMALL]+` or else `[CAPITAL]+[SMALL]*`, each with a contraction behind it.
            Pattern::O200k => {
                // The capitals are as many as there are. Without a small letter behind them the pattern gives back
                // down to the last character that is in both classes, which then is the `[SMALL]+`; if there is none,
                // the second alternative takes all of them. (A mark may also be the optional character before the
                // word; the end is the same.)
                let mut end = start;
                let mut after_both = None;
                while let Some(next) = classes::at(text, end).filter(|next| next.is(CAPITAL)) {
                    end += next.len;
                    if next.is(SMALL) {
                        after_both = Some(end);
                    }
                }
                let small = run(text, end, SMALL);
                if small == end
                    && let Some(after) = after_both
                    && after < end
                {
                    return Piece { end: after, open: end == text.len(), sure: after };
                }
                contraction(text, small).unwrap_or(Piece::open_at_end(small, text))
            }
        }
    }

    /// `[^\s\p{L}\p{N}]+[\r\n]*` from `start` on; with `/` among the newlines for `o200k_base`.
    fn punctuation(self, text: &[u8], start: usize) -> Piece {
        let mut end = start;
        while let Some(next) = classes::at(text, end).filter(|next| !next.is(WHITE | LETTER | NUMBER)) {
            end += next.len;
        }
        while let Some(byte) = text.get(end)
            && (matches!(byte, b'\r' | b'\n') || (*byte == b'/' && self == Pattern::O200k))
        {
            end += 1;
        }
        Piece::open_at_end(end, text)
    }

    /// White space that does not belong to what follows.
    fn white_space(self, text: &[u8], start: usize) -> Piece {
        let mut end = start;
        let mut last = start;
        let mut after_newline = None;
        while let Some(next) = classes::at(text, end).filter(|next| next.is(WHITE)) {
            last = end;
            end += next.len;
            if next.is(NEWLINE) {
                after_newline = Some(end);
            }
        }
        let open = end == text.len();
        // `\s++$` comes first in `cl100k_base`; in `o200k_base` the newlines do.
        if open && self == Pattern::Cl100k {
            return Piece { end, open, sure: after_newline.unwrap_or(last) };
        }
        // `\s*[\r\n]+`: to the last newline.
        if let Some(end) = after_newline {
            return Piece { end, open, sure: end };
        }
        // `\s+(?!\S)`: all but the last, unless there is only one, or nothing follows.
        Piece { end: if open || last == start { end } else { last }, open, sure: last }
    }
}

/// Where the run of characters of these classes ends that starts at `start`.
#[inline]
fn run(text: &[u8], start: usize, of: u8) -> usize {
    let mut end = start;
    while let Some(next) = classes::at(text, end).filter(|next| next.is(of)) {
        end += next.len;
    }
    end
}

/// `\p{N}{1,3}`, of which the first has been seen.
fn number(text: &[u8], second: usize) -> Piece {
    let mut end = second;
    for _ in 0..2 {
        match classes::at(text, end) {
            Some(next) if next.is(NUMBER) => end += next.len,
            Some(_) => return Piece::decided(end),
            None => return Piece::open_at_end(end, text),
        }
    }
    Piece::decided(end)
}

/// `'(?i:[sdmt]|ll|ve|re)` at `start`: the piece that ends with it, or `None` if there is none and more text could not
/// make one. At the end of the text what may still become one is an open piece that ends at `start`.
#[inline]
fn contraction(text: &[u8], start: usize) -> Option<Piece> {
    if text.get(start) != Some(&b'\'') {
        return None;
    }
    let long = |second: u8| match text.get(start + 2).map(u8::to_ascii_lowercase) {
        Some(byte) if byte == second => Some(Piece::decided(start + 3)),
        Some(_) => None,
        None => Some(Piece { end: start, open: true, sure: start }),
    };
    match text.get(start + 1).map(u8::to_ascii_lowercase) {
        Some(b's' | b'd' | b'm' | b't') => Some(Piece::decided(start + 2)),
        // U+017F, the long s, is an `s` where case does not matter.
        Some(0xC5) if text.get(start + 2) == Some(&0xBF) => Some(Piece::decided(start + 3)),
        Some(b'l') => long(b'l'),
        Some(b'v' | b'r') => long(b'e'),
        Some(_) => None,
        None => Some(Piece { end: start, open: true, sure: start }),
    }
}
