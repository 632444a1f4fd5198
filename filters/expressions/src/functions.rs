//! The functions expressions can call.

mod collections;
mod convert;
mod encoding;
mod math;
mod strings;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

use crate::Error;
use crate::evaluate::Budget;
use crate::value::Val;

/// A function. The receiver of `x.f(y)` is its first argument.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) min: usize,
    pub(crate) max: usize,
    pub(crate) body: Body,
}

pub(crate) type Plain = for<'v> fn(&mut Budget, &[Val<'v>]) -> Result<Val<'v>, Error>;
pub(crate) type Pattern = for<'v> fn(&mut Budget, &[Val<'v>], &Regex) -> Result<Val<'v>, Error>;

/// What a function does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body {
    /// Looks at its arguments.
    Plain(Plain),
    /// Takes its second argument compiled as a regular expression.
    Pattern(Pattern),
}

/// A function with `min` to `max` arguments.
const fn plain(name: &'static str, min: usize, max: usize, call: Plain) -> Function {
    Function { name, min, max, body: Body::Plain(call) }
}

/// A function with a pattern as its second argument.
const fn with_pattern(name: &'static str, arguments: usize, call: Pattern) -> Function {
    Function { name, min: arguments, max: arguments, body: Body::Pattern(call) }
}

/// Functions that the compiler knows, because they do not evaluate all their arguments or bind variables.
const BUILT_IN: [&str; 12] = [
    "all",
    "coalesce",
    "default",
    "exists",
    "exists_one",
    "filter",
    "filterKeys",
    "has",
    "map",
    "mapValues",
    "variables",
    "with",
];

static FUNCTIONS: LazyLock<BTreeMap<&'static str, &'static Function>> = LazyLock::new(|| {
    [collections::FUNCTIONS, convert::FUNCTIONS, encoding::FUNCTIONS, math::FUNCTIONS, strings::FUNCTIONS]
        .into_iter()
        .flatten()
        .map(|function| (function.name, function))
        .collect()
});

pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.get(name).copied()
}

/// Names of all functions and macros, in alphabetical order, for documentation and messages.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = BUILT_IN.into_iter().chain(FUNCTIONS.keys().copied()).collect();
    names.sort_unstable();
    names
}

/// Compiles a pattern. Matching takes time linear in the text; the limit bounds the pattern's own size.
pub(crate) fn pattern(text: &str) -> Result<Regex, Error> {
    const LIMIT: usize = 256 * 1024;
    RegexBuilder::new(text)
        .size_limit(LIMIT)
        .dfa_size_limit(LIMIT)
        .nest_limit(64)
        .build()
        .map_err(|error| Error::Regex { message: error.to_string() })
}

/// A type error of `operation`.
fn mismatch(operation: &'static str, arguments: &[Val<'_>]) -> Error {
    Val::mismatch(operation, &arguments.iter().collect::<Vec<_>>())
}

/// The text of the argument at `index`, which is looked at.
fn text<'a>(
    budget: &mut Budget,
    operation: &'static str,
    arguments: &'a [Val<'_>],
    index: usize,
) -> Result<&'a str, Error> {
    match arguments.get(index) {
        Some(Val::Str(text)) => {
            let text = text.as_str();
            budget.look(text.len())?;
            Ok(text)
        }
        _ => Err(mismatch(operation, arguments)),
    }
}

/// The whole number at `index`, `None` when the argument is left out.
fn whole(operation: &'static str, arguments: &[Val<'_>], index: usize) -> Result<Option<i64>, Error> {
    match arguments.get(index) {
        None => Ok(None),
        Some(Val::Int(value)) => Ok(Some(*value)),
        Some(Val::Uint(value)) => Ok(Some(i64::try_from(*value).unwrap_or(i64::MAX))),
        Some(_) => Err(mismatch(operation, arguments)),
    }
}

/// Made text.
fn made<'v>(budget: &mut Budget, text: String) -> Result<Val<'v>, Error> {
    budget.build(text.len())?;
    Ok(Val::text(text))
}
