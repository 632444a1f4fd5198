//! Gateways: their listeners, the routes attached to them, and from there everything Envoy needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use resources::gateway_api::gateways::Gateway;
use resources::{Kind, ObjectKey};

use crate::attachment::{
    Attached, Guard, Port, attached_hosts, common_hosts, guard, is_gateway, listeners_of, with_settings,
};
use crate::authentication::{self, Authentication, Chain};
use crate::destination::Target;
use crate::envoy;
use crate::findings::Findings;
use crate::index::{Backends, Index};
use crate::limit::{self, Limited, Limits};
use crate::model::{self, Models};
use crate::names;
use crate::objects::Objects;
use crate::output::{ServedRoute, Translation};
use crate::provider::{self, Provider};
use crate::route::{self, Choice, Context, Entry};
use crate::settings::{CLASS_NAME, Settings};
use crate::telemetry;

pub(crate) fn translate(objects: &Objects, settings: &Settings) -> Translation {
    let mut findings = Findings::default();
    let mut out = Translation::default();
    let index = Index::new(objects, &mut findings);
    let backends = Backends::default();
    let models = Models::new(&index);
    let limits = limit::resolve(&index, settings, &mut findings);
    let authentication = authentication::resolve(&index, &mut findings);
    let ports = ports(objects, settings, &mut findings);
    report_gateways(objects, settings, &mut findings);
    report_routes(objects, settings, &ports, &mut findings);
    let is_ours = |key: &ObjectKey| {
        objects
            .gateway(&key.namespace, &key.name)
            .is_some_and(|gateway| is_ours(objects, settings, key, gateway, &mut Findings::default()))
    };
    model::report(&models, objects, &ports, is_ours, &mut findings);
    let mut providers = Providers::default();
    let all = All {
        index: &index,
        backends: &backends,
        models: &models,
        limits: &limits,
        authentication: &authentication,
    };
    for port in &ports {
        translate_port(all, settings, port, &mut providers, &mut out, &mut findings);
    }
    backends.report_unreached(&index, &mut findings);
    models.report_unreached(&index, &mut findings);
    let with_others =
        providers.reached.iter().filter(|(cluster, _)| providers.with_others.contains(*cluster));
    let credential_headers = provider::credential_headers(with_others.map(|(_, provider)| provider));
    for (cluster, mut provider) in providers.reached {
        if let Some(filter) = &mut provider.filter {
            if providers.with_published_model.contains(&cluster) {
                filter.model_header = Some(filter_config::MODEL_HEADER.to_owned());
            }
            if providers.with_others.contains(&cluster) {
                filter.cluster = Some(cluster.clone());
                filter.credential_headers.clone_from(&credential_headers);
            }
        }
        if let (Some(guard), Some(max_body)) = (&mut provider.guard, providers.max_body.get(&cluster)) {
            Arc::make_mut(guard).config.max_request_body_bytes = *max_body;
        }
        envoy::provider(&index, settings, &provider, &mut out);
    }
    out.findings = findings.into_vec();
    out
}

/// What routes can lead to.
#[derive(Clone, Copy)]
struct All<'a> {
    index: &'a Index<'a>,
    backends: &'a Backends,
    models: &'a Models<'a>,
    limits: &'a Limits,
    authentication: &'a Authentication,
}

/// The providers some route leads to, by cluster.
#[derive(Default)]
struct Providers {
    reached: BTreeMap<String, Provider>,
    /// Those that requests with a published model can reach.
    with_published_model: BTreeSet<String>,
    /// Those that have others beside them on some route.
    with_others: BTreeSet<String>,
    /// The largest request body, in bytes, that can reach those with a guard.
    max_body: BTreeMap<String, u64>,
}

