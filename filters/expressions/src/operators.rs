//! Arithmetic, comparison and membership.

use std::cmp::Ordering;
use std::rc::Rc;

use crate::Error;
use crate::evaluate::Budget;
use crate::program::Operator;
use crate::value::{Key, List, Val};

pub(crate) fn binary<'v>(
    budget: &mut Budget,
    operator: Operator,
    left: Val<'v>,
    right: Val<'v>,
) -> Result<Val<'v>, Error> {
    match operator {
        Operator::Add => add(budget, left, right),
        Operator::Subtract => arithmetic("-", &left, &right, i128::checked_sub, |a, b| a - b),
        Operator::Multiply => arithmetic("*", &left, &right, i128::checked_mul, |a, b| a * b),
        Operator::Divide => {
            not_zero("/", &right)?;
            arithmetic("/", &left, &right, i128::checked_div, |a, b| a / b)
        }
        Operator::Remainder => {
            if matches!(left, Val::Double(_)) || matches!(right, Val::Double(_)) {
                return Err(Val::mismatch("%", &[&left, &right]));
            }
            not_zero("%", &right)?;
            arithmetic("%", &left, &right, i128::checked_rem, |a, b| a % b)
        }
        Operator::Equal => equal(budget, &left, &right).map(Val::Bool),
        Operator::NotEqual => equal(budget, &left, &right).map(|same| Val::Bool(!same)),
        Operator::Less => ordered(budget, "<", &left, &right, |order| order == Ordering::Less),
        Operator::LessEqual => ordered(budget, "<=", &left, &right, |order| order != Ordering::Greater),
        Operator::Greater => ordered(budget, ">", &left, &right, |order| order == Ordering::Greater),
        Operator::GreaterEqual => ordered(budget, ">=", &left, &right, |order| order != Ordering::Less),
        Operator::In => member(budget, &left, &right).map(Val::Bool),
    }
}

fn add<'v>(budget: &mut Budget, left: Val<'v>, right: Val<'v>) -> Result<Val<'v>, Error> {
    match (&left, &right) {
        (Val::Str(a), Val::Str(b)) => {
            let (a, b) = (a.as_str(), b.as_str());
            budget.build(a.len() + b.len())?;
            Ok(Val::text([a, b].concat()))
        }
        (Val::Bytes(a), Val::Bytes(b)) => {
            budget.build(a.len() + b.len())?;
            Ok(Val::Bytes([&**a, &**b].concat().into()))
        }
        (Val::List(a), Val::List(b)) => {
            budget.values(a.len() + b.len())?;
            Ok(Val::List(List::Own(Rc::new(a.iter().chain(b.iter()).collect()))))
        }
        _ => arithmetic("+", &left, &right, i128::checked_add, |a, b| a + b),
    }
}

fn not_zero(operation: &'static str, value: &Val<'_>) -> Result<(), Error> {
    match value {
        Val::Int(0) | Val::Uint(0) => Err(Error::value(operation, "division by zero")),
        _ => Ok(()),
    }
}

/// Whole numbers are computed exactly; the result is an `int` where an operand is one, or a `uint` for two of them.
fn arithmetic<'v>(
    operation: &'static str,
    left: &Val<'v>,
    right: &Val<'v>,
    whole: fn(i128, i128) -> Option<i128>,
    double: fn(f64, f64) -> f64,
) -> Result<Val<'v>, Error> {
    let mismatch = || Val::mismatch(operation, &[left, right]);
    let range = || Error::value(operation, "out of range");
    match (integer(left), integer(right)) {
        (Some(a), Some(b)) => {
            let result = whole(a, b).ok_or_else(range)?;
            if matches!((left, right), (Val::Uint(_), Val::Uint(_))) {
                return u64::try_from(result).map(Val::Uint).map_err(|_| range());
            }
            i64::try_from(result).map(Val::Int).map_err(|_| range())
        }
        _ => {
            let (a, b) = (float(left).ok_or_else(mismatch)?, float(right).ok_or_else(mismatch)?);
            Ok(Val::Double(double(a, b)))
        }
    }
}

