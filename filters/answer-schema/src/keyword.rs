//! Compiled schemas.

use std::collections::BTreeMap;
use std::fmt;

use regex::Regex;
use serde_json::{Number, Value};

/// One schema.
#[derive(Debug)]
pub(crate) enum Node {
    /// `false`.
    Never,
    /// All of these hold; none for `true`.
    All(Vec<Keyword>),
}

/// Which node.
pub(crate) type Id = usize;

/// What a schema asserts.
#[derive(Debug)]
pub(crate) enum Keyword {
    Type(Types),
    Enum(Vec<Value>),
    Const(Value),
    Minimum(Number),
    ExclusiveMinimum(Number),
    Maximum(Number),
    ExclusiveMaximum(Number),
    MultipleOf(Number),
    MinLength(u64),
    MaxLength(u64),
    Pattern(Regex),
    /// `prefixItems` and `items`.
    Items {
        first: Vec<Id>,
        rest: Option<Id>,
    },
    Contains {
        schema: Id,
        least: u64,
        most: Option<u64>,
    },
    MinItems(u64),
    MaxItems(u64),
    UniqueItems,
    /// `properties`, `patternProperties` and `additionalProperties`.
    Properties {
        named: BTreeMap<String, Id>,
        matching: Vec<(Regex, Id)>,
        other: Option<Id>,
    },
    PropertyNames(Id),
    Required(Vec<String>),
    MinProperties(u64),
    MaxProperties(u64),
    DependentRequired(Vec<(String, Vec<String>)>),
    DependentSchemas(Vec<(String, Id)>),
    Reference(Id),
    AllOf(Vec<Id>),
    AnyOf(Vec<Id>),
    OneOf(Vec<Id>),
    Not(Id),
    If {
        condition: Id,
        then: Option<Id>,
        otherwise: Option<Id>,
    },
}

impl Keyword {
    /// The schemas it applies to the same value.
    pub(crate) fn in_place(&self) -> Vec<Id> {
        match self {
            Self::Reference(id) | Self::Not(id) => vec![*id],
            Self::AllOf(ids) | Self::AnyOf(ids) | Self::OneOf(ids) => ids.clone(),
            Self::If { condition, then, otherwise } => {
                [Some(*condition), *then, *otherwise].into_iter().flatten().collect()
            }
            Self::DependentSchemas(dependent) => dependent.iter().map(|(_, id)| *id).collect(),
            _ => Vec::new(),
        }
    }
}

/// A set of types.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Types(u8);

/// Names of types, by bit.
const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

impl Types {
    /// The type of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        TYPES.iter().position(|known| *known == name).map(|bit| Self(1 << bit))
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn has(self, name: &str) -> bool {
        Self::named(name).is_some_and(|one| self.0 & one.0 != 0)
    }
}

impl fmt::Display for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = TYPES.into_iter().filter(|name| self.has(name)).collect();
        f.write_str(&names.join(" or "))
    }
}
