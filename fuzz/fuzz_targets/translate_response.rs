//! Whole answers and errors, of and for every dialect.
//!
//! Holds: no panic; an answer that is decoded is encoded as an answer of every dialect, whole and told as a stream;
//! any body gives an error of every dialect.

#![no_main]
#![forbid(unsafe_code)]

mod dialects;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| dialects::response(body));
