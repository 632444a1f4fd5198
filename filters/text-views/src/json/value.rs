//! Reading a scanned body.

use std::borrow::Cow;

use super::scan::{Doc, Fault, Kind, Node, Span};
use super::string::decode;

/// A value of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'d, 'a> {
    pub(super) doc: &'d Doc<'a>,
    pub(super) index: u32,
    pub(super) node: &'d Node,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Null,
    /// Number, `true` or `false`.
    Scalar,
    String,
    Array,
    Object,
}

impl<'d, 'a> Value<'d, 'a> {
    pub(crate) fn shape(self) -> Shape {
        match self.node.kind {
            Kind::Null => Shape::Null,
            Kind::True | Kind::False | Kind::Number => Shape::Scalar,
            Kind::String { .. } => Shape::String,
            Kind::Array { .. } => Shape::Array,
            Kind::Object => Shape::Object,
        }
    }

    /// Whether it is a list with numbers or literals in it, which are not among its items.
    pub(crate) fn has_scalars(self) -> bool {
        self.node.kind == (Kind::Array { scalars: true })
    }

    /// Where it stands.
    pub(crate) fn span(self) -> Span {
        self.node.span
    }

    /// Where it stands with its key and colon, if it has them.
    pub(crate) fn outer_span(self) -> Span {
        let start = if self.node.key == Span::default() { self.node.span.start } else { self.node.key.start };
        Span { start, end: self.node.span.end }
    }

    /// As it is written.
    pub(crate) fn raw(self) -> &'a str {
        self.node.span.of(self.doc.text)
    }

    /// Its key in the object it stands in; empty in lists.
    pub(crate) fn key(self) -> Cow<'a, str> {
        decode(self.node.key.of(self.doc.text), self.node.key_escaped)
    }

    /// What it says, if it is a string.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        match self.node.kind {
            Kind::String { escaped } => Some(decode(self.raw(), escaped)),
            _ => None,
        }
    }

    /// The values directly inside: of an object in order, of a list those that are no numbers and literals.
    pub(crate) fn children(self) -> impl Iterator<Item = Value<'d, 'a>> {
        let mut at = self.index + 1;
        std::iter::from_fn(move || {
            let child = (at < self.node.next).then(|| self.doc.value(at)).flatten()?;
            at = child.node.next;
            Some(child)
        })
    }

    /// The member `name` of an object, unless it is null.
    pub(crate) fn get(self, name: &str) -> Option<Value<'d, 'a>> {
        if self.shape() != Shape::Object {
            return None;
        }
        self.children().find(|child| child.is_named(name)).filter(|child| child.shape() != Shape::Null)
    }

    /// The first member that has one of `names`: Gemini's APIs take each in two spellings.
    pub(crate) fn either(self, names: [&str; 2]) -> Option<Value<'d, 'a>> {
        names.into_iter().find_map(|name| self.get(name))
    }

    fn is_named(self, name: &str) -> bool {
        if self.node.key_escaped {
            return self.key() == name;
        }
        let key = self.node.key.of(self.doc.text).as_bytes();
        key.get(1..key.len().saturating_sub(1)) == Some(name.as_bytes())
    }

    /// What the member `name` says; empty when it is missing or no string.
    pub(crate) fn str(self, name: &str) -> Cow<'a, str> {
        self.get(name).and_then(Value::text).unwrap_or_default()
    }

    /// The member `name` as a small number.
    pub(crate) fn number(self, name: &str) -> Option<u32> {
        self.get(name).and_then(|value| value.raw().parse().ok())
    }

    /// Whether the member `name` is `true`.
    pub(crate) fn is_true(self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.node.kind == Kind::True)
    }

    /// The elements of the list that the member `name` is; an object counts as a list of one, as JSON readers of
    /// Google and some providers have it. A missing member has none.
    ///
    /// Fails when it is anything else, or a list with something else than objects, lists and strings in it.
    pub(crate) fn list(self, name: &str) -> Result<Vec<Value<'d, 'a>>, Fault> {
        self.get(name).map_or(Ok(Vec::new()), Value::elements)
    }

    /// [`Self::list`] of the value itself.
    pub(crate) fn elements(self) -> Result<Vec<Value<'d, 'a>>, Fault> {
        match self.shape() {
            Shape::Array if !self.has_scalars() => Ok(self.children().collect()),
            Shape::Object => Ok(vec![self]),
            Shape::Array => Err(self.wrong("a list without numbers and literals")),
            _ => Err(self.wrong("a list")),
        }
    }

    /// The value, if it is an object.
    pub(crate) fn object(self) -> Result<Value<'d, 'a>, Fault> {
        match self.shape() {
            Shape::Object => Ok(self),
            _ => Err(self.wrong("an object")),
        }
    }

    pub(crate) fn wrong(self, expected: &'static str) -> Fault {
        Fault::WrongType { at: self.span().start as usize, expected }
    }

    pub(crate) fn opaque(self, reason: &'static str) -> Fault {
        Fault::Opaque { at: self.span().start as usize, reason }
    }
}
