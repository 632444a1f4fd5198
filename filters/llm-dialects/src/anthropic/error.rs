//! Errors, as bodies and inside streams.
//! <https://platform.claude.com/docs/en/api/errors>

use serde::{Deserialize, Serialize};

use super::wire::{ErrorObject, Field};
use crate::hub::{ApiError, ErrorKind};
use crate::json::{is_object, write_json};

/// The API's own status for "overloaded".
const OVERLOADED: u16 = 529;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow)]
    error: Option<ErrorObject<'a>>,
}

/// Decodes an answer with an error status. A body that is not an error of this API is not repeated; the
/// error is then made from the status alone.
pub fn decode_error(status: u16, body: &[u8]) -> ApiError {
    match parse(body) {
        Some((kind, message)) => {
            let kind = kind_of(&kind).unwrap_or_else(|| ErrorKind::from_status(status));
            let status = if (400..=599).contains(&status) { status } else { default_status(kind) };
            ApiError { status, kind, code: None, param: None, message }
        }
        None => {
            let status = if (400..=599).contains(&status) { status } else { 502 };
            let message = format!("The provider answered with status {status}.");
            ApiError { status, kind: ErrorKind::from_status(status), code: None, param: None, message }
        }
    }
}

/// Whether `body` is an error of this API.
pub fn is_error_body(body: &[u8]) -> bool {
    parse(body).is_some()
}

/// Encodes an error body. The code has no field of its own: it is added to the message in parentheses, unless
/// the message has it.
pub fn encode_error(error: &ApiError) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_json(&mut bytes, &ErrorBody::new(error));
    bytes
}

/// The status for `error`: its own, but 529 instead of 503 for an overloaded provider, as this API has it.
pub fn error_status(error: &ApiError) -> u16 {
    match error.kind {
        ErrorKind::Overloaded if error.status == 503 => OVERLOADED,
        _ => error.status,
    }
}

/// The error in an `error` event of a stream.
pub(super) fn error_of_event(error: ErrorObject<'_>) -> ApiError {
    let kind = kind_of(error.kind.as_str()).unwrap_or(ErrorKind::Internal);
    let message = match error.message {
        Field::Str(message) => message.into_owned(),
        Field::Absent | Field::Other => "The provider reported an error in the stream.".to_owned(),
    };
    ApiError { status: default_status(kind), kind, code: None, param: None, message }
}

/// An error body, which also is the data of an `error` event.
#[derive(Serialize)]
pub(super) struct ErrorBody {
    #[serde(rename = "type")]
    kind: &'static str,
    error: OutError,
}

#[derive(Serialize)]
struct OutError {
    #[serde(rename = "type")]
    kind: &'static str,
    message: String,
}

impl ErrorBody {
    pub(super) fn new(error: &ApiError) -> Self {
        let message = match &error.code {
            Some(code) if !code.is_empty() && !error.message.contains(code.as_str()) => {
                format!("{} ({code})", error.message)
            }
            _ => error.message.clone(),
        };
        Self { kind: "error", error: OutError { kind: type_of(error.kind), message } }
    }
}

/// The type and message of an error body.
fn parse(body: &[u8]) -> Option<(String, String)> {
    if !is_object(body) {
        return None;
    }
    let body: Body<'_> = serde_json::from_slice(body).ok()?;
    match body {
        Body {
            kind,
            error: Some(ErrorObject { kind: Field::Str(error_kind), message: Field::Str(message) }),
        } if kind.as_str() == "error" => Some((error_kind.into_owned(), message.into_owned())),
        _ => None,
    }
}

fn kind_of(kind: &str) -> Option<ErrorKind> {
    Some(match kind {
        "invalid_request_error" => ErrorKind::InvalidRequest,
        "authentication_error" => ErrorKind::Authentication,
        "billing_error" => ErrorKind::Billing,
        "permission_error" => ErrorKind::Permission,
        "not_found_error" => ErrorKind::NotFound,
        "request_too_large" => ErrorKind::TooLarge,
        "rate_limit_error" => ErrorKind::RateLimit,
        "timeout_error" => ErrorKind::Timeout,
        "overloaded_error" => ErrorKind::Overloaded,
        "api_error" => ErrorKind::Internal,
        _ => return None,
    })
}

