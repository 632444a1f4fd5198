//! What can go wrong when configuration is published or served.

use std::path::PathBuf;

use crate::{Kind, Rejection};

/// An error of the xDS server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A type URL, published or asked for by a client, that this server does not serve.
    #[error("type {type_url:?} is not served; the kinds served are {}", Kind::ALL.map(|k| k.to_string()).join(", "))]
    UnknownType {
        /// The type URL.
        type_url: String,
    },
    /// One publish holds two resources of one kind and name.
    #[error("{kind} {name:?} was published twice in one snapshot; names must be unique per kind")]
    Duplicate {
        /// The kind.
        kind: Kind,
        /// The name.
        name: String,
    },
    /// Envoy refused part of the configuration. Everything else is in effect; of the refused resources, their last
    /// accepted version is.
    #[error("Envoy refused {} of the resources, first: {}", .0.len(), .0.first().map_or_else(String::new, ToString::to_string))]
    Rejected(Vec<Rejection>),
    /// The server was closed while something waited for it.
    #[error("the xDS server has shut down")]
    Closed,
    /// The socket's directory lets other users in.
    #[error(
        "{} can be entered by other users (mode {mode:o}): secrets are served there, so it must have mode 0700",
        path.display()
    )]
    OpenDirectory {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another process is serving on the socket, or the path is something else than a socket.
    #[error("{} is in use: {reason}", path.display())]
    InUse {
        /// The socket's path.
        path: PathBuf,
        /// What is there.
        reason: String,
    },
    /// The operating system refused to create or listen on the socket.
    #[error("cannot listen on {}: {reason}", path.display())]
    Listen {
        /// The socket's path.
        path: PathBuf,
        /// The system's message.
        reason: String,
    },
    /// The gRPC server stopped with an error.
    #[error("the gRPC server failed: {reason}")]
    Serve {
        /// Its message.
        reason: String,
    },
}
