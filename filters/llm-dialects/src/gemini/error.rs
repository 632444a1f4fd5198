//! Errors: `google.rpc.Status` as JSON. <https://google.aip.dev/193>,
//! <https://ai.google.dev/gemini-api/docs/troubleshooting>

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::wire::{Int, elements};
use crate::hub::{ApiError, ErrorKind};
use crate::json::{Str, is_object, non_empty, write_json};
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    error: Status<'a>,
}

#[derive(Deserialize)]
struct Status<'a> {
    code: Int,
    #[serde(borrow)]
    message: Option<Str<'a>>,
    #[serde(borrow)]
    status: Option<Str<'a>>,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
}

/// The fields of the details that are read: `ErrorInfo`, `BadRequest`, `RetryInfo`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(borrow)]
    reason: Option<Str<'a>>,
    #[serde(borrow)]
    field_violations: Option<Vec<Violation<'a>>>,
    #[serde(borrow)]
    retry_delay: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct Violation<'a> {
    #[serde(borrow)]
    field: Option<Str<'a>>,
}

/// The error in `body`, which a stream that is no SSE wraps into an array.
fn parse(body: &[u8]) -> Option<Status<'_>> {
    let body = body.trim_ascii();
    if body.starts_with(b"[") {
        let raw: &RawValue = serde_json::from_slice(body).ok()?;
        let [only] = elements(raw)[..] else { return None };
        return serde_json::from_str::<Body<'_>>(only.get()).ok().map(|body| body.error);
    }
    if !is_object(body) {
        return None;
    }
    serde_json::from_slice::<Body<'_>>(body).ok().map(|body| body.error)
}

impl<'a> Status<'a> {
    fn details(&self) -> Vec<Detail<'a>> {
        let details = self.details.map(elements).unwrap_or_default();
        details.into_iter().filter_map(|detail| serde_json::from_str(detail.get()).ok()).collect()
    }
}

/// Decodes an answer with an error status. A body that is not an error of this API is not repeated; the error is then
/// made from the status alone. The reason in its `ErrorInfo` becomes the code, the field of its `BadRequest` the
/// parameter. For its `RetryInfo` see [`retry_delay`].
pub fn decode_error(status: u16, body: &[u8]) -> ApiError {
    match parse(body) {
        Some(error) => api_error(Some(status), &error),
        None => {
            let status = if (400..=599).contains(&status) { status } else { 502 };
            let message = format!("The provider answered with status {status}.");
            ApiError { status, kind: ErrorKind::from_status(status), code: None, param: None, message }
        }
    }
}

/// The error that stands in a stream, where its own code is the status.
pub(super) fn stream_error(data: &[u8]) -> Option<ApiError> {
    parse(data).map(|error| api_error(None, &error))
}

/// Whether `data` begins like an error. Cheap, for chunks that pass.
pub(super) fn begins_with_error(data: &[u8]) -> bool {
    let mut rest = data.trim_ascii_start();
    rest = rest.strip_prefix(b"[").unwrap_or(rest).trim_ascii_start();
    rest.strip_prefix(b"{").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\"error\""))
}

fn api_error(status: Option<u16>, error: &Status<'_>) -> ApiError {
    let is_error = |status: &u16| (400..=599).contains(status);
    let own = u16::try_from(error.code.0).ok().filter(is_error);
    let status = status.filter(is_error).or(own).unwrap_or(502);
    let details = error.details();
    let reason = details.iter().find_map(|detail| non_empty(detail.reason.clone()));
    let kind = match error.status.as_ref().map(|Str(name)| name.as_ref()) {
        // The API answers 400 to a wrong key.
        _ if reason.as_deref() == Some("API_KEY_INVALID") => ErrorKind::Authentication,
        Some(name) => kind_of(name).unwrap_or_else(|| ErrorKind::from_status(status)),
        None => ErrorKind::from_status(status),
    };
    let param = details.iter().flat_map(|detail| detail.field_violations.iter().flatten());
    let message = non_empty(error.message.clone());
    ApiError {
        status,
        kind,
        code: reason.map(std::borrow::Cow::into_owned),
        param: param.filter_map(|violation| violation.field.as_ref()).map(|field| field.0.to_string()).next(),
        message: message.map_or_else(
            || format!("The provider answered with status {status}."),
            |message| message.into_owned(),
        ),
    }
}

/// How long to wait before the next attempt, as the error in `body` says (`RetryInfo.retryDelay`, such as `34.07s`).
pub fn retry_delay(body: &[u8]) -> Option<Duration> {
    let details = parse(body)?.details();
    let delay = details.iter().find_map(|detail| detail.retry_delay.as_ref())?;
    Duration::try_from_secs_f64(delay.0.strip_suffix('s')?.parse().ok()?).ok()
}

/// Whether `body` is an error of this API.
pub fn is_error_body(body: &[u8]) -> bool {
    parse(body).is_some()
}

#[derive(Serialize)]
struct OutBody<'a> {
    error: OutStatus<'a>,
}

#[derive(Serialize)]
struct OutStatus<'a> {
    code: u16,
    message: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<OutDetail<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "@type")]
