//! What holds for any objects, in any order.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use envoy_proto::envoy::config::route::v3::{Route, RouteConfiguration, route_match::PathSpecifier};
use proptest::prelude::*;
use proptest::sample::Index;
use resources::{Object, ObjectKey};
use translate::{Delivery, Objects, ResourceKind, Settings, Translation, translate};

use crate::fixture::{self, Usable};

/// The objects of all fixtures; several share a key.
fn pool() -> &'static [(Object, Usable)] {
    static POOL: LazyLock<Vec<(Object, Usable)>> =
        LazyLock::new(|| fixture::all().into_iter().flat_map(|fixture| fixture.objects).collect());
    &POOL
}

fn settings(delivery: Delivery) -> Settings {
    Settings { delivery, ..fixture::wasm() }
}

#[derive(Debug, Clone)]
enum Step {
    Put(Index),
    /// Puts an object the other way: a usable one as refused, and the reverse.
    PutOtherwise(Index),
    Delete(Index),
}

fn steps(length: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => any::<Index>().prop_map(Step::Put),
        1 => any::<Index>().prop_map(Step::PutOtherwise),
        2 => any::<Index>().prop_map(Step::Delete),
    ];
    proptest::collection::vec(step, 0..length)
}

/// Entries of Secrets that are names.
const PUBLIC: [&str; 3] = ["accessKey", "clientID", "tenantID"];

/// Nothing that only Secrets know is anywhere else.
fn assert_secrets_are_kept(pool: &[(Object, Usable)], translation: &Translation) {
    let secrets: Vec<&str> = pool
        .iter()
        .filter_map(|(object, _)| match object {
            Object::Secret(secret) => Some(secret.data.iter()),
            _ => None,
        })
        .flatten()
        .filter(|(entry, _)| !entry.ends_with(".crt") && !PUBLIC.contains(&entry.as_str()))
        .filter_map(|(_, value)| value.reveal_text().map(str::trim))
        .chain(["sk-secret-5", "secret-6", "cloud-secret-"])
        .collect();
    assert!(secrets.len() > 8);
    for ((kind, name), resource) in &translation.resources {
        let text = String::from_utf8_lossy(&resource.body.value);
        for secret in &secrets {
            assert!(kind.carries_secret(name) || !text.contains(secret), "{kind:?} {name} holds a secret");
        }
    }
    let told = format!("{:?} {:?} {:?}", translation.findings, translation.routes, translation.tokens);
    for secret in &secrets {
        assert!(!told.contains(secret), "{told}");
    }
}

/// Every resource that another names is there, and nothing is there that nobody names.
fn assert_references_are_closed(translation: &Translation) {
    let names =
        |kind: ResourceKind| translation.resources.keys().filter(move |key| key.0 == kind).map(|key| &key.1);
    let text: BTreeMap<ResourceKind, String> =
        translation.resources.iter().fold(BTreeMap::new(), |mut all, ((kind, _), resource)| {
            all.entry(*kind)
                .or_insert_with(String::new)
                .push_str(&String::from_utf8_lossy(&resource.body.value));
            all
        });
    let text = |kind| text.get(&kind).map(String::as_str).unwrap_or_default();
    for cluster in names(ResourceKind::Cluster) {
        // Traces and logs leave by listeners, guards ask by their filters.
        let users = [ResourceKind::Routes, ResourceKind::Listener, ResourceKind::Extension];
        assert!(
            users.iter().any(|&kind| text(kind).contains(cluster.as_str())),
            "nothing leads to {cluster}"
        );
    }
    for endpoints in names(ResourceKind::Endpoints) {
        assert!(
            names(ResourceKind::Cluster).any(|cluster| cluster == endpoints),
            "{endpoints} has no cluster"
        );
    }
    for secret in names(ResourceKind::Secret) {
        assert!(text(ResourceKind::Cluster).contains(secret.as_str()), "no cluster needs {secret}");
    }
    for token in translation.tokens.keys() {
        assert!(text(ResourceKind::Cluster).contains(token.as_str()), "no cluster needs {token}");
    }
    for filter in names(ResourceKind::Extension) {
        let users = [ResourceKind::Cluster, ResourceKind::Listener];
        assert!(users.iter().any(|&kind| text(kind).contains(filter.as_str())), "nothing needs {filter}");
    }
    assert!(names(ResourceKind::Listener).eq(names(ResourceKind::Routes)));
}

#[test]
fn every_fixture_keeps_its_secrets_and_closes_its_references() {
    let pool = pool();
    for fixture in fixture::all() {
        let objects = fixture::objects(&fixture.objects);
        for delivery in [Delivery::Discovery, Delivery::Static] {
            assert_secrets_are_kept(pool, &translate(&objects, &settings(delivery)));
        }
        assert_references_are_closed(&translate(&objects, &settings(Delivery::Discovery)));
    }
}

/// A route's rank by the Gateway API (HTTPRouteRule.matches), read from what Envoy gets: the smaller comes first.
fn rank(route: &Route) -> (u8, Reverse<usize>, Reverse<usize>, Reverse<usize>, Reverse<usize>) {
    let matched = route.r#match.as_ref().unwrap();
    let (kind, length) = match matched.path_specifier.as_ref().unwrap() {
        PathSpecifier::Path(path) => (0, path.len()),
        PathSpecifier::PathSeparatedPrefix(prefix) => (1, prefix.len()),
        PathSpecifier::Prefix(prefix) => (1, prefix.trim_end_matches('/').len()),
        PathSpecifier::SafeRegex(regex) => (2, regex.regex.len()),
        other => panic!("{other:?}"),
    };
    let methods = matched.headers.iter().filter(|header| header.name == ":method").count();
    let headers = matched.headers.len() - methods;
    (kind, Reverse(length), Reverse(methods), Reverse(headers), Reverse(matched.query_parameters.len()))
}

