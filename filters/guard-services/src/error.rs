//! Why a service's answer is no verdict.

use std::fmt;

/// A guard service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// A webhook.
    Webhook,
    /// OpenAI's moderation.
    OpenaiModeration,
    /// Amazon Bedrock Guardrails.
    BedrockGuardrails,
    /// Google Model Armor.
    ModelArmor,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Webhook => "guard webhook",
            Self::OpenaiModeration => "OpenAI moderation",
            Self::BedrockGuardrails => "Bedrock Guardrails",
            Self::ModelArmor => "Model Armor",
        })
    }
}

/// Why a service's answer is no verdict. It holds nothing of the answer's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The answer's status is not one of success: the service failed or refused the call.
    #[error("{service}: answered with status {status}")]
    Status {
        /// Who.
        service: Service,
        /// Its status.
        status: u16,
    },
    /// The answer is not of the service's form.
    #[error("{service}: unreadable answer: {message}")]
    Unreadable {
        /// Who.
        service: Service,
        /// What is wrong.
        message: &'static str,
    },
    /// The answer is about another number of texts than were sent.
    #[error("{service}: {found} texts in the answer where {expected} were sent")]
    WrongCount {
        /// Who.
        service: Service,
        /// How many were sent.
        expected: usize,
        /// How many came back.
        found: usize,
    },
    /// The service says that it has not looked at everything.
    #[error("{service}: some of its filters were skipped or failed")]
    Incomplete {
        /// Who.
        service: Service,
    },
}
