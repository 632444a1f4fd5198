//! Why the texts of a body could not be found, or not be replaced.

/// What can go wrong. A `place` is a path such as `messages[2].content[0].text`, empty for the body itself; it names
/// keys, never values, so that no text of a conversation gets into a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The body is no JSON.
    #[error("{}the body is not JSON at byte {at}: {problem}", prefix(.place))]
    NotJson {
        /// Where in the structure.
        place: String,
        /// Offset in bytes.
        at: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// An object names a member twice. Parsers differ in which one counts, so a guard could be shown the wrong one.
    #[error("{place}: is there twice; send it once")]
    Twice {
        /// The second of them.
        place: String,
    },
    /// More nesting, more values or more bytes than are looked through.
    #[error("the body has more than {limit} {of}; make it smaller")]
    TooMuch {
        /// How many are allowed.
        limit: usize,
        /// Of what.
        of: &'static str,
    },
    /// Something else stands where text is expected.
    #[error("{}must be {expected}", prefix(.place))]
    WrongType {
        /// Where.
        place: String,
        /// What it should be.
        expected: &'static str,
    },
    /// There may be text in the body, but it cannot be seen. Whether it passes is the caller's decision.
    #[error("{}the text cannot be seen: {reason}", prefix(.place))]
    Opaque {
        /// Where; empty for the body as a whole.
        place: String,
        /// Why not.
        reason: &'static str,
    },
    /// A slot cannot be given the text it was to be replaced by.
    #[error("text {slot} cannot be replaced: {problem}")]
    Replacement {
        /// Index of the slot.
        slot: usize,
        /// What is wrong with the new text.
        problem: &'static str,
    },
}

impl Error {
    pub(crate) fn opaque(reason: &'static str) -> Self {
        Self::Opaque { place: String::new(), reason }
    }
}

fn prefix(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!("{place}: ") }
}
