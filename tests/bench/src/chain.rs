//! Which of Weir's filters stand in the way, and how they are configured.

use serde_json::{Value, json};

use crate::rate_limits;

/// Weir's filters in an Envoy. Bare Envoy has none of them, whatever the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Chain {
    /// `llm` in front of the router, `provider` on each cluster: what every gateway has.
    Gateway,
    /// A filter that does nothing in the place of each of the two: what they cost before they do anything.
    Idle,
    /// `guard` alone, in front of the router: four recognisers mask prompts and answers.
    Guard,
    /// `guard` alone: a list of keywords masks prompts.
    Keywords,
    /// The gateway, and `limit` behind `llm`: local limits of requests and tokens that refuse nothing.
    Limit,
    /// The gateway, `limit` behind `llm`, and behind it Envoy's own ratelimit filter, which asks `weir ratelimit` about every
    /// request.
    Global,
}

/// Keywords of [`Chain::Keywords`].
const KEYWORDS: u32 = 100_000;

impl Chain {
    /// All of them, in the order in which they are measured.
    pub(crate) const ALL: [Self; 6] =
        [Self::Gateway, Self::Idle, Self::Guard, Self::Keywords, Self::Limit, Self::Global];

    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Idle => "idle",
            Self::Guard => "guard",
            Self::Keywords => "keywords",
            Self::Limit => "limit",
            Self::Global => "global-limit",
        }
    }

    /// The name in reports.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Gateway => "`llm`",
            Self::Idle => "idle filters",
            Self::Guard => "guarded",
            Self::Keywords => "100 000 keywords",
            Self::Limit => "local limits",
            Self::Global => "global limit",
        }
    }

    /// Weir's filters in front of the router, in order, with their configurations.
    pub(crate) fn filters(self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Gateway => vec![("llm", json!({}))],
            Self::Idle => vec![idle()],
            Self::Guard => {
                let rule = json!({"name": "people", "check": {"kind": "text", "action": "mask",
                    "builtins": ["email", "phone_number", "credit_card", "ssn"]}});
                vec![("guard", json!({"request": [rule], "response": [rule]}))]
            }
            Self::Keywords => {
                let words: Vec<String> = (0..KEYWORDS).map(keyword).collect();
                let rule = json!({"name": "words", "check": {"kind": "text", "action": "mask",
                    "keywords": {"words": words}}});
                vec![("guard", json!({"request": [rule]}))]
            }
            Self::Limit => {
                // More than one worker can use up: a limit that refuses would be measured by its refusals.
                let local = ["requests", "tokens"]
                    .map(|unit| json!({"id": unit, "unit": unit, "amount": 1_000_000_000, "per_ms": 1000}));
                let limits = json!({"policies": {"all": {"local": local}}, "default_policies": ["all"]});
                vec![("llm", json!({})), ("limit", limits)]
            }
            Self::Global => {
                let entry = json!({"name": rate_limits::KEY, "expression": "request.headers['user-agent']"});
                let descriptor =
                    json!({"name": rate_limits::DESCRIPTOR, "unit": "requests", "entries": [entry]});
                let limits =
                    json!({"policies": {"all": {"descriptors": [descriptor]}}, "default_policies": ["all"]});
                vec![("llm", json!({})), ("limit", limits)]
            }
        }
    }

    /// Weir's filter on the cluster of a provider, with its configuration; `gateway` is what one is configured with that
    /// serves it.
    pub(crate) fn on_cluster(self, gateway: Value) -> Option<(&'static str, Value)> {
        match self {
            Self::Gateway | Self::Limit | Self::Global => Some(("provider", gateway)),
            Self::Idle => Some(idle()),
            Self::Guard | Self::Keywords => None,
        }
    }

    /// A text its guards mask in prompts, and what becomes of it; `None` without guards.
    pub(crate) fn masks(self) -> Option<(String, &'static str)> {
        match self {
            Self::Gateway | Self::Idle | Self::Limit | Self::Global => None,
            Self::Guard => Some(("anna.berger@example.com".to_owned(), "<EMAIL_ADDRESS>")),
            Self::Keywords => Some((keyword(0), "<masked>")),
        }
    }

    /// Its guards mask answers as well as prompts.
    pub(crate) fn masks_answers(self) -> bool {
        self == Self::Guard
    }
}

/// The `order` filter, which has nothing to order.
fn idle() -> (&'static str, Value) {
    ("order", json!({}))
}

/// Keyword number `number`: 7 to 13 letters that look random, always the same, and no two alike.
fn keyword(number: u32) -> String {
    // An odd factor and a shift that is undone by repeating it: no two numbers become one.
    let mixed = number.wrapping_mul(2_654_435_761);
    let mut rest = u64::from(mixed ^ (mixed >> 15));
    let mut word = String::with_capacity(16);
    while rest > 0 || word.len() < 7 {
        let letter = u8::try_from(rest % 26).unwrap_or_default();
        word.push(char::from(b'a' + letter));
        rest /= 26;
    }
    let endings = ["", "ing", "ment", "shelf", "board", "er"];
    let ending = usize::try_from(number).unwrap_or_default() % endings.len();
    word.push_str(endings.get(ending).copied().unwrap_or_default());
    word
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keywords_are_many_and_different() {
        let words: BTreeSet<String> = (0..KEYWORDS).map(keyword).collect();
        assert_eq!(words.len(), 100_000);
        assert!(words.iter().all(|word| (7..=13).contains(&word.len())));
    }

    #[test]
    fn every_chain_with_guards_can_be_probed() {
        for chain in Chain::ALL {
            let guards = chain.filters().iter().any(|(name, _)| *name == "guard");
            assert_eq!(chain.masks().is_some(), guards);
            assert_ne!(chain.on_cluster(json!({})).is_some(), guards, "guards stand alone");
        }
    }
}
