//! What requests begin with whose values are to be put back.

use prompt_guard::Vault;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::plan::GuardPlan;
use super::texts::{self, Texts};

/// The vault of a request with these texts, at `now_ms` milliseconds since 1970. No placeholder in it is one that the
/// provider may have from anybody else.
pub(super) fn vault(plan: &GuardPlan, body: &[u8], texts: &Texts, now_ms: u64) -> Vault {
    let mut vault = match goes_on_with(body) {
        Some(Kept { name, grows }) => Vault::going_on(name, if grows { now_ms } else { 0 }),
        None => Vault::new(),
    };
    texts.reserve(&mut vault);
    // What is declared and not said can be repeated, too.
    texts::reserve_json(&String::from_utf8_lossy(body), &mut vault);
    if plan.several_restore {
        texts.number(&plan.request, &mut vault);
    }
    vault
}

/// What a request goes on with that its provider has kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept<'a> {
    /// Its name, as JSON.
    name: &'a [u8],
    /// The request becomes a part of it, under the same name.
    grows: bool,
}

/// What a request goes on with; `None` where the whole conversation is in it.
fn goes_on_with(request: &[u8]) -> Option<Kept<'_>> {
    #[derive(Deserialize)]
    struct Names<'a> {
        #[serde(borrow)]
        conversation: Option<&'a RawValue>,
        #[serde(borrow)]
        previous_response_id: Option<&'a RawValue>,
        #[serde(borrow, rename = "cachedContent", alias = "cached_content")]
        cached_content: Option<&'a RawValue>,
    }
    let names: Names<'_> = serde_json::from_slice(request).ok()?;
    let (name, grows) = match names.conversation {
        Some(name) => (name, true),
        None => (names.previous_response_id.or(names.cached_content)?, false),
    };
    Some(Kept { name: name.get().as_bytes(), grows })
}
