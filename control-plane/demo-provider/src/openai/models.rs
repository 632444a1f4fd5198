//! `GET /v1/models` and `GET /v1/models/{id}`
//! (<https://platform.openai.com/docs/api-reference/models>).

use hyper::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};

use super::errors::{Rejection, authenticate};
use crate::body::ReplyBody;
use crate::options::Options;
use crate::provider::{Stamp, respond};

/// Creation time that every demo model reports, in seconds since the epoch: 2025-01-01, a fixed date because a demo
/// model has none.
const CREATED: u64 = 1_735_689_600;

/// Lists the models, or describes the one asked for.
pub(crate) fn answer(
    headers: &HeaderMap,
    model: Option<&str>,
    options: &Options,
    stamp: &Stamp,
) -> Response<ReplyBody> {
    if let Err(rejection) = authenticate(headers) {
        return rejection.into_response(stamp);
    }
    let body = match model {
        None => json!({
            "object": "list",
            "data": options.models.listed().iter().map(|name| entry(name)).collect::<Vec<_>>(),
        }),
        Some(name) if options.models.serves(name) => entry(name),
        Some(name) => return Rejection::model(name).into_response(stamp),
    };
    respond(StatusCode::OK, ReplyBody::whole(body.to_string()), super::ID_HEADER, stamp)
}

fn entry(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": CREATED, "owned_by": "weir-demo"})
}
