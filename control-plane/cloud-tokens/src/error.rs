//! Why there is no token.

/// Why a token could not be fetched. No message holds a credential or a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The token server could not be reached, or did not answer in time.
    #[error("{server} cannot be reached: {reason}")]
    Unreachable {
        /// What was asked.
        server: String,
        /// What went wrong.
        reason: String,
    },
    /// The token server refused.
    #[error("{server} answered {status}: {reason}")]
    Refused {
        /// What was asked.
        server: String,
        /// HTTP status.
        status: u16,
        /// Its own words, shortened.
        reason: String,
    },
    /// The token server's answer holds no token.
    #[error("{server} answered without a token: {reason}")]
    Malformed {
        /// What was asked.
        server: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The credential itself is unusable.
    #[error("{what} {reason}")]
    Credential {
        /// Which credential.
        what: String,
        /// What is wrong with it and what to do.
        reason: String,
    },
}
