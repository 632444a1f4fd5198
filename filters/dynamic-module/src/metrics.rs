//! Weir's metrics, defined with Envoy once for every filter configuration.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use filter_core::{Labels, Metric};

/// The numbers of the metrics of one filter configuration.
#[derive(Debug, Clone, Copy, Default)]
pub struct Metrics([Option<usize>; Metric::ALL.len()]);

impl Metrics {
    /// Defines every metric; `define` has Envoy make one and gives its number.
    pub fn define(define: impl Fn(Metric) -> Option<usize>) -> Self {
        Self(Metric::ALL.map(define))
    }

    /// The number of a metric; `None` when Envoy refused to make it.
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

/// How many sets of labels a worker remembers. More are in use only where there are many models.
const REMEMBERED: usize = 64;

thread_local! {
    /// Labels this worker has used, so that most requests take no lock and copy nothing.
    static LATELY: RefCell<Vec<Labelled>> = const { RefCell::new(Vec::new()) };
}

/// Whether these labels may be used.
pub fn admit(metric: Metric, labels: &Labels<'_>) -> bool {
    let is_it = |(known, values): &Labelled| *known == metric && values.iter().eq(labels.values());
    if LATELY.with_borrow(|lately| lately.iter().any(is_it)) {
        return true;
    }
    let wanted: Labelled = (metric, labels.values().iter().map(|&label| label.to_owned()).collect());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let admitted = known.contains(&wanted) || (known.len() < MOST && known.insert(wanted.clone()));
    drop(known);
    if admitted {
        LATELY.with_borrow_mut(|lately| {
            if lately.len() == REMEMBERED {
                lately.clear();
            }
            lately.push(wanted);
        });
    }
    admitted
}
