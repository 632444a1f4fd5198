//! Nothing: the crate exists for its tests, which hold the invariants of `ARCHITECTURE.md`.
#![forbid(unsafe_code)]
