//! Errors of this crate: what cannot be written as Envoy configuration at all.

/// Why a piece of configuration could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A message could not be printed or packed.
    #[error("Envoy configuration could not be written: {0}")]
    Proto(#[from] envoy_proto::Error),
}