pub(crate) fn integer(value: &Val<'_>) -> Option<i128> {
    match value {
        Val::Int(value) => Some(i128::from(*value)),
        Val::Uint(value) => Some(i128::from(*value)),
        _ => None,
    }
}

pub(crate) fn float(value: &Val<'_>) -> Option<f64> {
    match value {
        Val::Int(value) => Some(*value as f64),
        Val::Uint(value) => Some(*value as f64),
        Val::Double(value) => Some(*value),
        _ => None,
    }
}

/// Order of two numbers by what they are worth, exactly. `None` for a not-a-number, and for what is no number.
pub(crate) fn numeric_order(left: &Val<'_>, right: &Val<'_>) -> Option<Ordering> {
    match (integer(left), integer(right)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        (Some(a), None) => mixed_order(a, float(right)?),
        (None, Some(b)) => mixed_order(b, float(left)?).map(Ordering::reverse),
        (None, None) => float(left)?.partial_cmp(&float(right)?),
    }
}

fn mixed_order(whole: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    // The conversion saturates, so infinities order right.
    let floor = double.floor();
    Some(whole.cmp(&(floor as i128)).then(if double > floor { Ordering::Less } else { Ordering::Equal }))
}

/// CEL's equality: numbers by what they are worth, everything else within its type.
pub(crate) fn equal(budget: &mut Budget, left: &Val<'_>, right: &Val<'_>) -> Result<bool, Error> {
    budget.steps(1)?;
    Ok(match (left, right) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Str(a), Val::Str(b)) => {
            let (a, b) = (a.as_str(), b.as_str());
            if a.len() != b.len() {
                return Ok(false);
            }
            budget.look(a.len())?;
            a == b
        }
        (Val::Bytes(a), Val::Bytes(b)) => {
            budget.look(a.len())?;
            a == b
        }
        (Val::List(a), Val::List(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b.iter()) {
                if !equal(budget, &a, &b)? {
                    return Ok(false);
                }
            }
            true
        }
        (Val::Map(a), Val::Map(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            budget.steps(a.len())?;
            for (key, value) in a.entries() {
                match b.get(&key) {
                    Some(other) if equal(budget, &value, &other)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        (Val::Type(a), Val::Type(b)) => a == b,
        (a, b) => numeric_order(a, b) == Some(Ordering::Equal),
    })
}

/// Order of two values, `None` for what has none.
pub(crate) fn order(budget: &mut Budget, left: &Val<'_>, right: &Val<'_>) -> Result<Option<Ordering>, Error> {
    Ok(match (left, right) {
        (Val::Str(a), Val::Str(b)) => {
            budget.look(a.as_str().len().min(b.as_str().len()))?;
            Some(a.as_str().cmp(b.as_str()))
        }
        (Val::Bytes(a), Val::Bytes(b)) => {
            budget.look(a.len().min(b.len()))?;
            Some(a.cmp(b))
        }
        (Val::Bool(a), Val::Bool(b)) => Some(a.cmp(b)),
        (a, b) => numeric_order(a, b),
    })
}

fn ordered<'v>(
    budget: &mut Budget,
    operation: &'static str,
    left: &Val<'v>,
    right: &Val<'v>,
    holds: fn(Ordering) -> bool,
) -> Result<Val<'v>, Error> {
    match order(budget, left, right)? {
        Some(order) => Ok(Val::Bool(holds(order))),
        // Only a not-a-number has no order among numbers, and compares as false.
        None if float(left).is_some() && float(right).is_some() => Ok(Val::Bool(false)),
        None => Err(Val::mismatch(operation, &[left, right])),
    }
}

fn member(budget: &mut Budget, value: &Val<'_>, of: &Val<'_>) -> Result<bool, Error> {
    match of {
        Val::List(list) => {
            for element in list.iter() {
                if equal(budget, value, &element)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Val::Map(map) => {
            let key = Key::from_val(value).ok_or_else(|| Val::mismatch("in", &[value, of]))?;
            Ok(map.get(&key).is_some())
        }
        _ => Err(Val::mismatch("in", &[value, of])),
    }
}
