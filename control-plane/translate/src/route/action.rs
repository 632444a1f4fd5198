//! What a matched route does.

use std::collections::BTreeMap;
use std::time::Duration;

use envoy_proto::envoy::config::core::v3::{Metadata, RuntimeFractionalPercent, TypedExtensionConfig};
use envoy_proto::envoy::config::route::v3::{
    ClusterSpecifierPlugin, DirectResponseAction, RetryPolicy, RouteAction, WeightedCluster,
    retry_policy::RetryBackOff, route, route_action, weighted_cluster,
};
use envoy_proto::envoy::extensions::router::cluster_specifiers::priority_group::v3::{
    ClusterWeight, PriorityGroup, PriorityGroupClusterSpecifier,
};
use envoy_proto::envoy::r#type::v3::{FractionalPercent, fractional_percent};
use envoy_proto::prost_types;
use envoy_proto::{pack, struct_from_json};
use resources::ObjectKey;
use resources::gateway_api::httproutes::HttpRouteRules;

use super::Context;
use super::filters::Filters;
use super::matches::Matched;
use crate::destination::{Destination, Target};
use crate::names;
use crate::provider::Provider;

/// How long a stream may be silent. Models think for minutes before their first token.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// Failures that are no answer yet: nothing reached the provider, so trying again is always safe.
const NOT_SENT: &str = "connect-failure,refused-stream,reset-before-request";

/// Failures after which another provider is asked.
const PROVIDER_FAILED: &str = "connect-failure,refused-stream,reset,5xx,retriable-status-codes";

/// A fraction of the requests.
type Fraction = Option<RuntimeFractionalPercent>;

/// For people: a rule that is answered with 500 because of what it is, not of where it leads.
pub(super) const REFUSED: &str = "refused (500)";

/// The answer where nothing may be done.
pub(super) fn refusal() -> route::Action {
    route::Action::DirectResponse(DirectResponseAction { status: 500, ..DirectResponseAction::default() })
}

/// The actions for one match: one, or one for each share of the traffic.
pub(super) fn actions(
    context: Context<'_>,
    key: &ObjectKey,
    rule: &HttpRouteRules,
    matched: &Matched,
    filters: &Filters,
    destinations: &[Destination],
) -> Vec<(route::Action, Fraction)> {
    if let Some(redirect) = filters.redirect(matched) {
        return vec![(redirect, None)];
    }
    if destinations.is_empty() {
        // A rule without any weight answers 500, as the Gateway API demands.
        return vec![(refusal(), None)];
    }
    let base = |retry: Retry, destinations: &[Destination]| {
        let mut action = RouteAction {
            cluster_not_found_response_code: route_action::ClusterNotFoundResponseCode::InternalServerError
                .into(),
            timeout: Some(proto_duration(timeout(context, key, rule).unwrap_or(Duration::ZERO))),
            idle_timeout: Some(proto_duration(IDLE_TIMEOUT)),
            retry_policy: Some(retry.policy(rule, destinations)),
            ..RouteAction::default()
        };
        filters.rewrite(&mut action, matched);
        action
    };
    // Shares that are one cluster each fit Envoy's weighted clusters.
    let singles: Option<Vec<_>> =
        destinations.iter().map(|d| single(&d.target).map(|name| (name, d.weight))).collect();
    if let Some(singles) = singles {
        let mut action = base(Retry::Same, destinations);
        action.cluster_specifier = Some(match singles.as_slice() {
            [(name, _)] => route_action::ClusterSpecifier::Cluster(name.clone()),
            several => route_action::ClusterSpecifier::WeightedClusters(weighted(several)),
        });
        return vec![(route::Action::Route(action), None)];
    }
    // Otherwise each share becomes a route of its own. Envoy draws one random number per request, so the
    // fractions are cumulative.
    let total: u64 = destinations.iter().map(|destination| u64::from(destination.weight)).sum();
    let mut below = 0;
    let mut actions = Vec::new();
    for (place, destination) in destinations.iter().enumerate() {
        below += u64::from(destination.weight);
        let last = place + 1 == destinations.len();
        let fraction = (!last).then(|| fraction(below, total));
        let groups = destination.target.groups();
        let retry = match groups.iter().map(Vec::len).sum() {
            0 | 1 => Retry::Same,
            attempts => Retry::Others(attempts),
        };
        let mut action = base(retry, std::slice::from_ref(destination));
        action.cluster_specifier = Some(specifier(&groups));
        actions.push((route::Action::Route(action), fraction));
    }
    actions
}

