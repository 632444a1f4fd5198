//! Memory that all workers of this Envoy share.

use std::collections::BTreeMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use filter_core::Change;

static SHARED: LazyLock<RwLock<BTreeMap<String, Vec<u8>>>> = LazyLock::new(RwLock::default);

/// What any filter of any worker has shared under `key`.
pub fn get(key: &str) -> Option<Vec<u8>> {
    SHARED.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
}

/// Changes what is shared under `key`, with no other change in between.
pub fn update(key: &str, change: &mut Change<'_>) {
    let mut shared = SHARED.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(new) = change(shared.get(key).map(Vec::as_slice)) {
        shared.insert(key.to_owned(), new);
    }
}

/// Shares bytes with all filters of all workers.
pub fn set(key: &str, value: &[u8]) {
    SHARED.write().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), value.to_vec());
}
