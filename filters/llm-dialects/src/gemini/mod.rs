//! Gemini `generateContent` and `streamGenerateContent`: the Gemini API (`v1beta`) and Vertex AI.
//! <https://ai.google.dev/api/generate-content>,
//! <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference>
//!
//! Model and streaming are in the path, so neither is in a body. Clients may write field names in camelCase or
//! snake_case, as the API takes both.
//!
//! The modules, in the order of an exchange: a request is decoded ([`decode_request`]) or encoded
//! ([`encode_request`], which lists what is carried, approximated, dropped and refused); the answer comes whole
//! ([`decode_response`], [`encode_response`]) or as a stream ([`StreamDecoder`], [`StreamEncoder`]); or it is an error
//! ([`decode_error`], [`encode_error`]).

mod carrier;
mod citations;
mod decode_contents;
mod decode_request;
mod encode_contents;
mod encode_request;
mod encode_response;
mod error;
mod facts;
mod logprobs;
mod media;
mod models;
mod out;
mod partial_args;
mod request_wire;
mod response;
mod schema;
mod stream_decoder;
mod stream_encoder;
mod thinking;
mod timestamp;
mod usage;
mod wire;

pub use carrier::MARKS;
pub(crate) use carrier::changed as changed_signature;
pub use decode_request::decode_request;
pub use encode_request::encode_request;
pub use encode_response::encode_response;
pub use error::{decode_error, encode_error, error_status, is_error_body, retry_delay};
pub use facts::{response_facts, watch};
pub use response::decode_response;
pub use stream_decoder::StreamDecoder;
pub use stream_encoder::StreamEncoder;

/// Parts the hub has no word for, by the field they stand in.
const PARTS: [&str; 6] =
    ["codeExecutionResult", "executableCode", "fileData", "inlineData", "toolCall", "toolResponse"];

/// Tools that Google runs, by the field they stand in.
/// <https://ai.google.dev/api/caching#Tool>
const TOOLS: [&str; 12] = [
    "codeExecution",
    "computerUse",
    "enterpriseWebSearch",
    "exaAiSearch",
    "fileSearch",
    "googleMaps",
    "googleSearch",
    "googleSearchRetrieval",
    "mcpServers",
    "parallelAiSearch",
    "retrieval",
    "urlContext",
];
