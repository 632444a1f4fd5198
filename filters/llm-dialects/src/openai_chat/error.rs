//! Errors: `{"error": {"message", "type", "param", "code"}}`
//! (<https://platform.openai.com/docs/guides/error-codes>).

use serde::{Deserialize, Serialize};

use super::wire::{Scalar, Shape, TextOr};
use crate::hub::{ApiError, ErrorKind};
use crate::json::{Str, is_object, write_json};

/// An error body. Some providers put the fields at the top (`object: error`, vLLM, Mistral).
#[derive(Debug, Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    error: Option<TextOr<'a, ErrorObject<'a>>>,
    #[serde(borrow)]
    object: Option<Scalar<'a>>,
    #[serde(borrow)]
    message: Option<Scalar<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Scalar<'a>>,
    #[serde(borrow)]
    param: Option<Scalar<'a>>,
    #[serde(borrow)]
    code: Option<Scalar<'a>>,
}

/// The error itself, in a body or in the middle of a stream.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorObject<'a> {
    #[serde(borrow)]
    message: Option<Scalar<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Scalar<'a>>,
    #[serde(borrow)]
    param: Option<Scalar<'a>>,
    #[serde(borrow)]
    code: Option<Scalar<'a>>,
}

impl Shape for ErrorObject<'_> {
    const IS_ARRAY: bool = false;
}

/// Decodes an answer with the error status `status`. Never fails: whatever is no error of this dialect (HTML,
/// nothing, other JSON) gives an error made from the status alone, and no text of it is repeated.
///
/// Besides OpenAI's own shape, an error in an array (Google), a plain string as `error`, and the fields
/// without `error` around them when `object` is `error` (vLLM, Mistral) are read. The status stays what it
/// is; `type` and `code` only tell what the status does not: quotas that are used up (429), overload behind
/// a 500.
pub fn decode_error(status: u16, body: &[u8]) -> ApiError {
    api_error(Some(status), &object(body).unwrap_or_default())
}

/// Decodes the data of an event that is an error, like [`decode_error`] without a status.
pub(super) fn stream_error(data: &[u8]) -> ApiError {
    api_error(None, &object(data).unwrap_or_default())
}

fn object(body: &[u8]) -> Option<ErrorObject<'_>> {
    let body = body.trim_ascii();
    let body = body.strip_prefix(b"[").and_then(|body| body.strip_suffix(b"]")).unwrap_or(body);
    if !is_object(body) {
        return None;
    }
    let body: Body<'_> = serde_json::from_slice(body).ok()?;
    if let Some(error) = body.error {
        return Some(error.into());
    }
    let flat = body.object.as_ref().and_then(Scalar::text) == Some("error");
    flat.then_some(ErrorObject { message: body.message, kind: body.kind, param: body.param, code: body.code })
}

impl<'a> From<TextOr<'a, ErrorObject<'a>>> for ErrorObject<'a> {
    fn from(error: TextOr<'a, ErrorObject<'a>>) -> Self {
        match error {
            TextOr::Text(Str(message)) => Self { message: Some(Scalar::Text(message)), ..Self::default() },
            TextOr::Other(object) => object,
        }
    }
}

/// The error `object` stands for. `status` is that of the answer; in the middle of a stream there is none,
/// and the object has to tell it.
pub(super) fn api_error(status: Option<u16>, object: &ErrorObject<'_>) -> ApiError {
    let code = object.code.as_ref();
    let names = [code.and_then(Scalar::text), object.kind.as_ref().and_then(Scalar::text)];
    let named = names.into_iter().flatten().find_map(kind_of);
    let status = match status {
        Some(status @ 400..=599) => Some(status),
        Some(_) => Some(502),
        None => code.and_then(status_of),
    };
    let kind = match (status.map(ErrorKind::from_status), named) {
        (Some(ErrorKind::RateLimit), Some(ErrorKind::Billing)) => ErrorKind::Billing,
        (Some(ErrorKind::Internal | ErrorKind::Overloaded), Some(ErrorKind::Overloaded)) => {
            ErrorKind::Overloaded
        }
        (Some(kind), _) | (None, Some(kind)) => kind,
        (None, None) => ErrorKind::Internal,
    };
    let status = status.unwrap_or_else(|| default_status(kind));
    let message = object.message.as_ref().and_then(Scalar::text).map(str::trim);
    ApiError {
        status,
        kind,
        // A number here is the status once more.
        code: code.filter(|code| status_of(code).is_none()).and_then(Scalar::text).map(str::to_owned),
        param: object.param.as_ref().and_then(Scalar::text).map(str::to_owned),
        message: match message {
            // Proxies before a provider put their HTML pages into it.
            Some(message) if !message.is_empty() && !message.starts_with('<') => message.to_owned(),
            _ => format!("The provider answered with status {status} and said no more."),
        },
    }
}

