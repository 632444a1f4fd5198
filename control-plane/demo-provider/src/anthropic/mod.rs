//! The Anthropic side: messages and models.
//!
//! Wire format: <https://docs.anthropic.com/en/api/messages>, <https://docs.anthropic.com/en/api/messages-streaming>
//! and the types of Anthropic's own SDKs.

pub(crate) mod errors;
pub(crate) mod history;
pub(crate) mod messages;
pub(crate) mod models;
pub(crate) mod stream;
pub(crate) mod thinking;

use hyper::{Response, StatusCode};

use crate::body::ReplyBody;
use crate::options::Options;
use crate::provider::{BodyError, Received, Stamp, respond};
use crate::reply::compose;

use errors::Rejection;
use messages::Delivery;

/// The response header with the request's id.
pub(crate) const ID_HEADER: &str = "request-id";

/// Answers `POST /v1/messages`.
pub(crate) fn answer(
    received: Result<Received, BodyError>,
    options: &Options,
    stamp: &Stamp,
) -> Response<ReplyBody> {
    let request = received.map_err(Rejection::body).and_then(|received| {
        let version = errors::authenticate(&received.headers)?;
        messages::parse(&received.body, version, options)
    });
    let request = match request {
        Ok(request) => request,
        Err(rejection) => return rejection.into_response(stamp),
    };
    let reply = compose(&request.prompt, options);
    let body = match request.delivery {
        Delivery::Whole => ReplyBody::whole(messages::encode(&request, &reply, stamp).to_string()),
        Delivery::Stream => {
            ReplyBody::stream(stream::encode(&request, &reply, options, stamp), options.chunk_delay)
        }
    };
    respond(StatusCode::OK, body, ID_HEADER, stamp)
}

#[cfg(test)]
mod tests;
