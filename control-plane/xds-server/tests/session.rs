//! Scripted conversations with the sans-I/O session: what is sent, when, and what is not.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helper functions too")]

use std::{collections::BTreeMap, sync::Arc};

use envoy_proto::{
    envoy::{config::core::v3::Node, service::discovery::v3::DeltaDiscoveryRequest},
    google::rpc,
};
use prost_types::Any;
use xds_server::{
    Error,
    Kind::{self, Cluster, Endpoints, Extension, Listener, Route, Secret},
    Rejection, Resource, Session, SessionEvent, Snapshot,
};

/// A client that answers only when told to.
#[derive(Default)]
struct Client {
    session: Session,
    nonces: BTreeMap<Kind, String>,
    snapshot: Option<Arc<Snapshot>>,
}

impl Client {
    /// A client that has asked for all clusters and listeners, and for these names.
    fn asking(names: &[(Kind, &str)]) -> Self {
        let mut client = Self::default();
        client.ask(Cluster, &[]);
        client.ask(Listener, &[]);
        for (kind, name) in names {
            client.ask(*kind, &[name]);
        }
        client
    }

    /// Publishes resources given as kind, name and content.
    fn publish(&mut self, resources: &[(Kind, &str, &str)]) {
        self.publish_with_lingering(resources, &[]);
    }

    fn publish_with_lingering(&mut self, current: &[(Kind, &str, &str)], lingering: &[(Kind, &str, &str)]) {
        let resource = |(kind, name, content): &(Kind, &str, &str)| {
            let body = Any { type_url: kind.type_url().into(), value: content.as_bytes().to_vec() };
            Resource::new(*name, body).unwrap()
        };
        let lingering = lingering.iter().map(|one| resource(one).lingering());
        let resources = current.iter().map(resource).chain(lingering).collect();
        let next = Snapshot::next(self.snapshot.as_deref(), resources).unwrap();
        self.snapshot = Some(Arc::new(next));
        self.session.publish(self.snapshot.clone().unwrap());
    }

    fn request(&mut self, kind: Kind, change: impl FnOnce(&mut DeltaDiscoveryRequest)) {
        let mut request =
            DeltaDiscoveryRequest { type_url: kind.type_url().into(), ..DeltaDiscoveryRequest::default() };
        change(&mut request);
        self.session.handle(request).unwrap();
    }

    fn ask(&mut self, kind: Kind, names: &[&str]) {
        self.request(kind, |r| r.resource_names_subscribe = names.iter().map(ToString::to_string).collect());
    }

    fn leave(&mut self, kind: Kind, name: &str) {
        self.request(kind, |r| r.resource_names_unsubscribe = vec![name.into()]);
    }

    fn ack(&mut self, kind: Kind) {
        let nonce = self.nonces.remove(&kind).unwrap();
        self.request(kind, |r| r.response_nonce = nonce);
    }

    fn nack(&mut self, kind: Kind, message: &str) {
        let nonce = self.nonces.remove(&kind).unwrap();
        self.request(kind, |r| {
            r.response_nonce = nonce;
            r.error_detail = Some(rpc::Status { message: message.into(), ..rpc::Status::default() });
        });
    }

    /// What the session sends now, e.g. `cluster +a -b`.
    fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(response) = self.session.poll_response() {
            let kind = Kind::from_type_url(&response.type_url).unwrap();
            let mut line = kind.to_string();
            response.resources.iter().for_each(|r| line += &format!(" +{}", r.name));
            response.removed_resources.iter().for_each(|name| line += &format!(" -{name}"));
            assert_eq!(self.nonces.insert(kind, response.nonce), None, "two {kind} responses under way");
            told.push(line);
        }
        told
    }

    /// Accepts everything until there is nothing more; all that was sent, in order.
    fn settle(&mut self) -> Vec<String> {
        let mut all = self.told();
        while let Some(kind) = self.nonces.keys().next().copied() {
            self.ack(kind);
            all.extend(self.told());
        }
        all
    }

    /// Whether everything of the newest snapshot was answered.
    fn is_settled(&self) -> bool {
        let status = self.session.status();
        status.outstanding.is_empty() && status.settled == self.snapshot.as_ref().map(|s| s.generation())
    }

    fn events(&mut self) -> Vec<SessionEvent> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn nothing_is_answered_before_the_first_publish() {
    let mut client = Client::asking(&[(Endpoints, "a")]);
    assert_eq!(client.told(), NOTHING);
    client.publish(&[(Cluster, "a", "1"), (Endpoints, "a", "1")]);
    assert_eq!(client.told(), ["cluster +a", "endpoints +a"]);
}

