//! Where counters are kept.

mod memory;
mod redis;
mod state;

use std::fmt::Debug;

use futures::future::BoxFuture;
use serde::Serialize;

pub use self::memory::MemoryStore;
pub use self::redis::RedisStore;
pub use self::state::StateFile;
use crate::charge::{Batch, Reading};
use crate::clock::Millis;
use crate::error::Error;

/// A store of counters.
pub trait Store: Debug + Send + Sync {
    /// Which one it is, as the label of its metrics.
    fn name(&self) -> &'static str;

    /// Carries out a batch as one step: no other batch sees part of it. One [`Reading`] for each charge, in order.
    ///
    /// # Errors
    /// [`Error::Store`] when it is not known whether the batch was carried out; [`Error::Full`] when it was not.
    fn carry_out<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Vec<Reading>, Error>>;

    /// At most `limit` counters that hold something at `now`, for people to look at.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn counters(&self, now: Millis, limit: usize) -> BoxFuture<'_, Result<Vec<Counter>, Error>>;
}

/// A counter as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counter {
    /// Domain and descriptor; values that came with requests are fingerprints.
    pub descriptor: String,
    /// How hits are counted.
    pub algorithm: &'static str,
    /// Hits a window may hold, as of the last charge.
    pub limit: u64,
    /// Hits that count now.
    pub spent: u64,
    /// Start of the window, in milliseconds since 1970.
    pub window_start: Millis,
    /// End of the window.
    pub window_end: Millis,
}
