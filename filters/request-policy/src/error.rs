//! Why a policy is refused, or cannot be applied to a body.

/// Why a policy is refused, or cannot be applied to a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of the policy that makes no sense.
    #[error("{field}: {message}")]
    Config {
        /// Path of the field below the policy, such as `transformations.max_tokens`.
        field: String,
        /// What is wrong.
        message: String,
    },
    /// A body that the policy cannot be applied to.
    #[error(transparent)]
    Body(#[from] llm_dialects::Error),
}

impl Error {
    pub(crate) fn config(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Config { field: field.into(), message: message.into() }
    }
}

/// An error in a part of the body, seen from the body: `field` in front of the path it names.
pub(crate) fn within(field: &str, error: llm_dialects::Error) -> llm_dialects::Error {
    match error {
        llm_dialects::Error::ClientSent { field: inner, message } => {
            let dot = if inner.is_empty() { "" } else { "." };
            llm_dialects::Error::client(format!("{field}{dot}{inner}"), message)
        }
        other => other,
    }
}
