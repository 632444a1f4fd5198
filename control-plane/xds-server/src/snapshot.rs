//! What is served: resources and snapshots of them.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use envoy_proto::prost::Name;
use prost_types::Any;
use sha2::{Digest, Sha256};

use crate::{Error, Kind};

/// The number of a publish: 1 for the first, one more for each that changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub(crate) u64);

impl std::fmt::Display for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One named, versioned blob.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// What it is.
    pub(crate) kind: Kind,
    /// The name clients ask for; unique per kind.
    pub(crate) name: String,
    /// Hash of the content: equal content keeps its version over restarts of the control plane, so that a
    /// reconnecting Envoy is sent only what differs.
    pub(crate) version: String,
    /// The message.
    pub(crate) body: Any,
    /// See [`Resource::lingering`].
    pub(crate) lingering: bool,
}

impl Resource {
    /// A resource of the kind that the type URL of `body` says.
    ///
    /// # Errors
    /// [`Error::UnknownType`] if that type is not served.
    pub fn new(name: impl Into<String>, body: Any) -> Result<Self, Error> {
        let kind = Kind::from_type_url(&body.type_url)
            .ok_or_else(|| Error::UnknownType { type_url: body.type_url.clone() })?;
        // Half of a SHA-256: far from accidental collisions, which would lose a change, and short enough to read.
        let digest = Sha256::digest(&body.value);
        let version = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { kind, name: name.into(), version, body, lingering: false })
    }

    /// A resource with `message` as its body.
    ///
    /// # Errors
    /// As [`Resource::new`].
    pub fn of<M: Name>(name: impl Into<String>, message: &M) -> Result<Self, Error> {
        Self::new(name, envoy_proto::pack(message))
    }

    /// The resource as one that nothing published refers to any more, kept for requests that are on their way with a
    /// route from before. A client that has it keeps it; it is not sent to others unless they ask for its name, nobody
    /// waits for it to be asked for, and a refusal of it counts no longer. Publish without it to take it away.
    ///
    /// Listeners and routes are in use as long as they are published, so this does not apply to them.
    #[must_use]
    pub fn lingering(mut self) -> Self {
        self.lingering = Kind::SUPPLY.contains(&self.kind);
        self
    }

    /// Whether it is kept only for requests on their way.
    pub const fn is_lingering(&self) -> bool {
        self.lingering
    }

    /// What it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The name clients ask for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The hash of its content.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The message.
    pub const fn body(&self) -> &Any {
        &self.body
    }
}

/// The resources of one kind by name.
pub(crate) type Resources = BTreeMap<String, Arc<Resource>>;

/// Everything that is served, as of one publish. Immutable; sessions share it.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    generation: Generation,
    resources: BTreeMap<Kind, Resources>,
    none: Resources,
}

impl Snapshot {
    /// The snapshot after `previous` (`None` for the first) that holds `resources` and nothing else. Content equal to
    /// that of `previous` keeps its generation, so that nothing is sent and nobody waits for it.
    ///
    /// # Errors
    /// [`Error::Duplicate`] if two resources have the same kind and name.
    pub fn next(previous: Option<&Self>, resources: Vec<Resource>) -> Result<Self, Error> {
        let mut by_kind = BTreeMap::<Kind, Resources>::new();
        for resource in resources {
            match by_kind.entry(resource.kind).or_default().entry(resource.name.clone()) {
                Entry::Vacant(place) => {
                    place.insert(Arc::new(resource));
                }
                Entry::Occupied(taken) => {
                    return Err(Error::Duplicate { kind: resource.kind, name: taken.key().clone() });
                }
            }
        }
        let generation = match previous {
            None => Generation(1),
            Some(previous) if previous.resources == by_kind => previous.generation,
            Some(previous) => Generation(previous.generation.0 + 1),
        };
        Ok(Self { generation, resources: by_kind, none: Resources::new() })
    }

    /// The number of the publish it comes from.
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// The resources of one kind by name.
    pub(crate) fn of(&self, kind: Kind) -> &Resources {
        self.resources.get(&kind).unwrap_or(&self.none)
    }
}

#[cfg(test)]
mod tests {
    use envoy_proto::envoy::config::cluster::v3::Cluster;

    use super::*;

    fn cluster(name: &str, stat: &str) -> Resource {
        let message = Cluster { name: name.into(), alt_stat_name: stat.into(), ..Cluster::default() };
        Resource::of(name, &message).unwrap()
    }

    #[test]
    fn the_version_follows_the_content() {
        assert_eq!(cluster("a", "1").version(), cluster("a", "1").version());
        assert_ne!(cluster("a", "1").version(), cluster("a", "2").version());
        assert_eq!(cluster("a", "1").version().len(), 32);
    }

    #[test]
    fn only_a_change_makes_a_generation() {
        let first = Snapshot::next(None, vec![cluster("a", "1"), cluster("b", "1")]).unwrap();
        let same = Snapshot::next(Some(&first), vec![cluster("b", "1"), cluster("a", "1")]).unwrap();
        let other = Snapshot::next(Some(&same), vec![cluster("a", "2")]).unwrap();
        assert_eq!([first.generation.0, same.generation.0, other.generation.0], [1, 1, 2]);
    }

    #[test]
    fn duplicates_and_unserved_types_are_refused() {
        assert_eq!(
            Snapshot::next(None, vec![cluster("a", "1"), cluster("a", "2")]),
            Err(Error::Duplicate { kind: Kind::Cluster, name: "a".into() })
        );
        let body = Any { type_url: "type.googleapis.com/google.protobuf.Empty".into(), value: vec![] };
        assert_eq!(Resource::new("a", body.clone()), Err(Error::UnknownType { type_url: body.type_url }));
    }
}
