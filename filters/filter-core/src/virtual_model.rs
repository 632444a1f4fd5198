//! Models that stand for a choice made by conditions over the request.

use std::collections::BTreeMap;

use filter_config::{ConditionalTarget, Error};
use serde_json::Value;

use crate::Host;
use crate::request_view::{AskedModel, RequestExpression, RequestView};

/// The virtual models of a configuration, compiled.
#[derive(Debug, Default)]
pub(crate) struct VirtualModels(BTreeMap<String, Vec<Target>>);

#[derive(Debug)]
struct Target {
    name: String,
    when: Option<RequestExpression>,
}

impl VirtualModels {
    pub(crate) fn new(config: &BTreeMap<String, Vec<ConditionalTarget>>) -> Result<Self, Error> {
        let mut models = BTreeMap::new();
        for (model, targets) in config {
            let mut compiled = Vec::with_capacity(targets.len());
            for (index, target) in targets.iter().enumerate() {
                let when = target.when.as_deref().map(RequestExpression::compile).transpose();
                let when = when.map_err(|message| Error::Invalid {
                    filter: "llm",
                    field: format!("virtual_models[{model:?}][{index}].when"),
                    message,
                })?;
                compiled.push(Target { name: target.name.clone(), when });
            }
            models.insert(model.clone(), compiled);
        }
        Ok(Self(models))
    }

    /// The name of the target a request goes to: `None` when its model is no virtual one, `Some(None)` when no
    /// condition holds.
    pub(crate) fn choose(&self, host: &dyn Host, asked: AskedModel<'_>, body: &[u8]) -> Option<Option<&str>> {
        let targets = self.0.get(asked.model)?;
        let view = RequestView { llm: Some(asked), body: Some(body) };
        // One that fails does not hold.
        let is_true = |when: &RequestExpression| matches!(when.evaluate(host, &view), Ok(Value::Bool(true)));
        let holds = |target: &&Target| target.when.as_ref().is_none_or(is_true);
        Some(targets.iter().find(holds).map(|target| target.name.as_str()))
    }

    /// Whether `model` is the name of a target, which no client may ask for.
    pub(crate) fn is_target(&self, model: &str) -> bool {
        model.contains('#') && self.0.values().flatten().any(|target| target.name == model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HeaderMap;
    use crate::fake_host::FakeHost;

    fn models(targets: &str) -> VirtualModels {
        let config: filter_config::Llm = serde_json::from_str(&format!(
            r#"{{"model_header":"x-m","virtual_models":{{"smart":{targets}}}}}"#
        ))
        .unwrap();
        VirtualModels::new(&config.virtual_models).unwrap()
    }

    #[test]
    fn the_first_condition_that_holds() {
        let models = models(
            r#"[{"when":"request.headers[\"x-tier\"] == 'gold'","name":"smart#0"},
                {"when":"llmRequest.max_tokens > 100","name":"smart#1"},
                {"when":"request.headers.missing == 'x' || llm.streaming","name":"smart#2"}]"#,
        );
        let choose = |tier: Option<&str>, body: &'static str, stream: bool| {
            let mut host = FakeHost::default();
            if let Some(tier) = tier {
                host.set_header(HeaderMap::Request, "x-tier", tier);
            }
            let asked = AskedModel { model: "smart", stream };
            models.choose(&host, asked, body.as_bytes()).unwrap().map(str::to_owned)
        };
        assert_eq!(choose(Some("gold"), "{}", false).as_deref(), Some("smart#0"));
        assert_eq!(choose(None, r#"{"max_tokens":101}"#, false).as_deref(), Some("smart#1"));
        assert_eq!(choose(Some("tin"), "{}", true).as_deref(), Some("smart#2"));
        assert_eq!(choose(None, "{}", false), None);
        assert!(models.is_target("smart#1") && !models.is_target("smart"));
    }
}
