//! Anthropic's error responses (<https://docs.anthropic.com/en/api/errors>):
//! `{"type": "error", "error": {"type", "message"}, "request_id"}`.

use hyper::{HeaderMap, Method, Response, StatusCode};
use serde_json::json;

use crate::body::ReplyBody;
use crate::provider::{BodyError, Stamp, has_bearer, respond};

/// A version of the API (<https://platform.claude.com/docs/en/api/versioning>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// `2023-06-01`. (The older `2023-01-01` has another stream format, which the demo provider does not write.)
    Of2023,
    /// `2026-10-21`: takes no sampling parameters, no citations from users and no documents from the assistant
    /// (<https://platform.claude.com/docs/en/api/migration-2026-10-21>).
    Of2026,
}

/// A request that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl Rejection {
    /// 400: the request is wrong. Messages start with the path of the field at fault, as Anthropic's do.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "invalid_request_error", message: message.into() }
    }

    /// 404: the model is not one of ours.
    pub(crate) fn model(model: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, kind: "not_found_error", message: format!("model: {model}") }
    }

    /// 404: no such endpoint.
    pub(crate) fn path(path: &str) -> Self {
        let message = format!("{path}: the demo provider has POST /v1/messages and GET /v1/models");
        Self { status: StatusCode::NOT_FOUND, kind: "not_found_error", message }
    }

    /// 405: the endpoint does not take this method.
    pub(crate) fn method(method: &Method, path: &str) -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            kind: "invalid_request_error",
            message: format!("{method} is not allowed on {path}"),
        }
    }

    pub(crate) fn body(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge(limit) => Self {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                kind: "request_too_large",
                message: format!("the request body is larger than {limit} bytes"),
            },
            BodyError::Incomplete => Self::invalid("the request body ended before it was complete"),
        }
    }

    pub(crate) fn into_response(self, stamp: &Stamp) -> Response<ReplyBody> {
        let body = json!({
            "type": "error",
            "error": {"type": self.kind, "message": self.message},
            "request_id": format!("req_{}", stamp.id),
        });
        respond(self.status, ReplyBody::whole(body.to_string()), super::ID_HEADER, stamp)
    }
}

/// Refuses a request without a key (401), or without an `anthropic-version` that exists (400, as Anthropic does: the
/// version is a parameter, not a credential). The key is in `x-api-key`, or in `Authorization: Bearer` as Anthropic's
/// own SDKs send it since the releases that use API version 2026-10-21.
pub(crate) fn authenticate(headers: &HeaderMap) -> Result<Version, Rejection> {
    let key = headers.get("x-api-key").is_some_and(|key| !key.as_bytes().trim_ascii().is_empty());
    if !key && !has_bearer(headers) {
        return Err(Rejection {
            status: StatusCode::UNAUTHORIZED,
            kind: "authentication_error",
            message: "x-api-key: header is missing or empty; the demo provider takes any key".into(),
        });
    }
    match headers.get("anthropic-version").map(|version| version.to_str().unwrap_or_default()) {
        Some("2026-10-21") => Ok(Version::Of2026),
        Some("2023-06-01") => Ok(Version::Of2023),
        Some(_) => {
            Err(Rejection::invalid("anthropic-version: the demo provider has 2026-10-21 and 2023-06-01"))
        }
        None => Err(Rejection::invalid("anthropic-version: header is missing")),
    }
}
