//! Limits, compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use expressions::{Context, Expression};
use filter_config::{Error, Limit, Reserve, Unit};
use price_catalogue::Catalogue;
use serde_json::{Map, Value, json};

use super::bucket::Shape;
use crate::virtual_model::named_headers;
use crate::{HeaderMap, Host};

/// Compiled configuration of the filter.
#[derive(Debug)]
pub(crate) struct LimitPlan {
    policies: BTreeMap<String, Policy>,
    defaults: Vec<String>,
    pub(super) prices: Option<Catalogue>,
}

/// Limits that belong together.
#[derive(Debug)]
pub(super) struct Policy {
    when: Option<Condition>,
    pub(super) local: Vec<Bucket>,
    pub(super) descriptors: Vec<Arc<Descriptor>>,
    pub(super) reserve: Reserve,
}

#[derive(Debug)]
pub(super) struct Bucket {
    /// Under which its level is shared.
    pub(super) key: String,
    pub(super) unit: Unit,
    pub(super) shape: Shape,
    pub(super) shadow: bool,
}

#[derive(Debug)]
pub(super) struct Descriptor {
    /// What its filter state begins with.
    pub(super) state: String,
    pub(super) unit: Unit,
    entries: Vec<Condition>,
    cost: Option<Condition>,
}

/// An expression over a request.
#[derive(Debug)]
struct Condition {
    expression: Expression,
    headers: Vec<String>,
}

/// What expressions see of a request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asking<'a> {
    pub(super) model: &'a str,
    pub(super) stream: bool,
}

impl LimitPlan {
    pub(crate) fn new(config: Limit) -> Result<Self, Error> {
        let invalid = |field: String, message: String| Error::Invalid { filter: "limit", field, message };
        let prices = config
            .prices
            .map(|prices| Catalogue::parse(prices.to_string().as_bytes()))
            .transpose()
            .map_err(|error| invalid("prices".to_owned(), error.to_string()))?;
        let mut policies = BTreeMap::new();
        for (name, policy) in config.policies {
            let field = |field: &str| format!("policies[{name:?}].{field}");
            let compile = |place: String, text: &str| {
                Condition::compile(text).map_err(|message| invalid(field(&place), message))
            };
            let when = policy.when.as_deref().map(|when| compile("when".to_owned(), when)).transpose()?;
            let local = policy.local.iter().map(|local| Bucket {
                key: format!("weir.limit.{}", local.id),
                unit: local.unit,
                shape: Shape {
                    amount: local.amount,
                    per_ms: local.per_ms,
                    capacity: local.amount.saturating_add(local.burst),
                },
                shadow: local.shadow,
            });
            let local = local.collect();
            let mut descriptors = Vec::with_capacity(policy.descriptors.len());
            for (index, descriptor) in policy.descriptors.iter().enumerate() {
                let place = format!("descriptors[{index}]");
                let mut entries = Vec::with_capacity(descriptor.entries.len());
                for (at, entry) in descriptor.entries.iter().enumerate() {
                    entries.push(compile(format!("{place}.entries[{at}].expression"), &entry.expression)?);
                }
                let cost = descriptor.cost.as_deref();
                let cost = cost.map(|cost| compile(format!("{place}.cost"), cost)).transpose()?;
                let state = format!("weir.limit.{}", descriptor.name);
                let compiled = Descriptor { state, unit: descriptor.unit, entries, cost };
                descriptors.push(Arc::new(compiled));
            }
            let policy = Policy { when, local, descriptors, reserve: policy.reserve };
            policies.insert(name, policy);
        }
        Ok(Self { policies, defaults: config.default_policies, prices })
    }

    /// Under which the buckets' levels are shared.
    pub(crate) fn shared_keys(&self) -> Vec<&str> {
        self.policies.values().flat_map(|policy| &policy.local).map(|bucket| bucket.key.as_str()).collect()
    }

    /// The policies of these names (those of the configuration where there are none) that hold for a request.
    pub(super) fn select(
        &self,
        names: Option<Vec<String>>,
        host: &dyn Host,
        asking: &Asking<'_>,
    ) -> Vec<&Policy> {
        let names = names.as_ref().unwrap_or(&self.defaults);
        names
            .iter()
            .filter_map(|name| self.policies.get(name))
            .filter(|policy| policy.when.as_ref().is_none_or(|when| when.holds(host, asking)))
            .collect()
    }
}

impl Condition {
    fn compile(text: &str) -> Result<Self, String> {
        let expression = Expression::compile(text).map_err(|error| error.to_string())?;
        Ok(Self { expression, headers: named_headers(text) })
    }

    fn evaluate(&self, host: &dyn Host, asking: &Asking<'_>) -> Result<Value, expressions::Error> {
        let header = |name: &str| host.header(HeaderMap::Request, name);
        let headers: Map<String, Value> =
            self.headers.iter().filter_map(|name| Some((name.clone(), header(name)?.into()))).collect();
        let mut context = Context::new();
        let request = json!({
            "headers": headers,
            "path": header(":path"),
            "method": header(":method"),
            "host": header(":authority"),
        });
        context.bind("request", request);
        context.bind("llm", json!({"requestModel": asking.model, "streaming": asking.stream}));
        self.expression.evaluate(&context)
    }

    /// No error may lift a limit.
    fn holds(&self, host: &dyn Host, asking: &Asking<'_>) -> bool {
        !matches!(self.evaluate(host, asking), Ok(Value::Bool(false)))
    }
}

impl Descriptor {
    /// The values of its entries; `None` when one of them fails.
    pub(super) fn values(&self, host: &dyn Host, asking: &Asking<'_>) -> Option<Vec<String>> {
        self.entries
            .iter()
            .map(|entry| match entry.evaluate(host, asking).ok()? {
                Value::String(text) => Some(text),
                value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
                Value::Null | Value::Array(_) | Value::Object(_) => None,
            })
            .collect()
    }

    /// How many requests this one counts for: one, unless its own expression says otherwise.
    pub(super) fn requests(&self, host: &dyn Host, asking: &Asking<'_>) -> u64 {
        let cost = self.cost.as_ref().and_then(|cost| amount(&cost.evaluate(host, asking).ok()?));
        cost.unwrap_or(1)
    }

    /// What its own expression says a finished request costs; `None` without one, or when it fails.
    pub(super) fn cost(&self, llm: &Value) -> Option<u64> {
        let mut context = Context::new();
        context.lend("llm", llm);
        amount(&self.cost.as_ref()?.expression.evaluate(&context).ok()?)
    }
}

/// A number as an amount: rounded up, and never below zero.
fn amount(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let value = value.as_f64().filter(|value| *value >= 0.0)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        Some(value.ceil() as u64)
    })
}
