//! Settings for backends from policies on the way to them: each level, which of them wins, and that nothing else changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use envoy_proto::envoy::config::cluster::v3::Cluster;
use envoy_proto::envoy::config::route::v3::{Route, RouteConfiguration, route, route_action};
use envoy_proto::unpack;
use proptest::prelude::*;
use resources::Severity;
use translate::{ResourceKind, Translation};

use crate::edits::changes_between;
use crate::filters::{guards, providers};
use crate::fixture::{self, translated};

const BASE: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  gatewayClassName: agentgateway
  listeners:
  - name: http
    port: 8080
    protocol: HTTP
    allowedRoutes: {kinds: [{group: agentgateway.dev, kind: AgentgatewayModel}, {kind: HTTPRoute}]}
---
apiVersion: agentgateway.dev/v1alpha1
kind: AgentgatewayBackend
metadata: {name: llm}
spec: {ai: {groups: [{providers: [{name: one, openai: {}}]}]}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: a}
spec:
  parentRefs: [{name: gw}]
  rules:
  - name: one
    matches: [{path: {value: /a/one}}]
    backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: llm}]
  - name: two
    matches: [{path: {value: /a/two}}]
    backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: llm}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: b}
spec:
  parentRefs: [{name: gw}]
  rules:
  - matches: [{path: {value: /b}}]
    backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: llm}]
"#;

const GUARD: &str = "{ai: {promptGuard: {request: [{name: pii, regex: {builtins: [Email]}}]}}}";

/// The cluster of the backend where nothing is inherited.
const PLAIN: &str = "ai/default/llm/one~b06e81e2";

/// A policy for an object, or for a section of it.
fn policy(name: &str, kind: &str, target: &str, section: Option<&str>, backend: &str) -> String {
    let group = match kind {
        "AgentgatewayBackend" => "agentgateway.dev",
        _ => "gateway.networking.k8s.io",
    };
    let section = section.map(|section| format!(", sectionName: {section}")).unwrap_or_default();
    format!(
        "---\napiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
         targetRefs: [{{group: {group}, kind: {kind}, name: {target}{section}}}]\n  backend: {backend}\n"
    )
}

fn route_policy(name: &str, route: &str, backend: &str) -> String {
    policy(name, "HTTPRoute", route, None, backend)
}

/// The routes of a host.
fn table(translation: &Translation, host: &str) -> Vec<Route> {
    let key = (ResourceKind::Routes, "default/gw/8080".to_owned());
    let table: RouteConfiguration = unpack(&translation.resources[&key].body).unwrap();
    table.virtual_hosts.into_iter().find(|one| one.name == host).unwrap().routes
}

/// The clusters that the routes of a host lead to, by path; none where Envoy answers itself.
fn leads(translation: &Translation, host: &str) -> BTreeMap<String, Vec<String>> {
    let mut leads: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for route in table(translation, host) {
        leads.entry(path(&route)).or_default().extend(clusters(&route));
    }
    leads
}

fn path(route: &Route) -> String {
    use envoy_proto::envoy::config::route::v3::route_match::PathSpecifier;
    match route.r#match.as_ref().unwrap().path_specifier.as_ref().unwrap() {
        PathSpecifier::Path(path)
        | PathSpecifier::PathSeparatedPrefix(path)
        | PathSpecifier::Prefix(path) => path.clone(),
        PathSpecifier::SafeRegex(_) => "regex".to_owned(),
        other => panic!("{other:?}"),
    }
}

fn clusters(route: &Route) -> Vec<String> {
    use route_action::ClusterSpecifier;
    let Some(route::Action::Route(action)) = &route.action else { return Vec::new() };
    match action.cluster_specifier.as_ref().unwrap() {
        ClusterSpecifier::Cluster(name) => vec![name.clone()],
        ClusterSpecifier::WeightedClusters(several) => {
            several.clusters.iter().map(|one| one.name.clone()).collect()
        }
        ClusterSpecifier::InlineClusterSpecifierPlugin(_) => {
            let metadata = &route.metadata.as_ref().unwrap().filter_metadata[filter_config::ROUTE_GROUPS.0];
            let Some(envoy_proto::prost_types::value::Kind::StringValue(json)) =
                &metadata.fields[filter_config::ROUTE_GROUPS.1].kind
            else {
                panic!("{metadata:?}")
            };
            let groups: Vec<Vec<String>> = serde_json::from_str(json).unwrap();
            groups.concat()
        }
        other => panic!("{other:?}"),
    }
}

