//! OpenAI's error responses
//! (<https://platform.openai.com/docs/guides/error-codes>): `{"error": {"message", "type", "param", "code"}}`.

use hyper::{HeaderMap, Method, Response, StatusCode};
use serde_json::json;

use crate::body::ReplyBody;
use crate::provider::{BodyError, Stamp, has_bearer, respond};

/// A request that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    status: StatusCode,
    message: String,
    /// The parameter at fault, as a path such as `messages[0].content`.
    param: Option<String>,
    /// A machine-readable reason.
    code: Option<&'static str>,
}

impl Rejection {
    /// 400: something is wrong with parameter `param`.
    pub(crate) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
            param: Some(param.into()),
            code: None,
        }
    }

    /// The same with a machine-readable reason.
    pub(crate) fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// 400: the request as a whole is wrong.
    pub(crate) fn request(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into(), param: None, code: None }
    }

    /// 400: `param` has to be there.
    pub(crate) fn missing(param: &str) -> Self {
        Self::invalid(param, format!("Missing required parameter: '{param}'."))
            .with_code("missing_required_parameter")
    }

    /// 404: the model is not one of ours.
    pub(crate) fn model(model: &str) -> Self {
        let message =
            format!("The demo provider has no model `{model}`; GET /v1/models lists the ones it has.");
        Self { status: StatusCode::NOT_FOUND, message, param: None, code: Some("model_not_found") }
    }

    /// 404: no such endpoint.
    pub(crate) fn path(method: &Method, path: &str) -> Self {
        let message = format!(
            "Invalid URL ({method} {path}): the demo provider has POST /v1/chat/completions and GET /v1/models."
        );
        Self { status: StatusCode::NOT_FOUND, message, param: None, code: None }
    }

    /// 405: the endpoint does not take this method.
    pub(crate) fn method(method: &Method, path: &str) -> Self {
        let message = format!("{method} is not allowed on {path}.");
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            message,
            param: None,
            code: Some("method_not_supported"),
        }
    }

    pub(crate) fn body(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge(limit) => Self {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                message: format!("The request body is larger than {limit} bytes."),
                param: None,
                code: None,
            },
            BodyError::Incomplete => Self::request("The request body ended before it was complete."),
        }
    }

    pub(crate) fn into_response(self, stamp: &Stamp) -> Response<ReplyBody> {
        let body = json!({"error": {
            "message": self.message,
            "type": "invalid_request_error",
            "param": self.param,
            "code": self.code,
        }});
        respond(self.status, ReplyBody::whole(body.to_string()), super::ID_HEADER, stamp)
    }
}

/// Refuses a request without `Authorization: Bearer <anything>`.
pub(crate) fn authenticate(headers: &HeaderMap) -> Result<(), Rejection> {
    if has_bearer(headers) {
        return Ok(());
    }
    Err(Rejection {
        status: StatusCode::UNAUTHORIZED,
        message: "No API key was provided. Send one as `Authorization: Bearer KEY`; the demo provider takes any key."
            .into(),
        param: None,
        code: None,
    })
}
