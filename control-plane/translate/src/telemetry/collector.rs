//! Collectors of traces and logs.

use std::sync::LazyLock;

use resources::{BackendTls, HttpUrl, HttpVersion, ObjectKey, OtlpProtocol, PolicyBackendRef};

use super::{Collector, Transport};
use crate::destination;
use crate::findings::Findings;
use crate::index::Index;
use crate::names;
use crate::policy::From;
use crate::provider::{CONNECT_TIMEOUT, Place, Provider, tls_settings};

/// A collector as a policy names it.
pub(super) struct Reference<'a> {
    pub(super) backend: Option<&'a PolicyBackendRef>,
    pub(super) url: Option<&'a str>,
    pub(super) protocol: OtlpProtocol,
    pub(super) path: Option<&'a str>,
    /// Path of requests over HTTP when none is set.
    pub(super) usual_path: &'static str,
}

/// TLS with the system's trusted certificates, for URLs that begin with `https`.
static SYSTEM_TLS: LazyLock<BackendTls> = LazyLock::new(BackendTls::default);

/// Finds a collector. `None` when there is none, which has then been reported.
pub(super) fn resolve(
    index: &Index<'_>,
    policy: &ObjectKey,
    path: &str,
    reference: &Reference<'_>,
    findings: &mut Findings,
) -> Option<Collector> {
    let version = match reference.protocol {
        OtlpProtocol::Grpc => Some(HttpVersion::Http2),
        OtlpProtocol::Http => None,
    };
    let mut request_path = reference.path.unwrap_or(reference.usual_path).to_owned();
    let mut provider = match (reference.backend, reference.url) {
        (Some(backend), _) => {
            let from = From { value: backend, object: policy.clone(), path: format!("{path}.backendRef") };
            destination::fixed(index, &from, findings)?
        }
        (None, Some(text)) => {
            let url = match HttpUrl::read(text) {
                Ok(url) => url,
                Err(problem) => {
                    findings.error(
                        policy,
                        &format!("{path}.url"),
                        format!("{text:?} {problem}"),
                        "correct it",
                    );
                    return None;
                }
            };
            if reference.path.is_none() && !url.path.is_empty() {
                request_path.clone_from(&url.path);
            }
            let from = From { value: &*SYSTEM_TLS, object: policy.clone(), path: format!("{path}.url") };
            let tls = match url.tls {
                true => Some(tls_settings(index, &from, &url.host, version, findings)?),
                false => None,
            };
            let place = Place::host(&url.host, url.port);
            Provider { tls, place, ..destination::plain_provider(String::new(), policy.clone()) }
        }
        (None, None) => return None,
    };
    provider.http_version = version.or(provider.http_version);
    provider.connect_timeout = provider.connect_timeout.min(CONNECT_TIMEOUT);
    let protocol = if reference.protocol == OtlpProtocol::Grpc { "grpc" } else { "http" };
    // A cluster of its own: it may be spoken to otherwise than by the routes that lead to the same place.
    let destination = format!("{:?} {:?}", provider.place, provider.tls);
    provider.cluster = names::collector_cluster(protocol, &provider.place.host_name(), &destination);
    let tls = provider.tls.is_some();
    let scheme = if tls { "https" } else { "http" };
    let url = format!("{scheme}://{}{request_path}", provider.place.authority(tls));
    Some(Collector { provider, transport: Transport::new(reference.protocol, url) })
}
