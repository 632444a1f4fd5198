//! Finds, masks and restores in text, whole or as it streams.
#![forbid(unsafe_code)]
