//! Which listeners a route is attached to, and under which host names.

use std::collections::BTreeMap;

use resources::gateway_api::gateways::{
    GatewayListeners, GatewayListenersAllowedRoutesKinds, GatewayListenersAllowedRoutesNamespacesFrom,
    GatewayListenersAllowedRoutesNamespacesSelector,
};
use resources::gateway_api::httproutes::{HttpRoute, HttpRouteParentRefs};
use resources::{Kind, ObjectKey};

use crate::index::Index;
use crate::objects::Objects;

/// A port some Gateway listens on.
pub(crate) struct Port<'a> {
    /// The Gateway it belongs to.
    pub(crate) gateway: ObjectKey,
    pub(crate) number: u16,
    /// Its listeners on the port, with their places in `spec.listeners`.
    pub(crate) listeners: Vec<(usize, &'a GatewayListeners)>,
}

/// The listeners of a port that a route or a model is attached to by one parent reference.
pub(crate) fn listeners_of<'a>(
    objects: &Objects,
    port: &Port<'a>,
    key: &ObjectKey,
    parent: &HttpRouteParentRefs,
) -> impl Iterator<Item = &'a GatewayListeners> {
    let named = is_gateway(parent)
        && parent.name == port.gateway.name
        && parent.namespace.as_deref().unwrap_or(&key.namespace) == port.gateway.namespace
        && parent.port.is_none_or(|number| number == i32::from(port.number));
    let listeners = if named { port.listeners.as_slice() } else { &[] };
    listeners.iter().map(|(_, listener)| *listener).filter(move |listener| {
        parent.section_name.as_ref().is_none_or(|section| *section == listener.name)
            && allows(objects, listener, port, key)
    })
}

/// Whether a policy that is not in force closes the way to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Guard {
    Open,
    Closed,
}

/// Whether the way through a listener is closed.
pub(crate) fn guard(index: &Index<'_>, port: &Port<'_>, listener: &str) -> Guard {
    let closed = index.closed.whole(&port.gateway)
        || index.closed.port(&port.gateway, port.number)
        || index.closed.section(&port.gateway, listener);
    if closed { Guard::Closed } else { Guard::Open }
}

/// The listener, where policies for it say anything: requests through the others are all alike.
pub(crate) fn with_settings<'a>(index: &Index<'_>, port: &Port<'_>, listener: &'a str) -> Option<&'a str> {
    index.policies.listener_has_settings(&port.gateway, listener).then_some(listener)
}

/// How a host name is served.
pub(crate) struct Attached<'a> {
    pub(crate) guard: Guard,
    /// The listener with the narrowest hostname that serves it: requests come through that one.
    pub(crate) listener: &'a GatewayListeners,
}

/// The host names under which a route is served on a port.
pub(crate) fn attached_hosts<'a>(
    index: &Index<'_>,
    port: &Port<'a>,
    key: &ObjectKey,
    route: &HttpRoute,
) -> BTreeMap<String, Attached<'a>> {
    let mut hosts: BTreeMap<String, Attached<'a>> = BTreeMap::new();
    for parent in route.spec.parent_refs.iter().flatten() {
        for listener in listeners_of(index.objects, port, key, parent) {
            let guard = guard(index, port, &listener.name);
            for host in common_hosts(listener.hostname.as_deref(), route.spec.hostnames.as_deref()) {
                let known = hosts.entry(host).or_insert(Attached { guard, listener });
                known.guard = guard.max(known.guard);
                if narrowness(listener) > narrowness(known.listener) {
                    known.listener = listener;
                }
            }
        }
    }
    hosts
}

/// How narrow the hostname of a listener is: a name before a pattern, a longer pattern before a shorter one, all before
/// none.
fn narrowness(listener: &GatewayListeners) -> (bool, usize) {
    let host = listener.hostname.as_deref().unwrap_or_default();
    (!host.is_empty() && !host.starts_with('*'), host.len())
}

/// Whether a parent reference is one to a Gateway.
pub(crate) fn is_gateway(parent: &HttpRouteParentRefs) -> bool {
    parent.kind.as_deref().unwrap_or("Gateway") == "Gateway"
        && parent.group.as_deref().unwrap_or(Kind::Gateway.group()) == Kind::Gateway.group()
}

