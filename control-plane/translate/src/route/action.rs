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
use filter_config::Endpoint;
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

/// How long one of several providers may take until the first byte of its answer, by default. Answers that are not
/// streamed have to be complete by then, and models think for minutes; clients that know LLMs wait for ten.
const FIRST_BYTE: Duration = Duration::from_secs(300);

/// Codes below 500 that say the provider failed: it waited too long, a model of Bedrock's broke down, the rate is limited.
const PROVIDER_CODES: [u32; 3] = [408, 424, 429];

/// A way requests of one match go.
pub(super) struct Way {
    pub(super) action: route::Action,
    /// The share of the requests that the ways before it have left; absent: all.
    pub(super) fraction: Option<RuntimeFractionalPercent>,
    /// Where it leads to several providers: their clusters, as [`filter_config::ROUTE_GROUPS`].
    pub(super) groups: Option<String>,
}

impl Way {
    /// The answer where nothing may be done.
    pub(super) fn refusal() -> Self {
        Self::to(refusal())
    }

    /// One way for all.
    fn to(action: route::Action) -> Self {
        Self { action, fraction: None, groups: None }
    }
}

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
) -> Vec<Way> {
    if let Some(redirect) = filters.redirect(matched) {
        return vec![Way::to(redirect)];
    }
    if destinations.is_empty() {
        // A rule without any weight answers 500, as the Gateway API demands.
        return vec![Way::refusal()];
    }
    let base = |retry: Retry, destinations: &[Destination]| {
        let per_try = retry.per_try_timeout(rule, destinations);
        // Nothing is sent to the client while one provider after the other lets its time pass.
        let idle = IDLE_TIMEOUT + per_try.unwrap_or_default() * retry.others();
        let mut action = RouteAction {
            cluster_not_found_response_code: route_action::ClusterNotFoundResponseCode::InternalServerError
                .into(),
            timeout: Some(proto_duration(timeout(context, key, rule).unwrap_or(Duration::ZERO))),
            idle_timeout: Some(proto_duration(idle)),
            retry_policy: Some(retry.policy(rule, per_try)),
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
        return vec![Way::to(route::Action::Route(action))];
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
        let groups = matches!(retry, Retry::Others(_)).then(|| clusters(&groups)).flatten();
        actions.push(Way { action: route::Action::Route(action), fraction, groups });
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

/// The clusters of a backend.
fn specifier(groups: &[Vec<&Provider>]) -> route_action::ClusterSpecifier {
    let members: Vec<&Provider> = groups.iter().flatten().copied().collect();
    match members.as_slice() {
        [] => return route_action::ClusterSpecifier::Cluster(names::NOWHERE.to_owned()),
        [only] => return route_action::ClusterSpecifier::Cluster(only.cluster.clone()),
        _ => {}
    }
    // Attempt n goes to group n. The draw within a group is the same for all attempts of a request, so a group of
    // several is written once for each of them, turned by one: every member is asked before the next group is.
    let turns = groups.iter().enumerate().flat_map(|(index, group)| {
        (0..group.len()).map(move |turn| PriorityGroup {
            name: format!("{index}.{turn}"),
            clusters: (group.iter().skip(turn).chain(group.iter().take(turn)))
                .map(|provider| ClusterWeight { cluster_name: provider.cluster.clone(), weight: Some(1) })
                .collect(),
        })
    });
    let plugin = PriorityGroupClusterSpecifier {
        priority_groups: turns.collect(),
        // The `llm` filter asks for another order there while some of them are to be left alone.
        override_metadata_namespace: filter_config::ORDER_METADATA.0.to_owned(),
        ..Default::default()
    };
    route_action::ClusterSpecifier::InlineClusterSpecifierPlugin(ClusterSpecifierPlugin {
        extension: Some(TypedExtensionConfig {
            name: "envoy.router.cluster_specifier_plugin.priority_group".to_owned(),
            typed_config: Some(pack(&plugin)),
        }),
        is_optional: false,
    })
}

/// The clusters of a backend, as [`filter_config::ROUTE_GROUPS`].
fn clusters(groups: &[Vec<&Provider>]) -> Option<String> {
    let names: Vec<Vec<&str>> =
        groups.iter().map(|group| group.iter().map(|provider| provider.cluster.as_str()).collect()).collect();
    serde_json::to_string(&names).ok()
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
    fn policy(self, rule: &HttpRouteRules, per_try: Option<Duration>) -> RetryPolicy {
        let mut policy = match self {
            Self::Same => {
                RetryPolicy { retry_on: NOT_SENT.to_owned(), num_retries: Some(2), ..RetryPolicy::default() }
            }
            Self::Others(_) => RetryPolicy {
                retry_on: PROVIDER_FAILED.to_owned(),
                num_retries: Some(self.others()),
                retriable_status_codes: PROVIDER_CODES.to_vec(),
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
        policy.per_try_timeout = per_try.map(proto_duration);
        policy
    }

    /// How many attempts may follow the first.
    fn others(self) -> u32 {
        match self {
            Self::Same => 0,
            Self::Others(attempts) => u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX),
        }
    }

    /// How long one attempt may take until its answer begins. A rule that says zero wants no limit.
    fn per_try_timeout(self, rule: &HttpRouteRules, destinations: &[Destination]) -> Option<Duration> {
        let backend_request = rule.timeouts.as_ref().and_then(|timeouts| timeouts.backend_request.as_deref());
        let providers = destinations.iter().flat_map(|destination| destination.target.groups()).flatten();
        let default = match self {
            Self::Same => None,
            Self::Others(_) => Some(FIRST_BYTE),
        };
        backend_request
            .and_then(parse_duration)
            .or_else(|| providers.filter_map(|provider| provider.request_timeout).max())
            .or(default)
            .filter(|timeout| !timeout.is_zero())
    }
}

fn timeout(context: Context<'_>, key: &ObjectKey, rule: &HttpRouteRules) -> Option<Duration> {
    rule.timeouts.as_ref().and_then(|timeouts| timeouts.request.as_deref()).and_then(parse_duration).or_else(
        || {
            let scope = context.scope(Some((key, rule.name.as_deref())));
            context.index.policies.request_timeout(scope)
        },
    )
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

/// Route metadata for the `llm` filter. It takes requests at unknown paths for chat completions, as agentgateway does on
/// routes to LLM providers.
pub(super) fn metadata(destinations: &[Destination], groups: Option<String>) -> Option<Metadata> {
    if !destinations.iter().any(|destination| destination.target.is_llm()) {
        return None;
    }
    endpoint("openai_chat", endpoints(destinations), groups)
}

/// What the destinations of a route say is spoken at its paths, as the `llm` filter reads it. The first that says
/// anything is heard: a request is read before it is known which of them gets it.
fn endpoints(destinations: &[Destination]) -> Option<String> {
    serde_json::to_string(spoken(destinations)?).ok()
}

/// Path suffix (or `*`) → what the destinations of a route say is spoken there.
pub(super) fn spoken(destinations: &[Destination]) -> Option<&BTreeMap<String, Endpoint>> {
    destinations.iter().find_map(|destination| match &destination.target {
        Target::Backend(backend) => Some(&backend.routes).filter(|routes| !routes.is_empty()),
        Target::Nowhere => None,
    })
}

/// Route metadata for the `llm` filter: the endpoint requests at unknown paths are taken for, what is spoken at paths of
/// this route alone, and the clusters it chooses from.
pub(super) fn endpoint(name: &str, endpoints: Option<String>, groups: Option<String>) -> Option<Metadata> {
    let (namespace, key) = filter_config::ROUTE_METADATA;
    let mut fields = serde_json::Map::new();
    fields.insert(key.to_owned(), name.into());
    let more = [(filter_config::ROUTE_ENDPOINTS, endpoints), (filter_config::ROUTE_GROUPS.1, groups)];
    fields.extend(more.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into()))));
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