#[test]
fn an_empty_snapshot_is_an_answer_once() {
    let mut client = Client::asking(&[]);
    client.publish(&[]);
    assert_eq!(client.told(), ["cluster"]);
    client.ack(Cluster);
    assert_eq!(client.told(), ["listener"]);
    client.ack(Listener);
    assert_eq!(client.told(), NOTHING);
}

#[test]
fn additions_come_before_what_names_them_and_removals_after() {
    let mut client =
        Client::asking(&[(Endpoints, "old"), (Route, "routes"), (Secret, "key"), (Extension, "f")]);
    client.publish(&[
        (Cluster, "old", "1"),
        (Endpoints, "old", "1"),
        (Secret, "key", "1"),
        (Extension, "f", "1"),
        (Listener, "web", "1"),
        (Route, "routes", "old"),
    ]);
    client.settle();

    client.publish(&[
        (Cluster, "new", "1"),
        (Endpoints, "new", "1"),
        (Secret, "key", "2"),
        (Extension, "f", "2"),
        (Listener, "web", "2"),
        (Route, "routes", "new"),
    ]);
    assert_eq!(client.told(), ["cluster +new", "secret +key", "extension +f"]);
    client.ack(Secret);
    client.ack(Extension);
    // Envoy asks for the endpoints while it holds back the ACK of the clusters.
    client.ask(Endpoints, &["new"]);
    assert_eq!(client.told(), ["endpoints +new"]);
    client.ack(Endpoints);
    assert_eq!(client.told(), NOTHING, "the new cluster is not warm");
    client.ack(Cluster);
    assert_eq!(client.told(), ["listener +web"]);
    client.ack(Listener);
    assert_eq!(client.told(), ["route +routes"]);
    client.ack(Route);
    assert_eq!(client.told(), ["cluster -old"]);
    client.ack(Cluster);
    assert_eq!(client.told(), ["endpoints -old"]);
    client.ack(Endpoints);
    assert_eq!(client.told(), NOTHING);
}

#[test]
fn a_changed_cluster_gets_its_endpoints_again() {
    let mut client = Client::asking(&[(Endpoints, "a"), (Endpoints, "b")]);
    let endpoints = [(Endpoints, "a", "1"), (Endpoints, "b", "1")];
    client.publish(&[&[(Cluster, "a", "1"), (Cluster, "b", "1")], &endpoints[..]].concat());
    client.settle();
    client.publish(&[&[(Cluster, "a", "2"), (Cluster, "b", "1")], &endpoints[..]].concat());
    assert_eq!(client.told(), ["cluster +a", "endpoints +a"]);
}

#[test]
fn changed_endpoints_hold_nothing_back_but_new_ones_do() {
    let mut client = Client::asking(&[(Endpoints, "a"), (Route, "r")]);
    client.publish(&[(Cluster, "a", "1"), (Endpoints, "a", "1"), (Route, "r", "1")]);
    client.settle();
    client.publish(&[(Cluster, "a", "1"), (Endpoints, "a", "2"), (Route, "r", "2")]);
    assert_eq!(client.told(), ["endpoints +a", "route +r"]);
    client.settle();
    client.publish(&[(Cluster, "a", "2"), (Endpoints, "a", "2"), (Route, "r", "3")]);
    assert_eq!(client.told(), ["cluster +a", "endpoints +a"]);
    client.ack(Cluster);
    assert_eq!(client.told(), NOTHING);
    client.ack(Endpoints);
    assert_eq!(client.told(), ["route +r"]);
}

#[test]
fn publishes_coalesce_while_a_response_is_under_way() {
    let mut client = Client::asking(&[]);
    client.publish(&[(Cluster, "a", "1")]);
    assert_eq!(client.told(), ["cluster +a"]);
    for content in ["2", "3", "4"] {
        client.publish(&[(Cluster, "a", content), (Cluster, "b", content)]);
        assert_eq!(client.told(), NOTHING);
    }
    client.ack(Cluster);
    assert_eq!(client.told(), ["cluster +a +b"]);
    client.publish(&[(Cluster, "a", "4"), (Cluster, "b", "4")]);
    client.ack(Cluster);
    assert_eq!(client.told(), ["listener"], "nothing changed");
}

#[test]
fn unknown_names_are_answered_at_once_and_told_when_they_appear() {
    let mut client = Client::asking(&[]);
    client.publish(&[]);
    client.settle();
    client.ask(Endpoints, &["ghost"]);
    assert_eq!(client.told(), ["endpoints -ghost"]);
    client.ack(Endpoints);
    client.publish(&[(Endpoints, "ghost", "1")]);
    assert_eq!(client.told(), ["endpoints +ghost"]);
    client.ack(Endpoints);
    client.publish(&[]);
    assert_eq!(client.settle(), ["endpoints -ghost"]);
}

