//! OpenAI chat completions: `POST /v1/chat/completions`, as OpenAI documents it
//! (<https://platform.openai.com/docs/api-reference/chat>) and as the many providers that imitate it speak
//! it.
//!
//! Field names beyond OpenAI's own, because clients and providers use them widely:
//!
//! | field | where | whose |
//! |---|---|---|
//! | `reasoning_content` (read: also `reasoning`) | assistant message, delta | DeepSeek, vLLM, OpenRouter |
//! | `thinking_blocks` | assistant message, delta | LiteLLM: reasoning with its signature, for replay |
//! | `cache_control` | messages, content parts, tools | clients that mean Anthropic models |
//! | `top_k` | request | vLLM and others |
//! | `content` of `annotations[].url_citation` | message, delta | OpenRouter: what the source says |
//! | `content` in pieces, with `thinking` (read) | message, delta | Mistral |
//! | `cache_write_tokens` | `usage.prompt_tokens_details` | OpenRouter |
//! | `image_tokens` | `usage.prompt_tokens_details`, `usage.completion_tokens_details` | OpenRouter, xAI |
//! | `x_groq.usage` (read) | last chunk | Groq |
//!
//! What this API and [`openai_responses`](crate::openai_responses) write alike is here: `data:` URLs, the arguments of
//! calls, efforts, errors.
//!
//! What a request loses on its way is listed at [`decode_request`] and [`encode_request`].

mod annotations;
pub(crate) mod call_arguments;
pub(crate) mod data_url;
pub(crate) mod effort;
mod error;
mod logprobs;
mod message_decode;
mod message_encode;
mod models;
mod request_decode;
mod request_encode;
mod request_wire;
mod response;
mod said;
mod stream_decode;
mod stream_encode;
mod usage;
mod wire;

pub use error::{decode_error, encode_error, error_status, is_error_body};
pub(crate) use message_encode::refused;
pub(crate) use models::takes_max_completion_tokens;
pub use request_decode::decode_request;
pub use request_encode::encode_request;
pub use response::{decode_response, encode_response};
pub use stream_decode::StreamDecoder;
pub use stream_encode::StreamEncoder;
pub(crate) use usage::Usage;
