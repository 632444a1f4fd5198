//! A rate limit service for Envoy, which `weir ratelimit` serves.
//!
//! It speaks `envoy.service.ratelimit.v3.RateLimitService`, is configured with the files of `envoyproxy/ratelimit`, and
//! adds what budgets need: charges of all limits of a call or none, reservations that are settled and refunded once,
//! windows that follow the calendar, soft limits. `docs/rate-limit-service.md` tells how to use it.
//!
//! The way of a call: `service` takes it from gRPC, [`Limiter::answer`] has it read (`request`), turned into charges
//! (`plan`, which asks `matching` for the rules of [`config`] and [`window`] for the time), carried out as one step by a
//! [`store`] ([`charge`] says what that means, for `cell`s), and answered (`verdict`). All but the stores and the server
//! is a function of its inputs; the time is one of them ([`clock`]).
#![forbid(unsafe_code)]

mod cell;
pub mod charge;
pub mod clock;
pub mod config;
mod error;
mod limiter;
mod matching;
mod metrics;
mod plan;
mod request;
mod server;
mod service;
pub mod store;
mod verdict;
pub mod window;

pub use cell::Algorithm;
pub use error::Error;
pub use limiter::Limiter;
pub use request::{MOST_ADDED, REQUEST, SETTLE, fingerprint};
pub use server::{keep, serve_grpc, serve_pages};
