//! The forms errors have: those of the chat dialects, and Cohere's for rerank requests.

use filter_config::Endpoint;
use llm_dialects::hub::ApiError;
use llm_dialects::{Dialect, bedrock, rerank};

use crate::endpoints;

/// How errors at an endpoint are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorForm {
    /// As a chat dialect has them.
    Dialect(Dialect),
    /// As Cohere has them: `{"message": …}`.
    Rerank,
}

impl ErrorForm {
    /// The form of errors at `endpoint`.
    pub(crate) fn of(endpoint: Endpoint) -> Self {
        match endpoint {
            Endpoint::CohereRerank => Self::Rerank,
            other => Self::Dialect(endpoints::family(other)),
        }
    }

    /// Reads an error. Never fails: what has no form gives an error made from the status alone, and is not repeated.
    pub(crate) fn decode(self, status: u16, body: &[u8]) -> ApiError {
        match self {
            Self::Dialect(dialect) => dialect.decode_error(status, body),
            Self::Rerank if rerank::is_error_body(body) => rerank::decode_error(status, body),
            // Those who imitate Cohere's API often have OpenAI's errors.
            Self::Rerank => Dialect::OpenaiChat.decode_error(status, body),
        }
    }

    /// Whether `body` is an error of this form.
    pub(crate) fn is_error_body(self, body: &[u8]) -> bool {
        match self {
            Self::Dialect(dialect) => dialect.is_error_body(body),
            Self::Rerank => rerank::is_error_body(body),
        }
    }

    /// An error as a JSON body.
    pub(crate) fn encode(self, error: &ApiError) -> Vec<u8> {
        match self {
            Self::Dialect(dialect) => dialect.encode_error(error),
            Self::Rerank => rerank::encode_error(error),
        }
    }

    /// The HTTP status of an error.
    pub(crate) fn status(self, error: &ApiError) -> u16 {
        match self {
            Self::Dialect(dialect) => dialect.error_status(error),
            Self::Rerank => Dialect::OpenaiChat.error_status(error),
        }
    }

    /// The header that names the kind of an error, beside its body.
    pub(crate) fn kind_header(self, error: &ApiError) -> Option<(&'static str, &'static str)> {
        (self == Self::Dialect(Dialect::BedrockConverse))
            .then(|| ("x-amzn-errortype", bedrock::error_type(error)))
    }
}
