//! Policies with JSON Web Tokens.

use std::sync::LazyLock;
use std::time::Duration;

use resources::{
    AuthenticationMode, BackendTls, HttpUrl, JwtAuthentication, JwtProvider, ObjectKey, RemoteJwtKeys,
};

use super::{Location, jwks, location, name};
use crate::destination;
use crate::findings::Findings;
use crate::index::Index;
use crate::names;
use crate::policy::From;
use crate::provider::{CONNECT_TIMEOUT, Place, Provider, tls_settings};

/// Path of the field.
pub(super) const PATH: &str = "spec.traffic.jwtAuthentication";

/// After how long the keys of an issuer are fetched again, unless a policy says otherwise.
const CACHE: Duration = Duration::from_secs(5 * 60);

/// How long a service may take to tell its keys.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// TLS with the system's trusted certificates, for URLs that begin with `https`.
static SYSTEM_TLS: LazyLock<BackendTls> = LazyLock::new(BackendTls::default);

/// Whose tokens are good.
#[derive(Debug)]
pub(crate) struct Jwt {
    /// Name of the policy, as routes name it.
    pub(crate) name: String,
    pub(crate) mode: AuthenticationMode,
    /// Where a token stands.
    pub(crate) location: Location,
    /// Any of them will do.
    pub(crate) issuers: Vec<Issuer>,
}

/// An issuer of tokens.
#[derive(Debug)]
pub(crate) struct Issuer {
    pub(crate) name: String,
    /// One of them a token must be for; any where there are none.
    pub(crate) audiences: Vec<String>,
    pub(crate) keys: Keys,
}

/// The keys of an issuer.
#[derive(Debug)]
pub(crate) enum Keys {
    /// A key set in JSON, in which every key can be used.
    Inline(String),
    /// A service that tells them.
    Remote {
        /// The cluster to write.
        service: Box<Provider>,
        url: String,
        /// After how long they are fetched again.
        cache: Duration,
        /// How long that may take.
        timeout: Duration,
    },
}

impl Jwt {
    /// The services that tell keys.
    pub(crate) fn services(&self) -> impl Iterator<Item = &Provider> {
        self.issuers.iter().filter_map(|issuer| match &issuer.keys {
            Keys::Remote { service, .. } => Some(&**service),
            Keys::Inline(_) => None,
        })
    }
}

/// Reads a policy. `None` when it cannot be in force, which has then been reported: one issuer that cannot be used closes
/// it, for its tokens would be refused.
pub(super) fn resolve(
    index: &Index<'_>,
    key: &ObjectKey,
    set: &JwtAuthentication,
    findings: &mut Findings,
) -> Option<Jwt> {
    let location = location(key, PATH, set.location.as_ref(), findings);
    let entailed = match location {
        Some(Location::QueryParameter(_)) => {
            "the token is taken out of the query, and Envoy writes its other parameters anew without percent-encoding"
        }
        Some(Location::Cookie(_)) => {
            "Envoy takes no token out of a cookie: Services get it, LLM providers get no cookies"
        }
        _ => "",
    };
    if !entailed.is_empty() {
        findings.note(key, &format!("{PATH}.location"), entailed);
    }
    let issuers: Vec<Option<Issuer>> = set
        .providers
        .iter()
        .enumerate()
        .map(|(place, provider)| {
            issuer(index, key, &format!("{PATH}.providers[{place}]"), provider, findings)
        })
        .collect();
    Some(Jwt {
        name: name(key),
        mode: set.mode.unwrap_or_default(),
        location: location?,
        issuers: issuers.into_iter().collect::<Option<_>>()?,
    })
}

fn issuer(
    index: &Index<'_>,
    key: &ObjectKey,
    path: &str,
    provider: &JwtProvider,
    findings: &mut Findings,
) -> Option<Issuer> {
    let path = format!("{path}.jwks");
    let keys = match (&provider.jwks.inline, &provider.jwks.remote) {
        (Some(inline), _) => self::inline(key, &format!("{path}.inline"), inline, findings)?,
        (None, remote) => self::remote(index, key, &format!("{path}.remote"), remote.as_ref()?, findings)?,
    };
    let audiences = provider.audiences.clone().unwrap_or_default();
    Some(Issuer { name: provider.issuer.clone(), audiences, keys })
}

fn inline(key: &ObjectKey, path: &str, text: &str, findings: &mut Findings) -> Option<Keys> {
    match jwks::read(text) {
        Ok(set) => {
            for (place, problem) in set.unusable {
                let message = format!("keys[{place}] {problem}, so tokens signed with it are refused");
                findings.warning(key, path, message, "remove it, or correct it");
            }
            Some(Keys::Inline(set.json))
        }
        Err(problem) => {
            let remedy =
                "write a JSON Web Key Set with keys of the types RSA, EC (P-256, P-384) or OKP (Ed25519)";
            findings.error(key, path, format!("the key set {problem}"), remedy);
            None
        }
    }
}

fn remote(
    index: &Index<'_>,
    policy: &ObjectKey,
    path: &str,
    set: &RemoteJwtKeys,
    findings: &mut Findings,
) -> Option<Keys> {
    let (mut service, url) = match (&set.backend_ref, &set.url) {
        (Some(backend), _) => {
            let from = From { value: backend, object: policy.clone(), path: format!("{path}.backendRef") };
            let service = destination::fixed(index, &from, findings)?;
            let tls = service.tls.is_some();
            let scheme = if tls { "https" } else { "http" };
            let at = set.jwks_path.as_deref().unwrap_or_default();
            let slash = if at.starts_with('/') { "" } else { "/" };
            let url = format!("{scheme}://{}{slash}{at}", service.place.authority(tls));
            (service, url)
        }
        (None, text) => {
            let text = text.as_deref()?;
            // Validation has read it already.
            let url = HttpUrl::read(text).ok()?;
            let from = From { value: &*SYSTEM_TLS, object: policy.clone(), path: format!("{path}.url") };
            let tls = match url.tls {
                true => Some(tls_settings(index, &from, &url.host, None, findings)?),
                false => None,
            };
            let place = Place::host(&url.host, url.port);
            let plain = destination::plain_provider(String::new(), policy.clone());
            (Provider { tls, place, ..plain }, text.to_owned())
        }
    };
    service.connect_timeout = service.connect_timeout.min(CONNECT_TIMEOUT);
    // A cluster of its own: it may be spoken to otherwise than by the routes that lead to the same place.
    let destination = format!("{:?} {:?} {:?}", service.place, service.tls, service.http_version);
    service.cluster = names::jwks_cluster(&service.place.host_name(), &destination);
    let timeout = service.request_timeout.unwrap_or(FETCH_TIMEOUT);
    let cache = set.cache_duration.as_ref().map_or(CACHE, resources::Duration::value);
    Some(Keys::Remote { service: Box::new(service), url, cache, timeout })
}
