//! What the schemas of AgentgatewayBackend and AgentgatewayPolicy cannot say: forms of hosts and patterns, and
//! values of served fields that this version of Weir does not serve.

use crate::finding::{FindingKind, Severity};
use crate::names::Host;
use crate::schema::Issue;
use crate::{
    AgentgatewayBackendSpec, AgentgatewayPolicySpec, AiPolicy, BackendAuth, BackendPolicy, Inheritance,
    LlmProvider, PromptMessage, SecretKeyRef, TrafficPhase, guard_checks,
};

/// Checks an AgentgatewayBackend.
pub(crate) fn check_backend(spec: &AgentgatewayBackendSpec, issues: &mut Vec<Issue>) {
    if let Some(host) = spec.static_.as_ref().and_then(|backend| backend.host.as_deref()) {
        check_host("spec.static.host", host, issues);
    }
    if let Some(policies) = &spec.policies {
        check_backend_policy("spec.policies", policies, issues);
    }
    let Some(ai) = &spec.ai else { return };
    if let Some(provider) = &ai.provider {
        check_provider("spec.ai.provider", provider, issues);
    }
    for (group_index, group) in ai.groups.iter().flatten().enumerate() {
        for (index, member) in group.providers.iter().enumerate() {
            let path = format!("spec.ai.groups[{group_index}].providers[{index}]");
            check_provider(&path, &member.provider, issues);
            if let Some(policies) = &member.policies {
                check_backend_policy(&format!("{path}.policies"), policies, issues);
            }
        }
    }
}

/// Checks an AgentgatewayPolicy.
pub(crate) fn check_policy(spec: &AgentgatewayPolicySpec, issues: &mut Vec<Issue>) {
    if spec.target_selectors.is_some() {
        issues.push(not_served(
            "spec.targetSelectors",
            "targetSelectors are",
            "name the objects in targetRefs",
        ));
    }
    let inheritance = spec.strategy.as_ref().and_then(|strategy| strategy.inheritance);
    if inheritance == Some(Inheritance::Override) {
        issues.push(not_served("spec.strategy.inheritance", "Override is", "remove it, or write Default"));
    }
    if let Some(traffic) = &spec.traffic
        && traffic.phase == Some(TrafficPhase::PreRouting)
    {
        issues.push(not_served("spec.traffic.phase", "PreRouting is", "remove it, or write PostRouting"));
    }
    if let Some(traffic) = &spec.traffic {
        crate::authentication::check("spec.traffic", traffic, issues);
    }
    if let Some(limit) = spec.traffic.as_ref().and_then(|traffic| traffic.rate_limit.as_ref()) {
        crate::rate_limit::check("spec.traffic.rateLimit", limit, issues);
    }
    if let Some(backend) = &spec.backend {
        check_backend_policy("spec.backend", backend, issues);
    }
    if let Some(frontend) = &spec.frontend {
        crate::frontend_telemetry::check(frontend, issues);
    }
}

fn check_provider(path: &str, provider: &LlmProvider, issues: &mut Vec<Issue>) {
    if let Some(host) = &provider.host {
        check_host(&format!("{path}.host"), host, issues);
    }
    for (field, value) in [("path", &provider.path), ("pathPrefix", &provider.path_prefix)] {
        if let Some(value) = value
            && !value.starts_with('/')
        {
            let message = format!("{value:?} is not an absolute path");
            issues.push(Issue::invalid(format!("{path}.{field}"), message, "start it with /"));
        }
    }
}

pub(crate) fn check_backend_policy(path: &str, policy: &BackendPolicy, issues: &mut Vec<Issue>) {
    if let Some(auth) = &policy.auth {
        check_auth(&format!("{path}.auth"), auth, issues);
    }
    if let Some(tls) = &policy.tls {
        for (index, reference) in tls.mtls_certificate_ref.iter().flatten().enumerate() {
            let path = format!("{path}.tls.mtlsCertificateRef[{index}]");
            check_secret_kind(&path, reference.group.as_deref(), issues);
        }
    }
    if let Some(ai) = &policy.ai {
        check_ai(&format!("{path}.ai"), ai, issues);
    }
}

