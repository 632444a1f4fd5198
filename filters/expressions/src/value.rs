//! Values during an evaluation. JSON is lent from the context; only what an expression makes is owned.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Number, Value};

use crate::Error;

/// A CEL value. Clones are cheap.
#[derive(Debug, Clone)]
pub(crate) enum Val<'v> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Str(Str<'v>),
    Bytes(Rc<[u8]>),
    List(List<'v>),
    Map(Map<'v>),
    Type(&'static str),
}

/// Text, lent or made.
#[derive(Debug, Clone)]
pub(crate) enum Str<'v> {
    Lent(&'v str),
    Own(Rc<str>),
}

impl Str<'_> {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Lent(text) => text,
            Self::Own(text) => text,
        }
    }
}

/// A list, lent or made.
#[derive(Debug, Clone)]
pub(crate) enum List<'v> {
    Lent(&'v [Value]),
    Own(Rc<Vec<Val<'v>>>),
}

impl<'v> List<'v> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Lent(list) => list.len(),
            Self::Own(list) => list.len(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<Val<'v>> {
        match self {
            Self::Lent(list) => list.get(index).map(Val::lent),
            Self::Own(list) => list.get(index).cloned(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Val<'v>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

/// A map, lent or made. Both keep the order of their entries.
#[derive(Debug, Clone)]
pub(crate) enum Map<'v> {
    Lent(&'v serde_json::Map<String, Value>),
    Own(Rc<Entries<'v>>),
}

/// The entries of a made map. The index is a tree: with a hash seed that is the same in every Wasm VM, keys chosen by a
/// client could make a hash map slow.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entries<'v> {
    list: Vec<(Key<'v>, Val<'v>)>,
    index: BTreeMap<Key<'v>, usize>,
}

impl<'v> Entries<'v> {
    /// Adds an entry or replaces the value of one. Returns whether the key was new.
    pub(crate) fn insert(&mut self, key: Key<'v>, value: Val<'v>) -> bool {
        if let Some(slot) = self.index.get(&key).and_then(|at| self.list.get_mut(*at)) {
            slot.1 = value;
            return false;
        }
        self.index.insert(key.clone(), self.list.len());
        self.list.push((key, value));
        true
    }
}

impl<'v> Map<'v> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Lent(map) => map.len(),
            Self::Own(map) => map.list.len(),
        }
    }

    pub(crate) fn get(&self, key: &Key<'_>) -> Option<Val<'v>> {
        match (self, key) {
            (Self::Lent(map), Key::Str(key)) => map.get(key.as_str()).map(Val::lent),
            (Self::Lent(_), _) => None,
            (Self::Own(map), key) => {
                map.index.get(key).and_then(|at| map.list.get(*at)).map(|entry| entry.1.clone())
            }
        }
    }

    pub(crate) fn entries(&self) -> Vec<(Key<'v>, Val<'v>)> {
        match self {
            Self::Lent(map) => {
                map.iter().map(|(key, value)| (Key::Str(Str::Lent(key)), Val::lent(value))).collect()
            }
            Self::Own(map) => map.list.clone(),
        }
    }
}

/// A map key. Whole numbers are one kind, as in CEL's equality.
#[derive(Debug, Clone)]
pub(crate) enum Key<'v> {
    Bool(bool),
    Int(i128),
    Str(Str<'v>),
}

impl<'v> Key<'v> {
    pub(crate) fn from_val(value: &Val<'v>) -> Option<Self> {
        Some(match value {
            Val::Bool(key) => Self::Bool(*key),
            Val::Int(key) => Self::Int(i128::from(*key)),
            Val::Uint(key) => Self::Int(i128::from(*key)),
            Val::Str(key) => Self::Str(key.clone()),
            _ => return None,
        })
    }

    pub(crate) fn to_val(&self) -> Val<'v> {
        match self {
            Self::Bool(key) => Val::Bool(*key),
            Self::Int(key) => i64::try_from(*key)
                .map(Val::Int)
                .or_else(|_| u64::try_from(*key).map(Val::Uint))
                .unwrap_or(Val::Null),
            Self::Str(key) => Val::Str(key.clone()),
        }
    }

    /// The key as JSON writes it.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Bool(key) => key.to_string(),
            Self::Int(key) => key.to_string(),
            Self::Str(key) => key.as_str().to_owned(),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Int(_) => 1,
            Self::Str(_) => 2,
        }
    }
}

impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Str(a), Self::Str(b)) => a.as_str().cmp(b.as_str()),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }
}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key<'_> {}

impl<'v> Val<'v> {
    /// JSON seen as a CEL value: whole numbers are `int` where they fit, else `uint`.
    pub(crate) fn lent(value: &'v Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::number(number),
            Value::String(text) => Self::Str(Str::Lent(text)),
            Value::Array(list) => Self::List(List::Lent(list)),
            Value::Object(map) => Self::Map(Map::Lent(map)),
        }
    }

    /// JSON taken over, for values made during the evaluation.
    pub(crate) fn owned(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => Self::number(&number),
            Value::String(text) => Self::text(text),
            Value::Array(list) => Self::list(list.into_iter().map(Self::owned).collect()),
            Value::Object(map) => {
                let mut entries = Entries::default();
                for (key, value) in map {
                    entries.insert(Key::Str(Str::Own(key.into())), Self::owned(value));
                }
                Self::map(entries)
            }
        }
    }

    fn number(number: &Number) -> Self {
        if let Some(value) = number.as_i64() {
            Self::Int(value)
        } else if let Some(value) = number.as_u64() {
            Self::Uint(value)
        } else {
            number.as_f64().map_or(Self::Null, Self::Double)
        }
    }

    pub(crate) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Str(Str::Own(text.into()))
    }

    pub(crate) fn list(list: Vec<Val<'v>>) -> Self {
        Self::List(List::Own(Rc::new(list)))
    }

    pub(crate) fn map(entries: Entries<'v>) -> Self {
        Self::Map(Map::Own(Rc::new(entries)))
    }

    /// CEL's name of the type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::Str(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Type(_) => "type",
        }
    }

    /// A type error of `operation` on these operands.
    pub(crate) fn mismatch(operation: &'static str, operands: &[&Val<'_>]) -> Error {
        let found: Vec<_> = operands.iter().map(|operand| operand.type_name()).collect();
        Error::Type { operation, found: found.join(", ") }
    }
}