#[test]
fn asking_again_is_answered_again_even_during_a_response() {
    let mut client = Client::asking(&[(Secret, "key")]);
    client.publish(&[(Secret, "key", "1")]);
    assert_eq!(client.told(), ["cluster", "secret +key"]);
    client.leave(Secret, "key");
    client.ask(Secret, &["key"]);
    client.ack(Secret);
    assert_eq!(client.told(), ["secret +key"]);
    client.ack(Secret);
    client.ask(Secret, &["key"]);
    assert_eq!(client.told(), ["secret +key"]);
}

#[test]
fn a_name_that_was_left_is_not_sent_any_more() {
    let mut client = Client::asking(&[(Route, "a"), (Route, "b")]);
    client.publish(&[(Route, "a", "1"), (Route, "b", "1")]);
    client.settle();
    client.leave(Route, "a");
    client.publish(&[(Route, "a", "2"), (Route, "b", "2")]);
    assert_eq!(client.told(), ["route +b"]);
}

#[test]
fn a_star_is_a_wildcard_and_an_empty_named_subscription_is_none() {
    let mut client = Client::default();
    client.ask(Cluster, &["*"]);
    client.ask(Route, &[]);
    client.publish(&[(Cluster, "a", "1"), (Route, "r", "1")]);
    assert_eq!(client.settle(), ["cluster +a"]);
    client.leave(Cluster, "*");
    client.publish(&[(Cluster, "a", "2")]);
    assert_eq!(client.told(), NOTHING);
}

#[test]
fn a_refused_response_is_taken_apart_until_the_culprit_is_alone() {
    let mut client = Client::asking(&[]);
    let good = [(Cluster, "a", "1"), (Cluster, "b", "1"), (Cluster, "d", "1")];
    client.publish(&[&good[..], &[(Cluster, "c", "bad")]].concat());
    assert_eq!(client.told(), ["cluster +a +b +c +d"]);
    client.nack(Cluster, "c is bad");
    assert_eq!(client.told(), ["cluster +a +b"]);
    client.ack(Cluster);
    assert_eq!(client.told(), ["cluster +c +d"]);
    client.nack(Cluster, "c is bad");
    assert_eq!(client.told(), ["cluster +c"]);
    client.events();
    client.nack(Cluster, "c is bad");
    let version = client.session.status().rejected[0].version.clone();
    let rejection = Rejection { kind: Cluster, name: "c".into(), version, message: "c is bad".into() };
    assert_eq!(client.events(), [SessionEvent::Nacked(rejection.clone())]);
    assert_eq!(client.settle(), ["cluster +d", "listener"]);
    assert_eq!(client.session.status().rejected, [rejection]);

    // The same again is not sent again; another content is, and clears the record.
    client.publish(&[&good[..], &[(Cluster, "c", "bad"), (Cluster, "e", "1")]].concat());
    assert_eq!(client.settle(), ["cluster +e"]);
    client.publish(&[&good[..], &[(Cluster, "c", "good"), (Cluster, "e", "1")]].concat());
    assert_eq!(client.session.status().rejected, []);
    assert_eq!(client.settle(), ["cluster +c"]);
}

#[test]
fn what_was_sent_beside_the_culprit_is_not_blamed_when_the_culprit_is_left() {
    let mut client = Client::asking(&[(Secret, "good"), (Secret, "bad")]);
    client.publish(&[(Secret, "good", "1"), (Secret, "bad", "1")]);
    assert_eq!(client.told(), ["cluster", "secret +bad +good"]);
    client.leave(Secret, "bad");
    client.nack(Secret, "bad is bad");
    assert_eq!(client.told(), ["secret +good"]);
    assert_eq!(client.session.status().rejected, []);
    client.nack(Secret, "good is bad too");
    assert_eq!(client.session.status().rejected.len(), 1);
}

#[test]
fn going_back_to_the_last_good_version_needs_no_message() {
    let mut client = Client::asking(&[]);
    client.publish(&[(Listener, "web", "good")]);
    client.settle();
    client.publish(&[(Listener, "web", "bad")]);
    assert_eq!(client.told(), ["listener +web"]);
    client.nack(Listener, "no");
    client.publish(&[(Listener, "web", "good")]);
    assert_eq!(client.told(), NOTHING);
    assert_eq!(client.session.status().rejected, []);
}

