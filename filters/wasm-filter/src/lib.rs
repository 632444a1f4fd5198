//! Weir's filters as one proxy-wasm module (ABI 0.2.1) for stock Envoy.
//!
//! The plugin's `root_id` chooses the filter (`llm`, `api-keys`, `guard`, `limit`, `order`, `provider`, `usage`), its `configuration` is that
//! filter's JSON (see `filter-config`). What the filters do is in `filter-core`; this crate maps callbacks to
//! phases ([`drive`]) and the phases' wishes to hostcalls ([`stream`], [`wasm_host`], [`abi`]).
//!
//! Every plugin needs `allow_on_headers_stop_iteration: true`: without it Envoy takes a held header phase for
//! "hold everything" and the body never comes. No buffer limit needs to be raised for bodies to be held.
#![deny(unsafe_code)]

mod abi;
mod drive;
mod metrics;
mod root;
mod stream;
mod wasm_host;
