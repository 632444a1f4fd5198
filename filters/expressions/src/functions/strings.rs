//! Text. Positions count characters (Unicode scalar values), as in CEL.

use regex::Regex;

use super::{Function, made, mismatch, plain, text, whole, with_pattern};
use crate::Error;
use crate::evaluate::Budget;
use crate::value::Val;

pub(crate) const FUNCTIONS: &[Function] = &[
    plain("contains", 2, 2, |budget, all| {
        let (whole, part) = (text(budget, "contains", all, 0)?, text(budget, "contains", all, 1)?);
        Ok(Val::Bool(whole.contains(part)))
    }),
    plain("startsWith", 2, 2, |budget, all| {
        let (whole, part) = (text(budget, "startsWith", all, 0)?, text(budget, "startsWith", all, 1)?);
        Ok(Val::Bool(whole.starts_with(part)))
    }),
    plain("endsWith", 2, 2, |budget, all| {
        let (whole, part) = (text(budget, "endsWith", all, 0)?, text(budget, "endsWith", all, 1)?);
        Ok(Val::Bool(whole.ends_with(part)))
    }),
    plain("stripPrefix", 2, 2, |budget, all| {
        let (whole, part) = (text(budget, "stripPrefix", all, 0)?, text(budget, "stripPrefix", all, 1)?);
        made(budget, whole.strip_prefix(part).unwrap_or(whole).to_owned())
    }),
    plain("stripSuffix", 2, 2, |budget, all| {
        let (whole, part) = (text(budget, "stripSuffix", all, 0)?, text(budget, "stripSuffix", all, 1)?);
        made(budget, whole.strip_suffix(part).unwrap_or(whole).to_owned())
    }),
    plain("lowerAscii", 1, 1, |budget, all| {
        let text = text(budget, "lowerAscii", all, 0)?.to_ascii_lowercase();
        made(budget, text)
    }),
    plain("upperAscii", 1, 1, |budget, all| {
        let text = text(budget, "upperAscii", all, 0)?.to_ascii_uppercase();
        made(budget, text)
    }),
    plain("trim", 1, 1, |budget, all| {
        let text = text(budget, "trim", all, 0)?.trim().to_owned();
        made(budget, text)
    }),
    plain("charAt", 2, 2, char_at),
    plain("indexOf", 2, 3, index_of),
    plain("lastIndexOf", 2, 3, last_index_of),
    plain("substring", 2, 3, substring),
    plain("replace", 3, 4, replace),
    plain("split", 2, 3, split),
    plain("join", 1, 2, join),
    with_pattern("matches", 2, matches),
    with_pattern("regexReplace", 3, regex_replace),
];

fn range(operation: &'static str) -> Error {
    Error::value(operation, "index out of range")
}

/// Byte position of the character at `index`; the length is the position behind the last.
fn position(operation: &'static str, text: &str, index: i64) -> Result<usize, Error> {
    let index = usize::try_from(index).map_err(|_| range(operation))?;
    text.char_indices()
        .map(|(at, _)| at)
        .chain(std::iter::once(text.len()))
        .nth(index)
        .ok_or_else(|| range(operation))
}

fn char_at<'v>(budget: &mut Budget, all: &[Val<'v>]) -> Result<Val<'v>, Error> {
    let whole_text = text(budget, "charAt", all, 0)?;
    let index = whole("charAt", all, 1)?.unwrap_or_default();
    let at = position("charAt", whole_text, index)?;
    let found = whole_text.get(at..).and_then(|rest| rest.chars().next());
    made(budget, found.map(String::from).unwrap_or_default())
}

fn index_of<'v>(budget: &mut Budget, all: &[Val<'v>]) -> Result<Val<'v>, Error> {
    let (in_text, part) = (text(budget, "indexOf", all, 0)?, text(budget, "indexOf", all, 1)?);
    let from = position("indexOf", in_text, whole("indexOf", all, 2)?.unwrap_or_default())?;
    let found = in_text.get(from..).and_then(|rest| rest.find(part)).map(|at| at + from);
    Ok(Val::Int(count(in_text, found)))
}

fn last_index_of<'v>(budget: &mut Budget, all: &[Val<'v>]) -> Result<Val<'v>, Error> {
    let (in_text, part) = (text(budget, "lastIndexOf", all, 0)?, text(budget, "lastIndexOf", all, 1)?);
    let until = match whole("lastIndexOf", all, 2)? {
        // The match may begin at this character at the latest.
        Some(index) => position("lastIndexOf", in_text, index)?.saturating_add(part.len()).min(in_text.len()),
        None => in_text.len(),
    };
    let bytes = in_text.as_bytes().get(..until).unwrap_or_default();
    let found = (part.len()..=bytes.len())
        .rev()
        .find(|end| bytes.get(..*end).is_some_and(|head| head.ends_with(part.as_bytes())))
        .map(|end| end - part.len());
    budget.look(bytes.len().saturating_mul(part.len().min(64)))?;
    Ok(Val::Int(count(in_text, found)))
}