#[test]
fn clusters_stay_while_the_routes_that_replace_them_are_refused() {
    let mut client = Client::asking(&[(Route, "r")]);
    client.publish(&[(Cluster, "old", "1"), (Route, "r", "old")]);
    client.settle();
    client.publish(&[(Cluster, "new", "1"), (Route, "r", "bad")]);
    assert_eq!(client.told(), ["cluster +new"]);
    client.ack(Cluster);
    assert_eq!(client.told(), ["route +r"]);
    client.nack(Route, "no");
    assert_eq!(client.told(), NOTHING);
    let status = client.session.status();
    assert_eq!(status.settled, Some(client.snapshot.as_ref().unwrap().generation()));
    assert_eq!(status.outstanding, [(Cluster, "old".to_owned())]);
    client.publish(&[(Cluster, "new", "1"), (Route, "r", "good")]);
    assert_eq!(client.settle(), ["route +r", "cluster -old"]);
}

#[test]
fn what_lingers_stays_with_its_client_until_it_is_not_published_any_more() {
    let old = [(Cluster, "old", "1"), (Endpoints, "old", "1"), (Secret, "key", "1"), (Extension, "f", "1")];
    let asking = [(Endpoints, "old"), (Secret, "key"), (Extension, "f"), (Route, "r")];
    let mut client = Client::asking(&asking);
    client.publish(&[&old[..], &[(Listener, "web", "1"), (Route, "r", "old")]].concat());
    client.settle();
    let new = [(Cluster, "new", "1"), (Listener, "web", "1"), (Route, "r", "new")];
    client.publish_with_lingering(&new, &old);
    assert_eq!(client.settle(), ["cluster +new", "route +r"]);
    assert!(client.is_settled());
    client.publish(&new);
    assert_eq!(client.settle(), ["cluster -old", "endpoints -old", "secret -key", "extension -f"]);
}

#[test]
fn nobody_waits_for_what_lingers_and_is_not_asked_for() {
    let filters = [(Secret, "key", "1"), (Extension, "f", "1")];
    let mut client = Client::asking(&[(Secret, "key"), (Extension, "f")]);
    client.publish(&[&filters[..], &[(Listener, "web", "1")]].concat());
    client.settle();
    // Envoy gives up the subscriptions of a listener that is gone: before the answer or after it.
    client.publish_with_lingering(&[], &filters);
    assert_eq!(client.told(), ["listener -web"]);
    client.leave(Secret, "key");
    client.ack(Listener);
    client.settle();
    assert!(client.is_settled());
    client.leave(Extension, "f");
    client.publish_with_lingering(&[(Cluster, "a", "1")], &filters);
    assert_eq!(client.settle(), ["cluster +a"]);
    assert!(client.is_settled());
    // Published as current, it is waited for.
    client.publish(&[&filters[..], &[(Cluster, "a", "1")]].concat());
    assert_eq!(client.settle(), NOTHING);
    assert!(!client.is_settled());
}

#[test]
fn a_client_that_has_not_got_what_lingers_is_not_sent_it() {
    let mut client = Client::asking(&[]);
    client.publish_with_lingering(&[(Cluster, "a", "1")], &[(Cluster, "old", "1"), (Endpoints, "old", "1")]);
    assert_eq!(client.settle(), ["cluster +a", "listener"]);
    assert!(client.is_settled());
    // By name it is to be had.
    client.ask(Endpoints, &["old"]);
    assert_eq!(client.settle(), ["endpoints +old"]);
    assert!(client.is_settled());
}

#[test]
fn a_refusal_of_what_lingers_does_not_count() {
    let mut client = Client::asking(&[]);
    client.publish(&[(Cluster, "bad", "1")]);
    client.told();
    client.nack(Cluster, "no");
    client.settle();
    assert_eq!(client.session.status().rejected.len(), 1);
    client.publish_with_lingering(&[], &[(Cluster, "bad", "1")]);
    assert_eq!(client.settle(), NOTHING);
    assert_eq!(client.session.status().rejected, []);
    assert!(client.is_settled());
    client.publish(&[(Cluster, "bad", "1")]);
    assert_eq!(client.settle(), NOTHING);
    assert_eq!(client.session.status().rejected.len(), 1, "it is as bad as it was");
}

#[test]
fn listeners_and_routes_do_not_linger() {
    for kind in Kind::ALL {
        let body = Any { type_url: kind.type_url().into(), value: Vec::new() };
        let resource = Resource::new("a", body).unwrap().lingering();
        assert_eq!(resource.is_lingering(), !matches!(kind, Listener | Route), "{kind}");
    }
}