/// The ports our Gateways listen on. A port belongs to one Gateway: the first by name.
fn ports<'a>(objects: &'a Objects, settings: &Settings, findings: &mut Findings) -> Vec<Port<'a>> {
    let mut ports: BTreeMap<u16, Port<'a>> = BTreeMap::new();
    for (key, gateway) in objects.gateways() {
        if !is_ours(objects, settings, key, gateway, findings) {
            continue;
        }
        for (index, listener) in gateway.spec.listeners.iter().enumerate() {
            let path = format!("spec.listeners[{index}]");
            if listener.protocol != "HTTP" {
                let what = format!("a listener with protocol {}", listener.protocol);
                findings.not_served(key, &format!("{path}.protocol"), &what, "use HTTP");
                continue;
            }
            let Ok(number) = u16::try_from(listener.port) else {
                findings.error(key, &format!("{path}.port"), "must be 1 to 65535", "");
                continue;
            };
            let port = ports.entry(number).or_insert_with(|| Port {
                gateway: key.clone(),
                number,
                listeners: Vec::new(),
            });
            if port.gateway != *key {
                let message = format!("port {number} is taken by {}", port.gateway);
                findings.error(key, &format!("{path}.port"), message, "choose another port");
                continue;
            }
            if port.listeners.iter().any(|(_, other)| other.hostname == listener.hostname) {
                let message = format!("another listener has port {number} and the same hostname");
                findings.error(key, &path, message, "give one of them another port or hostname");
                continue;
            }
            port.listeners.push((index, listener));
        }
    }
    ports.into_values().collect()
}

fn is_ours(
    objects: &Objects,
    settings: &Settings,
    key: &ObjectKey,
    gateway: &Gateway,
    findings: &mut Findings,
) -> bool {
    let class = &gateway.spec.gateway_class_name;
    match objects.gateway_class("", class) {
        Some(object) => object.spec.controller_name == settings.controller_name,
        None if class == CLASS_NAME
            && !objects.is_refused(&crate::objects::key(Kind::GatewayClass, "", class)) =>
        {
            true
        }
        None => {
            let class = crate::objects::key(Kind::GatewayClass, "", class);
            let message = format!("{}, so the Gateway is not served", objects.absence(&class).message);
            findings.error(
                key,
                "spec.gatewayClassName",
                message,
                "create it, or use the class `agentgateway`",
            );
            false
        }
    }
}

