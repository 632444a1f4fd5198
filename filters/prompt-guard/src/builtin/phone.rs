//! Telephone numbers.

use super::cursor::{Cursor, Stop};
use crate::view::{View, mentions};

/// Longest number with its separators, in bytes.
pub(super) const LONGEST: usize = 48;

/// What says that ten digits are a telephone number.
const CONTEXT: [&str; 10] =
    ["phone", "mobile", "cell", "call", "tel", "fax", "dial", "sms", "whatsapp", "text me"];

/// Whether a number can begin with a byte.
pub(super) fn begins(byte: u8) -> bool {
    matches!(byte, b'+' | b'(' | b'0'..=b'9')
}

/// A telephone number: `+` and 8 to 15 digits (ITU-T E.164), in groups or not; or the ten digits of North America, in
/// threes and four, with or without a 1 before them. Ten digits in a row count only with valid area and exchange codes
/// and where the text speaks of telephones.
pub(super) fn at(view: &View<'_>, start: usize) -> Result<usize, Stop> {
    if view.word_before(start) || view.char_before(start) == Some('+') {
        return Err(Stop::No);
    }
    match view.byte(start) {
        Some(b'+') => international(view, start),
        _ => north_american(view, start),
    }
}

fn international(view: &View<'_>, start: usize) -> Result<usize, Stop> {
    let mut cursor = Cursor { view, at: start + 1 };
    if cursor.digit()? == 0 {
        return Err(Stop::No);
    }
    let mut count = 1;
    let mut best = None;
    loop {
        // Behind a digit.
        let in_group = matches!(cursor.peek()?, Some(b'0'..=b'9'));
        if !in_group {
            if cursor.edge().is_err() {
                break;
            }
            if (8..=15).contains(&count) {
                best = Some(cursor.at);
            }
            if !divider(&mut cursor)? {
                break;
            }
        }
        match cursor.digit() {
            Ok(_) => count += 1,
            Err(Stop::No) => break,
            Err(stop) => return Err(stop),
        }
        if count > 15 || cursor.at - start > LONGEST {
            break;
        }
    }
    best.ok_or(Stop::No)
}

/// Reads what stands between groups of digits: up to two signs. False: nothing that could.
fn divider(cursor: &mut Cursor<'_>) -> Result<bool, Stop> {
    for count in 0..3 {
        match cursor.peek()? {
            Some(b'(' | b')' | b'/') => cursor.at += 1,
            Some(b'0'..=b'9') => return Ok(count > 0),
            _ if cursor.separator()?.is_some() => {}
            _ => return Ok(false),
        }
    }
    Ok(matches!(cursor.peek()?, Some(b'0'..=b'9')))
}

fn north_american(view: &View<'_>, start: usize) -> Result<usize, Stop> {
    let mut cursor = Cursor { view, at: start };
    let mut digits = Vec::with_capacity(10);
    if cursor.peek()? == Some(b'1') {
        let mut behind = Cursor { view, at: start + 1 };
        if behind.separator()?.is_some() || behind.peek()? == Some(b'(') {
            cursor = behind;
        }
    }
    let brackets = cursor.peek()? == Some(b'(');
    if brackets {
        cursor.at += 1;
    }
    cursor.digits(3, &mut digits)?;
    if brackets {
        cursor.exactly(")")?;
    }
    let mut divided = brackets;
    divided |= cursor.separator()?.is_some();
    cursor.digits(3, &mut digits)?;
    let second = cursor.separator()?.is_some();
    cursor.digits(4, &mut digits)?;
    cursor.edge()?;
    if divided && second {
        return if digits.first() == Some(&0) { Err(Stop::No) } else { Ok(cursor.at) };
    }
    // NANP numbering: neither code begins with 0 or 1.
    let valid = matches!(digits.as_slice(), [2..=9, _, _, 2..=9, ..]);
    if valid && (divided || second || mentions(view.context_before(start), &CONTEXT)) {
        return Ok(cursor.at);
    }
    Err(Stop::No)
}
