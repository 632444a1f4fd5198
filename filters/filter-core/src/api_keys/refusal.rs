//! What clients without a known key are told.

use filter_config::KeyLocation;
use llm_dialects::hub::{ApiError, ErrorKind};

use crate::handoff::Handoff;
use crate::{Host, LocalReply, llm};

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It has no key.
    Missing,
    /// It has one nobody knows.
    Unknown,
    /// It has several, or what cannot be read.
    Unclear,
    /// Its route asks for keys of a policy this filter does not have (yet).
    NoPolicy,
}

impl Refusal {
    /// `%RESPONSE_CODE_DETAILS%` of the answer.
    fn details(self) -> &'static str {
        match self {
            Self::Missing => "weir_api_key_missing",
            Self::Unknown | Self::Unclear => "weir_api_key_unknown",
            Self::NoPolicy => "weir_api_key_policy",
        }
    }

    /// The error. What the client has sent as a key is not repeated.
    fn error(self, location: Option<&KeyLocation>) -> ApiError {
        let place = location.map_or_else(String::new, place);
        let message = match self {
            Self::Missing => format!("This gateway asks for an API key: send it {place}."),
            Self::Unknown => format!("The API key {place} is not known to this gateway."),
            Self::Unclear => format!("There are several values {place}: send one API key."),
            Self::NoPolicy => "The API keys of this route are not configured.".to_owned(),
        };
        let (status, kind, code) = match self {
            Self::NoPolicy => (500, ErrorKind::Internal, "api_keys_unavailable"),
            Self::Missing | Self::Unknown | Self::Unclear => {
                (401, ErrorKind::Authentication, "invalid_api_key")
            }
        };
        ApiError { status, kind, code: Some(code.to_owned()), param: None, message }
    }

    /// The answer, in the words of the client's dialect where it calls an LLM endpoint. The record says that it was
    /// refused, and why.
    pub(super) fn reply(self, host: &mut dyn Host, location: Option<&KeyLocation>) -> LocalReply {
        let error = self.error(location);
        let (handoff, details) = (Handoff::read(host), self.details());
        let recorded = details.trim_start_matches("weir_");
        let mut reply = llm::refuse(host, handoff.as_ref(), error, recorded, details);
        let challenge = location.and_then(challenge);
        reply.headers.extend(challenge.map(|scheme| ("www-authenticate".into(), scheme.to_owned())));
        reply
    }
}

fn place(location: &KeyLocation) -> String {
    match location {
        KeyLocation::Header { name, prefix } if prefix.trim().is_empty() => format!("in the header `{name}`"),
        KeyLocation::Header { name, prefix } => format!("in the header `{name}`, behind `{}`", prefix.trim()),
        KeyLocation::QueryParameter { name } => format!("in the query parameter `{name}`"),
        KeyLocation::Cookie { name } => format!("in the cookie `{name}`"),
    }
}

/// The scheme a client is to authenticate with (RFC 9110, section 11.6.1); `None` for keys outside of `authorization`,
/// for which there is none.
fn challenge(location: &KeyLocation) -> Option<&str> {
    match location {
        KeyLocation::Header { name, prefix } if name == "authorization" => {
            let scheme = prefix.trim();
            let is_word =
                !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            Some(if is_word { scheme } else { "Bearer" })
        }
        _ => None,
    }
}