/// The only cluster behind a path.
fn cluster(translation: &Translation, path: &str) -> String {
    let leads = leads(translation, "*");
    let [only] = leads[path].as_slice() else { panic!("{leads:?}") };
    only.clone()
}

fn messages(translation: &Translation, severity: Severity) -> Vec<String> {
    let findings = translation.findings.iter().filter(|finding| finding.severity == severity);
    findings.map(ToString::to_string).collect()
}

#[test]
fn each_level_holds_where_it_is_attached_and_nowhere_else() {
    for (kind, target, section, expected) in [
        ("Gateway", "gw", None, ["/a/one", "/a/two", "/b"].as_slice()),
        ("Gateway", "gw", Some("http"), &["/a/one", "/a/two", "/b"]),
        ("HTTPRoute", "a", None, &["/a/one", "/a/two"]),
        ("HTTPRoute", "a", Some("two"), &["/a/two"]),
        ("HTTPRoute", "b", None, &["/b"]),
    ] {
        let translation = translated(&format!("{BASE}{}", policy("p", kind, target, section, GUARD)));
        assert_eq!(translation.findings, []);
        let guarded = guards(&translation);
        for path in ["/a/one", "/a/two", "/b"] {
            let cluster = cluster(&translation, path);
            assert_eq!(guarded.contains_key(&cluster), expected.contains(&path), "{kind} {section:?} {path}");
            // The provider filter knows whether a guard stands before it.
            assert_eq!(providers(&translation)[&cluster].guarded, expected.contains(&path));
            if !expected.contains(&path) {
                assert_eq!(cluster, PLAIN);
            }
        }
        assert_eq!(guarded.len(), 1, "{guarded:?}");
        assert_eq!(guarded.values().next().unwrap().request[0].name, "pii");
    }
}

/// Where settings can stand for a request to `/a/one`, the strongest first.
const LEVELS: [&str; 8] = ["own", "provider", "inline", "rule", "route", "backend", "listener", "gateway"];

/// Fields that merge by themselves; `V` is their value.
const FIELDS: [&str; 3] = [
    "modelAliases: {m: V}",
    "defaults: [{field: user, value: V}]",
    "prompt: {prepend: [{role: system, content: V}]}",
];

/// The manifests with the fields of `set` set at each level to its name.
fn levelled(set: &[BTreeSet<usize>]) -> String {
    let mut text = BASE.to_owned();
    for (level, fields) in LEVELS.iter().zip(set) {
        if fields.is_empty() {
            continue;
        }
        let fields: Vec<String> = fields.iter().map(|field| FIELDS[*field].replace('V', level)).collect();
        let settings = format!("{{ai: {{{}}}}}", fields.join(", "));
        let attached = |kind, target, section| policy(level, kind, target, section, &settings);
        match *level {
            "own" => text = text.replace("openai: {}", &format!("openai: {{}}, policies: {settings}")),
            "inline" => {
                text =
                    text.replace("spec: {ai: {groups", &format!("spec: {{policies: {settings}, ai: {{groups"))
            }
            "provider" => text += &attached("AgentgatewayBackend", "llm", Some("one")),
            "backend" => text += &attached("AgentgatewayBackend", "llm", None),
            "rule" => text += &attached("HTTPRoute", "a", Some("one")),
            "route" => text += &attached("HTTPRoute", "a", None),
            "listener" => text += &attached("Gateway", "gw", Some("http")),
            _ => text += &attached("Gateway", "gw", None),
        }
    }
    text
}

