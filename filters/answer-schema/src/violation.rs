//! What is wrong with an answer.

use std::fmt;

use crate::keyword::Types;

/// What is wrong with an answer. It names places and keywords of the schema and never holds text of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where, as a JSON Pointer into the answer; empty for the whole. A `*` stands for a property that the schema does
    /// not name.
    pub place: String,
    /// The keyword that is broken; empty when the answer is no JSON or too much work to check.
    pub keyword: &'static str,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            write!(f, "the answer {}", self.message)
        } else {
            write!(f, "`{}` {}", self.place, self.message)
        }
    }
}

impl std::error::Error for Violation {}

impl Violation {
    pub(crate) fn not_json(error: &serde_json::Error) -> Self {
        Self { place: String::new(), keyword: "", message: format!("is not JSON: {error}") }
    }

    pub(crate) fn too_much_work() -> Self {
        Self { place: String::new(), keyword: "", message: "is too complex to check".to_owned() }
    }
}

/// Why a value does not fit, cheap enough to be thrown away when an alternative does.
#[derive(Debug)]
pub(crate) struct Failure<'s> {
    /// From the value outwards.
    pub(crate) steps: Vec<Step<'s>>,
    pub(crate) what: What<'s>,
}

/// One level of a place.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step<'s> {
    /// A property the schema names.
    Property(&'s str),
    /// Another one.
    Unnamed,
    Index(usize),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'s> {
    /// A keyword and what is wrong.
    Breaks(&'static str, &'static str),
    Type(Types),
    /// A keyword and the property that is not there.
    Lacks(&'static str, &'s str),
}

impl From<Failure<'_>> for Violation {
    fn from(failure: Failure<'_>) -> Self {
        let mut place = String::new();
        for step in failure.steps.iter().rev() {
            place.push('/');
            match step {
                Step::Property(name) => place.push_str(&escape(name)),
                Step::Unnamed => place.push('*'),
                Step::Index(index) => place.push_str(&index.to_string()),
            }
        }
        let (keyword, message) = match failure.what {
            What::Breaks(keyword, message) => (keyword, message.to_owned()),
            What::Type(types) => ("type", format!("is not of type {types}")),
            What::Lacks(keyword, name) => (keyword, format!("lacks the property `{name}`")),
        };
        Self { place, keyword, message }
    }
}

/// A name as one token of a JSON Pointer.
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
