//! Calls, and a limiter to make them to.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use envoy_proto::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use envoy_proto::envoy::extensions::common::ratelimit::v3::rate_limit_descriptor::Entry;
use envoy_proto::envoy::service::ratelimit::v3::rate_limit_response::Code;
use envoy_proto::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use rate_limit::Limiter;
use rate_limit::clock::ManualClock;
use rate_limit::config::Config;
use rate_limit::store::{MemoryStore, RedisStore, Store};

use crate::redis_server::RedisServer;

/// 2026-11-21T12:00:30Z.
pub(crate) const NOON: i64 = 1_795_262_430_000;

/// A limiter with a clock that the test sets.
pub(crate) struct Setup {
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) redis: Option<RedisServer>,
}

impl Setup {
    pub(crate) fn new(config: &str, store: Arc<dyn Store>, redis: Option<RedisServer>) -> Self {
        let clock = Arc::new(ManualClock::new(NOON));
        let config = Config::parse(&[(PathBuf::from("limits.yaml"), config.to_owned())]).unwrap();
        Self { limiter: Arc::new(Limiter::new(config, store, clock.clone())), clock, redis }
    }

    pub(crate) fn memory(config: &str) -> Self {
        Self::new(config, Arc::new(MemoryStore::new(10_000)), None)
    }

    /// Must be called within a runtime.
    pub(crate) fn redis(config: &str) -> Self {
        let server = RedisServer::start();
        let store = RedisStore::new(&server.address(), Duration::from_secs(10)).unwrap();
        Self::new(config, Arc::new(store), Some(server))
    }

    /// With each store in turn.
    pub(crate) fn both(config: &str) -> [Self; 2] {
        [Self::memory(config), Self::redis(config)]
    }

    pub(crate) async fn ask(&self, descriptors: Vec<RateLimitDescriptor>) -> RateLimitResponse {
        let request = RateLimitRequest { domain: "d".to_owned(), descriptors, hits_addend: 0 };
        self.limiter.answer(request).await.unwrap()
    }

    /// One descriptor: whether it is admitted, and what remains.
    pub(crate) async fn one(&self, descriptor: RateLimitDescriptor) -> (bool, u32) {
        let answer = self.ask(vec![descriptor]).await;
        assert_eq!(answer.overall_code(), answer.statuses[0].code());
        (answer.overall_code() == Code::Ok, answer.statuses[0].limit_remaining)
    }

    /// What counters that hold something add up to.
    pub(crate) async fn spent(&self) -> u64 {
        self.limiter.counters(10_000).await.unwrap().iter().map(|counter| counter.spent).sum()
    }

    /// A counter of the metrics page.
    pub(crate) fn metric(&self, line: &str) -> u64 {
        let page = self.limiter.metrics().unwrap();
        let found = page.lines().find_map(|one| one.strip_prefix("weir_ratelimit_")?.strip_prefix(line));
        found.map_or(0, |value| value.trim().parse().unwrap())
    }
}

/// A descriptor with entries like `user=a`.
pub(crate) fn descriptor(entries: &[&str]) -> RateLimitDescriptor {
    let entries = entries.iter().map(|entry| entry.split_once('=').unwrap());
    let entries = entries.map(|(key, value)| Entry { key: key.to_owned(), value: value.to_owned() });
    RateLimitDescriptor { entries: entries.collect(), ..Default::default() }
}

pub(crate) fn hits(entries: &[&str], hits: u64) -> RateLimitDescriptor {
    RateLimitDescriptor { hits_addend: Some(hits), ..descriptor(entries) }
}

/// What is given back.
pub(crate) fn refund(entries: &[&str], number: u64) -> RateLimitDescriptor {
    RateLimitDescriptor { is_negative_hits: true, ..hits(entries, number) }
}
