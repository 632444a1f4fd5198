//! What one call does to its counters, in whatever store they are: all of it at once, or nothing.
//!
//! This is the whole of the accounting, as a function of the counters before. The memory store calls it under its locks;
//! `store/charge.lua` is the same function for Redis, and the tests hold the two against each other.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cell::{Algorithm, Cell};
use crate::clock::Millis;
use crate::window::Window;

/// How long it is remembered which requests were charged: longer than a stream lasts.
pub const REMEMBERED: Millis = 3_600_000;

/// Name of a counter or of a remembered request: a digest, so that no value of a descriptor, which may be somebody's key,
/// is held in memory, in Redis or in the state file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub(crate) [u8; 16]);

impl Key {
    /// The key of a list of texts.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            // With their lengths, so that no two lists look alike.
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        let mut key = [0; 16];
        key.iter_mut().zip(digest.finalize()).for_each(|(to, from)| *to = from);
        Self(key)
    }

    /// The key of a list of texts that belongs to a counter: a store in parts keeps it in the part of the counter.
    pub(crate) fn beside<'a>(counter: Self, parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut key = Self::of(parts);
        key.0[0] = counter.0[0];
        key
    }

    /// In hexadecimal.
    pub fn hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What [`hex`](Self::hex) wrote.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        Some(Self(u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32)?.to_be_bytes()))
    }
}

/// What a charge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A request asks whether it may go on, and pays.
    Admit,
    /// What was spent beyond the reservation: recorded in full, above the limit too.
    Settle,
    /// What was reserved and not spent.
    Refund,
}

/// One charge to one counter.
#[derive(Debug, Clone, PartialEq)]
pub struct Charge {
    /// The counter.
    pub key: Key,
    /// What for.
    pub kind: Kind,
    /// How many hits. 0 with [`Kind::Admit`] asks whether anything is left.
    pub hits: u64,
    /// Hits a window may hold.
    pub limit: u64,
    /// Whether going over the limit is to be prevented, rather than only noted.
    pub enforced: bool,
    /// How hits are counted.
    pub algorithm: Algorithm,
    /// The window that holds the time of the call.
    pub window: Window,
    /// The request it is for, together with the counter and the kind: a second charge of the same name has no effect.
    pub once: Option<Key>,
    /// Name of the charge it belongs with: of a [`Kind::Refund`] its reservation, by which it is bounded; of a
    /// [`Kind::Admit`] its refund, which may have come first.
    pub counterpart: Option<Key>,
    /// What the counter is called on pages.
    pub label: Arc<str>,
}

/// The charges of one call.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The time of the call.
    pub now: Millis,
    /// Whether no charge of [`Kind::Admit`] is made when one that is enforced goes over its limit.
    pub all_or_nothing: bool,
    /// The domain's key: what belongs together in a store that is spread over machines.
    pub domain: Key,
    /// The charges.
    pub charges: Vec<Charge>,
}

/// What a charge came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Spent before.
    pub before: u64,
    /// Spent after.
    pub after: u64,
    /// The counter's window.
    pub window: Window,
    /// Whether the charge goes beyond the limit.
    pub over: bool,
    /// Whether it changed nothing because it was made before.
    pub repeated: bool,
    /// Whether it is a refund of something that was not reserved in this window, or has drained out of the bucket.
    pub dropped: bool,
}

/// A charge that was made, remembered under its `once`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Start of the window it was made in; of a bucket, when that had last been empty.
    pub(crate) start: Millis,
    /// Hits it added; of a refund, those it could not give back because they were not reserved, or not yet.
    pub(crate) hits: u64,
    /// Whether it was over the limit.
    pub(crate) over: bool,
}

/// What a batch needs of a store, at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    /// The counter of each charge, by its place in `cells`.
    pub(crate) places: Vec<usize>,
    /// The distinct counters.
    pub(crate) cells: Vec<Cell>,
    /// What is remembered under each charge's `once`.
    pub(crate) records: Vec<Option<Record>>,
    /// What is remembered under each charge's `counterpart`.
    pub(crate) counterparts: Vec<Option<Record>>,
}

