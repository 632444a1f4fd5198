//! Every dialect over its fixtures, against the others where it has rules of its own, and over whatever proptest comes
//! up with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // A panic is a failed test.

mod anthropic;
mod bedrock;
mod gemini;
mod goldens;
#[path = "../grammar/mod.rs"]
mod grammar;
mod openai_chat;
mod openai_responses;
