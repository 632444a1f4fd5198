//! Configuration of the `limit` filter: how much may be asked, and what it costs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limit_override::{MOST_OVERRIDE_BYTES, OVERRIDE_BYTES};
use crate::{Error, check_version, default_version, parse};

/// Configuration of the downstream `limit` filter. It stands behind `llm` (or `usage`), whose record says what a
/// request asks for and what it used. Which limits are for a request says its route
/// ([`ROUTE_LIMITS`](crate::ROUTE_LIMITS)).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Version of the contract.
    #[serde(default = "default_version")]
    pub version: u32,
    /// Name → limits. A route names those that are for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, LimitPolicy>,
    /// Names of policies for requests whose route names none: for stand-alone use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_policies: Vec<String>,
    /// What tokens cost: a catalogue of the `price-catalogue` crate. Limits on money need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Value>,
}

/// Limits that belong together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitPolicy {
    /// CEL condition over the request; absent or true: the limits count. One that fails counts as true: no error may
    /// lift a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Buckets in this Envoy, shared by its workers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub local: Vec<LocalLimit>,
    /// Descriptors for a rate limit service, which Envoy's own filter behind this one sends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub descriptors: Vec<Descriptor>,
    /// How tokens and costs are reserved before they are known.
    #[serde(default)]
    pub reserve: Reserve,
}

/// Limits of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RouteLimit {
    /// Those of the policy with this name.
    Of(String),
    /// A choice of lists of names: the first counts of which the first policy has no condition or one that is true. Here
    /// a condition that fails is not true, since the next choice may be meant for such requests.
    FirstOf(Vec<Vec<String>>),
    /// No limits, but what the providers of the route make of the model a request names: what is reserved of money is the
    /// highest price of all they may be sent. Absent where that is the model itself.
    Sent {
        /// One for each provider that differs from the others.
        sends: Vec<Sends>,
    },
}

/// Which model a provider is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sends {
    /// This one, whatever the client asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What names stand for, as [`Provider::model_aliases`](crate::Provider::model_aliases).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, String>,
    /// It may be any: a policy of the provider chooses it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any: bool,
}

impl Sends {
    /// What a provider is sent that is configured so.
    pub fn of(provider: &crate::Provider) -> Self {
        let policy = &provider.policy;
        let chosen = policy.overrides.get("model");
        let any = policy.transformations.contains_key("model")
            || policy.final_transformations.contains_key("model")
            || policy.defaults.contains_key("model")
            || chosen.is_some_and(|chosen| !chosen.is_string() || provider.model.is_some());
        let chosen = chosen.and_then(Value::as_str).map(str::to_owned);
        Self {
            model: chosen.or_else(|| provider.model.clone()),
            aliases: provider.model_aliases.clone(),
            any,
        }
    }
}

/// A token bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalLimit {
    /// Names the bucket: equal ids of one Envoy are one bucket.
    pub id: String,
    /// What is counted.
    pub unit: Unit,
    /// So much flows in …
    pub amount: u64,
    /// … in this time, in milliseconds, evenly.
    pub per_ms: u64,
    /// The bucket holds `amount` and this.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub burst: u64,
    /// Count and log what would be refused, and refuse nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Requests.
    Requests,
    /// Tokens of input and output, cached ones included.
    Tokens,
    /// Money, in millionths of a US dollar.
    MicroUsd,
}

/// One descriptor for the rate limit service.
///
/// This filter publishes, as filter state, the value of entry `n` of descriptor `name` under
/// `weir.limit.<name>.<n>`; what is asked for at admission under `weir.limit.<name>.hits`; and at the end, where it
/// differs, what is to be charged on top under `weir.limit.<name>.charge` or given back under
/// `weir.limit.<name>.refund`. Nothing is published for a descriptor of which an entry or the override fails. Overrides
/// go into a header ([`LIMIT_OVERRIDES_HEADER`](crate::LIMIT_OVERRIDES_HEADER)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// Names its filter state; unique among all policies.
    pub name: String,
    /// Names and CEL expressions of its entries.
    pub entries: Vec<DescriptorEntry>,
    /// What is counted.
    pub unit: Unit,
    /// CEL expression for what a request costs, in `unit`. Of requests it is over the request, when it comes; of tokens and
    /// money over `llm`, when it is over. Absent, or when it fails: one request, all tokens, the price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// CEL expression over the request for the limit that holds in place of the service's own: an object as
    /// [`LimitOverride::read`](crate::LimitOverride::read) takes it. When it fails, the descriptor is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_override: Option<String>,
}

/// One entry of a descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescriptorEntry {
    /// The entry's key.
    pub name: String,
    /// CEL expression over the request, and who it comes from (`apiKey`, `jwt`); its value, as text, is the entry's value.
    pub expression: String,
}

/// How tokens and costs are reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reserve {
    /// Reserve at admission what the request can use at most, and settle at the end. Else it is only looked whether
    /// anything remains, and charged at the end (agentgateway's way), which concurrent requests can overrun.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Output tokens reserved for a request that names no maximum.
    #[serde(default = "default_output_tokens")]
    pub output_tokens: u64,
    /// Most output tokens a request may ask for: a larger maximum is lowered to this, and a missing one becomes
    /// `output_tokens`. Absent: maxima are left as they are, and a stream that passes what was reserved is ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clamp_output_tokens: Option<u64>,
    /// What is charged when nobody says what was used.
    #[serde(default)]
    pub on_unknown_usage: OnUnknownUsage,
}

