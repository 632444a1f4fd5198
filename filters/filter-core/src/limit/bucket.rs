//! A token bucket, exact and in whole numbers.

/// How a bucket fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// So much flows in …
    pub(super) amount: u64,
    /// … in so many milliseconds.
    pub(super) per_ms: u64,
    /// What it holds when full.
    pub(super) capacity: u64,
}

/// By how many milliseconds the clocks of an Envoy's workers may differ.
const CLOCKS_DIFFER_MS: u64 = 10_000;

/// What is in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Level {
    /// Times `per_ms`, so that what flows in within a millisecond is a whole number. Below zero when more was used than
    /// was there.
    scaled: i128,
    /// When this was so, in milliseconds since 1970.
    at_ms: u64,
    /// When it was last full.
    full_ms: u64,
}

/// What a bucket answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// What was asked for was there, and is taken.
    pub(super) taken: bool,
    /// What is left; 0 also when it is less than nothing.
    pub(super) remaining: u64,
    /// How long until what was asked for is there, in milliseconds; 0 when it was, and `None` when the bucket can never
    /// hold that much.
    pub(super) wait_ms: Option<u64>,
    /// How long until it is full, in milliseconds.
    pub(super) full_ms: u64,
    /// When this is so, in milliseconds since 1970: the latest time that any worker has shown.
    pub(super) at_ms: u64,
}

impl Standing {
    /// How long until what was asked for is there, in milliseconds.
    pub(super) fn wait(self) -> u64 {
        self.wait_ms.unwrap_or(u64::MAX)
    }
}

impl Shape {
    fn scale(self, amount: u64) -> i128 {
        i128::from(amount).saturating_mul(i128::from(self.per_ms))
    }

    /// What is in the bucket now. One nobody has used yet is full.
    fn level(self, stored: Option<&[u8]>, now_ms: u64) -> Level {
        let full = self.scale(self.capacity);
        let Some(stored) = stored.and_then(Level::read) else {
            return Level { scaled: full, at_ms: now_ms, full_ms: now_ms };
        };
        // Clocks of workers differ by moments: time never runs backwards here. But a clock that was wrong and is put right
        // must not keep the bucket from filling until the time comes that it showed.
        let was_wrong = stored.at_ms > now_ms.saturating_add(CLOCKS_DIFFER_MS);
        let at_ms = if was_wrong { now_ms } else { stored.at_ms };
        let elapsed = now_ms.saturating_sub(at_ms);
        let inflow = i128::from(elapsed).saturating_mul(i128::from(self.amount));
        let scaled = stored.scaled.saturating_add(inflow);
        let at_ms = at_ms.max(now_ms);
        let full_ms = if scaled >= full { at_ms } else { stored.full_ms.min(at_ms) };
        Level { scaled: scaled.min(full), at_ms, full_ms }
    }

    /// Takes as much as `choose` says of what is there, or nothing when it says how much would be needed. Gives the bucket
    /// as it is then.
    pub(super) fn take(
        self,
        stored: Option<&[u8]>,
        now_ms: u64,
        choose: &mut dyn FnMut(u64) -> Result<u64, u64>,
    ) -> (Vec<u8>, Standing) {
        let mut level = self.level(stored, now_ms);
        let there = self.whole(level);
        let missing = match choose(there) {
            Ok(wanted) if wanted <= there => {
                level.scaled -= self.scale(wanted);
                None
            }
            Ok(needed) | Err(needed) => Some(needed),
        };
        (level.write(), self.standing(level, missing))
    }

    /// What is in a bucket, in whole units.
    fn whole(self, level: Level) -> u64 {
        let whole = level.scaled.max(0) / i128::from(self.per_ms.max(1));
        u64::try_from(whole).unwrap_or(u64::MAX)
    }

