//! Reports settings that two policies have for the same target: only one of them is in force.

use std::collections::BTreeMap;

use resources::{AgentgatewayPolicySpec, ObjectKey};

use super::Attached;
use crate::findings::Findings;

/// Warns of every setting that a policy whose name comes first has for the same object, or section of it, already.
pub(super) fn report(attached: &BTreeMap<ObjectKey, Vec<Attached<'_>>>, findings: &mut Findings) {
    for (target, policies) in attached {
        let mut holders: BTreeMap<(Option<&str>, &str), &ObjectKey> = BTreeMap::new();
        for one in policies {
            for field in settings(&one.policy.spec) {
                let holder = *holders.entry((one.section, field)).or_insert(one.key);
                if holder == one.key {
                    continue;
                }
                let of = one.section.map(|section| format!("section `{section}` of ")).unwrap_or_default();
                let message = format!("not in force for {of}{target}, which has it from {holder}");
                let remedy = "of policies for one target the first by name counts; keep one of them";
                findings.warning(one.key, &format!("spec.{field}"), message, remedy);
            }
        }
    }
}

/// The settings a policy has of which only one can hold, as paths.
fn settings(spec: &AgentgatewayPolicySpec) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut take = |field, set: bool| found.extend(set.then_some(field));
    if let Some(traffic) = &spec.traffic {
        take("traffic.rateLimit", traffic.rate_limit.is_some());
        take("traffic.jwtAuthentication", traffic.jwt_authentication.is_some());
        take("traffic.apiKeyAuthentication", traffic.api_key_authentication.is_some());
        take(
            "traffic.timeouts.request",
            traffic.timeouts.as_ref().is_some_and(|times| times.request.is_some()),
        );
    }
    if let Some(backend) = &spec.backend {
        take("backend.auth", backend.auth.is_some());
        take("backend.tls", backend.tls.is_some());
        take("backend.tcp", backend.tcp.is_some());
        take("backend.http", backend.http.is_some());
        take("backend.health", backend.health.is_some());
    }
    if let Some(ai) = spec.backend.as_ref().and_then(|backend| backend.ai.as_ref()) {
        take("backend.ai.modelAliases", ai.model_aliases.as_ref().is_some_and(|map| !map.is_empty()));
        take("backend.ai.routes", ai.routes.as_ref().is_some_and(|map| !map.is_empty()));
        take("backend.ai.defaults", ai.defaults.is_some());
        take("backend.ai.overrides", ai.overrides.is_some());
        take("backend.ai.transformations", ai.transformations.is_some());
        take("backend.ai.finalTransformations", ai.final_transformations.is_some());
        take("backend.ai.prompt", ai.prompt.is_some());
        take("backend.ai.promptCaching", ai.prompt_caching.is_some());
        take("backend.ai.promptGuard", ai.prompt_guard.is_some());
    }
    found
}
