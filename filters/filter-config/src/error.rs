//! Why a filter configuration is refused.

/// Why a filter configuration is refused. Envoy shows the message when it rejects the listener, cluster
/// or ECDS resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not JSON, an unknown field, or a value of the wrong type.
    #[error("configuration of the weir `{filter}` filter: {message}")]
    Json {
        /// The filter.
        filter: &'static str,
        /// serde's words, with line and column.
        message: String,
    },
    /// A version this build does not speak.
    #[error(
        "configuration version {found}: this build of Weir speaks version {}; use filters and control plane of one release",
        crate::VERSION
    )]
    Version {
        /// The version in the configuration.
        found: u32,
    },
    /// A field whose value makes no sense.
    #[error("configuration of the weir `{filter}` filter: {field}: {message}")]
    Invalid {
        /// The filter.
        filter: &'static str,
        /// The field's path.
        field: String,
        /// What is wrong and what to do.
        message: String,
    },
}
