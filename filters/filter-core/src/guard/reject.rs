//! What callers are told of what guards reject.

use std::borrow::Cow;

use filter_config::Rejection;
use llm_dialects::hub::{ApiError, ErrorKind};

use crate::LocalReply;
use crate::error_form::ErrorForm;

/// Response code details of replies of this filter.
pub(crate) const DETAILS: &str = "weir_guard";

/// A rejection, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) error: ApiError,
    /// The body to be sent as it is, instead of the error.
    body: Option<String>,
    headers: Vec<(String, String)>,
}

impl Refusal {
    /// A guard rejects; a service may have said with which status and words.
    pub(super) fn rejected(rejection: &Rejection, status: Option<u16>, message: Option<String>) -> Self {
        let status = status.unwrap_or(rejection.status);
        let own_words = message.is_some();
        Self {
            error: ApiError {
                status,
                kind: ErrorKind::from_status(status),
                code: Some("guardrail_intervention".to_owned()),
                param: None,
                message: message.unwrap_or_else(|| rejection.message.clone()),
            },
            body: rejection.body.clone().filter(|_| !own_words),
            headers: rejection.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        }
    }

    /// A guard that must not be left out could not be evaluated.
    pub(super) fn unavailable(guard: &str) -> Self {
        Self::of(ApiError {
            status: 503,
            kind: ErrorKind::Overloaded,
            code: Some("guardrail_unavailable".to_owned()),
            param: None,
            message: format!("The guard `{guard}` could not be evaluated, and nothing passes without it."),
        })
    }

    /// Something else is wrong with a request or answer.
    pub(super) fn of(error: ApiError) -> Self {
        Self { error, body: None, headers: Vec::new() }
    }

    /// Status, headers and body for a caller that is told of errors in this form.
    pub(super) fn answer(&self, form: ErrorForm) -> LocalReply {
        // A rejection has the status it was given, whatever a dialect would make of its kind.
        let status = self.error.status;
        let own = |name: &str| self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        let mut headers: Vec<(Cow<'static, str>, String)> = Vec::new();
        let (content_type, body) = match &self.body {
            Some(body) => ("text/plain; charset=utf-8", body.clone().into_bytes()),
            None => ("application/json", form.encode(&self.error)),
        };
        if !own("content-type") {
            headers.push(("content-type".into(), content_type.to_owned()));
        }
        if let Some((name, value)) = form.kind_header(&self.error)
            && self.body.is_none()
        {
            headers.push((name.into(), value.to_owned()));
        }
        headers.extend(self.headers.iter().map(|(name, value)| (name.clone().into(), value.clone())));
        LocalReply { status, headers, body, details: DETAILS }
    }
}
