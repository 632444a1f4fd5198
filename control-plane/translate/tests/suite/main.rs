//! Tests of the whole translation: golden files, what an edit changes, properties, and the real Envoy.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod authentication;
mod edits;
mod envoy;
mod filters;
mod fixture;
mod golden;
mod guards;
mod limits;
mod models;
mod properties;
mod scoped;
mod signing;
mod speed;
