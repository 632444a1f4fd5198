//! Providers that fail again and again.
//!
//! Each failed attempt at a cluster is counted in data shared by all workers, a healthy answer takes the count back to
//! nothing, and as many failures in a row as [`filter_config::Health`] says make the provider one to be asked after the
//! others ([`crate::cooldown`]) for its duration, times one more each time that happens before a healthy answer.
//! Workers that count at the same moment may lose a failure; nothing depends on the exact number.
//!
//! An attempt without any answer (no connection, a reset, a time-out) ends without a word to its filter. So every
//! attempt leaves in the request's state whom it asks ([`asking`]), and takes it away when a failure is answered
//! ([`Health::heed`]); who finds it there afterwards, the next attempt or the `llm` filter, counts ([`unanswered`]).

use expressions::{Context, Expression};
use filter_config::Error;
use serde_json::{Map, Value, json};

use crate::request_view::named_headers;
use crate::{HeaderMap, Host, cooldown};

/// State key of who is being asked.
const ASKED: &str = "weir.asked";

/// Longest time a provider is avoided for failures, unless one duration is longer. Envoy's default of
/// `max_ejection_time`.
const LONGEST_MS: u64 = 300_000;

/// When a provider is unhealthy, compiled.
#[derive(Debug)]
pub(crate) struct Health {
    limit: Limit,
    unhealthy: Option<Condition>,
    /// What stands in the state while the provider is asked.
    asked: Vec<u8>,
}

#[derive(Debug)]
struct Condition {
    expression: Expression,
    /// Headers the expression may look at.
    headers: Vec<String>,
}

/// What makes a cluster one to be avoided, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Limit {
    cluster: String,
    consecutive_failures: u32,
    duration_ms: u64,
}

/// What was counted at a cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    /// Failures in a row.
    failures: u32,
    /// Times the cluster was avoided for them since the last healthy answer.
    avoided: u32,
}

impl Health {
    /// Compiles what is configured for a cluster.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a condition that is no CEL.
    pub(crate) fn new(config: &filter_config::Health, cluster: &str) -> Result<Self, Error> {
        let unhealthy = config.unhealthy.as_deref().map(Condition::compile).transpose()?;
        let limit = Limit {
            cluster: cluster.to_owned(),
            consecutive_failures: config.consecutive_failures,
            duration_ms: config.duration_ms,
        };
        Ok(Self { asked: limit.to_bytes(), limit, unhealthy })
    }

    /// The cluster is being asked. Whoever was asked before it, and did not answer, has failed.
    pub(crate) fn asking(&self, host: &mut dyn Host) {
        unanswered(host);
        host.publish(ASKED, &self.asked);
    }

    /// The cluster has answered.
    pub(crate) fn heed(&self, host: &mut dyn Host, status: u16) {
        let cluster = &self.limit.cluster;
        if status >= 400 {
            // Another attempt may follow.
            host.publish(ASKED, b"");
        }
        if matches!(status, 429 | 503 | 529)
            && let Some(wait) = cooldown::wait_ms(host, status)
        {
            cooldown::note(host, cluster, wait);
        }
        let unhealthy = match &self.unhealthy {
            Some(condition) => condition.holds(host, status),
            None => status >= 500,
        };
        if unhealthy {
            self.limit.count_failure(host);
        } else if status < 400 {
            // An error that is the client's fault says nothing about the provider.
            self.limit.count_success(host);
        }
    }
}

/// Counts a failure for whoever was asked last, if there was no answer.
pub(crate) fn unanswered(host: &mut dyn Host) {
    let asked = host.state(ASKED).unwrap_or_default();
    if let Some(limit) = Limit::from_bytes(&asked) {
        limit.count_failure(host);
        host.publish(ASKED, b"");
    }
}

impl Limit {
    fn key(&self) -> String {
        format!("weir.health.{}", self.cluster)
    }

    fn count_failure(&self, host: &mut dyn Host) {
        // What fails while it is avoided was asked for want of others, or before that was known.
        if cooldown::is_cooling(host, &self.cluster) {
            return;
        }
        let key = self.key();
        let mut count = Count::read(host, &key);
        count.failures = count.failures.saturating_add(1);
        if count.failures >= self.consecutive_failures {
            count = Count { failures: 0, avoided: count.avoided.saturating_add(1) };
            let longest = LONGEST_MS.max(self.duration_ms);
            let wait = self.duration_ms.saturating_mul(count.avoided.into()).min(longest);
            cooldown::leave_alone(host, &self.cluster, wait);
        }
        host.share(&key, &count.to_bytes());
    }

    fn count_success(&self, host: &mut dyn Host) {
        let key = self.key();
        if Count::read(host, &key) != Count::default() {
            host.share(&key, &Count::default().to_bytes());
        }
    }

