//! One kind of resource on one stream: what the client asked for, has, refused, and was last sent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use envoy_proto::envoy::service::discovery::v3::DeltaDiscoveryRequest;

use crate::{Generation, Resource, snapshot::Resources};

/// The name that subscribes to everything.
const ALL: &str = "*";

/// A version of a resource; `None` means that it does not exist.
type Version = Option<String>;

/// A resource as it is to be told: its name and version.
pub(crate) type Item = (String, Version);

/// A response the client has not answered yet.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) nonce: String,
    pub(crate) generation: Generation,
    /// What its answer is about: what is forgotten in the meantime is not in here any more.
    items: Vec<Item>,
    /// How many items were sent.
    sent: usize,
}

/// The state of one kind. See [`crate::Session`] for how the kinds play together.
#[derive(Debug, Default)]
pub(crate) struct Subscription {
    /// The client has sent a request of this kind.
    requested: bool,
    wildcard: bool,
    names: BTreeSet<String>,
    /// What the client holds or was told does not exist. A name it asked for anew is not in here, because whatever it
    /// held it may have dropped; it waits for an answer.
    held: BTreeMap<String, Version>,
    /// Versions the client refused, with its words. Not sent again.
    rejected: BTreeMap<String, (Version, String)>,
    in_flight: Option<InFlight>,
    /// Parts of refused responses, to be tried apart from the rest until the culprit is alone.
    suspects: VecDeque<Vec<Item>>,
    /// The client waits for a first response even if there is nothing to put in it.
    owes_answer: bool,
}

impl Subscription {
    pub(crate) const fn is_requested(&self) -> bool {
        self.requested
    }

    pub(crate) const fn in_flight(&self) -> Option<&InFlight> {
        self.in_flight.as_ref()
    }

    /// The names in the response under way.
    pub(crate) fn in_flight_names(&self) -> Vec<String> {
        let items = self.in_flight.iter().flat_map(|f| &f.items);
        items.map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn rejections(&self) -> impl Iterator<Item = (&String, &(Version, String))> {
        self.rejected.iter()
    }

    /// Takes in the subscription part of a request.
    pub(crate) fn subscribe(&mut self, request: DeltaDiscoveryRequest, empty_means_all: bool) {
        let first = !std::mem::replace(&mut self.requested, true);
        if first {
            if request.resource_names_subscribe.is_empty() && empty_means_all {
                self.wildcard = true;
                self.owes_answer = true;
            }
            let versions = request.initial_resource_versions;
            self.held = versions.into_iter().map(|(name, version)| (name, Some(version))).collect();
        }
        for name in request.resource_names_unsubscribe {
            if name == ALL {
                self.wildcard = false;
            } else {
                self.names.remove(&name);
                self.forget(&name);
            }
        }
        for name in request.resource_names_subscribe {
            if name == ALL {
                self.wildcard = true;
                self.owes_answer = true;
                continue;
            }
            // discovery.proto: the server must answer every name subscribed to, even if it believes that the client
            // has the newest version. The first request of a stream states what the client has, though.
            if !first {
                self.forget(&name);
            }
            self.names.insert(name);
        }
        let (wildcard, names) = (self.wildcard, &self.names);
        self.held.retain(|name, _| wildcard || names.contains(name));
        self.rejected.retain(|name, _| wildcard || names.contains(name));
    }

    /// Sends `name` again to a client that asked for it by name. Does nothing if it did not.
    pub(crate) fn refresh(&mut self, name: &str) {
        if self.names.contains(name) {
            self.forget(name);
        }
    }

    /// Unlearns what the client has of `name`, also through a response under way.
    fn forget(&mut self, name: &str) {
        self.held.remove(name);
        self.rejected.remove(name);
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.items.retain(|(sent, _)| sent != name);
        }
    }

