//! What can go wrong when limits are configured, served or counted.

use std::path::PathBuf;

/// An error of the rate limit service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration file says something that cannot be carried out.
    #[error("{}{}: {}{reason}", file.display(), line.map_or_else(String::new, |n| format!(":{n}")), of_field(field))]
    Config {
        /// The file.
        file: PathBuf,
        /// Line within it, from 1, when known.
        line: Option<u64>,
        /// The field, such as `descriptors[0].rate_limit.unit`; empty for the whole file.
        field: String,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// A configuration file or folder cannot be read.
    #[error("{}: {reason}; name a YAML file of limits, or a folder of them", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The system's message.
        reason: String,
    },
    /// A call that the protocol does not allow. The caller's fault.
    #[error("{0}")]
    InvalidCall(String),
    /// The store did not carry out a charge; whether it was written before is not known.
    #[error("the store of counters failed: {0}")]
    Store(String),
    /// The memory store holds as many live counters as it may, and the call needs another.
    #[error("all {limit} counters are in use; raise --max-counters, or limit by fewer distinct values")]
    Full {
        /// How many counters it may hold.
        limit: usize,
    },
    /// The address of Redis cannot be used.
    #[error("--redis: {0}; write it like redis://user:password@host:6379/0, or rediss:// for TLS")]
    RedisAddress(String),
    /// The state file cannot be read or written.
    #[error("state file {}: {reason}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A server stopped with an error.
    #[error("the {server} server failed: {reason}")]
    Serve {
        /// Which one.
        server: &'static str,
        /// Its message.
        reason: String,
    },
}

fn of_field(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("{field}: ") }
}
