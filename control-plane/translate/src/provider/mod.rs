//! One provider of an AI backend, resolved: where it is, what it speaks, how to connect and authenticate.

mod azure;
mod credentials;
mod guard_service;
mod health;
mod preset;
mod request_policy;
mod signing;
mod tls;
mod tokens;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use filter_config::{CREDENTIAL_HEADERS, Credential, Provider as FilterConfig, Upstream};
use resources::{Host, HttpVersion, LlmProvider, ObjectKey, ProviderKind};

use crate::findings::Findings;
use crate::guard::{self, Guarded};
use crate::index::Index;
use crate::names;
use crate::policy::Effective;
pub(crate) use credentials::{CredentialValue, InjectedCredential};
pub(crate) use guard_service::{GuardService, guard_service};
use preset::{Elsewhere, Format, Preset};
pub(crate) use signing::{AccessKey, AwsKeys, Signing};
pub(crate) use tls::{Tls, Trust, tls_settings};

/// A provider ready to become a cluster.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    /// Name of the cluster.
    pub(crate) cluster: String,
    /// Where it is.
    pub(crate) place: Place,
    /// TLS, when it is used.
    pub(crate) tls: Option<Tls>,
    /// Credentials Envoy adds.
    pub(crate) credentials: Vec<InjectedCredential>,
    /// How Envoy signs requests, for AWS.
    pub(crate) signing: Option<Signing>,
    /// Configuration of the `provider` filter; `None` for destinations that are no LLM provider.
    pub(crate) filter: Option<FilterConfig>,
    /// What its `guard` filter is told; `None` where nothing is guarded.
    pub(crate) guard: Option<Arc<Guarded>>,
    pub(crate) connect_timeout: Duration,
    pub(crate) http_version: Option<HttpVersion>,
    /// Longest time for one attempt.
    pub(crate) request_timeout: Option<Duration>,
    /// The object that defines it.
    pub(crate) source: ObjectKey,
    /// Where it ranks documents, when that is another host.
    pub(crate) rerank: Option<Box<Provider>>,
}

/// Where a provider is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A DNS name or an address without brackets.
    Host { host: String, port: u16 },
    /// A Unix socket.
    Socket(String),
    /// A port of a Service in the cluster.
    Service { namespace: String, name: String, port: u16 },
}

impl Place {
    /// A host as written: capitals, a final dot and brackets around an address do not matter.
    pub(crate) fn host(text: &str, port: u16) -> Self {
        let host = match text.parse() {
            Ok(Host::Name(name)) => name,
            Ok(Host::Address(address)) => address.to_string(),
            Ok(Host::Wildcard(_)) | Err(_) => text.to_owned(),
        };
        Self::Host { host, port }
    }

    /// The name by which the destination is known: for certificates and in `:authority`.
    pub(crate) fn host_name(&self) -> String {
        match self {
            Self::Host { host, .. } => host.clone(),
            Self::Socket(_) => "localhost".to_owned(),
            Self::Service { namespace, name, .. } => format!("{name}.{namespace}.svc.cluster.local"),
        }
    }

    /// What stands in `:authority`: the port only where it is not the scheme's own.
    pub(crate) fn authority(&self, tls: bool) -> String {
        let default = if tls { 443 } else { 80 };
        let name = self.host_name();
        let name = if name.contains(':') { format!("[{name}]") } else { name };
        match self {
            Self::Host { port, .. } | Self::Service { port, .. } if *port != default => {
                format!("{name}:{port}")
            }
            _ => name,
        }
    }
}

/// A provider within its backend.
#[derive(Clone, Copy)]
pub(crate) struct Section<'a> {
    /// Its name; policies use it.
    pub(crate) name: &'a str,
    /// Path of the field that defines it.
    pub(crate) path: &'a str,
    /// Set when an earlier group has a provider of the same name: tells the two apart.
    pub(crate) repeated: Option<&'a str>,
}

