//! What a translation gives.

use std::collections::BTreeMap;

use envoy_proto::prost_types::Any;
use resources::{Finding, ObjectKey};

use crate::token_source::Token;

/// Everything Envoy needs, and everything that is wrong.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Translation {
    /// Envoy resources by kind and name.
    pub resources: BTreeMap<(ResourceKind, String), Resource>,
    /// Tokens to fetch, by the name of the secret that Envoy asks for: see [`token_secret`](crate::token_secret). No
    /// resource of that name is among `resources`.
    pub tokens: BTreeMap<String, Token>,
    /// Environment variables that an Envoy without a control plane reads besides those of its secrets, each with the
    /// name of what it holds.
    pub(crate) variables: BTreeMap<String, String>,
    /// What is wrong with the objects.
    pub findings: Vec<Finding>,
    /// The routes that are served, for people to read.
    pub routes: Vec<ServedRoute>,
}

/// One Envoy resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// The message.
    pub body: Any,
    /// The object it was made from: what Envoy says against the resource is that object's status.
    pub source: ObjectKey,
}

/// Kinds of Envoy resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// `envoy.config.cluster.v3.Cluster`
    Cluster,
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment`
    Endpoints,
    /// `envoy.extensions.transport_sockets.tls.v3.Secret`
    Secret,
    /// `envoy.config.core.v3.TypedExtensionConfig`
    Extension,
    /// `envoy.config.listener.v3.Listener`
    Listener,
    /// `envoy.config.route.v3.RouteConfiguration`
    Routes,
}

impl ResourceKind {
    /// Whether a resource of this kind and name may carry a secret: it is not to be printed as it is. Those are the
    /// secrets themselves, and filters that sign with a key.
    pub fn carries_secret(self, name: &str) -> bool {
        self == Self::Secret || self == Self::Extension && name.starts_with(crate::names::SIGNING_FILTERS)
    }

    /// The type URL under which Envoy subscribes to the kind.
    pub fn type_url(self) -> &'static str {
        match self {
            Self::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Self::Endpoints => "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            Self::Secret => "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            Self::Extension => "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            Self::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Self::Routes => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        }
    }
}

/// A route as a person would describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedRoute {
    /// Port of the listener.
    pub port: u16,
    /// Host name, `*` for any.
    pub host: String,
    /// What is matched: `/v1/ (prefix)`, with headers behind it.
    pub matches: String,
    /// Where it leads: names of providers or services, in order of preference.
    pub leads_to: String,
    /// The HTTPRoute, as `namespace/name`.
    pub route: String,
}

impl Translation {
    pub(crate) fn add(&mut self, kind: ResourceKind, name: &str, body: Any, source: &ObjectKey) {
        self.resources.insert((kind, name.to_owned()), Resource { body, source: source.clone() });
    }
}
