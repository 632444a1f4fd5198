//! The state machine of one delta ADS stream.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use envoy_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource as WireResource,
};

use crate::{
    Error, Generation, Kind, Rejection, SessionStatus, Snapshot,
    snapshot::Resources,
    subscription::{Item, Subscription},
};

/// Something that happened on a [`Session`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// The client has said who it is: `Node.id` of its bootstrap.
    Connected(String),
    /// The client accepted a response of this kind, sent from this generation.
    Acked(Kind, Generation),
    /// The client refused this resource.
    Nacked(Rejection),
    /// The client has accepted everything of this generation.
    Programmed(Generation),
}

/// One Envoy's delta ADS stream, without I/O and without a clock.
///
/// # Driving it
/// Inputs are [`publish`](Self::publish) and [`handle`](Self::handle). After each, call
/// [`poll_response`](Self::poll_response) until it returns `None` and write what it returns, in order, to the stream;
/// then [`poll_event`](Self::poll_event) until `None`. Before the first publish nothing is answered, so that a control
/// plane that has just started does not tell a running Envoy that everything is gone.
///
/// # What is sent
/// The difference between the newest snapshot and what the client holds, whatever was published in between. Of each
/// kind one response is under way at a time; the next one is computed when it is answered. So a slow client gets the
/// newest state and not a queue of old ones.
///
/// # In which order
/// What is named is added before what names it, and removed after:
///
/// 1. **Added and changed clusters, then endpoints, secrets and extensions**, at once. Envoy holds back the ACK of a
///    CDS response until its clusters are warm (`ClusterManagerImpl::updateClusterCounts`), for which it needs the
///    other three; so these do not wait for that ACK. Endpoints of a cluster that was sent are sent again even if
///    they did not change: Envoy does not ask for them anew, and the changed cluster would warm only after
///    `initial_fetch_timeout`.
/// 2. **Listeners**, once all of step 1 is answered. (Changed endpoints of known clusters are not waited for, or
///    a busy deployment could hold back routes for ever.)
/// 3. **Routes**, once listeners are answered as well. A route therefore never names a cluster that is not warm.
/// 4. **Removed clusters, then removed endpoints, secrets and extensions**, once listeners and routes are answered, and
///    only while none of those is refused: an Envoy that keeps an old route needs its clusters. Requests that are on
///    their way with an old route need them too, for longer than can be seen from here; for these, the publisher keeps
///    what it takes out of use as [lingering](crate::Resource::lingering) for a while.
///
/// A name that is asked for and does not exist is answered with its removal at once, so that warming can end.
///
/// # When a response is refused
/// Envoy refuses a response as a whole. If it held several resources, they are sent again in halves until the culprit
/// is alone, so that a bad resource costs only itself. The refused version is not sent again; another one is.
#[derive(Debug, Default)]
pub struct Session {
    node: Option<String>,
    snapshot: Option<Arc<Snapshot>>,
    subscriptions: BTreeMap<Kind, Subscription>,
    last_nonce: u64,
    settled: Option<Generation>,
    programmed: Option<Generation>,
    events: VecDeque<SessionEvent>,
}

impl Session {
    /// A stream on which nothing was said yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is served from now on.
    pub fn publish(&mut self, snapshot: Arc<Snapshot>) {
        self.snapshot = Some(snapshot);
    }

    /// A request of the client: subscription change, ACK and NACK, in any combination.
    ///
    /// # Errors
    /// [`Error::UnknownType`] if the type is not served. The request has no effect then, and the stream can go on:
    /// Envoy gives up waiting for the answer by itself.
    pub fn handle(&mut self, mut request: DeltaDiscoveryRequest) -> Result<(), Error> {
        // Only the first message of a stream carries the node (set_node_on_first_message_only).
        if let (None, Some(node)) = (&self.node, request.node.take()) {
            self.events.push_back(SessionEvent::Connected(node.id.clone()));
            self.node = Some(node.id);
        }
        let Some(kind) = Kind::from_type_url(&request.type_url) else {
            return Err(Error::UnknownType { type_url: request.type_url });
        };
        self.settle_response(kind, &request);
        let first = !self.subscription(kind).is_requested();
        self.subscription(kind).subscribe(request, kind.empty_means_all());
        if first && kind == Kind::Endpoints {
            // Clusters sent before a reconnecting client came to its endpoints.
            let clusters = self.subscription(Kind::Cluster).in_flight_names();
            self.refresh_endpoints(&clusters);
        }
        Ok(())
    }

