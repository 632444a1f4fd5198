//! Placeholders that can be taken back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Longest name in a placeholder; a longer one becomes `masked`.
const LONGEST_NAME: usize = 64;
/// Longest placeholder that is recognised, in bytes: `<`, a name, `_`, ten digits, `>`.
const LONGEST_PLACEHOLDER: usize = LONGEST_NAME + 13;

/// What was masked in one conversation, and by which placeholders: `<EMAIL_ADDRESS_1>`, `<EMAIL_ADDRESS_2>`, …, numbered
/// by first appearance per name, so that a conversation that is sent again with more turns gets the same ones.
///
/// It lives as long as its request, and `Debug` does not show values.
#[derive(Default, Clone)]
pub struct Vault {
    /// Name and value → placeholder.
    placeholders: BTreeMap<(String, String), String>,
    /// Placeholder → value.
    values: BTreeMap<String, String>,
    /// Name → last number given.
    last: BTreeMap<String, u32>,
    /// The number before the first of every name.
    before: u32,
    /// What stands in the conversation and would be taken for a placeholder.
    reserved: BTreeSet<String>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("placeholders", &self.values.len()).finish_non_exhaustive()
    }
}

impl Vault {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one for a request that goes on with what somebody else has kept of a conversation, under this name; at
    /// `time`, where it keeps several requests under one name. Its numbers are others than those of the requests that are
    /// kept: what their placeholders stand for nobody knows any more, so they must stand for nothing here.
    #[must_use]
    pub fn going_on(name: &[u8], time: u64) -> Self {
        // FNV-1a, <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>: nothing here is secret.
        let bytes = name.iter().copied().chain(time.to_le_bytes());
        let hash =
            bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        // Room for a thousand of each name, and never the numbers of a conversation that begins.
        Self { before: (hash % 4_000_000 + 1) * 1000, ..Self::default() }
    }

    /// Whether it holds no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many values it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Notes what looks like a placeholder in a text, so that no value gets it. To be called with every text of a
    /// request before any of them is masked: what users wrote must not turn into what others wrote.
    pub fn reserve(&mut self, text: &str) {
        for (start, _) in text.match_indices('<') {
            let rest = text.get(start..).unwrap_or_default();
            let head = rest.as_bytes().get(..LONGEST_PLACEHOLDER.min(rest.len())).unwrap_or_default();
            let Some(end) = head.iter().position(|byte| *byte == b'>') else { continue };
            let Some(candidate) = rest.get(..=end) else { continue };
            if is_placeholder(candidate) && !self.values.contains_key(candidate) {
                self.reserved.insert(candidate.to_owned());
            }
        }
    }

    /// The placeholder of a value that is masked by `replacement`: `<NAME>` gives `<NAME_1>`, and what has not this
    /// form `<masked_1>`.
    pub fn placeholder(&mut self, replacement: &str, value: &str) -> String {
        let name = replacement
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix('>'))
            .filter(|name| is_name(name))
            .unwrap_or("masked");
        let key = (name.to_owned(), value.to_owned());
        if let Some(placeholder) = self.placeholders.get(&key) {
            return placeholder.clone();
        }
        let last = self.last.entry(name.to_owned()).or_insert(self.before);
        let placeholder = loop {
            *last = last.saturating_add(1);
            let placeholder = format!("<{name}_{last}>");
            if !self.reserved.contains(&placeholder) && !self.values.contains_key(&placeholder) {
                break placeholder;
            }
        };
        self.values.insert(placeholder.clone(), value.to_owned());
        self.placeholders.insert(key, placeholder.clone());
        placeholder
    }

    /// The value behind a placeholder.
    #[must_use]
    pub fn value(&self, placeholder: &str) -> Option<&str> {
        self.values.get(placeholder).map(String::as_str)
    }

    /// Whether a text may become a placeholder of this vault if more follows.
    pub(crate) fn begins_placeholder(&self, text: &str) -> bool {
        self.values
            .range(text.to_owned()..)
            .next()
            .is_some_and(|(placeholder, _)| placeholder.starts_with(text))
    }
}

fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `<NAME_NUMBER>`.
fn is_placeholder(text: &str) -> bool {
    let inner = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or_default();
    inner.rsplit_once('_').is_some_and(|(name, number)| {
        is_name(name) && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}
