//! What to paste into a terminal to try the gateway.

use std::collections::{BTreeMap, BTreeSet};

use filter_config::MODEL_HEADER;
use regex::Regex;
use resources::gateway_api::httproutes::{
    HttpRouteRules, HttpRouteRulesMatchesHeadersType, HttpRouteRulesMatchesPathType,
};
use resources::{AiBackend, AuthenticationMode, Kind, LlmProvider, Object, ObjectKey, ProviderKind};
use translate::ServedRoute;

use crate::ports::Port;

/// A model known to many readers, for providers that speak OpenAI's API.
const OPENAI_MODEL: &str = "gpt-4o-mini";

/// The same for Anthropic.
const ANTHROPIC_MODEL: &str = "claude-sonnet-4-5";

/// Lines to paste, for every listener that leads to a language model; `None` when there is none.
pub(crate) fn snippets(
    objects: &BTreeMap<ObjectKey, Object>,
    routes: &[ServedRoute],
    ports: &[Port],
) -> Option<String> {
    let text: Vec<String> = ports.iter().filter_map(|port| of_listener(objects, routes, port)).collect();
    (!text.is_empty()).then(|| text.join("\n\n"))
}

fn of_listener(objects: &BTreeMap<ObjectKey, Object>, routes: &[ServedRoute], port: &Port) -> Option<String> {
    let served: Vec<&ServedRoute> = routes.iter().filter(|route| route.port == port.address.port()).collect();
    let all = asked(objects, &served);
    // What can be pasted as it is comes first; of what asks who calls, only where there is nothing else.
    let mut open = all.iter().filter(|asked| !asked.authenticated).peekable();
    let closed = all.iter().filter(|asked| asked.authenticated);
    let asked: Vec<&Asked> = if open.peek().is_some() { open.collect() } else { closed.collect() };
    let first = asked.first()?;
    // The pair of dialects that shows translation, where there is one.
    let other = asked.get(1).unwrap_or(first);
    let any_host = served.iter().any(|route| route.host == "*");
    let host = served.first().filter(|_| !any_host).map(|route| route.host.replace('*', "any"));
    Some(written(&format!("http://{}", port.local()), host.as_deref(), first, other))
}

/// A model, and where it is asked for.
#[derive(Debug, PartialEq)]
struct Asked {
    /// What stands before `/v1/…` in the path; without a slash at its end.
    prefix: String,
    model: String,
    /// A client must say who it is.
    authenticated: bool,
}

