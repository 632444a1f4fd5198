//! Models that stand for a choice made by conditions over the request.

use std::collections::BTreeMap;

use expressions::{Context, Expression};
use filter_config::{ConditionalTarget, Error};
use serde_json::{Map, Value, json};

use crate::{HeaderMap, Host};

/// The virtual models of a configuration, compiled.
#[derive(Debug, Default)]
pub(crate) struct VirtualModels(BTreeMap<String, Vec<Target>>);

#[derive(Debug)]
struct Target {
    name: String,
    when: Option<Condition>,
}

#[derive(Debug)]
struct Condition {
    expression: Expression,
    /// Headers the expression may look at.
    headers: Vec<String>,
}

/// What a request is, as conditions see it.
pub(crate) struct Asked<'a> {
    pub(crate) model: &'a str,
    pub(crate) stream: bool,
    pub(crate) path: &'a str,
    pub(crate) body: &'a [u8],
}

impl VirtualModels {
    pub(crate) fn new(config: &BTreeMap<String, Vec<ConditionalTarget>>) -> Result<Self, Error> {
        let mut models = BTreeMap::new();
        for (model, targets) in config {
            let mut compiled = Vec::with_capacity(targets.len());
            for (index, target) in targets.iter().enumerate() {
                let when = target.when.as_deref().map(Condition::compile).transpose();
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
    pub(crate) fn choose(&self, host: &dyn Host, asked: &Asked<'_>) -> Option<Option<&str>> {
        let targets = self.0.get(asked.model)?;
        let holds = |target: &&Target| target.when.as_ref().is_none_or(|when| when.holds(host, asked));
        Some(targets.iter().find(holds).map(|target| target.name.as_str()))
    }

    /// Whether `model` is the name of a target, which no client may ask for.
    pub(crate) fn is_target(&self, model: &str) -> bool {
        model.contains('#') && self.0.values().flatten().any(|target| target.name == model)
    }
}

impl Condition {
    fn compile(text: &str) -> Result<Self, String> {
        let expression = Expression::compile(text).map_err(|error| error.to_string())?;
        Ok(Self { expression, headers: named_headers(text) })
    }

    /// An expression that fails does not hold.
    fn holds(&self, host: &dyn Host, asked: &Asked<'_>) -> bool {
        let headers: Map<String, Value> = self
            .headers
            .iter()
            .filter_map(|name| Some((name.clone(), host.header(HeaderMap::Request, name)?.into())))
            .collect();
        let method = host.header(HeaderMap::Request, ":method");
        let mut context = Context::new();
        context.bind("request", json!({"headers": headers, "path": asked.path, "method": method}));
        context.bind("llm", json!({"requestModel": asked.model, "streaming": asked.stream}));
        if self.expression.references("llmRequest") {
            context.bind("llmRequest", serde_json::from_slice(asked.body).unwrap_or(Value::Null));
        }
        self.expression.is_true(&context).unwrap_or(false)
    }
}

/// The headers an expression can look at: hosts find headers by name only, so every text in it, and every member of
/// `headers`, is taken for a name. Names made by the expression itself are not found.
pub(crate) fn named_headers(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(['"', '\'']) {
        let (_, from) = rest.split_at(start);
        let quote = from.chars().next().unwrap_or('"');
        let inside = from.get(1..).unwrap_or_default();
        let Some(end) = inside.find(quote) else { break };
        let (name, after) = inside.split_at(end);
        names.push(name.to_ascii_lowercase());
        rest = after.get(1..).unwrap_or_default();
    }
    for (_, after) in text.match_indices("headers.").map(|(at, found)| (at, text.get(at + found.len()..))) {
        let name: String = after
            .unwrap_or_default()
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        names.push(name.to_ascii_lowercase());
    }
    names.retain(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    });
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
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
            let asked = Asked { model: "smart", stream, path: "/v1/chat/completions", body: body.as_bytes() };
            models.choose(&host, &asked).unwrap().map(str::to_owned)
        };
        assert_eq!(choose(Some("gold"), "{}", false).as_deref(), Some("smart#0"));
        assert_eq!(choose(None, r#"{"max_tokens":101}"#, false).as_deref(), Some("smart#1"));
        assert_eq!(choose(Some("tin"), "{}", true).as_deref(), Some("smart#2"));
        assert_eq!(choose(None, "{}", false), None);
        assert!(models.is_target("smart#1") && !models.is_target("smart"));
    }

    #[test]
    fn names_in_expressions() {
        assert_eq!(
            named_headers(
                r#"request.headers["X-A"] == 'b' && 'x-c' in request.headers && request.headers.d > 1"#
            ),
            ["b", "d", "x-a", "x-c"]
        );
    }
}
