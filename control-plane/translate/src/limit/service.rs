//! Where a rate limit service is.

use std::sync::LazyLock;

use resources::{BackendTls, GlobalRateLimit, HttpUrl, HttpVersion, ObjectKey};

use crate::destination;
use crate::findings::Findings;
use crate::index::Index;
use crate::names;
use crate::policy::From;
use crate::provider::{CONNECT_TIMEOUT, Place, Provider, tls_settings};

/// TLS with the system's trusted certificates, for URLs that begin with `https`.
static SYSTEM_TLS: LazyLock<BackendTls> = LazyLock::new(BackendTls::default);

/// Finds the service of `global`, which stands at `path`. `None` when there is none, which has then been reported.
pub(super) fn resolve(
    index: &Index<'_>,
    policy: &ObjectKey,
    path: &str,
    global: &GlobalRateLimit,
    findings: &mut Findings,
) -> Option<Provider> {
    let mut provider = match (&global.backend_ref, &global.url) {
        (Some(backend), _) => {
            let path = format!("{path}.backendRef");
            destination::fixed(index, &From { value: backend, object: policy.clone(), path }, findings)?
        }
        (None, url) => {
            // Validation has read it already.
            let url = HttpUrl::read(url.as_deref()?).ok()?;
            let path = format!("{path}.url");
            let from = From { value: &*SYSTEM_TLS, object: policy.clone(), path };
            let tls = match url.tls {
                true => Some(tls_settings(index, &from, &url.host, Some(HttpVersion::Http2), findings)?),
                false => None,
            };
            let place = Place::host(&url.host, url.port);
            Provider { tls, place, ..destination::plain_provider(String::new(), policy.clone()) }
        }
    };
    // The RLS protocol is gRPC.
    provider.http_version = Some(HttpVersion::Http2);
    provider.connect_timeout = provider.connect_timeout.min(CONNECT_TIMEOUT);
    let destination = format!("{:?} {:?} {:?}", provider.place, provider.tls, provider.request_timeout);
    provider.cluster = names::ratelimit_cluster(&provider.place.host_name(), &destination);
    Some(provider)
}