    fn interested(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    /// Whether the client is to have this. What lingers is of no use to a client that has not got it: none of its
    /// requests can have a route that leads there.
    fn wants(&self, resource: &Resource) -> bool {
        let has = || matches!(self.held.get(&resource.name), Some(Some(_)));
        self.names.contains(&resource.name) || self.wildcard && (!resource.lingering || has())
    }

    fn is_rejected(&self, name: &str, version: Option<&str>) -> bool {
        self.rejected.get(name).is_some_and(|(refused, _)| refused.as_deref() == version)
    }

    /// New and changed resources to send, and names asked for that do not exist.
    pub(crate) fn additions(&self, resources: &Resources) -> Vec<Item> {
        let changed = resources.values().filter(|r| {
            self.wants(r)
                && self.held.get(&r.name).and_then(Option::as_ref) != Some(&r.version)
                && !self.is_rejected(&r.name, Some(&r.version))
        });
        let unknown = self.names.iter().filter(|name| {
            !resources.contains_key(*name) && !self.held.contains_key(*name) && !self.is_rejected(name, None)
        });
        changed
            .map(|r| (r.name.clone(), Some(r.version.clone())))
            .chain(unknown.map(|name| (name.clone(), None)))
            .collect()
    }

    /// Resources the client has that no longer exist.
    pub(crate) fn removals(&self, resources: &Resources) -> Vec<Item> {
        let gone = self.held.iter().filter(|(name, version)| {
            version.is_some() && !resources.contains_key(*name) && !self.is_rejected(name, None)
        });
        gone.map(|(name, _)| (name.clone(), None)).collect()
    }

    /// Whether nothing but changes of resources the client already has is to be sent or answered.
    pub(crate) fn knows_all_names(&self, resources: &Resources) -> bool {
        let known = |(name, _): &Item| matches!(self.held.get(name), Some(Some(_)));
        self.in_flight.as_ref().is_none_or(|f| f.items.iter().all(known))
            && self.additions(resources).iter().all(known)
    }

    /// Whether every addition was sent and answered.
    pub(crate) fn is_quiet(&self, resources: &Resources) -> bool {
        self.in_flight.is_none() && self.additions(resources).is_empty()
    }

    /// Published resources that the client has not answered, including those it has not asked for unless they linger.
    pub(crate) fn unanswered<'a>(&'a self, resources: &'a Resources) -> impl Iterator<Item = &'a String> {
        resources
            .values()
            .filter(|r| {
                (self.wants(r) || !r.lingering)
                    && self.held.get(&r.name).and_then(Option::as_ref) != Some(&r.version)
                    && !self.is_rejected(&r.name, Some(&r.version))
            })
            .map(|r| &r.name)
    }

    /// Chooses what to send of `sendable`, and notes it as sent under `nonce`. `None` if a response is under way or
    /// there is nothing to say.
    pub(crate) fn send(
        &mut self,
        sendable: &[Item],
        nonce: &str,
        generation: Generation,
    ) -> Option<Vec<Item>> {
        if self.in_flight.is_some() {
            return None;
        }
        let mut items = Vec::new();
        while let (true, Some(mut part)) = (items.is_empty(), self.suspects.pop_front()) {
            part.retain(|item| sendable.contains(item));
            items = part;
        }
        if items.is_empty() {
            items = sendable.to_vec();
        }
        if items.is_empty() && !self.owes_answer {
            return None;
        }
        self.owes_answer = false;
        let (nonce, sent) = (nonce.to_owned(), items.len());
        self.in_flight = Some(InFlight { nonce, generation, items: items.clone(), sent });
        Some(items)
    }

    /// The client accepted the response under way.
    pub(crate) fn accept(&mut self) {
        for (name, version) in self.in_flight.take().map(|f| f.items).unwrap_or_default() {
            self.rejected.remove(&name);
            // A resource that is gone needs a note only if the client keeps asking for it by name.
            if version.is_some() && self.interested(&name) || self.names.contains(&name) {
                self.held.insert(name, version);
            } else {
                self.held.remove(&name);
            }
        }
    }

    /// The client refused the response under way as a whole. Returns the culprit if it is known; otherwise the
    /// response will be tried again in halves.
    pub(crate) fn refuse(&mut self, message: &str) -> Option<Item> {
        let InFlight { mut items, sent, .. } = self.in_flight.take()?;
        if sent > 1 {
            // If one is left, what was forgotten may be the culprit as well.
            let second = items.split_off(items.len() / 2);
            self.suspects.push_front(second);
            self.suspects.push_front(items);
            return None;
        }
        let (name, version) = items.pop()?;
        self.rejected.insert(name.clone(), (version.clone(), message.to_owned()));
        Some((name, version))
    }
}