/// Resolves a provider. `None` when it is unusable, which has then been reported.
pub(crate) fn resolve(
    index: &Index<'_>,
    key: &ObjectKey,
    section: Section<'_>,
    provider: &LlmProvider,
    effective: &Effective<'_>,
    findings: &mut Findings,
) -> Option<Provider> {
    let kind = provider.kind()?;
    let mut preset = preset::preset(key, section.path, kind, findings)?;
    let place = place(index, key, section.path, provider, kind, &preset, findings)?;
    let overridden = !matches!(place, Place::Host { ref host, .. } if Some(host) == preset.host.as_ref());
    // A host that stands for the provider's stands for all of them.
    let elsewhere = preset.rerank.take_if(|_| !overridden);
    preset.formats.extend(preset.rerank.take().map(|rerank| rerank.format));
    let http_version = effective.http.as_ref().and_then(|http| http.value.version);
    // A replaced host speaks plain HTTP unless TLS is asked for, as in agentgateway.
    let tls = match (&effective.tls, overridden) {
        (Some(tls), _) => Some(tls_settings(index, tls, &place.host_name(), http_version, findings)?),
        (None, false) => Some(Tls::system(&place.host_name(), http_version)),
        (None, true) => None,
    };
    let credentials =
        credentials::credentials(index, effective, &preset, &place.host_name(), key, section.name, findings)?;
    let guard = guard::resolve(index, effective.ai.prompt_guard.as_ref(), findings).map(Arc::new);
    let speaks = speaks(provider, &preset);
    // What a change of must not meet requests on their way: where they go, what is spoken there, and how Weir
    // authenticates itself. A secret's value is no part of it.
    let destination = format!(
        "{place:?} {tls:?} {} {:?} {:?} {:?}",
        spoken(&speaks),
        credentials.injected,
        credentials.signing,
        section.repeated
    );
    let inherited = effective.inherited.name();
    let cluster = names::provider_cluster(&key.namespace, &key.name, section.name, &destination, inherited);
    let filter = FilterConfig {
        version: filter_config::VERSION,
        name: preset.name.to_owned(),
        speaks,
        host: Some(place.authority(tls.is_some())),
        model: kind.model().map(str::to_owned),
        model_aliases: request_policy::model_aliases(&effective.ai),
        credential: credentials.filter,
        // Set for those that have others beside them on some route.
        credential_headers: Vec::new(),
        policy: request_policy::request_policy(&effective.ai, findings),
        // Set for those that have others beside them on some route.
        cluster: None,
        health: health::health(effective, findings),
        guarded: guard.is_some(),
        // Set for those that requests with a published model can reach.
        model_header: None,
        max_response_body_bytes: filter_config::DEFAULT_MAX_BODY_BYTES,
    };
    let mut resolved = Provider {
        cluster,
        place,
        tls,
        credentials: credentials.injected,
        signing: credentials.signing,
        filter: Some(filter),
        guard,
        connect_timeout: connect_timeout(effective),
        http_version,
        request_timeout: request_timeout(effective),
        source: key.clone(),
        rerank: None,
    };
    if let Some(Elsewhere { host, format }) = elsewhere {
        let mut rerank = resolved.clone();
        let tls = match &effective.tls {
            Some(tls) => tls_settings(index, tls, &host, http_version, findings)?,
            None => Tls::system(&host, http_version),
        };
        rerank.place = Place::Host { host, port: 443 };
        rerank.tls = Some(tls);
        if let Some(filter) = &mut rerank.filter {
            filter.host = Some(rerank.place.authority(true));
            filter.speaks = vec![resolve_paths(provider, format)];
        }
        let speaks = rerank.filter.as_ref().map(|filter| spoken(&filter.speaks));
        let destination = format!("{:?} {:?} {speaks:?} {destination}", rerank.place, rerank.tls);
        let name = format!("{}/rerank", section.name);
        rerank.cluster = names::provider_cluster(&key.namespace, &key.name, &name, &destination, inherited);
        resolved.rerank = Some(Box::new(rerank));
    }
    Some(resolved)
}

/// How long to wait for a connection by default, as agentgateway does.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn connect_timeout(effective: &Effective<'_>) -> Duration {
    let set = effective.tcp.as_ref().and_then(|tcp| tcp.value.connect_timeout.as_ref());
    set.map_or(CONNECT_TIMEOUT, resources::Duration::value)
}

pub(crate) fn request_timeout(effective: &Effective<'_>) -> Option<Duration> {
    effective
        .http
        .as_ref()
        .and_then(|http| http.value.request_timeout.as_ref())
        .map(resources::Duration::value)
}

fn place(
    index: &Index<'_>,
    key: &ObjectKey,
    path: &str,
    provider: &LlmProvider,
    kind: ProviderKind<'_>,
    preset: &Preset,
    findings: &mut Findings,
) -> Option<Place> {
    if let (Some(host), Some(port)) = (&provider.host, provider.port) {
        return Some(Place::host(host, port.number()));
    }
    if let ProviderKind::Custom(custom) = kind
        && let Some(reference) = &custom.backend_ref
    {
        let field = format!("{path}.custom.backendRef");
        if reference.kind.as_deref().is_some_and(|kind| !kind.is_empty() && kind != "Service") {
            findings.not_served(key, &field, "an InferencePool", "");
            return None;
        }
        let port = reference.port.map(resources::Port::number)?;
        return crate::service::find(index, key, &field, &key.namespace, &reference.name, port, findings)
            .map(|()| Place::Service {
                namespace: key.namespace.clone(),
                name: reference.name.clone(),
                port,
            });
    }
    preset.host.clone().map(|host| Place::Host { host, port: 443 })
}

/// What is spoken, for a fingerprint.
fn spoken(speaks: &[Upstream]) -> String {
    serde_json::to_string(speaks).unwrap_or_default()
}

/// The headers, in order, in which these providers get their credentials, where they are no usual ones.
pub(crate) fn credential_headers<'a>(providers: impl Iterator<Item = &'a Provider>) -> Vec<String> {
    let mut headers = BTreeSet::new();
    for provider in providers {
        headers.extend(provider.credentials.iter().map(|credential| credential.header.clone()));
        if let Some(Credential::ClientIn { header, .. }) =
            provider.filter.as_ref().map(|filter| &filter.credential)
        {
            headers.insert(header.clone());
        }
    }
    for known in CREDENTIAL_HEADERS {
        headers.remove(known);
    }
    headers.into_iter().collect()
}

/// What the filter is told of the formats, with paths as the object wants them.
fn speaks(provider: &LlmProvider, preset: &Preset) -> Vec<Upstream> {
    preset.formats.iter().cloned().map(|format| resolve_paths(provider, format)).collect()
}

fn resolve_paths(provider: &LlmProvider, format: Format) -> Upstream {
    let fixed = provider.path.as_deref().map(absolute);
    let prefix = provider.path_prefix.as_deref().map(absolute);
    format.resolve(fixed.as_deref(), prefix.as_deref())
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') || path.is_empty() { path.to_owned() } else { format!("/{path}") }
}
