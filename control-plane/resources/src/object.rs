//! Every kind of object Weir reads, behind one type.

use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::core::ObjectMeta;

use crate::gateway_api::gatewayclasses::GatewayClass;
use crate::gateway_api::gateways::Gateway;
use crate::gateway_api::httproutes::HttpRoute;
use crate::gateway_api::referencegrants::ReferenceGrant;
use crate::{AgentgatewayBackend, AgentgatewayModel, AgentgatewayPolicy, Secret};

/// Defines [`Object`] and [`Kind`] from one table of (variant, type, API group, kind as written).
macro_rules! objects {
    ($($(#[$doc:meta])* $variant:ident($type:ty) = $group:literal, $kind:literal;)*) => {
        /// An object of a kind Weir reads. Cloning it is cheap, and so is comparing it with its own clone.
        #[derive(Debug, Clone)]
        pub enum Object {
            $($(#[$doc])* $variant(Arc<$type>),)*
        }

        /// The kinds of object Weir reads.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $variant,)*
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant,)*];

            /// API group; empty for core kinds.
            pub fn group(self) -> &'static str {
                match self { $(Kind::$variant => $group,)* }
            }

            /// The kind as written in manifests.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$variant => $kind,)* }
            }
        }

        impl Object {
            /// The kind of the object.
            pub fn kind(&self) -> Kind {
                match self { $(Object::$variant(_) => Kind::$variant,)* }
            }

            /// Name, namespace, labels and annotations.
            pub fn metadata(&self) -> &ObjectMeta {
                match self { $(Object::$variant(object) => &object.metadata,)* }
            }

            /// Puts the object into `namespace`.
            pub(crate) fn set_namespace(&mut self, namespace: Option<String>) {
                match self {
                    $(Object::$variant(object) => Arc::make_mut(object).metadata.namespace = namespace,)*
                }
            }
        }

        impl PartialEq for Object {
            fn eq(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Object::$variant(a), Object::$variant(b)) => Arc::ptr_eq(a, b) || a == b,)*
                    _ => false,
                }
            }
        }

        $(impl From<$type> for Object {
            fn from(object: $type) -> Self {
                Object::$variant(Arc::new(object))
            }
        })*
    };
}

objects! {
    /// `gateway.networking.k8s.io` GatewayClass
    GatewayClass(GatewayClass) = "gateway.networking.k8s.io", "GatewayClass";
    /// `gateway.networking.k8s.io` Gateway
    Gateway(Gateway) = "gateway.networking.k8s.io", "Gateway";
    /// `gateway.networking.k8s.io` HTTPRoute
    HttpRoute(HttpRoute) = "gateway.networking.k8s.io", "HTTPRoute";
    /// `gateway.networking.k8s.io` ReferenceGrant
    ReferenceGrant(ReferenceGrant) = "gateway.networking.k8s.io", "ReferenceGrant";
    /// `agentgateway.dev` AgentgatewayBackend
    AgentgatewayBackend(AgentgatewayBackend) = "agentgateway.dev", "AgentgatewayBackend";
    /// `agentgateway.dev` AgentgatewayModel
    AgentgatewayModel(AgentgatewayModel) = "agentgateway.dev", "AgentgatewayModel";
    /// `agentgateway.dev` AgentgatewayPolicy
    AgentgatewayPolicy(AgentgatewayPolicy) = "agentgateway.dev", "AgentgatewayPolicy";
    /// Core Secret
    Secret(Secret) = "", "Secret";
    /// Core ConfigMap
    ConfigMap(ConfigMap) = "", "ConfigMap";
    /// Core Service
    Service(Service) = "", "Service";
    /// `discovery.k8s.io` EndpointSlice
    EndpointSlice(EndpointSlice) = "discovery.k8s.io", "EndpointSlice";
    /// Core Namespace
    Namespace(Namespace) = "", "Namespace";
}

impl Kind {
    /// Whether objects of this kind live in a namespace.
    pub fn is_namespaced(self) -> bool {
        !matches!(self, Kind::GatewayClass | Kind::Namespace)
    }

    /// The versions that are read, the preferred one first. Those of a kind differ in name only.
    pub fn versions(self) -> &'static [&'static str] {
        match self {
            Kind::GatewayClass | Kind::Gateway | Kind::HttpRoute | Kind::ReferenceGrant => &["v1", "v1beta1"],
            Kind::AgentgatewayBackend | Kind::AgentgatewayModel | Kind::AgentgatewayPolicy => &["v1alpha1"],
            _ => &["v1"],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Identifies an object among all others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Kind of the object.
    pub kind: Kind,
    /// Namespace; empty for kinds that live in none.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}

impl Object {
    /// What identifies the object. A namespaced object without a namespace counts as in `default`.
    pub fn key(&self) -> ObjectKey {
        let kind = self.kind();
        let metadata = self.metadata();
        let namespace = match (kind.is_namespaced(), &metadata.namespace) {
            (false, _) => String::new(),
            (true, Some(namespace)) => namespace.clone(),
            (true, None) => crate::DEFAULT_NAMESPACE.to_owned(),
        };
        ObjectKey { kind, namespace, name: metadata.name.clone().unwrap_or_default() }
    }
}
