//! The kinds of resources, in the order in which an addition is safe.

/// A kind of resource that is served. The order of the variants is the order of dependency: what comes later names
/// what comes earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// CDS: `envoy.config.cluster.v3.Cluster`.
    Cluster,
    /// EDS: `envoy.config.endpoint.v3.ClusterLoadAssignment`. Carries the name of the cluster it belongs to (that is,
    /// `EdsClusterConfig.service_name` stays empty).
    Endpoints,
    /// SDS: `envoy.extensions.transport_sockets.tls.v3.Secret`.
    Secret,
    /// ECDS: `envoy.config.core.v3.TypedExtensionConfig`.
    Extension,
    /// LDS: `envoy.config.listener.v3.Listener`.
    Listener,
    /// RDS: `envoy.config.route.v3.RouteConfiguration`.
    Route,
}

impl Kind {
    /// All kinds, in the order of their dependency.
    pub const ALL: [Self; 6] =
        [Self::Cluster, Self::Endpoints, Self::Secret, Self::Extension, Self::Listener, Self::Route];

    /// The kinds that listeners and routes refer to, by way of clusters or directly.
    pub const SUPPLY: [Self; 4] = [Self::Cluster, Self::Endpoints, Self::Secret, Self::Extension];

    /// The type URL of the messages of this kind.
    pub const fn type_url(self) -> &'static str {
        match self {
            Self::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Self::Endpoints => "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            Self::Secret => "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            Self::Extension => "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            Self::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Self::Route => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        }
    }

    /// The kind with this type URL.
    pub fn from_type_url(type_url: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.type_url() == type_url)
    }

    /// Whether a first request without names means "everything": so it is for CDS and LDS only, by the protocol's
    /// rule for clients older than the `*` notation (Envoy 1.40 still is one).
    pub(crate) const fn empty_means_all(self) -> bool {
        matches!(self, Self::Cluster | Self::Listener)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cluster => "cluster",
            Self::Endpoints => "endpoints",
            Self::Secret => "secret",
            Self::Extension => "extension",
            Self::Listener => "listener",
            Self::Route => "route",
        })
    }
}

#[cfg(test)]
mod tests {
    use envoy_proto::{
        envoy::{
            config::{
                cluster::v3::Cluster, core::v3::TypedExtensionConfig, endpoint::v3::ClusterLoadAssignment,
                listener::v3::Listener, route::v3::RouteConfiguration,
            },
            extensions::transport_sockets::tls::v3::Secret,
        },
        prost::Name,
    };

    use super::Kind;

    #[test]
    fn type_urls_are_those_of_the_messages() {
        for (kind, type_url) in [
            (Kind::Cluster, Cluster::type_url()),
            (Kind::Endpoints, ClusterLoadAssignment::type_url()),
            (Kind::Secret, Secret::type_url()),
            (Kind::Extension, TypedExtensionConfig::type_url()),
            (Kind::Listener, Listener::type_url()),
            (Kind::Route, RouteConfiguration::type_url()),
        ] {
            assert_eq!(kind.type_url(), type_url);
            assert_eq!(Kind::from_type_url(&type_url), Some(kind));
        }
        assert_eq!(Kind::from_type_url("type.googleapis.com/envoy.service.runtime.v3.Runtime"), None);
    }
}
