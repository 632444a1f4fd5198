//! What the filters on both sides of the router share about one HTTP exchange.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

#[derive(Debug, Default)]
struct State {
    filter_state: BTreeMap<String, Vec<u8>>,
    properties: BTreeMap<String, Vec<u8>>,
}

/// The stream info of one exchange. Clones are the same exchange: give one to the downstream filter's stream and one to
/// each upstream attempt, in the same or in different VMs, and they see each other's filter state, as in Envoy.
#[derive(Debug, Clone, Default)]
pub struct Exchange(Rc<RefCell<State>>);

impl Exchange {
    /// An exchange without filter state and properties.
    pub fn new() -> Self {
        Self::default()
    }

    /// Scripts a property of this exchange, for example `["response", "code_details"]`. `value` is what Envoy would
    /// return: text as is, integers as 8 bytes little endian, messages serialized.
    pub fn set_property(&self, path: &[&str], value: &[u8]) {
        self.0.borrow_mut().properties.insert(path.join("\0"), value.to_vec());
    }

    /// Filter state a module wrote with `set_property([key])`.
    pub fn filter_state(&self, key: &str) -> Option<Vec<u8>> {
        self.0.borrow().filter_state.get(key).cloned()
    }

    /// Writes filter state as another wasm filter would.
    pub fn set_filter_state(&self, key: &str, value: &[u8]) {
        self.0.borrow_mut().filter_state.insert(key.to_owned(), value.to_vec());
    }

    pub(super) fn all_filter_state(&self) -> BTreeMap<String, Vec<u8>> {
        self.0.borrow().filter_state.clone()
    }

    /// Looks `path` (segments joined by zero bytes) up: scripted properties first, then filter state as `k` and as
    /// `filter_state`, `wasm.k`.
    pub(super) fn property(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.0.borrow();
        if let Some(value) = state.properties.get(path) {
            return Some(value.clone());
        }
        let key = path.strip_prefix("filter_state\0wasm.").unwrap_or(path);
        // Envoy looks only the first segment up as filter state: deeper paths of its own are never found again.
        if key.contains('\0') {
            return None;
        }
        state.filter_state.get(key).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_state_has_two_names() {
        let exchange = Exchange::new();
        exchange.clone().set_filter_state("k", b"v");
        assert_eq!(exchange.property("k"), Some(b"v".to_vec()));
        assert_eq!(exchange.property("filter_state\0wasm.k"), Some(b"v".to_vec()));
        assert_eq!(exchange.property("filter_state\0k"), None);
        exchange.set_filter_state("metadata\0x", b"lost");
        assert_eq!(exchange.property("metadata\0x"), None);
    }
}