    /// Takes `more` of what was taken at `taken_ms` (or, below zero, gives back), whether it is there or not. What has flowed
    /// in since is not given back: when the bucket was full in between, all of it was there again.
    pub(super) fn settle(self, stored: Option<&[u8]>, now_ms: u64, taken_ms: u64, more: i128) -> Vec<u8> {
        let mut level = self.level(stored, now_ms);
        let more = if level.full_ms > taken_ms { more.max(0) } else { more };
        let change = more.saturating_mul(i128::from(self.per_ms));
        level.scaled = level.scaled.saturating_sub(change).min(self.scale(self.capacity));
        level.write()
    }

    fn standing(self, level: Level, needed: Option<u64>) -> Standing {
        let time = |amount: i128| {
            let amount = u128::try_from(amount).unwrap_or(0);
            u64::try_from(amount.div_ceil(u128::from(self.amount.max(1)))).unwrap_or(u64::MAX)
        };
        Standing {
            taken: needed.is_none(),
            remaining: self.whole(level),
            wait_ms: match needed {
                None => Some(0),
                Some(needed) => {
                    (needed <= self.capacity).then(|| time(self.scale(needed).saturating_sub(level.scaled)))
                }
            },
            full_ms: time(self.scale(self.capacity).saturating_sub(level.scaled)),
            at_ms: level.at_ms,
        }
    }
}

