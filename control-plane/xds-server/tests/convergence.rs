//! Random publishes, answers and reconnects: the client ends with what is served, and on the way there no route or
//! listener it has names a cluster it has not, and nothing that lingers is taken away.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking, in its helper functions too"
)]

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use envoy_proto::{
    envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
    google::rpc,
};
use proptest::{collection::vec, prelude::*};
use prost_types::Any;
use xds_server::{Kind, Resource, Session, Snapshot};

/// A desired state: per cluster (by index) its content, and the content of the one route configuration, which names
/// all of them. Odd contents above 10 are refused by the client.
#[derive(Debug, Clone)]
struct Desired {
    clusters: BTreeMap<u8, u8>,
    listener: u8,
    route: u8,
}

#[derive(Debug, Clone)]
enum Operation {
    Publish(Desired),
    /// The client handles one response that has arrived, of the n-th kind.
    Answer(u8),
    Reconnect,
    /// Everything published must have been answered.
    Settled,
}

impl Desired {
    fn resources(&self) -> Vec<Resource> {
        let resource = |kind: Kind, name: &str, content: String| {
            let body = Any { type_url: kind.type_url().into(), value: content.into_bytes() };
            Resource::new(name, body).unwrap()
        };
        let mut all = Vec::new();
        let mut named = String::new();
        for (cluster, content) in &self.clusters {
            let name = format!("c{cluster}");
            named += &format!(" {name}");
            all.push(resource(Kind::Endpoints, &name, content.to_string()));
            all.push(resource(Kind::Cluster, &name, content.to_string()));
        }
        all.push(resource(Kind::Listener, "web", self.listener.to_string()));
        all.push(resource(Kind::Route, "routes", format!("{}{named}", self.route)));
        all
    }
}

/// What Envoy does with responses, as far as it can be seen from outside.
#[derive(Default)]
struct Client {
    session: Session,
    /// Per kind: name -> (version, content).
    held: BTreeMap<Kind, BTreeMap<String, (String, String)>>,
    arrived: BTreeMap<Kind, VecDeque<DeltaDiscoveryResponse>>,
    asked: BTreeSet<(Kind, String)>,
}

impl Client {
    fn request(&mut self, kind: Kind, change: impl FnOnce(&mut DeltaDiscoveryRequest)) {
        let mut request =
            DeltaDiscoveryRequest { type_url: kind.type_url().into(), ..DeltaDiscoveryRequest::default() };
        change(&mut request);
        self.session.handle(request).unwrap();
        self.receive();
    }

    fn receive(&mut self) {
        while let Some(response) = self.session.poll_response() {
            let kind = Kind::from_type_url(&response.type_url).unwrap();
            self.arrived.entry(kind).or_default().push_back(response);
        }
    }

    /// A new stream: the subscriptions again, with the versions held.
    fn connect(&mut self, snapshot: Option<Arc<Snapshot>>) {
        self.session = Session::new();
        self.arrived.clear();
        if let Some(snapshot) = snapshot {
            self.session.publish(snapshot);
        }
        for kind in [Kind::Cluster, Kind::Endpoints, Kind::Listener, Kind::Route] {
            let names: Vec<_> =
                self.asked.iter().filter(|(k, _)| *k == kind).map(|(_, name)| name.clone()).collect();
            let held = self.held.get(&kind).cloned().unwrap_or_default();
            if names.is_empty() && !matches!(kind, Kind::Cluster | Kind::Listener) {
                continue;
            }
            self.request(kind, |r| {
                r.resource_names_subscribe = names;
                r.initial_resource_versions =
                    held.into_iter().map(|(name, (version, _))| (name, version)).collect();
            });
        }
    }

    /// Takes in one response, answers it and asks for what it names.
    fn answer(&mut self, kind: Kind) {
        let Some(response) = self.arrived.get_mut(&kind).and_then(VecDeque::pop_front) else { return };
        let nonce = response.nonce.clone();
        let bodies = response
            .resources
            .into_iter()
            .map(|r| (r.name, (r.version, String::from_utf8(r.resource.unwrap().value).unwrap())));
        let bodies: Vec<_> = bodies.collect();
        let bad = |content: &str| {
            let number: u8 = content.split(' ').next().unwrap().parse().unwrap();
            number > 10 && number % 2 == 1
        };
        if bodies.iter().any(|(_, (_, content))| bad(content)) {
            return self.request(kind, |r| {
                r.response_nonce = nonce;
                r.error_detail = Some(rpc::Status { message: "bad".into(), ..rpc::Status::default() });
            });
        }
        let held = self.held.entry(kind).or_default();
        let mut wanted = Vec::new();
        let mut unwanted = Vec::new();
        for name in response.removed_resources {
            held.remove(&name);
            if kind == Kind::Cluster {
                unwanted.push(name);
            }
        }
        for (name, body) in bodies {
            match kind {
                Kind::Cluster => wanted.push((Kind::Endpoints, name.clone())),
                Kind::Listener => wanted.push((Kind::Route, "routes".to_owned())),
                _ => {}
            }
            // A response may cross an unsubscription; Envoy drops what nothing asks for any more.
            if matches!(kind, Kind::Cluster | Kind::Listener) || self.asked.contains(&(kind, name.clone())) {
                held.insert(name, body);
            }
        }
        self.request(kind, |r| r.response_nonce = nonce);
        for name in unwanted {
            if self.asked.remove(&(Kind::Endpoints, name.clone())) {
                self.held.entry(Kind::Endpoints).or_default().remove(&name);
                self.request(Kind::Endpoints, |r| r.resource_names_unsubscribe = vec![name]);
            }
        }
        for (kind, name) in wanted {
            if self.asked.insert((kind, name.clone())) {
                self.request(kind, |r| r.resource_names_subscribe = vec![name]);
            }
        }
    }

