//! Rate limits, as the `limit` filter and Envoy's own ratelimit filter are told of them.
//!
//! The `limit` filter keeps the local buckets, and says in filter state what a request counts for; Envoy's own filter
//! behind it asks the rate limit service with that. A limit that cannot be in force closes the routes it is for.

mod callers;
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use envoy_proto::envoy::config::route::v3::{Route, route};
use envoy_proto::struct_from_json;
use expressions::{Context, Expression};
use filter_config::variables::{API_KEY, JWT, LLM_OF_REQUEST, LLM_OF_USAGE, REQUEST, Variable};
use filter_config::{
    Descriptor, DescriptorEntry, LimitOverride, LimitPolicy, LocalLimit, OnUnknownUsage, Reserve, RouteLimit,
    Sends, Unit,
};
use resources::{
    ConditionalRateLimit, GlobalRateLimit, LocalRateLimit, ObjectKey, RateLimit, RateLimitDescriptor,
    RateLimitFailureMode, RateLimitReserve, RateLimitUnit, RateLimits, UnknownUsage,
};

use crate::destination::Destination;
use crate::expression::{Unknown, unknown};
use crate::findings::Findings;
use crate::index::Index;
use crate::names;
use crate::provider::Provider;
use crate::settings::Settings;
use callers::Callers;
pub(crate) use callers::report_unknown_callers;

/// The limits of all policies, by policy; `None` for those that cannot be in force.
pub(crate) type Limits = BTreeMap<ObjectKey, Option<Arc<Limited>>>;

/// What a policy limits.
#[derive(Debug)]
pub(crate) struct Limited {
    /// Whom its expressions look at.
    callers: Callers,
    /// Name → policy of the `limit` filter.
    pub(crate) policies: BTreeMap<String, LimitPolicy>,
    /// Which of them are for a request, as the `limit` filter is told.
    of_route: Vec<RouteLimit>,
    /// The services that are asked, each once.
    pub(crate) services: Vec<Service>,
}

/// Limits that hold together.
struct Set {
    policies: BTreeMap<String, LimitPolicy>,
    service: Option<Service>,
}

/// What a rate limit service is asked.
#[derive(Debug)]
pub(crate) struct Service {
    /// The cluster to write.
    pub(crate) provider: Provider,
    pub(crate) domain: String,
    pub(crate) failure_mode: RateLimitFailureMode,
    pub(crate) descriptors: Vec<Asked>,
}

/// A descriptor, as Envoy's filter sends it.
#[derive(Debug)]
pub(crate) struct Asked {
    /// What its filter state begins with.
    pub(crate) state: String,
    /// Names of its entries, in order.
    pub(crate) entries: Vec<String>,
    /// What it counts is known at the end only.
    pub(crate) settles: bool,
    /// It is charged at admission, under the name of the request.
    pub(crate) reserves: bool,
    /// Under which the limit in place of the service's own stands, where the policy has one.
    pub(crate) limit_override: Option<String>,
}

/// What expressions can look at when a request comes.
const OF_REQUEST: [Variable; 4] = [REQUEST, LLM_OF_REQUEST, JWT, API_KEY];

/// Resolves the limits of all policies, used or not, so that what is wrong with them is known.
pub(crate) fn resolve(index: &Index<'_>, settings: &Settings, findings: &mut Findings) -> Limits {
    let limits = index.objects.policies().filter_map(|(key, policy)| {
        let limit = policy.spec.traffic.as_ref()?.rate_limit.as_ref()?;
        Some((key, limit))
    });
    limits
        .map(|(key, limit)| {
            let callers = Callers::of(key);
            let limited = Reading { index, settings, key, callers, findings }.limit(limit);
            if limited.is_none() {
                let remedy = "correct what else is reported about it, or remove it";
                let message = "the limits cannot be kept, so what they are for is answered with 500";
                findings.error(key, PATH, message, remedy);
            }
            (key.clone(), limited.map(Arc::new))
        })
        .collect()
}

/// Path of the field.
const PATH: &str = "spec.traffic.rateLimit";

