//! Counters in this process.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, ready};

use super::{Counter, Store};
use crate::cell::{Algorithm, Cell};
use crate::charge::{Batch, Key, Ledger, REMEMBERED, Reading, Record, carry_out};
use crate::clock::Millis;
use crate::error::Error;

/// Parts of the map, each with a lock of its own.
const SHARDS: usize = 64;

/// Remembered requests for each counter there may be.
const REQUESTS_PER_COUNTER: usize = 2;

/// Counters in a map whose parts are locked one by one, for as long as an addition takes.
///
/// It holds a bounded number of counters. When all of them are in use and none has expired, a call that needs another
/// fails ([`Error::Full`], which Envoy sees as an error of the service): were a counter dropped for it instead, anyone who
/// can choose values of descriptors could wipe out other people's.
#[derive(Debug)]
pub struct MemoryStore {
    shards: Vec<Mutex<Shard>>,
    limit: usize,
    /// Remembered requests in all parts. Those of one counter are all in one part, and it may be the only one in use: so it
    /// is their sum that is bounded.
    remembered: AtomicUsize,
    /// Grows with every change.
    version: AtomicU64,
}

#[derive(Debug, Default)]
struct Shard {
    counters: HashMap<Key, Entry>,
    requests: HashMap<Key, Record>,
    /// The remembered requests in the order of their time, with when to forget them.
    order: VecDeque<(Millis, Key)>,
    /// When expired counters were last looked for.
    swept: Millis,
}

/// A counter with what pages and expiry need to know.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) cell: Cell,
    pub(super) algorithm: Algorithm,
    pub(super) limit: u64,
    pub(super) label: Arc<str>,
}

/// Everything in a store, for the state file.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) counters: Vec<(Key, Entry)>,
    pub(super) requests: Vec<(Millis, Key, Record)>,
}

