//! The tonic shell: streams, tasks, and the controller's interface.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use envoy_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    aggregated_discovery_service_server::{AggregatedDiscoveryService, AggregatedDiscoveryServiceServer},
};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_stream::{
    Stream,
    wrappers::{ReceiverStream, UnixListenerStream},
};
use tonic::{Request, Response, Status, Streaming, transport::Server};

use crate::{
    Error, Event, Generation, Resource, Session, SessionEvent, SessionId, SessionStatus, Snapshot, UnixSocket,
};

/// How many events a slow reader of [`XdsServer::events`] may fall behind.
const EVENT_BACKLOG: usize = 1024;

/// Responses under way between a session and its stream: at most one per kind.
const RESPONSE_BACKLOG: usize = 8;

/// A reconnecting Envoy states name and version of everything it has in one message.
const MAX_REQUEST_BYTES: usize = 64 << 20;

/// How often a silent Envoy is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// The delta ADS server. Clones are handles to the same server.
#[derive(Debug, Clone)]
pub struct XdsServer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// A watch and not a queue: a session that is behind sees only the newest snapshot.
    snapshot: watch::Sender<Option<Arc<Snapshot>>>,
    sessions: watch::Sender<BTreeMap<SessionId, SessionStatus>>,
    events: broadcast::Sender<Event>,
    last_session: AtomicU64,
}

impl Default for XdsServer {
    fn default() -> Self {
        Self::new()
    }
}

