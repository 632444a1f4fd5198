//! What can go wrong in a translation, named after who is at fault.

use crate::hub::{ApiError, ErrorKind};

/// Why a body or a stream could not be decoded, or why the target cannot express it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client sent something its own dialect does not allow. `field` is a JSON path such as
    /// `messages[2].content[0].type`, empty when the body as a whole is meant.
    #[error("{}{message}", at(.field))]
    ClientSent {
        /// JSON path of the offending field, or empty.
        field: String,
        /// What is wrong and what to do, safe to show to the client.
        message: String,
    },
    /// The request is valid, but the provider it is routed to cannot do what it asks.
    #[error("{}{message}", at(.field))]
    Unsupported {
        /// JSON path of the field that cannot be carried.
        field: String,
        /// What cannot be done, by which target, and what to do instead.
        message: String,
    },
    /// The provider's answer does not follow its own dialect.
    #[error("the provider's answer could not be read: {message}")]
    UpstreamSent {
        /// What is wrong, without any text of the answer.
        message: String,
    },
}

fn at(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("{field}: ") }
}

impl Error {
    /// A [`Error::ClientSent`] at `field`.
    pub fn client(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::ClientSent { field: field.into(), message: message.into() }
    }

    /// A [`Error::Unsupported`] at `field`.
    pub fn unsupported(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Unsupported { field: field.into(), message: message.into() }
    }

    /// A [`Error::UpstreamSent`].
    pub fn upstream(message: impl Into<String>) -> Self {
        Self::UpstreamSent { message: message.into() }
    }

    /// The error of a request without any content.
    pub(crate) fn no_content() -> Self {
        Self::client("messages", "must hold at least one message with content")
    }

    /// The error as the caller is told it: 400 for what the client sent or asked, 502 for what the
    /// provider sent.
    pub fn to_api_error(&self) -> ApiError {
        match self {
            Self::ClientSent { field, .. } | Self::Unsupported { field, .. } => ApiError {
                status: 400,
                kind: ErrorKind::InvalidRequest,
                code: matches!(self, Self::Unsupported { .. }).then(|| "unsupported_by_provider".to_owned()),
                param: (!field.is_empty()).then(|| field.clone()),
                message: self.to_string(),
            },
            Self::UpstreamSent { .. } => ApiError {
                status: 502,
                kind: ErrorKind::Upstream,
                code: Some("bad_upstream_response".to_owned()),
                param: None,
                message: self.to_string(),
            },
        }
    }
}