/// What the filter for `/a/one` was told for each field.
fn told(translation: &Translation) -> [Option<String>; 3] {
    let mut providers = providers(translation);
    let filter = providers.remove(&cluster(translation, "/a/one")).unwrap();
    let default = filter.policy.defaults.get("user");
    [
        filter.model_aliases.get("m").cloned(),
        default.map(|value| value.as_str().unwrap().to_owned()),
        filter.policy.prompt.prepend.first().map(|message| message.content.clone()),
    ]
}

#[test]
fn the_strongest_level_wins() {
    for (strongest, level) in LEVELS.iter().enumerate() {
        let set: Vec<BTreeSet<usize>> =
            (0..LEVELS.len()).map(|level| (0..3).filter(|_| level >= strongest).collect()).collect();
        let translation = translated(&levelled(&set));
        assert_eq!(translation.findings, []);
        let expected = Some((*level).to_owned());
        assert_eq!(told(&translation), [expected.clone(), expected.clone(), expected]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Each field comes from the strongest level that sets it, whatever the others set.
    #[test]
    fn fields_merge_one_by_one(
        set in proptest::collection::vec(proptest::collection::btree_set(0..3_usize, 0..=3), 8),
    ) {
        let told = told(&translated(&levelled(&set)));
        for (field, told) in told.into_iter().enumerate() {
            let strongest = set.iter().position(|fields| fields.contains(&field));
            prop_assert_eq!(told.as_deref(), strongest.map(|level| LEVELS[level]));
        }
    }
}

#[test]
fn what_comes_the_same_way_shares_clusters() {
    let two = route_policy("p", "a", GUARD)
        + &policy("q", "HTTPRoute", "a", Some("two"), "{tcp: {connectTimeout: 1s}}");
    let translation = translated(&format!("{BASE}{}", policy("g", "Gateway", "gw", None, GUARD)));
    assert_eq!(cluster(&translation, "/a/one"), cluster(&translation, "/b"));
    let translation = translated(&format!("{BASE}{}", route_policy("p", "a", GUARD)));
    assert_eq!(cluster(&translation, "/a/one"), cluster(&translation, "/a/two"));
    let translation = translated(&format!("{BASE}{two}"));
    let [one, other, plain] = ["/a/one", "/a/two", "/b"].map(|path| cluster(&translation, path));
    assert_eq!(plain, PLAIN);
    assert_eq!(one, format!("{PLAIN}+default/p"));
    assert_eq!(other, format!("{PLAIN}+default/q+default/p"));
    assert_eq!(guards(&translation).into_keys().collect::<Vec<_>>(), [one, other]);
    // A policy that is for a rule and its route is one.
    let twice = route_policy("p", "a", GUARD).replace(
        "name: a}",
        "name: a}, {group: gateway.networking.k8s.io, kind: HTTPRoute, name: a, sectionName: one}",
    );
    let translation = translated(&format!("{BASE}{twice}"));
    assert_eq!(cluster(&translation, "/a/one"), cluster(&translation, "/a/two"));
}

#[test]
fn a_policy_brings_clusters_and_takes_none_away() {
    let objects = |text: &str| fixture::objects(&fixture::decode("edit.yaml", text));
    let mask = format!("{BASE}{}", route_policy("p", "a", GUARD));
    let added = [(ResourceKind::Cluster, '+'), (ResourceKind::Extension, '+'), (ResourceKind::Routes, '~')];
    assert_eq!(changes_between(&objects(BASE), &objects(&mask)), added.into());
    // What is in it is no part of names.
    let reject = mask.replace("builtins", "action: Reject, builtins");
    assert_eq!(changes_between(&objects(&mask), &objects(&reject)), [(ResourceKind::Extension, '~')].into());
}

#[test]
fn all_members_of_groups_are_guarded() {
    let groups = "groups: [{providers: [{name: one, openai: {}, policies: {auth: {passthrough: {}}}}]}, {providers: \
                  [{name: two, anthropic: {}, policies: {auth: {passthrough: {}}}}]}]";
    let text = BASE.replace("groups: [{providers: [{name: one, openai: {}}]}]", groups);
    let translation = translated(&format!("{text}{}", route_policy("p", "a", GUARD)));
    assert_eq!(translation.findings, []);
    let guarded = guards(&translation);
    let filters = providers(&translation);
    let leads = leads(&translation, "*");
    for (path, is_guarded) in [("/a/one", true), ("/b", false)] {
        assert_eq!(leads[path].len(), 2);
        for cluster in &leads[path] {
            assert_eq!(guarded.contains_key(cluster), is_guarded, "{cluster}");
            // What cools down is the cluster itself.
            assert_eq!(filters[cluster].cluster.as_ref(), Some(cluster));
        }
    }
}

#[test]
fn a_route_says_what_is_spoken_at_its_paths() {
    let routes = "{ai: {routes: {/special: Messages}}}";
    let translation = translated(&format!("{BASE}{}", route_policy("p", "a", routes)));
    assert_eq!(translation.findings, []);
    for route in table(&translation, "*") {
        let metadata = &route.metadata.as_ref().unwrap().filter_metadata["weir"];
        let told = metadata.fields.contains_key(filter_config::ROUTE_ENDPOINTS);
        assert_eq!(told, path(&route).starts_with("/a/"), "{}", path(&route));
    }
}

const MODEL: &str = r#"
---
apiVersion: agentgateway.dev/v1alpha1
kind: AgentgatewayModel
metadata: {name: direct}
spec: {parentRefs: [{name: gw}], provider: Groq, policies: {transformations: [{field: user, expression: "'model'"}]}}
---
apiVersion: agentgateway.dev/v1alpha1
kind: AgentgatewayModel
metadata: {name: behind-a-rule}
spec: {parentRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: models}], provider: OpenAI}
---
apiVersion: agentgateway.dev/v1alpha1
kind: AgentgatewayModel
metadata: {name: choice}
spec:
  parentRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: models}]
  virtualModel: {weighted: {targets: [{modelRef: {name: behind-a-rule}}, {modelRef: {name: direct}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: models}
spec:
  parentRefs: [{name: gw}]
  rules:
  - matches: [{path: {value: /models}}]
    backendRefs: [{group: agentgateway.dev, kind: AgentgatewayModel, name: "*"}]
"#;

#[test]
fn models_inherit_too() {
    let both = "{tls: {sni: groq.example.com}, ai: {promptGuard: {request: [{regex: {builtins: [Email]}}]}, \
                transformations: [{field: user, expression: \"'policy'\"}]}}";
    let user = |translation: &Translation, cluster: &str| {
        providers(translation)[cluster].policy.transformations.get("user").cloned()
    };
    let translation = translated(&format!("{BASE}{MODEL}{}", policy("p", "HTTPRoute", "models", None, both)));
    assert_eq!(translation.findings, []);
    let of_rule = &leads(&translation, "*")["/models"];
    assert_eq!(of_rule.len(), 3, "{of_rule:?}");
    let of_listener = &leads(&translation, "*")["regex"];
    for cluster in of_rule {
        assert!(guards(&translation).contains_key(cluster) && cluster.ends_with("+default/p"));
    }
    assert!(!of_listener.iter().any(|cluster| guards(&translation).contains_key(cluster)));
    // What stands in the model is stronger; what its URL says is weaker.
    let direct = of_rule.iter().find(|cluster| cluster.contains("/direct/")).unwrap();
    assert_eq!(user(&translation, direct).as_deref(), Some("'model'"));
    let other = of_rule.iter().find(|cluster| cluster.contains("/behind-a-rule/")).unwrap();
    assert_eq!(user(&translation, other).as_deref(), Some("'policy'"));
    let written = &translation.resources[&(ResourceKind::Cluster, direct.clone())].body.value;
    assert!(String::from_utf8_lossy(written).contains("groq.example.com"));

    let translation =
        translated(&format!("{BASE}{MODEL}{}", policy("p", "Gateway", "gw", Some("http"), both)));
    for cluster in &leads(&translation, "*")["regex"] {
        assert!(guards(&translation).contains_key(cluster), "{cluster}");
    }
}

#[test]
fn a_service_is_not_served_without_what_is_to_protect_it() {
    let text = BASE.replace(
        "matches: [{path: {value: /a/two}}]\n    backendRefs: [",
        "matches: [{path: {value: /a/two}}]\n    backendRefs: [{name: web, port: 80}, ",
    );
    for (setting, what) in [
        ("auth: {passthrough: {}}", "auth"),
        ("tls: {}", "tls"),
        ("ai: {promptGuard: {request: [{regex: {builtins: [Email]}}]}}", "a prompt guard"),
    ] {
        let translation = translated(&format!("{text}{}", route_policy("p", "a", &format!("{{{setting}}}"))));
        let errors = messages(&translation, Severity::Error);
        let [error] = errors.as_slice() else { panic!("{errors:?}") };
        assert!(error.contains(&format!("{what} for Service default/web is not supported")), "{error}");
        assert!(error.starts_with("AgentgatewayPolicy default/p: spec.backend."), "{error}");
        // The rest of the route keeps working.
        let leads = leads(&translation, "*");
        assert_eq!(leads["/a/two"][0], "weir/unresolved-reference");
        assert!(
            leads["/a/two"][1].starts_with("ai/default/llm/one~") && leads["/a/one"][0] == leads["/a/two"][1]
        );
    }
    // Nothing is to be said of what cannot matter; the rest is left out, which is said once.
    let other = "{http: {requestTimeout: 9s}, ai: {modelAliases: {a: b}}}";
    let more = text.replace(
        "value: /b}}]\n    backendRefs: [",
        "value: /b}}]\n    backendRefs: [{name: web, port: 80}, ",
    );
    let translation = translated(&format!("{more}{}", policy("p", "Gateway", "gw", None, other)));
    assert_eq!(leads(&translation, "*")["/a/two"][0], "service/default/web/80");
    assert_eq!(messages(&translation, Severity::Error), [""; 0]);
    assert_eq!(messages(&translation, Severity::Warning).len(), 1, "{:?}", translation.findings);
}

#[test]
fn a_static_backend_takes_what_says_how_to_connect() {
    let text = BASE.replace(
        "{ai: {groups: [{providers: [{name: one, openai: {}}]}]}}",
        "{static: {host: 192.0.2.1, port: 443}}",
    );
    let encrypted = format!("{text}{}", route_policy("p", "a", "{tls: {sni: one.example.com}}"));
    let translation = translated(&encrypted);
    assert_eq!(translation.findings, []);
    let [one, plain] = ["/a/one", "/b"].map(|path| cluster(&translation, path));
    let has_tls = |cluster: &str| {
        let resource = &translation.resources[&(ResourceKind::Cluster, cluster.to_owned())];
        unpack::<Cluster>(&resource.body).unwrap().transport_socket.is_some()
    };
    assert!(has_tls(&one) && !has_tls(&plain));
    // It has no use for settings of requests to models, nor a cluster of its own for them.
    let translation =
        translated(&format!("{text}{}", route_policy("p", "a", "{ai: {modelAliases: {a: b}}}")));
    assert_eq!(cluster(&translation, "/a/one"), cluster(&translation, "/b"));
    let translation = translated(&format!("{text}{}", route_policy("p", "a", GUARD)));
    assert_eq!(leads(&translation, "*")["/a/one"], ["weir/unresolved-reference"]);
    assert_eq!(cluster(&translation, "/b"), plain);
    let errors = messages(&translation, Severity::Error);
    assert!(
        errors
            .iter()
            .any(|error| error.contains("a prompt guard for the static AgentgatewayBackend default/llm"))
    );
}

#[test]
fn listeners_of_a_port_differ_where_they_have_settings() {
    let text = BASE.replace(
        "  listeners:\n",
        "  listeners:\n  - {name: team, hostname: '*.example.com', port: 8080, protocol: HTTP}\n  - {name: one, hostname: \
         one.example.com, port: 8080, protocol: HTTP}\n",
    );
    let both = format!("{text}{}", policy("p", "Gateway", "gw", Some("team"), GUARD));
    let translation = translated(&both);
    assert_eq!(translation.findings, []);
    for (host, guarded) in [("*", false), ("*.example.com", true), ("one.example.com", false)] {
        let leads = leads(&translation, host);
        assert_eq!(guards(&translation).contains_key(&leads["/b"][0]), guarded, "{host}");
    }
    // A name that several listeners would take goes through the narrowest of them.
    let named = both.replace(
        "metadata: {name: b}\nspec:\n",
        "metadata: {name: b}\nspec:\n  hostnames: [one.example.com]\n",
    );
    let translation = translated(&named);
    assert_eq!(leads(&translation, "one.example.com")["/b"], [PLAIN]);
}

#[test]
fn a_key_in_a_policy_is_that_policys() {
    let keys =
        route_policy("p", "a", "{auth: {key: sk-one}}") + &route_policy("q", "b", "{auth: {key: sk-two}}");
    let translation = translated(&format!("{BASE}{keys}"));
    let secrets: Vec<&str> = translation
        .resources
        .keys()
        .filter(|(kind, _)| *kind == ResourceKind::Secret)
        .map(|(_, name)| name.as_str())
        .collect();
    assert_eq!(secrets, ["inline/default/p/Policy", "inline/default/q/Policy"]);
}

#[test]
fn what_is_wrong_is_said_once() {
    let mut text = BASE.replace("openai: {}", "openai: {}, policies: {auth: {secretRef: {name: none}}}");
    for route in ["a", "b"] {
        write!(text, "{}", route_policy(&format!("for-{route}"), route, GUARD)).unwrap();
    }
    let translation = translated(&text);
    let about =
        |what: &str| messages(&translation, Severity::Error).iter().filter(|one| one.contains(what)).count();
    assert_eq!(about("Secret default/none does not exist"), 1, "{:#?}", translation.findings);
    // One for each reference to it.
    assert_eq!(about("has no usable provider"), 3);
}

#[test]
fn a_backend_is_judged_by_what_holds_where_it_is_reached() {
    let text = BASE.replace("{name: one, openai: {}}", "{name: one, openai: {}}, {name: two, anthropic: {}}");
    assert_eq!(messages(&translated(&text), Severity::Warning).len(), 2);
    let auth = policy("p", "Gateway", "gw", None, "{auth: {passthrough: {}}}");
    assert_eq!(translated(&format!("{text}{auth}")).findings, []);
}

#[test]
fn of_two_policies_for_one_target_the_second_is_told_what_it_is_not_in_force_for() {
    let health = "{health: {unhealthyCondition: 'response.code == 500'}}";
    let route = |name: &str, section, spec: &str| policy(name, "HTTPRoute", "a", section, spec);
    let [p, q, rule] = [route("p", None, GUARD), route("q", None, GUARD), route("r", Some("one"), GUARD)];
    // Another field, or another part of the object, is no conflict.
    let other = route("s", None, health);
    assert_eq!(
        messages(&translated(&format!("{BASE}{p}{rule}{other}")), Severity::Warning),
        [] as [String; 0]
    );
    let translation = translated(&format!("{BASE}{p}{q}{rule}{other}"));
    let warnings: Vec<_> = translation.findings.iter().filter(|f| f.severity == Severity::Warning).collect();
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert_eq!(
        warnings[0].to_string(),
        "warning: AgentgatewayPolicy default/q: spec.backend.ai.promptGuard: not in force for HTTPRoute default/a, which \
         has it from AgentgatewayPolicy default/p; of policies for one target the first by name counts; keep one of them"
    );
}

#[test]
fn what_does_not_exist_here_may_exist_elsewhere() {
    let text = BASE.replace("metadata: {name: gw}", "metadata: {name: gw, namespace: infra}");
    let errors = messages(&translated(&text), Severity::Error);
    let hint = "Gateway default/gw does not exist (there is one in namespace infra)";
    assert!(errors.iter().any(|error| error.contains(hint)), "{errors:#?}");
}

#[test]
fn a_policy_that_misspells_the_kind_of_its_target_closes_it() {
    let written = policy("p", "HTTPRoute", "a", None, GUARD).replace("kind: HTTPRoute", "kind: HttpRoute");
    let errors = messages(&translated(&format!("{BASE}{written}")), Severity::Error);
    assert!(errors.iter().any(|error| error.contains("is answered with 500")), "{errors:#?}");
}