    /// The ACK or NACK part of a request. A nonce that is not that of the response under way answers nothing.
    fn settle_response(&mut self, kind: Kind, request: &DeltaDiscoveryRequest) {
        let subscription = self.subscription(kind);
        let Some(in_flight) = subscription.in_flight().filter(|f| f.nonce == request.response_nonce) else {
            return;
        };
        let generation = in_flight.generation;
        let event = match &request.error_detail {
            None => {
                subscription.accept();
                Some(SessionEvent::Acked(kind, generation))
            }
            Some(error) => subscription.refuse(&error.message).map(|(name, version)| {
                SessionEvent::Nacked(Rejection { kind, name, version, message: error.message.clone() })
            }),
        };
        self.events.extend(event);
    }

    /// The next response to write to the stream.
    pub fn poll_response(&mut self) -> Option<DeltaDiscoveryResponse> {
        let snapshot = self.snapshot.clone()?;
        for kind in Kind::ALL {
            if !self.subscription(kind).is_requested() {
                continue;
            }
            let Some(sendable) = self.sendable(kind, &snapshot) else { continue };
            let nonce = (self.last_nonce + 1).to_string();
            let Some(items) = self.subscription(kind).send(&sendable, &nonce, snapshot.generation()) else {
                continue;
            };
            self.last_nonce += 1;
            if kind == Kind::Cluster {
                let changed = items.iter().filter(|(_, version)| version.is_some());
                let names: Vec<String> = changed.map(|(name, _)| name.clone()).collect();
                self.refresh_endpoints(&names);
            }
            return Some(response(kind, &items, snapshot.of(kind), nonce, snapshot.generation()));
        }
        self.note_progress(&snapshot);
        None
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// Where the stream stands.
    pub fn status(&self) -> SessionStatus {
        SessionStatus {
            node: self.node.clone().unwrap_or_default(),
            settled: self.settled,
            rejected: self.snapshot.as_deref().map(|s| self.rejected(s)).unwrap_or_default(),
            outstanding: self.snapshot.as_deref().map(|s| self.outstanding(s)).unwrap_or_default(),
        }
    }

    /// What may be sent of a kind now (see the order above); `None` if it has to wait.
    fn sendable(&self, kind: Kind, snapshot: &Snapshot) -> Option<Vec<Item>> {
        let subscription = self.subscriptions.get(&kind)?;
        let resources = snapshot.of(kind);
        let mut items = subscription.additions(resources);
        let may_remove = match kind {
            Kind::Listener => {
                if !self.supplied(snapshot) {
                    return None;
                }
                true
            }
            Kind::Route => {
                if !self.supplied(snapshot) || !self.has_told_all(Kind::Listener, snapshot) {
                    return None;
                }
                true
            }
            Kind::Cluster => self.nothing_old_is_named(snapshot),
            Kind::Endpoints | Kind::Secret | Kind::Extension => {
                self.nothing_old_is_named(snapshot) && self.has_told_all(Kind::Cluster, snapshot)
            }
        };
        if may_remove {
            items.extend(subscription.removals(resources));
        }
        Some(items)
    }

    /// Whether the client has everything that listeners and routes of this snapshot can name.
    fn supplied(&self, snapshot: &Snapshot) -> bool {
        Kind::SUPPLY.into_iter().all(|kind| {
            self.subscriptions.get(&kind).is_none_or(|s| match kind {
                Kind::Endpoints => s.knows_all_names(snapshot.of(kind)),
                _ => s.is_quiet(snapshot.of(kind)),
            })
        })
    }

    /// Whether the client has answered everything of this kind, additions and removals.
    fn has_told_all(&self, kind: Kind, snapshot: &Snapshot) -> bool {
        self.subscriptions
            .get(&kind)
            .is_none_or(|s| s.is_quiet(snapshot.of(kind)) && s.removals(snapshot.of(kind)).is_empty())
    }

    /// Whether the client's listeners and routes are those of this snapshot, so that nothing else is in use.
    fn nothing_old_is_named(&self, snapshot: &Snapshot) -> bool {
        let asked = |kind| self.subscriptions.get(&kind).is_some_and(Subscription::is_requested);
        self.supplied(snapshot)
            // A reconnecting client has them before it has said so on this stream.
            && asked(Kind::Listener)
            && (snapshot.of(Kind::Route).is_empty() || asked(Kind::Route))
            && self.has_told_all(Kind::Listener, snapshot)
            && self.has_told_all(Kind::Route, snapshot)
            && self.rejected(snapshot).iter().all(|r| Kind::SUPPLY.contains(&r.kind))
    }

    fn rejected(&self, snapshot: &Snapshot) -> Vec<Rejection> {
        let all = self.subscriptions.iter().flat_map(|(kind, s)| s.rejections().map(move |r| (*kind, r)));
        let current = all.filter(|(kind, (name, (version, _)))| {
            let resource = snapshot.of(*kind).get(*name);
            resource.map(|r| &r.version) == version.as_ref() && !resource.is_some_and(|r| r.lingering)
        });
        current
            .map(|(kind, (name, (version, message)))| Rejection {
                kind,
                name: name.clone(),
                version: version.clone(),
                message: message.clone(),
            })
            .collect()
    }

    fn outstanding(&self, snapshot: &Snapshot) -> Vec<(Kind, String)> {
        let nothing_said = Subscription::default();
        let mut outstanding = Vec::new();
        for kind in Kind::ALL {
            let subscription = self.subscriptions.get(&kind).unwrap_or(&nothing_said);
            let resources = snapshot.of(kind);
            outstanding.extend(subscription.unanswered(resources).map(|name| (kind, name.clone())));
            outstanding.extend(subscription.removals(resources).into_iter().map(|(name, _)| (kind, name)));
        }
        outstanding
    }

    /// Called when there is nothing more to send: notes whether that is because everything was answered.
    fn note_progress(&mut self, snapshot: &Snapshot) {
        let asked = |kind| self.subscriptions.get(&kind).is_some_and(Subscription::is_requested);
        if self.settled == Some(snapshot.generation()) && self.programmed == self.settled
            || !asked(Kind::Cluster)
            || !asked(Kind::Listener)
            || self.subscriptions.values().any(|s| s.in_flight().is_some())
        {
            return;
        }
        let rejected = self.rejected(snapshot);
        let outstanding = self.outstanding(snapshot);
        // What a refused listener or route may still name is kept on purpose.
        let kept = |kind, name: &String| !rejected.is_empty() && !snapshot.of(kind).contains_key(name);
        if outstanding.iter().all(|(kind, name)| kept(*kind, name)) {
            self.settled = Some(snapshot.generation());
            if rejected.is_empty() && self.programmed != self.settled {
                self.programmed = self.settled;
                self.events.push_back(SessionEvent::Programmed(snapshot.generation()));
            }
        }
    }

    fn refresh_endpoints(&mut self, clusters: &[String]) {
        let endpoints = self.subscription(Kind::Endpoints);
        for name in clusters {
            endpoints.refresh(name);
        }
    }

    fn subscription(&mut self, kind: Kind) -> &mut Subscription {
        self.subscriptions.entry(kind).or_default()
    }
}

/// The message that tells `items`.
fn response(
    kind: Kind,
    items: &[Item],
    resources: &Resources,
    nonce: String,
    generation: Generation,
) -> DeltaDiscoveryResponse {
    let (present, absent): (Vec<_>, Vec<_>) = items.iter().partition(|(_, version)| version.is_some());
    let bodies = present.into_iter().filter_map(|(name, _)| resources.get(name)).map(|r| WireResource {
        name: r.name.clone(),
        version: r.version.clone(),
        resource: Some(r.body.clone()),
        ..WireResource::default()
    });
    DeltaDiscoveryResponse {
        system_version_info: generation.to_string(),
        resources: bodies.collect(),
        type_url: kind.type_url().to_owned(),
        removed_resources: absent.into_iter().map(|(name, _)| name.clone()).collect(),
        nonce,
        ..DeltaDiscoveryResponse::default()
    }
}
