//! Requests to guard services and what their answers mean.
#![forbid(unsafe_code)]
