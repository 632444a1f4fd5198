//! Reading on from a start, where the text may end too early to tell.

use crate::view::{View, is_word};

/// Why no end of a match is known.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stop {
    /// No match begins here.
    No,
    /// Nor does one anywhere before this position.
    NoneBefore(usize),
    /// More text has to arrive.
    Open,
    /// More text has to arrive, and nothing changes while only such bytes do, up to a position.
    OpenUntil {
        /// Whether a byte changes nothing.
        idle: fn(u8) -> bool,
        /// From where on it is decided.
        until: usize,
    },
}

/// A position that moves on.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'v> {
    pub view: &'v View<'v>,
    pub at: usize,
}

impl<'v> Cursor<'v> {
    /// The next byte; `None` at the end of the text.
    pub fn peek(&self) -> Result<Option<u8>, Stop> {
        match self.view.byte(self.at) {
            None if !self.view.ended => Err(Stop::Open),
            byte => Ok(byte),
        }
    }

    /// The next character; `None` at the end of the text.
    pub fn peek_char(&self) -> Result<Option<char>, Stop> {
        match self.view.char_at(self.at) {
            None if !self.view.ended => Err(Stop::Open),
            c => Ok(c),
        }
    }

    /// Reads a digit.
    pub fn digit(&mut self) -> Result<u8, Stop> {
        match self.peek()? {
            Some(byte @ b'0'..=b'9') => {
                self.at += 1;
                Ok(byte - b'0')
            }
            _ => Err(Stop::No),
        }
    }

    /// Reads so many digits.
    pub fn digits(&mut self, count: usize, into: &mut Vec<u8>) -> Result<(), Stop> {
        for _ in 0..count {
            into.push(self.digit()?);
        }
        Ok(())
    }

    /// Reads what separates groups of digits, if it stands here: the sign it stands for.
    pub fn separator(&mut self) -> Result<Option<char>, Stop> {
        let Some(c) = self.peek_char()? else { return Ok(None) };
        let sign = match c {
            '-' | '\u{2010}'..='\u{2013}' => '-',
            ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' => ' ',
            '.' => '.',
            _ => return Ok(None),
        };
        self.at += c.len_utf8();
        Ok(Some(sign))
    }

    /// Refuses unless a word, if any, ends here.
    pub fn edge(&self) -> Result<(), Stop> {
        match self.peek_char()? {
            Some(c) if is_word(c) => Err(Stop::No),
            _ => Ok(()),
        }
    }

    /// Reads a literal; `folded` is lower case and stands for any.
    pub fn literal(&mut self, folded: &str) -> Result<(), Stop> {
        for expected in folded.bytes() {
            match self.peek()? {
                Some(byte) if byte.eq_ignore_ascii_case(&expected) => self.at += 1,
                _ => return Err(Stop::No),
            }
        }
        Ok(())
    }

    /// Reads a literal as it is.
    pub fn exactly(&mut self, literal: &str) -> Result<(), Stop> {
        for expected in literal.bytes() {
            match self.peek()? {
                Some(byte) if byte == expected => self.at += 1,
                _ => return Err(Stop::No),
            }
        }
        Ok(())
    }

    /// Reads bytes of a class up to a position.
    pub fn run(&mut self, class: fn(u8) -> bool, until: usize) -> Result<(), Stop> {
        while self.at < until {
            match self.view.byte(self.at) {
                Some(byte) if class(byte) => self.at += 1,
                None if !self.view.ended => return Err(Stop::OpenUntil { idle: class, until }),
                _ => break,
            }
        }
        Ok(())
    }
}

/// Whether the last digit is the check digit that Luhn's formula (ISO/IEC 7812-1, annex B) gives.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match (index % 2, u32::from(*digit) * 2) {
            (0, double) => double / 2,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}
