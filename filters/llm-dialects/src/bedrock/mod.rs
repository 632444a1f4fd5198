//! Amazon Bedrock Converse: `POST /model/{modelId}/converse`, and `…/converse-stream`, which answers with an AWS event
//! stream ([`framing::aws_event_stream`]). Version 2023-09-30 of the service model.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>
//!
//! The modules, in the order of an exchange: a request is decoded ([`decode_request`]) or encoded ([`encode_request`],
//! which lists what is carried, approximated, dropped and refused); the answer comes whole ([`decode_response`],
//! [`encode_response`]) or as a stream ([`StreamDecoder`], [`StreamEncoder`]); or it is an error ([`decode_error`],
//! [`encode_error`], and [`error_type`] for the header that names it).
//!
//! Answers name neither themselves nor their model. Their id is made from a hash, and the model is empty unless a
//! prompt router tells which one it chose; who knows better (`x-amzn-requestid`, the path) may replace both.

mod content;
mod decode_request;
mod encode_content;
mod encode_messages;
mod encode_request;
mod encode_thinking;
mod error;
mod facts;
mod formats;
mod models;
mod out;
mod request_out;
mod request_wire;
mod response;
mod stream_decoder;
mod stream_encoder;
mod stream_wire;
mod wire;

pub use decode_request::decode_request;
pub use encode_request::encode_request;
pub use error::{decode_error, encode_error, error_status, error_type, is_error_body};
pub use facts::{response_facts, watch};
pub use response::{decode_response, encode_response};
pub use stream_decoder::StreamDecoder;
pub use stream_encoder::StreamEncoder;

/// The kind of foreign tools that are Bedrock's own.
const SYSTEM_TOOL: &str = "systemTool";

/// FNV-1a, 64 bits: the same for the same bytes, on every machine.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The id of an answer that has none, made from bytes of it.
fn answer_id(bytes: &[u8]) -> String {
    format!("bdrk_{:016x}", hash(bytes))
}
