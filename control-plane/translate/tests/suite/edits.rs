//! Which resources an edit changes. Envoy keeps what is not changed: pools, connections, listeners.

use std::collections::BTreeSet;

use resources::{Kind, Object};
use translate::{Objects, ResourceKind, translate};

use crate::fixture;

pub(crate) const BASE: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: 8080, protocol: HTTP}]}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {Authorization: sk-old}
---
apiVersion: agentgateway.dev/v1alpha1
kind: AgentgatewayBackend
metadata: {name: llm}
spec:
  ai: {provider: {openai: {model: gpt-5}}}
  policies: {auth: {secretRef: {name: key}}, ai: {modelAliases: {fast: gpt-5-mini}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8000}]
endpoints: [{addresses: [10.0.0.1]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: route}
spec:
  parentRefs: [{name: gw}]
  rules:
  - matches: [{path: {value: /v1}}]
    backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: llm}]
  - matches: [{path: {value: /web}}]
    backendRefs: [{name: web, port: 80}]
"#;

/// A change: the kind of resource and `+` added, `-` removed or `~` changed.
pub(crate) type Change = (ResourceKind, char);

fn changes(edit: impl Fn(&str) -> String) -> BTreeSet<Change> {
    let objects = |text: &str| fixture::objects(&fixture::decode("edit.yaml", text));
    changes_between(&objects(BASE), &objects(&edit(BASE)))
}

pub(crate) fn changes_between(before: &Objects, after: &Objects) -> BTreeSet<Change> {
    let settings = fixture::native();
    let before = translate(before, &settings);
    let after = translate(after, &settings);
    assert_eq!(after.findings, []);
    let mut changes = BTreeSet::new();
    for (key, resource) in &before.resources {
        match after.resources.get(key) {
            None => changes.insert((key.0, '-')),
            Some(now) if now.body != resource.body => changes.insert((key.0, '~')),
            Some(_) => false,
        };
    }
    for key in after.resources.keys().filter(|key| !before.resources.contains_key(*key)) {
        changes.insert((key.0, '+'));
    }
    changes
}

fn replaced(from: &str, to: &str) -> BTreeSet<Change> {
    assert!(BASE.contains(from), "{from}");
    changes(|base| base.replace(from, to))
}

#[test]
fn no_edit_changes_nothing() {
    assert_eq!(changes(str::to_owned), BTreeSet::new());
}

#[test]
fn a_rotated_key_changes_the_secret_only() {
    assert_eq!(replaced("sk-old", "sk-new"), [(ResourceKind::Secret, '~')].into());
    // A leading `Bearer ` is no part of the key.
    assert_eq!(replaced("sk-old", "Bearer sk-old"), [].into());
}

#[test]
fn a_rotated_aws_key_changes_the_filter_that_signs_with_it_only() {
    let signed = |key: &str| {
        BASE.replace("Authorization: sk-old", &format!("accessKey: AKIA1, secretKey: {key}"))
            .replace("openai: {model: gpt-5}", "bedrock: {}")
            .replace("auth: {secretRef: {name: key}}", "auth: {aws: {secretRef: {name: key}}}")
    };
    let objects = |text: String| fixture::objects(&fixture::decode("edit.yaml", &text));
    let rotated = changes_between(&objects(signed("old")), &objects(signed("new")));
    assert_eq!(rotated, [(ResourceKind::Extension, '~')].into());
}

#[test]
fn a_changed_login_changes_what_is_fetched_only() {
    let tokens = |text: String| {
        let objects = fixture::objects(&fixture::decode("edit.yaml", &text));
        translate(&objects, &fixture::wasm()).tokens
    };
    let login = |secret: &str| {
        BASE.replace("Authorization: sk-old", &format!("tenantID: t, clientID: c, clientSecret: {secret}"))
            .replace("openai: {model: gpt-5}", "azure: {resourceName: r, resourceType: OpenAI}")
            .replace("auth: {secretRef: {name: key}}", "auth: {azure: {secretRef: {name: key}}}")
    };
    let (before, after) = (tokens(login("old")), tokens(login("new")));
    assert!(before.keys().eq(after.keys()) && before.len() == 1);
    assert_ne!(before, after);
    let objects = |text: String| fixture::objects(&fixture::decode("edit.yaml", &text));
    assert_eq!(changes_between(&objects(login("old")), &objects(login("new"))), [].into());
}

#[test]
fn an_alias_or_a_model_changes_the_filter_only() {
    let filter: BTreeSet<Change> = [(ResourceKind::Extension, '~')].into();
    assert_eq!(replaced("fast: gpt-5-mini", "fast: gpt-5-nano"), filter);
    assert_eq!(replaced("model: gpt-5}", "model: gpt-6}"), filter);
}

#[test]
fn a_rule_changes_the_route_table_only() {
    let routes: BTreeSet<Change> = [(ResourceKind::Routes, '~')].into();
    assert_eq!(replaced("value: /web", "value: /site"), routes);
    assert_eq!(replaced("rules:", "hostnames: [example.com]\n  rules:"), routes);
}

