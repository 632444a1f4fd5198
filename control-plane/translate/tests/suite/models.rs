//! Models: what an edit changes, and lists that are long.

use std::collections::BTreeSet;

use envoy_proto::envoy::config::core::v3::data_source;
use envoy_proto::envoy::config::route::v3::{RouteConfiguration, route};
use translate::{ResourceKind, Translation};

use crate::fixture;

const GATEWAY: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  gatewayClassName: agentgateway
  listeners:
  - name: http
    port: 8080
    protocol: HTTP
    allowedRoutes: {kinds: [{group: agentgateway.dev, kind: AgentgatewayModel}]}
"#;

const MODEL: &str = r#"
---
apiVersion: agentgateway.dev/v1alpha1
kind: AgentgatewayModel
metadata: {name: m}
spec:
  parentRefs: [{name: gw}]
  provider: Groq
  policies:
    transformations: [{field: user, expression: "'a'"}]
    headers: {request: {set: [{name: x-a, value: one}]}}
---
apiVersion: agentgateway.dev/v1alpha1
kind: AgentgatewayModel
metadata: {name: choice}
spec:
  parentRefs: [{name: gw}]
  virtualModel: {conditional: {targets: [{modelRef: {name: m}, when: "true"}, {modelRef: {name: m}, model: other}]}}
"#;

fn translated(text: &str) -> Translation {
    let translation = fixture::translated(text);
    assert_eq!(translation.findings, []);
    translation
}

fn routes(translation: &Translation) -> RouteConfiguration {
    let table = translation.resources.iter().find(|((kind, _), _)| *kind == ResourceKind::Routes).unwrap().1;
    envoy_proto::unpack(&table.body).unwrap()
}

/// Kinds of resources that an edit changes; none is added or removed.
fn changed(from: &str, to: &str) -> BTreeSet<ResourceKind> {
    let base = format!("{GATEWAY}{MODEL}");
    assert!(base.contains(from), "{from}");
    let (before, after) = (translated(&base), translated(&base.replace(from, to)));
    assert!(before.resources.keys().eq(after.resources.keys()));
    let differs = |key| before.resources[key].body != after.resources[key].body;
    before.resources.keys().filter(|key| differs(*key)).map(|(kind, _)| *kind).collect()
}

#[test]
fn an_edit_changes_no_more_than_it_must() {
    assert_eq!(changed("'a'", "'b'"), [ResourceKind::Extension].into());
    assert_eq!(changed("when: \"true\"", "when: \"false\""), [ResourceKind::Extension].into());
    assert_eq!(changed("value: one", "value: two"), [ResourceKind::Cluster].into());
    assert_eq!(
        changed("provider: Groq", "provider: Groq\n  visibility: Internal"),
        [ResourceKind::Routes].into()
    );
}

#[test]
fn a_list_longer_than_envoys_limit_raises_it() {
    let few = translated(&format!("{GATEWAY}{MODEL}"));
    assert_eq!(routes(&few).max_direct_response_body_size_bytes, None);
    let mut text = GATEWAY.to_owned();
    for number in 0..100 {
        text.push_str(&format!(
            "---\napiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayModel\nmetadata: {{name: m{number}}}\n\
             spec: {{parentRefs: [{{name: gw}}], provider: Groq}}\n"
        ));
    }
    let table = routes(&translated(&text));
    let limit = table.max_direct_response_body_size_bytes.unwrap();
    let lists: Vec<String> = table.virtual_hosts[0]
        .routes
        .iter()
        .filter_map(|route| match route.action.as_ref()? {
            route::Action::DirectResponse(answer) => match answer.body.as_ref()?.specifier.as_ref()? {
                data_source::Specifier::InlineString(text) => Some(text.clone()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(lists.len(), 2);
    for list in &lists {
        assert!(u32::try_from(list.len()).unwrap() <= limit);
        let list: serde_json::Value = serde_json::from_str(list).unwrap();
        assert_eq!(list["object"], "list");
        assert_eq!(list["data"].as_array().unwrap().len(), 100);
        assert_eq!(list["data"][0]["owned_by"], "groq");
    }
}