/// What reading a policy needs.
struct Reading<'a> {
    index: &'a Index<'a>,
    settings: &'a Settings,
    key: &'a ObjectKey,
    callers: Callers,
    findings: &'a mut Findings,
}

impl Reading<'_> {
    /// `None` when it cannot be in force, which has then been reported.
    fn limit(mut self, limit: &RateLimit) -> Option<Limited> {
        let name = format!("{}/{}", self.key.namespace, self.key.name);
        let sets: Vec<Option<Set>> = match &limit.conditional {
            Some(choices) => {
                let choices = choices.iter().enumerate();
                choices.map(|(place, choice)| self.choice(&name, place, choice)).collect()
            }
            None => {
                let limits = RateLimits {
                    local: limit.local.clone(),
                    global: limit.global.clone(),
                    reserve: limit.reserve.clone(),
                };
                vec![self.set(PATH, &name, &limits)]
            }
        };
        let sets: Vec<Set> = sets.into_iter().collect::<Option<_>>()?;
        let names = |set: &Set| -> Vec<String> { set.policies.keys().cloned().collect() };
        let of_route = if limit.conditional.is_some() {
            vec![RouteLimit::FirstOf(sets.iter().map(names).collect())]
        } else {
            sets.iter().flat_map(names).map(RouteLimit::Of).collect()
        };
        let mut services: Vec<Service> = Vec::new();
        let mut policies = BTreeMap::new();
        for set in sets {
            policies.extend(set.policies);
            let Some(service) = set.service else { continue };
            let filter = Limited::filter_name(&service);
            match services.iter_mut().find(|known| Limited::filter_name(known) == filter) {
                // A route asks a service about one domain only.
                Some(known) if known.domain != service.domain => {
                    let what = "several domains of one service in `conditional`";
                    self.findings.not_served(self.key, PATH, what, "use one domain");
                    return None;
                }
                Some(known) => known.descriptors.extend(service.descriptors),
                None => services.push(service),
            }
        }
        let money = policies.values().any(|policy| policy.counts(Unit::MicroUsd));
        if money && self.settings.prices.is_none() {
            let message = "limits on costs need a catalogue of prices";
            self.findings.error(self.key, PATH, message, "name one with --prices");
            return None;
        }
        Some(Limited { callers: self.callers, policies, of_route, services })
    }

    /// One of several sets of limits, with its condition.
    fn choice(&mut self, name: &str, place: usize, choice: &ConditionalRateLimit) -> Option<Set> {
        let path = format!("{PATH}.conditional[{place}]");
        let sound = choice
            .condition
            .as_ref()
            .is_none_or(|text| self.expression(&format!("{path}.condition"), text, &OF_REQUEST));
        let mut set = self.set(&format!("{path}.policy"), &format!("{name}/{place}"), &choice.policy)?;
        // The condition of the first decides for all.
        if let Some(mut first) = set.policies.first_entry() {
            first.get_mut().when.clone_from(&choice.condition);
        }
        sound.then_some(set)
    }

    /// Limits that hold together, at `path`.
    fn set(&mut self, path: &str, name: &str, limits: &RateLimits) -> Option<Set> {
        let asked = limits.reserve.clone().unwrap_or_default();
        let mut policies = BTreeMap::new();
        let local = limits.local.as_deref().unwrap_or_default();
        if !local.is_empty() {
            let local = local.iter().enumerate().map(|(place, one)| bucket(name, place, one)).collect();
            let reserve = reserve(&asked, asked.enabled.unwrap_or(true));
            policies
                .insert(format!("{name}/local"), LimitPolicy { local, reserve, ..LimitPolicy::default() });
        }
        let Some(global) = &limits.global else { return Some(Set { policies, service: None }) };
        let reserve = reserve(&asked, asked.enabled.unwrap_or(false));
        let path = format!("{path}.global");
        let descriptors = self.descriptors(&path, name, &global.descriptors);
        let service = self.service(&path, global, &descriptors, reserve.enabled);
        policies.insert(
            format!("{name}/global"),
            LimitPolicy { descriptors: descriptors?, reserve, ..LimitPolicy::default() },
        );
        Some(Set { policies, service: Some(service?) })
    }

    fn descriptors(
        &mut self,
        path: &str,
        name: &str,
        list: &[RateLimitDescriptor],
    ) -> Option<Vec<Descriptor>> {
        let read: Vec<Option<Descriptor>> = list
            .iter()
            .enumerate()
            .map(|(place, one)| {
                let path = format!("{path}.descriptors[{place}]");
                let unit = match one.unit.unwrap_or_default() {
                    RateLimitUnit::Requests => Unit::Requests,
                    RateLimitUnit::Tokens => Unit::Tokens,
                    RateLimitUnit::Cost => Unit::MicroUsd,
                };
                let entries = one.entries.iter().enumerate();
                let sound: Vec<bool> = entries
                    .map(|(place, entry)| {
                        let path = format!("{path}.entries[{place}].expression");
                        self.expression(&path, &entry.expression, &OF_REQUEST)
                    })
                    .collect();
                let variables: &[Variable] =
                    if unit == Unit::Requests { &OF_REQUEST } else { &[LLM_OF_USAGE] };
                let cost = one
                    .cost
                    .as_ref()
                    .is_none_or(|cost| self.expression(&format!("{path}.cost"), cost, variables));
                let limit = one
                    .limit_override
                    .as_ref()
                    .is_none_or(|limit| self.limit_override(&format!("{path}.limitOverride"), limit));
                (cost && limit && sound.iter().all(|sound| *sound)).then(|| Descriptor {
                    name: format!("{name}/{place}"),
                    entries: one
                        .entries
                        .iter()
                        .map(|entry| DescriptorEntry {
                            name: entry.name.clone(),
                            expression: entry.expression.clone(),
                        })
                        .collect(),
                    unit,
                    cost: one.cost.clone(),
                    limit_override: one.limit_override.clone(),
                })
            })
            .collect();
        read.into_iter().collect()
    }

    /// Whether an expression can give a limit, which is reported when it cannot.
    fn limit_override(&mut self, path: &str, text: &str) -> bool {
        if !self.expression(path, text, &OF_REQUEST) {
            return false;
        }
        let Ok(expression) = Expression::compile(text) else { return false };
        let varies = OF_REQUEST.iter().any(|variable| expression.references(variable.name));
        let value = || expression.evaluate(&Context::new()).ok();
        // One that looks at nothing says the same of every request: if it is no limit, there would be none.
        let sound = varies || value().is_some_and(|value| LimitOverride::read(&value).is_some());
        if !sound {
            let message = "this gives no limit";
            let remedy = "write for example {\"unit\": \"minute\", \"requestsPerUnit\": 100}; units are second, minute, \
                          hour, day, month and year";
            self.findings.error(self.key, path, message, remedy);
        }
        sound
    }

    /// Whether an expression can give a value, which is reported when it cannot.
    fn expression(&mut self, path: &str, text: &str, variables: &[Variable]) -> bool {
        let expression = match Expression::compile(text) {
            Ok(expression) => expression,
            Err(error) => {
                self.findings.error(self.key, path, error.to_string(), "correct it");
                return false;
            }
        };
        self.callers.note(&expression, path);
        let unknown = unknown(&expression, variables);
        if let Some(Unknown { name, known }) = &unknown {
            let what = format!("`{name}` in this expression");
            self.findings.not_served(self.key, path, &what, &format!("use {known}"));
        }
        unknown.is_none()
    }

    fn service(
        &mut self,
        path: &str,
        global: &GlobalRateLimit,
        descriptors: &Option<Vec<Descriptor>>,
        reserves: bool,
    ) -> Option<Service> {
        let provider = service::resolve(self.index, self.key, path, global, self.findings)?;
        let asked = descriptors.iter().flatten().map(|descriptor| Asked {
            state: format!("weir.limit.{}", descriptor.name),
            entries: descriptor.entries.iter().map(|entry| entry.name.clone()).collect(),
            settles: descriptor.unit != Unit::Requests,
            reserves: reserves && descriptor.unit != Unit::Requests,
            limit_override: descriptor.limit_override.as_ref().map(|_| descriptor.name.clone()),
        });
        Some(Service {
            provider,
            domain: global.domain.clone(),
            failure_mode: global.failure_mode.unwrap_or_default(),
            descriptors: asked.collect(),
        })
    }
}

