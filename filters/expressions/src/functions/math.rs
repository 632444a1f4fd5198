//! Numbers.

use std::cmp::Ordering;

use super::{Function, mismatch, plain};
use crate::Error;
use crate::evaluate::Budget;
use crate::operators::{float, integer, numeric_order, order};
use crate::value::Val;

pub(crate) const FUNCTIONS: &[Function] = &[
    plain("math.least", 1, usize::MAX, |budget, all| extreme(budget, "math.least", all, Ordering::Less)),
    plain("math.greatest", 1, usize::MAX, |budget, all| {
        extreme(budget, "math.greatest", all, Ordering::Greater)
    }),
    plain("min", 1, usize::MAX, |budget, all| extreme(budget, "min", all, Ordering::Less)),
    plain("max", 1, usize::MAX, |budget, all| extreme(budget, "max", all, Ordering::Greater)),
    plain("math.ceil", 1, 1, |_, all| rounded("math.ceil", all, f64::ceil)),
    plain("math.floor", 1, 1, |_, all| rounded("math.floor", all, f64::floor)),
    plain("math.round", 1, 1, |_, all| rounded("math.round", all, f64::round)),
    plain("math.trunc", 1, 1, |_, all| rounded("math.trunc", all, f64::trunc)),
    plain("math.sqrt", 1, 1, |_, all| {
        let value = all.first().and_then(float).ok_or_else(|| mismatch("math.sqrt", all))?;
        Ok(Val::Double(value.sqrt()))
    }),
    plain("math.abs", 1, 1, |_, all| match all {
        [Val::Int(value)] => {
            value.checked_abs().map(Val::Int).ok_or_else(|| Error::value("math.abs", "out of range"))
        }
        [Val::Uint(value)] => Ok(Val::Uint(*value)),
        [Val::Double(value)] => Ok(Val::Double(value.abs())),
        _ => Err(mismatch("math.abs", all)),
    }),
    plain("math.sign", 1, 1, |_, all| match all {
        [Val::Int(value)] => Ok(Val::Int(value.signum())),
        [Val::Uint(value)] => Ok(Val::Uint((*value).min(1))),
        [Val::Double(value)] if *value == 0.0 || value.is_nan() => Ok(Val::Double(*value)),
        [Val::Double(value)] => Ok(Val::Double(value.signum())),
        _ => Err(mismatch("math.sign", all)),
    }),
    plain("math.isNaN", 1, 1, |_, all| test("math.isNaN", all, f64::is_nan)),
    plain("math.isInf", 1, 1, |_, all| test("math.isInf", all, f64::is_infinite)),
    plain("math.isFinite", 1, 1, |_, all| test("math.isFinite", all, f64::is_finite)),
    plain("math.bitAnd", 2, 2, |_, all| bits("math.bitAnd", all, |a, b| a & b, |a, b| a & b)),
    plain("math.bitOr", 2, 2, |_, all| bits("math.bitOr", all, |a, b| a | b, |a, b| a | b)),
    plain("math.bitXor", 2, 2, |_, all| bits("math.bitXor", all, |a, b| a ^ b, |a, b| a ^ b)),
    plain("math.bitNot", 1, 1, |_, all| match all {
        [Val::Int(value)] => Ok(Val::Int(!value)),
        [Val::Uint(value)] => Ok(Val::Uint(!value)),
        _ => Err(mismatch("math.bitNot", all)),
    }),
    plain("math.bitShiftLeft", 2, 2, |_, all| {
        shift("math.bitShiftLeft", all, |value, by| value.checked_shl(by).unwrap_or_default())
    }),
    plain("math.bitShiftRight", 2, 2, |_, all| {
        shift("math.bitShiftRight", all, |value, by| value.checked_shr(by).unwrap_or_default())
    }),
];

/// The least or greatest argument, or element of a list given as the only argument.
fn extreme<'v>(
    budget: &mut Budget,
    operation: &'static str,
    all: &[Val<'v>],
    wanted: Ordering,
) -> Result<Val<'v>, Error> {
    let elements: Vec<Val<'v>> = match all {
        [Val::List(list)] => {
            budget.values(list.len())?;
            list.iter().collect()
        }
        several => several.to_vec(),
    };
    let mut elements = elements.into_iter();
    let mut best = elements.next().ok_or_else(|| Error::value(operation, "of an empty list"))?;
    // Checked also for a single one: its type must have an order.
    if numeric_order(&best, &best).is_none() && !matches!(best, Val::Str(_) | Val::Double(_)) {
        return Err(Val::mismatch(operation, &[&best]));
    }
    for element in elements {
        budget.steps(1)?;
        match order(budget, &element, &best)? {
            Some(found) if found == wanted => best = element,
            Some(_) => {}
            None => return Err(Val::mismatch(operation, &[&best, &element])),
        }
    }
    Ok(best)
}

/// Whole numbers are rounded already.
fn rounded<'v>(operation: &'static str, all: &[Val<'v>], round: fn(f64) -> f64) -> Result<Val<'v>, Error> {
    match all {
        [Val::Double(value)] => Ok(Val::Double(round(*value))),
        [value] if integer(value).is_some() => Ok(value.clone()),
        _ => Err(mismatch(operation, all)),
    }
}

fn test<'v>(operation: &'static str, all: &[Val<'v>], holds: fn(f64) -> bool) -> Result<Val<'v>, Error> {
    let value = all.first().and_then(float).ok_or_else(|| mismatch(operation, all))?;
    Ok(Val::Bool(holds(value)))
}

fn bits<'v>(
    operation: &'static str,
    all: &[Val<'v>],
    signed: fn(i64, i64) -> i64,
    unsigned: fn(u64, u64) -> u64,
) -> Result<Val<'v>, Error> {
    match all {
        [Val::Int(a), Val::Int(b)] => Ok(Val::Int(signed(*a, *b))),
        [Val::Uint(a), Val::Uint(b)] => Ok(Val::Uint(unsigned(*a, *b))),
        _ => Err(mismatch(operation, all)),
    }
}

/// Shifts move bits without regard to the sign.
fn shift<'v>(
    operation: &'static str,
    all: &[Val<'v>],
    shifted: fn(u64, u32) -> u64,
) -> Result<Val<'v>, Error> {
    let [value, Val::Int(by)] = all else { return Err(mismatch(operation, all)) };
    let by = u64::try_from(*by).map_err(|_| Error::value(operation, "negative shift"))?;
    let by = u32::try_from(by).unwrap_or(u32::MAX);
    match value {
        Val::Int(value) => Ok(Val::Int(shifted(value.cast_unsigned(), by).cast_signed())),
        Val::Uint(value) => Ok(Val::Uint(shifted(*value, by))),
        _ => Err(mismatch(operation, all)),
    }
}
