//! Authentication: routes name what filters know, edits change the filters only, and no key leaves in clear.

use std::collections::{BTreeMap, BTreeSet};

use envoy_proto::envoy::config::route::v3::{Route, RouteConfiguration};
use envoy_proto::envoy::extensions::filters::http::jwt_authn::v3::{
    JwtAuthentication, PerRouteConfig, jwt_provider, per_route_config,
};
use envoy_proto::prost_types::value::Kind;
use envoy_proto::unpack;
use resources::Severity;
use translate::{ResourceKind, Runtime, Settings, Translation, translate};

use crate::edits::{BASE, Change, changes_between};
use crate::filters::{api_keys, filters};
use crate::fixture::{self, translated};

fn jwt(translation: &Translation) -> BTreeMap<String, JwtAuthentication> {
    filters(translation, "weir/jwt/", |config| unpack(config).unwrap())
}

/// Every route, by listener.
fn routes(translation: &Translation) -> Vec<(String, Route)> {
    let tables = translation.resources.iter().filter(|((kind, _), _)| *kind == ResourceKind::Routes);
    tables
        .flat_map(|((_, listener), resource)| {
            let table: RouteConfiguration = unpack(&resource.body).unwrap();
            let routes = table.virtual_hosts.into_iter().flat_map(|host| host.routes);
            routes.map(|route| (listener.clone(), route)).collect::<Vec<_>>()
        })
        .collect()
}

/// The requirement a route names.
fn requirement(listener: &str, route: &Route) -> Option<String> {
    let config = route.typed_per_filter_config.get(&format!("weir/jwt/{listener}"))?;
    match unpack::<PerRouteConfig>(config).unwrap().requirement_specifier {
        Some(per_route_config::RequirementSpecifier::RequirementName(name)) => Some(name),
        other => panic!("{other:?}"),
    }
}