/// An HTTP error status, as OpenRouter and vLLM put it into `code`.
fn status_of(code: &Scalar<'_>) -> Option<u16> {
    let number = match code {
        Scalar::Number(number) => u16::try_from(*number).ok()?,
        Scalar::Text(text) => text.parse().ok()?,
        Scalar::Other => return None,
    };
    (400..=599).contains(&number).then_some(number)
}

fn kind_of(name: &str) -> Option<ErrorKind> {
    Some(match name {
        "invalid_request_error" | "BadRequestError" | "context_length_exceeded" => ErrorKind::InvalidRequest,
        "authentication_error" | "invalid_api_key" | "invalid_authentication" | "AuthenticationError" => {
            ErrorKind::Authentication
        }
        "insufficient_quota" | "billing_hard_limit_reached" | "billing_not_active" | "billing_error" => {
            ErrorKind::Billing
        }
        "permission_error" | "permission_denied" | "PermissionDeniedError" => ErrorKind::Permission,
        "not_found_error" | "model_not_found" | "NotFoundError" => ErrorKind::NotFound,
        "rate_limit_exceeded" | "rate_limit_error" | "requests" | "tokens" | "RateLimitError" => {
            ErrorKind::RateLimit
        }
        "timeout" | "timeout_error" | "request_timeout" => ErrorKind::Timeout,
        "overloaded" | "overloaded_error" | "engine_overloaded" | "service_unavailable" => {
            ErrorKind::Overloaded
        }
        "server_error" | "internal_error" | "internal_server_error" | "InternalServerError" | "api_error" => {
            ErrorKind::Internal
        }
        _ => return None,
    })
}

fn default_status(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::InvalidRequest => 400,
        ErrorKind::Authentication => 401,
        ErrorKind::Billing | ErrorKind::RateLimit => 429,
        ErrorKind::Permission => 403,
        ErrorKind::NotFound => 404,
        ErrorKind::TooLarge => 413,
        ErrorKind::Timeout => 504,
        ErrorKind::Overloaded => 503,
        ErrorKind::Internal => 500,
        ErrorKind::Upstream => 502,
    }
}

/// Whether `body` is an error in OpenAI's own shape, so that it may pass untouched: an object `error` with a
/// `message`, and no `type` beside it, which would make it Anthropic's.
pub fn is_error_body(body: &[u8]) -> bool {
    if !is_object(body) {
        return false;
    }
    let Ok(body) = serde_json::from_slice::<Body<'_>>(body) else { return false };
    match body.error {
        Some(TextOr::Other(object)) => {
            body.kind.is_none() && object.message.as_ref().is_some_and(|message| message.text().is_some())
        }
        Some(TextOr::Text(_)) | None => false,
    }
}

#[derive(Debug, Serialize)]
struct OutBody<'r> {
    error: OutError<'r>,
}

#[derive(Debug, Serialize)]
struct OutError<'r> {
    message: &'r str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'r str>,
    code: Option<&'r str>,
}

/// Encodes an error body. The `code` is kept; where there is none, one is put in if this dialect knows the
/// kind by its code rather than by its type.
pub fn encode_error(error: &ApiError) -> Vec<u8> {
    let mut body = Vec::with_capacity(128);
    write_error(&mut body, error);
    body
}

/// Appends an error body.
pub(super) fn write_error(out: &mut Vec<u8>, error: &ApiError) {
    let code = error.code.as_deref();
    let (kind, usual_code) = match error.kind {
        ErrorKind::InvalidRequest => ("invalid_request_error", None),
        ErrorKind::Authentication if code == Some("invalid_api_key") => ("invalid_request_error", None),
        ErrorKind::Authentication => ("authentication_error", None),
        ErrorKind::Billing => ("insufficient_quota", Some("insufficient_quota")),
        ErrorKind::Permission => ("permission_error", None),
        ErrorKind::NotFound if code == Some("model_not_found") => ("invalid_request_error", None),
        ErrorKind::NotFound => ("not_found_error", None),
        ErrorKind::TooLarge => ("invalid_request_error", Some("request_too_large")),
        ErrorKind::RateLimit => ("rate_limit_exceeded", Some("rate_limit_exceeded")),
        ErrorKind::Timeout => ("server_error", Some("timeout")),
        ErrorKind::Overloaded => ("server_error", Some("overloaded")),
        ErrorKind::Internal | ErrorKind::Upstream => ("server_error", None),
    };
    let error =
        OutError { message: &error.message, kind, param: error.param.as_deref(), code: code.or(usual_code) };
    write_json(out, &OutBody { error });
}