#[test]
fn endpoints_change_endpoints_only() {
    assert_eq!(replaced("10.0.0.1", "10.0.0.2"), [(ResourceKind::Endpoints, '~')].into());
}

#[test]
fn a_provider_switched_in_place_is_a_new_cluster() {
    let switched = [
        (ResourceKind::Cluster, '-'),
        (ResourceKind::Cluster, '+'),
        (ResourceKind::Extension, '-'),
        (ResourceKind::Extension, '+'),
        (ResourceKind::Routes, '~'),
    ];
    assert_eq!(replaced("openai: {model: gpt-5}", "anthropic: {}"), switched.into());
    // Another place for the credential is spoken to differently, too.
    let located = "{secretRef: {name: key}, location: {header: {name: x-key}}}";
    assert_eq!(replaced("{secretRef: {name: key}}", located), switched.into());
}

#[test]
fn a_timeout_changes_the_cluster_in_place() {
    let timeout = replaced("policies: {auth", "policies: {tcp: {connectTimeout: 1s}, auth");
    assert_eq!(timeout, [(ResourceKind::Cluster, '~')].into());
}

#[test]
fn another_port_is_another_listener_with_its_own_routes() {
    let moved = replaced("port: 8080", "port: 8090");
    let kinds = [ResourceKind::Listener, ResourceKind::Routes, ResourceKind::Extension];
    let expected: BTreeSet<Change> = kinds.iter().flat_map(|&kind| [(kind, '-'), (kind, '+')]).collect();
    assert_eq!(moved, expected);
}

#[test]
fn what_nothing_refers_to_changes_nothing() {
    let more = "---\napiVersion: v1\nkind: Service\nmetadata: {name: idle}\nspec: {ports: [{port: 80}]}\n\
                ---\napiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayBackend\nmetadata: {name: idle}\n\
                spec: {ai: {provider: {anthropic: {}}}, policies: {auth: {secretRef: {name: key}}}}\n";
    assert_eq!(changes(|base| format!("{base}{more}")), BTreeSet::new());
}

#[test]
fn references_to_refused_objects_say_so() {
    let mut objects = Objects::default();
    for (object, _) in fixture::decode("edit.yaml", BASE) {
        match &object {
            Object::AgentgatewayBackend(_) | Object::Service(_) => objects.refuse(object),
            _ => objects.apply(object),
        }
    }
    let findings = translate(&objects, &fixture::wasm()).findings;
    let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(messages, ["AgentgatewayBackend default/llm is refused", "Service default/web is refused"]);
}

#[test]
fn a_refused_policy_that_only_observes_closes_nothing() {
    for (spec, closes) in [
        ("frontend: {accessLog: {filter: 'response.code >'}}", false),
        ("frontend: {accessLog: {filter: 'response.code >'}}\n  traffic: {timeouts: {request: 1s}}", true),
        ("frontend: {networkAuthorization: {policy: {matchExpressions: ['true']}}}", true),
    ] {
        let policy = format!(
            "---\napiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nmetadata: {{name: told}}\n\
             spec:\n  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: gw}}]\n  {spec}\n"
        );
        let objects = fixture::objects(&fixture::decode("edit.yaml", &format!("{BASE}{policy}")));
        let translation = translate(&objects, &fixture::wasm());
        let refused = translation.routes.iter().filter(|route| route.leads_to.contains("500")).count();
        assert_eq!(refused > 0, closes, "{spec}: {:?}", translation.routes);
        assert!(translation.findings.iter().any(|finding| finding.message.contains("refused")), "{spec}");
    }
}

#[test]
fn what_waits_is_answered_with_500() {
    // Answers that reach no provider.
    const OURS: [&str; 3] = ["500", "the list of models", "no such model"];
    let fixture = |name: &str| std::fs::read_to_string(format!("fixtures/{name}.yaml")).unwrap();
    for (text, kind) in [
        (BASE.to_owned(), Kind::Gateway),
        (BASE.to_owned(), Kind::HttpRoute),
        (fixture("models"), Kind::AgentgatewayModel),
        (fixture("models"), Kind::Gateway),
    ] {
        let mut objects = fixture::objects(&fixture::decode("edit.yaml", &text));
        let open = |objects: &Objects| {
            let routes = translate(objects, &fixture::wasm()).routes.into_iter();
            let texts = routes.filter(|route| !OURS.iter().any(|own| route.leads_to.contains(own)));
            texts.map(|route| format!("{} → {}", route.matches, route.leads_to)).collect::<Vec<_>>()
        };
        assert_ne!(open(&objects), [""; 0], "{kind:?}");
        let keys: Vec<_> =
            fixture::decode("edit.yaml", &text).iter().map(|(object, _)| object.key()).collect();
        keys.iter().filter(|key| key.kind == kind).for_each(|key| objects.hold(key.clone()));
        assert_eq!(open(&objects), [""; 0], "{kind:?}");
        keys.iter().for_each(|key| objects.delete(key));
        assert_eq!(objects, Objects::default());
    }
}
