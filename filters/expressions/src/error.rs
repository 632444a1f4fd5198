//! Why an expression is refused or has no value.

/// Why an expression is refused, or has no value for the variables at hand. No message quotes a variable's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no CEL expression.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The parser's words.
        message: String,
    },
    /// The expression is longer or more deeply nested than allowed.
    #[error("the expression is too {what}: at most {limit} {unit} are allowed")]
    TooLarge {
        /// `long` or `deeply nested`.
        what: &'static str,
        /// The limit.
        limit: usize,
        /// What is counted.
        unit: &'static str,
    },
    /// A function that does not exist, or a piece of CEL that is left out.
    #[error("`{name}` is not available: {reason}")]
    Unavailable {
        /// Name of the function or construct.
        name: String,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// A function called with too few or too many arguments.
    #[error("`{function}` takes {expected} arguments, its receiver included, and is called with {found}")]
    Arguments {
        /// The function.
        function: String,
        /// How many it takes, such as `2` or `1 to 3`.
        expected: String,
        /// How many it is called with.
        found: usize,
    },
    /// A regular expression that is invalid or compiles to more than its limit.
    #[error("invalid regular expression: {message}")]
    Regex {
        /// The regex engine's words.
        message: String,
    },
    /// A variable that is not bound or a field that is not there.
    #[error("there is no {what}")]
    Missing {
        /// The variable or field, as the expression names it.
        what: String,
    },
    /// An operation on a value of a type it is not for.
    #[error("`{operation}` does not take {found}")]
    Type {
        /// The operator or function.
        operation: &'static str,
        /// Types of the operands.
        found: String,
    },
    /// A value out of range or malformed.
    #[error("`{operation}`: {message}")]
    Value {
        /// The operator or function.
        operation: &'static str,
        /// What is wrong.
        message: &'static str,
    },
    /// The expression called `fail`.
    #[error("{message}")]
    Failed {
        /// The message it gave.
        message: String,
    },
    /// Evaluation took more steps or built larger values than allowed.
    #[error("the evaluation was stopped: it needs more than {limit} {unit}")]
    Limit {
        /// The limit.
        limit: usize,
        /// What is counted.
        unit: &'static str,
    },
}

impl Error {
    pub(crate) fn missing(what: impl Into<String>) -> Self {
        Self::Missing { what: what.into() }
    }

    pub(crate) fn value(operation: &'static str, message: &'static str) -> Self {
        Self::Value { operation, message }
    }

    /// Limits end an evaluation; `||`, `&&` and `coalesce` do not go on after one.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Limit { .. })
    }
}