fn translate_port(
    All { index, backends, models, limits, authentication }: All<'_>,
    settings: &Settings,
    port: &Port<'_>,
    providers: &mut Providers,
    out: &mut Translation,
    findings: &mut Findings,
) {
    let max_body =
        index.policies.max_buffer_size(&port.gateway).unwrap_or(filter_config::DEFAULT_MAX_BODY_BYTES);
    let max_buffered = envoy::buffer_limit(max_body);
    let gateway = &port.gateway;
    let context = Context {
        index,
        backends,
        models,
        limits,
        authentication,
        settings,
        gateway,
        listener: None,
        max_body: max_buffered,
    };
    let mut hosts: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for (key, route) in index.objects.http_routes() {
        let attached = attached_hosts(index, port, key, route);
        let mut by_listener: BTreeMap<Option<&str>, Vec<Entry>> = BTreeMap::new();
        for (host, Attached { guard, listener }) in attached {
            let listener = with_settings(index, port, &listener.name);
            let entries = by_listener
                .entry(listener)
                .or_insert_with(|| route::entries(Context { listener, ..context }, key, route, findings));
            let served = entries.iter().cloned().map(|entry| match guard {
                Guard::Open => entry,
                Guard::Closed => entry.closed(),
            });
            hosts.entry(host).or_default().extend(served);
        }
    }
    for (_, listener) in &port.listeners {
        let attached = model::models_of_listener(models, index.objects, port, listener, findings);
        let guard = guard(index, port, &listener.name);
        let context = Context { listener: with_settings(index, port, &listener.name), ..context };
        for host in common_hosts(listener.hostname.as_deref(), None) {
            let entries = route::of_listener(context, &attached, findings).into_iter();
            let served = entries.map(|entry| if guard == Guard::Closed { entry.closed() } else { entry });
            hosts.entry(host).or_default().extend(served);
        }
    }
    let virtual_models = virtual_models(port, &mut hosts, findings);
    authentication::close_matches_on_cookies(hosts.values_mut().flatten(), findings);
    let mut publish_model = false;
    let mut client_credential = false;
    let mut route_endpoints = false;
    let mut reached: BTreeMap<&str, &Provider> = BTreeMap::new();
    for (host, entries) in &mut hosts {
        entries.sort_by(route::order);
        for entry in entries.iter() {
            let served = ServedRoute { port: port.number, host: host.clone(), ..entry.served.clone() };
            // The shares of one rule are several routes to Envoy, one to a person.
            if out.routes.last() != Some(&served) {
                out.routes.push(served);
            }
            publish_model |= envoy::matches_header(&entry.route, filter_config::MODEL_HEADER);
            for destination in &entry.destinations {
                let Target::Backend(backend) = &destination.target else { continue };
                route_endpoints |= !backend.routes.is_empty();
                let several = backend.groups.iter().flatten().count() > 1;
                for provider in backend.groups.iter().flatten() {
                    reached.insert(&provider.cluster, provider);
                    if several {
                        providers.with_others.insert(provider.cluster.clone());
                    }
                }
            }
        }
    }
    for (&cluster, &provider) in &reached {
        client_credential |= provider.filter.as_ref().is_some_and(|filter| filter.credential.is_clients());
        if publish_model {
            providers.with_published_model.insert(cluster.to_owned());
        }
        if let Some(guard) = &provider.guard {
            let largest = providers.max_body.entry(cluster.to_owned()).or_insert(max_body);
            *largest = max_body.max(*largest);
            for service in &guard.services {
                providers.reached.entry(service.cluster.clone()).or_insert_with(|| service.clone());
            }
        }
        if !providers.reached.contains_key(cluster) {
            providers.reached.insert(cluster.to_owned(), provider.clone());
        }
    }
    let mut told = telemetry::of_port(index, settings, port, findings);
    for collector in told.collectors() {
        providers.reached.entry(collector.cluster.clone()).or_insert_with(|| collector.clone());
    }
    let limited: Vec<Arc<Limited>> =
        hosts.values().flatten().filter_map(|entry| entry.limited.clone()).collect();
    let limit = limit_filter(&limited, settings);
    let services: Vec<_> = limited.iter().flat_map(|limited| &limited.services).collect();
    for service in &services {
        let provider = &service.provider;
        providers.reached.entry(provider.cluster.clone()).or_insert_with(|| provider.clone());
    }
    let name = names::listener(&port.gateway.namespace, &port.gateway.name, port.number);
    limit::report_unknown_callers(hosts.values().flatten(), findings);
    let mut chain = Chain::of(&name, hosts.values_mut().flatten());
    std::mem::take(&mut told.told).add_to(&mut chain, port.number, findings);
    for service in chain.jwt.values().flat_map(|jwt| jwt.services()) {
        providers.reached.entry(service.cluster.clone()).or_insert_with(|| service.clone());
    }
    let llm = filter_config::Llm {
        model_header: publish_model.then(|| filter_config::MODEL_HEADER.to_owned()),
        keep_client_credential: client_credential,
        max_request_body_bytes: max_body,
        virtual_models,
        route_endpoints,
        publish_fields: told.needs_fields(),
        count_tokens: limited.iter().any(|limited| limited.counts_tokens()),
        ..filter_config::Llm::default()
    };
    let hosts = hosts
        .into_iter()
        .map(|(host, entries)| (host, entries.into_iter().map(|entry| entry.route).collect()));
    let listener = envoy::Port { gateway: &port.gateway, name: &name, number: port.number };
    let filters = envoy::Filters { llm: &llm, authentication: &chain, limit: limit.as_ref(), services };
    envoy::port(settings, listener, &filters, &told, hosts.collect(), out);
}

/// What the `limit` filter of a port is told; `None` when nothing is limited.
fn limit_filter(limited: &[Arc<Limited>], settings: &Settings) -> Option<filter_config::Limit> {
    let policies: BTreeMap<_, _> = limited.iter().flat_map(|limited| limited.policies.clone()).collect();
    if policies.is_empty() {
        return None;
    }
    let money = policies.values().any(|policy| {
        let costs = policy.descriptors.iter().any(|descriptor| descriptor.cost.is_some());
        costs || policy.counts(filter_config::Unit::MicroUsd)
    });
    let prices = settings.prices.clone().filter(|_| money);
    Some(filter_config::Limit {
        version: filter_config::VERSION,
        policies,
        prices,
        ..filter_config::Limit::default()
    })
}

