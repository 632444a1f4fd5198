//! Calls to the whole limiter, with both stores, and over the network.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking, in its helper functions too"
)]

mod calls;
mod concurrency;
mod conformance;
mod grpc;
mod redis_server;
mod semantics;
mod stores;
