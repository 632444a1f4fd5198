//! Both filters of a request on a fake host, as adapters drive them in Envoy.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // A panic is a failed test.

mod answers;
mod api_keys;
mod credentials;
mod cut_streams;
mod gateway;
mod guard_restoring;
mod guarded_reasoning;
mod guarded_texts;
mod guards;
mod limits;
mod opaque_errors;
mod output_cap;
mod pairs;
mod requests;
use testkit::scripts;
mod streams;
