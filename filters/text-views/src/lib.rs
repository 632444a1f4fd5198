//! The texts in requests, answers and stream events of every dialect, to be read and replaced.
#![forbid(unsafe_code)]