    /// `<failures> <milliseconds> <cluster>`
    fn to_bytes(&self) -> Vec<u8> {
        format!("{} {} {}", self.consecutive_failures, self.duration_ms, self.cluster).into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(bytes).ok()?.splitn(3, ' ');
        let mut next = || parts.next();
        Some(Self {
            consecutive_failures: next()?.parse().ok()?,
            duration_ms: next()?.parse().ok()?,
            cluster: next()?.to_owned(),
        })
    }
}

impl Count {
    fn read(host: &dyn Host, key: &str) -> Self {
        let bytes = host.shared(key).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
        let [a, b, c, d, e, f, g, h] = bytes.unwrap_or_default();
        Self { failures: u32::from_le_bytes([a, b, c, d]), avoided: u32::from_le_bytes([e, f, g, h]) }
    }

    fn to_bytes(self) -> [u8; 8] {
        let [a, b, c, d] = self.failures.to_le_bytes();
        let [e, f, g, h] = self.avoided.to_le_bytes();
        [a, b, c, d, e, f, g, h]
    }
}

impl Condition {
    fn compile(text: &str) -> Result<Self, Error> {
        let expression = Expression::compile(text).map_err(|error| Error::Invalid {
            filter: "provider",
            field: "health.unhealthy".to_owned(),
            message: error.to_string(),
        })?;
        Ok(Self { expression, headers: named_headers(text) })
    }

    /// A condition that fails does not hold.
    fn holds(&self, host: &dyn Host, status: u16) -> bool {
        let headers: Map<String, Value> = self
            .headers
            .iter()
            .filter_map(|name| Some((name.clone(), host.header(HeaderMap::Response, name)?.into())))
            .collect();
        let mut context = Context::new();
        context.bind("response", json!({"code": status, "headers": headers}));
        self.expression.is_true(&context).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_host::FakeHost;

    fn health(config: &str) -> Health {
        Health::new(&serde_json::from_str(config).unwrap(), "a b").unwrap()
    }

    fn host() -> FakeHost {
        FakeHost { now_ms: 1_000, ..FakeHost::default() }
    }

    #[test]
    fn failures_in_a_row_are_avoided_longer_each_time() {
        let (health, mut host) = (health(r#"{"consecutive_failures":2,"duration_ms":100}"#), host());
        let mut answer = |status: u16, after_ms: u64| {
            host.now_ms += after_ms;
            health.heed(&mut host, status);
            cooldown::is_cooling(&host, "a b")
        };
        assert!(!answer(500, 0) && !answer(200, 0) && !answer(500, 0), "a healthy answer was between them");
        assert!(!answer(400, 0) && answer(502, 0));
        assert!(answer(500, 99), "not counted");
        assert!(!answer(500, 1) && answer(500, 0) && answer(500, 199) && !answer(200, 1), "twice as long");
        assert!(
            !answer(500, 0) && answer(500, 0) && !answer(200, 100),
            "and once as long after a healthy answer"
        );
    }

    #[test]
    fn no_answer_is_a_failure() {
        let (health, mut host) = (health(r#"{"consecutive_failures":1}"#), host());
        health.asking(&mut host);
        assert!(!cooldown::is_cooling(&host, "a b"));
        unanswered(&mut host);
        assert!(cooldown::is_cooling(&host, "a b"));
        host.now_ms += 3_000;
        health.asking(&mut host);
        health.heed(&mut host, 404);
        unanswered(&mut host);
        assert!(!cooldown::is_cooling(&host, "a b"), "it answered");
    }

    #[test]
    fn conditions_look_at_code_and_headers() {
        let health = health(
            r#"{"consecutive_failures":1,"duration_ms":100,
                "unhealthy":"response.code == 403 || response.headers['x-overloaded'] == 'yes'"}"#,
        );
        let avoided = |status: u16, header: &str| {
            let mut host = host();
            host.set_header(HeaderMap::Response, "x-overloaded", header);
            health.heed(&mut host, status);
            cooldown::is_cooling(&host, "a b")
        };
        assert!(avoided(403, "no") && avoided(200, "yes") && !avoided(500, "no"));
        let wrong =
            filter_config::Health { unhealthy: Some("1 +".into()), ..filter_config::Health::default() };
        assert!(Health::new(&wrong, "a").unwrap_err().to_string().contains("health.unhealthy"));
    }

    #[test]
    fn a_provider_that_says_when_is_left_alone_until_then() {
        let (health, mut host) = (health("{}"), host());
        host.set_header(HeaderMap::Response, "retry-after", "2");
        health.heed(&mut host, 429);
        host.now_ms += 1_999;
        assert!(cooldown::is_cooling(&host, "a b"));
        host.now_ms += 1;
        assert!(!cooldown::is_cooling(&host, "a b"));
    }
}
