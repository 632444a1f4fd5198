//! `GET /v1/models` and `GET /v1/models/{id}` (<https://docs.anthropic.com/en/api/models-list>).
//!
//! The list is one page: `limit`, `before_id` and `after_id` are not looked at.

use hyper::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};

use super::errors::{Rejection, authenticate};
use crate::body::ReplyBody;
use crate::options::Options;
use crate::provider::{Stamp, respond};

/// Release time that every demo model reports: a fixed date, because a demo model has none.
const CREATED: &str = "2025-01-01T00:00:00Z";

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
    let listed = options.models.listed();
    let body = match model {
        None => json!({
            "data": listed.iter().map(|name| entry(name)).collect::<Vec<_>>(),
            "has_more": false,
            "first_id": listed.first(),
            "last_id": listed.last(),
        }),
        Some(name) if options.models.serves(name) => entry(name),
        Some(name) => return Rejection::model(name).into_response(stamp),
    };
    respond(StatusCode::OK, ReplyBody::whole(body.to_string()), super::ID_HEADER, stamp)
}

fn entry(name: &str) -> Value {
    json!({
        "type": "model",
        "id": name,
        "display_name": format!("{name} (Weir demo)"),
        "created_at": CREATED,
        "lifecycle": "active",
    })
}
