//! Compiled configurations.

use std::sync::Arc;

use filter_config::{ApiKeys, Error, Guard, Limit, Llm, Order, Provider, UsageMeter};

use crate::Exchange;
use crate::api_keys::{ApiKeysExchange, ApiKeysPlan};
use crate::guard::{GuardExchange, GuardPlan};
use crate::limit::{LimitExchange, LimitPlan};
use crate::llm::{LlmExchange, LlmPlan};
use crate::order::OrderExchange;
use crate::provider::{ProviderExchange, ProviderPlan};
use crate::usage::{UsageExchange, UsagePlan};

/// The filters this crate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterKind {
    /// Downstream: recognises LLM requests.
    Llm,
    /// Downstream: lets through who has a key.
    ApiKeys,
    /// Downstream and stand-alone, or upstream: looks at prompts and answers.
    Guard,
    /// Downstream: lets through what limits allow.
    Limit,
    /// Downstream, under wasm: asks for another order of clusters.
    Order,
    /// Upstream: speaks the provider's dialect.
    Provider,
    /// Downstream, stand-alone: counts tokens.
    Usage,
}

impl FilterKind {
    /// Every filter.
    pub const ALL: [Self; 7] =
        [Self::Llm, Self::ApiKeys, Self::Guard, Self::Limit, Self::Order, Self::Provider, Self::Usage];

    /// Its wasm `root_id` and native `filter_name`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llm => "llm",
            Self::ApiKeys => "api-keys",
            Self::Guard => "guard",
            Self::Limit => "limit",
            Self::Order => "order",
            Self::Provider => "provider",
            Self::Usage => "usage",
        }
    }

    /// The filter called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A configuration, checked and compiled once; immutable, cheap to clone, shared by all exchanges.
#[derive(Debug, Clone)]
pub struct Plan(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Llm(Arc<LlmPlan>),
    ApiKeys(Arc<ApiKeysPlan>),
    Guard(Arc<GuardPlan>),
    Limit(Arc<LimitPlan>),
    Order,
    Provider(Arc<ProviderPlan>),
    Usage(Arc<UsagePlan>),
}

impl Plan {
    /// Compiles the JSON configuration of a filter.
    ///
    /// # Errors
    /// The configuration's fault, with the field and what is wrong.
    pub fn compile(filter: FilterKind, json: &[u8]) -> Result<Self, Error> {
        Ok(Self(match filter {
            FilterKind::Llm => Kind::Llm(Arc::new(LlmPlan::new(Llm::from_json(json)?)?)),
            FilterKind::ApiKeys => Kind::ApiKeys(Arc::new(ApiKeysPlan::new(ApiKeys::from_json(json)?)?)),
            FilterKind::Guard => Kind::Guard(Arc::new(GuardPlan::new(Guard::from_json(json)?)?)),
            FilterKind::Limit => Kind::Limit(Arc::new(LimitPlan::new(Limit::from_json(json)?)?)),
            FilterKind::Order => {
                Order::from_json(json)?;
                Kind::Order
            }
            FilterKind::Provider => Kind::Provider(Arc::new(ProviderPlan::new(Provider::from_json(json)?)?)),
            FilterKind::Usage => Kind::Usage(Arc::new(UsagePlan::new(UsageMeter::from_json(json)?))),
        }))
    }

    /// Keys under which exchanges change what is shared ([`crate::Host::update_shared`]). Hosts whose workers could come
    /// across each other with a key that is not there yet share nothing (no bytes) under them before any exchange starts.
    pub fn shared_keys(&self) -> Vec<&str> {
        match &self.0 {
            Kind::Limit(plan) => plan.shared_keys(),
            Kind::Llm(_)
            | Kind::ApiKeys(_)
            | Kind::Guard(_)
            | Kind::Order
            | Kind::Provider(_)
            | Kind::Usage(_) => Vec::new(),
        }
    }

    /// The state of one request (of one attempt, for an upstream filter).
    pub fn start(&self) -> Exchange {
        match &self.0 {
            Kind::Llm(plan) => Box::new(LlmExchange::new(Arc::clone(plan))),
            Kind::ApiKeys(plan) => Box::new(ApiKeysExchange::new(Arc::clone(plan))),
            Kind::Guard(plan) => Box::new(GuardExchange::new(Arc::clone(plan))),
            Kind::Limit(plan) => Box::new(LimitExchange::new(Arc::clone(plan))),
            Kind::Order => Box::new(OrderExchange),
            Kind::Provider(plan) => Box::new(ProviderExchange::new(Arc::clone(plan))),
            Kind::Usage(plan) => Box::new(UsageExchange::new(Arc::clone(plan))),
        }
    }
}
