//! Runs Weir's filters in a test without Envoy.
//!
//! * [`wasm`] loads a proxy-wasm module, the very file that ships, into wasmtime behind a stateful host that behaves like
//!   Envoy 1.40 with `allow_on_headers_stop_iteration: true` and records what the module did.
//! * [`script`] and [`split_check`] describe one HTTP exchange and replay it cut at every possible place. They need no
//!   wasmtime, so the same scripts also run natively: build with `default-features = false` and implement
//!   [`script::Subject`].
//!
//! * [`scripts`] holds the exchanges that every build of the filters has to get right.
//!
//! `tests/testkit/README.md` shows how to test a module.

#![forbid(unsafe_code)]

pub mod chain;
mod error;
pub mod message;
pub mod outcome;
pub mod script;
pub mod scripts;
pub mod split_check;
#[cfg(feature = "wasm")]
pub mod wasm;

pub use chain::{Chain, Direction, Link, Step};
pub use error::Error;
pub use message::{Headers, Message};
pub use outcome::{LocalReply, LogLevel, LogLine, Metric, MetricKind, Outcome, ReplyOrigin};
pub use script::{Ending, Script, Side, Splits, Subject};
pub use split_check::{Density, Expected, check_every_split, check_splits};
#[cfg(feature = "wasm")]
pub use wasm::{Action, Exchange, Module, Role, Stream, Vm, VmSubject};
