//! The delta ADS server that Envoy takes its configuration from.
//!
//! It serves named, versioned blobs and does not know what is inside them: a [`Resource`] is a [`Kind`], a name and
//! an `Any`. What it does know is what a change must look like on the wire so that it never costs a request.
//!
//! * [`Snapshot`]: everything that is served, as of one publish.
//! * [`Session`]: the state machine of one Envoy's stream, without I/O or clock. Its documentation states the order in
//!   which things are sent.
//! * [`XdsServer`]: the tonic shell around both, and the interface of the controller: [`XdsServer::publish`],
//!   [`XdsServer::events`], [`XdsServer::programmed`].
//! * [`UnixSocket`]: where to listen so that only this user's processes can read secrets.
//!
//! Protocol: <https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol>, incremental variant, aggregated.
#![forbid(unsafe_code)]

mod error;
mod kind;
mod server;
mod session;
mod snapshot;
mod socket;
mod status;
mod subscription;

pub use error::Error;
pub use kind::Kind;
pub use server::XdsServer;
pub use session::{Session, SessionEvent};
pub use snapshot::{Generation, Resource, Snapshot};
pub use socket::UnixSocket;
pub use status::{Event, Rejection, SessionId, SessionStatus};
