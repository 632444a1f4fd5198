//! How many tokens a text is, without I/O.
//!
//! [`Encoding`] counts `o200k_base` and `cl100k_base` exactly as tiktoken does; [`RunningCount`] does so for a text that
//! arrives in parts. [`Tokeniser`] says which of them a model uses, or by which factor its own tokeniser is estimated;
//! [`chat_overhead`] what a chat request costs besides its texts. `docs/tokens.md` says how exact all of it is.
//!
//! It runs inside Envoy filters, in one WebAssembly VM per worker, on text of anybody. Hence the invariants:
//! * the tables are ready in the binary (6.1 MB for both encodings): nothing is built at first use, nothing is cached;
//! * work is linear in the text and the memory used meanwhile is bounded, whatever the text is;
//! * no input panics.
//!
//! The parts: `pieces` cuts a text where tiktoken's split patterns do, over the character `classes`; `merge` counts
//! the tokens of a piece, over the tables of a `vocabulary`. `build.rs` makes those tables from `tables/*.merges`.
#![forbid(unsafe_code)]

mod chat;
mod classes;
mod encoding;
mod merge;
mod models;
mod pair_hash;
mod pieces;
mod running;
mod vocabulary;

pub use chat::chat_overhead;
pub use encoding::Encoding;
pub use models::{Estimate, Evidence, Tokeniser};
pub use running::RunningCount;