/// Whether a listener takes objects of this kind from a namespace: HTTPRoutes unless it lists other kinds, models only
/// when it lists them.
fn allows(objects: &Objects, listener: &GatewayListeners, port: &Port<'_>, route: &ObjectKey) -> bool {
    let allowed = listener.allowed_routes.as_ref();
    let kinds = allowed.and_then(|allowed| allowed.kinds.as_ref());
    let kinds = kinds.map(Vec::as_slice).unwrap_or_default();
    let listed = |kind: &GatewayListenersAllowedRoutesKinds| {
        kind.kind == route.kind.name()
            && kind.group.as_deref().unwrap_or(Kind::HttpRoute.group()) == route.kind.group()
    };
    let kind = (kinds.is_empty() && route.kind == Kind::HttpRoute) || kinds.iter().any(listed);
    let namespaces = allowed.and_then(|allowed| allowed.namespaces.as_ref());
    let namespace = match namespaces.and_then(|namespaces| namespaces.from.as_ref()) {
        Some(GatewayListenersAllowedRoutesNamespacesFrom::All) => true,
        Some(GatewayListenersAllowedRoutesNamespacesFrom::Selector) => {
            let selector = namespaces.and_then(|namespaces| namespaces.selector.as_ref());
            selector.is_some_and(|selector| selects(selector, &namespace_labels(objects, &route.namespace)))
        }
        _ => route.namespace == port.gateway.namespace,
    };
    kind && namespace
}

/// The labels of a namespace; Kubernetes gives each its own name as one.
fn namespace_labels(objects: &Objects, name: &str) -> BTreeMap<String, String> {
    let namespace = objects.namespace("", name);
    let mut labels = namespace.and_then(|namespace| namespace.metadata.labels.clone()).unwrap_or_default();
    labels.insert("kubernetes.io/metadata.name".to_owned(), name.to_owned());
    labels
}

/// Whether a label selector selects something with these labels. An operator that does not exist selects nothing.
fn selects(
    selector: &GatewayListenersAllowedRoutesNamespacesSelector,
    labels: &BTreeMap<String, String>,
) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(name, value)| labels.get(name) == Some(value));
    let hold = selector.match_expressions.iter().flatten().all(|expression| {
        let values = expression.values.as_deref().unwrap_or_default();
        let own = labels.get(&expression.key);
        match expression.operator.as_str() {
            "In" => own.is_some_and(|own| values.contains(own)),
            "NotIn" => own.is_none_or(|own| !values.contains(own)),
            "Exists" => own.is_some(),
            "DoesNotExist" => own.is_none(),
            _ => false,
        }
    });
    equal && hold
}

/// The host names a listener and a route have in common; `*` stands for any.
pub(crate) fn common_hosts(listener: Option<&str>, route: Option<&[String]>) -> Vec<String> {
    let listener = listener.filter(|host| !host.is_empty());
    let mut common = match (listener, route.filter(|hosts| !hosts.is_empty())) {
        (None, None) => vec!["*".to_owned()],
        (Some(host), None) => vec![host.to_owned()],
        (None, Some(hosts)) => hosts.to_vec(),
        (Some(listener), Some(hosts)) => hosts.iter().filter_map(|host| narrower(listener, host)).collect(),
    };
    // Envoy compares them without case and takes none twice.
    common.iter_mut().for_each(|host| host.make_ascii_lowercase());
    common
}

/// The narrower of two host names, when one covers the other. `*.example.com` covers any name with at
/// least one more label.
fn narrower(a: &str, b: &str) -> Option<String> {
    let covers = |wide: &str, narrow: &str| {
        wide == narrow
            || wide.strip_prefix('*').is_some_and(|suffix| {
                narrow.len() > suffix.len() && narrow.trim_start_matches('*').ends_with(suffix)
            })
    };
    if covers(a, b) {
        Some(b.to_owned())
    } else if covers(b, a) {
        Some(a.to_owned())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_meet() {
        assert_eq!(common_hosts(None, None), ["*"]);
        assert_eq!(common_hosts(Some("a.com"), None), ["a.com"]);
        assert_eq!(common_hosts(Some("*.A.com"), None), ["*.a.com"]);
        let routes = ["x.a.com".to_owned(), "*.a.com".to_owned(), "b.com".to_owned()];
        assert_eq!(common_hosts(Some("*.a.com"), Some(&routes)), ["x.a.com", "*.a.com"]);
        assert_eq!(common_hosts(Some("x.a.com"), Some(&routes)), ["x.a.com", "x.a.com"]);
        assert_eq!(narrower("*.a.com", "a.com"), None);
        assert_eq!(narrower("*.a.com", "*.b.a.com").as_deref(), Some("*.b.a.com"));
    }
}
