//! Weir's histograms, defined with Envoy once for every filter configuration, and the memory all workers share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex, PoisonError, RwLock};

use filter_core::{Labels, Metric};

use crate::abi::{self, ConfigPtr, ModuleBuffer};

/// The numbers of the histograms of one filter configuration.
#[derive(Debug, Clone, Copy, Default)]
pub struct Histograms([Option<usize>; Metric::ALL.len()]);

impl Histograms {
    /// Defines every histogram.
    ///
    /// # Safety
    /// `config` is what Envoy passed to the `config_new` hook that is running.
    pub unsafe fn define(config: ConfigPtr) -> Self {
        Self(Metric::ALL.map(|metric| {
            let labels: Vec<ModuleBuffer> =
                metric.labels().iter().map(|label| ModuleBuffer::of(label.as_bytes())).collect();
            let mut id = 0;
            // SAFETY: the caller's promise; name and labels outlive the call, in which Envoy copies them, and `id` is
            // writable.
            let status = unsafe {
                abi::envoy_dynamic_module_callback_http_filter_config_define_histogram(
                    config,
                    ModuleBuffer::of(metric.name().as_bytes()),
                    labels.as_ptr(),
                    labels.len(),
                    &raw mut id,
                )
            };
            (status == 0).then_some(id)
        }))
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
