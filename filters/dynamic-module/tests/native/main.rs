//! The module in a fake Envoy: the callbacks it imports are functions of this program, the hooks called are
//! the exported ones.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

mod fake_envoy;
mod filters;
mod hooks;
mod same_scripts;