impl MemoryStore {
    /// An empty store for about `limit` counters (at least one for each of its 64 parts).
    pub fn new(limit: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, limit, remembered: AtomicUsize::new(0), version: AtomicU64::new(0) }
    }

    /// A number that changes with every change of a counter.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// How many counters are held, expired ones included.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).counters.len()).sum()
    }

    /// Whether no counter is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops what has expired at `now`. To be called now and then; it locks one part at a time.
    pub fn sweep(&self, now: Millis) {
        self.shards.iter().for_each(|shard| self.sweep_part(&mut lock(shard), now));
    }

    fn sweep_part(&self, shard: &mut Shard, now: Millis) {
        self.remembered.fetch_sub(shard.sweep(now), Ordering::AcqRel);
    }

    /// Remembers a request; where there are too many, the oldest of its part goes.
    fn remember(&self, shard: &mut Shard, key: Key, record: Record, now: Millis) {
        let most = self.limit.saturating_mul(REQUESTS_PER_COUNTER).max(1);
        if self.remembered.fetch_add(1, Ordering::AcqRel) >= most && shard.forget_oldest() {
            self.remembered.fetch_sub(1, Ordering::AcqRel);
        }
        shard.requests.insert(key, record);
        shard.order.push_back((now.saturating_add(REMEMBERED), key));
    }

    /// A copy of everything that is not over at `now`.
    pub(super) fn contents(&self, now: Millis) -> Contents {
        let mut contents = Contents::default();
        for shard in &self.shards {
            let shard = lock(shard);
            let live = shard.counters.iter().filter(|(_, entry)| entry.expires() > now);
            contents.counters.extend(live.map(|(key, entry)| (*key, entry.clone())));
            contents.requests.extend(shard.order.iter().filter_map(|(expires, key)| {
                shard.requests.get(key).filter(|_| *expires > now).map(|record| (*expires, *key, *record))
            }));
        }
        contents
    }

    /// Adds what [`contents`](Self::contents) told in another life.
    pub(super) fn restore(&self, contents: Contents) {
        for (key, entry) in contents.counters {
            if let Some(shard) = self.shards.get(place(key)) {
                lock(shard).counters.insert(key, entry);
            }
        }
        for (expires, key, record) in contents.requests {
            if let Some(shard) = self.shards.get(place(key)) {
                let mut shard = lock(shard);
                shard.requests.insert(key, record);
                shard.order.push_back((expires, key));
                self.remembered.fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    fn run(&self, batch: &Batch) -> Result<Vec<Reading>, Error> {
        // All parts the batch touches, locked in one order, so that two batches cannot wait for each other.
        let mut wanted: Vec<usize> = batch
            .charges
            .iter()
            .flat_map(|c| [Some(c.key), c.once, c.counterpart])
            .flatten()
            .map(place)
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut shards =
            Locked(wanted.iter().filter_map(|at| Some((*at, lock(self.shards.get(*at)?)))).collect());

        let mut keys: Vec<Key> = Vec::with_capacity(batch.charges.len());
        let mut ledger =
            Ledger { places: Vec::new(), cells: Vec::new(), records: Vec::new(), counterparts: Vec::new() };
        for charge in &batch.charges {
            let place = keys.iter().position(|key| *key == charge.key).unwrap_or(keys.len());
            if place == keys.len() {
                let known = shards.of(charge.key).and_then(|shard| shard.counters.get(&charge.key));
                let cell = known.map(|entry| entry.cell).filter(|cell| fits(cell, charge.algorithm));
                if known.is_none() {
                    self.make_room(&mut shards, charge.key, batch.now)?;
                }
                keys.push(charge.key);
                let fresh = || Cell::fresh(charge.algorithm, charge.window, batch.now);
                ledger.cells.push(cell.unwrap_or_else(fresh));
            }
            ledger.places.push(place);
            let mut record = |key: Option<Key>| shards.of(key?)?.requests.get(&key?).copied();
            ledger.records.push(record(charge.once));
            ledger.counterparts.push(record(charge.counterpart));
        }
        let known = ledger.records.clone();
        let readings = carry_out(batch, &mut ledger);

        for (charge, place) in batch.charges.iter().zip(&ledger.places) {
            let (Some(cell), Some(shard)) = (ledger.cells.get(*place), shards.of(charge.key)) else {
                continue;
            };
            let (algorithm, limit, label) = (charge.algorithm, charge.limit, charge.label.clone());
            shard.counters.insert(charge.key, Entry { cell: *cell, algorithm, limit, label });
        }
        for ((charge, record), known) in batch.charges.iter().zip(&ledger.records).zip(known) {
            if let (None, Some(record), Some(once)) = (known, record, charge.once)
                && let Some(shard) = shards.of(once)
            {
                self.remember(shard, once, *record, batch.now);
            }
        }
        self.version.fetch_add(1, Ordering::AcqRel);
        Ok(readings)
    }

    /// Sees to it that one more counter fits.
    fn make_room(&self, shards: &mut Locked<'_>, key: Key, now: Millis) -> Result<(), Error> {
        let most = self.limit.div_ceil(SHARDS);
        let Some(shard) = shards.of(key) else { return Ok(()) };
        // Looking through a part that is full takes a while, so not at every call.
        if shard.counters.len() >= most && now.saturating_sub(shard.swept) >= 1_000 {
            self.sweep_part(shard, now);
        }
        if shard.counters.len() < most { Ok(()) } else { Err(Error::Full { limit: self.limit }) }
    }
}

impl Store for MemoryStore {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn carry_out<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Vec<Reading>, Error>> {
        Box::pin(ready(self.run(batch)))
    }

    fn counters(&self, now: Millis, limit: usize) -> BoxFuture<'_, Result<Vec<Counter>, Error>> {
        let mut counters = Vec::new();
        for shard in &self.shards {
            let shard = lock(shard);
            let live = shard.counters.values().filter(|entry| entry.expires() > now);
            counters.extend(live.take(limit - counters.len()).map(|entry| entry.counter(now)));
        }
        counters.sort_by(|one: &Counter, other| one.descriptor.cmp(&other.descriptor));
        Box::pin(ready(Ok(counters)))
    }
}

impl Shard {
    /// Drops what has expired. How many remembered requests that were.
    fn sweep(&mut self, now: Millis) -> usize {
        self.swept = now;
        self.counters.retain(|_, entry| entry.expires() > now);
        let mut forgotten = 0;
        while self.order.front().is_some_and(|(expires, _)| *expires <= now) {
            self.forget_oldest();
            forgotten += 1;
        }
        forgotten
    }

    /// Whether there was one.
    fn forget_oldest(&mut self) -> bool {
        let oldest = self.order.pop_front();
        if let Some((_, key)) = oldest {
            self.requests.remove(&key);
        }
        oldest.is_some()
    }
}

impl Entry {
    fn expires(&self) -> Millis {
        self.cell.forgotten_at(self.algorithm, self.limit)
    }

    fn counter(&self, now: Millis) -> Counter {
        let mut cell = self.cell;
        let mut window = cell.window();
        if let Cell::Bucket { .. } = cell {
            cell.advance(window, self.limit, now);
            window = cell.window();
        }
        Counter {
            descriptor: self.label.to_string(),
            algorithm: self.algorithm.name(),
            limit: self.limit,
            spent: cell.spent(self.algorithm, now),
            window_start: window.start,
            window_end: window.end,
        }
    }
}

/// The locked parts of one batch.
struct Locked<'a>(Vec<(usize, MutexGuard<'a, Shard>)>);

