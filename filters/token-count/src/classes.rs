//! The character classes the split patterns speak of, as one byte of bits per character.
//!
//! `tables/classes.bin` holds them in two stages; `tests/tables.rs` makes it from the tables of the regex crates, so
//! that both agree on the Unicode version.

use crate::vocabulary::work;

/// `\r` and `\n`.
pub(crate) const NEWLINE: u8 = 1;
/// `\s`: Unicode white space, newlines and the space included.
pub(crate) const WHITE: u8 = 2;
/// `\p{N}`.
pub(crate) const NUMBER: u8 = 4;
/// `\p{Lu}` and `\p{Lt}`.
pub(crate) const UPPER: u8 = 8;
/// `\p{Ll}`.
pub(crate) const LOWER: u8 = 16;
/// `\p{Lm}` and `\p{Lo}`: letters without case.
pub(crate) const CASELESS: u8 = 32;
/// `\p{M}`: combining marks, which are not `\p{L}`.
pub(crate) const MARK: u8 = 64;
/// The space itself, U+0020.
pub(crate) const SPACE: u8 = 128;
/// `\p{L}`.
pub(crate) const LETTER: u8 = UPPER | LOWER | CASELESS;

const TABLE: &[u8] = include_bytes!("../tables/classes.bin");
/// Pages of the first stage: 0x110000 characters in pages of 128.
const PAGES: usize = 0x11_0000 / 128;

const ASCII: [u8; 128] = {
    let mut ascii = [0; 128];
    let (_, pages) = TABLE.split_at(PAGES);
    let page = match TABLE {
        [first, ..] => *first as usize,
        [] => 0,
    };
    let (_, rest) = pages.split_at(128 * page);
    ascii.copy_from_slice(rest.split_at(128).0);
    ascii
};

/// A character of a text: its classes, and its length in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Char {
    pub(crate) class: u8,
    pub(crate) len: usize,
}

impl Char {
    /// Whether the character is in one of these classes.
    #[inline]
    pub(crate) fn is(self, classes: u8) -> bool {
        self.class & classes != 0
    }
}

/// The character at a place in UTF-8 text, or `None` at its end. In the middle of a character, which callers avoid, a
/// lone byte is a character of no class.
#[inline]
pub(crate) fn at(text: &[u8], place: usize) -> Option<Char> {
    let first = *text.get(place)?;
    work::step();
    match ASCII.get(usize::from(first)) {
        Some(class) => Some(Char { class: *class, len: 1 }),
        None => Some(wide(text, place, first)),
    }
}

fn wide(text: &[u8], place: usize, first: u8) -> Char {
    let next = |offset: usize| text.get(place + offset).map_or(0, |byte| usize::from(*byte & 0x3F));
    let first = usize::from(first);
    let (point, len) = match first {
        0xC0..0xE0 => (((first & 0x1F) << 6) | next(1), 2),
        0xE0..0xF0 => (((first & 0x0F) << 12) | (next(1) << 6) | next(2), 3),
        0xF0.. => (((first & 0x07) << 18) | (next(1) << 12) | (next(2) << 6) | next(3), 4),
        _ => return Char { class: 0, len: 1 },
    };
    let page = TABLE.get(point / 128).filter(|_| point < 0x11_0000).map_or(0, |page| usize::from(*page));
    Char { class: TABLE.get(PAGES + page * 128 + point % 128).copied().unwrap_or(0), len }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(character: char) -> u8 {
        let text = character.to_string();
        let found = at(text.as_bytes(), 0).unwrap();
        assert_eq!(found.len, text.len());
        found.class
    }

    #[test]
    fn characters_have_the_classes_of_their_unicode_category() {
        assert_eq!(class('\n'), NEWLINE | WHITE);
        assert_eq!(class(' '), SPACE | WHITE);
        assert_eq!(class('\u{3000}'), WHITE);
        assert_eq!(class('\u{85}'), WHITE);
        assert_eq!(class('7'), NUMBER);
        assert_eq!(class('Ⅷ'), NUMBER);
        assert_eq!(class('A'), UPPER);
        assert_eq!(class('ǅ'), UPPER);
        assert_eq!(class('ß'), LOWER);
        assert_eq!(class('中'), CASELESS);
        assert_eq!(class('\u{301}'), MARK);
        assert_eq!(class('!'), 0);
        assert_eq!(class('😀'), 0);
        assert_eq!(class('\u{10FFFF}'), 0);
    }

    #[test]
    fn broken_utf8_is_read_without_panic() {
        for bytes in
            [&[0x80][..], &[0xC3], &[0xE4, 0xB8], &[0xFF, 0xFF, 0xFF, 0xFF], &[0xF7, 0xBF, 0xBF, 0xBF]]
        {
            assert!(at(bytes, 0).is_some());
        }
    }
}
