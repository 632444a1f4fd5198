//! What a check cannot be compiled for.

/// Why a check was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A pattern of a check; the others are not at fault.
    #[error("patterns[{index}]: {problem}")]
    Pattern {
        /// Which one, from 0.
        index: usize,
        /// What is wrong with it.
        problem: PatternProblem,
    },
    /// The keywords of a check.
    #[error("keywords.words[{index}]: {problem}")]
    Keyword {
        /// Which one, from 0.
        index: usize,
        /// What is wrong with it.
        problem: KeywordProblem,
    },
}

/// What is wrong with a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternProblem {
    /// It is no regular expression of this syntax.
    #[error("not a regular expression: {0}")]
    Syntax(String),
    /// Its automaton would be too large.
    #[error(
        "needs an automaton of more than {limit} bytes; use smaller repetition counts or ASCII classes, `(?-u:\\w)`"
    )]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// No text can ever match it, or only text of no length.
    #[error("cannot match any text that is not empty")]
    MatchesNothing,
}

/// What is wrong with a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeywordProblem {
    /// It has no characters.
    #[error("must not be empty")]
    Empty,
    /// It is too long.
    #[error("must not be longer than {limit} characters")]
    TooLong {
        /// The limit, in characters.
        limit: usize,
    },
    /// All words before it and it are more than an index can number.
    #[error("the words are more than {limit} characters together")]
    TooMany {
        /// The limit, in characters.
        limit: usize,
    },
}
