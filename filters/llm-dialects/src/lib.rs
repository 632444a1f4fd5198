//! LLM dialects: how each provider's API says the same things, and how to get from one to another.
//!
//! Translation is a hub, not a web. [`hub`] is the model in the middle; every dialect module
//! ([`openai_chat`], [`openai_responses`], [`anthropic`], [`gemini`], [`bedrock`]) has these around it:
//!
//! | | from bytes | to bytes |
//! |---|---|---|
//! | request | `decode_request` → [`hub::Request`] | `encode_request` |
//! | response | `decode_response` → [`hub::Response`] | `encode_response` |
//! | stream | `StreamDecoder` → [`hub::StreamEvent`]s | `StreamEncoder` |
//! | error | `decode_error` → [`hub::ApiError`] | `encode_error` |
//!
//! [`dialect`] dispatches over them by name, so that callers never match on a dialect themselves.
//! [`inspect`] reads the few facts routing and accounting need without decoding the rest, and [`edit`]
//! changes single fields of a body while keeping every other byte, for the same-dialect path.
//!
//! [`embeddings`] and [`rerank`] have small hubs of their own; [`count_tokens`] wraps chat requests.
//!
//! The crate is sans-I/O: no clock, no randomness, no ABI. The same input always gives the same bytes.
#![forbid(unsafe_code)]

pub mod anthropic;
pub mod bedrock;
mod blocks_in_turn;
pub mod count_tokens;
pub mod detect;
pub mod dialect;
pub mod edit;
pub mod embeddings;
mod error;
pub mod gemini;
pub mod hub;
pub mod inspect;
mod json;
mod media_type;
pub mod openai_chat;
pub mod openai_responses;
pub mod output_limit;
mod replay;
pub mod rerank;
pub mod signature;
pub mod skim;
mod tool_ids;
mod tool_input;
pub mod tool_names;
mod turns;

pub use dialect::Dialect;
pub use error::Error;