impl Default for Reserve {
    fn default() -> Self {
        Self {
            enabled: true,
            output_tokens: default_output_tokens(),
            clamp_output_tokens: None,
            on_unknown_usage: OnUnknownUsage::default(),
        }
    }
}

/// What is charged when nobody says what was used. It is counted in a metric in every case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknownUsage {
    /// What was reserved.
    #[default]
    ChargeReserved,
    /// Nothing.
    Refund,
}

impl LimitPolicy {
    /// Whether something is limited in this unit.
    pub fn counts(&self, unit: Unit) -> bool {
        self.local.iter().any(|local| local.unit == unit)
            || self.descriptors.iter().any(|descriptor| descriptor.unit == unit)
    }
}

fn yes() -> bool {
    true
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn default_output_tokens() -> u64 {
    4096
}

impl Limit {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`Error`] with the field and what is wrong.
    pub fn from_json(json: &[u8]) -> Result<Self, Error> {
        let config: Self = parse(json, "limit")?;
        check_version(config.version)?;
        let mut names: Vec<&str> = Vec::new();
        if config.prices.is_none() && config.policies.values().any(|policy| policy.counts(Unit::MicroUsd)) {
            return Err(invalid("prices".to_owned(), "limits in `micro_usd` need a catalogue of prices"));
        }
        for (policy, limits) in &config.policies {
            for (index, local) in limits.local.iter().enumerate() {
                let field = |name: &str| format!("policies[{policy:?}].local[{index}].{name}");
                if local.id.is_empty() {
                    return Err(invalid(field("id"), "must not be empty"));
                }
                if local.amount == 0 || local.per_ms == 0 {
                    return Err(invalid(field("amount"), "`amount` and `per_ms` must be at least 1"));
                }
            }
            for (index, descriptor) in limits.descriptors.iter().enumerate() {
                let field = |name: &str| format!("policies[{policy:?}].descriptors[{index}].{name}");
                if descriptor.name.is_empty() || names.contains(&descriptor.name.as_str()) {
                    return Err(invalid(field("name"), "must not be empty or used twice"));
                }
                names.push(&descriptor.name);
                if descriptor.entries.is_empty() {
                    return Err(invalid(field("entries"), "name at least one entry"));
                }
            }
            let overridden =
                limits.descriptors.iter().filter(|descriptor| descriptor.limit_override.is_some());
            let bytes: usize = overridden.map(|descriptor| descriptor.name.len() + OVERRIDE_BYTES).sum();
            if bytes > MOST_OVERRIDE_BYTES {
                let message =
                    "names of those with `limit_override` are too long for one header: shorten them";
                return Err(invalid(format!("policies[{policy:?}].descriptors"), message));
            }
        }
        for (index, name) in config.default_policies.iter().enumerate() {
            if !config.policies.contains_key(name) {
                return Err(invalid(format!("default_policies[{index}]"), "there is no such policy"));
            }
        }
        Ok(config)
    }
}

fn invalid(field: String, message: &str) -> Error {
    Error::Invalid { filter: "limit", field, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_with_defaults() {
        let json = br#"{"policies":{"p":{"local":[{"id":"a","unit":"tokens","amount":10,"per_ms":1000}],
            "descriptors":[{"name":"d","unit":"tokens","entries":[{"name":"k","expression":"'x'"}]}]}}}"#;
        let config = Limit::from_json(json).unwrap();
        assert!(config.policies["p"].reserve.enabled);
        assert_eq!(Limit::from_json(&serde_json::to_vec(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn refuses_with_the_field_named() {
        let message = |json: &str| Limit::from_json(json.as_bytes()).unwrap_err().to_string();
        assert!(
            message(r#"{"policies":{"p":{"local":[{"id":"a","unit":"tokens","amount":0,"per_ms":1000}]}}}"#)
                .contains("policies[\"p\"].local[0].amount")
        );
        let money = r#"{"policies":{"p":{"local":[{"id":"a","unit":"micro_usd","amount":1,"per_ms":1}]}}}"#;
        assert!(message(money).contains("prices"));
        assert!(message(r#"{"default_policies":["q"]}"#).contains("default_policies[0]"));
        assert!(
            message(r#"{"policies":{"p":{"descriptors":[{"name":"d","unit":"tokens","entries":[]}]}}}"#)
                .contains("descriptors[0].entries")
        );
        let overridden = |length: usize| {
            let descriptors = (0..16).map(|place| {
                serde_json::json!({"name": format!("{place:0length$}"), "unit": "requests", "limit_override": "{}",
                    "entries": [{"name": "k", "expression": "'x'"}]})
            });
            let descriptors: Vec<Value> = descriptors.collect();
            Limit::from_json(
                serde_json::json!({"policies": {"p": {"descriptors": descriptors}}}).to_string().as_bytes(),
            )
        };
        // The longest names the control plane makes: a namespace, a policy, and the places of choice and descriptor.
        assert!(overridden(63 + 1 + 253 + 3 + 3).is_ok());
        assert!(overridden(324).unwrap_err().to_string().contains("policies[\"p\"].descriptors"));
    }
}