    fn clusters(&self) -> BTreeSet<String> {
        self.held.get(&Kind::Cluster).into_iter().flatten().map(|(name, _)| name.clone()).collect()
    }

    /// Clusters named by the routes the client has, that it has not.
    fn missing(&self) -> Vec<String> {
        let empty = BTreeMap::new();
        let clusters = self.held.get(&Kind::Cluster).unwrap_or(&empty);
        let routes = self.held.get(&Kind::Route).unwrap_or(&empty);
        let named = routes.values().flat_map(|(_, content)| content.split(' ').skip(1));
        named.filter(|name| !clusters.contains_key(*name)).map(str::to_owned).collect()
    }
}

fn desired(contents: impl Strategy<Value = u8> + Clone) -> impl Strategy<Value = Desired> {
    (proptest::collection::btree_map(0..5_u8, contents.clone(), 0..5), contents.clone(), contents)
        .prop_map(|(clusters, listener, route)| Desired { clusters, listener, route })
}

fn operations(contents: impl Strategy<Value = u8> + Clone) -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        3 => desired(contents).prop_map(Operation::Publish),
        12 => (0..6_u8).prop_map(Operation::Answer),
        1 => Just(Operation::Reconnect),
    ];
    vec(operation, 0..80)
}

/// What `next` has to publish of the state before it, so that requests on their way find their clusters.
fn lingering(before: Option<&Desired>, next: &Desired) -> Vec<Resource> {
    let next = next.resources();
    let gone = |r: &Resource| !next.iter().any(|n| n.kind() == r.kind() && n.name() == r.name());
    let before = before.map(Desired::resources).unwrap_or_default();
    before.into_iter().filter(gone).map(Resource::lingering).collect()
}

/// Plays the operations, then publishes `last` and answers everything; then lets go of what lingers, and answers again.
fn play(operations: Vec<Operation>, last: Desired, refusing: bool) -> Result<(), TestCaseError> {
    let mut client = Client::default();
    let mut snapshot: Option<Arc<Snapshot>> = None;
    let mut published: BTreeSet<(Kind, String)> = BTreeSet::new();
    // The removal of one of these may be under way when it is published again.
    let mut ended: BTreeSet<(Kind, String)> = BTreeSet::new();
    let mut before: Option<Desired> = None;
    client.connect(None);
    let wanted = last.clone();
    let answers = || (0..200).flat_map(|_| (0..6).map(Operation::Answer));
    let finish = std::iter::once(Operation::Publish(last)).chain(answers()).chain([Operation::Settled]);
    // Nothing lingers the second time: nothing has vanished in between.
    let finish = finish.chain([Operation::Publish(wanted.clone())]).chain(answers());
    for operation in operations.into_iter().chain(finish) {
        let had = client.clusters();
        match operation {
            Operation::Publish(desired) => {
                let resources = [desired.resources(), lingering(before.as_ref(), &desired)].concat();
                let previous = std::mem::take(&mut published);
                published = resources.iter().map(|r| (r.kind(), r.name().to_owned())).collect();
                ended.extend(previous.difference(&published).cloned());
                before = Some(desired);
                let next = Arc::new(Snapshot::next(snapshot.as_deref(), resources).unwrap());
                client.session.publish(Arc::clone(&next));
                snapshot = Some(next);
                client.receive();
            }
            Operation::Answer(kind) => client.answer(Kind::ALL[usize::from(kind)]),
            Operation::Reconnect => client.connect(snapshot.clone()),
            Operation::Settled => assert_settled(&client, snapshot.as_deref())?,
        }
        let clusters = client.clusters();
        let lost = had.difference(&clusters).map(|name| (Kind::Cluster, name.clone()));
        let lost: Vec<_> = lost.filter(|one| published.contains(one) && !ended.contains(one)).collect();
        prop_assert_eq!(lost, []);
        // A refused cluster is missing by its own fault.
        if !refusing {
            prop_assert_eq!(client.missing(), Vec::<String>::new());
        }
    }
    assert_settled(&client, snapshot.as_deref())?;
    assert_same(&client, &wanted)
}

fn assert_settled(client: &Client, snapshot: Option<&Snapshot>) -> Result<(), TestCaseError> {
    let status = client.session.status();
    prop_assert_eq!(&status.outstanding, &[]);
    prop_assert_eq!(&status.rejected, &[]);
    prop_assert_eq!(status.settled, snapshot.map(Snapshot::generation));
    Ok(())
}

fn assert_same(client: &Client, desired: &Desired) -> Result<(), TestCaseError> {
    let mut held: BTreeSet<(Kind, String, String)> = BTreeSet::new();
    for (kind, resources) in &client.held {
        held.extend(resources.iter().map(|(name, (version, _))| (*kind, name.clone(), version.clone())));
    }
    let served = desired.resources();
    let served = served.iter().map(|r| (r.kind(), r.name().to_owned(), r.version().to_owned()));
    prop_assert_eq!(held, served.collect());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_route_ever_names_a_missing_cluster(operations in operations(0..4_u8), last in desired(0..4_u8)) {
        play(operations, last, false)?;
    }

    #[test]
    fn refusals_do_not_keep_the_client_from_the_final_state(
        operations in operations(8..16_u8),
        last in desired(0..4_u8),
    ) {
        play(operations, last, true)?;
    }
}
