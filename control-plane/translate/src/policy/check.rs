//! Reports policies that are not in force, or not as they are written: targets that do not exist, and
//! combinations this version does not serve.

use resources::{AgentgatewayBackend, AgentgatewayPolicy, Kind, ObjectKey, PolicyTargetRef};

use super::target_kind;
use crate::findings::Findings;
use crate::objects::Objects;

pub(super) fn policy(
    objects: &Objects,
    key: &ObjectKey,
    policy: &AgentgatewayPolicy,
    findings: &mut Findings,
) {
    if policy.spec.traffic.as_ref().is_some_and(|traffic| traffic.retry.is_some()) {
        findings.ignored(key, "spec.traffic.retry", "retry by policy", "use the rule's own `retry`");
    }
    for (index, target) in policy.spec.target_refs.iter().flatten().enumerate() {
        check_target(objects, key, policy, target, &format!("spec.targetRefs[{index}]"), findings);
    }
}

fn check_target(
    objects: &Objects,
    key: &ObjectKey,
    policy: &AgentgatewayPolicy,
    target: &PolicyTargetRef,
    path: &str,
    findings: &mut Findings,
) {
    let Some(kind) = target_kind(target) else {
        let what = format!("a policy for a {}", target.kind);
        findings.not_served(key, &format!("{path}.kind"), &what, "");
        return;
    };
    let wanted = ObjectKey { kind, namespace: key.namespace.clone(), name: target.name.clone() };
    if !objects.contains(&wanted) {
        findings.error(
            key,
            path,
            format!("{}, so the policy is not attached", objects.absence(&wanted).message),
            "create it in the namespace of the policy, or correct the name",
        );
        return;
    }
    if let Some(section) = &target.section_name
        && has_section(objects, &wanted, section) == Some(false)
    {
        let message = format!("{wanted} has no section `{section}`, so the policy is not attached");
        findings.error(key, &format!("{path}.sectionName"), message, "correct the name, or leave it out");
        return;
    }
    if let Some(backend) = &policy.spec.backend
        && kind == Kind::Service
    {
        // `auth` and `tls` are reported, and what they were to protect is closed, by `closed`.
        let fields = [
            ("tcp", backend.tcp.is_some()),
            ("http", backend.http.is_some()),
            ("health", backend.health.is_some()),
        ];
        for (field, _) in fields.iter().filter(|(_, set)| *set) {
            let what = format!("spec.backend.{field} for a {}", target.kind);
            let remedy = "target the AgentgatewayBackend instead, or set its spec.policies";
            findings.ignored(key, path, &what, remedy);
        }
    }
    if policy.spec.frontend.is_some() && target.port.is_some() {
        findings.ignored(
            key,
            &format!("{path}.port"),
            "spec.frontend for one port",
            "target the whole Gateway",
        );
    }
}

/// Whether an object has a section; `None` when it is refused and so cannot be looked into.
fn has_section(objects: &Objects, object: &ObjectKey, section: &str) -> Option<bool> {
    let (namespace, name) = (object.namespace.as_str(), object.name.as_str());
    match object.kind {
        Kind::AgentgatewayBackend => {
            let backend = objects.backend(namespace, name)?;
            Some(sections(backend).any(|known| known == section))
        }
        Kind::HttpRoute => {
            let route = objects.http_route(namespace, name)?;
            Some(route.spec.rules.iter().flatten().any(|rule| rule.name.as_deref() == Some(section)))
        }
        Kind::Gateway => {
            let gateway = objects.gateway(namespace, name)?;
            Some(gateway.spec.listeners.iter().any(|listener| listener.name == section))
        }
        Kind::Service => {
            let service = objects.service(namespace, name)?;
            let mut ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
            Some(ports.any(|port| port.port.to_string() == section))
        }
        _ => None,
    }
}

/// The section names of a backend: its providers.
fn sections(backend: &AgentgatewayBackend) -> impl Iterator<Item = &str> {
    let ai = backend.spec.ai.as_ref();
    let single = ai.filter(|ai| ai.provider.is_some()).map(|_| resources::AiBackend::SINGLE_PROVIDER);
    let grouped = ai.and_then(|ai| ai.groups.as_ref()).into_iter().flatten();
    single
        .into_iter()
        .chain(grouped.flat_map(|group| group.providers.iter().map(|provider| provider.name.as_str())))
}
