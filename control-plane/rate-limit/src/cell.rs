//! One counter: what has been spent, by each way of counting.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::window::Window;

/// By how much the clocks of servers may differ, in milliseconds.
const CLOCKS_DIFFER: Millis = 3_600_000;

/// How hits are counted against a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// All hits of a window, from nothing at its beginning.
    FixedWindow,
    /// The hits of the window so far, and of the one before the share that a window ending now would still hold.
    SlidingWindow,
    /// A bucket that hits fill and that drains evenly, the whole limit in one window's length.
    TokenBucket,
}

impl Algorithm {
    /// The name in configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::FixedWindow => "fixed_window",
            Self::SlidingWindow => "sliding_window",
            Self::TokenBucket => "token_bucket",
        }
    }
}

/// The state of one counter. `charge.lua` keeps the same in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Cell {
    /// Of a fixed or a sliding window.
    Window {
        start: Millis,
        end: Millis,
        /// Hits in this window.
        count: u64,
        /// Hits in the one before, if that ended where this begins.
        earlier: u64,
    },
    /// Of a token bucket.
    Bucket {
        /// When `level` was right.
        at: Millis,
        /// Hits in the bucket.
        level: f64,
        /// When it was last empty: what was reserved before has drained, and cannot be given back.
        #[serde(default)]
        since: Millis,
        /// Time in which the whole limit drains.
        length: Millis,
    },
}

impl Cell {
    /// A counter nothing has been spent from.
    pub(crate) fn fresh(algorithm: Algorithm, window: Window, now: Millis) -> Self {
        match algorithm {
            Algorithm::FixedWindow | Algorithm::SlidingWindow => {
                Self::Window { start: window.start, end: window.end, count: 0, earlier: 0 }
            }
            Algorithm::TokenBucket => {
                Self::Bucket { at: now, level: 0.0, since: now, length: window.length() }
            }
        }
    }

    /// Moves on to `now`, which lies in `window`, for a limit of `limit` hits. Time does not move back: with a clock that
    /// is behind, what the counter knows stays. Only when it is ahead by more than clocks can differ, one was wrong: what
    /// is spent then counts from now on, rather than until the time comes that the clock showed.
    pub(crate) fn advance(&mut self, window: Window, limit: u64, now: Millis) {
        let most = now.saturating_add(CLOCKS_DIFFER);
        match self {
            Self::Window { start, end, earlier, .. } if *start > most => {
                *earlier = 0;
                *start = window.start;
                *end = window.end;
            }
            Self::Window { start, end, count, earlier } if window.start > *start => {
                *earlier = if window.start == *end { *count } else { 0 };
                *count = 0;
                *start = window.start;
                *end = window.end;
            }
            Self::Window { .. } => {}
            Self::Bucket { at, level, since, length } => {
                *length = window.length();
                if *at > most {
                    *at = now;
                } else if now > *at {
                    let drained = real(now.abs_diff(*at)) * real(limit) / real(length.unsigned_abs());
                    if drained >= *level {
                        *since = now;
                    }
                    *level = (*level - drained).max(0.0);
                    *at = now;
                }
            }
        }
    }

    /// Hits that count against the limit at `now`.
    pub(crate) fn spent(&self, algorithm: Algorithm, now: Millis) -> u64 {
        match *self {
            Self::Window { count, .. } if algorithm != Algorithm::SlidingWindow => count,
            Self::Window { start, end, count, earlier } => {
                let length = end.abs_diff(start).max(1);
                let left = end.saturating_sub(now).clamp(0, end.saturating_sub(start)).unsigned_abs();
                let share = (u128::from(earlier) * u128::from(left)).div_ceil(u128::from(length));
                count.saturating_add(u64::try_from(share).unwrap_or(u64::MAX))
            }
            Self::Bucket { level, .. } => whole(level),
        }
    }

    /// Adds hits.
    pub(crate) fn add(&mut self, hits: u64) {
        match self {
            Self::Window { count, .. } => *count = count.saturating_add(hits),
            Self::Bucket { level, .. } => *level += real(hits),
        }
    }

    /// Takes hits back, never below nothing. How many were there to take.
    pub(crate) fn take(&mut self, hits: u64) -> u64 {
        match self {
            Self::Window { count, .. } => {
                let taken = hits.min(*count);
                *count -= taken;
                taken
            }
            Self::Bucket { level, .. } => {
                let taken = hits.min(whole(*level));
                *level = (*level - real(hits)).max(0.0);
                taken
            }
        }
    }

    /// The window it counts; of a bucket the time until it is certainly empty.
    pub(crate) fn window(&self) -> Window {
        match *self {
            Self::Window { start, end, .. } => Window { start, end },
            Self::Bucket { at, length, .. } => Window { start: at, end: at.saturating_add(length) },
        }
    }