fn bucket(name: &str, place: usize, set: &LocalRateLimit) -> LocalLimit {
    let (unit, amount) = match (set.requests, set.tokens, set.cost) {
        (Some(requests), _, _) => (Unit::Requests, u64::from(requests)),
        (None, Some(tokens), _) => (Unit::Tokens, u64::from(tokens)),
        (None, None, cost) => (Unit::MicroUsd, cost.unwrap_or(1)),
    };
    let per_ms = set.unit.milliseconds();
    LocalLimit {
        // What is in a bucket outlives a change of its size, but means nothing in another unit.
        id: format!("{name}/{place}/{unit:?}/{per_ms}"),
        unit,
        amount,
        per_ms,
        burst: u64::from(set.burst.unwrap_or(0)),
        shadow: set.shadow.unwrap_or(false),
    }
}

fn reserve(set: &RateLimitReserve, enabled: bool) -> Reserve {
    let mut reserve = Reserve {
        enabled,
        clamp_output_tokens: set.clamp_output_tokens.map(u64::from),
        on_unknown_usage: match set.on_unknown_usage.unwrap_or_default() {
            UnknownUsage::ChargeReserved => OnUnknownUsage::ChargeReserved,
            UnknownUsage::Refund => OnUnknownUsage::Refund,
        },
        ..Reserve::default()
    };
    if let Some(tokens) = set.output_tokens {
        reserve.output_tokens = u64::from(tokens);
    }
    reserve
}

