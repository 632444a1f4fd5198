//! Where a rule's traffic goes: its backend references, followed.

use std::sync::Arc;

use resources::gateway_api::httproutes::{HttpRouteRulesBackendRefs, HttpRouteRulesBackendRefsFiltersType};
use resources::{Kind, ObjectKey, PolicyBackendRef};

use crate::backend::{self, Backend};
use crate::findings::Findings;
use crate::index::Index;
use crate::names;
use crate::policy::{Effective, From, Inherited};
use crate::provider::{CONNECT_TIMEOUT, Place, Provider};
use crate::route::Context;
use crate::service;

/// One backend reference with its share of the traffic.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    pub(crate) weight: u32,
    pub(crate) target: Target,
}

/// What a backend reference leads to.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// Providers in groups of preference.
    Backend(Arc<Backend>),
    /// Nothing; its share of the traffic is answered with 500, as the Gateway API demands.
    Nowhere,
}

impl Target {
    /// The groups of clusters, in order of preference.
    pub(crate) fn groups(&self) -> Vec<Vec<&Provider>> {
        match self {
            Self::Backend(backend) => backend.groups.iter().map(|group| group.iter().collect()).collect(),
            Self::Nowhere => Vec::new(),
        }
    }

    /// Whether it is an LLM provider.
    pub(crate) fn is_llm(&self) -> bool {
        matches!(self, Self::Backend(backend) if backend.groups.iter().flatten().any(|p| p.filter.is_some()))
    }
}

/// Follows the references of a rule, for which this is `inherited`. Those without weight take no part.
pub(crate) fn follow(
    context: Context<'_>,
    route: &ObjectKey,
    path: &str,
    references: &[HttpRouteRulesBackendRefs],
    inherited: &Inherited<'_>,
    findings: &mut Findings,
) -> Vec<Destination> {
    let mut destinations = Vec::new();
    for (index, reference) in references.iter().enumerate() {
        let path = format!("{path}.backendRefs[{index}]");
        let weight = u32::try_from(reference.weight.unwrap_or(1)).unwrap_or(0);
        let filtered = has_unserved_filter(route, &path, reference, findings);
        let target = match target(context, route, &path, reference, inherited, findings) {
            Some(backend) if !filtered => Target::Backend(backend),
            _ => Target::Nowhere,
        };
        if weight > 0 {
            destinations.push(Destination { weight, target });
        }
    }
    destinations
}

/// Whether a reference has a filter it must not be served without.
fn has_unserved_filter(
    route: &ObjectKey,
    path: &str,
    reference: &HttpRouteRulesBackendRefs,
    findings: &mut Findings,
) -> bool {
    let mut unserved = false;
    for (index, filter) in reference.filters.iter().flatten().enumerate() {
        let path = format!("{path}.filters[{index}]");
        let what = format!("the filter {:?} on one backend", filter.r#type);
        if filter.r#type == HttpRouteRulesBackendRefsFiltersType::RequestMirror {
            findings.ignored(route, &path, &what, "requests are not mirrored");
        } else {
            let remedy = "this backend's share is answered with 500; put the filter on the rule";
            findings.not_served(route, &path, &what, remedy);
            unserved = true;
        }
    }
    unserved
}

fn target(
    context: Context<'_>,
    route: &ObjectKey,
    path: &str,
    reference: &HttpRouteRulesBackendRefs,
    inherited: &Inherited<'_>,
    findings: &mut Findings,
) -> Option<Arc<Backend>> {
    let namespace = reference.namespace.as_deref().unwrap_or(&route.namespace);
    let group = reference.group.as_deref().unwrap_or_default();
    let kind = reference.kind.as_deref().unwrap_or("Service");
    let name = &reference.name;
    if namespace != route.namespace && !granted(context.index, route, namespace, group, kind, name) {
        let message =
            format!("{kind} {namespace}/{name} may not be referred to from namespace {}", route.namespace);
        findings.error(route, path, message, "create a ReferenceGrant in that namespace");
        return None;
    }
    match (group, kind) {
        ("agentgateway.dev", "AgentgatewayBackend") => {
            let key = ObjectKey {
                kind: Kind::AgentgatewayBackend,
                namespace: namespace.to_owned(),
                name: reference.name.clone(),
            };
            let Some(object) = context.index.objects.backend(&key.namespace, &key.name) else {
                let absence = context.index.objects.absence(&key);
                findings.error(route, path, absence.message, absence.remedy);
                return None;
            };
            let resolved = context.backends.backend(context.index, &key, object, inherited, findings);
            // The policy that closes a backend says so itself.
            if resolved.is_none() && !context.index.closed.whole(&key) {
                findings.error(
                    route,
                    path,
                    format!("{key} has no usable provider"),
                    "see what is reported about it",
                );
            }
            resolved
        }
        ("", "Service") => {
            let Some(port) = reference.port.and_then(|port| u16::try_from(port).ok()) else {
                findings.error(route, &format!("{path}.port"), "a Service needs a port", "add it");
                return None;
            };
            service::find(context.index, route, path, namespace, name, port, findings)?;
            let key = crate::objects::key(Kind::Service, namespace, name);
            if !is_served_by_service(inherited, &key, findings) {
                return None;
            }
            let groups = vec![vec![service_provider(namespace, name, port)]];
            Some(Arc::new(Backend { groups, ..Backend::default() }))
        }
        _ => {
            let message = match group {
                "" => format!("{kind}, without a group, is no kind of backend Weir knows"),
                _ => format!("{group}/{kind} is no kind of backend Weir knows"),
            };
            let remedy = "refer to a Service, or with group agentgateway.dev to an AgentgatewayBackend";
            findings.error(route, path, message, remedy);
            None
        }
    }
}

