//! The fields of a record one by one, for spans and logs that cannot look into JSON.

use filter_config::{Endpoint, PUBLISHED_FIELDS};

use crate::record::Record;
use crate::{Host, metrics};

/// Publishes every known field under its key in [`PUBLISHED_FIELDS`].
pub(crate) fn publish(host: &mut dyn Host, record: &Record<'_>) {
    for (key, name) in PUBLISHED_FIELDS {
        if let Some(value) = field(record, name) {
            host.publish(key, value.as_bytes());
        }
    }
}

/// The value of the attribute called `name`.
fn field(record: &Record<'_>, name: &str) -> Option<String> {
    let usage = record.usage.as_ref();
    let count = |read: fn(&crate::record::RecordedUsage) -> u64| usage.map(|usage| read(usage).to_string());
    match name {
        "gen_ai.operation.name" => {
            let endpoint = record.client.as_deref().and_then(Endpoint::from_name)?;
            Some(metrics::operation(endpoint).to_owned())
        }
        "gen_ai.provider.name" => record.provider.as_deref().map(str::to_owned),
        "gen_ai.request.model" => record.model.as_deref().map(str::to_owned),
        "gen_ai.response.model" => record.answered_model.as_deref().map(str::to_owned),
        "gen_ai.usage.input_tokens" => count(|usage| usage.input + usage.cache_read + usage.cache_write),
        "gen_ai.usage.output_tokens" => count(|usage| usage.output),
        "gen_ai.usage.cache_read.input_tokens" => count(|usage| usage.cache_read),
        "gen_ai.usage.cache_creation.input_tokens" => count(|usage| usage.cache_write),
        "gen_ai.usage.reasoning_tokens" => count(|usage| usage.reasoning),
        "agw.ai.time_to_first_token" => record.time_to_first_token_ms.map(|ms| ms.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RecordedUsage;

    #[test]
    fn every_field_of_the_contract_is_known() {
        let record = Record {
            client: Some("openai_chat".into()),
            provider: Some("openai".into()),
            model: Some("m".into()),
            answered_model: Some("m".into()),
            usage: Some(RecordedUsage { input: 1, cache_read: 2, ..RecordedUsage::default() }),
            time_to_first_token_ms: Some(3),
            ..Record::default()
        };
        for (_, name) in PUBLISHED_FIELDS {
            assert!(field(&record, name).is_some(), "{name}");
        }
        assert_eq!(field(&record, "gen_ai.usage.input_tokens").as_deref(), Some("3"));
    }
}
