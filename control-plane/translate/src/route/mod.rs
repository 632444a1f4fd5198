//! HTTPRoutes, and models offered without one: Envoy routes in the order the Gateway API demands.

mod action;
mod filters;
mod matches;
mod models;
mod rerank;

use std::cmp::Ordering;
use std::sync::Arc;

use envoy_proto::envoy::config::route::v3 as envoy;
use filter_config::ConditionalTarget;
use resources::ObjectKey;
use resources::gateway_api::httproutes::{HttpRoute, HttpRouteRules};

use crate::authentication::{Authenticated, Authentication};
use crate::destination::{self, Destination};
use crate::envoy::ask;
use crate::findings::Findings;
use crate::index::{Backends, Index};
use crate::limit::{Limited, Limits};
use crate::model::{Models, offers_models};
use crate::output::ServedRoute;
use crate::policy::{Inherited, Scope};
use crate::settings::Settings;
pub(crate) use action::proto_duration;
use matches::Precedence;
pub(crate) use models::of_listener;

/// What a route table needs to know beside the objects.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) index: &'a Index<'a>,
    pub(crate) backends: &'a Backends,
    pub(crate) models: &'a Models<'a>,
    pub(crate) limits: &'a Limits,
    pub(crate) authentication: &'a Authentication,
    pub(crate) settings: &'a Settings,
    /// The Gateway the route is attached to.
    pub(crate) gateway: &'a ObjectKey,
    /// The listener, where policies for it say anything.
    pub(crate) listener: Option<&'a str>,
    /// Largest request body that is buffered, in bytes.
    pub(crate) max_body: u64,
}

impl<'a> Context<'a> {
    /// The way of requests to a rule of a route, or to models that a listener offers itself.
    fn scope<'s>(&'s self, route: Option<(&'s ObjectKey, Option<&'s str>)>) -> Scope<'s> {
        Scope { gateway: self.gateway, listener: self.listener, route }
    }

    /// Who may call. `None` when a policy that says so cannot be in force.
    fn authenticated(&self, scope: Scope<'_>) -> Option<Authenticated> {
        let policies = &self.index.policies;
        let mut authenticated = Authenticated::default();
        if let Some(policy) = policies.jwt(scope) {
            authenticated.jwt = Some(Arc::clone(self.authentication.jwt.get(policy)?.as_ref()?));
        }
        if let Some(policy) = policies.api_keys(scope) {
            authenticated.api_keys = Some(Arc::clone(self.authentication.api_keys.get(policy)?.as_ref()?));
        }
        Some(authenticated)
    }

    /// What backends inherit that a rule of a route leads to, or models that a listener offers itself.
    fn inherited(&self, route: Option<(&ObjectKey, Option<&str>)>) -> Inherited<'a> {
        self.index.policies.inherited(self.scope(route))
    }
}

/// One Envoy route with its place in the order.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    precedence: Precedence,
    /// Age and name of the HTTPRoute, then the place within it: ties go to the older, then by name.
    tie: (Option<i64>, String, usize, usize),
    pub(crate) route: envoy::Route,
    pub(crate) served: ServedRoute,
    pub(crate) destinations: Vec<Destination>,
    /// The virtual model among whose targets the `llm` filter chooses before this entry is matched.
    pub(crate) choice: Option<Choice>,
    /// Who may call.
    pub(crate) authenticated: Authenticated,
    /// What limits its requests.
    pub(crate) limited: Option<Arc<Limited>>,
}

/// A virtual model with conditions, and the ways it leads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    pub(crate) source: ObjectKey,
    /// What clients call it.
    pub(crate) model: String,
    pub(crate) targets: Vec<ConditionalTarget>,
}

/// The order in which Envoy must try routes.
pub(crate) fn order(a: &Entry, b: &Entry) -> Ordering {
    a.precedence.cmp(&b.precedence).then_with(|| a.tie.cmp(&b.tie))
}

impl Entry {
    /// The entry with an answer of 500 in place of what it does.
    pub(crate) fn closed(mut self) -> Self {
        self.route.action = Some(action::refusal());
        self.route.metadata = None;
        self.served.leads_to = action::REFUSED.to_owned();
        self.destinations.clear();
        self.choice = None;
        self.route.typed_per_filter_config.clear();
        self.authenticated = Authenticated::default();
        self.limited = None;
        self
    }

    /// Whether it answers 500 because of what it is.
    pub(crate) fn is_closed(&self) -> bool {
        self.served.leads_to == action::REFUSED
    }

    /// The entry with what policies for its route, the rule it comes from (by name), the listener or the Gateway say of who
    /// may call, and how much.
    fn policed(self, context: Context<'_>, route: &ObjectKey, rule: Option<&str>) -> Self {
        let scope = context.scope(Some((route, rule)));
        self.authenticated(context, scope).limited(context, scope)
    }