/// Carries out a batch. `ledger` then holds the counters and records to keep.
pub(crate) fn carry_out(batch: &Batch, ledger: &mut Ledger) -> Vec<Reading> {
    for (charge, place) in batch.charges.iter().zip(&ledger.places) {
        if let Some(cell) = ledger.cells.get_mut(*place) {
            cell.advance(charge.window, charge.limit, batch.now);
        }
    }
    let refused = batch.all_or_nothing && {
        let mut trial = ledger.clone();
        let readings = (0..batch.charges.len()).filter_map(|index| one(batch, index, &mut trial, false));
        let over = |(charge, reading): (&Charge, Reading)| charge.enforced && reading.over;
        batch.charges.iter().zip(readings.collect::<Vec<_>>()).any(over)
    };
    (0..batch.charges.len()).filter_map(|index| one(batch, index, ledger, refused)).collect()
}

/// Carries out the charge at `index`; if the call is `refused`, without admitting anything.
fn one(batch: &Batch, index: usize, ledger: &mut Ledger, refused: bool) -> Option<Reading> {
    let charge = batch.charges.get(index)?;
    let cell = ledger.cells.get_mut(*ledger.places.get(index)?)?;
    let before = cell.spent(charge.algorithm, batch.now);
    let window = cell.window();
    let mut reading = Reading { before, after: before, window, over: false, repeated: false, dropped: false };
    let start = cell.stretch();

    // The same charge several times in one call is one charge too. Only the one that was made has a record.
    let same = |one: &Charge| one.once.is_some() && one.once == charge.once;
    let mut until_here = batch.charges.iter().zip(&ledger.records).take(index + 1);
    if let Some(known) = until_here.find_map(|(one, record)| record.filter(|_| same(one))) {
        return Some(Reading { over: known.over, repeated: true, ..reading });
    }

    let counterpart = ledger.counterparts.get(index).copied().flatten();
    let mut hits = charge.hits;
    let mut kept = true;
    match charge.kind {
        Kind::Admit => {
            // Calls overtake each other when a request is given up while the service is asked: its reservation takes
            // what the refund did not ask for.
            hits = hits.saturating_sub(counterpart.map_or(0, |refund| refund.hits));
            reading.over = match hits {
                0 => before >= charge.limit,
                _ => before.saturating_add(hits) > charge.limit,
            };
            // The stock service charges a fixed window what it refuses, too. Where nothing wipes the counter clean, that
            // would shut out a client that keeps asking.
            let charged =
                !refused && (!reading.over || !charge.enforced || charge.algorithm == Algorithm::FixedWindow);
            kept = !refused;
            hits = if charged { hits } else { 0 };
            cell.add(hits);
        }
        Kind::Settle => cell.add(hits),
        Kind::Refund => {
            if charge.counterpart.is_some() {
                let reserved = counterpart.filter(|reserved| reserved.start == start);
                reading.dropped = reserved.is_none();
                hits = hits.min(reserved.map_or(0, |reserved| reserved.hits));
            }
            cell.take(hits);
            hits = charge.hits - hits;
        }
    }
    reading.after = cell.spent(charge.algorithm, batch.now);
    // Asking for nothing does not use up the name.
    if kept
        && charge.hits > 0
        && charge.once.is_some()
        && let Some(record) = ledger.records.get_mut(index)
    {
        *record = Some(Record { start, hits, over: reading.over });
    }
    Some(reading)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { start: 0, end: 60_000 };

    fn charge(kind: Kind, hits: u64, limit: u64) -> Charge {
        Charge {
            key: Key([0; 16]),
            kind,
            hits,
            limit,
            enforced: true,
            algorithm: Algorithm::FixedWindow,
            window: WINDOW,
            once: None,
            counterpart: None,
            label: "test".into(),
        }
    }

    fn run(
        all_or_nothing: bool,
        charges: Vec<Charge>,
        counts: &[u64],
        places: &[usize],
    ) -> (Vec<Reading>, Vec<u64>) {
        let cells = counts
            .iter()
            .map(|count| Cell::Window { start: 0, end: 60_000, count: *count, earlier: 0 })
            .collect();
        let none = vec![None; charges.len()];
        let mut ledger = Ledger { places: places.to_vec(), cells, records: none.clone(), counterparts: none };
        let batch = Batch { now: 1, all_or_nothing, domain: Key([0; 16]), charges };
        let readings = carry_out(&batch, &mut ledger);
        let counts = ledger.cells.iter().map(|cell| cell.spent(Algorithm::FixedWindow, 1)).collect();
        (readings, counts)
    }

    #[test]
    fn the_stock_way_charges_what_it_refuses() {
        let charges = vec![charge(Kind::Admit, 5, 10), charge(Kind::Admit, 5, 3)];
        let (readings, counts) = run(false, charges, &[0, 0], &[0, 1]);
        assert_eq!(readings.iter().map(|reading| reading.over).collect::<Vec<_>>(), [false, true]);
        assert_eq!(counts, [5, 5]);
    }

    #[test]
    fn all_or_nothing_charges_nothing_when_one_is_over() {
        let charges = vec![charge(Kind::Admit, 5, 10), charge(Kind::Admit, 5, 3)];
        let (readings, counts) = run(true, charges, &[1, 0], &[0, 1]);
        assert_eq!(readings.iter().map(|reading| reading.over).collect::<Vec<_>>(), [false, true]);
        assert_eq!(counts, [1, 0]);
        // Two charges to one counter count together.
        let charges = vec![charge(Kind::Admit, 5, 8), charge(Kind::Admit, 5, 8)];
        assert_eq!(run(true, charges, &[0], &[0, 0]).1, [0]);
        // A limit that is only noted does not refuse.
        let mut shadow = charge(Kind::Admit, 5, 3);
        shadow.enforced = false;
        assert_eq!(run(true, vec![charge(Kind::Admit, 5, 10), shadow], &[0, 0], &[0, 1]).1, [5, 5]);
    }

    #[test]
    fn asking_for_nothing_spends_nothing() {
        for (spent, over) in [(9, false), (10, true), (11, true)] {
            let (readings, counts) = run(true, vec![charge(Kind::Admit, 0, 10)], &[spent], &[0]);
            assert_eq!((readings[0].over, counts[0]), (over, spent));
        }
    }

    #[test]
    fn settling_is_never_refused_and_refunds_stop_at_nothing() {
        let (readings, counts) = run(true, vec![charge(Kind::Settle, 20, 10)], &[9], &[0]);
        assert_eq!((readings[0].over, readings[0].after, counts[0]), (false, 29, 29));
        assert_eq!(run(true, vec![charge(Kind::Refund, 20, 10)], &[9], &[0]).1, [0]);
    }

    #[test]
    fn a_request_is_charged_once_also_within_one_call() {
        let mut named = charge(Kind::Admit, 5, 10);
        named.once = Some(Key([1; 16]));
        let (readings, counts) = run(true, vec![named.clone(), named.clone(), named], &[0], &[0, 0, 0]);
        assert_eq!(readings.iter().map(|one| one.repeated).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(counts, [5]);
    }

    #[test]
    fn asking_first_does_not_make_the_charge_a_repetition() {
        let named = |hits| Charge { once: Some(Key([1; 16])), ..charge(Kind::Admit, hits, 10) };
        let (readings, counts) = run(true, vec![named(0), named(5)], &[0], &[0, 0]);
        assert_eq!((readings[1].repeated, counts[0]), (false, 5));
    }

    #[test]
    fn refunds_are_bounded_by_what_was_reserved_in_this_window() {
        let refund = |record: Option<Record>| {
            let mut charge = charge(Kind::Refund, 50, 100);
            charge.counterpart = Some(Key([2; 16]));
            let mut ledger = Ledger {
                places: vec![0],
                cells: vec![Cell::Window { start: 0, end: 60_000, count: 90, earlier: 0 }],
                records: vec![None],
                counterparts: vec![record],
            };
            let batch = Batch { now: 1, all_or_nothing: true, domain: Key([0; 16]), charges: vec![charge] };
            let reading = carry_out(&batch, &mut ledger)[0];
            (reading.dropped, reading.after)
        };
        assert_eq!(refund(Some(Record { start: 0, hits: 70, over: false })), (false, 40));
        assert_eq!(refund(Some(Record { start: 0, hits: 30, over: false })), (false, 60));
        assert_eq!(refund(Some(Record { start: -60_000, hits: 70, over: false })), (true, 90));
        assert_eq!(refund(None), (true, 90));
    }

    #[test]
    fn keys_tell_lists_apart() {
        assert_ne!(Key::of(["ab", "c"]), Key::of(["a", "bc"]));
        assert_eq!(Key::from_hex(&Key::of(["a"]).hex()), Some(Key::of(["a"])));
        assert_eq!(Key::from_hex("1"), None);
    }
}
