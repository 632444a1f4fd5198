//! What access logs and spans are told of a request that only expressions of ours can say, above all who it is from.

use std::collections::BTreeMap;

use filter_config::Error;
use serde_json::Value;

use crate::Host;
use crate::handoff::Handoff;
use crate::request_view::{AskedModel, RequestExpression, RequestView};

/// Expressions by the key of the filter state their value goes to.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<String, RequestExpression>);

impl Told {
    pub(super) fn compile(expressions: BTreeMap<String, String>) -> Result<Self, Error> {
        let compile = |(key, text): (String, String)| match RequestExpression::compile(&text) {
            Ok(expression) => Ok((key, expression)),
            Err(message) => {
                Err(Error::Invalid { filter: "api-keys", field: format!("told[{key:?}]"), message })
            }
        };
        Ok(Self(expressions.into_iter().map(compile).collect::<Result<_, Error>>()?))
    }

    /// Publishes what the expressions say of a request, whose client is known by now as far as it ever will be.
    pub(super) fn publish(&self, host: &mut dyn Host) {
        if self.0.is_empty() {
            return;
        }
        let handoff = Handoff::read(host);
        let llm =
            handoff.as_ref().map(|handoff| AskedModel { model: &handoff.model, stream: handoff.stream });
        let view = RequestView { llm, body: None };
        for (key, expression) in &self.0 {
            match expression.evaluate(host, &view) {
                Ok(Value::String(text)) => host.publish(key, text.as_bytes()),
                // Nothing is known, which logs say by leaving the field out.
                Ok(Value::Null) | Err(_) => {}
                Ok(value) => host.publish(key, value.to_string().as_bytes()),
            }
        }
    }
}
