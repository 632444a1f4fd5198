//! Numbers of people and cards.

use super::cursor::{Cursor, Stop, luhn};
use crate::view::{View, mentions};

/// Nine digits and two separators, the widest of which have 3 bytes.
pub(super) const LONGEST_SSN: usize = 9 + 2 * 3;
/// As [`LONGEST_SSN`].
pub(super) const LONGEST_SIN: usize = LONGEST_SSN;
/// 19 digits in groups of at least four.
pub(super) const LONGEST_CARD: usize = 19 + 4 * 3;

/// A US social security number: area, group and serial, separated by `-`, a space or `.`; without separators only
/// where the text speaks of social security, as any nine digits would match.
/// What was never issued is none: area 000, 666 and 9xx, group 00, serial 0000 (SSA, POMS RM 10201.035).
pub(super) fn ssn(view: &View<'_>, start: usize) -> Result<usize, Stop> {
    let mut cursor = Cursor { view, at: start };
    if view.word_before(start) {
        return Err(Stop::No);
    }
    let mut digits = Vec::with_capacity(9);
    cursor.digits(3, &mut digits)?;
    let separator = cursor.separator()?;
    cursor.digits(2, &mut digits)?;
    if cursor.separator()? != separator {
        return Err(Stop::No);
    }
    cursor.digits(4, &mut digits)?;
    cursor.edge()?;
    if separator.is_none() && !mentions(view.context_before(start), &["ssn", "social security"]) {
        return Err(Stop::No);
    }
    match digits.as_slice() {
        [0, 0, 0, ..] | [6, 6, 6, ..] | [9, ..] | [_, _, _, 0, 0, ..] | [.., 0, 0, 0, 0] => Err(Stop::No),
        _ => Ok(cursor.at),
    }
}

/// A Canadian social insurance number: nine digits in threes, separated by `-` or a space or not at all, Luhn checked.
/// None begins with 0 or 8.
pub(super) fn sin(view: &View<'_>, start: usize) -> Result<usize, Stop> {
    let mut cursor = Cursor { view, at: start };
    if view.word_before(start) {
        return Err(Stop::No);
    }
    let mut digits = Vec::with_capacity(9);
    cursor.digits(3, &mut digits)?;
    let separator = cursor.separator()?;
    cursor.digits(3, &mut digits)?;
    if separator == Some('.') || cursor.separator()? != separator {
        return Err(Stop::No);
    }
    cursor.digits(3, &mut digits)?;
    cursor.edge()?;
    if luhn(&digits) { Ok(cursor.at) } else { Err(Stop::No) }
}

/// A payment card's number: 13 to 19 digits of which the first is 2 to 6 (ISO/IEC 7812-1: banking, travel and
/// merchandising), Luhn checked; undivided, or in groups of four to six digits with one kind of separator, `-` or a
/// space, of which the last may be shorter. The longest that fits.
pub(super) fn card(view: &View<'_>, start: usize) -> Result<usize, Stop> {
    if view.word_before(start) {
        return Err(Stop::No);
    }
    let mut cursor = Cursor { view, at: start };
    let mut digits = Vec::with_capacity(19);
    let mut best = None;
    let mut group = 0;
    let mut sign = None;
    while digits.len() < 19 {
        digits.push(match cursor.digit() {
            Ok(digit) => digit,
            Err(Stop::No) => break,
            Err(stop) => return Err(stop),
        });
        group += 1;
        if matches!(cursor.peek()?, Some(b'0'..=b'9')) {
            continue;
        }
        if cursor.edge().is_err() {
            break;
        }
        if digits.len() >= 13 && luhn(&digits) {
            best = Some(cursor.at);
        }
        let separator = cursor.separator()?;
        if separator.is_none() || separator == Some('.') || !(4..=6).contains(&group) {
            break;
        }
        if sign.is_some() && sign != separator {
            break;
        }
        sign = separator;
        group = 0;
    }
    best.ok_or(Stop::No)
}
