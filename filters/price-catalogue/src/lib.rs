//! What tokens cost.
#![forbid(unsafe_code)]