/// Whether a Service can be reached where this is inherited: nothing of it is put on requests to one. What protects
/// something closes the way, other settings are left out.
fn is_served_by_service(inherited: &Inherited<'_>, service: &ObjectKey, findings: &mut Findings) -> bool {
    let set = Effective::default().inheriting(inherited);
    let protects = [
        set.auth.as_ref().map(|auth| ("auth", auth.place())),
        set.tls.as_ref().map(|tls| ("tls", tls.place())),
        set.ai.prompt_guard.as_ref().map(|guard| ("a prompt guard", guard.place())),
    ];
    for (what, (object, path)) in protects.iter().flatten() {
        let remedy = "requests for it are answered with 500 rather than sent without it; refer to an \
                      AgentgatewayBackend, or use a route that the policy is not for";
        findings.not_served(object, path, &format!("{what} for {service}"), remedy);
    }
    let tunes = [
        set.tcp.as_ref().map(|tcp| ("tcp", tcp.place())),
        set.http.as_ref().map(|http| ("http", http.place())),
        set.health.as_ref().map(|health| ("health", health.place())),
    ];
    for (what, (object, path)) in tunes.iter().flatten() {
        findings.ignored(object, path, &format!("{what} for a Service"), "refer to an AgentgatewayBackend");
    }
    protects.iter().all(Option::is_none)
}

pub(crate) fn service_provider(namespace: &str, name: &str, port: u16) -> Provider {
    let cluster = names::service_cluster(namespace, name, port);
    let source = ObjectKey { kind: Kind::Service, namespace: namespace.to_owned(), name: name.to_owned() };
    Provider {
        place: Place::Service { namespace: namespace.to_owned(), name: name.to_owned(), port },
        ..plain_provider(cluster, source)
    }
}

/// A destination that is no LLM provider, with nothing set; its place is still to be said.
pub(crate) fn plain_provider(cluster: String, source: ObjectKey) -> Provider {
    Provider {
        cluster,
        place: Place::Socket(String::new()),
        tls: None,
        credentials: Vec::new(),
        signing: None,
        filter: None,
        guard: None,
        connect_timeout: CONNECT_TIMEOUT,
        http_version: None,
        request_timeout: None,
        source,
        rerank: None,
    }
}

/// Who a policy calls: a Service, or a backend with `static`. `None` when there is nobody, which has then been reported.
pub(crate) fn fixed(
    index: &Index<'_>,
    reference: &From<'_, PolicyBackendRef>,
    findings: &mut Findings,
) -> Option<Provider> {
    let From { value: backend, object: policy, path: field } = reference;
    let namespace = backend.namespace.as_deref().unwrap_or(&policy.namespace);
    if namespace != policy.namespace
        && !granted(
            index,
            policy,
            namespace,
            backend.group.as_deref().unwrap_or_default(),
            backend.kind.as_deref().unwrap_or("Service"),
            &backend.name,
        )
    {
        let message = format!(
            "{namespace}/{} may not be referred to from namespace {}",
            backend.name, policy.namespace
        );
        findings.error(policy, field, message, "create a ReferenceGrant in that namespace");
        return None;
    }
    if backend.kind.as_deref() != Some(Kind::AgentgatewayBackend.name()) {
        let port = backend.port?.number();
        service::find(index, policy, field, namespace, &backend.name, port, findings)?;
        return Some(service_provider(namespace, &backend.name, port));
    }
    let key = crate::objects::key(Kind::AgentgatewayBackend, namespace, &backend.name);
    let Some(object) = index.objects.backend(namespace, &backend.name) else {
        let absence = index.objects.absence(&key);
        findings.error(policy, field, absence.message, absence.remedy);
        return None;
    };
    if object.spec.static_.is_none() {
        let message = format!("{key} is no fixed destination");
        findings.error(policy, field, message, "refer to one with `static`");
        return None;
    }
    let resolved = backend::resolve(index, &key, object, &Inherited::default(), findings);
    if resolved.is_none() {
        let message = format!("{key} cannot be used");
        findings.error(policy, field, message, "see what is reported about it");
    }
    resolved?.groups.into_iter().flatten().next()
}

/// Whether a ReferenceGrant lets a route or policy refer to an object of another namespace.
pub(crate) fn granted(
    index: &Index<'_>,
    route: &ObjectKey,
    namespace: &str,
    group: &str,
    kind: &str,
    name: &str,
) -> bool {
    index.objects.reference_grants().any(|(key, grant)| {
        key.namespace == namespace
            && grant.spec.from.iter().any(|from| {
                from.group == route.kind.group()
                    && from.kind == route.kind.name()
                    && from.namespace == route.namespace
            })
            && grant.spec.to.iter().any(|to| {
                to.group == group && to.kind == kind && to.name.as_ref().is_none_or(|wanted| wanted == name)
            })
    })
}