fn written(base: &str, host: Option<&str>, first: &Asked, other: &Asked) -> String {
    let header = host.map(|host| format!(" -H 'host: {host}'")).unwrap_or_default();
    let python = host.map(|host| format!(", default_headers={{\"host\": \"{host}\"}}")).unwrap_or_default();
    let json = "-H 'content-type: application/json'";
    let chat = |model: &str, more: &str| {
        format!(r#"{{"model": "{model}"{more}, "messages": [{{"role": "user", "content": "Hello!"}}]}}"#)
    };
    let (base, other_base) = (format!("{base}{}", first.prefix), format!("{base}{}", other.prefix));
    let (key, python_key, anthropic_key, header) = if first.authenticated {
        let header = format!("{header} -H \"authorization: Bearer $KEY\"");
        let key = "# KEY is a token or an API key that the policy of the route knows\n";
        (key, "\"KEY\"", "auth_token=\"KEY\"", header)
    } else {
        ("", "\"unused\"", "api_key=\"unused\"", header)
    };
    let (first, other) = (&first.model, &other.model);
    let ask = r#"messages=[{"role": "user", "content": "Hello!"}]"#;
    format!(
        "\
{key}# OpenAI chat completions
curl -s {base}/v1/chat/completions{header} {json} \\
  -d '{whole}'

# the same, streamed
curl -sN {other_base}/v1/chat/completions{header} {json} \\
  -d '{streamed}'

# Anthropic messages, streamed
curl -sN {base}/v1/messages{header} {json} -H 'anthropic-version: 2023-06-01' \\
  -d '{messages}'

# Python: pip install openai anthropic
from openai import OpenAI
client = OpenAI(base_url=\"{other_base}/v1\", api_key={python_key}{python})
print(client.chat.completions.create(model=\"{other}\", {ask}).choices[0].message.content)

from anthropic import Anthropic
client = Anthropic(base_url=\"{base}\", {anthropic_key}{python})
print(client.messages.create(model=\"{first}\", max_tokens=256, {ask}).content[0].text)",
        whole = chat(first, ""),
        streamed = chat(other, r#", "stream": true, "stream_options": {"include_usage": true}"#),
        messages = chat(first, r#", "max_tokens": 256, "stream": true"#),
    )
}

/// Models that the routes accept, each once and at most one per rule, in the order of the rules.
fn asked(objects: &BTreeMap<ObjectKey, Object>, served: &[&ServedRoute]) -> Vec<Asked> {
    let mut all: Vec<Asked> = Vec::new();
    let names: BTreeSet<&str> = served.iter().map(|route| route.route.as_str()).collect();
    for name in names {
        let Some((namespace, name)) = name.split_once('/') else { continue };
        if let Some(Object::AgentgatewayModel(model)) =
            objects.get(&key(Kind::AgentgatewayModel, namespace, name))
        {
            let model = model.spec.pattern(name);
            let authenticated = is_authenticated(objects, namespace, name, None);
            let asked = || Asked { prefix: String::new(), model: model.to_owned(), authenticated };
            all.extend((!model.contains('*')).then(asked));
        }
        let Some(Object::HttpRoute(route)) = objects.get(&key(Kind::HttpRoute, namespace, name)) else {
            continue;
        };
        for rule in route.spec.rules.iter().flatten() {
            let authenticated = is_authenticated(objects, namespace, name, rule.name.as_deref());
            if let Some(model) = model_of(objects, namespace, rule)
                && let Some(prefix) = prefix_of(rule)
                && all.iter().all(|known| known.model != model || known.authenticated != authenticated)
            {
                all.push(Asked { prefix, model, authenticated });
            }
        }
    }
    all
}

/// Whether some policy for a Gateway, or for this route or rule of it, lets only clients in that say who they are. What
/// a narrower policy allows is not looked at: the worst of it is a key too many in what is printed.
fn is_authenticated(
    objects: &BTreeMap<ObjectKey, Object>,
    namespace: &str,
    route: &str,
    rule: Option<&str>,
) -> bool {
    let strict = |mode: Option<AuthenticationMode>| mode.unwrap_or_default() == AuthenticationMode::Strict;
    objects.iter().any(|(key, object)| {
        let Object::AgentgatewayPolicy(policy) = object else { return false };
        let Some(traffic) = &policy.spec.traffic else { return false };
        let asks = traffic.api_key_authentication.as_ref().is_some_and(|set| strict(set.mode))
            || traffic.jwt_authentication.as_ref().is_some_and(|set| strict(set.mode));
        let mut targets = policy.spec.target_refs.iter().flatten();
        asks && targets.any(|target| match target.kind.as_str() {
            "Gateway" => true,
            "HTTPRoute" => {
                let section = target.section_name.as_deref();
                key.namespace == namespace && target.name == route && (section.is_none() || section == rule)
            }
            _ => false,
        })
    })
}

/// What a path that `rule` takes begins with, when the APIs' usual paths can follow; for a rule of all paths, or of all
/// usual ones, nothing.
fn prefix_of(rule: &HttpRouteRules) -> Option<String> {
    let mut matches = rule.matches.iter().flatten().peekable();
    if matches.peek().is_none() {
        return Some(String::new());
    }
    matches.find_map(|matched| {
        let Some(path) = &matched.path else { return Some(String::new()) };
        match path.r#type.as_ref().unwrap_or(&HttpRouteRulesMatchesPathType::PathPrefix) {
            HttpRouteRulesMatchesPathType::PathPrefix => {
                let prefix = path.value.as_deref().unwrap_or("/").trim_end_matches('/');
                Some(if prefix == "/v1" { String::new() } else { prefix.to_owned() })
            }
            _ => None,
        }
    })
}

/// A model that `rule` takes; `None` when it leads to no language model or takes none that is known.
fn model_of(objects: &BTreeMap<ObjectKey, Object>, namespace: &str, rule: &HttpRouteRules) -> Option<String> {
    let usual = rule.backend_refs.iter().flatten().find_map(|reference| {
        let namespace = reference.namespace.as_deref().unwrap_or(namespace);
        match objects.get(&key(Kind::AgentgatewayBackend, namespace, &reference.name)) {
            Some(Object::AgentgatewayBackend(backend)) => usual_model(backend.spec.ai.as_ref()?),
            _ => None,
        }
    })?;
    let headers = rule.matches.iter().flatten().flat_map(|matched| matched.headers.iter().flatten());
    let mut wanted = headers.filter(|header| header.name.eq_ignore_ascii_case(MODEL_HEADER)).peekable();
    if wanted.peek().is_none() {
        return Some(usual);
    }
    wanted.find_map(|header| match header.r#type {
        Some(HttpRouteRulesMatchesHeadersType::RegularExpression) => {
            let whole = Regex::new(&format!("^(?:{})$", header.value)).ok()?;
            let known = [usual.as_str(), OPENAI_MODEL, ANTHROPIC_MODEL];
            known.into_iter().find(|model| whole.is_match(model)).map(str::to_owned)
        }
        _ => Some(header.value.clone()),
    })
}

/// What one would ask the backend's first provider for.
fn usual_model(ai: &AiBackend) -> Option<String> {
    let grouped = ai.groups.iter().flatten().flat_map(|group| &group.providers).map(|named| &named.provider);
    let provider: &LlmProvider = ai.provider.iter().chain(grouped).next()?;
    let kind = provider.kind()?;
    let usual = if matches!(kind, ProviderKind::Anthropic(_)) { ANTHROPIC_MODEL } else { OPENAI_MODEL };
    Some(kind.model().unwrap_or(usual).to_owned())
}

fn key(kind: Kind, namespace: &str, name: &str) -> ObjectKey {
    ObjectKey { kind, namespace: namespace.to_owned(), name: name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECTS: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: models}
spec:
  parentRefs: [{name: ai}]
  rules:
  - backendRefs: [{name: web, port: 80}]
  - matches: [{headers: [{type: RegularExpression, name: X-Gateway-Model-Name, value: "gpt-.*"}]}]
    backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: openai}]
  - matches: [{headers: [{type: RegularExpression, name: x-gateway-model-name, value: "claude.*|fast"}]}]
    backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: anthropic}]
  - matches: [{headers: [{name: x-gateway-model-name, value: special}]}]
    backendRefs: [{group: agentgateway.dev, kind: AgentgatewayBackend, name: openai}]
---
apiVersion: agentgateway.dev/v1alpha1
kind: AgentgatewayBackend
metadata: {name: openai}
spec: {ai: {provider: {openai: {}}}}
---
apiVersion: agentgateway.dev/v1alpha1
kind: AgentgatewayBackend
metadata: {name: anthropic}
spec: {ai: {provider: {anthropic: {}}}}
"#;

    fn served(host: &str) -> ServedRoute {
        ServedRoute {
            port: 8080,
            host: host.to_owned(),
            matches: String::new(),
            leads_to: String::new(),
            route: "default/models".to_owned(),
        }
    }

    fn port(number: u16) -> Port {
        Port {
            address: ([0, 0, 0, 0], number).into(),
            listener: String::new(),
            gateway: key(Kind::Gateway, "default", "ai"),
        }
    }

    #[test]
    fn models_are_those_the_routes_take() {
        let (decoded, findings) = resources::decode_documents("test", OBJECTS);
        assert!(findings.is_empty(), "{findings:?}");
        let objects: BTreeMap<_, _> = decoded.into_iter().map(|d| (d.object.key(), d.object)).collect();
        let models: Vec<String> = asked(&objects, &[&served("*")]).into_iter().map(|a| a.model).collect();
        assert_eq!(models, [OPENAI_MODEL, ANTHROPIC_MODEL, "special"]);
        let text = snippets(&objects, &[served("*")], &[port(8080), port(9090)]).unwrap();
        assert_eq!(text.matches("http://127.0.0.1:8080/v1/messages").count(), 1, "{text}");
        assert!(!text.contains("9090") && !text.contains("host:"), "{text}");
        assert!(
            snippets(&objects, &[served("ai.example.com")], &[port(8080)])
                .unwrap()
                .contains("'host: ai.example.com'")
        );
        assert_eq!(snippets(&objects, &[], &[port(8080)]), None);
    }

    #[test]
    fn what_can_be_pasted_as_it_is_comes_first() {
        let policy = |name: &str, section: &str| {
            format!(
                "---\napiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
                 targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: models{section}}}]\n  \
                 traffic: {{apiKeyAuthentication: {{secretRef: {{name: keys}}}}}}\n"
            )
        };
        let of = |more: &str| {
            let text = OBJECTS.replace(
                "- matches: [{headers: [{type: RegularExpression, name: X-",
                "- name: gpt\n    matches: [{headers: [{type: RegularExpression, name: X-",
            ) + more;
            let (decoded, findings) = resources::decode_documents("test", &text);
            assert!(findings.is_empty(), "{findings:?}");
            let objects: BTreeMap<_, _> = decoded.into_iter().map(|d| (d.object.key(), d.object)).collect();
            snippets(&objects, &[served("*")], &[port(8080)]).unwrap()
        };
        let text = of(&policy("a", ", sectionName: gpt"));
        assert!(!text.contains("KEY") && !text.contains(OPENAI_MODEL), "{text}");
        let text = of(&policy("a", ""));
        assert!(text.starts_with("# KEY is"), "{text}");
        assert_eq!(text.matches("-H \"authorization: Bearer $KEY\"").count(), 3, "{text}");
        assert!(text.contains("api_key=\"KEY\"") && text.contains("auth_token=\"KEY\""), "{text}");
    }

    #[test]
    fn what_is_printed_goes_where_the_routes_lead() {
        let of = |path: &str| {
            let text = OBJECTS.replace("[{headers", &format!("[{{path: {path}, headers"));
            let (decoded, findings) = resources::decode_documents("test", &text);
            assert!(findings.is_empty(), "{findings:?}");
            let objects: BTreeMap<_, _> = decoded.into_iter().map(|d| (d.object.key(), d.object)).collect();
            snippets(&objects, &[served("*")], &[port(8080)])
        };
        let text = of("{value: /team/}").unwrap();
        assert!(text.contains("127.0.0.1:8080/team/v1/messages"), "{text}");
        assert!(text.contains("base_url=\"http://127.0.0.1:8080/team/v1\""), "{text}");
        assert!(!text.contains("8080/v1"), "{text}");
        for usual in ["{value: /}", "{value: /v1}"] {
            assert!(of(usual).unwrap().contains("127.0.0.1:8080/v1/messages"), "{usual}");
        }
        assert_eq!(of("{type: Exact, value: /v1/chat/completions}"), None);
    }
}
