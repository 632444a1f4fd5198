//! Limits: always in a form the filter takes, nowhere but where they are attached, and never missing while they are
//! edited.

use std::collections::{BTreeMap, BTreeSet};

use envoy_proto::envoy::config::route::v3::{Route, RouteConfiguration};
use envoy_proto::prost_types::value::Kind;
use envoy_proto::unpack;
use filter_config::{RouteLimit, Sends, Unit};
use translate::{ResourceKind, Settings, Translation, translate};

use crate::edits::{BASE, Change, changes_between};
use crate::filters::limits;
use crate::fixture::{self, translated};

/// Every route of a listener.
fn routes(translation: &Translation, listener: &str) -> Vec<Route> {
    let key = (ResourceKind::Routes, listener.to_owned());
    let table: RouteConfiguration = unpack(&translation.resources[&key].body).unwrap();
    table.virtual_hosts.into_iter().flat_map(|host| host.routes).collect()
}

/// What a route says of its limits.
fn of_route(route: &Route) -> Vec<RouteLimit> {
    let metadata = route.metadata.as_ref().and_then(|metadata| metadata.filter_metadata.get("weir"));
    let value = metadata.and_then(|fields| fields.fields.get(filter_config::ROUTE_LIMITS)?.kind.clone());
    match value {
        Some(Kind::StringValue(json)) => serde_json::from_str(&json).unwrap(),
        _ => Vec::new(),
    }
}

/// The policies a route names.
fn named(route: &Route) -> Vec<String> {
    let names = of_route(route).into_iter().flat_map(|limit| match limit {
        RouteLimit::Of(name) => vec![name],
        RouteLimit::FirstOf(choices) => choices.concat(),
        RouteLimit::Sent { .. } => Vec::new(),
    });
    names.collect()
}

#[test]
fn what_routes_name_is_there() {
    let mut seen = 0;
    for fixture in fixture::all() {
        let translation = translate(&fixture::objects(&fixture.objects), &fixture::wasm());
        for (listener, limit) in limits(&translation) {
            let routes = routes(&translation, &listener);
            let names: BTreeSet<String> = routes.iter().flat_map(named).collect();
            assert_eq!(names, limit.policies.keys().cloned().collect());
            seen += names.len();
        }
    }
    assert!(seen > 2, "{seen}");
}

fn limited(kind: &str, name: &str, limit: &str) -> String {
    format!(
        "{BASE}---\napiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nmetadata: {{name: limit}}\nspec:\n  \
         targetRefs: [{{group: gateway.networking.k8s.io, kind: {kind}, name: {name}}}]\n  \
         traffic: {{rateLimit: {limit}}}\n"
    )
}

fn between(before: &str, after: &str) -> BTreeSet<Change> {
    let objects = |text: &str| fixture::objects(&fixture::decode("edit.yaml", text));
    changes_between(&objects(before), &objects(after))
}

#[test]
fn a_limit_brings_its_filter_and_an_edit_changes_that_only() {
    let ten = limited("HTTPRoute", "route", "{local: [{requests: 10, unit: Seconds}]}");
    let expected =
        [(ResourceKind::Extension, '+'), (ResourceKind::Listener, '~'), (ResourceKind::Routes, '~')];
    assert_eq!(between(BASE, &ten), expected.into());
    let twenty = ten.replace("requests: 10", "requests: 20");
    assert_eq!(between(&ten, &twenty), [(ResourceKind::Extension, '~')].into());
}

#[test]
fn a_service_brings_its_cluster() {
    let global = "{global: {url: 'http://192.0.2.1:8081', domain: d, descriptors: [{entries: [{name: a, \
                  expression: request.path}]}]}}";
    let changes = between(BASE, &limited("Gateway", "gw", global));
    let expected = [
        (ResourceKind::Cluster, '+'),
        (ResourceKind::Extension, '+'),
        (ResourceKind::Listener, '~'),
        (ResourceKind::Routes, '~'),
    ];
    assert_eq!(changes, expected.into());
    // Another domain is a matter of routes.
    let other = limited("Gateway", "gw", &global.replace("domain: d", "domain: e"));
    let changes = between(&limited("Gateway", "gw", global), &other);
    assert!(
        changes.contains(&(ResourceKind::Routes, '~')) && !changes.contains(&(ResourceKind::Cluster, '~'))
    );
}

