//! What the controller learns about the Envoys it serves.

use crate::{Generation, Kind};

/// One connection of one Envoy; a reconnect is a new session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(crate) u64);

/// A resource that Envoy refused (NACK). It keeps what it last accepted under that name, if anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The kind of the resource.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The version refused; `None` if it was the removal that was.
    pub version: Option<String>,
    /// Envoy's words.
    pub message: String,
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}: {}", self.kind, self.name, self.message)
    }
}

/// Where a session stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionStatus {
    /// `Node.id` of the Envoy's bootstrap; empty before its first message.
    pub node: String,
    /// The newest generation of which Envoy has answered every resource, by accepting or refusing it.
    pub settled: Option<Generation>,
    /// What is refused at present.
    pub rejected: Vec<Rejection>,
    /// What of the newest snapshot Envoy has not answered yet, or not asked for.
    pub outstanding: Vec<(Kind, String)>,
}

/// Something that happened on a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An Envoy connected and has said who it is.
    Connected {
        /// The connection.
        session: SessionId,
        /// `Node.id` of its bootstrap.
        node: String,
    },
    /// The connection has ended.
    Disconnected {
        /// The connection.
        session: SessionId,
    },
    /// Envoy accepted a response.
    Acked {
        /// The connection.
        session: SessionId,
        /// The kind of the resources in it.
        kind: Kind,
        /// The generation it was sent from.
        generation: Generation,
    },
    /// Envoy refused a resource. If it refused a response of several, they were sent again apart until it was known
    /// which it was.
    Nacked {
        /// The connection.
        session: SessionId,
        /// What was refused, and why.
        rejection: Rejection,
    },
    /// Envoy has accepted everything of this generation.
    Programmed {
        /// The connection.
        session: SessionId,
        /// The generation.
        generation: Generation,
    },
}
