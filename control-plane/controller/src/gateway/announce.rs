//! Telling when a configuration is in effect.

use std::time::Duration;

use tokio::time::timeout;
use xds_server::{Error, Generation, Kind, Rejection, XdsServer};

use crate::ports::Port;

/// How long to wait before saying what is missing.
const PATIENCE: Duration = Duration::from_secs(20);

/// Most resources named when something is missing.
const NAMED: usize = 5;

/// Waits until Envoy has answered everything of `generation` and listens on `ports`, except where it refused to.
/// `None` when there is no server any more.
pub(super) async fn in_effect(
    server: &XdsServer,
    generation: Generation,
    ports: &[Port],
) -> Option<Vec<Rejection>> {
    let rejected = loop {
        match timeout(PATIENCE, server.programmed(generation)).await {
            Ok(Ok(())) => break Vec::new(),
            Ok(Err(Error::Rejected(rejected))) => break rejected,
            Ok(Err(_)) => return None,
            Err(_) => tracing::warn!("still waiting for Envoy: {}", outstanding(server)),
        }
    };
    let refused = |port: &&Port| rejected.iter().any(|r| r.kind == Kind::Listener && r.name == port.listener);
    for port in ports.iter().filter(|port| !refused(port)) {
        while timeout(PATIENCE, port.accepts()).await.is_err() {
            tracing::warn!("still waiting for Envoy to listen on {}", port.address);
        }
    }
    Some(rejected)
}

fn outstanding(server: &XdsServer) -> String {
    let sessions = server.sessions();
    let sessions = sessions.borrow();
    if sessions.is_empty() {
        return "it has not connected".to_owned();
    }
    let missing: Vec<String> =
        sessions.values().flat_map(|s| &s.outstanding).map(|(kind, name)| format!("{kind} {name}")).collect();
    let more = missing.len().saturating_sub(NAMED);
    let named = missing.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        format!("no answer about {named} and {more} more")
    } else {
        format!("no answer about {named}")
    }
}