#[test]
fn an_override_needs_no_other_listener() {
    let global = "{global: {url: 'http://192.0.2.1:8081', domain: d, descriptors: [{entries: [{name: a, \
                  expression: request.path}]}]}}";
    let limit = "limitOverride: '{\"unit\": \"hour\", \"requestsPerUnit\": 5}'";
    let overridden = global.replace("request.path}]}", &format!("request.path}}], {limit}}}"));
    let changes = between(&limited("Gateway", "gw", global), &limited("Gateway", "gw", &overridden));
    assert_eq!(changes, [(ResourceKind::Extension, '~'), (ResourceKind::Routes, '~')].into());
}

#[test]
fn what_is_spent_outlives_a_new_amount_and_not_a_new_unit() {
    let id = |limit: &str| {
        let translation = translated(&limited("Gateway", "gw", &format!("{{local: [{limit}]}}")));
        limits(&translation)["default/gw/8080"].policies["default/limit/local"].local[0].id.clone()
    };
    let before = id("{tokens: 10, unit: Minutes}");
    assert_eq!(before, id("{tokens: 500, unit: Minutes, burst: 7, shadow: true}"));
    assert_ne!(before, id("{tokens: 10, unit: Hours}"));
    assert_ne!(before, id("{requests: 10, unit: Minutes}"));
}

#[test]
fn global_limits_reserve_only_where_they_are_told_to() {
    let limit = "local: [{tokens: 9, unit: Hours}], global: {url: 'http://192.0.2.1', domain: d, descriptors: \
                 [{entries: [{name: a, expression: request.path}], unit: Tokens}]}";
    for (reserve, local, global) in [
        ("", true, false),
        (", reserve: {outputTokens: 5}", true, false),
        (", reserve: {enabled: true}", true, true),
        (", reserve: {enabled: false}", false, false),
    ] {
        let translation = translated(&limited("Gateway", "gw", &format!("{{{limit}{reserve}}}")));
        let filter = &limits(&translation)["default/gw/8080"];
        let enabled = |name: &str| filter.policies[&format!("default/limit/{name}")].reserve.enabled;
        assert_eq!((enabled("local"), enabled("global")), (local, global), "{reserve}");
        // One descriptor at admission; of a filter that is never held up, one at the end, and one to give back where
        // something was reserved.
        let routes = routes(&translation, "default/gw/8080");
        let configs = routes[0].typed_per_filter_config.iter().map(|(name, config)| {
            let per_route: envoy_proto::envoy::extensions::filters::http::ratelimit::v3::RateLimitPerRoute =
                unpack(config).unwrap();
            let at_end: Vec<_> =
                per_route.rate_limits.iter().map(|limit| limit.apply_on_stream_done).collect();
            (name.ends_with("/end"), at_end)
        });
        let configs: std::collections::BTreeMap<_, _> = configs.collect();
        let at_end = if global { vec![true, true] } else { vec![true] };
        assert_eq!(configs, [(false, vec![false]), (true, at_end)].into());
        assert!(filter.policies.values().all(|policy| policy.counts(Unit::Tokens)));
    }
}

const CHOICES: &str = "{conditional: [{condition: 'llm.streaming', policy: {local: [{requests: 1, unit: Hours}]}}, \
                       {policy: {local: [{requests: 9, unit: Hours}], global: {url: 'http://192.0.2.1', domain: d, \
                       descriptors: [{entries: [{name: a, expression: request.path}]}]}}}]}";

