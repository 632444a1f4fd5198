//! CEL expressions over JSON.
//!
//! [`Expression::compile`] checks an expression once, [`Expression::evaluate`] gives it the variables of a
//! [`Context`]. Parsing is the `cel` crate's; evaluation is our own, for three reasons: it lends JSON from the context
//! (a 20 MB request is never copied to look at one field), it is bounded, and it cannot panic.
//!
//! # Language
//! CEL (<https://github.com/google/cel-spec>) without messages, timestamps, durations and optionals. The macros are
//! `has`, `all`, `exists`, `exists_one`, `map` and `filter`. Functions beyond the standard ones are those agentgateway
//! users know, see [`functions()`]; every function can be called as `f(x, y)` and as `x.f(y)`. `random` and `uuid` are
//! refused: filters have no randomness, and translated requests must have the same bytes each time. So are functions
//! that do not exist; an expression that could never work is an error when it is configured.
//!
//! Two deliberate differences from CEL, because numbers come from JSON in which clients write `1` or `1.0` as they
//! like: arithmetic mixes `int`, `uint` and `double`, and a whole `double` below 2⁵³ becomes a whole JSON number.
//!
//! # Bounds
//! An expression has at most [`MAX_LENGTH`] bytes and is nested at most [`MAX_DEPTH`] deep. An evaluation takes at
//! most [`MAX_STEPS`] steps (a node evaluated, or 16 bytes looked at; a macro takes steps for each element) and builds
//! at most [`MAX_BYTES`] of values, the result included. Past a limit it ends with [`Error::Limit`].
#![forbid(unsafe_code)]

mod compile;
mod context;
mod error;
mod evaluate;
mod functions;
mod operators;
mod program;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use compile::{MAX_DEPTH, MAX_LENGTH};
pub use context::Context;
pub use error::Error;
pub use evaluate::{MAX_BYTES, MAX_STEPS};
pub use functions::names as functions;

/// A compiled CEL expression.
#[derive(Debug)]
pub struct Expression {
    node: program::Node,
    roots: BTreeSet<String>,
    members: BTreeSet<(String, String)>,
    every_root: bool,
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// [`Error::Syntax`] with line and column, [`Error::TooLarge`], [`Error::Unavailable`] for functions that do not
    /// exist here, [`Error::Arguments`] for wrong numbers of arguments, [`Error::Regex`] for invalid patterns.
    pub fn compile(text: &str) -> Result<Self, Error> {
        let compile::Compiled { node, roots, members, every_root } = compile::compile(text)?;
        Ok(Self { node, roots, members, every_root })
    }

    /// The expression's value for these variables, as JSON. Bytes become base64 as in CEL's JSON mapping.
    ///
    /// # Errors
    /// [`Error::Missing`] for variables and fields that are not there, [`Error::Type`], [`Error::Value`],
    /// [`Error::Failed`] where the expression calls `fail`, [`Error::Limit`].
    pub fn evaluate(&self, context: &Context<'_>) -> Result<serde_json::Value, Error> {
        evaluate::evaluate(&self.node, context)
    }

    /// [`Self::evaluate`] for conditions: only the boolean `true` is true.
    ///
    /// # Errors
    /// As [`Self::evaluate`], and [`Error::Type`] for a value that is no boolean.
    pub fn is_true(&self, context: &Context<'_>) -> Result<bool, Error> {
        evaluate::is_true(&self.node, context)
    }

    /// Names of the variables that the expression names, so that callers need not make the others. See
    /// [`Self::references`].
    pub fn referenced_roots(&self) -> impl Iterator<Item = &str> {
        self.roots.iter().map(String::as_str)
    }

    /// Variables, each with a member of it that the expression names: `request.path`, `request["path"]` and
    /// `has(request.path)`. For finding members that no such variable has before a request comes.
    pub fn referenced_members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members.iter().map(|(root, member)| (root.as_str(), member.as_str()))
    }

    /// Whether the expression may look at the variable `root`. One that calls `variables()` looks at all.
    pub fn references(&self, root: &str) -> bool {
        self.every_root || self.roots.contains(root)
    }
}
