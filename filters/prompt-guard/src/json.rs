//! Reads JSON as it arrives, down to the characters of its strings.
//!
//! The reader does not build anything: it tells strings, numbers and what is between them apart, so that guards can
//! look at values while everything else passes as it is.

use crate::chain::Piece;
use crate::segment::Origin;

/// Longest number or literal with the white space behind it, in bytes.
const LONGEST_TOKEN: usize = 256;
/// Deepest nesting.
const DEEPEST: usize = 512;

/// What the reader tells.
pub(crate) enum Token<'a> {
    /// Passes as it is.
    Structure(&'a str, u64),
    /// A string begins: its opening quote.
    Open(u64),
    /// Text of the string, and how it is written.
    Text(&'a str, u64, Origin),
    /// The string ends: its closing quote.
    Close(u64),
    /// A number and the white space behind it.
    Number(&'a [Piece]),
    /// This is no JSON: from here on everything is plain text.
    Plain(&'a str, u64),
}

/// The state of one text.
#[derive(Default)]
pub(crate) struct Reader {
    mode: Mode,
    expect: Expect,
    /// What is open: objects (true) and arrays.
    open: Vec<bool>,
    /// An escape, number or literal that has not ended yet.
    held: Vec<Piece>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Mode {
    #[default]
    Structure,
    String,
    Escape,
    Number,
    Literal,
    Plain,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Expect {
    #[default]
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    /// Nothing: the value is complete.
    Nothing,
}

impl Reader {
    /// Whether what comes next stands in a string.
    pub fn is_in_string(&self) -> bool {
        self.mode == Mode::String
    }

    /// Whether it is no JSON what has been read.
    pub fn has_given_up(&self) -> bool {
        self.mode == Mode::Plain
    }

    /// The tag of the first byte that is held.
    pub fn held_since(&self) -> Option<u64> {
        self.held.first().map(|piece| piece.tag)
    }

    /// Reads more text.
    pub fn push<E>(
        &mut self,
        text: &str,
        tag: u64,
        tell: &mut impl FnMut(Token<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let taken = match self.mode {
                Mode::Plain => {
                    tell(Token::Plain(rest, tag))?;
                    rest.len()
                }
                Mode::String => self.in_string(rest, tag, tell)?,
                Mode::Escape => self.in_escape(c, tag, tell)?,
                Mode::Number | Mode::Literal => self.in_token(c, tag, tell)?,
                Mode::Structure => self.in_structure(c, tag, tell)?,
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Nothing follows. A string that is still open is for the caller to end.
    pub fn finish<E>(&mut self, tell: &mut impl FnMut(Token<'_>) -> Result<(), E>) -> Result<(), E> {
        match self.mode {
            Mode::Escape => self.give_up_escape(tell)?,
            Mode::Number | Mode::Literal => self.end_token(tell)?,
            _ => {}
        }
        Ok(())
    }

    /// Everything up to the next quote or escape.
    fn in_string<E>(
        &mut self,
        rest: &str,
        tag: u64,
        tell: &mut impl FnMut(Token<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let plain = rest.find(['"', '\\']).unwrap_or(rest.len());
        if plain > 0 {
            tell(Token::Text(rest.get(..plain).unwrap_or_default(), tag, Origin::Input))?;
            return Ok(plain);
        }
        if rest.starts_with('"') {
            self.mode = Mode::Structure;
            tell(Token::Close(tag))?;
        } else {
            self.mode = Mode::Escape;
            self.hold('\\', tag);
        }
        Ok(1)
    }

    /// One more character of an escape. 0: it does not belong to it.
    fn in_escape<E>(
        &mut self,
        c: char,
        tag: u64,
        tell: &mut impl FnMut(Token<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let held = self.held_text();
        // The last escape of what is held: behind the first half of a pair stands a second one.
        let (first, last) = match held.get(6..) {
            Some(last) if !last.is_empty() => (held.get(..6), last),
            _ if held.len() == 6 => (Some(held.as_str()), ""),
            _ => (None, held.as_str()),
        };
        let fits = match last.len() {
            0 => c == '\\',
            1 => c == 'u' || first.is_none(),
            _ => c.is_ascii_hexdigit(),
        };
        if !fits {
            if first.is_some() && last.len() == 1 {
                // `\ud83d\n`: the half pair is done with, the escape behind it goes on.
                self.lone_half(tell)?;
            } else {
                self.give_up_escape(tell)?;
            }
            return Ok(0);
        }
        self.hold(c, tag);
        let last: String = last.chars().chain([c]).collect();
        if last.len() == 1 || last == "\\u" {
            return Ok(c.len_utf8());
        }
        let unit = match last.strip_prefix("\\u") {
            None => {
                self.tell_escape(simple(c), tell)?;
                return Ok(c.len_utf8());
            }
            Some(hex) if hex.len() == 4 => u32::from_str_radix(hex, 16).unwrap_or_default(),
            Some(_) => return Ok(c.len_utf8()),
        };
        let high = first.and_then(|first| u32::from_str_radix(first.get(2..)?, 16).ok());
        match (high, unit) {
            (Some(high), 0xdc00..=0xdfff) => {
                let pair = 0x1_0000 + ((high - 0xd800) << 10) + (unit - 0xdc00);
                self.tell_escape(char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER), tell)?;
            }
            (_, 0xd800..=0xdbff) => {
                if high.is_some() {
                    self.lone_half(tell)?;
                }
            }
            _ => {
                if high.is_some() {
                    self.lone_half(tell)?;
                }
                self.tell_escape(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), tell)?;
            }
        }
        Ok(c.len_utf8())
    }

    /// Tells the first half of a pair that has no second; what is held behind it stays.
    fn lone_half<E>(&mut self, tell: &mut impl FnMut(Token<'_>) -> Result<(), E>) -> Result<(), E> {
        let tag = self.held_since().unwrap_or_default();
        let mut rest: Vec<Piece> = Vec::new();
        let mut raw = String::new();
        for piece in std::mem::take(&mut self.held) {
            for c in piece.text.chars() {
                if raw.len() < 6 {
                    raw.push(c);
                } else {
                    Piece::add(&mut rest, c.encode_utf8(&mut [0; 4]), piece.tag);
                }
            }
        }
        self.held = rest;
        tell(Token::Text("\u{fffd}", tag, Origin::Escaped(raw.into())))
    }

    /// What is held is no escape: it stands for a character nobody knows.
    fn give_up_escape<E>(&mut self, tell: &mut impl FnMut(Token<'_>) -> Result<(), E>) -> Result<(), E> {
        if self.held_text().len() > 6 {
            self.lone_half(tell)?;
        }
        self.tell_escape(char::REPLACEMENT_CHARACTER, tell)
    }

    fn tell_escape<E>(
        &mut self,
        c: char,
        tell: &mut impl FnMut(Token<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let tag = self.held_since().unwrap_or_default();
        let raw = self.held_text().into_boxed_str();
        self.held.clear();
        self.mode = Mode::String;
        tell(Token::Text(c.encode_utf8(&mut [0; 4]), tag, Origin::Escaped(raw)))
    }

    /// One more character of a number or literal. 0: it does not belong to it.
    fn in_token<E>(
        &mut self,
        c: char,
        tag: u64,
        tell: &mut impl FnMut(Token<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let held = self.held_text();
        let space = held.ends_with(is_space);
        let belongs = match self.mode {
            _ if is_space(c) => true,
            _ if space => false,
            Mode::Number => is_of_number(c),
            _ => c.is_ascii_alphabetic(),
        };
        if belongs && held.len() < LONGEST_TOKEN {
            self.hold(c, tag);
            return Ok(c.len_utf8());
        }
        // Digits behind a number's space are what people write, not JSON: `4111 1111`.
        let may_follow = matches!(c, ',' | ']' | '}') || is_space(c);
        if may_follow {
            self.end_token(tell)?
        } else {
            self.give_up(tell)?
        }
        Ok(0)
    }

    fn end_token<E>(&mut self, tell: &mut impl FnMut(Token<'_>) -> Result<(), E>) -> Result<(), E> {
        let held = self.held_text();
        let token = held.trim_end_matches(is_space);
        match self.mode {
            Mode::Number if is_number(token) => {
                let held = std::mem::take(&mut self.held);
                self.mode = Mode::Structure;
                tell(Token::Number(&held))
            }
            Mode::Literal if matches!(token, "true" | "false" | "null") => {
                self.mode = Mode::Structure;
                std::mem::take(&mut self.held)
                    .iter()
                    .try_for_each(|piece| tell(Token::Structure(&piece.text, piece.tag)))
            }
            _ => self.give_up(tell),
        }
    }

    /// This is no JSON; what is held is plain text as what follows.
    fn give_up<E>(&mut self, tell: &mut impl FnMut(Token<'_>) -> Result<(), E>) -> Result<(), E> {
        self.mode = Mode::Plain;
        std::mem::take(&mut self.held).iter().try_for_each(|piece| tell(Token::Plain(&piece.text, piece.tag)))
    }

    /// A character between values. 0: it is read in another mode.
    fn in_structure<E>(
        &mut self,
        c: char,
        tag: u64,
        tell: &mut impl FnMut(Token<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let value = matches!(self.expect, Expect::Value | Expect::ValueOrEnd);
        match c {
            _ if is_space(c) => {}
            '"' if value || matches!(self.expect, Expect::Key | Expect::KeyOrEnd) => {
                self.expect = if value { self.behind_value() } else { Expect::Colon };
                self.mode = Mode::String;
                tell(Token::Open(tag))?;
                return Ok(1);
            }
            // Behind a complete value stands another one in what some models write: `{}{"city":"Rome"}`.
            '{' | '[' if (value || self.expect == Expect::Nothing) && self.open.len() < DEEPEST => {
                self.open.push(c == '{');
                self.expect = if c == '{' { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
            }
            '}' if self.open.last() == Some(&true)
                && matches!(self.expect, Expect::KeyOrEnd | Expect::CommaOrEnd) =>
            {
                self.open.pop();
                self.expect = self.behind_value();
            }
            ']' if self.open.last() == Some(&false)
                && matches!(self.expect, Expect::ValueOrEnd | Expect::CommaOrEnd) =>
            {
                self.open.pop();
                self.expect = self.behind_value();
            }
            ':' if self.expect == Expect::Colon => self.expect = Expect::Value,
            ',' if self.expect == Expect::CommaOrEnd => {
                self.expect = if self.open.last() == Some(&true) { Expect::Key } else { Expect::Value };
            }
            _ if value && (is_of_number(c) || c.is_ascii_alphabetic()) => {
                self.expect = self.behind_value();
                self.mode =
                    if is_of_number(c) && !matches!(c, 'e' | 'E') { Mode::Number } else { Mode::Literal };
                self.hold(c, tag);
                return Ok(1);
            }
            _ => {
                self.mode = Mode::Plain;
                return Ok(0);
            }
        }
        tell(Token::Structure(c.encode_utf8(&mut [0; 4]), tag))?;
        Ok(c.len_utf8())
    }

    fn behind_value(&self) -> Expect {
        if self.open.is_empty() { Expect::Nothing } else { Expect::CommaOrEnd }
    }

    fn hold(&mut self, c: char, tag: u64) {
        Piece::add(&mut self.held, c.encode_utf8(&mut [0; 4]), tag);
    }

    fn held_text(&self) -> String {
        self.held.iter().map(|piece| piece.text.as_str()).collect()
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn is_of_number(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E')
}

/// The character of an escape that is one letter; of any other letter, that letter.
fn simple(c: char) -> char {
    match c {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        other => other,
    }
}

/// Whether a text is a number of RFC 8259 §6.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

/// Writes text into a JSON string.
pub(crate) fn escape(text: &str, into: &mut String) {
    for c in text.chars() {
        match c {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            '\n' => into.push_str("\\n"),
            '\r' => into.push_str("\\r"),
            '\t' => into.push_str("\\t"),
            c if u32::from(c) < 0x20 => into.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => into.push(c),
        }
    }
}
