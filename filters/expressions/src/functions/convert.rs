//! From one type to another, JSON text included.

use super::{Function, made, mismatch, plain, text};
use crate::Error;
use crate::evaluate::{Budget, to_json};
use crate::value::{Str, Val};

pub(crate) const FUNCTIONS: &[Function] = &[
    plain("string", 1, 1, to_string),
    plain("bytes", 1, 1, |budget, all| match all {
        [Val::Bytes(_)] => Ok(all.first().cloned().unwrap_or(Val::Null)),
        _ => {
            let bytes = text(budget, "bytes", all, 0)?.as_bytes();
            budget.build(bytes.len())?;
            Ok(Val::Bytes(bytes.into()))
        }
    }),
    plain("int", 1, 1, |budget, all| match all {
        [Val::Int(value)] => Ok(Val::Int(*value)),
        [Val::Uint(value)] => i64::try_from(*value).map(Val::Int).map_err(|_| range("int")),
        [Val::Double(value)] => {
            // The bounds are exact as doubles: -2⁶³ fits, 2⁶³ does not.
            if *value >= -9_223_372_036_854_775_808.0 && *value < 9_223_372_036_854_775_808.0 {
                Ok(Val::Int(*value as i64))
            } else {
                Err(range("int"))
            }
        }
        _ => text(budget, "int", all, 0)?.parse().map(Val::Int).map_err(|_| no_number("int")),
    }),
    plain("uint", 1, 1, |budget, all| match all {
        [Val::Uint(value)] => Ok(Val::Uint(*value)),
        [Val::Int(value)] => u64::try_from(*value).map(Val::Uint).map_err(|_| range("uint")),
        [Val::Double(value)] => {
            if *value > -1.0 && *value < 18_446_744_073_709_551_616.0 {
                Ok(Val::Uint(*value as u64))
            } else {
                Err(range("uint"))
            }
        }
        _ => text(budget, "uint", all, 0)?.parse().map(Val::Uint).map_err(|_| no_number("uint")),
    }),
    plain("double", 1, 1, |budget, all| match all {
        [Val::Double(value)] => Ok(Val::Double(*value)),
        [Val::Int(value)] => Ok(Val::Double(*value as f64)),
        [Val::Uint(value)] => Ok(Val::Double(*value as f64)),
        _ => text(budget, "double", all, 0)?.parse().map(Val::Double).map_err(|_| no_number("double")),
    }),
    plain("bool", 1, 1, |budget, all| match all {
        [Val::Bool(value)] => Ok(Val::Bool(*value)),
        _ => match text(budget, "bool", all, 0)? {
            "true" | "True" | "TRUE" | "t" | "1" => Ok(Val::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Ok(Val::Bool(false)),
            _ => Err(Error::value("bool", "the text is neither true nor false")),
        },
    }),
    plain("dyn", 1, 1, |_, all| Ok(all.first().cloned().unwrap_or(Val::Null))),
    plain("type", 1, 1, |_, all| Ok(Val::Type(all.first().map_or("null_type", Val::type_name)))),
    plain("json", 1, 1, from_json),
    plain("toJson", 1, 1, to_json_text),
    plain("to_json", 1, 1, to_json_text),
    plain("fail", 0, 1, |budget, all| {
        let message = if all.is_empty() { "the expression failed" } else { text(budget, "fail", all, 0)? };
        Err(Error::Failed { message: message.to_owned() })
    }),
];

fn range(operation: &'static str) -> Error {
    Error::value(operation, "out of range")
}

fn no_number(operation: &'static str) -> Error {
    Error::value(operation, "the text is no such number")
}

fn to_string<'v>(budget: &mut Budget, all: &[Val<'v>]) -> Result<Val<'v>, Error> {
    match all {
        [Val::Str(text)] => Ok(Val::Str(text.clone())),
        [Val::Bool(value)] => made(budget, value.to_string()),
        [Val::Int(value)] => made(budget, value.to_string()),
        [Val::Uint(value)] => made(budget, value.to_string()),
        [Val::Double(value)] => made(budget, value.to_string()),
        [Val::Bytes(bytes)] => {
            budget.look(bytes.len())?;
            let text =
                std::str::from_utf8(bytes).map_err(|_| Error::value("string", "the bytes are not UTF-8"))?;
            made(budget, text.to_owned())
        }
        _ => Err(mismatch("string", all)),
    }
}

/// The value of JSON text. What is parsed takes several times its text's memory.
fn from_json<'v>(budget: &mut Budget, all: &[Val<'v>]) -> Result<Val<'v>, Error> {
    let bytes: &[u8] = match all {
        [Val::Str(text)] => text.as_str().as_bytes(),
        [Val::Bytes(bytes)] => bytes,
        _ => return Err(mismatch("json", all)),
    };
    budget.build(bytes.len().saturating_mul(4))?;
    budget.look(bytes.len().saturating_mul(4))?;
    serde_json::from_slice(bytes).map(Val::owned).map_err(|_| Error::value("json", "the text is no JSON"))
}

fn to_json_text<'v>(budget: &mut Budget, all: &[Val<'v>]) -> Result<Val<'v>, Error> {
    let value = all.first().unwrap_or(&Val::Str(Str::Lent("")));
    let json = to_json(budget, value)?;
    made(budget, json.to_string())
}
