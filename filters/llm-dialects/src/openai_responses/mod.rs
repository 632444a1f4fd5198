//! OpenAI responses: `POST /v1/responses`, as OpenAI documents it
//! (<https://platform.openai.com/docs/api-reference/responses>) and as its SDKs read and write it.
//!
//! What this API keeps on the server (earlier responses, conversations, prompts, stored items) cannot be carried to
//! another provider and is refused; everything else travels in the request, so requests are sent with `store: false`.
//!
//! Reasoning is an item of its own here, with a summary for people and `encrypted_content` for the provider:
//!
//! | signed by | in the hub | `encrypted_content` a client of this dialect gets |
//! |---|---|---|
//! | OpenAI | `weir-openai:<item id>.<encrypted_content>` | the same |
//! | Gemini | `weir-gemini:…` | the same |
//! | Anthropic, thinking | the signature as it is | `thinking_weir-sig_<signature>` |
//! | Anthropic, redacted | [`Part::RedactedThinking`](crate::hub::Part::RedactedThinking) | `redacted_weir-sig_<data>` |
//! | Anthropic, the text changed since | `weir-changed:<signature>` | the same |
//!
//! Errors are those of OpenAI's other APIs, so they are read and written by [`openai_chat`](crate::openai_chat).
//! What a request loses on its way is listed at [`decode_request`] and [`encode_request`].

mod error;
mod facts;
mod input_decode;
mod input_encode;
mod input_wire;
mod models;
mod output;
mod reasoning;
mod request_decode;
mod request_encode;
mod response;
mod stream_blocks;
mod stream_decode;
mod stream_encode;
mod stream_event;
mod stream_parts;
mod tool_decode;
mod tool_encode;
mod usage;
mod wire;

pub use crate::openai_chat::{decode_error, encode_error, error_status, is_error_body};
pub use facts::{response_facts, watch};
pub(crate) use reasoning::changed as changed_signature;
pub use request_decode::decode_request;
pub(crate) use request_encode::MIN_OUTPUT_TOKENS;
pub use request_encode::encode_request;
pub use response::{decode_response, encode_response};
pub use stream_decode::StreamDecoder;
pub use stream_encode::StreamEncoder;