impl XdsServer {
    /// A server that has nothing to serve yet: it answers no request before the first [`publish`](Self::publish).
    pub fn new() -> Self {
        let shared = Shared {
            snapshot: watch::Sender::new(None),
            sessions: watch::Sender::default(),
            events: broadcast::Sender::new(EVENT_BACKLOG),
            last_session: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Serves `resources` and nothing else from now on; what changed against the last publish is sent to every connected
    /// Envoy. Publish only what is referred to: a named resource that no Envoy asks for keeps its generation from
    /// being programmed, unless it is [lingering](Resource::lingering). To take the endpoints of a living cluster away, publish them empty: Envoy ignores their removal.
    ///
    /// # Errors
    /// [`Error::Duplicate`] if two resources have the same kind and name; the last publish stays in effect then.
    pub fn publish(&self, resources: Vec<Resource>) -> Result<Generation, Error> {
        let mut outcome = Err(Error::Closed);
        self.shared.snapshot.send_if_modified(|current| {
            let next = Snapshot::next(current.as_deref(), resources);
            outcome = next.as_ref().map(Snapshot::generation).map_err(Clone::clone);
            match next {
                Ok(next) if current.as_ref().map(|c| c.generation()) != Some(next.generation()) => {
                    *current = Some(Arc::new(next));
                    true
                }
                _ => false,
            }
        });
        outcome
    }

    /// What happens from now on. A reader that falls more than 1024 events behind gets `Lagged` and can start over from
    /// [`sessions`](Self::sessions), which includes everything that is refused at present.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// The connected Envoys and where they stand; the receiver is told of every change.
    pub fn sessions(&self) -> watch::Receiver<BTreeMap<SessionId, SessionStatus>> {
        self.shared.sessions.subscribe()
    }

    /// Waits until at least one Envoy is connected and all that are have answered every resource of `generation` or of
    /// a newer one. Put a timeout around it, and say what [`SessionStatus::outstanding`] lists when it is over.
    ///
    /// # Errors
    /// [`Error::Rejected`] if some resources were refused; the rest is in effect then.
    pub async fn programmed(&self, generation: Generation) -> Result<(), Error> {
        let mut sessions = self.sessions();
        let settled = sessions
            .wait_for(|all| !all.is_empty() && all.values().all(|s| s.settled >= Some(generation)))
            .await
            .map_err(|_| Error::Closed)?;
        let rejected: Vec<_> = settled.values().flat_map(|s| s.rejected.clone()).collect();
        if rejected.is_empty() { Ok(()) } else { Err(Error::Rejected(rejected)) }
    }

    /// Serves on a Unix domain socket until `shutdown` completes; then ends its streams and removes the socket file.
    ///
    /// # Errors
    /// [`Error::Serve`] if the gRPC server fails.
    pub async fn serve_unix(
        &self,
        socket: UnixSocket,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), Error> {
        let (listener, _removed_on_drop) = socket.into_parts();
        // A graceful shutdown waits for streams to end, and these never end by themselves. They also end when this
        // future is dropped, because the sender goes with it.
        let (close, closing) = watch::channel(false);
        let service = Service { shared: Arc::clone(&self.shared), closing };
        let service =
            AggregatedDiscoveryServiceServer::new(service).max_decoding_message_size(MAX_REQUEST_BYTES);
        Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .add_service(service)
            .serve_with_incoming_shutdown(UnixListenerStream::new(listener), async {
                shutdown.await;
                close.send_replace(true);
            })
            .await
            .map_err(serve_error)
    }
}

fn serve_error(error: tonic::transport::Error) -> Error {
    // The outer message is only "transport error".
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    Error::Serve { reason: cause.unwrap_or_else(|| error.to_string()) }
}

/// The gRPC service: one task per stream.
struct Service {
    shared: Arc<Shared>,
    closing: watch::Receiver<bool>,
}

type ResponseStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl AggregatedDiscoveryService for Service {
    type StreamAggregatedResourcesStream = ResponseStream<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = ResponseStream<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        _: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented("only the delta variant is served: set ads_config.api_type to DELTA_GRPC"))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let (responses, stream) = mpsc::channel(RESPONSE_BACKLOG);
        let connection = Connection::new(Arc::clone(&self.shared));
        tokio::spawn(connection.run(request.into_inner(), responses, self.closing.clone()));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

/// One stream: the session and its entry in the table, which goes away with it.
struct Connection {
    shared: Arc<Shared>,
    id: SessionId,
    session: Session,
}

impl Connection {
    fn new(shared: Arc<Shared>) -> Self {
        let id = SessionId(shared.last_session.fetch_add(1, Ordering::Relaxed) + 1);
        shared.sessions.send_modify(|all| {
            all.insert(id, SessionStatus::default());
        });
        Self { shared, id, session: Session::new() }
    }

    async fn run(
        mut self,
        mut requests: Streaming<DeltaDiscoveryRequest>,
        responses: mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>,
        mut closing: watch::Receiver<bool>,
    ) {
        let mut snapshots = self.shared.snapshot.subscribe();
        // The first look counts as a change, so that a snapshot from before the connection is taken.
        snapshots.mark_changed();
        loop {
            tokio::select! {
                _ = closing.wait_for(|closing| *closing) => return,
                changed = snapshots.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    if let Some(snapshot) = snapshots.borrow_and_update().clone() {
                        self.session.publish(snapshot);
                    }
                }
                request = requests.message() => match request {
                    Ok(Some(request)) => self.handle(request),
                    Ok(None) => return,
                    Err(status) => {
                        tracing::debug!(session = self.id.0, %status, "xDS stream broke");
                        return;
                    }
                }
            }
            while let Some(response) = self.session.poll_response() {
                tracing::debug!(
                    session = self.id.0,
                    type_url = response.type_url,
                    nonce = response.nonce,
                    resources = response.resources.len(),
                    removed = response.removed_resources.len(),
                    "xDS response"
                );
                if responses.send(Ok(response)).await.is_err() {
                    return;
                }
            }
            self.report();
        }
    }

    fn handle(&mut self, request: DeltaDiscoveryRequest) {
        if let Err(error) = self.session.handle(request) {
            tracing::warn!(session = self.id.0, %error, "xDS request was ignored");
        }
    }

    /// Updates the table first: whoever acts on an event finds the state that caused it.
    fn report(&mut self) {
        let status = self.session.status();
        self.shared.sessions.send_if_modified(|all| {
            let entry = all.entry(self.id).or_default();
            let changed = *entry != status;
            *entry = status;
            changed
        });
        let session = self.id;
        while let Some(event) = self.session.poll_event() {
            let event = match event {
                SessionEvent::Connected(node) => Event::Connected { session, node },
                SessionEvent::Acked(kind, generation) => Event::Acked { session, kind, generation },
                SessionEvent::Nacked(rejection) => {
                    tracing::warn!(session = session.0, %rejection, "Envoy refused a resource");
                    Event::Nacked { session, rejection }
                }
                SessionEvent::Programmed(generation) => Event::Programmed { session, generation },
            };
            // Nobody has to listen.
            let _ = self.shared.events.send(event);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.sessions.send_modify(|all| {
            all.remove(&self.id);
        });
        let _ = self.shared.events.send(Event::Disconnected { session: self.id });
    }
}
