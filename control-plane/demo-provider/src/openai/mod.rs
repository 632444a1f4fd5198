//! The OpenAI side: chat completions and models.
//!
//! Wire format: <https://platform.openai.com/docs/api-reference/chat> and the types of OpenAI's own SDKs.

pub(crate) mod chat;
pub(crate) mod errors;
pub(crate) mod history;
pub(crate) mod models;
pub(crate) mod stream;

use hyper::{Response, StatusCode};

use crate::body::ReplyBody;
use crate::options::Options;
use crate::provider::{BodyError, Received, Stamp, respond};
use crate::reply::compose;

use chat::Delivery;
use errors::Rejection;

/// The response header with the request's id.
pub(crate) const ID_HEADER: &str = "x-request-id";

/// Answers `POST /v1/chat/completions`.
pub(crate) fn answer(
    received: Result<Received, BodyError>,
    options: &Options,
    stamp: &Stamp,
) -> Response<ReplyBody> {
    let request = received.map_err(Rejection::body).and_then(|received| {
        errors::authenticate(&received.headers)?;
        chat::parse(&received.body, options)
    });
    let chat::Request { prompt, delivery } = match request {
        Ok(request) => request,
        Err(rejection) => return rejection.into_response(stamp),
    };
    let reply = compose(&prompt, options);
    let body = match delivery {
        Delivery::Whole => ReplyBody::whole(chat::encode(&prompt, &reply, stamp).to_string()),
        Delivery::Stream(usage) => {
            ReplyBody::stream(stream::encode(&prompt, &reply, usage, options, stamp), options.chunk_delay)
        }
    };
    respond(StatusCode::OK, body, ID_HEADER, stamp)
}

#[cfg(test)]
mod tests;
