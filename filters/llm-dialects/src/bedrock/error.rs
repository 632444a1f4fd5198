//! Errors, as bodies and inside streams. Bedrock names an error in the header `x-amzn-errortype`; the body holds the
//! message.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors>

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::hub::{ApiError, ErrorKind};
use crate::json::{Str, is_object, write_json};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    message: Option<Str<'a>>,
    /// Some services before the model (signing, throttling) write it with a capital letter.
    #[serde(borrow, rename = "Message")]
    capital: Option<Str<'a>>,
    /// The name of the error, where a service puts it into the body.
    #[serde(borrow, rename = "__type")]
    kind: Option<Str<'a>>,
    /// Bodies of other dialects have these.
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    other: Option<&'a RawValue>,
}

/// Decodes an answer with an error status. A body that is not an error of this API is not repeated; the error is then
/// made from the status alone.
pub fn decode_error(status: u16, body: &[u8]) -> ApiError {
    let status = if (400..=599).contains(&status) { status } else { 502 };
    match parse(body) {
        Some((name, message)) => {
            let kind = name.as_deref().and_then(kind_of).unwrap_or_else(|| kind_of_status(status));
            ApiError { status, kind, code: name, param: None, message }
        }
        None => {
            let message = format!("The provider answered with status {status}.");
            ApiError { status, kind: kind_of_status(status), code: None, param: None, message }
        }
    }
}

/// Whether `body` is an error of this API.
pub fn is_error_body(body: &[u8]) -> bool {
    parse(body).is_some()
}

/// Encodes an error body. The code has no field of its own: it is added to the message in parentheses, unless the
/// message has it or it is a name of this API, which goes into the header.
pub fn encode_error(error: &ApiError) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_json(&mut bytes, &OutError { message: message_of(error), ..OutError::default() });
    bytes
}

/// The status for `error`: each error of this API has one.
pub fn error_status(error: &ApiError) -> u16 {
    match error_type(error) {
        "ValidationException" => 400,
        "AccessDeniedException" | "UnrecognizedClientException" => 403,
        "ResourceNotFoundException" => 404,
        "ModelTimeoutException" => 408,
        "ModelErrorException" => 424,
        "ThrottlingException" => 429,
        "ServiceUnavailableException" => 503,
        _ => 500,
    }
}

/// The name of `error` in this API, for the header `x-amzn-errortype`, by which the AWS SDKs know it.
pub fn error_type(error: &ApiError) -> &'static str {
    match error.kind {
        // OpenAI's `insufficient_quota` comes with 429; clients are to wait either way.
        ErrorKind::Billing if error.status == 429 => "ThrottlingException",
        ErrorKind::InvalidRequest | ErrorKind::TooLarge => "ValidationException",
        ErrorKind::Authentication => "UnrecognizedClientException",
        ErrorKind::Billing | ErrorKind::Permission => "AccessDeniedException",
        ErrorKind::NotFound => "ResourceNotFoundException",
        ErrorKind::RateLimit => "ThrottlingException",
        ErrorKind::Timeout => "ModelTimeoutException",
        ErrorKind::Overloaded => "ServiceUnavailableException",
        ErrorKind::Internal if error.status == 424 => "ModelErrorException",
        ErrorKind::Internal => "InternalServerException",
        ErrorKind::Upstream => "ModelErrorException",
    }
}

/// Whether a message of a stream with this name tells of an error.
pub(super) fn is_exception(name: &[u8]) -> bool {
    name.ends_with(b"Exception") || name.ends_with(b"Error")
}

/// The error a message of a stream tells of.
pub(super) fn error_of_event(name: &[u8], data: &[u8]) -> ApiError {
    let name = String::from_utf8_lossy(name);
    let kind = kind_of(&name).unwrap_or(ErrorKind::Internal);
    let message = parse(data).map(|(_, message)| message);
    let message = message.unwrap_or_else(|| "The provider reported an error in the stream.".to_owned());
    ApiError {
        status: default_status(kind, &name),
        kind,
        code: Some(name.into_owned()),
        param: None,
        message,
    }
}

/// The name and payload of the message a stream tells `error` with. Only five errors can be told there.
pub(super) fn exception_of(error: &ApiError) -> (&'static str, OutError) {
    let message = message_of(error);
    let plain = |name| (name, OutError { message: message.clone(), ..OutError::default() });
    match error.kind {
        ErrorKind::RateLimit => plain("throttlingException"),
        ErrorKind::Overloaded => plain("serviceUnavailableException"),
        ErrorKind::Internal if error.status != 424 => plain("internalServerException"),
        ErrorKind::Internal | ErrorKind::Timeout | ErrorKind::Upstream => {
            let original_status_code = Some(error.status);
            ("modelStreamErrorException", OutError { message, original_status_code })
        }
        ErrorKind::InvalidRequest
        | ErrorKind::TooLarge
        | ErrorKind::Authentication
        | ErrorKind::Billing
        | ErrorKind::Permission
        | ErrorKind::NotFound => plain("validationException"),
    }
}

/// An error body, or the payload of an exception in a stream.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutError {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_status_code: Option<u16>,
}

fn message_of(error: &ApiError) -> String {
    match &error.code {
        Some(code)
            if !code.is_empty() && kind_of(code).is_none() && !error.message.contains(code.as_str()) =>
        {
            format!("{} ({code})", error.message)
        }
        _ => error.message.clone(),
    }
}

