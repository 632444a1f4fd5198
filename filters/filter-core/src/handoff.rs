//! What the `llm` filter hands to the `provider` filter of every attempt.
//!
//! It is the exchange's record in its first state ([`crate::record`]), published as filter state: clients cannot forge
//! it, it survives from attempt to attempt (request headers are shared and mutated by all of them), and it stands in
//! the access log when nothing more becomes known. What attempts add to it leaves what is read here as it is.

use filter_config::Endpoint;
use llm_dialects::hub::{ApiError, ErrorKind};
use llm_dialects::{Error, inspect};

use crate::endpoints;
use crate::error_form::ErrorForm;
use crate::record::{Outcome, Published, RECORD_STATE, Record, Traits};
use crate::{Attribute, HeaderMap, Host};

/// State key of the client's credential, present only when the `llm` filter is told to keep it.
const CREDENTIAL_STATE: &str = "weir.credential";

/// Where the first credential that is no token is kept when that one is.
const KEY_STATE: &str = "weir.credential.key";

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
    /// An attempt before this one has failed.
    pub(crate) has_failed: bool,
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
            has_failed: record.outcome == Outcome::Failed,
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
    let all = credentials(host);
    let Some(first) = all.first() else { return };
    host.publish(CREDENTIAL_STATE, first.as_bytes());
    if is_token(first)
        && let Some(key) = all.iter().find(|credential| !is_token(credential))
    {
        host.publish(KEY_STATE, key.as_bytes());
    }
}

/// Whether a credential has the form of a signed JSON Web Token (RFC 7515, 3.1).
fn is_token(credential: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let mut parts = credential.split('.');
    parts.by_ref().take(3).filter(|text| part(text)).count() == 3 && parts.next().is_none()
}

/// The credentials a request carries, wherever a dialect has them.
fn credentials(host: &dyn Host) -> Vec<String> {
    let header = |name| host.header(HeaderMap::Request, name);
    let bearer = header("authorization").and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned));
    let keys = ["x-api-key", "api-key", "x-goog-api-key"].into_iter().filter_map(header);
    let in_query = || {
        let path = header(":path")?;
        let (_, query) = path.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix("key=")).map(endpoints::percent_decode)
    };
    bearer.into_iter().chain(keys).chain(in_query()).collect()
}

/// The credential the client sent.
pub(crate) fn kept_credential(host: &dyn Host) -> Option<String> {
    kept(host, CREDENTIAL_STATE)
}

/// The credential the client sent for a provider: not the token by which it has shown this gateway who it is.
pub(crate) fn kept_key(host: &dyn Host) -> Option<String> {
    let first = kept_credential(host)?;
    if is_token(&first) && host.attribute(Attribute::Jwt).is_some() {
        return kept(host, KEY_STATE);
    }
    Some(first)
}

fn kept(host: &dyn Host, state: &str) -> Option<String> {
    String::from_utf8(host.state(state)?).ok().filter(|credential| !credential.is_empty())
}

/// Keeps no credential that is not for a provider, but one of this gateway's `own`: rather the next that the request
/// carries, or none.
pub(crate) fn drop_credential(host: &mut dyn Host, own: &dyn Fn(&str) -> bool) {
    if kept_credential(host).is_some_and(|kept| own(&kept)) {
        let another = credentials(host).into_iter().find(|credential| !own(credential));
        host.publish(CREDENTIAL_STATE, another.unwrap_or_default().as_bytes());
    }
    if kept(host, KEY_STATE).is_some_and(|kept| own(&kept)) {
        let mut all = credentials(host).into_iter();
        let another = all.find(|credential| !own(credential) && !is_token(credential));
        host.publish(KEY_STATE, another.unwrap_or_default().as_bytes());
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_host::FakeHost;

    fn asked(headers: &[(&str, &str)]) -> FakeHost {
        let mut host = FakeHost::default();
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        host.headers.insert(HeaderMap::Request, headers.collect());
        keep_credential(&mut host);
        host
    }

    const TOKEN: (&str, &str) = ("authorization", "Bearer eyJhbGciOiJub25lIn0.e30.c2ln");
    const KEY: (&str, &str) = ("x-api-key", "sk-own");

    #[test]
    fn a_token_for_this_gateway_is_no_key_for_a_provider() {
        let mut host = asked(&[TOKEN, KEY]);
        // Nobody has looked at it.
        assert_eq!(kept_key(&host), kept_credential(&host));
        host.attributes.insert(Attribute::Jwt, "{}".to_owned());
        assert_eq!(kept_key(&host).as_deref(), Some("sk-own"));
        assert_eq!(kept_credential(&host).as_deref(), TOKEN.1.strip_prefix("Bearer "));
        drop_credential(&mut host, &|credential| credential == "sk-own");
        assert_eq!(kept_key(&host), None);
        let mut alone = asked(&[TOKEN]);
        alone.attributes.insert(Attribute::Jwt, "{}".to_owned());
        assert_eq!(kept_key(&alone), None);
        // The token stood elsewhere.
        let mut key = asked(&[("authorization", "Bearer sk-own")]);
        key.attributes.insert(Attribute::Jwt, "{}".to_owned());
        assert_eq!(kept_key(&key).as_deref(), Some("sk-own"));
    }

    #[test]
    fn tokens_have_three_parts() {
        assert!(is_token("eyJhbGciOiJub25lIn0.e30.c2ln") && is_token("a-b.c_d.e"));
        for text in ["", "sk-own", "ya29.a0Af", "a.b", "a.b.", ".a.b", "a.b.c.d", "a.b c.d", "a.b.c="] {
            assert!(!is_token(text), "{text}");
        }
    }
}
