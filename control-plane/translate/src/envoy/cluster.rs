//! Clusters, with their upstream filters, TLS, credentials and endpoints.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use envoy_proto::envoy::config::cluster::v3::{CircuitBreakers, Cluster, circuit_breakers, cluster};
use envoy_proto::envoy::config::core::v3::{
    Address, Http1ProtocolOptions, Http2ProtocolOptions, Pipe, TransportSocket, address, transport_socket,
};
use envoy_proto::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint,
};
use envoy_proto::envoy::extensions::filters::http::upstream_codec::v3::UpstreamCodec;
use envoy_proto::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpFilter, http_filter,
};
use envoy_proto::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, Secret, SubjectAltNameMatcher, TlsCertificate,
    UpstreamTlsContext, certificate_validation_context, common_tls_context, secret, subject_alt_name_matcher,
};
use envoy_proto::envoy::extensions::upstreams::http::v3::{HttpProtocolOptions, http_protocol_options};
use envoy_proto::envoy::r#type::matcher::v3::{StringMatcher, string_matcher};
use envoy_proto::pack;
use resources::HttpVersion;

use super::credential::{self, environment, secret_reference};
use super::{ads, file, filter, socket, text};
use crate::index::Index;
use crate::output::{ResourceKind, Translation};
use crate::provider::{Place, Provider, Tls, Trust};
use crate::route::proto_duration;
use crate::settings::{Delivery, Settings};

/// Limits that protect Envoy itself, not providers: those say 429 when they have had enough.
const MAX_CONNECTIONS: u32 = 65_536;

/// How long an idle connection to a provider is kept. Load balancers in front of providers close theirs
/// after 60 s and more; a shorter time here avoids races with their close.
const IDLE_CONNECTION: Duration = Duration::from_secs(55);

/// The name of a cluster in metrics, where it must be another. To Envoy the name ends at its first dot: of
/// `ratelimit/127.0.0.1~…` the label `envoy_cluster_name` would be `ratelimit/127`, and the rest part of the name of every
/// metric.
fn stat_name(cluster: &str) -> String {
    if cluster.contains('.') { cluster.replace('.', "_") } else { String::new() }
}

pub(super) fn provider(index: &Index<'_>, settings: &Settings, provider: &Provider, out: &mut Translation) {
    let mut http_filters = Vec::new();
    // The guard looks at what is said in the client's dialect: on the way there before the provider filter translates it,
    // on the way back after.
    let guard =
        provider.guard.as_ref().map(|guard| filter::guard(settings, &provider.cluster, &guard.config));
    let own = provider.filter.as_ref().map(|config| filter::provider(settings, &provider.cluster, config));
    for filter in guard.into_iter().chain(own) {
        http_filters.push(filter.entry());
        if settings.delivery == Delivery::Discovery {
            out.add(ResourceKind::Extension, &filter.name, pack(&filter.config), &provider.source);
        }
    }
    credential::inject(settings, provider, &mut http_filters, out);
    credential::sign(settings, provider, &mut http_filters, out);
    if let Some(certificate) = provider.tls.as_ref().and_then(|tls| tls.client_certificate.as_ref()) {
        let (chain, key) = match settings.delivery {
            Delivery::Discovery => (text(&certificate.chain), text(&certificate.key)),
            Delivery::Static => (text(&certificate.chain), environment(&certificate.secret_name)),
        };
        let body = Secret {
            name: certificate.secret_name.clone(),
            r#type: Some(secret::Type::TlsCertificate(TlsCertificate {
                certificate_chain: Some(chain),
                private_key: Some(key),
                ..TlsCertificate::default()
            })),
        };
        out.add(ResourceKind::Secret, &certificate.secret_name, pack(&body), &certificate.source);
    }
    http_filters.push(HttpFilter {
        name: "envoy.filters.http.upstream_codec".to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(pack(&UpstreamCodec::default()))),
        ..HttpFilter::default()
    });
    let options = HttpProtocolOptions {
        common_http_protocol_options: Some(envoy_proto::envoy::config::core::v3::HttpProtocolOptions {
            idle_timeout: Some(proto_duration(IDLE_CONNECTION)),
            ..Default::default()
        }),
        http_filters,
        upstream_protocol_options: Some(protocol(provider)),
        ..HttpProtocolOptions::default()
    };
    let endpoints = endpoints(index, provider);
    let discovered =
        matches!(provider.place, Place::Service { .. }) && settings.delivery == Delivery::Discovery;
    let cluster = Cluster {
        name: provider.cluster.clone(),
        alt_stat_name: stat_name(&provider.cluster),
        connect_timeout: Some(proto_duration(provider.connect_timeout)),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(
            discovery_type(provider, discovered).into(),
        )),
        eds_cluster_config: discovered
            .then(|| cluster::EdsClusterConfig { eds_config: Some(ads()), service_name: String::new() }),
        load_assignment: (!discovered).then(|| endpoints.clone()),
        // Both address families are tried, the faster one wins.
        dns_lookup_family: cluster::DnsLookupFamily::All.into(),
        circuit_breakers: Some(CircuitBreakers {
            thresholds: vec![circuit_breakers::Thresholds {
                max_connections: Some(MAX_CONNECTIONS),
                max_pending_requests: Some(MAX_CONNECTIONS),
                max_requests: Some(MAX_CONNECTIONS),
                max_retries: Some(MAX_CONNECTIONS),
                ..circuit_breakers::Thresholds::default()
            }],
            ..CircuitBreakers::default()
        }),
        transport_socket: provider.tls.as_ref().map(|tls| tls_socket(settings, tls)),
        typed_extension_protocol_options: BTreeMap::from([(
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions".to_owned(),
            pack(&options),
        )]),
        ..Cluster::default()
    };
    if discovered {
        out.add(ResourceKind::Endpoints, &provider.cluster, pack(&endpoints), &provider.source);
    }
    out.add(ResourceKind::Cluster, &provider.cluster, pack(&cluster), &provider.source);
}

