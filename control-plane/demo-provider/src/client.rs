//! Calls a provider in-process, for the tests of both dialects.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, StatusCode};
use serde_json::Value;

use crate::options::Options;
use crate::provider::{Clock, Provider};

/// A response, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

/// Default options without pauses.
pub(crate) fn no_delay() -> Options {
    Options { chunk_delay: Duration::ZERO, ..Options::default() }
}

/// Sends one request, `"METHOD /path"`, to a new provider whose clock stands still.
pub(crate) async fn call(options: Options, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let provider = Provider::new(options, Clock::Fixed(1_750_000_000));
    let response = provider.answer(request).await;
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}