/// One rule's match, as YAML.
fn matches() -> impl Strategy<Value = String> {
    let path = prop_oneof![
        "(/[ab]{1,3}){1,3}/?".prop_map(|path| format!("path: {{type: PathPrefix, value: {path}}}")),
        "(/[ab]{1,3}){1,3}".prop_map(|path| format!("path: {{type: Exact, value: {path}}}")),
        "/[ab]{1,3}/[.][*]".prop_map(|path| format!("path: {{type: RegularExpression, value: '{path}'}}")),
        Just("path: {value: /}".to_owned()),
    ];
    (path, any::<bool>(), 0..3_usize, 0..3_usize).prop_map(|(path, method, headers, query)| {
        let list =
            |count| (0..count).map(|i| format!("{{name: n{i}, value: v}}")).collect::<Vec<_>>().join(", ");
        let method = if method { ", method: GET" } else { "" };
        format!("{{{path}{method}, headers: [{}], queryParams: [{}]}}", list(headers), list(query))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// The order in which objects arrive does not matter.
    #[test]
    fn the_order_of_arrival_does_not_matter(chosen in proptest::collection::vec(any::<Index>(), 0..60), seed in any::<u64>()) {
        let pool = pool();
        let unique: BTreeMap<ObjectKey, (Object, Usable)> =
            chosen.iter().map(|index| index.get(pool).clone()).map(|one| (one.0.key(), one)).collect();
        let ordered: Vec<_> = unique.into_values().collect();
        let mut shuffled = ordered.clone();
        let mut state = seed | 1;
        for place in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            shuffled.swap(place, (state >> 33) as usize % (place + 1));
        }
        let settings = settings(Delivery::Discovery);
        prop_assert_eq!(
            translate(&fixture::objects(&ordered), &settings),
            translate(&fixture::objects(&shuffled), &settings)
        );
    }

    /// Envoy tries routes in the order the Gateway API gives them; ties go to the older route, then by name.
    #[test]
    fn routes_are_in_the_order_of_the_gateway_api(
        routes in proptest::collection::vec((proptest::collection::vec(matches(), 1..4), 0..3_u8), 1..5),
    ) {
        let mut text = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw}\nspec: \
            {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP}]}\n".to_owned();
        let mut ages = BTreeMap::new();
        for (index, (matches, age)) in routes.iter().enumerate() {
            ages.insert(format!("default/r{index}"), *age);
            let rules: Vec<_> = matches.iter().map(|one| format!("{{matches: [{one}]}}")).collect();
            text.push_str(&format!(
                "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: r{index}, \
                 creationTimestamp: '2026-01-0{}T00:00:00Z'}}\nspec: {{parentRefs: [{{name: gw}}], rules: [{}]}}\n",
                age + 1, rules.join(", "),
            ));
        }
        let objects = fixture::objects(&fixture::decode("routes.yaml", &text));
        let translation = translate(&objects, &settings(Delivery::Discovery));
        let table = translation.resources.iter().find(|((kind, _), _)| *kind == ResourceKind::Routes).unwrap().1;
        let table: RouteConfiguration = envoy_proto::unpack(&table.body).unwrap();
        let ordered: Vec<_> = table.virtual_hosts[0]
            .routes
            .iter()
            .map(|route| {
                let (name, rule) = route.name.rsplit_once('/').unwrap();
                (rank(route), ages[name], name.to_owned(), rule.parse::<usize>().unwrap())
            })
            .collect();
        prop_assert_eq!(ordered.len(), routes.iter().map(|(matches, _)| matches.len()).sum::<usize>());
        prop_assert!(ordered.is_sorted(), "{:#?}", ordered);
    }

    /// What remains after any sequence of steps is translated as if nothing else had ever been.
    #[test]
    fn history_does_not_matter(steps in steps(80)) {
        let pool = pool();
        let mut objects = Objects::default();
        let mut model: BTreeMap<ObjectKey, (Object, Usable)> = BTreeMap::new();
        for step in &steps {
            match step {
                Step::Put(index) => {
                    let one = index.get(pool).clone();
                    model.insert(one.0.key(), one.clone());
                    fixture::put(&mut objects, one);
                }
                Step::PutOtherwise(index) => {
                    let (object, usable) = index.get(pool).clone();
                    let usable = if usable == Usable::Yes { Usable::No } else { Usable::Yes };
                    model.insert(object.key(), (object.clone(), usable));
                    fixture::put(&mut objects, (object, usable));
                }
                Step::Delete(index) => {
                    let key = index.get(pool).0.key();
                    model.remove(&key);
                    objects.delete(&key);
                }
            }
        }
        prop_assert_eq!(objects.len(), model.len());
        let scratch = fixture::objects(&model.into_values().collect::<Vec<_>>());
        for delivery in [Delivery::Discovery, Delivery::Static] {
            let settings = settings(delivery);
            let translation = translate(&objects, &settings);
            prop_assert_eq!(&translation, &translate(&scratch, &settings));
            assert_secrets_are_kept(pool, &translation);
            if delivery == Delivery::Discovery {
                assert_references_are_closed(&translation);
            }
        }
    }
}