#[test]
fn a_reconnecting_client_is_told_only_the_difference() {
    let mut client = Client::asking(&[]);
    client.publish(&[
        (Cluster, "same", "1"),
        (Cluster, "changed", "1"),
        (Listener, "web", "1"),
        (Route, "r", "1"),
    ]);
    let version = |name: &str, content: &[u8]| {
        let body = Any { type_url: Cluster.type_url().into(), value: content.to_vec() };
        (name.to_owned(), Resource::new(name, body).unwrap().version().to_owned())
    };
    client.session = Session::new();
    client.session.publish(client.snapshot.clone().unwrap());
    client.request(Cluster, |r| {
        r.initial_resource_versions =
            [version("same", b"1"), version("changed", b"0"), version("gone", b"1")].into();
    });
    assert_eq!(client.told(), ["cluster +changed"]);
    client.ack(Cluster);
    assert_eq!(client.told(), NOTHING, "its listeners and routes may still name the cluster that is gone");
    client.request(Listener, |r| r.initial_resource_versions = [version("web", b"0")].into());
    assert_eq!(client.told(), ["listener +web"]);
    client.ack(Listener);
    assert_eq!(client.told(), NOTHING);
    client.request(Route, |r| {
        r.resource_names_subscribe = vec!["r".into()];
        r.initial_resource_versions = [version("r", b"1")].into();
    });
    assert_eq!(client.told(), ["cluster -gone"]);
}

#[test]
fn endpoints_of_a_cluster_changed_during_a_reconnect_are_sent_again() {
    let mut client = Client::default();
    client.publish(&[(Cluster, "a", "2"), (Endpoints, "a", "1")]);
    client.request(Cluster, |r| r.initial_resource_versions = [("a".to_owned(), "older".to_owned())].into());
    assert_eq!(client.told(), ["cluster +a"]);
    let snapshot = client.snapshot.clone().unwrap();
    let same =
        Resource::new("a", Any { type_url: Endpoints.type_url().into(), value: b"1".to_vec() }).unwrap();
    assert_eq!(snapshot.generation().to_string(), "1");
    client.request(Endpoints, |r| {
        r.resource_names_subscribe = vec!["a".into()];
        r.initial_resource_versions = [("a".to_owned(), same.version().to_owned())].into();
    });
    assert_eq!(client.told(), ["endpoints +a"]);
}

#[test]
fn an_unknown_nonce_answers_nothing() {
    let mut client = Client::asking(&[]);
    client.publish(&[(Cluster, "a", "1")]);
    client.told();
    client.request(Cluster, |r| r.response_nonce = "of another stream".into());
    client.publish(&[(Cluster, "a", "2")]);
    assert_eq!(client.told(), NOTHING);
    client.ack(Cluster);
    assert_eq!(client.told(), ["cluster +a"]);
}

#[test]
fn programmed_means_everything_was_asked_for_and_accepted() {
    let mut client = Client::default();
    client.request(Cluster, |r| r.node = Some(Node { id: "envoy-1".into(), ..Node::default() }));
    client.publish(&[(Cluster, "a", "1"), (Listener, "web", "1"), (Route, "r", "1")]);
    let generation = client.snapshot.as_ref().unwrap().generation();
    client.settle();
    assert_eq!(
        client.events(),
        [SessionEvent::Connected("envoy-1".into()), SessionEvent::Acked(Cluster, generation)]
    );
    client.ask(Listener, &[]);
    client.settle();
    assert_eq!(client.events(), [SessionEvent::Acked(Listener, generation)]);
    assert_eq!(client.session.status().outstanding, [(Route, "r".to_owned())]);
    client.ask(Route, &["r"]);
    client.settle();
    assert_eq!(
        client.events(),
        [SessionEvent::Acked(Route, generation), SessionEvent::Programmed(generation)]
    );
    assert_eq!(client.session.status().node, "envoy-1");
    assert_eq!(client.session.status().settled, Some(generation));
}

#[test]
fn a_type_that_is_not_served_does_not_end_the_stream() {
    let mut client = Client::asking(&[]);
    let type_url = "type.googleapis.com/envoy.service.runtime.v3.Runtime".to_owned();
    let request = DeltaDiscoveryRequest { type_url: type_url.clone(), ..DeltaDiscoveryRequest::default() };
    assert_eq!(client.session.handle(request), Err(Error::UnknownType { type_url }));
    client.publish(&[(Cluster, "a", "1")]);
    assert_eq!(client.told(), ["cluster +a"]);
}
