//! Counters in Redis, for several servers.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, Script};

use super::{Counter, Store};
use crate::cell::{Algorithm, Cell};
use crate::charge::{Batch, Key, Kind, REMEMBERED, Reading};
use crate::clock::Millis;
use crate::error::Error;
use crate::window::Window;

/// Longest wait between two attempts to reach a Redis that is gone.
const RECONNECT_AT_MOST: Duration = Duration::from_secs(1);

/// Numbers that the script answers for each charge.
const PER_CHARGE: usize = 7;

/// Counters in Redis 5 or newer: a script carries out each batch as one step.
///
/// All keys of a domain share a hash tag, so they are in one slot where Redis is a cluster behind a proxy. Keys are
/// digests. Counters expire by themselves a minute after their window.
///
/// When Redis does not answer in time, the call fails: whether Envoy lets the request pass is its `failure_mode_deny`. The
/// charge may have been made all the same; a call that is repeated with its `weir.request` is not charged twice.
pub struct RedisStore {
    connection: ConnectionManager,
    script: Arc<Script>,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the address, which may hold a password.
        f.debug_struct("RedisStore").finish_non_exhaustive()
    }
}

impl RedisStore {
    /// A store in the Redis at `address` (`redis://…`, or `rediss://…` for TLS). Each batch may take `timeout`; the
    /// connection is made with the first one, and made again when it breaks. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::RedisAddress`].
    pub fn new(address: &str, timeout: Duration) -> Result<Self, Error> {
        let wrong = |error: RedisError| Error::RedisAddress(error.to_string());
        let client = Client::open(address).map_err(wrong)?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(timeout))
            .set_connection_timeout(Some(timeout.max(Duration::from_secs(1))))
            .set_max_delay(RECONNECT_AT_MOST)
            // A call waits for one attempt; the next call makes the next.
            .set_number_of_retries(1);
        let connection = ConnectionManager::new_lazy_with_config(client, config).map_err(wrong)?;
        Ok(Self { connection, script: Arc::new(Script::new(include_str!("charge.lua"))) })
    }

    async fn run(&self, batch: &Batch) -> Result<Vec<Reading>, Error> {
        let mut invocation = self.script.prepare_invoke();
        let tag = batch.domain.hex();
        let mut keys: Vec<Key> = Vec::new();
        let mut labels: Vec<&str> = Vec::new();
        for charge in &batch.charges {
            if !keys.contains(&charge.key) {
                keys.push(charge.key);
                labels.push(&charge.label);
                invocation.key(format!("weir:{{{tag}}}:counter:{}", charge.key.hex()));
            }
        }
        for key in batch.charges.iter().flat_map(|charge| [charge.once, charge.counterpart]).flatten() {
            if !keys.contains(&key) {
                keys.push(key);
                invocation.key(format!("weir:{{{tag}}}:request:{}", key.hex()));
            }
        }
        let place = |wanted: Option<Key>| {
            wanted.and_then(|wanted| keys.iter().position(|key| *key == wanted)).map_or(0, |at| at + 1)
        };
        invocation
            .arg(batch.now)
            .arg(u8::from(batch.all_or_nothing))
            .arg(REMEMBERED)
            .arg(batch.charges.len());
        for charge in &batch.charges {
            let kind = match charge.kind {
                Kind::Admit => "a",
                Kind::Settle => "s",
                Kind::Refund => "r",
            };
            invocation.arg(kind).arg(charge.hits).arg(charge.limit).arg(u8::from(charge.enforced));
            invocation.arg(letter(charge.algorithm)).arg(charge.window.start).arg(charge.window.end);
            invocation.arg(place(Some(charge.key))).arg(place(charge.once)).arg(place(charge.counterpart));
        }
        labels.iter().for_each(|label| {
            invocation.arg(*label);
        });
        let mut connection = self.connection.clone();
        let answer: Vec<i64> = invocation.invoke_async(&mut connection).await.map_err(failed)?;
        let readings: Vec<Reading> = answer.chunks_exact(PER_CHARGE).filter_map(reading).collect();
        if readings.len() == batch.charges.len() {
            Ok(readings)
        } else {
            Err(Error::Store(format!("{} answers for {} charges", readings.len(), batch.charges.len())))
        }
    }

    async fn look(&self, now: Millis, limit: usize) -> Result<Vec<Counter>, Error> {
        let mut connection = self.connection.clone();
        let mut counters = Vec::new();
        let mut cursor: u64 = 0;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg("weir:*:counter:*").arg("COUNT").arg(1_000);
            let (next, keys): (u64, Vec<String>) = scan.query_async(&mut connection).await.map_err(failed)?;
            if !keys.is_empty() {
                let mut pipeline = redis::pipe();
                for key in &keys {
                    pipeline.cmd("HMGET").arg(key).arg(&["l", "a", "m", "s", "e", "n", "p", "t", "v"]);
                }
                let rows: Vec<Vec<Option<String>>> =
                    pipeline.query_async(&mut connection).await.map_err(failed)?;
                counters.extend(rows.iter().filter_map(|row| counter(row, now)));
            }
            cursor = next;
            if cursor == 0 || counters.len() >= limit {
                break;
            }
        }
        // A scan may tell the same key twice.
        counters.sort_by(|one, other| one.descriptor.cmp(&other.descriptor));
        counters.dedup();
        counters.truncate(limit);
        Ok(counters)
    }
}

