//! Where models are offered: on listeners, and through HTTPRoutes.

use resources::gateway_api::gateways::GatewayListeners;
use resources::gateway_api::httproutes::{
    HttpRoute, HttpRouteParentRefs, HttpRouteRules, HttpRouteRulesBackendRefs, HttpRouteRulesFiltersType,
    HttpRouteRulesMatchesPathType,
};
use resources::{Kind, ObjectKey};

use super::{Model, Models, ordered};
use crate::attachment::{Port, is_gateway, listeners_of};
use crate::findings::Findings;
use crate::objects::Objects;

/// The models attached to a listener itself, in the order in which they are tried.
pub(crate) fn models_of_listener<'m, 'a>(
    models: &'m Models<'a>,
    objects: &Objects,
    port: &Port<'_>,
    listener: &GatewayListeners,
    findings: &mut Findings,
) -> Vec<&'m Model<'a>> {
    let attached = |model: &&Model<'_>| {
        let parents = &model.object.spec.parent_refs;
        parents.iter().any(|parent| {
            listeners_of(objects, port, model.key, parent).any(|taken| std::ptr::eq(taken, listener))
        })
    };
    ordered(models.iter().filter(attached), findings)
}

/// The models attached to a rule of an HTTPRoute, in the order in which they are tried.
pub(crate) fn models_of_rule<'m, 'a>(
    models: &'m Models<'a>,
    route: &ObjectKey,
    rule: &HttpRouteRules,
    findings: &mut Findings,
) -> Vec<&'m Model<'a>> {
    let attached = |model: &&Model<'_>| {
        let mut parents = model.object.spec.parent_refs.iter();
        parents.any(|parent| names_route(parent, model.key, route) && names_rule(parent, rule))
    };
    ordered(models.iter().filter(attached), findings)
}

/// Whether a parent reference names an HTTPRoute, which has to be in the model's namespace.
fn names_route(parent: &HttpRouteParentRefs, model: &ObjectKey, route: &ObjectKey) -> bool {
    is_route(parent)
        && parent.name == route.name
        && model.namespace == route.namespace
        && parent.namespace.as_ref().is_none_or(|namespace| *namespace == route.namespace)
}

fn names_rule(parent: &HttpRouteParentRefs, rule: &HttpRouteRules) -> bool {
    parent.section_name.as_ref().is_none_or(|section| rule.name.as_ref() == Some(section))
}

fn is_route(parent: &HttpRouteParentRefs) -> bool {
    parent.kind.as_deref() == Some(Kind::HttpRoute.name())
        && parent.group.as_deref().unwrap_or(Kind::HttpRoute.group()) == Kind::HttpRoute.group()
}

fn is_model(reference: &HttpRouteRulesBackendRefs) -> bool {
    reference.group.as_deref() == Some(Kind::AgentgatewayModel.group())
        && reference.kind.as_deref() == Some(Kind::AgentgatewayModel.name())
}

