//! The service without its network: a call in, an answer out.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use envoy_proto::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};

use crate::clock::Clock;
use crate::config::Config;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::plan::Plan;
use crate::request::Call;
use crate::store::{Counter, Store};
use crate::verdict;

/// Limits, and the counters they are held against.
#[derive(Debug)]
pub struct Limiter {
    config: RwLock<Arc<Config>>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl Limiter {
    /// A limiter with these limits.
    pub fn new(config: Config, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let metrics = Metrics::new();
        metrics.loaded(true);
        Self { config: RwLock::new(Arc::new(config)), store, clock, metrics }
    }

    /// Puts other limits in place of the ones before, for all calls from now on; or notes that there was a configuration
    /// that could not be read, and keeps them. Counters stay.
    pub fn reload(&self, config: Result<Config, &Error>) {
        self.metrics.loaded(config.is_ok());
        if let Ok(config) = config {
            *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        }
    }

    /// Answers a call: `envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit`.
    ///
    /// # Errors
    /// [`Error::InvalidCall`] for calls the protocol does not allow, [`Error::Store`] and [`Error::Full`] when the
    /// counters cannot be had.
    pub async fn answer(&self, request: RateLimitRequest) -> Result<RateLimitResponse, Error> {
        let began = Instant::now();
        let call = Call::read(request).inspect_err(|_| self.metrics.invalid())?;
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner).clone();
        if config.domain(&call.domain).is_none() {
            self.metrics.unknown_domain();
        }
        let plan = Plan::of(&config, call, self.clock.now());
        let readings = if plan.batch.charges.is_empty() {
            Vec::new()
        } else {
            let carried_out = self.store.carry_out(&plan.batch).await;
            carried_out.inspect_err(|_| self.metrics.store_failed(self.store.name()))?
        };
        for item in &plan.items {
            if let Some(charged) = verdict::charged(&plan, item, &readings)
                && self.metrics.charge(&plan.domain, &item.metric, charged)
            {
                let (_, limit, charge, reading) = charged;
                tracing::warn!(
                    target: "weir",
                    counter = %charge.label,
                    spent = reading.after,
                    limit = limit.hits,
                    "passed its soft limit"
                );
            }
        }
        let answer = verdict::answer(&plan, &readings);
        self.metrics.answered(began.elapsed());
        Ok(answer)
    }

    /// Metrics in Prometheus' text format.
    ///
    /// # Errors
    /// When they cannot be written down, which no label of theirs causes.
    pub fn metrics(&self) -> Result<String, std::fmt::Error> {
        self.metrics.text()
    }

    /// At most `limit` counters that hold something now.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn counters(&self, limit: usize) -> Result<Vec<Counter>, Error> {
        self.store.counters(self.clock.now(), limit).await
    }
}
