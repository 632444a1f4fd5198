//! Bootstraps: what Envoy is started with.

mod metrics;

use std::path::Path;

use envoy_proto::envoy::config::bootstrap::v3::{
    Admin, Bootstrap, LayeredRuntime, RuntimeLayer, bootstrap, runtime_layer,
};
use envoy_proto::envoy::config::cluster::v3::{Cluster, cluster};
use envoy_proto::envoy::config::core::v3::{
    Address, AggregatedConfigSource, ApiConfigSource, ApiVersion, ConfigSource, GrpcService,
    Http2ProtocolOptions, Node, Pipe, address, api_config_source, config_source, data_source, grpc_service,
};
use envoy_proto::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint,
};
use envoy_proto::envoy::extensions::transport_sockets::tls::v3::{Secret, secret};
use envoy_proto::envoy::extensions::upstreams::http::v3::{HttpProtocolOptions, http_protocol_options};
use envoy_proto::{message_to_yaml, pack, struct_from_json, unpack};

use crate::Error;
use crate::output::{ResourceKind, Translation};

/// Name of the cluster that leads to the control plane.
const CONTROL_PLANE: &str = "weir-control-plane";

/// Where Envoy's admin interface listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAddress {
    /// A TCP port of the loopback address.
    Loopback(u16),
    /// A Unix socket, which other users of the machine cannot reach.
    Socket(std::path::PathBuf),
}

/// The bootstrap, as YAML, of an Envoy that gets everything else from the control plane at a Unix socket.
///
/// # Errors
/// [`Error::Proto`] when it cannot be printed.
pub fn discovery(node_id: &str, control_plane: &Path, admin: &AdminAddress) -> Result<String, Error> {
    let source = || ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(config_source::ConfigSourceSpecifier::Ads(
            AggregatedConfigSource::default(),
        )),
        ..ConfigSource::default()
    };
    let bootstrap = Bootstrap {
        node: Some(Node { id: node_id.to_owned(), cluster: "weir".to_owned(), ..Node::default() }),
        admin: Some(admin_of(admin)),
        dynamic_resources: Some(bootstrap::DynamicResources {
            ads_config: Some(ApiConfigSource {
                api_type: api_config_source::ApiType::DeltaGrpc.into(),
                transport_api_version: ApiVersion::V3.into(),
                set_node_on_first_message_only: true,
                grpc_services: vec![GrpcService {
                    target_specifier: Some(grpc_service::TargetSpecifier::EnvoyGrpc(
                        grpc_service::EnvoyGrpc {
                            cluster_name: CONTROL_PLANE.to_owned(),
                            ..grpc_service::EnvoyGrpc::default()
                        },
                    )),
                    ..GrpcService::default()
                }],
                ..ApiConfigSource::default()
            }),
            cds_config: Some(source()),
            lds_config: Some(source()),
            ..bootstrap::DynamicResources::default()
        }),
        static_resources: Some(bootstrap::StaticResources {
            clusters: vec![control_plane_cluster(control_plane)],
            ..bootstrap::StaticResources::default()
        }),
        layered_runtime: Some(runtime()?),
        stats_config: Some(metrics::stats_config()),
        ..Bootstrap::default()
    };
    Ok(message_to_yaml(&bootstrap)?)
}

/// The bootstrap, as YAML, of an Envoy without control plane, from a translation with
/// [`Delivery::Static`](crate::Delivery::Static).
///
/// # Errors
/// [`Error::Proto`] when a resource is of another kind than it says, or cannot be printed.
pub fn standalone(translation: &Translation, admin: &AdminAddress) -> Result<String, Error> {
    let mut fixed = bootstrap::StaticResources::default();
    for ((kind, _), resource) in &translation.resources {
        match kind {
            ResourceKind::Listener => fixed.listeners.push(unpack(&resource.body)?),
            ResourceKind::Cluster => fixed.clusters.push(unpack(&resource.body)?),
            ResourceKind::Secret => fixed.secrets.push(unpack(&resource.body)?),
            // With static delivery these are part of listeners and clusters.
            ResourceKind::Endpoints | ResourceKind::Extension | ResourceKind::Routes => {}
        }
    }
    let bootstrap = Bootstrap {
        node: Some(Node { id: "weir".to_owned(), cluster: "weir".to_owned(), ..Node::default() }),
        admin: Some(admin_of(admin)),
        static_resources: Some(fixed),
        layered_runtime: Some(runtime()?),
        stats_config: Some(metrics::stats_config()),
        ..Bootstrap::default()
    };
    Ok(message_to_yaml(&bootstrap)?)
}

