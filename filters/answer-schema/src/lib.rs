//! Whether an answer is JSON of a schema.
#![forbid(unsafe_code)]
