//! AgentgatewayPolicies: where they apply, and the settings that hold for a route or a Gateway.

mod check;
mod closed;
mod contested;
mod effective;
mod scope;

use std::collections::BTreeMap;
use std::time::Duration;

use resources::{AgentgatewayPolicy, FrontendPolicy, Kind, ObjectKey, PolicyTargetRef, TrafficPolicy};

use crate::findings::Findings;
use crate::objects::Objects;
pub(crate) use closed::Closed;
use effective::Block;
pub(crate) use effective::{Ai, Effective, From, effective};
pub(crate) use scope::{Inherited, Scope};

/// The usable policies by what they target.
pub(crate) struct Policies<'a>(BTreeMap<ObjectKey, Vec<Attached<'a>>>);

/// A policy as attached to one target. Those of equal rank apply in the order of their names.
#[derive(Clone, Copy)]
struct Attached<'a> {
    key: &'a ObjectKey,
    policy: &'a AgentgatewayPolicy,
    section: Option<&'a str>,
}

impl<'a> Policies<'a> {
    /// Reports policies that are not in force, or not as they are written.
    pub(crate) fn new(objects: &'a Objects, findings: &mut Findings) -> Self {
        let mut attached: BTreeMap<ObjectKey, Vec<Attached<'a>>> = BTreeMap::new();
        for (key, policy) in objects.policies() {
            check::policy(objects, key, policy, findings);
            for target in policy.spec.target_refs.iter().flatten() {
                // Settings for one port of a Gateway are not served; they must not hold for all of it.
                if let Some(kind) = target_kind(target)
                    && target.port.is_none()
                {
                    let target_key =
                        ObjectKey { kind, namespace: key.namespace.clone(), name: target.name.clone() };
                    let section = target.section_name.as_deref();
                    attached.entry(target_key).or_default().push(Attached { key, policy, section });
                }
            }
        }
        contested::report(&attached, findings);
        Self(attached)
    }

    /// The policies attached to an object (`section` is `None`), or to a section of it.
    fn on(&self, target: &ObjectKey, section: Option<&str>) -> impl Iterator<Item = Attached<'a>> {
        let section = section.map(str::to_owned);
        let attached = self.0.get(target).map(Vec::as_slice).unwrap_or_default();
        attached.iter().copied().filter(move |one| one.section == section.as_deref())
    }

    /// What policies attached to an object, or to a section of it, set for backends; in the order of their names.
    fn backend_settings(&self, target: &ObjectKey, section: Option<&str>) -> Vec<Block<'a>> {
        let settings = self.on(target, section).filter_map(|attached| {
            let policy = attached.policy.spec.backend.as_ref()?;
            Some(Block { policy, object: attached.key.clone(), path: "spec.backend".to_owned() })
        });
        settings.collect()
    }

    /// The largest body a Gateway's policies allow, in bytes.
    pub(crate) fn max_buffer_size(&self, gateway: &ObjectKey) -> Option<u64> {
        self.on(gateway, None).find_map(|attached| {
            let http = attached.policy.spec.frontend.as_ref()?.http.as_ref()?;
            Some(http.max_buffer_size.as_ref()?.bytes())
        })
    }

    /// The frontend settings that hold for a port with these listeners, the narrowest first. What Envoy tells about
    /// requests it tells for a whole port: settings for one of several listeners are reported and do not hold.
    pub(crate) fn frontend(
        &self,
        gateway: &ObjectKey,
        listeners: &[&str],
        findings: &mut Findings,
    ) -> Vec<(&'a ObjectKey, &'a FrontendPolicy)> {
        let mut found = Vec::new();
        for listener in listeners {
            for attached in self.on(gateway, Some(listener)) {
                let Some(frontend) = attached.policy.spec.frontend.as_ref() else { continue };
                if listeners.len() == 1 {
                    found.push((attached.key, frontend));
                } else {
                    let what = "spec.frontend for one of several listeners with the same port";
                    findings.ignored(attached.key, "spec.targetRefs", what, "target the whole Gateway");
                }
            }
        }
        let whole = self.on(gateway, None);
        found.extend(
            whole.filter_map(|attached| Some((attached.key, attached.policy.spec.frontend.as_ref()?))),
        );
        found
    }

    /// The policy that limits requests: that of the narrowest part of their way alone.
    pub(crate) fn rate_limit(&self, scope: Scope<'_>) -> Option<&'a ObjectKey> {
        self.traffic(scope, |traffic| traffic.rate_limit.as_ref()).map(|(key, _)| key)
    }

    /// The policy whose tokens requests must show: that of the narrowest part of their way alone.
    pub(crate) fn jwt(&self, scope: Scope<'_>) -> Option<&'a ObjectKey> {
        self.traffic(scope, |traffic| traffic.jwt_authentication.as_ref()).map(|(key, _)| key)
    }

    /// The policy whose API keys requests must show: that of the narrowest part of their way alone.
    pub(crate) fn api_keys(&self, scope: Scope<'_>) -> Option<&'a ObjectKey> {
        self.traffic(scope, |traffic| traffic.api_key_authentication.as_ref()).map(|(key, _)| key)
    }

    /// The time for a whole request: that of the narrowest part of its way.
    pub(crate) fn request_timeout(&self, scope: Scope<'_>) -> Option<Duration> {
        let timeout = |traffic: &'a TrafficPolicy| traffic.timeouts.as_ref()?.request.as_ref();
        self.traffic(scope, timeout).map(|(_, timeout)| timeout.value())
    }

    /// A field of the traffic policies on the way of a request, with the policy that sets it: that for the rule, else the
    /// route, the listener, the Gateway.
    fn traffic<T>(
        &self,
        scope: Scope<'_>,
        field: impl Fn(&'a TrafficPolicy) -> Option<&'a T>,
    ) -> Option<(&'a ObjectKey, &'a T)> {
        let find = |target: &ObjectKey, section: Option<&str>| {
            self.on(target, section)
                .find_map(|attached| Some((attached.key, field(attached.policy.spec.traffic.as_ref()?)?)))
        };
        let of_route = scope.route.and_then(|(route, rule)| {
            rule.and_then(|rule| find(route, Some(rule))).or_else(|| find(route, None))
        });
        of_route.or_else(|| find(scope.gateway, Some(scope.listener?))).or_else(|| find(scope.gateway, None))
    }

    /// Whether policies for a listener itself say anything of requests that come through it.
    pub(crate) fn listener_has_settings(&self, gateway: &ObjectKey, listener: &str) -> bool {
        self.on(gateway, Some(listener)).any(|attached| {
            let spec = &attached.policy.spec;
            spec.backend.is_some() || spec.traffic.is_some()
        })
    }
}

/// The kind of a target, for kinds Weir reads.
fn target_kind(target: &PolicyTargetRef) -> Option<Kind> {
    kind(&target.kind)
}

/// Whatever the case it is written in: a policy for a `HttpRoute` is refused, and must close the route all the same.
fn kind(name: &str) -> Option<Kind> {
    const TARGETS: [Kind; 4] = [Kind::AgentgatewayBackend, Kind::Gateway, Kind::HttpRoute, Kind::Service];
    TARGETS.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
}