impl Store for RedisStore {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn carry_out<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Vec<Reading>, Error>> {
        Box::pin(self.run(batch))
    }

    fn counters(&self, now: Millis, limit: usize) -> BoxFuture<'_, Result<Vec<Counter>, Error>> {
        Box::pin(self.look(now, limit))
    }
}

fn letter(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::FixedWindow => "f",
        Algorithm::SlidingWindow => "s",
        Algorithm::TokenBucket => "b",
    }
}

fn reading(numbers: &[i64]) -> Option<Reading> {
    let [before, after, start, end, over, repeated, dropped] = *numbers else { return None };
    Some(Reading {
        before: u64::try_from(before).ok()?,
        after: u64::try_from(after).ok()?,
        window: Window { start, end },
        over: over == 1,
        repeated: repeated == 1,
        dropped: dropped == 1,
    })
}

/// One row of the script's hashes, in the order [`RedisStore::look`] asks for. `None` for what has expired meanwhile.
fn counter(row: &[Option<String>], now: Millis) -> Option<Counter> {
    let [label, algorithm, limit, start, end, count, earlier, at, level] = row else { return None };
    let number = |text: &Option<String>| text.as_ref()?.parse::<u64>().ok();
    let time = |text: &Option<String>| text.as_ref()?.parse::<Millis>().ok();
    let all = [Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::TokenBucket];
    let algorithm = all.into_iter().find(|one| Some(letter(*one)) == algorithm.as_deref())?;
    let limit = number(limit)?;
    let mut cell = if algorithm == Algorithm::TokenBucket {
        let (at, level) = (time(at)?, level.as_ref()?.parse().ok()?);
        Cell::Bucket { at, level, since: at, length: time(end)?.saturating_sub(at) }
    } else {
        Cell::Window {
            start: time(start)?,
            end: time(end)?,
            count: number(count)?,
            earlier: number(earlier)?,
        }
    };
    let mut window = cell.window();
    if let Cell::Bucket { .. } = cell {
        cell.advance(window, limit, now);
        window = cell.window();
    } else if cell.forgotten_at(algorithm, limit) <= now {
        return None;
    }
    Some(Counter {
        descriptor: label.clone()?,
        algorithm: algorithm.name(),
        limit,
        spent: cell.spent(algorithm, now),
        window_start: window.start,
        window_end: window.end,
    })
}

/// The error without what was sent: labels do not belong in messages.
fn failed(error: RedisError) -> Error {
    let reason = match (error.is_timeout(), error.is_connection_refusal() || error.is_connection_dropped()) {
        (true, _) => "Redis did not answer in time".to_owned(),
        (_, true) => "Redis cannot be reached".to_owned(),
        _ => {
            format!("Redis: {:?}{}", error.kind(), error.detail().map_or(String::new(), |d| format!(", {d}")))
        }
    };
    Error::Store(reason)
}