/// The environment variables that [`standalone`] has Envoy read, each with the name of the secret it holds:
///
/// * `secret/<namespace>/<Secret>`: the default entry, `Authorization`, without a leading `Bearer `;
/// * `secret/<namespace>/<Secret>/<entry>`: an entry as it is;
/// * `inline/<namespace>/<AgentgatewayBackend>/<provider>`: a key that is written into an object;
/// * `tls/<namespace>/<Secret>`: the private key of a client certificate, in PEM;
/// * `aws/<namespace>/<Secret>`: an AWS credentials file with the profile `default`;
/// * `token/…`: a bearer token of Google Cloud or Entra. Nobody renews it.
///
/// Envoy refuses to start without one of them.
///
/// # Errors
/// [`Error::Proto`] when a resource is of another kind than it says.
pub fn environment(translation: &Translation) -> Result<Vec<(String, String)>, Error> {
    let mut variables: Vec<_> = translation.variables.clone().into_iter().collect();
    for ((kind, name), resource) in &translation.resources {
        if *kind != ResourceKind::Secret {
            continue;
        }
        let secret: Secret = unpack(&resource.body)?;
        let value = match secret.r#type {
            Some(secret::Type::GenericSecret(generic)) => generic.secret,
            Some(secret::Type::TlsCertificate(certificate)) => certificate.private_key,
            _ => None,
        };
        if let Some(data_source::Specifier::EnvironmentVariable(variable)) =
            value.and_then(|value| value.specifier)
        {
            variables.push((variable, name.clone()));
        }
    }
    Ok(variables)
}

/// Envoy refuses a whole route table for one regular expression whose program is larger than this level, by
/// default 100, which `gpt-[a-z0-9]{1,200}` exceeds. RE2 runs in linear time and bounds its own memory, so no lower
/// limit is needed.
const REGEX_LIMIT: &str = "re2.max_program_size.error_level";

fn runtime() -> Result<LayeredRuntime, Error> {
    let mut settings = serde_json::Map::new();
    settings.insert(REGEX_LIMIT.to_owned(), u32::MAX.into());
    let layer = runtime_layer::LayerSpecifier::StaticLayer(struct_from_json(&settings)?);
    Ok(LayeredRuntime {
        layers: vec![RuntimeLayer { name: "weir".to_owned(), layer_specifier: Some(layer) }],
    })
}

fn admin_of(admin: &AdminAddress) -> Admin {
    let address = match admin {
        AdminAddress::Loopback(port) => crate::envoy::socket("127.0.0.1", *port),
        AdminAddress::Socket(path) => pipe(path),
    };
    Admin { address: Some(address), ..Admin::default() }
}

fn pipe(path: &Path) -> Address {
    let pipe = Pipe { path: path.display().to_string(), mode: 0 };
    Address { address: Some(address::Address::Pipe(pipe)) }
}

fn control_plane_cluster(path: &Path) -> Cluster {
    use http_protocol_options::explicit_http_config::ProtocolConfig;
    let options = HttpProtocolOptions {
        upstream_protocol_options: Some(http_protocol_options::UpstreamProtocolOptions::ExplicitHttpConfig(
            http_protocol_options::ExplicitHttpConfig {
                protocol_config: Some(ProtocolConfig::Http2ProtocolOptions(Http2ProtocolOptions::default())),
            },
        )),
        ..HttpProtocolOptions::default()
    };
    Cluster {
        name: CONTROL_PLANE.to_owned(),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(
            cluster::DiscoveryType::Static.into(),
        )),
        connect_timeout: Some(crate::route::proto_duration(std::time::Duration::from_secs(5))),
        load_assignment: Some(ClusterLoadAssignment {
            cluster_name: CONTROL_PLANE.to_owned(),
            endpoints: vec![LocalityLbEndpoints {
                lb_endpoints: vec![LbEndpoint {
                    host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(Endpoint {
                        address: Some(pipe(path)),
                        ..Endpoint::default()
                    })),
                    ..LbEndpoint::default()
                }],
                ..LocalityLbEndpoints::default()
            }],
            ..ClusterLoadAssignment::default()
        }),
        typed_extension_protocol_options: [(
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions".to_owned(),
            pack(&options),
        )]
        .into(),
        ..Cluster::default()
    }
}