fn discovery_type(provider: &Provider, discovered: bool) -> cluster::DiscoveryType {
    match &provider.place {
        _ if discovered => cluster::DiscoveryType::Eds,
        Place::Host { host, .. } if host.parse::<IpAddr>().is_err() => cluster::DiscoveryType::LogicalDns,
        _ => cluster::DiscoveryType::Static,
    }
}

/// A socket that cannot be. To Envoy a cluster without endpoints ends the request; where there are other providers, a
/// connection that fails leads to them.
const NOBODY: &str = "/dev/null/nobody";

fn endpoints(index: &Index<'_>, provider: &Provider) -> ClusterLoadAssignment {
    let mut addresses: Vec<(Address, String)> = match &provider.place {
        Place::Host { host, port } => vec![(socket(host, *port), host.clone())],
        Place::Socket(path) => vec![(pipe(path), String::new())],
        Place::Service { namespace, name, port } => index
            .endpoints
            .behind(index.objects, namespace, name, *port)
            .into_iter()
            .map(|(host, port)| (socket(&host, port), String::new()))
            .collect(),
    };
    let has_others = provider.filter.as_ref().is_some_and(|filter| filter.cluster.is_some());
    if addresses.is_empty() && has_others {
        addresses.push((pipe(NOBODY), String::new()));
    }
    let lb_endpoints = addresses
        .into_iter()
        .map(|(address, hostname)| LbEndpoint {
            host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(Endpoint {
                address: Some(address),
                hostname,
                ..Endpoint::default()
            })),
            ..LbEndpoint::default()
        })
        .collect();
    ClusterLoadAssignment {
        cluster_name: provider.cluster.clone(),
        endpoints: vec![LocalityLbEndpoints { lb_endpoints, ..LocalityLbEndpoints::default() }],
        ..ClusterLoadAssignment::default()
    }
}

fn pipe(path: &str) -> Address {
    Address { address: Some(address::Address::Pipe(Pipe { path: path.to_owned(), mode: 0 })) }
}

fn protocol(provider: &Provider) -> http_protocol_options::UpstreamProtocolOptions {
    use http_protocol_options::explicit_http_config::ProtocolConfig;
    use http_protocol_options::{AutoHttpConfig, ExplicitHttpConfig, UpstreamProtocolOptions};
    let explicit = |config| {
        UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig { protocol_config: Some(config) })
    };
    match (provider.http_version, &provider.tls) {
        (Some(HttpVersion::Http2), _) => {
            explicit(ProtocolConfig::Http2ProtocolOptions(Http2ProtocolOptions::default()))
        }
        (None, Some(_)) => UpstreamProtocolOptions::AutoConfig(AutoHttpConfig {
            http_protocol_options: Some(Http1ProtocolOptions::default()),
            http2_protocol_options: Some(Http2ProtocolOptions::default()),
            ..AutoHttpConfig::default()
        }),
        (Some(HttpVersion::Http1), _) | (None, None) => {
            explicit(ProtocolConfig::HttpProtocolOptions(Http1ProtocolOptions::default()))
        }
    }
}

fn tls_socket(settings: &Settings, tls: &Tls) -> TransportSocket {
    let trusted_ca = match &tls.trust {
        Trust::System => Some(file(&settings.ca_file)),
        Trust::Pem(pem) => Some(text(pem)),
        Trust::Anything => None,
    };
    let match_typed_subject_alt_names = tls
        .names
        .iter()
        .map(|name| {
            let san_type = if name.parse::<IpAddr>().is_ok() {
                subject_alt_name_matcher::SanType::IpAddress
            } else {
                subject_alt_name_matcher::SanType::Dns
            };
            SubjectAltNameMatcher {
                san_type: san_type.into(),
                matcher: Some(StringMatcher {
                    match_pattern: Some(string_matcher::MatchPattern::Exact(name.clone())),
                    ..StringMatcher::default()
                }),
                ..SubjectAltNameMatcher::default()
            }
        })
        .collect();
    let validation = CertificateValidationContext {
        trust_chain_verification: match tls.trust {
            Trust::Anything => certificate_validation_context::TrustChainVerification::AcceptUntrusted.into(),
            _ => certificate_validation_context::TrustChainVerification::VerifyTrustChain.into(),
        },
        trusted_ca,
        match_typed_subject_alt_names,
        ..CertificateValidationContext::default()
    };
    let context = UpstreamTlsContext {
        sni: tls.sni.clone().unwrap_or_default(),
        common_tls_context: Some(CommonTlsContext {
            alpn_protocols: tls.alpn.clone(),
            tls_certificate_sds_secret_configs: tls
                .client_certificate
                .iter()
                .map(|certificate| secret_reference(settings, &certificate.secret_name))
                .collect(),
            validation_context_type: Some(common_tls_context::ValidationContextType::ValidationContext(
                validation,
            )),
            ..CommonTlsContext::default()
        }),
        ..UpstreamTlsContext::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(pack(&context))),
    }
}
