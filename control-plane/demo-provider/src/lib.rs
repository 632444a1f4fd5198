//! A small, honest stand-in for OpenAI and Anthropic.
//!
//! It lets a new user try Weir with no API key, and gives the end-to-end tests and the benchmark a fast upstream.
//! It speaks the providers' real wire formats but makes no attempt to look like a model: every text reply says that it
//! comes from Weir's demo provider, names the model that was asked for and echoes the last user message.
//! The same request always gets the same reply (ids and times apart).
//!
//! | Request | Answer |
//! |---|---|
//! | `POST /v1/chat/completions` | OpenAI chat completion, whole or as server-sent events |
//! | `POST /v1/messages` | Anthropic message, whole or as server-sent events |
//! | `GET /v1/models`, `GET /v1/models/{id}` | Anthropic's shape when `anthropic-version` is sent, OpenAI's otherwise |
//! | anything else | 404 (or 405) in the dialect that the request's headers suggest |
//!
//! Any non-empty API key is accepted; a missing one is refused as the provider would.
//!
//! # Demo tokens
//!
//! Usage is counted in *demo tokens*: one per whitespace-separated word and one per image or document. A prompt counts
//! its system text, messages, tool calls and tool results, and each tool definition as its compact JSON; a reply counts
//! its thinking, its text, and the name and arguments of each tool call. `max_tokens` is measured the same way.

#![forbid(unsafe_code)]

mod anthropic;
mod arguments;
mod body;
mod json;
mod openai;
mod options;
mod pieces;
mod provider;
mod reply;
mod server;
mod tokens;

pub use options::{Error, Models, Options};
pub use server::serve;

#[cfg(test)]
mod client;
