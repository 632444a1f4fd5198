//! Lists and maps.

use super::{Function, mismatch, plain, whole};
use crate::Error;
use crate::evaluate::Budget;
use crate::value::{Entries, Key, List, Str, Val};

pub(crate) const FUNCTIONS: &[Function] = &[
    plain("size", 1, 1, |budget, all| {
        let size = match all {
            [Val::Str(text)] => {
                budget.look(text.as_str().len())?;
                text.as_str().chars().count()
            }
            [Val::Bytes(bytes)] => bytes.len(),
            [Val::List(list)] => list.len(),
            [Val::Map(map)] => map.len(),
            _ => return Err(mismatch("size", all)),
        };
        Ok(Val::Int(i64::try_from(size).unwrap_or(i64::MAX)))
    }),
    plain("merge", 1, usize::MAX, merge),
    plain("flatten", 1, 2, flatten),
    plain("flattenRecursive", 1, 1, flatten_recursive),
    plain("flatten_recursive", 1, 1, flatten_recursive),
];

/// The entries of all maps, those of later ones replacing those of earlier ones.
fn merge<'v>(budget: &mut Budget, all: &[Val<'v>]) -> Result<Val<'v>, Error> {
    let mut merged = Entries::default();
    for map in all {
        let Val::Map(map) = map else { return Err(mismatch("merge", all)) };
        budget.values(map.len().saturating_mul(2))?;
        for (key, value) in map.entries() {
            merged.insert(key, value);
        }
    }
    Ok(Val::map(merged))
}

/// A list with the elements of its lists in their place, as many levels deep as the second argument says (one if left
/// out). A map with the entries of its maps and lists in their place, under keys joined by dots.
fn flatten<'v>(budget: &mut Budget, all: &[Val<'v>]) -> Result<Val<'v>, Error> {
    let levels = whole("flatten", all, 1)?.unwrap_or(1);
    let levels =
        usize::try_from(levels).map_err(|_| Error::value("flatten", "a negative number of levels"))?;
    flattened(budget, all, levels)
}

fn flatten_recursive<'v>(budget: &mut Budget, all: &[Val<'v>]) -> Result<Val<'v>, Error> {
    flattened(budget, all, usize::MAX)
}

fn flattened<'v>(budget: &mut Budget, all: &[Val<'v>], levels: usize) -> Result<Val<'v>, Error> {
    match all.first() {
        Some(Val::List(list)) => {
            let mut flat = Vec::new();
            flatten_list(budget, list, levels, &mut flat)?;
            Ok(Val::list(flat))
        }
        Some(Val::Map(map)) => {
            let mut flat = Entries::default();
            for (key, value) in map.entries() {
                flatten_entry(budget, key.to_text(), value, levels, &mut flat)?;
            }
            Ok(Val::map(flat))
        }
        _ => Err(mismatch("flatten", all)),
    }
}

fn flatten_list<'v>(
    budget: &mut Budget,
    list: &List<'v>,
    levels: usize,
    flat: &mut Vec<Val<'v>>,
) -> Result<(), Error> {
    for element in list.iter() {
        budget.values(1)?;
        match element {
            Val::List(inner) if levels > 0 => flatten_list(budget, &inner, levels - 1, flat)?,
            other => flat.push(other),
        }
    }
    Ok(())
}

fn flatten_entry<'v>(
    budget: &mut Budget,
    name: String,
    value: Val<'v>,
    levels: usize,
    flat: &mut Entries<'v>,
) -> Result<(), Error> {
    budget.values(2)?;
    budget.build(name.len())?;
    match value {
        Val::Map(map) if levels > 0 => {
            for (key, value) in map.entries() {
                flatten_entry(budget, format!("{name}.{}", key.to_text()), value, levels - 1, flat)?;
            }
        }
        Val::List(list) if levels > 0 => {
            for (index, value) in list.iter().enumerate() {
                flatten_entry(budget, format!("{name}.{index}"), value, levels - 1, flat)?;
            }
        }
        other => {
            flat.insert(Key::Str(Str::Own(name.into())), other);
        }
    }
    Ok(())
}
