//! Validation of typed objects, the same for those from a cluster and those from files.

use kube_cel::{ErrorKind, ValidationError, Validator};
use serde_json::Value;

use crate::definitions::{Definition, definition};
use crate::finding::{Finding, FindingKind, Severity, Subject};
use crate::schema::Issue;
use crate::{Object, agentgateway_checks, gateway_checks, model_checks};

/// Everything that is wrong with `object`: structure and CEL rules of its definition, what no schema can say
/// (host names, references between fields), and parts that are not served.
///
/// An object with a finding of [`Severity::Error`] must not be used; the rest of the configuration is not
/// affected by it. Findings have no origin: see [`Locations::locate`](crate::Locations::locate).
pub fn validate(object: &Object) -> Vec<Finding> {
    let mut issues = Vec::new();
    if let (Some(definition), Some(value)) = (definition(object.kind()), value_of(object)) {
        definition.structure.check("", &value, &mut issues);
        check_rules(definition, &value, &mut issues);
    }
    match object {
        Object::Gateway(gateway) => gateway_checks::check_gateway(&gateway.spec, &mut issues),
        Object::HttpRoute(route) => gateway_checks::check_route(&route.spec, &mut issues),
        Object::AgentgatewayBackend(backend) => {
            agentgateway_checks::check_backend(&backend.spec, &mut issues)
        }
        Object::AgentgatewayModel(model) => model_checks::check_model(&model.spec, &mut issues),
        Object::AgentgatewayPolicy(policy) => agentgateway_checks::check_policy(&policy.spec, &mut issues),
        _ => {}
    }
    let subject = subject_of(object);
    issues.into_iter().map(|issue| into_finding(issue, &subject)).collect()
}

/// Names `object` in findings.
pub(crate) fn subject_of(object: &Object) -> Subject {
    let key = object.key();
    Subject { kind: key.kind.name().to_owned(), namespace: key.namespace, name: key.name }
}

/// `issue` as a finding about `subject`, without an origin.
pub(crate) fn into_finding(issue: Issue, subject: &Subject) -> Finding {
    Finding {
        severity: issue.severity,
        kind: issue.kind,
        origin: None,
        subject: Some(subject.clone()),
        field_path: issue.path,
        message: issue.message,
        remedy: issue.remedy,
    }
}

/// The object as JSON. Secrets have none: their structure was checked when they were decoded, and nothing
/// about them is left to say. None of the other kinds holds anything JSON cannot.
fn value_of(object: &Object) -> Option<Value> {
    match object {
        Object::GatewayClass(object) => serde_json::to_value(&**object),
        Object::Gateway(object) => serde_json::to_value(&**object),
        Object::HttpRoute(object) => serde_json::to_value(&**object),
        Object::ReferenceGrant(object) => serde_json::to_value(&**object),
        Object::AgentgatewayBackend(object) => serde_json::to_value(&**object),
        Object::AgentgatewayModel(object) => serde_json::to_value(&**object),
        Object::AgentgatewayPolicy(object) => serde_json::to_value(&**object),
        Object::Secret(_) => return None,
        Object::ConfigMap(object) => serde_json::to_value(&**object),
        Object::Service(object) => serde_json::to_value(&**object),
        Object::EndpointSlice(object) => serde_json::to_value(&**object),
        Object::Namespace(object) => serde_json::to_value(&**object),
    }
    .ok()
}

/// Evaluates the CEL rules of `definition` on `value`.
pub(crate) fn check_rules(definition: &Definition, value: &Value, issues: &mut Vec<Issue>) {
    let Err(errors) = Validator::new().validate_compiled(&definition.rules, value, None) else { return };
    let mut broken: Vec<Issue> = errors.into_vec().into_iter().map(rule_issue).collect();
    // The validator goes through the fields of an object in any order.
    broken.sort_by(|a, b| a.path.cmp(&b.path));
    issues.append(&mut broken);
}

/// A broken rule as an issue. A rule that cannot be evaluated counts as broken, as in the API server.
fn rule_issue(error: ValidationError) -> Issue {
    let message = match error.kind {
        ErrorKind::ValidationFailure => error.message,
        _ => format!("a rule of the API could not be evaluated: {}", error.rule),
    };
    let path = error.field_path.trim_start_matches('.').to_owned();
    Issue { severity: Severity::Error, kind: FindingKind::Invalid, path, message, remedy: String::new() }
}
