//! Private keys in PEM.

use super::cursor::{Cursor, Stop};
use crate::view::View;

/// Longest key from its first line to its last, in bytes: RSA with 16384 bits has 12 700.
const LONGEST_KEY: usize = 16 << 10;
/// Longest first or last line, in bytes.
const LONGEST_LINE: usize = 80;
/// Longest match, in bytes.
pub(super) const LONGEST: usize = LONGEST_KEY + LONGEST_LINE;
/// So many characters of base 64 in a row are no word.
const KEY_LINE: usize = 40;

fn label(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' '
}

/// What stands between the first line and the last: base 64, line ends, also escaped ones, and headers (RFC 1421).
fn body(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || byte.is_ascii_whitespace()
        || matches!(byte, b'+' | b'/' | b'=' | b'\\' | b':' | b',' | b'.' | b'_' | b'(' | b')' | b'@')
}

fn base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// A private key in PEM (RFC 7468), `-----BEGIN … PRIVATE KEY-----` to `-----END …-----`. One that is cut off, or whose
/// last line is not within 16 KiB, goes to the end of its last line of base 64.
pub(super) fn at(view: &View<'_>, start: usize) -> Result<usize, Stop> {
    let mut cursor = Cursor { view, at: start };
    cursor.exactly("-----BEGIN ")?;
    let name = cursor.at;
    cursor.run(label, start + LONGEST_LINE)?;
    let label = view.slice(name, cursor.at);
    if !label.ends_with("PRIVATE KEY") && !label.ends_with("PRIVATE KEY BLOCK") {
        return Err(Stop::No);
    }
    cursor.exactly("-----")?;
    let until = start + LONGEST_KEY;
    let first = cursor.at;
    while cursor.at < until {
        cursor.run(body, until)?;
        match cursor.peek()? {
            Some(b'-') => match footer(cursor) {
                Ok(end) => return Ok(end),
                // Another key begins: this one has no last line.
                Err(Stop::No) if Cursor { ..cursor }.exactly("-----BEGIN ").is_ok() => break,
                Err(Stop::No) => cursor.at += 1,
                Err(stop) => return Err(stop),
            },
            _ => break,
        }
    }
    let cut = view.slice(first, cursor.at);
    match end_of_last_key_line(cut) {
        Some(length) => Ok(first + length),
        None => Err(Stop::No),
    }
}

/// Where the last line of base 64 ends in the body of a key, which is ASCII.
fn end_of_last_key_line(body: &str) -> Option<usize> {
    let (mut at, mut end) = (0, None);
    for line in body.as_bytes().split(|byte| !base64(*byte)) {
        if line.len() >= KEY_LINE {
            end = Some(at + line.len());
        }
        at += line.len() + 1;
    }
    end
}

/// Where the last line ends.
fn footer(mut cursor: Cursor<'_>) -> Result<usize, Stop> {
    let start = cursor.at;
    cursor.exactly("-----END ")?;
    cursor.run(label, start + LONGEST_LINE - 5)?;
    cursor.exactly("-----")?;
    Ok(cursor.at)
}
