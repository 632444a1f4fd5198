//! What a model leads to.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use expressions::Expression;
use filter_config::ConditionalTarget;
use filter_config::variables::{LLM_OF_REQUEST, LLM_REQUEST, REQUEST, Variable};
use resources::{AgentgatewayModel, BackendTls, Kind, ModelPolicies, ModelRef, ObjectKey, VirtualModel};

use super::{Leads, Pattern, headers, preset};
use crate::backend::Backend;
use crate::destination::{Destination, Target};
use crate::expression::unknown;
use crate::findings::Findings;
use crate::index::Index;
use crate::names;
use crate::policy::{Ai, Effective, From, Inherited};
use crate::provider::{self, Provider, Section};

/// The section name of a model's provider. No name of a provider of a backend holds a capital, so what is named after
/// it is never that of a backend with the model's name.
const SECTION: &str = "Model";

/// TLS with the system's trusted certificates, for URLs that begin with `https`.
static SYSTEM_TLS: LazyLock<BackendTls> = LazyLock::new(BackendTls::default);

/// What a usable model leads to where this is `inherited`.
pub(super) fn leads(
    index: &Index<'_>,
    key: &ObjectKey,
    model: &AgentgatewayModel,
    inherited: &Inherited<'_>,
    findings: &mut Findings,
) -> Leads {
    match &model.spec.virtual_model {
        None => {
            let sent = Pattern::read(model.spec.pattern(&key.name));
            let sent = sent.as_ref().and_then(Pattern::exact);
            let target = to_provider(provider(index, key, model, sent, inherited, findings));
            Leads::To(vec![Destination { weight: 1, target }])
        }
        Some(choice) => virtual_leads(index, key, choice, inherited, findings),
    }
}

fn virtual_leads(
    index: &Index<'_>,
    key: &ObjectKey,
    choice: &VirtualModel,
    inherited: &Inherited<'_>,
    findings: &mut Findings,
) -> Leads {
    let conditions = conditions(key, choice, findings);
    let mut target = |kind: &str, place: usize, model: &ModelRef, sent: &Option<String>| {
        let path = format!("spec.virtualModel.{kind}.targets[{place}]");
        follow(index, key, &path, model, sent.as_deref(), inherited, findings)
    };
    if let Some(weighted) = &choice.weighted {
        let shares = weighted.targets.iter().enumerate().map(|(place, one)| Destination {
            weight: one.weight.and_then(|weight| u32::try_from(weight).ok()).unwrap_or(1),
            target: to_provider(target("weighted", place, &one.model_ref, &one.model)),
        });
        return Leads::To(shares.collect());
    }
    if let Some(failover) = &choice.failover {
        let mut groups: BTreeMap<i32, Vec<Provider>> = BTreeMap::new();
        for (place, one) in failover.targets.iter().enumerate() {
            let provider = target("failover", place, &one.model_ref, &one.model);
            let group = groups.entry(one.priority).or_default();
            // The same provider twice in a group is one.
            group.extend(provider.filter(|new| group.iter().all(|known| known.cluster != new.cluster)));
        }
        let groups: Vec<_> = groups.into_values().filter(|group| !group.is_empty()).collect();
        let target = if groups.is_empty() {
            Target::Nowhere
        } else {
            Target::Backend(Arc::new(Backend { groups, ..Backend::default() }))
        };
        return Leads::To(vec![Destination { weight: 1, target }]);
    }
    let Some(conditional) = &choice.conditional else { return Leads::Refused };
    // The name is the one clients use, which `<name>#<index>` extends.
    let name = index.objects.model(&key.namespace, &key.name).map(|model| model.spec.pattern(&key.name));
    let name = name.unwrap_or(&key.name);
    let ways = conditional.targets.iter().zip(conditions).enumerate().map(|(place, (one, when))| {
        let way = ConditionalTarget { when, name: format!("{name}#{place}") };
        let target = to_provider(target("conditional", place, &one.model_ref, &one.model));
        (way, Destination { weight: 1, target })
    });
    Leads::Conditional(ways.collect())
}

/// What conditions can look at. Who calls is not known yet where a model is chosen.
const IN_CONDITIONS: [Variable; 3] = [REQUEST, LLM_OF_REQUEST, LLM_REQUEST];

