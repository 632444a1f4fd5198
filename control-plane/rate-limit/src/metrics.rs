//! What is counted about calls, for Prometheus.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::charge::{Charge, Kind, Reading};
use crate::config::{Limit, Rule};
use crate::matching::Metric;

/// Share of a limit from which hits count as near it, in percent; that of the stock service.
const NEAR: u64 = 80;

/// Names with values of requests that metrics tell apart. Further ones are counted under `other`.
const MOST_DETAILED: usize = 10_000;

/// Bounds of the histogram of call durations, in seconds.
const BOUNDS: [f64; 10] = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRule {
    domain: String,
    rule: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDomain {
    domain: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStore {
    store: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfResult {
    result: &'static str,
}

type PerRule = Family<OfRule, Counter>;

/// The metrics of a service.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    hits: PerRule,
    over: PerRule,
    near: PerRule,
    shadow: PerRule,
    soft: PerRule,
    settled: PerRule,
    overrun: PerRule,
    refunded: PerRule,
    dropped: PerRule,
    repeated: PerRule,
    store_errors: Family<OfStore, Counter>,
    loads: Family<OfResult, Counter>,
    invalid: Counter,
    unknown_domains: Counter,
    unmatched: Family<OfDomain, Counter>,
    duration: Histogram,
    detailed: Mutex<HashSet<String>>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("weir_ratelimit");
        let mut rule = |name: &str, help: &str| {
            let family = PerRule::default();
            registry.register(name, help, family.clone());
            family
        };
        let hits = rule("hits", "Hits asked for by requests, admitted or not");
        let over = rule("over_limit", "Hits beyond the limit, or asked for in a call that was refused");
        let near = rule("near_limit", "Hits in the last fifth of the limit");
        let shadow = rule("shadow", "Calls a rule in shadow or quota mode would have refused");
        let soft = rule("soft_limit", "Times that a counter passed its soft limit");
        let settled = rule("settled", "Hits charged after the fact");
        let overrun = rule("overrun", "Of the hits charged after the fact, those beyond the limit");
        let refunded = rule("refunded", "Hits given back");
        let dropped =
            rule("refunds_dropped", "Refunds of what was not reserved in the window, which had no effect");
        let repeated = rule("repeated", "Charges that had been made before and were not made again");
        let store_errors = Family::default();
        registry.register("store_errors", "Calls that failed because the store did", store_errors.clone());
        let loads = Family::default();
        registry.register("config_loads", "Attempts to read the configuration", loads.clone());
        let invalid = Counter::default();
        registry.register("invalid_calls", "Calls the protocol does not allow", invalid.clone());
        let unknown_domains = Counter::default();
        registry.register(
            "unknown_domains",
            "Calls for a domain no file configures",
            unknown_domains.clone(),
        );
        let unmatched = Family::default();
        registry.register("unmatched", "Descriptors that no rule of their domain is for", unmatched.clone());
        let duration = Histogram::new(BOUNDS);
        registry.register("call_duration_seconds", "Time to answer a call", duration.clone());
        Self {
            registry,
            hits,
            over,
            near,
            shadow,
            soft,
            settled,
            overrun,
            refunded,
            dropped,
            repeated,
            store_errors,
            loads,
            invalid,
            unknown_domains,
            unmatched,
            duration,
            detailed: Mutex::default(),
        }
    }

    /// Counts one charge. Whether it took the counter past its soft limit.
    pub(crate) fn charge(
        &self,
        domain: &str,
        metric: &Metric,
        (rule, limit, charge, reading): (&Rule, &Limit, &Charge, &Reading),
    ) -> bool {
        let label = OfRule { domain: domain.to_owned(), rule: self.name(domain, rule, metric) };
        let add = |family: &PerRule, number: u64| {
            if number > 0 {
                family.get_or_create(&label).inc_by(number);
            }
        };
        if reading.repeated {
            add(&self.repeated, 1);
            return false;
        }
        match charge.kind {
            Kind::Admit => {
                self.hits.get_or_create(&label).inc_by(charge.hits);
                let (over, near) = shares(charge, reading);
                add(&self.over, over);
                add(&self.near, near);
                add(&self.shadow, u64::from(reading.over && !charge.enforced));
            }
            Kind::Settle => {
                add(&self.settled, charge.hits);
                add(&self.overrun, reading.after.saturating_sub(limit.hits).min(charge.hits));
            }
            Kind::Refund if reading.dropped => add(&self.dropped, 1),
            Kind::Refund => add(&self.refunded, reading.before.saturating_sub(reading.after)),
        }
        let passed = limit.soft_hits().is_some_and(|soft| reading.before < soft && soft <= reading.after);
        add(&self.soft, u64::from(passed));
        passed
    }

    pub(crate) fn answered(&self, duration: Duration) {
        self.duration.observe(duration.as_secs_f64());
    }

    pub(crate) fn store_failed(&self, store: &'static str) {
        self.store_errors.get_or_create(&OfStore { store }).inc();
    }

    pub(crate) fn invalid(&self) {
        self.invalid.inc();
    }

    pub(crate) fn unknown_domain(&self) {
        self.unknown_domains.inc();
    }

    pub(crate) fn unmatched(&self, domain: &str) {
        self.unmatched.get_or_create(&OfDomain { domain: domain.to_owned() }).inc();
    }

    pub(crate) fn loaded(&self, worked: bool) {
        let result = if worked { "success" } else { "failure" };
        self.loads.get_or_create(&OfResult { result }).inc();
    }

    /// All of them, in Prometheus' text format (OpenMetrics).
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    fn name(&self, domain: &str, rule: &Rule, metric: &Metric) -> String {
        let Metric::Detailed(name) = metric else { return rule.id.clone() };
        let mut known = self.detailed.lock().unwrap_or_else(PoisonError::into_inner);
        let full = format!("{domain}\0{name}");
        if known.contains(&full) || known.len() < MOST_DETAILED {
            known.insert(full);
            return name.clone();
        }
        "other".to_owned()
    }
}

/// Of the hits asked for, those beyond the limit and those near it; as the stock service counts them.
fn shares(charge: &Charge, reading: &Reading) -> (u64, u64) {
    let (before, limit, hits) = (reading.before, charge.limit, charge.hits);
    let after = before.saturating_add(hits);
    let near = u64::try_from(u128::from(limit) * u128::from(NEAR) / 100).unwrap_or(limit);
    if reading.over && (before >= limit || reading.after == before) {
        // Nothing of them fitted, or all were refused together.
        (hits, 0)
    } else if after > limit {
        (after - limit, limit.saturating_sub(near.max(before)))
    } else {
        (0, after.saturating_sub(near.max(before)))
    }
}
