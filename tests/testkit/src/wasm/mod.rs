//! A proxy-wasm module in wasmtime, behind a host that behaves like Envoy 1.40.
//!
//! The host implements ABI 0.2.1 with the semantics of Envoy's wasm filter and `allow_on_headers_stop_iteration: true`:
//! which callbacks come, what the module sees in them, and which status a hostcall returns (source:
//! `source/extensions/common/wasm/context.cc` of Envoy and `src/exports.cc` of proxy-wasm-cpp-host). It does not
//! implement gRPC calls and shared queues; those imports answer `Unimplemented` and leave a note in the outcome.

mod abi;
mod exchange;
mod flow;
mod guest;
mod host;
mod hostcalls;
mod module;
mod stream;
mod subject;
mod vm;

pub use abi::{Action, Status};
pub use exchange::Exchange;
pub use flow::Role;
pub use host::{ForeignCall, HttpCall};
pub use module::{Import, Module};
pub use stream::Stream;
pub use subject::VmSubject;
pub use vm::Vm;
