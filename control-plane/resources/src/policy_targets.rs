//! What an AgentgatewayPolicy is for whose definition is broken.
//!
//! A cluster would not take such a policy. One in a file may be all that guards what it targets: whoever misspells a
//! field of a guard, a limit or an authentication must not get a gateway without it.

use serde_json::{Map, Value};

use crate::{
    AgentgatewayPolicy, AgentgatewayPolicySpec, DEFAULT_NAMESPACE, Kind, PolicyTargetRef,
    PolicyTargetSelector, Port,
};

/// Fields beside which a policy guards nothing: how clients connect, and what it is for.
const HARMLESS: &[&str] = &["targetRefs", "targetRef", "targetSelectors", "frontend", "strategy"];

/// Fields of every object.
const OUTER: &[&str] = &["apiVersion", "kind", "metadata", "spec", "status"];

/// The policy in `value` with its name and, of its spec, its targets alone, as far as they can be made out. `None` when
/// nothing of either is known, or when nothing in it could guard a target.
pub(crate) fn targets_alone(value: &Value) -> Option<AgentgatewayPolicy> {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    let name = text("/metadata/name").filter(|name| !name.is_empty())?;
    let namespace = text("/metadata/namespace").unwrap_or(DEFAULT_NAMESPACE);
    let spec = value.get("spec")?.as_object()?;
    // A field that stands beside the spec was meant to stand in it.
    let beside = value.as_object()?.keys().filter(|field| !OUTER.contains(&field.as_str()));
    if spec.keys().chain(beside).all(|field| HARMLESS.contains(&field.as_str())) {
        return None;
    }
    let entries = |field: &str| spec.get(field).and_then(Value::as_array).into_iter().flatten();
    // Policies of other APIs have one target, in `targetRef`.
    let refs = entries("targetRefs").chain(spec.get("targetRef"));
    let refs: Vec<_> = refs.filter_map(|entry| target(entry.as_object()?)).collect();
    let selectors: Vec<_> =
        entries("targetSelectors").filter_map(|entry| selector(entry.as_object()?)).collect();
    if refs.is_empty() && selectors.is_empty() {
        return None;
    }
    let spec = AgentgatewayPolicySpec {
        target_refs: Some(refs).filter(|refs| !refs.is_empty()),
        target_selectors: Some(selectors).filter(|selectors| !selectors.is_empty()),
        frontend: None,
        traffic: None,
        backend: None,
        strategy: None,
    };
    let mut policy = AgentgatewayPolicy::new(name, spec);
    policy.metadata.namespace = Some(namespace.to_owned());
    Some(policy)
}

fn target(entry: &Map<String, Value>) -> Option<PolicyTargetRef> {
    let kind = kind(entry)?;
    Some(PolicyTargetRef {
        group: kind.group().to_owned(),
        kind: kind.name().to_owned(),
        name: entry.get("name")?.as_str()?.to_owned(),
        section_name: section(entry),
        port: port(entry),
    })
}

fn selector(entry: &Map<String, Value>) -> Option<PolicyTargetSelector> {
    let kind = kind(entry)?;
    let labels = entry.get("matchLabels")?.as_object()?.iter();
    Some(PolicyTargetSelector {
        group: kind.group().to_owned(),
        kind: kind.name().to_owned(),
        match_labels: labels
            .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect::<Option<_>>()?,
        section_name: section(entry),
        port: port(entry),
    })
}

/// The kind of a target, whatever the case it is written in.
fn kind(entry: &Map<String, Value>) -> Option<Kind> {
    let written = entry.get("kind")?.as_str()?;
    Kind::ALL.iter().copied().find(|kind| kind.name().eq_ignore_ascii_case(written))
}

fn section(entry: &Map<String, Value>) -> Option<String> {
    entry.get("sectionName").and_then(Value::as_str).map(str::to_owned)
}

fn port(entry: &Map<String, Value>) -> Option<Port> {
    entry.get("port").and_then(Value::as_u64).and_then(|port| Port::new(u16::try_from(port).ok()?))
}

#[cfg(test)]
mod tests {
    use crate::{Object, decode_documents};

