//! One request in, one response out: routing, and what both dialects share.

use std::error::Error as StdError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use crate::body::ReplyBody;
use crate::options::Options;
use crate::{anthropic, openai};

/// Largest request body: Anthropic's limit for the Messages API
/// (<https://docs.anthropic.com/en/api/errors#request-size-limits>), used for both dialects.
const MAX_REQUEST_BYTES: usize = 32 * 1024 * 1024;

/// The demo provider without its network side.
pub(crate) struct Provider {
    options: Options,
    clock: Clock,
    /// Microseconds since the epoch at the start: keeps ids apart across restarts.
    started: u128,
    requests: AtomicU64,
}

/// Where the time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    System,
    /// Stands still at this many seconds since the epoch, for golden files.
    #[cfg(test)]
    Fixed(u64),
}

/// The identity and time of one request.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    /// Unique among this provider's requests; letters and digits only. Ids are a prefix and this.
    pub(crate) id: String,
    /// Seconds since the epoch.
    pub(crate) unix_seconds: u64,
}

/// A request whose body has been read.
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why a request has no usable body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// Larger than the limit, in bytes.
    TooLarge(usize),
    /// The connection broke while it was being sent.
    Incomplete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    OpenAi,
    Anthropic,
}

impl Clock {
    fn since_epoch_micros(self) -> u128 {
        match self {
            // A clock before 1970 is as good as 1970 here: times are only echoed.
            Self::System => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros()),
            #[cfg(test)]
            Self::Fixed(seconds) => u128::from(seconds) * 1_000_000,
        }
    }
}

impl Provider {
    pub(crate) fn new(options: Options, clock: Clock) -> Self {
        Self { options, clock, started: clock.since_epoch_micros(), requests: AtomicU64::new(0) }
    }

    fn stamp(&self) -> Stamp {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let unix_seconds = (self.clock.since_epoch_micros() / 1_000_000) as u64;
        Stamp { id: format!("demo{:x}n{number:06x}", self.started), unix_seconds }
    }

    /// Answers a request. It cannot fail: what is wrong with the request is in the response.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Response<ReplyBody>
    where
        B: Body,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let stamp = self.stamp();
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let options = &self.options;
        let (allowed, dialect) = match path {
            "/v1/chat/completions" => (Method::POST, Dialect::OpenAi),
            "/v1/messages" => (Method::POST, Dialect::Anthropic),
            _ => (Method::GET, suggested_dialect(&head.headers)),
        };
        let model = match path.strip_prefix("/v1/models") {
            _ if allowed == Method::POST => None,
            Some("") => None,
            Some(rest) if rest.starts_with('/') => rest.get(1..),
            _ => return unknown_path(dialect, &head.method, path, &stamp),
        };
        if head.method != allowed {
            let mut response = match dialect {
                Dialect::OpenAi => {
                    openai::errors::Rejection::method(&head.method, path).into_response(&stamp)
                }
                Dialect::Anthropic => {
                    anthropic::errors::Rejection::method(&head.method, path).into_response(&stamp)
                }
            };
            let allowed = if allowed == Method::POST { "POST" } else { "GET" };
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
            return response;
        }
        if allowed == Method::GET {
            return match dialect {
                Dialect::OpenAi => openai::models::answer(&head.headers, model, options, &stamp),
                Dialect::Anthropic => anthropic::models::answer(&head.headers, model, options, &stamp),
            };
        }
        let received = read(body).await.map(|body| Received { headers: head.headers, body });
        match dialect {
            Dialect::OpenAi => openai::answer(received, options, &stamp),
            Dialect::Anthropic => anthropic::answer(received, options, &stamp),
        }
    }
}

/// The dialect that a client seems to speak, for paths that both providers have or neither has.
fn suggested_dialect(headers: &HeaderMap) -> Dialect {
    if headers.contains_key("anthropic-version") || headers.contains_key("x-api-key") {
        Dialect::Anthropic
    } else {
        Dialect::OpenAi
    }
}

fn unknown_path(dialect: Dialect, method: &Method, path: &str, stamp: &Stamp) -> Response<ReplyBody> {
    match dialect {
        Dialect::OpenAi => openai::errors::Rejection::path(method, path).into_response(stamp),
        Dialect::Anthropic => anthropic::errors::Rejection::path(path).into_response(stamp),
    }
}

async fn read<B>(body: B) -> Result<Bytes, BodyError>
where
    B: Body,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    match Limited::new(body, MAX_REQUEST_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge(MAX_REQUEST_BYTES)),
        Err(_) => Err(BodyError::Incomplete),
    }
}

/// Whether there is an `Authorization: Bearer` header with something in it.
pub(crate) fn has_bearer(headers: &HeaderMap) -> bool {
    headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .is_some_and(|(scheme, key)| scheme.eq_ignore_ascii_case("bearer") && !key.trim().is_empty())
}

/// A response with a body and the provider's request id header.
pub(crate) fn respond(
    status: StatusCode,
    body: ReplyBody,
    id_header: &'static str,
    stamp: &Stamp,
) -> Response<ReplyBody> {
    let streamed = matches!(body, ReplyBody::Stream(_));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if streamed {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    } else {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Ok(id) = HeaderValue::from_str(&format!("req_{}", stamp.id)) {
        headers.insert(HeaderName::from_static(id_header), id);
    }
    response
}
