//! Why a schema is refused.

/// Why a schema is refused. Places are JSON Pointers into the schema; the empty one is the whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something that is no schema.
    #[error("`{place}`: {message}")]
    Invalid {
        /// Where.
        place: String,
        /// What is wrong.
        message: &'static str,
    },
    /// A keyword that asserts something and is not understood.
    #[error("`{place}`: `{keyword}` is not supported: say it with other keywords")]
    Unsupported {
        /// Where.
        place: String,
        /// The keyword.
        keyword: &'static str,
    },
    /// A `$schema` other than the known ones.
    #[error("`$schema` is `{uri}`: only 2020-12, 2019-09, draft-07 and draft-06 are known")]
    Dialect {
        /// What it says.
        uri: String,
    },
    /// A reference that does not lead to a place of the document.
    #[error(
        "`{place}`: `$ref` to `{reference}` leads nowhere: only `#` and `#/…` of this document can be used"
    )]
    Reference {
        /// Where.
        place: String,
        /// What it refers to.
        reference: String,
    },
    /// References that lead in a circle without going deeper into the value.
    #[error("`{place}`: refers to itself for the same value")]
    Circle {
        /// Where.
        place: String,
    },
    /// A regular expression that cannot be used.
    #[error("`{place}`: {message}")]
    Pattern {
        /// Where.
        place: String,
        /// What is wrong with it.
        message: String,
    },
}
