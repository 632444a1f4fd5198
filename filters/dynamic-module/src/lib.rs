//! Weir's filters as an Envoy dynamic module, `libweir.so`, for Envoy 1.40 (ABI `v0.2.0`).
//!
//! Envoy loads the file, asks for a filter by name (`llm`, `api-keys`, `guard`, `limit`, `order`, `provider`, `usage`) and calls the exported
//! hooks for every stream. What the filters do is `filter-core`'s; here is only the way in and out:
//!
//! * [`abi`] declares the part of Envoy's C interface that is used.
//! * [`stream`] is a safe handle on one stream of Envoy.
//! * [`native_host`] gives that handle the shape `filter-core` asks for.
//! * [`metrics`] and [`shared`] are what outlives a stream: counters and histograms, and memory of all workers.
//! * [`drive`] maps Envoy's callbacks to the phases of an exchange. It only decides.
//! * [`hooks`] are the exported functions. They carry out what was decided once nothing of ours is
//!   borrowed any more, because Envoy may call back into the same filter or destroy it meanwhile. Each
//!   hook stops panics: an exchange that panics fails closed, Envoy lives on.
//!
//! The unsafe code is in [`abi`], [`stream`] and [`hooks`].
#![deny(clippy::undocumented_unsafe_blocks)]
#![warn(clippy::missing_safety_doc)]

pub mod abi;
pub mod drive;
pub mod hooks;
pub mod metrics;
pub mod native_host;
pub mod shared;
pub mod stream;