/// The virtual models among whose targets the `llm` filter chooses on a port. It does so before a route is known, so
/// one name can stand for one choice only: what else has the name is closed.
fn virtual_models(
    port: &Port<'_>,
    hosts: &mut BTreeMap<String, Vec<Entry>>,
    findings: &mut Findings,
) -> BTreeMap<String, Vec<filter_config::ConditionalTarget>> {
    let mut choices: BTreeMap<String, Choice> = BTreeMap::new();
    for choice in hosts.values().flatten().filter_map(|entry| entry.choice.as_ref()) {
        let first = choices.entry(choice.model.clone()).or_insert_with(|| choice.clone());
        if choice.source < first.source {
            *first = choice.clone();
        }
    }
    for entry in hosts.values_mut().flatten() {
        let Some(choice) = &entry.choice else {
            if let Some(first) = envoy::exact_header(&entry.route, filter_config::MODEL_HEADER)
                .and_then(|model| choices.get(model))
            {
                let message = format!(
                    "another model is served by the name {:?} elsewhere on port {}, and is not reached: the conditions \
                     of this one decide",
                    first.model, port.number
                );
                findings.error(
                    &first.source,
                    "spec.match.model",
                    message,
                    "give one of them another name or port",
                );
            }
            continue;
        };
        let Some(first) = choices.get(&choice.model).filter(|first| *first != choice) else { continue };
        let message = format!(
            "{} stands for other choices by the name {:?} on port {}, so requests are answered with 500",
            first.source, choice.model, port.number
        );
        findings.error(&choice.source, "spec.match.model", message, "choose another name, or another port");
        *entry = entry.clone().closed();
    }
    choices.into_iter().map(|(model, choice)| (model, choice.targets)).collect()
}

/// Reports what is not served of the Gateways that are ours.
fn report_gateways(objects: &Objects, settings: &Settings, findings: &mut Findings) {
    for (key, gateway) in objects.gateways() {
        if !is_ours(objects, settings, key, gateway, findings) {
            continue;
        }
        let spec = &gateway.spec;
        let unserved = [
            ("addresses", spec.addresses.as_ref().is_some_and(|all| !all.is_empty()), "asking for addresses"),
            ("allowedListeners", spec.allowed_listeners.is_some(), "ListenerSets"),
            ("defaultScope", spec.default_scope.is_some(), "being a default Gateway"),
            ("infrastructure", spec.infrastructure.is_some(), "settings for infrastructure"),
            ("tls", spec.tls.is_some(), "TLS settings of a whole Gateway"),
        ];
        for (field, _, what) in unserved.iter().filter(|(_, set, _)| *set) {
            findings.ignored(key, &format!("spec.{field}"), what, "");
        }
    }
}

/// Reports routes that no listener serves, and what is not served of them as a whole.
fn report_routes(objects: &Objects, settings: &Settings, ports: &[Port<'_>], findings: &mut Findings) {
    for (key, route) in objects.http_routes() {
        if route.spec.use_default_gateways.is_some() {
            let remedy = "name the Gateways in parentRefs";
            findings.ignored(key, "spec.useDefaultGateways", "attaching to default Gateways", remedy);
        }
        if route.spec.parent_refs.as_ref().is_none_or(Vec::is_empty) {
            findings.error(key, "spec.parentRefs", "the route names no Gateway", "add a parentRef");
        }
        for (index, parent) in route.spec.parent_refs.iter().flatten().enumerate() {
            let path = format!("spec.parentRefs[{index}]");
            if !is_gateway(parent) {
                let what = format!("a {} as parent of a route", parent.kind.as_deref().unwrap_or_default());
                findings.not_served(key, &path, &what, "attach it to a Gateway");
                continue;
            }
            let namespace = parent.namespace.as_deref().unwrap_or(&key.namespace);
            let gateway_key = crate::objects::key(Kind::Gateway, namespace, &parent.name);
            let Some(gateway) = objects.gateway(namespace, &parent.name) else {
                let absence = objects.absence(&gateway_key);
                findings.error(key, &path, absence.message, absence.remedy);
                continue;
            };
            if !is_ours(objects, settings, &gateway_key, gateway, &mut Findings::default()) {
                continue;
            }
            let mut listeners = ports.iter().flat_map(|port| listeners_of(objects, port, key, parent));
            let hostnames = route.spec.hostnames.as_deref();
            if !listeners.any(|listener| !common_hosts(listener.hostname.as_deref(), hostnames).is_empty()) {
                let message = format!("no listener of {gateway_key} takes this route");
                let remedy = "check sectionName, port, hostnames and the listener's allowedRoutes";
                findings.error(key, &path, message, remedy);
            }
        }
    }
}