#[test]
fn choices_reach_the_filter_in_order_with_their_conditions() {
    let translation = translated(&limited("HTTPRoute", "route", CHOICES));
    assert_eq!(translation.findings, []);
    let filter = &limits(&translation)["default/gw/8080"];
    let when: Vec<_> =
        filter.policies.iter().map(|(name, limit)| (name.as_str(), limit.when.as_deref())).collect();
    let first = ("default/limit/0/local", Some("llm.streaming"));
    assert_eq!(when, [first, ("default/limit/1/global", None), ("default/limit/1/local", None)]);
    for route in routes(&translation, "default/gw/8080") {
        let choices = [vec![first.0], vec!["default/limit/1/global", "default/limit/1/local"]];
        let choices = choices.map(|names| names.into_iter().map(str::to_owned).collect()).into();
        assert_eq!(of_route(&route), [RouteLimit::FirstOf(choices)]);
    }
}

/// The price of what is sent counts, so the filter must know what that is.
#[test]
fn limits_on_money_know_what_providers_are_sent() {
    let settings = Settings { prices: Some(serde_json::json!({"providers": {}})), ..fixture::wasm() };
    let sent = Sends {
        model: Some("gpt-5".to_owned()),
        aliases: BTreeMap::from([("fast".to_owned(), "gpt-5-mini".to_owned())]),
        any: false,
    };
    let sent = RouteLimit::Sent { sends: vec![sent] };
    for (limit, told) in [("cost: 9", vec![sent]), ("tokens: 9", Vec::new())] {
        let text = limited("Gateway", "gw", &format!("{{local: [{{{limit}, unit: Hours}}]}}"));
        let objects = fixture::objects(&fixture::decode("limits.yaml", &text));
        let routes = routes(&translate(&objects, &settings), "default/gw/8080");
        let limits = routes.iter().flat_map(of_route);
        let found: Vec<_> = limits.filter(|limit| matches!(limit, RouteLimit::Sent { .. })).collect();
        assert_eq!(found, told);
    }
}

#[test]
fn a_choice_that_cannot_be_kept_closes_all() {
    for (part, other) in [
        ("llm.streaming", "mcp.methodName"),
        ("{local: [{requests: 1, unit: Hours}]}", "{local: [{cost: 1, unit: Hours}]}"),
        (
            "{local: [{requests: 1, unit: Hours}]}",
            "{global: {url: 'http://192.0.2.1', domain: other, descriptors: [{entries: [{name: a, expression: '1'}]}]}}",
        ),
    ] {
        let text = limited("HTTPRoute", "route", &CHOICES.replacen(part, other, 1));
        let translation = translated(&text);
        assert!(
            translation.findings.iter().any(|finding| finding.to_string().contains("rateLimit")),
            "{other}"
        );
        assert!(limits(&translation).is_empty(), "{other}");
        assert!(translation.routes.iter().all(|route| route.leads_to == "refused (500)"), "{other}");
    }
}

#[test]
fn listeners_have_limits_of_their_own() {
    let two = BASE.replace(
        "listeners: [{name: http, port: 8080, protocol: HTTP}]",
        "listeners: [{name: http, port: 8080, protocol: HTTP, hostname: a.example}, \
         {name: other, port: 8080, protocol: HTTP, hostname: b.example}]",
    );
    assert_ne!(two, BASE);
    let text = limited("Gateway", "gw, sectionName: other", "{local: [{requests: 1, unit: Seconds}]}");
    let translation = translated(&text.replace(BASE, &two));
    assert_eq!(translation.findings, []);
    let key = (ResourceKind::Routes, "default/gw/8080".to_owned());
    let table: RouteConfiguration = unpack(&translation.resources[&key].body).unwrap();
    let hosts: Vec<(&str, usize)> = table
        .virtual_hosts
        .iter()
        .map(|host| (host.name.as_str(), host.routes.iter().map(|route| named(route).len()).sum()))
        .collect();
    assert_eq!(hosts.len(), 2);
    for (host, limits) in hosts {
        assert_eq!(limits > 0, host == "b.example", "{host}");
    }
}