/// The status an OpenAI client is given. Anthropic's 529 (overloaded) is 503 here.
pub fn error_status(error: &ApiError) -> u16 {
    match error.status {
        529 => 503,
        status @ 400..=599 => status,
        _ => default_status(error.kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(status: u16, body: &str) -> (u16, ErrorKind, Option<String>, String) {
        let error = decode_error(status, body.as_bytes());
        (error.status, error.kind, error.code, error.message)
    }

    #[test]
    fn every_shape_of_error_is_read() {
        let quota = r#"{"error":{"message":"You exceeded your current quota.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
        assert_eq!(
            summary(429, quota),
            (
                429,
                ErrorKind::Billing,
                Some("insufficient_quota".into()),
                "You exceeded your current quota.".into()
            )
        );
        let limit =
            r#"{"error":{"message":"Slow down.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#;
        assert_eq!(
            summary(429, limit),
            (429, ErrorKind::RateLimit, Some("rate_limit_exceeded".into()), "Slow down.".into())
        );
        let router = r#"{"error":{"code":429,"message":"Busy.","metadata":{"raw":"<html>"}},"user_id":"u"}"#;
        assert_eq!(summary(429, router), (429, ErrorKind::RateLimit, None, "Busy.".into()));
        let google = r#"[{"error":{"code":400,"message":"Bad key.","status":"INVALID_ARGUMENT"}}]"#;
        assert_eq!(summary(400, google), (400, ErrorKind::InvalidRequest, None, "Bad key.".into()));
        let vllm =
            r#"{"object":"error","message":"Too long.","type":"BadRequestError","param":null,"code":400}"#;
        assert_eq!(summary(400, vllm), (400, ErrorKind::InvalidRequest, None, "Too long.".into()));
        let model = r#"{"error":{"message":"No such model.","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#;
        assert_eq!(
            summary(404, model),
            (404, ErrorKind::NotFound, Some("model_not_found".into()), "No such model.".into())
        );
        assert_eq!(
            summary(500, r#"{"error":{"type":"overloaded_error","message":"Full."}}"#).1,
            ErrorKind::Overloaded
        );
        assert_eq!(summary(400, r#"{"error":"no"}"#).3, "no");
    }

    #[test]
    fn what_is_no_error_of_this_dialect_is_never_repeated() {
        for body in [
            "",
            "<html>SECRET</html>",
            r#"{"detail":"SECRET"}"#,
            r#"{"error":{"message":"<html>SECRET</html>"}}"#,
            r#"{"error":["SECRET","SECRET","SECRET","SECRET"]}"#,
            r#"[null,"error","SECRET","","",""]"#,
            r#"{"message":"SECRET"}"#,
            "\u{fffd}SECRET",
            "[[[[",
        ] {
            let error = decode_error(502, body.as_bytes());
            assert_eq!((error.status, error.kind), (502, ErrorKind::Upstream), "{body}");
            assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
        }
        assert_eq!(decode_error(302, b"").status, 502);
    }

    #[test]
    fn errors_survive_a_round_trip() {
        for (status, body) in [
            (
                400,
                r#"{"error":{"message":"m","type":"invalid_request_error","param":"messages[0].role","code":"context_length_exceeded"}}"#,
            ),
            (
                401,
                r#"{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
            ),
            (401, r#"{"error":{"message":"m","type":"authentication_error","param":null,"code":null}}"#),
            (403, r#"{"error":{"message":"m","type":"permission_error","param":null,"code":null}}"#),
            (
                404,
                r#"{"error":{"message":"m","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#,
            ),
            (
                413,
                r#"{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"request_too_large"}}"#,
            ),
            (
                429,
                r#"{"error":{"message":"m","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
            ),
            (
                429,
                r#"{"error":{"message":"m","type":"rate_limit_exceeded","param":null,"code":"rate_limit_exceeded"}}"#,
            ),
            (500, r#"{"error":{"message":"m","type":"server_error","param":null,"code":null}}"#),
            (503, r#"{"error":{"message":"m","type":"server_error","param":null,"code":"overloaded"}}"#),
        ] {
            let error = decode_error(status, body.as_bytes());
            assert_eq!(error_status(&error), status);
            assert_eq!(String::from_utf8(encode_error(&error)).unwrap(), body);
            assert!(is_error_body(body.as_bytes()));
        }
    }

    #[test]
    fn only_this_dialects_errors_pass_untouched() {
        for body in [
            r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
            r#"{"error":"m"}"#,
            r#"{"error":{"code":1}}"#,
            r#"{"message":"m"}"#,
            "<html>",
            "",
        ] {
            assert!(!is_error_body(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn overload_of_anthropic_is_known_by_another_number() {
        let error = ApiError {
            status: 529,
            kind: ErrorKind::Overloaded,
            code: None,
            param: None,
            message: "m".into(),
        };
        assert_eq!(error_status(&error), 503);
    }
}
