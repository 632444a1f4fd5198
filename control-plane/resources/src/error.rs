//! What can go wrong when a single value is read. Problems of whole objects are [`Finding`](crate::Finding)s.

use thiserror::Error;

/// A value that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a GEP-2257 duration.
    #[error("{text:?} is not a duration; write it like 30s, 1m30s or 250ms")]
    Duration {
        /// The text that was found.
        text: String,
    },
    /// Not a positive Kubernetes quantity of at most 64 bits.
    #[error("{text:?} is not a positive quantity; write a number of bytes or, for example, 512Ki or 2Mi")]
    Quantity {
        /// The text that was found.
        text: String,
    },
    /// Not a host name, wildcard host name or IP address.
    #[error(
        "{text:?} is not a host name; use lower-case letters, digits, '-' and '.', for example api.example.com"
    )]
    Hostname {
        /// The text that was found.
        text: String,
    },
    /// A value of a Secret's `data` that is not base64.
    #[error("the value of key {key:?} is not base64; encode it or move it to stringData")]
    Base64 {
        /// The key in `data`. The value is never shown.
        key: String,
    },
}
