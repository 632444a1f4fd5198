//! All objects, by key.

use std::collections::{BTreeMap, BTreeSet};

use resources::gateway_api::gatewayclasses::GatewayClass;
use resources::gateway_api::gateways::Gateway;
use resources::gateway_api::httproutes::HttpRoute;
use resources::gateway_api::referencegrants::ReferenceGrant;
use resources::k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service};
use resources::k8s_openapi::api::discovery::v1::EndpointSlice;
use resources::{
    AgentgatewayBackend, AgentgatewayModel, AgentgatewayPolicy, Kind, Object, ObjectKey, Secret,
};

/// Every object the translation may look at. Iteration is in the order of the keys, so that the output
/// does not depend on the order of arrival.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Objects {
    usable: BTreeMap<ObjectKey, Object>,
    /// Objects validation found unusable. They are known, so that a reference to one can say so, and so that
    /// what a policy among them guards is closed.
    refused: BTreeMap<ObjectKey, Object>,
    /// Those that wait until it is known what guards them.
    held: BTreeSet<ObjectKey>,
}

/// Typed access by key.
macro_rules! lookups {
    ($($variant:ident: $type:ty => $name:ident;)*) => {
        impl Objects {
            $(pub(crate) fn $name(&self, namespace: &str, name: &str) -> Option<&$type> {
                match self.usable.get(&key(Kind::$variant, namespace, name)) {
                    Some(Object::$variant(object)) => Some(object),
                    _ => None,
                }
            })*
        }
    };
}

lookups! {
    GatewayClass: GatewayClass => gateway_class;
    Gateway: Gateway => gateway;
    HttpRoute: HttpRoute => http_route;
    AgentgatewayBackend: AgentgatewayBackend => backend;
    AgentgatewayModel: AgentgatewayModel => model;
    Secret: Secret => secret;
    ConfigMap: ConfigMap => config_map;
    Service: Service => service;
    Namespace: Namespace => namespace;
}

/// Typed iteration over one kind.
macro_rules! iterators {
    ($($field:ident, $variant:ident: $type:ty => $name:ident;)*) => {
        impl Objects {
            $(pub(crate) fn $name(&self) -> impl Iterator<Item = (&ObjectKey, &$type)> {
                self.$field.range(key(Kind::$variant, "", "")..).map_while(|(key, object)| match object {
                    Object::$variant(object) => Some((key, &**object)),
                    _ => None,
                })
            })*
        }
    };
}

iterators! {
    usable, Gateway: Gateway => gateways;
    usable, HttpRoute: HttpRoute => http_routes;
    usable, ReferenceGrant: ReferenceGrant => reference_grants;
    usable, AgentgatewayBackend: AgentgatewayBackend => backends;
    usable, AgentgatewayModel: AgentgatewayModel => models;
    usable, AgentgatewayPolicy: AgentgatewayPolicy => policies;
    usable, EndpointSlice: EndpointSlice => endpoint_slices;
    refused, AgentgatewayModel: AgentgatewayModel => refused_models;
    refused, AgentgatewayPolicy: AgentgatewayPolicy => refused_policies;
}

/// The key of an object.
pub(crate) fn key(kind: Kind, namespace: &str, name: &str) -> ObjectKey {
    ObjectKey { kind, namespace: namespace.to_owned(), name: name.to_owned() }
}

impl Objects {
    /// Adds a usable object, or replaces the one with its key, refused or not.
    pub fn apply(&mut self, object: Object) {
        let key = object.key();
        self.refused.remove(&key);
        self.usable.insert(key, object);
    }

    /// Adds an object that [`validate`](resources::validate) found unusable, or replaces the one with its
    /// key. Nothing is configured from it; what a refused AgentgatewayPolicy targets and what is asked of a
    /// refused AgentgatewayModel is answered with 500, because it would go unguarded otherwise.
    pub fn refuse(&mut self, object: Object) {
        let key = object.key();
        self.usable.remove(&key);
        self.refused.insert(key, object);
    }

    /// Has a Gateway, an HTTPRoute or an AgentgatewayModel wait: requests for it are answered with 500 until it is deleted.
    /// For when something could not be read that may be a policy for it.
    pub fn hold(&mut self, key: ObjectKey) {
        self.held.insert(key);
    }

    /// Removes an object, refused or not.
    pub fn delete(&mut self, key: &ObjectKey) {
        self.held.remove(key);
        self.usable.remove(key);
        self.refused.remove(key);
    }

    /// How many there are, refused ones included.
    pub fn len(&self) -> usize {
        self.usable.len() + self.refused.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.usable.is_empty() && self.refused.is_empty()
    }
}

impl FromIterator<Object> for Objects {
    /// Usable objects.
    fn from_iter<I: IntoIterator<Item = Object>>(objects: I) -> Self {
        let usable = objects.into_iter().map(|object| (object.key(), object)).collect();
        Self { usable, ..Self::default() }
    }
}

/// Why a reference leads nowhere, for its finding.
pub(crate) struct Absence {
    pub(crate) message: String,
    pub(crate) remedy: &'static str,
}

impl Objects {
    /// Why there is no usable object with this key.
    pub(crate) fn absence(&self, key: &ObjectKey) -> Absence {
        if self.refused.contains_key(key) {
            Absence { message: format!("{key} is refused"), remedy: "see its own finding" }
        } else {
            Absence {
                message: format!("{key} does not exist{}", self.elsewhere(key)),
                remedy: "create it, or correct the reference",
            }
        }
    }

    /// A hint at an object of the same kind and name in another namespace; empty when there is none.
    fn elsewhere(&self, wanted: &ObjectKey) -> String {
        let mut known = self.usable.keys().chain(self.refused.keys());
        let found = known.find(|key| key.kind == wanted.kind && key.name == wanted.name);
        found.map(|key| format!(" (there is one in namespace {})", key.namespace)).unwrap_or_default()
    }

    /// Those that wait.
    pub(crate) fn held(&self) -> impl Iterator<Item = &ObjectKey> {
        self.held.iter()
    }

    /// Whether the object with this key is refused.
    pub(crate) fn is_refused(&self, key: &ObjectKey) -> bool {
        self.refused.contains_key(key)
    }

    /// Whether an object with this key exists, refused or not.
    pub(crate) fn contains(&self, key: &ObjectKey) -> bool {
        self.usable.contains_key(key) || self.refused.contains_key(key)
    }

    /// The names of the objects of a kind and namespace that have all of these labels, refused ones included.
    pub(crate) fn labelled(
        &self,
        kind: Kind,
        namespace: &str,
        labels: &BTreeMap<String, String>,
    ) -> Vec<ObjectKey> {
        let from = key(kind, namespace, "");
        let of_kind = |objects: &BTreeMap<ObjectKey, Object>| -> Vec<ObjectKey> {
            objects
                .range(from.clone()..)
                .take_while(|(key, _)| key.kind == from.kind && key.namespace == from.namespace)
                .filter(|(_, object)| {
                    let own = object.metadata().labels.as_ref();
                    labels.iter().all(|(name, value)| own.and_then(|own| own.get(name)) == Some(value))
                })
                .map(|(key, _)| key.clone())
                .collect()
        };
        let mut found = of_kind(&self.usable);
        found.extend(of_kind(&self.refused));
        found
    }
}