    fn authenticated(mut self, context: Context<'_>, scope: Scope<'_>) -> Self {
        // The policy that closes it says so itself, and `entries` which matches lead away.
        let Some(authenticated) = context.authenticated(scope) else { return self.closed() };
        if self.route.r#match.as_ref().is_some_and(|matched| authenticated.leads_away(matched)) {
            return self.closed();
        }
        self.authenticated = authenticated;
        self
    }

    fn limited(mut self, context: Context<'_>, scope: Scope<'_>) -> Self {
        let Some(policy) = context.index.policies.rate_limit(scope) else { return self };
        // The policy that closes it says so itself.
        let Some(Some(limited)) = context.limits.get(policy) else { return self.closed() };
        // What leads nowhere uses nothing.
        if !matches!(self.route.action, Some(envoy::route::Action::Route(_))) {
            return self;
        }
        limited.mark(&mut self.route, &self.destinations);
        for service in &limited.services {
            ask(context.settings, service, &mut self.route);
        }
        self.limited = Some(Arc::clone(limited));
        self
    }
}

/// What Envoy tells upstreams of its client. A company's own services may want it, a model provider is not to know.
const NOT_FOR_PROVIDERS: [&str; 3] = ["x-envoy-external-address", "x-forwarded-for", "x-forwarded-proto"];

/// The entries of one HTTPRoute.
pub(crate) fn entries(
    context: Context<'_>,
    key: &ObjectKey,
    route: &HttpRoute,
    findings: &mut Findings,
) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (index, rule) in route.spec.rules.iter().flatten().enumerate() {
        let mut of_rule = Vec::new();
        let section = rule.name.as_deref();
        rule_entries(context, key, route, (index, rule), findings, &mut of_rule);
        entries.extend(of_rule.into_iter().map(|entry| entry.policed(context, key, section)));
        if let Some(authenticated) = context.authenticated(context.scope(Some((key, section)))) {
            let matches = rule.matches.as_deref().unwrap_or_default();
            authenticated.report(key, &format!("spec.rules[{index}]"), matches, findings);
        }
    }
    entries
}

fn rule_entries(
    context: Context<'_>,
    key: &ObjectKey,
    route: &HttpRoute,
    (index, rule): (usize, &HttpRouteRules),
    findings: &mut Findings,
    entries: &mut Vec<Entry>,
) {
    let path = format!("spec.rules[{index}]");
    if rule.session_persistence.is_some() {
        findings.ignored(key, &format!("{path}.sessionPersistence"), "session persistence", "");
    }
    let offers = offers_models(rule);
    let references = rule.backend_refs.as_deref().filter(|_| offers.is_none()).unwrap_or_default();
    let inherited = context.inherited(Some((key, rule.name.as_deref())));
    let mut destinations = destination::follow(context, key, &path, references, &inherited, findings);
    let closed = &context.index.closed;
    let rule_closed =
        closed.whole(key) || rule.name.as_ref().is_some_and(|section| closed.section(key, section));
    // A rule that must not be served as it stands still matches: a wider rule must not get its requests.
    let filters = filters::read(key, &path, rule, findings).filter(|_| !rule_closed);
    let filters = match offers {
        Some(Err(problem)) => {
            let remedy = "correct the rule; it is answered with 500 until then";
            findings.error(key, &format!("{path}.backendRefs"), problem, remedy);
            None
        }
        _ => filters,
    };
    if filters.as_ref().is_none_or(filters::Filters::redirects) {
        destinations.clear();
    }
    let everything = [Default::default()];
    let matchers = match rule.matches.as_deref() {
        Some(matches) if !matches.is_empty() => matches,
        _ => &everything,
    };
    let created = route.metadata.creation_timestamp.as_ref().map(|time| time.0.as_second());
    let name = format!("{}/{}", key.namespace, key.name);
    let mut place = 0;
    for (m, matcher) in matchers.iter().enumerate() {
        let Some(matched) = matches::read(key, &format!("{path}.matches[{m}]"), matcher, findings) else {
            continue;
        };
        if let (Some(Ok(())), Some(filters)) = (offers, &filters) {
            let rule = models::Rule { key, rule, filters, matched: &matched, created, index, place };
            entries.extend(models::of_rule(context, rule, &inherited, findings));
            place = entries.len();
            continue;
        }
        let branches = rerank::branches(&matched, &destinations);
        let ways = branches.iter().flat_map(|(matched, destinations)| {
            let ways = match &filters {
                Some(filters) => action::actions(context, key, rule, matched, filters, destinations),
                None => vec![action::Way::refusal()],
            };
            ways.into_iter().map(move |way| (way, matched, destinations))
        });
        for (way, matched, destinations) in ways {
            let mut envoy_match = matched.route_match.clone();
            envoy_match.runtime_fraction = way.fraction;
            let mut envoy_route = envoy::Route {
                name: format!("{name}/{index}"),
                r#match: Some(envoy_match),
                action: Some(way.action),
                request_body_buffer_limit: Some(context.max_body),
                metadata: action::metadata(destinations, way.groups),
                ..envoy::Route::default()
            };
            if let Some(filters) = &filters {
                filters.apply(&mut envoy_route);
            }
            if destinations.iter().any(|destination| destination.target.is_llm()) {
                envoy_route.request_headers_to_remove.extend(NOT_FOR_PROVIDERS.map(str::to_owned));
            }
            entries.push(Entry {
                precedence: matched.precedence.clone(),
                tie: (created, name.clone(), index, place),
                route: envoy_route,
                served: ServedRoute {
                    port: 0,
                    host: String::new(),
                    matches: matched.text.clone(),
                    leads_to: action::describe(filters.as_ref(), destinations),
                    route: name.clone(),
                },
                destinations: destinations.to_vec(),
                choice: None,
                authenticated: Authenticated::default(),
                limited: None,
            });
            place += 1;
        }
    }
}
