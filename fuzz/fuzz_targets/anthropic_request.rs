//! Requests of Anthropic clients.
//!
//! Holds: no panic; what is decoded is encoded as valid JSON that is a request of its dialect, or refused, and the
//! same each time, for models of several generations of every provider.

#![no_main]
#![forbid(unsafe_code)]

mod dialects;

use libfuzzer_sys::fuzz_target;
use llm_dialects::Dialect;

fuzz_target!(|body: &[u8]| dialects::request(Dialect::AnthropicMessages, body));
