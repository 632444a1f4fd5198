//! Weir's histograms, defined with Envoy once for every filter configuration, and the memory all workers share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex, PoisonError, RwLock};

use filter_core::{Labels, Metric};

/// The numbers of the histograms of one filter configuration.
#[derive(Debug, Clone, Copy, Default)]
pub struct Histograms([Option<usize>; Metric::ALL.len()]);

impl Histograms {
    /// Defines every histogram; `define` has Envoy make one and gives its number.
    pub fn define(define: impl Fn(&str, &[&str]) -> Option<usize>) -> Self {
        Self(Metric::ALL.map(|metric| define(metric.name(), metric.labels())))
    }

    /// The number of a histogram; `None` when Envoy refused to make it.
    pub fn find(&self, metric: Metric) -> Option<usize> {
        let place = Metric::ALL.iter().position(|known| *known == metric)?;
        self.0.get(place).copied().flatten()
    }
}

/// Most sets of labels. Envoy never forgets one; models that nobody serves must not fill its memory. What is beyond is
/// counted under `other`.
const MOST: usize = 2000;

/// A metric with values of its labels.
type Labelled = (Metric, Vec<String>);

static KNOWN: LazyLock<Mutex<BTreeSet<Labelled>>> = LazyLock::new(Mutex::default);

/// Whether these labels may be used.
pub fn admit(metric: Metric, labels: &Labels<'_>) -> bool {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = (metric, labels.values().iter().map(|&label| label.to_owned()).collect());
    known.contains(&wanted) || (known.len() < MOST && known.insert(wanted))
}

static SHARED: LazyLock<RwLock<BTreeMap<String, Vec<u8>>>> = LazyLock::new(RwLock::default);

/// What any filter of any worker has shared under `key`.
pub fn shared(key: &str) -> Option<Vec<u8>> {
    SHARED.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
}

/// Shares bytes with all filters of all workers.
pub fn share(key: &str, value: &[u8]) {
    SHARED.write().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), value.to_vec());
}
