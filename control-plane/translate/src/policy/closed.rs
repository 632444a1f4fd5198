//! What must not be served because a policy for it is not in force.
//!
//! A policy may guard what it targets. When it is refused as a whole, or asks for a credential or for TLS to a
//! Service, which this version does not serve, traffic must not flow as if it did not exist: what it targets is
//! answered with 500 until the policy is corrected or deleted. So is what waits for something that cannot be read.

use std::collections::BTreeSet;

use resources::{AgentgatewayPolicy, Kind, ObjectKey};

use super::{kind, target_kind};
use crate::findings::Findings;
use crate::objects::Objects;

/// Objects, sections and ports that are closed.
#[derive(Debug, Default)]
pub(crate) struct Closed(BTreeSet<(ObjectKey, Part)>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Whole,
    Section(String),
    Port(u16),
}

impl Closed {
    pub(crate) fn new(objects: &Objects, findings: &mut Findings) -> Self {
        let mut closed = Self(objects.held().map(|key| (key.clone(), Part::Whole)).collect());
        for (key, policy) in objects.refused_policies() {
            if only_observes(policy) {
                let message = "the policy is refused, so nothing in it is in force";
                findings.warning(key, "", message, "correct what else is reported about it");
                continue;
            }
            let targets = targets(objects, key, policy);
            if !targets.is_empty() {
                let message =
                    "the policy is refused, so what it targets is answered with 500 rather than unguarded";
                findings.error(key, "", message, "correct what else is reported about it, or delete it");
            }
            closed.0.extend(targets);
        }
        for (key, policy) in objects.policies() {
            let Some(backend) = &policy.spec.backend else { continue };
            let fields = [("auth", backend.auth.is_some()), ("tls", backend.tls.is_some())];
            for (field, set) in fields {
                for (index, target) in policy.spec.target_refs.iter().flatten().enumerate() {
                    if !set || target.kind != Kind::Service.name() {
                        continue;
                    }
                    let what = format!("spec.backend.{field} for a {}", target.kind);
                    let remedy = "until the policy targets the AgentgatewayBackend instead, requests are \
                                  answered with 500 rather than sent without it";
                    findings.not_served(key, &format!("spec.targetRefs[{index}]"), &what, remedy);
                }
                if set {
                    let targets = targets(objects, key, policy);
                    closed.0.extend(targets.into_iter().filter(|(key, _)| key.kind == Kind::Service));
                }
            }
        }
        closed
    }

    /// Whether an object is closed as a whole.
    pub(crate) fn whole(&self, object: &ObjectKey) -> bool {
        self.0.contains(&(object.clone(), Part::Whole))
    }

    /// Whether a section of an object is closed by itself.
    pub(crate) fn section(&self, object: &ObjectKey, section: &str) -> bool {
        self.0.contains(&(object.clone(), Part::Section(section.to_owned())))
    }

    /// Whether a port of a Gateway is closed by itself.
    pub(crate) fn port(&self, gateway: &ObjectKey, port: u16) -> bool {
        self.0.contains(&(gateway.clone(), Part::Port(port)))
    }
}

/// Whether a policy has nothing that guards anything: without it, less is told of requests, or they may be of another
/// size.
fn only_observes(policy: &AgentgatewayPolicy) -> bool {
    let spec = &policy.spec;
    spec.traffic.is_none()
        && spec.backend.is_none()
        && spec.frontend.as_ref().is_some_and(|frontend| {
            frontend.network_authorization.is_none()
                && frontend.connect.is_none()
                && frontend.proxy_protocol.is_none()
                && frontend.tls.is_none()
        })
}

/// What a policy targets, by name or by label.
fn targets(objects: &Objects, key: &ObjectKey, policy: &AgentgatewayPolicy) -> Vec<(ObjectKey, Part)> {
    let part = |section: Option<&String>, port: Option<resources::Port>| match (section, port) {
        (Some(section), _) => Part::Section(section.clone()),
        (None, Some(port)) => Part::Port(port.number()),
        (None, None) => Part::Whole,
    };
    let mut found = Vec::new();
    for target in policy.spec.target_refs.iter().flatten() {
        let Some(kind) = target_kind(target) else { continue };
        let object = ObjectKey { kind, namespace: key.namespace.clone(), name: target.name.clone() };
        if objects.contains(&object) {
            found.push((object, part(target.section_name.as_ref(), target.port)));
        }
    }
    for selector in policy.spec.target_selectors.iter().flatten() {
        let Some(kind) = kind(&selector.kind) else { continue };
        let part = part(selector.section_name.as_ref(), selector.port);
        let objects = objects.labelled(kind, &key.namespace, &selector.match_labels);
        found.extend(objects.into_iter().map(|object| (object, part.clone())));
    }
    found
}
