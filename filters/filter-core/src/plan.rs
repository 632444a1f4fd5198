//! Compiled configurations.

use std::sync::Arc;

use filter_config::{Error, Llm, Provider, UsageMeter};

use crate::Exchange;
use crate::llm::LlmPlan;
use crate::provider::ProviderPlan;
use crate::usage::UsagePlan;

/// The filters this crate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterKind {
    /// Downstream: recognises LLM requests.
    Llm,
    /// Upstream: speaks the provider's dialect.
    Provider,
    /// Downstream, stand-alone: counts tokens.
    Usage,
}

impl FilterKind {
    /// Every filter.
    pub const ALL: [Self; 3] = [Self::Llm, Self::Provider, Self::Usage];

    /// Its wasm `root_id` and native `filter_name`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llm => "llm",
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
            FilterKind::Provider => Kind::Provider(Arc::new(ProviderPlan::new(Provider::from_json(json)?)?)),
            FilterKind::Usage => Kind::Usage(Arc::new(UsagePlan::new(UsageMeter::from_json(json)?))),
        }))
    }

    /// The state of one request (of one attempt, for an upstream filter).
    pub fn start(&self) -> Exchange {
        match &self.0 {
            Kind::Llm(plan) => Exchange::llm(Arc::clone(plan)),
            Kind::Provider(plan) => Exchange::provider(Arc::clone(plan)),
            Kind::Usage(plan) => Exchange::usage(Arc::clone(plan)),
        }
    }
}