    /// What is left of the policy with this spec, as `kind/name/section`; `None` when nothing is.
    fn left(spec: &str) -> Option<Vec<String>> {
        let text = format!(
            "apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nmetadata: {{name: p}}\n{spec}\n"
        );
        let (decoded, findings) = decode_documents("p.yaml", &text);
        assert!(!findings.is_empty(), "{spec}");
        let policy = decoded.first()?;
        assert!(!policy.usable, "{spec}");
        let Object::AgentgatewayPolicy(policy) = &policy.object else { panic!("{policy:?}") };
        assert_eq!(policy.metadata.namespace.as_deref(), Some("default"));
        let targets = policy.spec.target_refs.iter().flatten();
        let named =
            targets.map(|t| format!("{}/{}/{}", t.kind, t.name, t.section_name.as_deref().unwrap_or("")));
        let selectors = policy.spec.target_selectors.iter().flatten();
        Some(named.chain(selectors.map(|s| format!("{}/{:?}", s.kind, s.match_labels))).collect())
    }

    #[test]
    fn the_targets_of_a_misspelt_guard_are_known() {
        let route = "{group: gateway.networking.k8s.io, kind: HTTPRoute, name: r, sectionName: a}";
        for broken in [
            "  backend: {ai: {promptGaurd: {}}}",
            "  trafic: {}",
            "  traffic: {rateLimit: {local: [{requests: 5, unit: minute}]}}",
            "traffic: {}",
        ] {
            let spec = format!("spec:\n  targetRefs: [{route}]\n{broken}");
            assert_eq!(left(&spec).unwrap(), ["HTTPRoute/r/a"], "{spec}");
        }
        // A target that is not quite right is still a target.
        for broken in ["{kind: HTTPRoute, name: r}", "{group: x, kind: HttpRoute, name: r, colour: red}"] {
            let spec = format!("spec: {{targetRefs: [{broken}, {{}}], traffic: {{x: 1}}}}");
            assert_eq!(left(&spec).unwrap(), ["HTTPRoute/r/"], "{spec}");
        }
        assert_eq!(
            left("spec: {targetRef: {kind: HTTPRoute, name: r}, traffic: {}}").unwrap(),
            ["HTTPRoute/r/"]
        );
        let selector = "{group: gateway.networking.k8s.io, kind: Gateway, matchLabels: {a: b}}";
        let spec = format!("spec: {{targetSelectors: [{selector}], backend: {{x: 1}}}}");
        assert_eq!(left(&spec).unwrap(), [r#"Gateway/{"a": "b"}"#]);
    }

    #[test]
    fn a_policy_without_a_version_is_still_one() {
        let text = "kind: AgentgatewayPolicy\nmetadata: {name: p}\nspec:\n  targetRefs: [{kind: HTTPRoute, name: r}]\n  \
                    traffic: {}\n";
        let (decoded, findings) = decode_documents("p.yaml", text);
        assert_eq!((decoded.len(), findings.len()), (1, 1));
        assert!(!decoded[0].usable);
    }

    #[test]
    fn what_guards_nothing_leaves_nothing() {
        let gateway = "{group: gateway.networking.k8s.io, kind: Gateway, name: g}";
        for spec in [
            format!("spec: {{targetRefs: [{gateway}], frontend: {{accesLog: {{}}}}}}"),
            "spec: {targetRefs: 5, traffic: {}}".to_owned(),
            "spec: []".to_owned(),
        ] {
            assert_eq!(left(&spec), None, "{spec}");
        }
    }

    #[test]
    fn a_policy_of_another_version_or_spelling_counts() {
        for (version, kind) in [("v1", "AgentgatewayPolicy"), ("v1alpha1", "AgentGatewayPolicy")] {
            let text = format!(
                "apiVersion: agentgateway.dev/{version}\nkind: {kind}\nmetadata: {{name: p}}\n\
                 spec: {{targetRefs: [{{kind: Gateway, name: g}}], traffic: {{}}}}\n"
            );
            let (decoded, findings) = decode_documents("p.yaml", &text);
            assert_eq!((decoded.len(), findings.len()), (1, 1), "{kind}");
            assert!(!decoded[0].usable && decoded[0].origin.line == 1, "{kind}");
        }
    }
}
