//! Changes to requests, as the `provider` filter is told of them.

use std::collections::BTreeMap;

use filter_config::{Prompt, PromptCaching, PromptMessage, RequestPolicy};
use resources::{FieldExpression, FieldValue};

use crate::policy::{Ai, From};

/// What policies want of a provider's requests.
pub(super) fn request_policy(ai: &Ai<'_>) -> RequestPolicy {
    RequestPolicy {
        overrides: values(ai.overrides.as_ref()),
        transformations: expressions(ai.transformations.as_ref()),
        defaults: values(ai.defaults.as_ref()),
        prompt: ai.prompt.as_ref().map(|prompt| self::prompt(prompt.value)).unwrap_or_default(),
        prompt_caching: ai.prompt_caching.as_ref().map(|caching| PromptCaching {
            system: caching.value.cache_system,
            messages: caching.value.cache_messages,
            tools: caching.value.cache_tools,
            min_tokens: caching.value.min_tokens.into(),
            message_offset: caching.value.cache_message_offset.into(),
        }),
        final_transformations: expressions(ai.final_transformations.as_ref()),
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

fn expressions(from: Option<&From<'_, Vec<FieldExpression>>>) -> BTreeMap<String, String> {
    let entries = from.into_iter().flat_map(|from| from.value);
    entries.map(|entry| (entry.field.clone(), entry.expression.clone())).collect()
}

fn prompt(enrichment: &resources::PromptEnrichment) -> Prompt {
    let messages = |all: &Option<Vec<resources::PromptMessage>>| {
        let all = all.iter().flatten();
        all.map(|one| PromptMessage { role: one.role.clone(), content: one.content.clone() }).collect()
    };
    Prompt { prepend: messages(&enrichment.prepend), append: messages(&enrichment.append) }
}