/// The policy with API keys a route names.
fn key_policy(route: &Route) -> Option<String> {
    let fields = route.metadata.as_ref()?.filter_metadata.get("weir")?;
    match fields.fields.get(filter_config::ROUTE_API_KEYS)?.kind.clone() {
        Some(Kind::StringValue(name)) => Some(name),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_routes_name_is_there() {
    let mut seen = (0, 0);
    for fixture in fixture::all() {
        let translation = translate(&fixture::objects(&fixture.objects), &fixture::wasm());
        let routes = routes(&translation);
        let of = |listener: &str, name: &dyn Fn(&str, &Route) -> Option<String>| -> BTreeSet<String> {
            let own = routes.iter().filter(|(of, _)| of == listener);
            own.filter_map(|(listener, route)| name(listener, route)).collect()
        };
        let (jwt, keys) = (jwt(&translation), api_keys(&translation));
        for (listener, _) in &routes {
            let named = of(listener, &requirement);
            let known = jwt.get(listener).map(|filter| filter.requirement_map.keys().cloned().collect());
            assert_eq!(named, known.unwrap_or_default(), "{listener} of {}", fixture.name);
            seen.0 += named.len();
            let named = of(listener, &|_, route| key_policy(route));
            let known = keys.get(listener).map(|filter| filter.policies.keys().cloned().collect());
            assert_eq!(named, known.unwrap_or_default(), "{listener} of {}", fixture.name);
            seen.1 += named.len();
        }
    }
    assert!(seen.0 > 2 && seen.1 > 2, "{seen:?}");
}

#[test]
fn no_key_leaves_in_clear() {
    let fixture = fixture::load("authentication");
    let translation = translate(&fixture::objects(&fixture.objects), &fixture::wasm());
    for ((_, name), resource) in &translation.resources {
        let body = String::from_utf8_lossy(&resource.body.value);
        assert!(!body.contains("hunter2"), "{name}");
    }
    assert!(translation.findings.len() > 5);
    for finding in &translation.findings {
        assert!(!finding.to_string().contains("hunter2"), "{finding}");
    }
}

/// A policy for the route of [`BASE`], beside it.
fn with(traffic: &str) -> String {
    format!(
        "{BASE}---\napiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nmetadata: {{name: who}}\nspec:\n  \
         targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: route}}]\n  traffic: {traffic}\n"
    )
}

const TOKENS: &str = "{jwtAuthentication: {providers: [{issuer: me, jwks: {inline: '{\"keys\": [{\"kty\": \"OKP\", \
     \"crv\": \"Ed25519\", \"x\": \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}'}}]}}";

const KEYS: &str = "{apiKeyAuthentication: {secretRef: {name: clients}}}\n---\napiVersion: v1\nkind: Secret\nmetadata: \
     {name: clients}\nstringData: {ann: sk-one}";

fn between(before: &str, after: &str) -> BTreeSet<Change> {
    let objects = |text: &str| fixture::objects(&fixture::decode("edit.yaml", text));
    changes_between(&objects(before), &objects(after))
}

#[test]
fn a_policy_brings_its_filter_and_an_edit_changes_that_only() {
    let added = [(ResourceKind::Extension, '+'), (ResourceKind::Listener, '~'), (ResourceKind::Routes, '~')];
    let edited = [(ResourceKind::Extension, '~')];
    for (policy, from, to) in [
        (TOKENS, "issuer: me", "issuer: you"),
        (TOKENS, "{jwtAuthentication: {", "{jwtAuthentication: {mode: Optional, "),
        (TOKENS, "{jwtAuthentication: {", "{jwtAuthentication: {location: {header: {name: x-token}}, "),
        // A key that is replaced, and one that is added, so that a client can go from one to the other.
        (KEYS, "sk-one", "sk-two"),
        (KEYS, "{ann: sk-one}", "{ann: sk-one, ann-new: sk-two}"),
        (KEYS, "{apiKeyAuthentication: {", "{apiKeyAuthentication: {mode: Permissive, "),
    ] {
        let policy = with(policy);
        assert_eq!(between(BASE, &policy), added.into());
        assert!(policy.contains(from));
        assert_eq!(between(&policy, &policy.replace(from, to)), edited.into(), "{to}");
    }
}

#[test]
fn a_service_with_keys_brings_its_cluster() {
    let remote = with(
        "{jwtAuthentication: {providers: [{issuer: me, jwks: {remote: {backendRef: {name: web, port: 80}, jwksPath: \
         keys}}}]}}",
    );
    let expected = [
        (ResourceKind::Cluster, '+'),
        (ResourceKind::Endpoints, '+'),
        (ResourceKind::Extension, '+'),
        (ResourceKind::Listener, '~'),
        (ResourceKind::Routes, '~'),
    ];
    assert_eq!(between(BASE, &remote), expected.into());
}

#[test]
fn every_kind_of_route_is_guarded_and_none_that_is_closed() {
    // A list of models, and the answer to models nobody serves, are answers of Envoy's own.
    let models = with(TOKENS).replace(
        "    backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: llm}]\n",
        "    backendRefs: [{group: agentgateway.dev, kind: AgentgatewayModel, name: '*'}]\n",
    );
    assert!(models.contains("AgentgatewayModel"));
    let translation = translated(&models);
    let routes = routes(&translation);
    assert!(routes.len() > 3, "{routes:?}");
    for (listener, route) in &routes {
        assert_eq!(requirement(listener, route).as_deref(), Some("default/who"), "{route:?}");
    }
    // Those of a listener are for its Gateway's policy.
    let of_gateway = format!(
        "{}---\napiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayModel\nmetadata: {{name: m}}\nspec: {{parentRefs: \
         [{{name: gw}}], provider: OpenAI}}\n",
        with(TOKENS)
            .replace("kind: HTTPRoute, name: route}]\n  traffic", "kind: Gateway, name: gw}]\n  traffic")
            .replace(
                "protocol: HTTP}",
                "protocol: HTTP, allowedRoutes: {kinds: [{group: agentgateway.dev, kind: \
                      AgentgatewayModel}, {kind: HTTPRoute}]}}"
            )
    );
    let translation = translated(&of_gateway);
    let routes = self::routes(&translation);
    let named = |name: &str| routes.iter().filter(|(_, route)| route.name == name).count();
    assert!(named("models") == 2 && named("model/default/m") > 0, "{:?}", translation.findings);
    for (listener, route) in &routes {
        assert_eq!(requirement(listener, route).as_deref(), Some("default/who"), "{route:?}");
    }
    let broken = translated(&with(&TOKENS.replace("11qY", "")));
    assert!(broken.findings.iter().any(|finding| finding.severity == Severity::Error));
    assert!(jwt(&broken).is_empty());
    assert!(broken.routes.iter().all(|route| route.leads_to.contains("500")), "{:?}", broken.routes);
}

#[test]
fn inline_keys_are_handed_on_without_what_envoy_cannot_use() {
    let mixed = TOKENS.replace("[{\"kty\"", "[{\"kty\": \"oct\", \"k\": \"c2VjcmV0\"}, {\"kty\"");
    let translation = translated(&with(&mixed));
    let filters = jwt(&translation);
    let provider = filters["default/gw/8080"].providers.values().next().unwrap();
    let Some(jwt_provider::JwksSourceSpecifier::LocalJwks(source)) = &provider.jwks_source_specifier else {
        panic!("{provider:?}");
    };
    let text = format!("{source:?}");
    assert!(text.contains("11qYAYKxCrfVS") && !text.contains("c2VjcmV0"), "{text}");
}

/// Taking the key out would lead such a request to another rule.
#[test]
fn matches_on_what_is_taken_out_are_not_served() {
    let header = "headers: [{name: X-Other, value: a}, {name: X-Key, value: sk-one}]";
    let parameter = "queryParams: [{name: key, value: sk-one}]";
    let cookie = "headers: [{name: Cookie, type: RegularExpression, value: '.*key=.*'}]";
    let token = "headers: [{name: authorization, type: RegularExpression, value: '.+'}]";
    let at = |location: &str| KEYS.replace("}}\n", &format!(", location: {location}}}}}\n"));
    let both = {
        let tokens = TOKENS.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap();
        at("{header: {name: x-key}}").replacen('{', &format!("{{{tokens}, "), 1)
    };
    let cases = [
        (at("{header: {name: x-key}}"), header, Some("headers[1]")),
        (at("{queryParameter: {name: key}}"), parameter, Some("queryParams[0]")),
        (at("{cookie: {name: key}}"), cookie, Some("headers[0]")),
        (KEYS.to_owned(), token, Some("headers[0]")),
        // The key is taken out, so the route is chosen without the token as well.
        (both.clone(), token, Some("headers[0]")),
        // Envoy keeps the route when it takes out a token; parameters are told from headers, and by case.
        (TOKENS.to_owned(), token, None),
        (both, parameter, None),
        (at("{queryParameter: {name: x-key}}"), header, None),
        (at("{header: {name: key}}"), parameter, None),
        (at("{queryParameter: {name: Key}}"), parameter, None),
    ];
    for runtime in
        [Runtime::Wasm { module: "/weir.wasm".into() }, Runtime::Native { library: "/libweir.so".into() }]
    {
        for (policy, matched, refused) in &cases {
            let matches = format!("[{{path: {{value: /plain}}}}, {{path: {{value: /v1}}, {matched}}}]");
            // Every kind of entry that a rule has: of a backend, and of models with their list.
            for models in [false, true] {
                let mut text = with(policy).replace("[{path: {value: /v1}}]", &matches);
                if models {
                    text = text.replace("AgentgatewayBackend, name: llm}]", "AgentgatewayModel, name: '*'}]");
                }
                let objects = fixture::objects(&fixture::decode("matches.yaml", &text));
                let settings = Settings::new(runtime.clone());
                let translation = translate(&objects, &settings);
                let found: Vec<_> =
                    translation.findings.iter().filter(|one| one.severity == Severity::Error).collect();
                let wanted = refused.map(|part| format!("spec.rules[0].matches[1].{part}"));
                assert_eq!(
                    found.iter().map(|one| one.field_path.as_str()).collect::<Vec<_>>(),
                    wanted.iter().map(String::as_str).collect::<Vec<_>>(),
                    "{policy} {matched} {found:?}"
                );
                let (closed, open): (Vec<_>, Vec<_>) = routes(&translation)
                    .into_iter()
                    .map(|(_, route)| route)
                    .partition(|route| format!("{:?}", route.action).contains("status: 500"));
                assert_eq!(closed.is_empty(), refused.is_none(), "{policy} {matched}");
                // Nothing is asked of whom it answers, or the key would be taken out there as well.
                let of_who = |route: &Route| {
                    key_policy(route).is_some() || requirement("default/gw/8080", route).is_some()
                };
                assert!(!closed.iter().any(of_who), "{closed:?}");
                assert!(!open.is_empty() && open.iter().all(of_who), "{open:?}");
            }
        }
    }
}

#[test]
fn no_key_is_where_the_name_of_the_model_is_written() {
    let policy = KEYS.replace("}}\n", ", location: {header: {name: X-Gateway-Model-Name}}}}\n");
    let translation = translated(&with(&policy));
    let found: Vec<_> = translation.findings.iter().map(|one| one.field_path.as_str()).collect();
    let path = "spec.traffic.apiKeyAuthentication";
    assert_eq!(found, [path.to_owned(), format!("{path}.location.header")]);
    assert!(
        translation.routes.iter().all(|route| route.leads_to.contains("500")),
        "{:?}",
        translation.routes
    );
}

/// A request whose cookie loses a key could match another rule exactly, which asks for another key.
#[test]
fn no_rule_of_a_port_matches_on_cookies_that_lose_keys() {
    let cookie = KEYS.replace("}}\n", ", location: {cookie: {name: key}}}}\n");
    let other = "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: other}\nspec:\n  \
                 parentRefs: [{name: gw}]\n  rules:\n  - matches: [{path: {value: /v1}, headers: [{name: Cookie, value: \
                 a=1}]}]\n    backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: llm}]\n";
    for (policy, closed) in [(cookie.as_str(), true), (KEYS, false)] {
        let text = format!("{}{other}", with(policy));
        let objects = fixture::objects(&fixture::decode("cookies.yaml", &text));
        let translation = translate(&objects, &fixture::wasm());
        let found: Vec<_> = translation.findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            found.iter().any(|one| one.contains("HTTPRoute default/other: spec.rules")),
            closed,
            "{found:?}"
        );
        let refused: Vec<_> = translation
            .routes
            .iter()
            .filter(|route| route.leads_to.contains("500"))
            .map(|one| &one.route)
            .collect();
        assert_eq!(refused, if closed { vec!["default/other"] } else { vec![] });
    }
}
