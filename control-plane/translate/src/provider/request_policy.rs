//! Changes to requests, as the `provider` filter is told of them.

use std::collections::BTreeMap;

use expressions::Expression;
use filter_config::{Prompt, PromptCaching, PromptMessage, RequestPolicy};
use resources::{FieldExpression, FieldValue};

use crate::findings::Findings;
use crate::policy::{Ai, From};

/// What policies want of a provider's requests.
pub(super) fn request_policy(ai: &Ai<'_>, findings: &mut Findings) -> RequestPolicy {
    RequestPolicy {
        overrides: values(ai.overrides.as_ref()),
        transformations: expressions(ai.transformations.as_ref(), findings),
        defaults: values(ai.defaults.as_ref()),
        prompt: ai.prompt.as_ref().map(|prompt| self::prompt(prompt.value)).unwrap_or_default(),
        prompt_caching: ai.prompt_caching.as_ref().map(|caching| PromptCaching {
            system: caching.value.cache_system,
            messages: caching.value.cache_messages,
            tools: caching.value.cache_tools,
            min_tokens: caching.value.min_tokens.into(),
            message_offset: caching.value.cache_message_offset.into(),
        }),
        final_transformations: expressions(ai.final_transformations.as_ref(), findings),
    }
}

/// The names clients may ask for, and the models they stand for.
pub(super) fn model_aliases(ai: &Ai<'_>) -> BTreeMap<String, String> {
    ai.model_aliases.as_ref().map(|aliases| aliases.value.clone()).unwrap_or_default()
}

/// Of a field that is named twice, the last entry counts.
fn values(from: Option<&From<'_, Vec<FieldValue>>>) -> BTreeMap<String, serde_json::Value> {
    let entries = from.into_iter().flat_map(|from| from.value);
    entries.map(|entry| (entry.field.clone(), entry.value.clone())).collect()
}

/// An expression that fails whatever it is given: the field it is for is removed, as by any that fails.
const FAILS: &str = "1 / 0";

fn expressions(
    from: Option<&From<'_, Vec<FieldExpression>>>,
    findings: &mut Findings,
) -> BTreeMap<String, String> {
    let mut expressions = BTreeMap::new();
    let Some(from) = from else { return expressions };
    for (place, entry) in from.value.iter().enumerate() {
        let expression = match Expression::compile(&entry.expression) {
            Ok(_) => entry.expression.clone(),
            Err(error) => {
                let path = format!("{}[{place}].expression", from.path);
                let remedy = "correct it; the field is removed from requests until then";
                findings.error(&from.object, &path, error.to_string(), remedy);
                FAILS.to_owned()
            }
        };
        expressions.insert(entry.field.clone(), expression);
    }
    expressions
}

fn prompt(enrichment: &resources::PromptEnrichment) -> Prompt {
    let messages = |all: &Option<Vec<resources::PromptMessage>>| {
        let all = all.iter().flatten();
        all.map(|one| PromptMessage { role: one.role.clone(), content: one.content.clone() }).collect()
    };
    Prompt { prepend: messages(&enrichment.prepend), append: messages(&enrichment.append) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_always_fails_compiles_and_fails() {
        let expression = Expression::compile(FAILS).unwrap();
        assert!(expression.evaluate(&expressions::Context::new()).is_err());
    }
}