impl Level {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (scaled, times) = bytes.split_at_checked(16)?;
        let (at_ms, full_ms) = times.split_at_checked(8)?;
        Some(Self {
            scaled: i128::from_le_bytes(scaled.try_into().ok()?),
            at_ms: u64::from_le_bytes(at_ms.try_into().ok()?),
            full_ms: u64::from_le_bytes(full_ms.try_into().ok()?),
        })
    }

    fn write(self) -> Vec<u8> {
        let mut bytes = self.scaled.to_le_bytes().to_vec();
        bytes.extend(self.at_ms.to_le_bytes());
        bytes.extend(self.full_ms.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEN_A_SECOND: Shape = Shape { amount: 10, per_ms: 1000, capacity: 15 };

    /// A bucket and its clock.
    struct Run(Shape, Option<Vec<u8>>);

    impl Run {
        /// Takes `wanted`, if it is there; with 0, looks whether anything is.
        fn take(&mut self, now_ms: u64, wanted: u64) -> Standing {
            let choose = &mut |there| if wanted.max(1) <= there { Ok(wanted) } else { Err(wanted.max(1)) };
            let (stored, standing) = self.0.take(self.1.as_deref(), now_ms, choose);
            self.1 = Some(stored);
            standing
        }

        fn settle(&mut self, now_ms: u64, more: i128) {
            self.settle_of(now_ms, now_ms, more);
        }

        fn settle_of(&mut self, now_ms: u64, taken_ms: u64, more: i128) {
            self.1 = Some(self.0.settle(self.1.as_deref(), now_ms, taken_ms, more));
        }
    }

    #[test]
    fn what_is_there_is_given_and_the_rest_flows_in() {
        let mut run = Run(TEN_A_SECOND, None);
        let taken = Standing { taken: true, remaining: 0, wait_ms: Some(0), full_ms: 1500, at_ms: 0 };
        assert_eq!(run.take(0, 15), taken);
        assert_eq!(run.take(0, 1), Standing { taken: false, wait_ms: Some(100), ..taken });
        assert!(!run.take(99, 1).taken);
        assert!(run.take(100, 1).taken);
        assert_eq!(run.take(10_000, 1).remaining, 14);
    }

    #[test]
    fn looking_takes_nothing_but_finds_an_empty_bucket() {
        let mut run = Run(TEN_A_SECOND, None);
        assert_eq!(run.take(0, 0).remaining, 15);
        run.settle(0, 15);
        assert!(!run.take(0, 0).taken);
    }

    #[test]
    fn more_than_it_holds_is_never_there() {
        let standing = Run(TEN_A_SECOND, None).take(0, 16);
        assert!(!standing.taken && standing.wait_ms.is_none());
    }

    #[test]
    fn what_was_used_above_is_owed_and_what_was_not_used_comes_back() {
        let mut run = Run(TEN_A_SECOND, None);
        run.settle(0, 35);
        assert_eq!(run.take(0, 1).wait_ms, Some(2100));
        run.settle(0, -21);
        assert!(run.take(0, 1).taken);
        run.settle(0, -1000);
        assert_eq!(run.take(0, 0).remaining, 15);
    }

    /// What has flowed in meanwhile was there for others: giving it back would give it out twice.
    #[test]
    fn what_has_flowed_in_again_does_not_come_back() {
        let mut run = Run(TEN_A_SECOND, None);
        let taken = run.take(0, 15).at_ms;
        // Not all of it is there again: it comes back.
        assert!(run.take(1000, 10).taken);
        run.settle_of(1000, taken, -15);
        assert_eq!(run.take(1000, 0).remaining, 15);
        // All of it is.
        let taken = run.take(1000, 15).at_ms;
        assert!(run.take(2500, 15).taken);
        run.settle_of(2500, taken, -10);
        assert!(!run.take(2500, 1).taken);
        // What was used beyond it is charged all the same.
        run.settle_of(2500, taken, 5);
        assert_eq!(run.take(2500, 1).wait_ms, Some(600));
        // A worker whose clock is behind takes it at the time of the others.
        let mut run = Run(TEN_A_SECOND, None);
        run.take(1000, 0);
        let taken = run.take(998, 15).at_ms;
        run.settle_of(999, taken, -10);
        assert_eq!(run.take(999, 0).remaining, 10);
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing() {
        let mut run = Run(TEN_A_SECOND, None);
        run.take(1000, 15);
        assert!(!run.take(0, 1).taken);
        assert!(!run.take(1099, 1).taken);
        assert!(run.take(1100, 1).taken);
    }

    #[test]
    fn a_clock_that_was_wrong_gives_nothing_and_keeps_nothing_back() {
        let mut run = Run(TEN_A_SECOND, None);
        let day = 24 * 3_600_000;
        assert!(run.take(day, 15).taken);
        assert!(!run.take(0, 1).taken);
        assert!(run.take(100, 1).taken);
        assert!(!run.take(100, 1).taken);
    }

    #[test]
    fn slow_buckets_lose_nothing_to_rounding() {
        let mut run = Run(Shape { amount: 1, per_ms: 3_600_000, capacity: 1 }, None);
        assert!(run.take(0, 1).taken);
        for now in (1..3_600_000).step_by(7_919) {
            assert!(!run.take(now, 1).taken);
        }
        assert!(run.take(3_600_000, 1).taken);
    }

    proptest! {
        /// Over any time no more is given than the bucket held and what flowed in.
        #[test]
        fn never_more_than_there_is(
            amount in 1_u64..50, per_ms in 1_u64..5000, burst in 0_u64..50,
            steps in proptest::collection::vec((0_u64..700, 1_u64..40), 1..60),
        ) {
            let shape = Shape { amount, per_ms, capacity: amount + burst };
            let mut run = Run(shape, None);
            let (mut now, mut given) = (0, 0);
            for (later, wanted) in steps {
                now += later;
                if run.take(now, wanted).taken {
                    given += wanted;
                }
                let most = shape.capacity as f64 + (now * amount) as f64 / per_ms as f64;
                prop_assert!(given as f64 <= most + 1e-6);
            }
        }

        /// As soon as the bucket says, it is there; a millisecond before it is not.
        #[test]
        fn the_wait_is_exact(amount in 1_u64..50, per_ms in 1_u64..5000, wanted in 1_u64..50) {
            let shape = Shape { amount, per_ms, capacity: amount.max(wanted) };
            let mut run = Run(shape, None);
            run.settle(0, i128::from(shape.capacity));
            let wait = run.take(0, wanted).wait_ms.unwrap();
            prop_assert!(!Run(shape, run.1.clone()).take(wait - 1, wanted).taken);
            prop_assert!(run.take(wait, wanted).taken);
        }
    }
}
