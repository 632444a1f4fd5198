//! Bytes to frames and back, without I/O.
//!
//! A *frame* is the unit a provider's stream is made of, before anyone looks at what it means: a Server-Sent Event
//! ([`sse`]) or an AWS event stream message ([`aws_event_stream`]). The crate owns line ends, checksums, chunk
//! boundaries and size limits, so that the dialects above it see whole payloads only. It runs inside Envoy filters on every chunk of every stream, in wasm and native code: it does no
//! I/O, reads no clock, lends bytes instead of copying them where it can, and holds at most one unfinished frame.
//!
//! Invariants, held by the tests in `src/sse` and `src/aws_event_stream`, and by `fuzz/fuzz_targets/sse_framing.rs`:
//! * the frames do not depend on how the input was split into chunks;
//! * no input makes a decoder panic, or buffer more than its limit.

#![forbid(unsafe_code)]

pub mod aws_event_stream;
mod error;
pub mod sse;

pub use error::Error;