impl Limited {
    /// Whether tokens must be counted before requests are sent.
    pub(crate) fn counts_tokens(&self) -> bool {
        self.policies.values().any(|policy| policy.counts(Unit::Tokens) || policy.counts(Unit::MicroUsd))
    }

    /// Tells the `limit` filter which policies are for requests of a route that leads to `destinations`.
    pub(crate) fn mark(&self, envoy_route: &mut Route, destinations: &[Destination]) {
        if !matches!(envoy_route.action, Some(route::Action::Route(_))) {
            return;
        }
        let (namespace, _) = filter_config::ROUTE_METADATA;
        let mut of_route = self.of_route.clone();
        of_route.extend(self.sent(destinations));
        let text = serde_json::Value::from(serde_json::json!(of_route).to_string());
        let fields = serde_json::Map::from_iter([(filter_config::ROUTE_LIMITS.to_owned(), text)]);
        let Ok(fields) = struct_from_json(&fields) else { return };
        let metadata = envoy_route.metadata.get_or_insert_default();
        let known = metadata.filter_metadata.entry(namespace.to_owned()).or_default();
        known.fields.extend(fields.fields);
    }

    /// What providers are sent, where a price depends on it.
    fn sent(&self, destinations: &[Destination]) -> Option<RouteLimit> {
        if !self.policies.values().any(|policy| policy.counts(Unit::MicroUsd)) {
            return None;
        }
        let providers = destinations.iter().flat_map(|destination| destination.target.groups()).flatten();
        let sends: BTreeSet<Sends> =
            providers.filter_map(|provider| provider.filter.as_ref()).map(Sends::of).collect();
        // Where all are sent what was asked for, there is nothing to tell.
        let renamed = sends.iter().any(|sent| *sent != Sends::default());
        renamed.then(|| RouteLimit::Sent { sends: sends.into_iter().collect() })
    }

    /// Name of the ratelimit filter that asks the service.
    pub(crate) fn filter_name(service: &Service) -> String {
        names::ratelimit_filter(
            &service.provider.cluster,
            service.failure_mode == RateLimitFailureMode::FailOpen,
        )
    }

    /// Name of the ratelimit filter that tells the service what a request has used when it is over.
    pub(crate) fn end_filter_name(service: &Service) -> String {
        format!("{}/end", Self::filter_name(service))
    }
}