/// The conditions of a conditional model, in order. One that is no CEL, or looks at what is never there, is
/// reported and never holds.
fn conditions(key: &ObjectKey, choice: &VirtualModel, findings: &mut Findings) -> Vec<Option<String>> {
    let targets = choice.conditional.iter().flat_map(|conditional| &conditional.targets);
    let mut conditions = Vec::new();
    for (place, target) in targets.enumerate() {
        let fault = target.when.as_deref().and_then(|when| match Expression::compile(when) {
            Ok(expression) => unknown(&expression, &IN_CONDITIONS).map(|unknown| unknown.to_string()),
            Err(error) => Some(error.to_string()),
        });
        if let Some(message) = &fault {
            let path = format!("spec.virtualModel.conditional.targets[{place}].when");
            let remedy = "correct it; the target gets no requests until then";
            findings.error(key, &path, message, remedy);
        }
        conditions.push(if fault.is_some() { Some("false".to_owned()) } else { target.when.clone() });
    }
    conditions
}

fn to_provider(provider: Option<Provider>) -> Target {
    match provider {
        Some(provider) => {
            Target::Backend(Arc::new(Backend { groups: vec![vec![provider]], ..Backend::default() }))
        }
        None => Target::Nowhere,
    }
}

/// The provider behind one target of a virtual model; `None` when there is none, which has then been reported.
fn follow(
    index: &Index<'_>,
    from: &ObjectKey,
    path: &str,
    reference: &ModelRef,
    sent: Option<&str>,
    inherited: &Inherited<'_>,
    findings: &mut Findings,
) -> Option<Provider> {
    let field = format!("{path}.modelRef");
    let key = crate::objects::key(Kind::AgentgatewayModel, &from.namespace, &reference.name);
    let Some(model) = index.objects.model(&key.namespace, &key.name) else {
        let absence = index.objects.absence(&key);
        findings.error(from, &field, absence.message, absence.remedy);
        return None;
    };
    if model.spec.virtual_model.is_some() {
        let message = format!("{key} is a virtual model itself");
        findings.error(from, &field, message, "refer to a model with a provider");
        return None;
    }
    let pattern = Pattern::read(model.spec.pattern(&key.name))?;
    let Some(sent) = sent.or(pattern.exact()) else {
        let message = format!("{key} serves any model {pattern}, and the target does not say which");
        findings.error(from, &format!("{path}.model"), message, "name the model to send");
        return None;
    };
    provider(index, &key, model, Some(sent), inherited, findings)
}

/// The provider of a model with a provider. `sent` is the model it is asked for, `None` for the one the client names.
fn provider(
    index: &Index<'_>,
    key: &ObjectKey,
    model: &AgentgatewayModel,
    sent: Option<&str>,
    inherited: &Inherited<'_>,
    findings: &mut Findings,
) -> Option<Provider> {
    let spec = &model.spec;
    let of = preset::provider_of(spec, sent)?;
    let policies = spec.policies.as_ref();
    if let Some(changes) = policies.and_then(|policies| policies.headers.as_ref())
        && !headers::check(key, changes, findings)
    {
        return None;
    }
    let mut effective = own(key, policies).inheriting(inherited);
    // What the URL says is weaker than any policy.
    effective.tls =
        effective.tls.or_else(|| from(key, "tls", (of.tls == Some(true)).then_some(&*SYSTEM_TLS)));
    let section = Section { name: SECTION, path: "spec", repeated: None };
    let mut provider = provider::resolve(index, key, section, &of.provider, &effective, findings)?;
    if let (Some(filter), Some(name)) = (&mut provider.filter, of.name) {
        name.clone_into(&mut filter.name);
    }
    let of_rerank = provider.rerank.as_mut().map(|rerank| &mut rerank.cluster);
    for cluster in std::iter::once(&mut provider.cluster).chain(of_rerank) {
        // The cluster of a backend's provider ends with the fingerprint of its destination and what it inherits.
        let fingerprint = cluster.rsplit_once('~').map(|(_, fingerprint)| fingerprint).unwrap_or_default();
        *cluster = names::model_cluster(&key.namespace, &key.name, sent, fingerprint);
    }
    Some(provider)
}

/// The settings that stand in a model itself.
fn own<'a>(key: &ObjectKey, policies: Option<&'a ModelPolicies>) -> Effective<'a> {
    let Some(policies) = policies else { return Effective::default() };
    Effective {
        auth: from(key, "auth", policies.auth.as_ref()),
        tls: from(key, "tls", policies.tls.as_ref()),
        health: from(key, "health", policies.health.as_ref()),
        ai: Ai {
            prompt_guard: from(key, "promptGuard", policies.prompt_guard.as_ref()),
            transformations: from(key, "transformations", policies.transformations.as_ref()),
            final_transformations: from(key, "finalTransformations", policies.final_transformations.as_ref()),
            ..Ai::default()
        },
        ..Effective::default()
    }
}

fn from<'a, T>(key: &ObjectKey, field: &str, value: Option<&'a T>) -> Option<From<'a, T>> {
    value.map(|value| From { value, object: key.clone(), path: format!("spec.policies.{field}") })
}
