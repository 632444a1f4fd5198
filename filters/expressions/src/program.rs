//! A compiled expression: names resolved, functions found, patterns compiled.

use regex::Regex;

use crate::functions::Function;

/// One node of a compiled expression.
#[derive(Debug)]
pub(crate) enum Node {
    Literal(Literal),
    /// A variable of the context.
    Root(String),
    /// A variable of a macro, by its place on the stack.
    Local(usize),
    Select(Box<Node>, String),
    /// `has(a.b)`
    Has(Box<Node>, String),
    Index(Box<[Node; 2]>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Conditional(Box<[Node; 3]>),
    Binary(Operator, Box<[Node; 2]>),
    Loop(Box<Loop>),
    /// In a loop's step: the accumulated list with one element more.
    Append(Box<Node>),
    /// In a loop's condition: anything but false, errors included.
    NotFalse(Box<Node>),
    /// `value.with(name, body)`
    With(Box<[Node; 2]>),
    /// `map.mapValues(name, body)`
    MapValues(Box<[Node; 2]>),
    /// `map.filterKeys(name, body)`
    FilterKeys(Box<[Node; 2]>),
    Default(Box<[Node; 2]>),
    Coalesce(Vec<Node>),
    Variables,
    Call(&'static Function, Vec<Node>),
    /// A call with a pattern that stands in the expression, compiled once.
    Pattern(&'static Function, Vec<Node>, Regex),
}

/// A constant.
#[derive(Debug)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Str(String),
    Bytes(Vec<u8>),
}

/// Operators with two operands that are both always evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
}

/// A comprehension: a macro over a list or the keys of a map. The element and the accumulator are the two next places
/// on the stack.
#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) range: Node,
    pub(crate) start: Node,
    pub(crate) condition: Node,
    pub(crate) step: Node,
    pub(crate) result: Node,
}