impl Locked<'_> {
    fn of(&mut self, key: Key) -> Option<&mut Shard> {
        let wanted = place(key);
        self.0.iter_mut().find(|(at, _)| *at == wanted).map(|(_, shard)| &mut **shard)
    }
}

fn fits(cell: &Cell, algorithm: Algorithm) -> bool {
    matches!(cell, Cell::Bucket { .. }) == (algorithm == Algorithm::TokenBucket)
}

fn place(key: Key) -> usize {
    usize::from(key.0[0]) % SHARDS
}

/// A panic while a part was locked left it as it was: everything is computed before the first insertion.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::charge::{Charge, Kind};
    use crate::window::Window;

    fn carry_out(store: &MemoryStore, kind: Kind, request: u32) -> Reading {
        let counter = Key::of(["busy"]);
        let request = request.to_string();
        let named = |kind: &str| Some(Key::beside(counter, [kind, request.as_str()]));
        let (once, counterpart) = match kind {
            Kind::Refund => (named("refund"), named("admit")),
            Kind::Admit | Kind::Settle => (named("admit"), named("refund")),
        };
        let charge = Charge {
            key: counter,
            kind,
            hits: 10,
            limit: 1_000_000,
            enforced: true,
            algorithm: Algorithm::FixedWindow,
            window: Window { start: 0, end: 60_000 },
            once,
            counterpart,
            label: "busy".into(),
        };
        let batch = Batch { now: 0, all_or_nothing: true, domain: counter, charges: vec![charge] };
        store.carry_out(&batch).now_or_never().unwrap().unwrap()[0]
    }

    /// One budget may have all requests there are: what its streams have reserved must be known when they end.
    #[test]
    fn requests_of_one_counter_are_remembered_as_long_as_those_of_many() {
        let store = MemoryStore::new(1_000);
        for request in 0..1_000 {
            carry_out(&store, Kind::Admit, request);
        }
        for request in 0..1_000 {
            let refund = carry_out(&store, Kind::Refund, request);
            assert!(!refund.dropped, "{request}");
        }
        assert_eq!(carry_out(&store, Kind::Settle, 5_000).before, 0);
    }

    #[test]
    fn no_more_requests_are_remembered_than_there_may_be() {
        let store = MemoryStore::new(50);
        for request in 0..1_000 {
            carry_out(&store, Kind::Admit, request);
        }
        let held = |store: &MemoryStore| store.contents(0).requests.len();
        assert_eq!((held(&store), store.remembered.load(Ordering::Acquire)), (100, 100));
        assert!(carry_out(&store, Kind::Refund, 10).dropped && !carry_out(&store, Kind::Refund, 999).dropped);
        store.sweep(REMEMBERED);
        assert_eq!((held(&store), store.remembered.load(Ordering::Acquire)), (0, 0));
    }
}