enum OutDetail<'a> {
    #[serde(rename = "type.googleapis.com/google.rpc.ErrorInfo")]
    ErrorInfo { reason: &'a str },
    #[serde(rename = "type.googleapis.com/google.rpc.BadRequest")]
    BadRequest {
        #[serde(rename = "fieldViolations")]
        field_violations: [OutViolation<'a>; 1],
    },
}

#[derive(Serialize)]
struct OutViolation<'a> {
    field: &'a str,
    description: &'a str,
}

/// Encodes an error body: the code as the reason of an `ErrorInfo`, the parameter as the field of a `BadRequest`.
pub fn encode_error(error: &ApiError) -> Vec<u8> {
    let mut details = Vec::new();
    if let Some(reason) = &error.code {
        details.push(OutDetail::ErrorInfo { reason });
    }
    if let Some(field) = &error.param {
        let violation = OutViolation { field, description: &error.message };
        details.push(OutDetail::BadRequest { field_violations: [violation] });
    }
    let status = OutStatus {
        code: error_status(error),
        message: &error.message,
        status: status_of(error.kind),
        details,
    };
    let mut bytes = Vec::new();
    write_json(&mut bytes, &OutBody { error: status });
    bytes
}

/// The status for `error`: its own, but 503 instead of Anthropic's 529.
pub fn error_status(error: &ApiError) -> u16 {
    if error.status == 529 { 503 } else { error.status }
}

/// The kinds of canonical codes. <https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto>
fn kind_of(status: &str) -> Option<ErrorKind> {
    Some(match status {
        "INVALID_ARGUMENT"
        | "FAILED_PRECONDITION"
        | "OUT_OF_RANGE"
        | "ALREADY_EXISTS"
        | "ABORTED"
        | "UNIMPLEMENTED" => ErrorKind::InvalidRequest,
        "UNAUTHENTICATED" => ErrorKind::Authentication,
        "PERMISSION_DENIED" => ErrorKind::Permission,
        "NOT_FOUND" => ErrorKind::NotFound,
        "RESOURCE_EXHAUSTED" => ErrorKind::RateLimit,
        "DEADLINE_EXCEEDED" | "CANCELLED" => ErrorKind::Timeout,
        "UNAVAILABLE" => ErrorKind::Overloaded,
        "INTERNAL" | "UNKNOWN" | "DATA_LOSS" => ErrorKind::Internal,
        _ => return None,
    })
}

fn status_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::TooLarge => "INVALID_ARGUMENT",
        ErrorKind::Billing => "FAILED_PRECONDITION",
        ErrorKind::Authentication => "UNAUTHENTICATED",
        ErrorKind::Permission => "PERMISSION_DENIED",
        ErrorKind::NotFound => "NOT_FOUND",
        ErrorKind::RateLimit => "RESOURCE_EXHAUSTED",
        ErrorKind::Timeout => "DEADLINE_EXCEEDED",
        ErrorKind::Overloaded | ErrorKind::Upstream => "UNAVAILABLE",
        ErrorKind::Internal => "INTERNAL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quota_with_a_delay() {
        let body = br#"[{"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED",
            "details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"m"}]},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.074824224s"}]}}]"#;
        let error = decode_error(429, body);
        assert_eq!((error.kind, error.status), (ErrorKind::RateLimit, 429));
        assert_eq!(error.message, "You exceeded your current quota.");
        assert_eq!(retry_delay(body), Some(Duration::new(34, 74_824_224)));
        assert!(is_error_body(body));
        assert_eq!(retry_delay(br#"{"error":{"code":429,"details":[{"retryDelay":"-1s"}]}}"#), None);
    }

    #[test]
    fn a_wrong_key_is_no_wrong_request() {
        let body = br#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT",
            "details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID",
            "domain":"googleapis.com"}]}}"#;
        let error = decode_error(400, body);
        assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Authentication, Some("API_KEY_INVALID")));
    }

    #[test]
    fn errors_survive_a_round_trip() {
        for (status, kind) in [
            (400, ErrorKind::InvalidRequest),
            (401, ErrorKind::Authentication),
            (403, ErrorKind::Permission),
            (404, ErrorKind::NotFound),
            (429, ErrorKind::RateLimit),
            (500, ErrorKind::Internal),
            (503, ErrorKind::Overloaded),
            (504, ErrorKind::Timeout),
        ] {
            let error = ApiError {
                status,
                kind,
                code: Some("some_code".to_owned()),
                param: Some("contents[0]".to_owned()),
                message: "No.".to_owned(),
            };
            assert_eq!(decode_error(status, &encode_error(&error)), error);
            assert_eq!(error_status(&error), status);
            assert_eq!(stream_error(&encode_error(&error)), Some(error));
        }
    }

    #[test]
    fn foreign_bodies_are_not_repeated() {
        for body in [
            b"<html>secret</html>".as_slice(),
            b"",
            b"[]",
            br#"{"error":{"type":"server_error","message":"secret","code":null}}"#,
            br#"{"error":"secret"}"#,
            br#"[{"error":{"code":1}},{"error":{"code":2}}]"#,
            br#"[[3,"secret"]]"#,
        ] {
            assert!(!is_error_body(body), "{}", String::from_utf8_lossy(body));
            let error = decode_error(503, body);
            assert_eq!(error.message, "The provider answered with status 503.");
            assert_eq!(error.kind, ErrorKind::Overloaded);
        }
        assert_eq!(decode_error(200, br#"{"error":{"code":0}}"#).status, 502);
    }
}
