//! What the `llm` filter hands to the `provider` filter of every attempt.
//!
//! It is the exchange's record in its first state ([`crate::record`]), published as filter state: clients cannot forge
//! it, it survives from attempt to attempt (request headers are shared and mutated by all of them), and it stands in
//! the access log when nothing more becomes known. What attempts add to it leaves what is read here as it is.

use filter_config::Endpoint;
use llm_dialects::hub::{ApiError, ErrorKind};
use llm_dialects::{Error, inspect};

use crate::error_form::ErrorForm;
use crate::record::{Published, RECORD_STATE, Record, Traits};
use crate::{HeaderMap, Host};

/// State key of the client's credential, present only when the `llm` filter is told to keep it.
const CREDENTIAL_STATE: &str = "weir.credential";

/// An LLM request as the downstream filter recognised it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handoff {
    /// What the client called.
    pub(crate) client: Endpoint,
    /// The client's path, without its query: attempts change the header.
    pub(crate) path: String,
    /// The client wants a stream.
    pub(crate) stream: bool,
    /// The model the client asked for; empty when it named none.
    pub(crate) model: String,
    /// Length of the body in bytes.
    pub(crate) body_bytes: u64,
    /// When the request came, in milliseconds since 1970.
    pub(crate) started_ms: u64,
    /// More of what decides how it is handled.
    pub(crate) traits: Traits,
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
            started_ms: Some(self.started_ms),
            traits: self.traits,
            model: (!self.model.is_empty()).then(|| self.model.as_str().into()),
            stream: self.stream,
            request_bytes: Some(self.body_bytes),
            invalid: self.invalid.as_ref().map(|invalid| invalid.field.as_str().into()),
            error: self.invalid.as_ref().map(|invalid| invalid.message.as_str().into()),
            ..Record::default()
        };
        host.publish(RECORD_STATE, &record.to_json());
    }

    /// How the client is told of errors.
    pub(crate) fn error_form(&self) -> ErrorForm {
        ErrorForm::of(self.client)
    }

    /// Why no provider can serve the request: what is wrong with it, or that it names no model.
    pub(crate) fn fault(&self) -> Option<ApiError> {
        match &self.invalid {
            Some(invalid) => Some(invalid.to_api_error()),
            None if self.model.is_empty() && needs_model(self.client) => {
                Some(inspect::missing_model().to_api_error())
            }
            None => None,
        }
    }

    /// The hand-off of this request; `None` when the `llm` filter did not take it for an LLM request.
    pub(crate) fn read(host: &dyn Host) -> Option<Self> {
        let bytes = host.state(RECORD_STATE)?;
        let record = Published::read(&bytes)?;
        let message = record.error.unwrap_or_default();
        Some(Self {
            client: Endpoint::from_name(&record.client)?,
            started_ms: record.started_ms.unwrap_or_default(),
            traits: record.traits,
            path: record.path.into_owned(),
            stream: record.stream,
            model: record.model.unwrap_or_default().into_owned(),
            body_bytes: record.request_bytes,
            invalid: record
                .invalid
                .map(|field| Invalid { field: field.into_owned(), message: message.into_owned() }),
        })
    }
}

/// Whether requests at an endpoint must name a model.
fn needs_model(endpoint: Endpoint) -> bool {
    !matches!(
        endpoint,
        Endpoint::OpenaiModels | Endpoint::OpenaiRealtime | Endpoint::Detect | Endpoint::Passthrough
    )
}

/// Keeps the credential the client sent, in whichever header (Gemini: or query parameter) its dialect uses.
pub(crate) fn keep_credential(host: &mut dyn Host) {
    let header = |name| host.header(HeaderMap::Request, name);
    let credential = header("authorization")
        .and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned))
        .or_else(|| ["x-api-key", "api-key", "x-goog-api-key"].into_iter().find_map(header))
        .or_else(|| {
            let path = header(":path")?;
            let (_, query) = path.split_once('?')?;
            query.split('&').find_map(|pair| pair.strip_prefix("key=").map(str::to_owned))
        });
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