/// How many characters stand in front of a byte position; -1 for none.
fn count(text: &str, at: Option<usize>) -> i64 {
    let Some(head) = at.and_then(|at| text.get(..at)) else { return -1 };
    i64::try_from(head.chars().count()).unwrap_or(i64::MAX)
}

fn substring<'v>(budget: &mut Budget, all: &[Val<'v>]) -> Result<Val<'v>, Error> {
    let of = text(budget, "substring", all, 0)?;
    let start = position("substring", of, whole("substring", all, 1)?.unwrap_or_default())?;
    let end = match whole("substring", all, 2)? {
        Some(end) => position("substring", of, end)?,
        None => of.len(),
    };
    let part = of.get(start..end).ok_or_else(|| range("substring"))?.to_owned();
    made(budget, part)
}

fn replace<'v>(budget: &mut Budget, all: &[Val<'v>]) -> Result<Val<'v>, Error> {
    let of = text(budget, "replace", all, 0)?;
    let (old, new) = (text(budget, "replace", all, 1)?, text(budget, "replace", all, 2)?);
    let limit = match whole("replace", all, 3)? {
        Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
        None => usize::MAX,
    };
    // Known before it is built: replacing a letter by a long text multiplies.
    let times = of.matches(old).count().min(limit);
    budget.steps(times)?;
    budget.build(of.len().saturating_add(times.saturating_mul(new.len())))?;
    Ok(Val::text(of.replacen(old, new, limit)))
}

fn split<'v>(budget: &mut Budget, all: &[Val<'v>]) -> Result<Val<'v>, Error> {
    let (of, by) = (text(budget, "split", all, 0)?, text(budget, "split", all, 1)?);
    let limit = match whole("split", all, 2)? {
        Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
        None => usize::MAX,
    };
    let mut parts = Vec::new();
    if by.is_empty() {
        // Into characters, without empty parts at the ends.
        let mut rest = of;
        while parts.len() + 1 < limit
            && let Some(first) = rest.chars().next()
            && first.len_utf8() < rest.len()
        {
            let (head, tail) = rest.split_at(first.len_utf8());
            budget.values(2)?;
            parts.push(Val::text(head));
            rest = tail;
        }
        if limit > 0 && !rest.is_empty() {
            parts.push(Val::text(rest));
        }
    } else {
        for part in of.splitn(limit, by) {
            budget.values(1)?;
            budget.build(part.len())?;
            parts.push(Val::text(part));
        }
    }
    Ok(Val::list(parts))
}

fn join<'v>(budget: &mut Budget, all: &[Val<'v>]) -> Result<Val<'v>, Error> {
    let Some(Val::List(list)) = all.first() else { return Err(mismatch("join", all)) };
    let between = if all.len() > 1 { text(budget, "join", all, 1)? } else { "" };
    let mut joined = String::new();
    for (index, element) in list.iter().enumerate() {
        let Val::Str(part) = &element else { return Err(Val::mismatch("join", &[&element])) };
        let between = if index == 0 { "" } else { between };
        budget.build(between.len() + part.as_str().len())?;
        joined.push_str(between);
        joined.push_str(part.as_str());
    }
    Ok(Val::text(joined))
}

fn matches<'v>(budget: &mut Budget, all: &[Val<'v>], pattern: &Regex) -> Result<Val<'v>, Error> {
    let of = text(budget, "matches", all, 0)?;
    // A pattern takes several times as long as a search.
    budget.look(of.len().saturating_mul(8))?;
    Ok(Val::Bool(pattern.is_match(of)))
}

/// `$1` and `${name}` in the replacement stand for groups, as in the `regex` crate.
fn regex_replace<'v>(budget: &mut Budget, all: &[Val<'v>], pattern: &Regex) -> Result<Val<'v>, Error> {
    let of = text(budget, "regexReplace", all, 0)?;
    let new = text(budget, "regexReplace", all, 2)?;
    budget.look(of.len().saturating_mul(8))?;
    let mut replaced = String::new();
    let mut end = 0;
    for groups in pattern.captures_iter(of) {
        let Some(found) = groups.get(0) else { continue };
        // Finding groups and copying them costs about as much as evaluating some nodes.
        budget.steps(16)?;
        let before = of.get(end..found.start()).unwrap_or_default();
        let length = replaced.len();
        replaced.push_str(before);
        groups.expand(new, &mut replaced);
        budget.build(replaced.len() - length)?;
        end = found.end();
    }
    let rest = of.get(end..).unwrap_or_default();
    budget.build(rest.len())?;
    replaced.push_str(rest);
    Ok(Val::text(replaced))
}
