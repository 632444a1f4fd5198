//! Limits, compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use expressions::Context;
use filter_config::{Error, Limit, LimitOverride, Reserve, RouteLimit, Unit};
use price_catalogue::Catalogue;
use serde_json::Value;

use super::bucket::Shape;
use crate::Host;
use crate::request_view::{AskedModel, RequestExpression, RequestView};

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
    when: Option<RequestExpression>,
    pub(super) local: Vec<Bucket>,
    pub(super) descriptors: Vec<Arc<Descriptor>>,
    pub(super) reserve: Reserve,
}

impl Policy {
    /// Whether it reserves money, which takes prices.
    pub(super) fn counts_money(&self) -> bool {
        let local = self.local.iter().map(|bucket| bucket.unit);
        local
            .chain(self.descriptors.iter().map(|descriptor| descriptor.unit))
            .any(|unit| unit == Unit::MicroUsd)
    }
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
    pub(super) name: String,
    /// What its filter state begins with.
    pub(super) state: String,
    pub(super) unit: Unit,
    entries: Vec<RequestExpression>,
    cost: Option<RequestExpression>,
    limit_override: Option<RequestExpression>,
}

/// A descriptor for a request.
#[derive(Debug)]
pub(super) struct Evaluated {
    /// The values of its entries.
    pub(super) values: Vec<String>,
    /// The limit in place of the service's own.
    pub(super) limit: Option<LimitOverride>,
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
                RequestExpression::compile(text).map_err(|message| invalid(field(&place), message))
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
                let limit = descriptor.limit_override.as_deref();
                let limit_override =
                    limit.map(|limit| compile(format!("{place}.limit_override"), limit)).transpose()?;
                descriptors.push(Arc::new(Descriptor {
                    name: descriptor.name.clone(),
                    state: format!("weir.limit.{}", descriptor.name),
                    unit: descriptor.unit,
                    entries,
                    cost,
                    limit_override,
                }));
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

    /// The policies of a route (those of the configuration where it names none) that hold for a request.
    pub(super) fn select(
        &self,
        of_route: Option<&[RouteLimit]>,
        host: &dyn Host,
        asking: AskedModel<'_>,
    ) -> Vec<&Policy> {
        let view = view(asking);
        let named = |name: &String| {
            let policy = self.policies.get(name)?;
            policy.when.as_ref().is_none_or(|when| holds(when, host, &view)).then_some(policy)
        };
        let Some(of_route) = of_route else { return self.defaults.iter().filter_map(named).collect() };
        let mut selected = Vec::new();
        for limit in of_route {
            match limit {
                RouteLimit::Of(name) => selected.extend(named(name)),
                RouteLimit::FirstOf(choices) => selected.extend(self.first_of(choices, host, &view)),
                RouteLimit::Sent { .. } => {}
            }
        }
        selected
    }

    /// The policies of the first choice whose condition is true.
    fn first_of<'p>(
        &'p self,
        choices: &[Vec<String>],
        host: &dyn Host,
        view: &RequestView<'_>,
    ) -> impl Iterator<Item = &'p Policy> {
        let policies = |names: &Vec<String>| -> Vec<&'p Policy> {
            names.iter().filter_map(|name| self.policies.get(name)).collect()
        };
        let is_true = |policies: &Vec<&Policy>| {
            policies.first().is_some_and(|first| {
                first
                    .when
                    .as_ref()
                    .is_none_or(|when| matches!(when.evaluate(host, view), Ok(Value::Bool(true))))
            })
        };
        choices.iter().map(policies).find(is_true).into_iter().flatten()
    }
}

/// A request as the expressions of limits see it.
fn view(asking: AskedModel<'_>) -> RequestView<'_> {
    RequestView { llm: Some(asking), body: None }
}

/// No error may lift a limit.
fn holds(when: &RequestExpression, host: &dyn Host, view: &RequestView<'_>) -> bool {
    !matches!(when.evaluate(host, view), Ok(Value::Bool(false)))
}

impl Descriptor {
    /// What it is for a request; `None` when the value of an entry or the override fails, or is nothing of use.
    pub(super) fn evaluate(&self, host: &dyn Host, asking: AskedModel<'_>) -> Option<Evaluated> {
        let view = view(asking);
        let value = |entry: &RequestExpression| match entry.evaluate(host, &view).ok()? {
            Value::String(text) => Some(text),
            value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        let values = self.entries.iter().map(value).collect::<Option<_>>()?;
        let limit = match &self.limit_override {
            Some(limit) => Some(LimitOverride::read(&limit.evaluate(host, &view).ok()?)?),
            None => None,
        };
        Some(Evaluated { values, limit })
    }

    /// How many requests this one counts for: one, unless its own expression says otherwise.
    pub(super) fn requests(&self, host: &dyn Host, asking: AskedModel<'_>) -> u64 {
        let view = view(asking);
        let cost = self.cost.as_ref().and_then(|cost| amount(&cost.evaluate(host, &view).ok()?));
        cost.unwrap_or(1)
    }

    /// What its own expression says a finished request costs; `None` without one, or when it fails.
    pub(super) fn cost(&self, llm: &Value) -> Option<u64> {
        let mut context = Context::new();
        context.lend("llm", llm);
        amount(&self.cost.as_ref()?.evaluate_over(&context).ok()?)
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