/// The name, if the body tells it, and the message of an error body.
fn parse(body: &[u8]) -> Option<(Option<String>, String)> {
    if !is_object(body) {
        return None;
    }
    let body: Body<'_> = serde_json::from_slice(body).ok()?;
    if body.error.is_some() || body.other.is_some() {
        return None;
    }
    let message = body.message.or(body.capital)?.0.into_owned();
    // `com.amazon.coral.service#ThrottlingException`, `ValidationException:http://…`
    let name = body.kind.map(|Str(kind)| {
        let kind = kind.rsplit_once('#').map_or(kind.as_ref(), |(_, name)| name);
        kind.split(':').next().unwrap_or_default().to_owned()
    });
    Some((name.filter(|name| !name.is_empty()), message))
}

/// The kind of the error called `name`, as a class (`ThrottlingException`) or a member of a stream
/// (`throttlingException`).
fn kind_of(name: &str) -> Option<ErrorKind> {
    let is = |known: &[&str]| known.iter().any(|known| known.eq_ignore_ascii_case(name));
    Some(if is(&["ValidationException", "ConflictException"]) {
        ErrorKind::InvalidRequest
    } else if is(&["AccessDeniedException"]) {
        ErrorKind::Permission
    } else if is(&[
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "MissingAuthenticationTokenException",
    ]) {
        ErrorKind::Authentication
    } else if is(&["ResourceNotFoundException"]) {
        ErrorKind::NotFound
    } else if is(&["ThrottlingException", "ModelNotReadyException", "ServiceQuotaExceededException"]) {
        ErrorKind::RateLimit
    } else if is(&["ModelTimeoutException"]) {
        ErrorKind::Timeout
    } else if is(&["ServiceUnavailableException"]) {
        ErrorKind::Overloaded
    } else if is(&["ModelErrorException", "ModelStreamErrorException", "InternalServerException"]) {
        ErrorKind::Internal
    } else {
        return None;
    })
}

/// The kind a status stands for here: 424 is a failure of the model.
fn kind_of_status(status: u16) -> ErrorKind {
    if status == 424 { ErrorKind::Internal } else { ErrorKind::from_status(status) }
}

/// The status of an error in the middle of a stream.
fn default_status(kind: ErrorKind, name: &str) -> u16 {
    match kind {
        ErrorKind::InvalidRequest => 400,
        ErrorKind::Authentication | ErrorKind::Permission => 403,
        ErrorKind::NotFound => 404,
        ErrorKind::RateLimit => 429,
        ErrorKind::Timeout => 408,
        ErrorKind::Overloaded => 503,
        _ if name.to_ascii_lowercase().starts_with("model") => 424,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, kind: ErrorKind, code: Option<&str>) -> ApiError {
        ApiError { status, kind, code: code.map(str::to_owned), param: None, message: "No.".to_owned() }
    }

    #[test]
    fn statuses_tell_the_kind() {
        for (status, kind) in [
            (400, ErrorKind::InvalidRequest),
            (403, ErrorKind::Permission),
            (404, ErrorKind::NotFound),
            (408, ErrorKind::Timeout),
            (424, ErrorKind::Internal),
            (429, ErrorKind::RateLimit),
            (500, ErrorKind::Internal),
            (503, ErrorKind::Overloaded),
        ] {
            assert_eq!(decode_error(status, br#"{"message":"No."}"#), error(status, kind, None));
            let again = error(status, kind, None);
            assert_eq!(error_status(&again), status, "{}", error_type(&again));
        }
    }

    #[test]
    fn bodies_may_name_the_error() {
        let body = br#"{"__type":"com.amazon.coral.service#UnrecognizedClientException","Message":"No."}"#;
        let expected = error(403, ErrorKind::Authentication, Some("UnrecognizedClientException"));
        assert_eq!(decode_error(403, body), expected);
        assert_eq!(String::from_utf8(encode_error(&expected)).unwrap(), r#"{"message":"No."}"#);
    }

    #[test]
    fn other_bodies_are_not_repeated() {
        for body in [
            &b"<html>secret</html>"[..],
            b"",
            b"[]",
            br#"{"message":1}"#,
            br#"{"error":{"message":"secret"},"message":"secret"}"#,
            br#"{"type":"error","message":"secret"}"#,
        ] {
            assert!(!is_error_body(body));
            let error = decode_error(200, body);
            assert_eq!(
                (error.status, error.message.as_str()),
                (502, "The provider answered with status 502.")
            );
        }
    }

    #[test]
    fn codes_of_others_are_told_in_the_message() {
        let error = error(429, ErrorKind::RateLimit, Some("insufficient_quota"));
        assert_eq!(
            String::from_utf8(encode_error(&error)).unwrap(),
            r#"{"message":"No. (insufficient_quota)"}"#
        );
        assert_eq!((error_type(&error), error_status(&error)), ("ThrottlingException", 429));
    }

    #[test]
    fn every_exception_of_a_stream_survives_a_round_trip() {
        for (name, status) in [
            ("throttlingException", 429),
            ("modelStreamErrorException", 424),
            ("validationException", 400),
            ("internalServerException", 500),
            ("serviceUnavailableException", 503),
        ] {
            let error = error_of_event(name.as_bytes(), br#"{"message":"No."}"#);
            assert_eq!(
                (error.status, error.code.as_deref(), error.message.as_str()),
                (status, Some(name), "No.")
            );
            assert_eq!(exception_of(&error).0, name);
        }
        let error = error_of_event(b"modelTimeoutException", b"not JSON");
        assert_eq!((error.status, error.kind), (408, ErrorKind::Timeout));
        assert_eq!(exception_of(&error).0, "modelStreamErrorException");
    }
}
