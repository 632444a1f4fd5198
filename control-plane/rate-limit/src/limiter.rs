//! The service without its network: a call in, an answer out.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
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
    /// Domains with keys of descriptors that no rule is for, as far as they have been logged.
    reported: Mutex<HashSet<(String, Vec<String>)>>,
}

/// How many of those are logged: nobody has so many on purpose.
const MOST_REPORTED: usize = 100;

impl Limiter {
    /// A limiter with these limits.
    pub fn new(config: Config, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let metrics = Metrics::new();
        metrics.loaded(true);
        Self { config: RwLock::new(Arc::new(config)), store, clock, metrics, reported: Mutex::default() }
    }

    /// Puts other limits in place of the ones before, for all calls from now on; or notes that there was a configuration
    /// that could not be read, and keeps them. Counters stay.
    pub fn reload(&self, config: Result<Config, &Error>) {
        self.metrics.loaded(config.is_ok());
        if let Ok(config) = config {
            *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
            self.reported.lock().unwrap_or_else(PoisonError::into_inner).clear();
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
            self.report_once(&call.domain, &[], || true);
        }
        let plan = Plan::of(&config, call, self.clock.now());
        for keys in &plan.unmatched {
            self.metrics.unmatched(&plan.domain);
            let level = config.domain(&plan.domain).map(|domain| &domain.level);
            let names = || keys.iter().map(String::as_str);
            self.report_once(&plan.domain, keys, || level.is_some_and(|level| !level.has_rule_for(names())));
        }
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

    /// Logs, once, that a domain, or a descriptor with these keys in it whatever their values, has no limit: most likely
    /// a name is misspelt, here or in the proxy.
    fn report_once(&self, domain: &str, keys: &[String], is_news: impl FnOnce() -> bool) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let known = (domain.to_owned(), keys.to_vec());
        if reported.contains(&known) || reported.len() >= MOST_REPORTED {
            return;
        }
        reported.insert(known);
        drop(reported);
        if is_news() {
            let keys = keys.join(", ");
            tracing::warn!(target: "weir", domain, keys, "no limit is for this: it is admitted and not counted");
        }
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
