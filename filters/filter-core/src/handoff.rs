//! What the `llm` filter hands to the `provider` filter of every attempt.
//!
//! It is the exchange's record in its first state ([`crate::record`]), published as filter state: clients cannot forge
//! it, it survives from attempt to attempt (request headers are shared and mutated by all of them), and it stands in
//! the access log when nothing more becomes known. What attempts add to it leaves what is read here as it is.

use llm_dialects::hub::{ApiError, ErrorKind};
use llm_dialects::{Dialect, Error};

use crate::record::{RECORD_STATE, Record};
use crate::{HeaderMap, Host};

/// State key of the client's credential, present only when the `llm` filter is told to keep it.
const CREDENTIAL_STATE: &str = "weir.credential";

/// An LLM request as the downstream filter recognised it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handoff {
    /// The client's dialect.
    pub(crate) client: Dialect,
    /// The client's path, without its query: attempts change the header.
    pub(crate) path: String,
    /// The client wants a stream.
    pub(crate) stream: bool,
    /// The model the client asked for; empty when `invalid`.
    pub(crate) model: String,
    /// Length of the body in bytes.
    pub(crate) body_bytes: u64,
    /// Why the request cannot be served anywhere.
    pub(crate) invalid: Option<Invalid>,
}

/// A request that no provider can serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invalid {
    /// JSON path of what is wrong, or empty.
    pub(crate) field: String,
    /// What is wrong.
    pub(crate) message: String,
}

impl Invalid {
    pub(crate) fn new(error: &Error) -> Self {
        match error {
            Error::ClientSent { field, message } | Error::Unsupported { field, message } => {
                Self { field: field.clone(), message: message.clone() }
            }
            other => Self { field: String::new(), message: other.to_string() },
        }
    }

    pub(crate) fn to_api_error(&self) -> ApiError {
        Error::client(self.field.clone(), self.message.clone()).to_api_error()
    }
}

impl Handoff {
    /// Publishes the hand-off.
    pub(crate) fn publish(&self, host: &mut dyn Host) {
        let record = Record {
            path: Some(self.path.as_str().into()),
            client: Some(self.client.name().into()),
            model: (!self.model.is_empty()).then(|| self.model.as_str().into()),
            stream: self.stream,
            request_bytes: Some(self.body_bytes),
            invalid: self.invalid.as_ref().map(|invalid| invalid.field.as_str().into()),
            error: self.invalid.as_ref().map(|invalid| invalid.message.as_str().into()),
            ..Record::default()
        };
        host.publish(RECORD_STATE, &record.to_json());
    }

    /// The hand-off of this request; `None` when the `llm` filter did not take it for an LLM request.
    pub(crate) fn read(host: &dyn Host) -> Option<Self> {
        let bytes = host.state(RECORD_STATE)?;
        let record: Record<'_> = serde_json::from_slice(&bytes).ok()?;
        let message = || record.error.as_deref().unwrap_or_default().to_owned();
        Some(Self {
            client: Dialect::from_name(record.client.as_deref()?)?,
            path: record.path.as_deref().unwrap_or_default().to_owned(),
            stream: record.stream,
            model: record.model.as_deref().unwrap_or_default().to_owned(),
            body_bytes: record.request_bytes.unwrap_or_default(),
            invalid: record
                .invalid
                .as_deref()
                .map(|field| Invalid { field: field.to_owned(), message: message() }),
        })
    }
}

/// Keeps the credential the client sent, in whichever header its dialect uses.
pub(crate) fn keep_credential(host: &mut dyn Host) {
    let credential = host
        .header(HeaderMap::Request, "authorization")
        .and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned))
        .or_else(|| host.header(HeaderMap::Request, "x-api-key"));
    if let Some(credential) = credential {
        host.publish(CREDENTIAL_STATE, credential.as_bytes());
    }
}

/// The credential the client sent.
pub(crate) fn kept_credential(host: &dyn Host) -> Option<String> {
    String::from_utf8(host.state(CREDENTIAL_STATE)?).ok()
}

/// The error for a body over the limit.
pub(crate) fn too_large(limit: u64) -> ApiError {
    ApiError {
        status: 413,
        kind: ErrorKind::TooLarge,
        code: Some("request_too_large".to_owned()),
        param: None,
        message: format!("The request body is larger than this gateway's limit of {limit} bytes."),
    }
}
