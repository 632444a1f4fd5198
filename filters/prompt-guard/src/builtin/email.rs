//! Email addresses.

use super::cursor::Stop;
use crate::view::{View, runs_on};

/// Longest part before the `@`, in bytes (RFC 5321 §4.5.3.1.1).
const LONGEST_LOCAL: usize = 64;
/// Longest domain, in bytes (RFC 1035 §2.3.4).
const LONGEST_DOMAIN: usize = 253;
/// Longest address, in bytes.
pub(super) const LONGEST: usize = LONGEST_LOCAL + 1 + LONGEST_DOMAIN;

/// Whether an address can begin with a byte.
pub(super) fn begins(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'%' | b'+') || byte >= 0xc0
}

fn ascii_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-')
}

fn ascii_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')
}

/// An email address as people write them: letters and digits of any script and `._%+-`, an `@`, and a domain of at
/// least two labels of which the last has letters.
pub(super) fn at(view: &View<'_>, start: usize) -> Result<usize, Stop> {
    let mut at = start;
    // Behind what runs on: `我的邮箱是ann@example.com`.
    let mut own = start;
    loop {
        match view.char_at(at) {
            None if view.ended => return Err(Stop::NoneBefore(at)),
            None => return Err(Stop::OpenUntil { idle: ascii_local, until: start + LONGEST_LOCAL + 1 }),
            Some('@') if own > start && own < at => return Err(Stop::NoneBefore(own)),
            Some('@') if at > start => break,
            Some(c) if c.is_ascii() && !ascii_local(c as u8) => return Err(Stop::NoneBefore(at)),
            Some(c) if !c.is_ascii() && !c.is_alphanumeric() => return Err(Stop::NoneBefore(at)),
            Some(c) => {
                at += c.len_utf8();
                if runs_on(c) {
                    own = at;
                }
            }
        }
        if at - start > LONGEST_LOCAL {
            return Err(Stop::NoneBefore(in_long_run(view, start, at)));
        }
    }
    domain(view, at + 1)?.ok_or(Stop::NoneBefore(at + 1))
}

/// The first start from which an `@` can be reached, if there is none up to `at`, more than [`LONGEST_LOCAL`] bytes
/// away. Looking as far again makes the step long, so that a long run costs no more than two looks at each byte.
fn in_long_run(view: &View<'_>, start: usize, at: usize) -> usize {
    let ahead = view.bytes_from(at).iter().take(LONGEST_LOCAL);
    let reached = at + ahead.take_while(|byte| ascii_local(**byte)).count();
    view.ceil((reached - LONGEST_LOCAL).max(start + 1))
}

/// Where the longest domain that begins at a position ends.
fn domain(view: &View<'_>, start: usize) -> Result<Option<usize>, Stop> {
    let mut end = start;
    loop {
        match view.char_at(end) {
            None if view.ended => break,
            None => {
                return Err(Stop::OpenUntil { idle: ascii_domain, until: start + LONGEST_DOMAIN + 1 });
            }
            Some(c) if end + c.len_utf8() - start > LONGEST_DOMAIN => break,
            Some(c) if c.is_ascii() && !ascii_domain(c as u8) => break,
            Some(c) if !c.is_ascii() && !c.is_alphanumeric() => break,
            Some(c) if runs_on(c) && ends_like_domain(view.slice(start, end)) => break,
            Some(c) => end += c.len_utf8(),
        }
    }
    let mut best = None;
    let mut at = start;
    for (index, label) in view.slice(start, end).split('.').enumerate() {
        if label.is_empty() || label.starts_with('-') {
            break;
        }
        if index > 0 {
            let letters: usize = label.chars().take_while(|c| c.is_alphabetic()).map(char::len_utf8).sum();
            let count = label.chars().take_while(|c| c.is_alphabetic()).count();
            let stops = label.get(letters..).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
            if label.starts_with("xn--") {
                best = Some(at + label.trim_end_matches('-').len());
            } else if count >= 2 && stops {
                best = Some(at + letters);
            }
        }
        at += label.len() + 1;
    }
    Ok(best)
}

/// Whether a text is a domain of which the last label has letters of ASCII only: what runs on behind it is none of it.
fn ends_like_domain(text: &str) -> bool {
    text.rsplit_once('.')
        .is_some_and(|(_, last)| last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_alphabetic()))
}
