//! What the schema of AgentgatewayModel cannot say: where base URLs must not lead, and which settings belong together.

use crate::schema::Issue;
use crate::{
    AgentgatewayModelSpec, BackendPolicy, HttpUrl, ModelProvider, agentgateway_checks, guard_checks,
};

/// Checks an AgentgatewayModel.
pub(crate) fn check_model(spec: &AgentgatewayModelSpec, issues: &mut Vec<Issue>) {
    if let Some(text) = &spec.base_url
        && let Err(problem) = HttpUrl::remote(text)
    {
        issues.push(Issue::invalid(
            "spec.baseURL",
            format!("{text:?} {problem}"),
            "write a URL such as https://api.example.com/v1",
        ));
    }
    if spec.provider == Some(ModelProvider::Custom) {
        let service = spec.custom.as_ref().is_some_and(|custom| custom.backend_ref.is_some());
        if service == spec.base_url.is_some() {
            let message = "provider Custom needs exactly one of baseURL and custom.backendRef";
            issues.push(Issue::invalid("spec.custom", message, ""));
        }
    }
    if let Some(policies) = &spec.policies {
        let connection = BackendPolicy {
            auth: policies.auth.clone(),
            tls: policies.tls.clone(),
            ..BackendPolicy::default()
        };
        agentgateway_checks::check_backend_policy("spec.policies", &connection, issues);
        if let Some(guard) = &policies.prompt_guard {
            guard_checks::check("spec.policies.promptGuard", guard, issues);
        }
        let lists = [
            ("transformations", &policies.transformations),
            ("finalTransformations", &policies.final_transformations),
        ];
        for (field, list) in lists {
            for (index, one) in list.iter().flatten().enumerate() {
                check_expression(
                    &format!("spec.policies.{field}[{index}].expression"),
                    &one.expression,
                    issues,
                );
            }
        }
    }
    let conditional = spec.virtual_model.as_ref().and_then(|model| model.conditional.as_ref());
    for (index, target) in conditional.iter().flat_map(|models| &models.targets).enumerate() {
        if let Some(when) = &target.when {
            check_expression(&format!("spec.virtualModel.conditional.targets[{index}].when"), when, issues);
        }
    }
}

/// Reports an expression that is not CEL.
pub(crate) fn check_expression(path: &str, expression: &str, issues: &mut Vec<Issue>) {
    let rule = serde_json::json!({ "x-kubernetes-validations": [{ "rule": expression }] });
    if kube_cel::compile_schema(&rule).has_errors() {
        issues.push(Issue::invalid(path, format!("{expression:?} is not a CEL expression"), ""));
    }
}
