//! The part of a text that recognisers look at.

/// A text's undecided end with some context before it. Positions are byte offsets in the whole text.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// What is kept of the text.
    pub text: &'a str,
    /// Where in the whole text it begins. If not at 0, at least [`CONTEXT`] bytes stand before what is undecided.
    pub base: usize,
    /// Nothing follows.
    pub ended: bool,
}

/// How much decided text is kept, in bytes: what recognisers look back at, a line with a key word at most.
pub(crate) const CONTEXT: usize = 64;

impl<'a> View<'a> {
    /// Where what has arrived ends.
    pub fn end(&self) -> usize {
        self.base + self.text.len()
    }

    /// The bytes from a position on.
    pub fn bytes_from(&self, at: usize) -> &'a [u8] {
        self.text.as_bytes().get(at.saturating_sub(self.base)..).unwrap_or_default()
    }

    /// The byte at a position, if it has arrived.
    pub fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at.checked_sub(self.base)?).copied()
    }

    /// The text between two positions; empty if it is not all there.
    pub fn slice(&self, from: usize, to: usize) -> &'a str {
        match (from.checked_sub(self.base), to.checked_sub(self.base)) {
            (Some(from), Some(to)) => self.text.get(from..to).unwrap_or_default(),
            _ => "",
        }
    }

    /// The character at a position, if it has arrived.
    pub fn char_at(&self, at: usize) -> Option<char> {
        self.text.get(at.checked_sub(self.base)?..)?.chars().next()
    }

    /// The character before a position.
    pub fn char_before(&self, at: usize) -> Option<char> {
        self.text.get(..at.checked_sub(self.base)?)?.chars().next_back()
    }

    /// Whether a character of a word stands before a position.
    pub fn word_before(&self, at: usize) -> bool {
        match at.checked_sub(1).and_then(|before| self.byte(before)) {
            Some(byte) if byte.is_ascii() => is_word(char::from(byte)),
            _ => self.char_before(at).is_some_and(is_word),
        }
    }

    /// The position or the next one after it at which a character begins.
    pub fn ceil(&self, mut at: usize) -> usize {
        while at > self.base && at < self.end() && !self.text.is_char_boundary(at - self.base) {
            at += 1;
        }
        at
    }

    /// At most [`CONTEXT`] bytes of text before a position.
    pub fn context_before(&self, at: usize) -> &'a str {
        let from = self.ceil(at.saturating_sub(CONTEXT).max(self.base));
        self.slice(from, at)
    }
}

/// Whether a character belongs to a word that spaces set apart.
pub(crate) fn is_word(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || c == '_'
    } else {
        !runs_on(c) && regex_syntax::try_is_word_character(c).unwrap_or_else(|_| c.is_alphanumeric())
    }
}

/// Whether a character is of a script that sets no spaces between words, or hangs particles on them, so that what is
/// looked for may stand right beside it: `号码123-45-6789是`. Thai, Lao, Burmese, Khmer, Hangul, and what Chinese and
/// Japanese are written in.
pub(crate) fn runs_on(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}'
        | '\u{2e80}'..='\u{9fff}' | '\u{a960}'..='\u{a97f}' | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ffdc}' | '\u{20000}'..='\u{3ffff}')
}

/// Whether a text holds one of some words of lower-case ASCII, in any case.
pub(crate) fn mentions(text: &str, words: &[&str]) -> bool {
    let text = text.as_bytes();
    words
        .iter()
        .any(|word| text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes())))
}

/// A match, in positions of the whole text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Where its first byte is.
    pub start: usize,
    /// Behind its last byte.
    pub end: usize,
}

/// How far a recogniser is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// This is its next match, whatever follows.
    Found(Span),
    /// No match of it begins before this position.
    Open(usize),
}

/// A set of bytes.
pub(crate) struct ByteSet([bool; 256]);

impl Default for ByteSet {
    fn default() -> Self {
        Self([false; 256])
    }
}

impl ByteSet {
    /// Puts a byte in.
    pub fn insert(&mut self, byte: u8) {
        if let Some(member) = self.0.get_mut(usize::from(byte)) {
            *member = true;
        }
    }

    /// Whether a byte is in it.
    pub fn contains(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)).copied().unwrap_or_default()
    }
}
