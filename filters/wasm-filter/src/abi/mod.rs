//! The proxy-wasm ABI 0.2.1 (<https://github.com/proxy-wasm/spec>), as far as Weir uses it.
//!
//! Own code instead of the SDK crate for three reasons, each seen with proxy-wasm 0.2.5 on Envoy 1.40:
//! * Its `Action` knows only `Continue` and `Pause`. A body held with `Pause` counts as buffered: when it (or
//!   what replaces it) outgrows Envoy's buffer limit, Envoy answers from within the hostcall, which enters the
//!   VM a second time, and **crashes**. [`Flow::HoldAsStream`] has no such limit.
//! * Its hostcalls panic on statuses they do not expect, and a panic costs every stream of the VM.
//! * Its local replies cannot carry `details` for the access log.
//!
//! This folder is the only one of the crate with unsafe code.
#![allow(unsafe_code, reason = "a foreign function interface")]

mod callbacks;
mod headers;
pub(crate) mod hostcalls;

pub(crate) use headers::Headers;

/// Sends a request to a cluster on behalf of the stream whose callback runs; it gets the answer. False when the request
/// cannot be sent.
pub(crate) fn call(cluster: &str, headers: &[(String, String)], body: &[u8], timeout_ms: u32) -> bool {
    let call = hostcalls::call(cluster, headers, body, timeout_ms);
    call.inspect(|call| callbacks::wait_for(*call)).is_some()
}

/// Has the stream whose callback runs reset soon, unless its response ends by itself.
pub(crate) fn end_soon() {
    callbacks::end_soon();
}

/// What a callback answers. The numbers are Envoy's `FilterHeadersStatus` and `FilterDataStatus`, which
/// proxy-wasm-cpp-host passes on unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Flow {
    /// On with it, and with everything held.
    Continue = 0,
    /// Headers: hold them (`StopIteration`). After a local reply: nothing more goes on. Bodies: hold them where they can
    /// be written to outside of a body's callback (`StopIterationAndBuffer`); Envoy's buffer limit counts.
    Hold = 1,
    /// Bodies: hold what is left in Envoy's buffer, and press back when that is more than Envoy's buffer limit
    /// rather than fail the stream (`StopIterationAndWatermark`).
    HoldAsStream = 2,
}

/// Log levels of the ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs)]
pub(crate) enum LogLevel {
    Debug = 1,
    Info = 2,
    Warn = 3,
    Error = 4,
    Critical = 5,
}

/// Buffers of the ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs)]
pub(crate) enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    CallResponseBody = 4,
    PluginConfiguration = 7,
}

/// Kinds of metrics of the ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs)]
pub(crate) enum MetricKind {
    Counter = 0,
    Histogram = 2,
}

/// Header maps of the ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs)]
pub(crate) enum Map {
    Request = 0,
    Response = 2,
    CallResponse = 6,
}