fn type_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest => "invalid_request_error",
        ErrorKind::Authentication => "authentication_error",
        ErrorKind::Billing => "billing_error",
        ErrorKind::Permission => "permission_error",
        ErrorKind::NotFound => "not_found_error",
        ErrorKind::TooLarge => "request_too_large",
        ErrorKind::RateLimit => "rate_limit_error",
        ErrorKind::Timeout => "timeout_error",
        ErrorKind::Overloaded => "overloaded_error",
        ErrorKind::Internal | ErrorKind::Upstream => "api_error",
    }
}

/// The status that goes with a kind where there is none, as in the middle of a stream.
fn default_status(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::InvalidRequest => 400,
        ErrorKind::Authentication => 401,
        ErrorKind::Billing => 402,
        ErrorKind::Permission => 403,
        ErrorKind::NotFound => 404,
        ErrorKind::TooLarge => 413,
        ErrorKind::RateLimit => 429,
        ErrorKind::Timeout => 504,
        ErrorKind::Overloaded => OVERLOADED,
        ErrorKind::Internal => 500,
        ErrorKind::Upstream => 502,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api_error(kind: ErrorKind, status: u16) -> ApiError {
        ApiError { status, kind, code: None, param: None, message: "No.".to_owned() }
    }

    #[test]
    fn every_kind_survives_a_round_trip() {
        for status in [400, 401, 402, 403, 404, 413, 429, 500, 504, 529] {
            let error = api_error(ErrorKind::from_status(status), status);
            assert_eq!(decode_error(status, &encode_error(&error)), error);
            assert_eq!(default_status(error.kind), status);
        }
    }

    #[test]
    fn the_type_counts_more_than_the_status() {
        let body = br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}"#;
        let error = decode_error(500, body);
        assert_eq!((error.kind, error.status), (ErrorKind::Overloaded, 500));
        let unknown = br#"{"type":"error","error":{"type":"new_error","message":"New"}}"#;
        assert_eq!(decode_error(429, unknown).kind, ErrorKind::RateLimit);
        assert_eq!(decode_error(200, body).status, 529);
    }

    #[test]
    fn foreign_bodies_are_not_repeated() {
        for body in [
            b"<html>secret</html>".as_slice(),
            b"",
            br#"{"error":{"type":"server_error","message":"secret"}}"#,
            br#"{"message":"secret"}"#,
            br#"["error",{"type":"api_error","message":"secret"}]"#,
            br#"{"type":"error","error":"secret"}"#,
        ] {
            assert!(!is_error_body(body));
            let error = decode_error(503, body);
            assert_eq!(error.message, "The provider answered with status 503.");
            assert_eq!((error.kind, error.status), (ErrorKind::Overloaded, 503));
        }
        assert_eq!(decode_error(302, b"").status, 502);
    }

    #[test]
    fn overloaded_is_529() {
        assert_eq!(error_status(&api_error(ErrorKind::Overloaded, 503)), 529);
        assert_eq!(error_status(&api_error(ErrorKind::Overloaded, 529)), 529);
        assert_eq!(error_status(&api_error(ErrorKind::Timeout, 408)), 408);
    }

    #[test]
    fn codes_go_into_the_message_once() {
        let mut error = api_error(ErrorKind::RateLimit, 429);
        error.code = Some("insufficient_quota".to_owned());
        let expected =
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"No. (insufficient_quota)"}}"#;
        assert_eq!(String::from_utf8(encode_error(&error)).unwrap(), expected);
        error.message = "No. (insufficient_quota)".to_owned();
        assert_eq!(String::from_utf8(encode_error(&error)).unwrap(), expected);
    }
}
