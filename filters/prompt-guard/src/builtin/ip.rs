//! IP addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::cursor::{Cursor, Stop};
use crate::view::View;

/// Longest address, in bytes: eight groups of which the last two are written as IPv4.
const LONGEST_ADDRESS: usize = 45;
/// With the sign behind it that decides whether it is one.
pub(super) const LONGEST: usize = LONGEST_ADDRESS + 2;

/// Whether an address can begin with a byte.
pub(super) fn begins(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte == b':'
}

fn in_v6(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')
}

fn in_v4(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

/// An IPv4 or IPv6 address that the standard library reads. IPv6 without a digit needs four groups: `a::b` is more
/// often a path of names. A version number of four parts is taken for an address.
pub(super) fn at(view: &View<'_>, start: usize) -> Result<usize, Stop> {
    if view.word_before(start) {
        return Err(Stop::No);
    }
    if matches!(view.byte(start), Some(b'0'..=b'9')) {
        match v4(view, start) {
            Err(Stop::No) => {}
            found => return found,
        }
    }
    v6(view, start)
}

fn v4(view: &View<'_>, start: usize) -> Result<usize, Stop> {
    if follows_part(view, start, '.', |c| c.is_ascii_digit()) {
        return Err(Stop::No);
    }
    let mut cursor = Cursor { view, at: start };
    // 15 digits and dots, and a dot that ends the sentence.
    cursor.run(in_v4, start + 17)?;
    let text = view.slice(start, cursor.at);
    let address = text.strip_suffix('.').unwrap_or(text);
    if address.parse::<Ipv4Addr>().is_err() {
        return Err(Stop::No);
    }
    cursor.edge()?;
    Ok(start + address.len())
}

fn v6(view: &View<'_>, start: usize) -> Result<usize, Stop> {
    if follows_part(view, start, ':', |c| c == ':' || c.is_ascii_hexdigit()) {
        return Err(Stop::No);
    }
    let mut cursor = Cursor { view, at: start };
    cursor.run(in_v6, start + LONGEST)?;
    let text = view.slice(start, cursor.at);
    if !text.contains(':') {
        return Err(Stop::No);
    }
    cursor.edge()?;
    let address = [text, text.strip_suffix(['.', ':']).unwrap_or(text)]
        .into_iter()
        .find(|address| address.parse::<Ipv6Addr>().is_ok())
        .ok_or(Stop::No)?;
    let groups = address.split(':').filter(|group| !group.is_empty()).count();
    if groups < 4 && !address.contains(|c: char| c.is_ascii_digit()) {
        return Err(Stop::No);
    }
    Ok(start + address.len())
}

/// Whether a position is inside of something longer of the same kind: behind a divider behind a part.
fn follows_part(view: &View<'_>, start: usize, divider: char, part: fn(char) -> bool) -> bool {
    view.char_before(start) == Some(divider) && view.char_before(start - 1).is_some_and(part)
}
