//! What the `llm` filter hands to the `provider` filter of every attempt.
//!
//! It travels as filter state, which clients cannot forge and which survives from attempt to attempt
//! (request headers are shared and mutated by all attempts).

use serde::{Deserialize, Serialize};

use llm_dialects::hub::{ApiError, ErrorKind};
use llm_dialects::{Dialect, Error};

use crate::{HeaderMap, Host};

/// State key of the hand-off.
pub(crate) const HANDOFF_STATE: &str = "weir.exchange";
/// State key of the client's credential, present only when the `llm` filter is told to keep it.
const CREDENTIAL_STATE: &str = "weir.credential";

/// An LLM request as the downstream filter recognised it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handoff {
    /// The client's dialect.
    pub(crate) client: Dialect,
    /// The client wants a stream.
    pub(crate) stream: bool,
    /// The model the client asked for; empty when `invalid`.
    pub(crate) model: String,
    /// Why the request cannot be served anywhere.
    pub(crate) invalid: Option<Invalid>,
}

/// A request that no provider can serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Invalid {
    #[serde(rename = "f")]
    pub(crate) field: String,
    #[serde(rename = "e")]
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

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    #[serde(rename = "c")]
    client: &'a str,
    #[serde(rename = "s", default)]
    stream: bool,
    #[serde(rename = "m", default)]
    model: String,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    invalid: Option<Invalid>,
}

impl Handoff {
    /// Publishes the hand-off.
    pub(crate) fn publish(&self, host: &mut dyn Host) {
        let wire = Wire {
            client: self.client.name(),
            stream: self.stream,
            model: self.model.clone(),
            invalid: self.invalid.clone(),
        };
        host.publish(HANDOFF_STATE, &serde_json::to_vec(&wire).unwrap_or_default());
    }

    /// The hand-off of this request; `None` when the `llm` filter did not take it for an LLM request.
    pub(crate) fn read(host: &dyn Host) -> Option<Self> {
        let bytes = host.state(HANDOFF_STATE)?;
        let wire: Wire<'_> = serde_json::from_slice(&bytes).ok()?;
        Some(Self {
            client: Dialect::from_name(wire.client)?,
            stream: wire.stream,
            model: wire.model,
            invalid: wire.invalid,
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