/// The only cluster of a target.
fn single(target: &Target) -> Option<String> {
    match (target, target.groups().as_slice()) {
        (Target::Nowhere, _) => Some(names::NOWHERE.to_owned()),
        (_, [group]) => match group.as_slice() {
            [provider] => Some(provider.cluster.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// The clusters of a backend with several providers.
fn specifier(groups: &[Vec<&Provider>]) -> route_action::ClusterSpecifier {
    match groups {
        [] => route_action::ClusterSpecifier::Cluster(names::NOWHERE.to_owned()),
        // Within one group, a retry never returns to a cluster that was tried.
        [group] => {
            let members: Vec<_> = group.iter().map(|provider| (provider.cluster.clone(), 1)).collect();
            match members.as_slice() {
                [(name, _)] => route_action::ClusterSpecifier::Cluster(name.clone()),
                several => route_action::ClusterSpecifier::WeightedClusters(weighted(several)),
            }
        }
        // Attempt n goes to group n. The draw within a group is the same for all attempts of a request, so a
        // group of several is written once for each of them, turned by one: every member is asked before the
        // next group is.
        groups => {
            let turns = groups.iter().enumerate().flat_map(|(index, group)| {
                (0..group.len()).map(move |turn| PriorityGroup {
                    name: format!("{index}.{turn}"),
                    clusters: (group.iter().skip(turn).chain(group.iter().take(turn)))
                        .map(|provider| ClusterWeight {
                            cluster_name: provider.cluster.clone(),
                            weight: Some(1),
                        })
                        .collect(),
                })
            });
            let plugin =
                PriorityGroupClusterSpecifier { priority_groups: turns.collect(), ..Default::default() };
            route_action::ClusterSpecifier::InlineClusterSpecifierPlugin(ClusterSpecifierPlugin {
                extension: Some(TypedExtensionConfig {
                    name: "envoy.router.cluster_specifier_plugin.priority_group".to_owned(),
                    typed_config: Some(pack(&plugin)),
                }),
                is_optional: false,
            })
        }
    }
}

/// What is tried again after a failure.
#[derive(Clone, Copy)]
enum Retry {
    /// The same destination, when the request was not sent.
    Same,
    /// Others, this many attempts in all.
    Others(usize),
}

impl Retry {
    fn policy(self, rule: &HttpRouteRules, destinations: &[Destination]) -> RetryPolicy {
        let mut policy = match self {
            Self::Same => {
                RetryPolicy { retry_on: NOT_SENT.to_owned(), num_retries: Some(2), ..RetryPolicy::default() }
            }
            Self::Others(attempts) => RetryPolicy {
                retry_on: PROVIDER_FAILED.to_owned(),
                num_retries: Some(u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX)),
                retriable_status_codes: vec![429],
                refresh_cluster_on_retry: true,
                ..RetryPolicy::default()
            },
        };
        if let Some(retry) = &rule.retry {
            if let Some(attempts) = retry.attempts.and_then(|attempts| u32::try_from(attempts).ok()) {
                policy.num_retries = Some(attempts);
            }
            let codes = retry.codes.iter().flatten().filter_map(|code| u32::try_from(*code).ok());
            policy.retriable_status_codes.extend(codes);
            if !policy.retriable_status_codes.is_empty()
                && !policy.retry_on.contains("retriable-status-codes")
            {
                policy.retry_on.push_str(",retriable-status-codes");
            }
        }
        if let Some(pause) =
            rule.retry.as_ref().and_then(|retry| retry.backoff.as_deref()).and_then(parse_duration)
            && !pause.is_zero()
        {
            policy.retry_back_off =
                Some(RetryBackOff { base_interval: Some(proto_duration(pause)), max_interval: None });
        }
        let backend_request = rule.timeouts.as_ref().and_then(|timeouts| timeouts.backend_request.as_deref());
        let providers = destinations.iter().flat_map(|destination| destination.target.groups()).flatten();
        policy.per_try_timeout = backend_request
            .and_then(parse_duration)
            .or_else(|| providers.filter_map(|provider| provider.request_timeout).max())
            .filter(|timeout| !timeout.is_zero())
            .map(proto_duration);
        policy
    }
}

fn timeout(context: Context<'_>, key: &ObjectKey, rule: &HttpRouteRules) -> Option<Duration> {
    rule.timeouts
        .as_ref()
        .and_then(|timeouts| timeouts.request.as_deref())
        .and_then(parse_duration)
        .or_else(|| context.index.policies.request_timeout(key, rule.name.as_deref(), context.gateway))
}

fn parse_duration(text: &str) -> Option<Duration> {
    text.parse::<resources::Duration>().ok().map(|duration| duration.value())
}

pub(crate) fn proto_duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

fn weighted(clusters: &[(String, u32)]) -> WeightedCluster {
    WeightedCluster {
        clusters: clusters
            .iter()
            .map(|(name, weight)| weighted_cluster::ClusterWeight {
                name: name.clone(),
                weight: Some(*weight),
                ..weighted_cluster::ClusterWeight::default()
            })
            .collect(),
        ..WeightedCluster::default()
    }
}

fn fraction(below: u64, total: u64) -> RuntimeFractionalPercent {
    let numerator =
        (below * 1_000_000).checked_div(total).and_then(|n| u32::try_from(n).ok()).unwrap_or(1_000_000);
    RuntimeFractionalPercent {
        default_value: Some(FractionalPercent {
            numerator,
            denominator: fractional_percent::DenominatorType::Million.into(),
        }),
        runtime_key: String::new(),
    }
}

/// Route metadata that tells the `llm` filter to take requests at unknown paths for chat completions, as
/// agentgateway does on routes to LLM providers.
pub(super) fn metadata(destinations: &[Destination]) -> Option<Metadata> {
    if !destinations.iter().any(|destination| destination.target.is_llm()) {
        return None;
    }
    let (namespace, key) = filter_config::ROUTE_METADATA;
    let mut fields = serde_json::Map::new();
    fields.insert(key.to_owned(), "openai_chat".into());
    let fields = struct_from_json(&fields).ok()?;
    Some(Metadata {
        filter_metadata: BTreeMap::from([(namespace.to_owned(), fields)]),
        ..Metadata::default()
    })
}

/// For people: where the traffic goes.
pub(super) fn describe(filters: Option<&Filters>, destinations: &[Destination]) -> String {
    let Some(filters) = filters else { return REFUSED.to_owned() };
    if filters.redirects() {
        return "redirect".to_owned();
    }
    let describe_one = |destination: &Destination| {
        let groups: Vec<String> = destination
            .target
            .groups()
            .iter()
            .map(|group| {
                let members: Vec<_> = group.iter().map(|provider| provider_text(provider)).collect();
                members.join(" | ")
            })
            .collect();
        if groups.is_empty() { "nowhere (500)".to_owned() } else { groups.join(", then ") }
    };
    match destinations {
        [] => "nothing (500)".to_owned(),
        [one] => describe_one(one),
        several => {
            let parts: Vec<_> =
                several.iter().map(|d| format!("{}× {}", d.weight, describe_one(d))).collect();
            parts.join(" / ")
        }
    }
}

fn provider_text(provider: &Provider) -> String {
    let authority = provider.place.authority(provider.tls.is_some());
    match &provider.filter {
        Some(filter) => {
            let model = filter.model.as_deref().map(|model| format!(" model {model}")).unwrap_or_default();
            format!("{} at {authority}{model}", filter.name)
        }
        None => authority,
    }
}
