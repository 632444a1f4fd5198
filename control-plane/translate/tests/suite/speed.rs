//! How long a translation takes. Printed, not asserted: machines differ.

use std::fmt::Write as _;
use std::time::Instant;

use translate::translate;

use crate::fixture;

#[test]
fn a_thousand_routes_to_fifty_backends() {
    let mut text = String::from(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw}\nspec: {gatewayClassName: \
         agentgateway, listeners: [{name: a, port: 8080, protocol: HTTP}, {name: b, port: 8081, protocol: HTTP}]}\n",
    );
    for backend in 0..50 {
        write!(
            text,
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: key-{backend}}}\nstringData: {{Authorization: k}}\n\
             ---\napiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayBackend\nmetadata: {{name: b-{backend}}}\n\
             spec: {{ai: {{groups: [{{providers: [{{name: a, openai: {{}}}}, {{name: b, anthropic: {{}}}}]}}]}}, \
             policies: {{auth: {{secretRef: {{name: key-{backend}}}}}}}}}\n"
        )
        .unwrap();
    }
    for route in 0..1000 {
        write!(
            text,
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: r-{route}}}\n\
             spec:\n  parentRefs: [{{name: gw}}]\n  rules:\n  - matches: [{{path: {{value: /r-{route}}}}}]\n    \
             backendRefs: [{{group: agentgateway.dev, kind: AgentgatewayBackend, name: b-{}}}]\n",
            route % 50
        )
        .unwrap();
    }
    let (decoded, findings) = resources::decode_documents("speed.yaml", &text);
    assert!(findings.is_empty());
    let all: Vec<_> = decoded.into_iter().map(|decoded| (decoded.object, fixture::Usable::Yes)).collect();
    let objects = fixture::objects(&all);
    let settings = fixture::wasm();
    let started = Instant::now();
    let translation = translate(&objects, &settings);
    println!("1000 routes x 50 backends x 2 ports: {:?}", started.elapsed());
    assert_eq!(translation.findings, []);
    assert_eq!(translation.routes.len(), 2000);
}