/// Checks what a policy does to language model requests.
pub(crate) fn check_ai(path: &str, ai: &AiPolicy, issues: &mut Vec<Issue>) {
    let aliases = ai.model_aliases.as_ref();
    for (alias, model) in aliases.into_iter().flatten() {
        let path = crate::finding::push_field(&format!("{path}.modelAliases"), alias);
        if alias.is_empty() || model.is_empty() {
            issues.push(Issue::invalid(&*path, "neither the alias nor its model may be empty", ""));
        }
        if alias.matches('*').count() > 1 {
            issues.push(Issue::invalid(path, "an alias may hold at most one *", ""));
        }
    }
    let prompt = ai.prompt.as_ref();
    let prepended = prompt.and_then(|prompt| prompt.prepend.as_ref()).into_iter().flatten().enumerate();
    let appended = prompt.and_then(|prompt| prompt.append.as_ref()).into_iter().flatten().enumerate();
    let messages = prepended.map(|one| ("prepend", one)).chain(appended.map(|one| ("append", one)));
    for (place, (index, message)) in messages {
        if !PromptMessage::ROLES.contains(&message.role.as_str()) {
            let what = format!("{:?} is no role of a message", message.role);
            let remedy = format!("write one of {}", PromptMessage::ROLES.join(", "));
            issues.push(Issue::invalid(format!("{path}.prompt.{place}[{index}].role"), what, remedy));
        }
    }
    if let Some(guard) = &ai.prompt_guard {
        guard_checks::check(&format!("{path}.promptGuard"), guard, issues);
    }
    for suffix in ai.routes.iter().flat_map(|routes| routes.keys()) {
        if suffix.is_empty() || suffix.contains('?') {
            let path = crate::finding::push_field(&format!("{path}.routes"), suffix);
            issues.push(Issue::invalid(
                path,
                "not the end of a path",
                "write for example /v1/messages, or *",
            ));
        }
    }
}

fn check_auth(path: &str, auth: &BackendAuth, issues: &mut Vec<Issue>) {
    // The API server counts characters of what it is given; an empty key would send an empty credential.
    if auth.key.as_ref().is_some_and(|key| key.reveal().is_empty()) {
        issues.push(Issue::invalid(
            format!("{path}.key"),
            "must not be empty",
            "use secretRef, or write the key",
        ));
    }
    let check = |path: String, reference: &SecretKeyRef, issues: &mut Vec<Issue>| {
        check_secret_kind(&path, reference.group.as_deref(), issues);
    };
    if let Some(reference) = &auth.secret_ref {
        check(format!("{path}.secretRef"), reference, issues);
    }
    if let Some(reference) = auth.gcp.as_ref().and_then(|gcp| gcp.secret_ref.as_ref()) {
        check(format!("{path}.gcp.secretRef"), reference, issues);
    }
    for (index, credential) in auth.credentials.iter().flatten().enumerate() {
        check(format!("{path}.credentials[{index}].secretRef"), &credential.secret_ref, issues);
    }
    let aws = auth.aws.as_ref().and_then(|aws| aws.secret_ref.as_ref());
    let azure = auth.azure.as_ref().and_then(|azure| azure.secret_ref.as_ref());
    for (field, reference) in [("aws", aws), ("azure", azure)] {
        if let Some(reference) = reference {
            check_secret_kind(&format!("{path}.{field}.secretRef"), reference.group.as_deref(), issues);
        }
    }
}

/// Only core Secrets hold credentials here; other kinds need an extension that would resolve them.
pub(crate) fn check_secret_kind(path: &str, group: Option<&str>, issues: &mut Vec<Issue>) {
    if group.is_some_and(|group| !group.is_empty()) {
        issues.push(not_served(path, "a reference to a kind other than Secret is", "name a core Secret"));
    }
}

/// Destinations: a name or an address, without scheme, port or wildcard.
fn check_host(path: &str, host: &str, issues: &mut Vec<Issue>) {
    let (message, remedy) = match host.parse() {
        Ok(Host::Wildcard(_)) => {
            (format!("{host:?} is a wildcard"), "write the full name of the destination")
        }
        Ok(_) => return,
        Err(_) if host.contains(':') => {
            let remedy = "write the host alone: the port has its own field, and policies.tls turns on TLS";
            (format!("{host:?} is not a host name"), remedy)
        }
        Err(_) => {
            (format!("{host:?} is not a host name"), "write a name such as api.example.com, or an IP address")
        }
    };
    issues.push(Issue::invalid(path, message, remedy));
}

fn not_served(path: &str, what: &str, remedy: &str) -> Issue {
    Issue {
        severity: Severity::Error,
        kind: FindingKind::NotServed,
        path: path.to_owned(),
        message: format!("{what} not supported by this version of Weir"),
        remedy: remedy.to_owned(),
    }
}
