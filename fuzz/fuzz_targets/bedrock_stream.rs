//! Streams of Bedrock providers. The input is the messages as lines of text, so that corpus files are readable.
//!
//! Holds: no panic; the outcome does not depend on the split; what comes out keeps to the grammar of every dialect
//! and ends, be it in an error.

#![no_main]
#![forbid(unsafe_code)]

mod dialects;

use libfuzzer_sys::fuzz_target;
use llm_dialects::Dialect;

fuzz_target!(|body: &[u8]| dialects::stream(Dialect::BedrockConverse, body));
