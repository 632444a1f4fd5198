//! What Weir's filters do, without any Envoy in it.
//!
//! An ABI adapter (proxy-wasm, Envoy dynamic module) compiles a configuration into a [`Plan`] once and
//! starts an [`Exchange`] from it for every request. It drives the exchange phase by phase and performs
//! what each phase answers:
//!
//! 1. [`Phases::request_headers`] → [`HeadersFlow`]: continue with a [`BodyMode`], or reply.
//! 2. As the mode says:
//!    * [`BodyMode::Skip`]: the body is none of our business; nothing more is called for this direction.
//!    * [`BodyMode::Chunks`]: headers go on at once; every chunk is passed to
//!      [`Phases::request_body`] as it comes, exactly once, in order, and leaves as the answer says. The last call
//!      has `end: true`, with an empty chunk if need be. Unless a response is ended early ([`BodyFlow::End`]): calls may
//!      stop any time then.
//!    * [`BodyMode::Whole`]: headers and body are held until the body is complete, then one call with
//!      `end: true` and all of it. More than `limit` bytes → the overflow call instead
//!      ([`Phases::request_overflow`], [`Phases::response_overflow`]).
//! 3. The same for the response. An upstream filter is started afresh for every attempt.
//!    A call with a whole body may be answered with a question to a service ([`BodyFlow::Call`]); everything stays held
//!    until [`Phases::answered`] has been called.
//! 4. [`Phases::complete`], downstream only, when the request is over, however it ended.
//!
//! Reads and header edits go through [`Host`] during a call; everything that resumes, replies or changes a
//! body is *returned* and performed after the call, so that nothing ever re-enters. Header edits are only
//! made during a headers call or, in `Whole` mode, during the body call (headers are still held then).
//!
//! Bodies are bytes; trailers end a body and are otherwise left alone. No phase panics on any input, and
//! no phase reads a clock or randomness but through [`Host`].
#![forbid(unsafe_code)]

mod api_keys;
mod cooldown;
mod endpoints;
mod error_form;
mod failover;
#[cfg(any(test, feature = "fake-host"))]
pub mod fake_host;
mod fields;
mod flow;
mod frames;
mod guard;
mod handoff;
mod health;
mod host;
mod limit;
mod llm;
mod metrics;
mod multipart;
mod order;
mod phases;
mod plan;
mod provider;
mod record;
mod request_view;
mod tokens;
mod usage;
mod virtual_model;
mod watched;

pub use flow::{
    BodyFlow, BodyMode, CallAnswer, Callout, Direction, HeadersFlow, LocalReply, OVER_STATE, Overflow,
};
pub use host::{Attribute, Change, HeaderMap, Host, Level};
pub use metrics::{Labels, Metric};
pub use phases::{Exchange, Phases};
pub use plan::{FilterKind, Plan};
pub use record::{Outcome, RECORD_STATE, Record, RecordedUsage, Traits};
