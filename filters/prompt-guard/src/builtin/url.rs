//! Web addresses.

use super::cursor::{Cursor, Stop};
use crate::view::View;

/// Longest address, in bytes: what browsers and servers agree on is less.
pub(super) const LONGEST: usize = 4096;

fn ascii_url(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// An `http` or `https` address up to white space or what cannot stand in one, without the punctuation of the sentence
/// around it.
pub(super) fn at(view: &View<'_>, start: usize) -> Result<usize, Stop> {
    if view.word_before(start) {
        return Err(Stop::No);
    }
    let mut cursor = Cursor { view, at: start };
    cursor.literal("http")?;
    if matches!(cursor.peek()?, Some(b's' | b'S')) {
        cursor.at += 1;
    }
    cursor.literal("://")?;
    let host = cursor.at;
    match cursor.peek_char()? {
        Some(c) if c.is_alphanumeric() || c == '[' => {}
        _ => return Err(Stop::No),
    }
    loop {
        cursor.run(ascii_url, start + LONGEST)?;
        match view.char_at(cursor.at) {
            Some(c)
                if !c.is_ascii() && c.is_alphanumeric() && cursor.at + c.len_utf8() <= start + LONGEST =>
            {
                cursor.at += c.len_utf8();
            }
            None if !view.ended && cursor.at < start + LONGEST => return Err(Stop::Open),
            _ => break,
        }
    }
    let end = host + trimmed(view.slice(host, cursor.at)).len();
    if end > host { Ok(end) } else { Err(Stop::No) }
}

/// Leaves out what ends a sentence, and closing brackets that were not opened inside.
fn trimmed(address: &str) -> &str {
    let mut rest = address;
    let mut unopened = [(')', '('), (']', '[')].map(|(close, open)| {
        (close, address.matches(close).count().saturating_sub(address.matches(open).count()))
    });
    loop {
        let Some(last) = rest.chars().next_back() else { return rest };
        let drop = match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '~' => true,
            _ => unopened.iter_mut().any(|(close, count)| {
                let drop = *close == last && *count > 0;
                *count -= usize::from(drop);
                drop
            }),
        };
        if !drop {
            return rest;
        }
        rest = rest.get(..rest.len() - last.len_utf8()).unwrap_or_default();
    }
}