/// Whether a rule leads to models; with why it cannot, when it does so in a form that is not allowed.
pub(crate) fn offers_models(rule: &HttpRouteRules) -> Option<Result<(), &'static str>> {
    let references = rule.backend_refs.as_deref().unwrap_or_default();
    if !references.iter().any(is_model) {
        return None;
    }
    let [reference] = references else {
        return Some(Err("a reference to models must be the only one of its rule"));
    };
    let rewrites = rule.filters.iter().flatten().any(|filter| {
        matches!(
            filter.r#type,
            HttpRouteRulesFiltersType::UrlRewrite | HttpRouteRulesFiltersType::RequestRedirect
        )
    });
    let prefixes_only = rule.matches.iter().flatten().all(|matched| {
        matched
            .path
            .as_ref()
            .is_none_or(|path| matches!(path.r#type, None | Some(HttpRouteRulesMatchesPathType::PathPrefix)))
    });
    let problem = if reference.name != "*" {
        "the name of a reference to models must be *"
    } else if reference.namespace.is_some() {
        "a reference to models has no namespace: they are in the namespace of the route"
    } else if reference.port.is_some() || reference.weight.is_some_and(|weight| weight != 1) {
        "a reference to models has neither a port nor a weight"
    } else if reference.filters.as_ref().is_some_and(|filters| !filters.is_empty()) {
        "a reference to models has no filters"
    } else if rewrites {
        "a rule that leads to models can neither rewrite URLs nor redirect"
    } else if !prefixes_only {
        "a rule that leads to models can match prefixes of paths only"
    } else {
        return Some(Ok(()));
    };
    Some(Err(problem))
}

/// Reports models that are offered nowhere, or not everywhere they should be.
pub(crate) fn report(
    models: &Models<'_>,
    objects: &Objects,
    ports: &[Port<'_>],
    is_ours: impl Fn(&ObjectKey) -> bool,
    findings: &mut Findings,
) {
    for model in models.iter() {
        for (place, parent) in model.object.spec.parent_refs.iter().enumerate() {
            let path = format!("spec.parentRefs[{place}]");
            if is_route(parent) {
                report_route(model, &path, parent, objects, ports, findings);
            } else if is_gateway(parent) {
                let namespace = parent.namespace.as_deref().unwrap_or(&model.key.namespace);
                let gateway = crate::objects::key(Kind::Gateway, namespace, &parent.name);
                if objects.gateway(namespace, &parent.name).is_none() {
                    let absence = objects.absence(&gateway);
                    findings.error(model.key, &path, absence.message, absence.remedy);
                } else if is_ours(&gateway)
                    && !ports
                        .iter()
                        .any(|port| listeners_of(objects, port, model.key, parent).next().is_some())
                {
                    let message = format!("no listener of {gateway} takes this model");
                    let remedy = "list agentgateway.dev/AgentgatewayModel in the listener's allowedRoutes.kinds, and \
                                  check sectionName, port and allowedRoutes.namespaces";
                    findings.error(model.key, &path, message, remedy);
                }
            } else {
                let what = format!("a {} as parent of a model", parent.kind.as_deref().unwrap_or_default());
                findings.not_served(model.key, &path, &what, "attach it to a Gateway or an HTTPRoute");
            }
        }
    }
}

fn report_route(
    model: &Model<'_>,
    path: &str,
    parent: &HttpRouteParentRefs,
    objects: &Objects,
    ports: &[Port<'_>],
    findings: &mut Findings,
) {
    let namespace = parent.namespace.as_deref().unwrap_or(&model.key.namespace);
    let key = crate::objects::key(Kind::HttpRoute, namespace, &parent.name);
    let Some(route) = objects.http_route(namespace, &parent.name) else {
        let absence = objects.absence(&key);
        findings.error(model.key, path, absence.message, absence.remedy);
        return;
    };
    if !names_route(parent, model.key, &key) {
        let message = format!("{key} is in another namespace");
        findings.error(model.key, path, message, "attach the model to an HTTPRoute of its own namespace");
        return;
    }
    let rules = || route.spec.rules.iter().flatten().filter(|rule| names_rule(parent, rule));
    if !rules().any(|rule| offers_models(rule) == Some(Ok(()))) {
        let message = format!("no rule of {key} leads to models");
        let remedy =
            "give a rule the one backendRef {group: agentgateway.dev, kind: AgentgatewayModel, name: \"*\"}";
        findings.error(model.key, path, message, remedy);
    }
    if rules().any(|rule| offers_models(rule).is_some() && is_everything(rule)) {
        for port in ports {
            report_conflict(model, path, (&key, route), port, objects, findings);
        }
    }
}

/// A route that offers models at `/` and a listener that offers others itself would both answer `/v1/models`.
fn report_conflict(
    model: &Model<'_>,
    path: &str,
    (key, route): (&ObjectKey, &HttpRoute),
    port: &Port<'_>,
    objects: &Objects,
    findings: &mut Findings,
) {
    for parent in route.spec.parent_refs.iter().flatten() {
        for listener in listeners_of(objects, port, key, parent) {
            let direct = objects.models().chain(objects.refused_models()).any(|(other, object)| {
                object.spec.parent_refs.iter().any(|parent| {
                    listeners_of(objects, port, other, parent).any(|taken| std::ptr::eq(taken, listener))
                })
            });
            if direct {
                let message = format!(
                    "ModelRoutingConflict: {key} offers models at / on listener {}, which has models of its own; \
                     those come first",
                    listener.name
                );
                let remedy = "give the rule a prefix, or attach all models to the same parent";
                findings.error(model.key, path, message, remedy);
            }
        }
    }
}

/// Whether a rule matches every path.
fn is_everything(rule: &HttpRouteRules) -> bool {
    let matches = rule.matches.as_deref().unwrap_or_default();
    let path = |matched: &resources::gateway_api::httproutes::HttpRouteRulesMatches| {
        matched.path.as_ref().and_then(|path| path.value.as_deref()).is_none_or(|path| path == "/")
    };
    matches.is_empty() || matches.iter().any(path)
}
