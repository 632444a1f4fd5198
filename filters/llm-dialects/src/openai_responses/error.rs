//! Errors inside a stream: the event `error`, and the `error` of a failed response
//! (<https://platform.openai.com/docs/api-reference/responses-streaming/error>).

use serde::Deserialize;
use serde_json::Value;

use crate::hub::{ApiError, ErrorKind};
use crate::json::Str;

/// An error object. The event has the fields at its top by OpenAI's reference, and in an object `error` in practice.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorObject<'a> {
    #[serde(default)]
    code: Value,
    #[serde(borrow)]
    message: Option<Str<'a>>,
    #[serde(borrow)]
    param: Option<Str<'a>>,
    /// In an object that is no event: the kind of error.
    #[serde(borrow, rename = "type")]
    kind: Option<Str<'a>>,
}

impl ErrorObject<'_> {
    /// The error in the middle of a stream, where no status says what kind it is.
    pub(super) fn into_api_error(self) -> ApiError {
        let code = match self.code {
            Value::String(code) if !code.is_empty() => Some(code),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let kind = self.kind.as_ref().map(|Str(kind)| kind.as_ref());
        let (status, kind) =
            [code.as_deref(), kind].into_iter().flatten().find_map(kind_of).unwrap_or_else(|| {
                let status =
                    code.as_deref().and_then(|code| code.parse().ok()).filter(|s| (400..600).contains(s));
                status.map_or((500, ErrorKind::Internal), |status| (status, ErrorKind::from_status(status)))
            });
        let message = self.message.map(|Str(message)| message.trim().to_owned());
        ApiError {
            status,
            kind,
            // A number here is the status once more.
            code: code.filter(|code| code.parse::<u16>().is_err()),
            param: self.param.map(|Str(param)| param.into_owned()),
            message: match message {
                // Proxies before a provider put their HTML pages into it.
                Some(message) if !message.is_empty() && !message.starts_with('<') => message,
                _ => {
                    "The provider reported an error in the middle of its answer and said no more.".to_owned()
                }
            },
        }
    }
}

/// Status and kind for a code or type, as OpenAI lists them for responses and for its APIs in general
/// (<https://platform.openai.com/docs/guides/error-codes>).
fn kind_of(name: &str) -> Option<(u16, ErrorKind)> {
    Some(match name {
        "rate_limit_exceeded" | "rate_limit_error" | "requests" | "tokens" => (429, ErrorKind::RateLimit),
        "insufficient_quota"
        | "credit_balance_exhausted"
        | "billing_hard_limit_reached"
        | "billing_not_active" => (429, ErrorKind::Billing),
        "invalid_request_error"
        | "invalid_prompt"
        | "context_length_exceeded"
        | "invalid_encrypted_content"
        | "bio_policy"
        | "misalignment_policy_violation"
        | "data_residency_mismatch" => (400, ErrorKind::InvalidRequest),
        "authentication_error" | "invalid_api_key" => (401, ErrorKind::Authentication),
        "permission_error" | "permission_denied" => (403, ErrorKind::Permission),
        "not_found_error" | "model_not_found" => (404, ErrorKind::NotFound),
        "timeout" | "request_timeout" | "vector_store_timeout" => (504, ErrorKind::Timeout),
        "overloaded" | "server_is_overloaded" | "engine_overloaded" | "slow_down" | "service_unavailable" => {
            (503, ErrorKind::Overloaded)
        }
        "server_error" | "internal_error" | "internal_server_error" => (500, ErrorKind::Internal),
        _ if name.contains("image") => (400, ErrorKind::InvalidRequest),
        _ => return None,
    })
}

/// Codes of errors in a response: those of OpenAI's reference, and two more it sends.
const RESPONSE_CODES: [&str; 23] = [
    "server_error",
    "rate_limit_exceeded",
    "invalid_prompt",
    "data_residency_mismatch",
    "bio_policy",
    "misalignment_policy_violation",
    "vector_store_timeout",
    "invalid_image",
    "invalid_image_format",
    "invalid_base64_image",
    "invalid_image_url",
    "image_too_large",
    "image_too_small",
    "image_parse_error",
    "image_content_policy_violation",
    "invalid_image_mode",
    "image_file_too_large",
    "unsupported_image_media_type",
    "empty_image_file",
    "failed_to_download_image",
    "image_file_not_found",
    "context_length_exceeded",
    "insufficient_quota",
];

/// The code of an error in a response, which clients know only a few of.
pub(super) fn response_code(error: &ApiError) -> &'static str {
    let known =
        error.code.as_deref().and_then(|code| RESPONSE_CODES.into_iter().find(|known| *known == code));
    known.unwrap_or(match error.kind {
        ErrorKind::RateLimit => "rate_limit_exceeded",
        ErrorKind::Billing => "insufficient_quota",
        ErrorKind::InvalidRequest | ErrorKind::TooLarge => "invalid_prompt",
        ErrorKind::Authentication
        | ErrorKind::Permission
        | ErrorKind::NotFound
        | ErrorKind::Timeout
        | ErrorKind::Overloaded
        | ErrorKind::Internal
        | ErrorKind::Upstream => "server_error",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_code_type_or_status() {
        for (json, status, kind, code) in [
            (
                r#"{"type":"error","code":"rate_limit_exceeded","message":"x"}"#,
                429,
                ErrorKind::RateLimit,
                true,
            ),
            (
                r#"{"type":"insufficient_quota","code":"credits","message":"x"}"#,
                429,
                ErrorKind::Billing,
                true,
            ),
            (r#"{"code":503,"message":"x"}"#, 503, ErrorKind::Overloaded, false),
            (r#"{"code":"image_too_large","message":"x"}"#, 400, ErrorKind::InvalidRequest, true),
            (r#"{"code":null,"message":"<html>"}"#, 500, ErrorKind::Internal, false),
        ] {
            let error = serde_json::from_str::<ErrorObject<'_>>(json).unwrap().into_api_error();
            assert_eq!((error.status, error.kind, error.code.is_some()), (status, kind, code), "{json}");
            assert!(!error.message.contains('<'));
        }
    }
}
