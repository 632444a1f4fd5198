//! The texts of real bodies and streams: what is found, what is replaced, what stays.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod echoes;
mod fixtures;
mod recordings;
mod replacing;
mod shown;
mod signatures;
mod slots;
mod streams;
