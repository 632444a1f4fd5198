//! The two stores hold the same, whatever is charged in whatever order.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rate_limit::Algorithm;
use rate_limit::charge::{Batch, Charge, Key, Kind};
use rate_limit::store::{MemoryStore, RedisStore, Store};
use rate_limit::window::{Unit, Windows};

use crate::redis_server::RedisServer;

#[derive(Debug, Clone)]
struct Step {
    later: i64,
    all_or_nothing: bool,
    charges: Vec<(u8, Kind, u64, u64, bool, Option<u8>)>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![4 => Just(Kind::Admit), 1 => Just(Kind::Settle), 1 => Just(Kind::Refund)];
    let charge = (0u8..6, kind, 0u64..40, 1u64..100, any::<bool>(), proptest::option::of(0u8..5));
    // Clocks step back, too.
    let later = prop_oneof![0i64..500, 0i64..70_000, Just(3_000_000), -90_000i64..0, Just(-7_200_000)];
    let step = (later, any::<bool>(), proptest::collection::vec(charge, 1..4))
        .prop_map(|(later, all_or_nothing, charges)| Step { later, all_or_nothing, charges });
    proptest::collection::vec(step, 1..20)
}

/// The batch of a step. Counters 0 to 5 have the three algorithms and two lengths of windows.
fn batch(step: &Step, now: i64, run: &str) -> Batch {
    let charges = step.charges.iter().map(|(counter, kind, hits, limit, enforced, request)| {
        let algorithm = match counter % 3 {
            0 => Algorithm::FixedWindow,
            1 => Algorithm::SlidingWindow,
            _ => Algorithm::TokenBucket,
        };
        let unit = if *counter < 3 { Unit::Second } else { Unit::Minute };
        let name = counter.to_string();
        let named = |kind: &str| {
            request.map(|request| Key::of([run, name.as_str(), kind, request.to_string().as_str()]))
        };
        Charge {
            key: Key::of([run, name.as_str()]),
            kind: *kind,
            hits: *hits,
            limit: *limit,
            enforced: *enforced,
            algorithm,
            window: Windows::Fixed { millis: unit.millis() }.at(now),
            once: named(&format!("{kind:?}")),
            counterpart: match kind {
                Kind::Admit => named("Refund"),
                Kind::Settle => None,
                Kind::Refund => named("Admit"),
            },
            label: format!("{run} {counter}").into(),
        }
    });
    Batch { now, all_or_nothing: step.all_or_nothing, domain: Key::of([run]), charges: charges.collect() }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn both_stores_say_the_same() {
    let runtime = runtime();
    // One Redis for all cases, gone with this function.
    let server = RedisServer::start();
    let redis = {
        let _within = runtime.enter();
        RedisStore::new(&server.address(), Duration::from_secs(10)).unwrap()
    };
    let mut runner = TestRunner::new(ProptestConfig { cases: 500, ..ProptestConfig::default() });
    // Each run has counters of its own, also those that make a failing case smaller.
    let runs = std::cell::Cell::new(0_u64);
    let outcome = runner.run(&steps(), |steps| {
        let memory = MemoryStore::new(10_000);
        runs.set(runs.get() + 1);
        let run = runs.get().to_string();
        let mut now = 1_795_262_430_123;
        for step in &steps {
            // Redis forgets by its own clock, which does not move with ours; what expires is in the limiter's tests.
            now += step.later;
            let batch = batch(step, now, &run);
            let (ours, theirs) = runtime.block_on(async {
                (memory.carry_out(&batch).await.unwrap(), redis.carry_out(&batch).await.unwrap())
            });
            prop_assert_eq!(ours, theirs, "{:?}", batch);
        }
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

proptest! {
    /// What a counter holds is the sum of what it was charged; refunds never take it below nothing.
    #[test]
    fn a_counter_holds_the_sum_of_its_charges(charges in proptest::collection::vec((any::<bool>(), 0u64..50), 1..50)) {
        let runtime = runtime();
        let memory = MemoryStore::new(100);
        let mut sum: u64 = 0;
        for (give, hits) in charges {
            let kind = if give { Kind::Refund } else { Kind::Settle };
            let step = Step { later: 0, all_or_nothing: true, charges: vec![(0, kind, hits, 1, true, None)] };
            let reading = runtime.block_on(memory.carry_out(&batch(&step, 1, "sum"))).unwrap()[0];
            sum = if give { sum.saturating_sub(hits) } else { sum + hits };
            prop_assert_eq!(reading.after, sum);
        }
    }
}

#[tokio::test]
async fn a_full_memory_store_refuses_new_counters_until_some_expire() {
    let store = MemoryStore::new(64);
    let step = Step { later: 0, all_or_nothing: true, charges: vec![(0, Kind::Admit, 1, 10, true, None)] };
    let mut full = 0;
    for run in 0..1_000 {
        full += i32::from(store.carry_out(&batch(&step, 0, &run.to_string())).await.is_err());
    }
    assert!(full > 900 && store.len() <= 64, "{full} refused, {} kept", store.len());
    // Those that are there go on, and a second later there is room.
    assert!(store.carry_out(&batch(&step, 0, "0")).await.is_ok());
    for run in 0..20 {
        let outcome = store.carry_out(&batch(&step, 60_000 + run * 2_000, &format!("later {run}"))).await;
        assert!(outcome.is_ok());
    }
}