    /// Names the stretch of time in which what is reserved can be given back: a window, or, of a bucket, as long as it is not
    /// empty in between.
    pub(crate) fn stretch(&self) -> Millis {
        match *self {
            Self::Window { start, .. } => start,
            Self::Bucket { since, .. } => since,
        }
    }

    /// When nothing would be lost by forgetting it. A bucket that was filled beyond its limit takes several lengths to
    /// drain.
    pub(crate) fn forgotten_at(&self, algorithm: Algorithm, limit: u64) -> Millis {
        let window = self.window();
        match *self {
            Self::Window { .. } if algorithm == Algorithm::SlidingWindow => {
                window.end.saturating_add(window.length())
            }
            Self::Window { .. } => window.end,
            Self::Bucket { at, level, length, .. } => {
                let lengths = whole(level).div_ceil(limit.max(1)).max(1);
                at.saturating_add(length.saturating_mul(i64::try_from(lengths).unwrap_or(i64::MAX)))
            }
        }
    }
}

/// As a floating point number; exact up to 2^53.
#[allow(clippy::cast_precision_loss, reason = "hits beyond 2^53 are refused in configuration and calls")]
fn real(number: u64) -> f64 {
    number as f64
}

/// The level of a bucket in whole hits, a part counting as one. What rounding leaves of nothing is nothing.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "levels are never negative")]
fn whole(level: f64) -> u64 {
    (level - 1e-6).max(0.0).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Window = Window { start: 60_000, end: 120_000 };
    const NEXT: Window = Window { start: 120_000, end: 180_000 };

    #[test]
    fn a_fixed_window_starts_from_nothing() {
        let mut cell = Cell::fresh(Algorithm::FixedWindow, MINUTE, 60_000);
        cell.add(7);
        assert_eq!(cell.spent(Algorithm::FixedWindow, 119_999), 7);
        cell.advance(NEXT, 10, 120_000);
        assert_eq!(cell.spent(Algorithm::FixedWindow, 120_000), 0);
        // A server whose clock is behind neither brings the old window back nor loses the new one's hits.
        cell.add(3);
        cell.advance(MINUTE, 10, 119_000);
        assert_eq!((cell.spent(Algorithm::FixedWindow, 119_000), cell.window()), (3, NEXT));
    }

    #[test]
    fn a_sliding_window_lets_the_last_one_fade() {
        let mut cell = Cell::fresh(Algorithm::SlidingWindow, MINUTE, 60_000);
        cell.add(10);
        cell.advance(NEXT, 10, 120_000);
        let spent = |cell: &Cell, now| cell.spent(Algorithm::SlidingWindow, now);
        assert_eq!(spent(&cell, 120_000), 10);
        assert_eq!(spent(&cell, 150_000), 5);
        assert_eq!(spent(&cell, 150_001), 5, "a part counts as one");
        assert_eq!(spent(&cell, 180_000), 0);
        cell.advance(Window { start: 300_000, end: 360_000 }, 10, 300_000);
        assert_eq!(spent(&cell, 300_000), 0, "a window in between had no hits");
    }

    #[test]
    fn a_bucket_drains_evenly_and_owes_what_was_spent_beyond_it() {
        let mut cell = Cell::fresh(Algorithm::TokenBucket, MINUTE, 60_000);
        cell.add(60);
        cell.advance(MINUTE, 60, 61_000);
        assert_eq!(cell.spent(Algorithm::TokenBucket, 61_000), 59);
        cell.advance(MINUTE, 60, 61_500);
        assert_eq!(cell.spent(Algorithm::TokenBucket, 61_500), 59, "a part counts as one");
        cell.add(60);
        assert_eq!(cell.forgotten_at(Algorithm::TokenBucket, 60), 61_500 + 2 * 60_000);
        cell.advance(MINUTE, 60, 61_500 + 118_500);
        assert_eq!(cell.spent(Algorithm::TokenBucket, 180_000), 0);
    }

    #[test]
    fn a_clock_that_was_wrong_does_not_hold_a_counter_for_ever() {
        let later = 400 * 24 * 3_600_000;
        let wrong = Window { start: later, end: later + 60_000 };
        for algorithm in [Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::TokenBucket] {
            let mut cell = Cell::fresh(algorithm, wrong, later);
            cell.add(10);
            cell.advance(MINUTE, 10, 60_000);
            assert_eq!(cell.spent(algorithm, 60_000), 10, "nothing is given out again");
            cell.advance(NEXT, 10, 179_999);
            cell.advance(Window { start: 180_000, end: 240_000 }, 10, 239_999);
            assert_eq!(cell.spent(algorithm, 239_999), 0);
        }
    }

    #[test]
    fn no_more_is_taken_than_is_there() {
        for algorithm in [Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::TokenBucket] {
            let mut cell = Cell::fresh(algorithm, MINUTE, 60_000);
            cell.add(3);
            assert_eq!(cell.take(2), 2);
            assert_eq!(cell.take(2), 1);
            assert_eq!(cell.spent(algorithm, 60_000), 0);
        }
    }
}
