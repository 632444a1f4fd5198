//! The example catalogue: it can be read, and costs are what its README's prices make of them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is a failed test")]

use llm_dialects::hub::Usage;
use price_catalogue::{Catalogue, Lookup};

fn example() -> Catalogue {
    Catalogue::parse(include_bytes!("../examples/prices.json")).unwrap()
}

/// In US dollars.
fn cost(provider: &str, model: &str, usage: Usage) -> String {
    let catalogue = example();
    let cost = catalogue.lookup(provider, model).model().unwrap().cost(&usage);
    assert_eq!(cost.unpriced_tokens, 0);
    cost.total().to_string()
}

#[test]
fn costs_exactly() {
    let chat = Usage { input_uncached: 1_000, cache_read: 9_000, output: 500, ..Usage::default() };
    assert_eq!(cost("openai", "gpt-5.6-luna", chat), "0.00098");
    assert_eq!(cost("openai", "gpt-5.5-2026-04-23", chat), "0.0245");
    assert_eq!(cost("anthropic", "claude-haiku-4-5-20251001", chat), "0.0044");
    assert_eq!(cost("aws.bedrock", "amazon.nova-micro-v1:0", chat), "0.00018375");
    let written = Usage { cache_write: 2_000, cache_write_1h: 500, ..chat };
    assert_eq!(cost("anthropic", "claude-opus-5-5", written), "0.0273");
    let long = Usage { input_uncached: 1, cache_read: 200_000, output: 1_000, ..Usage::default() };
    assert_eq!(cost("anthropic", "claude-haiku-5-5", long), "0.0125005");
    assert_eq!(cost("gcp.gemini", "gemini-2.5-pro", long), "0.5150025");
}

#[test]
fn every_model_prices_input_and_output() {
    let listed: serde_json::Value =
        serde_json::from_slice(include_bytes!("../examples/prices.json")).unwrap();
    let catalogue = example();
    for (provider, known) in listed["providers"].as_object().unwrap() {
        for name in known["models"].as_object().unwrap().keys() {
            let found = catalogue.lookup(provider, &name.replace('*', "-1"));
            assert!(matches!(found, Lookup::Exact(_) | Lookup::Pattern(_)), "{provider} {name}: {found:?}");
            let rates = found.model().unwrap().rates;
            assert!(rates.input.is_some() && rates.output.is_some(), "{provider} {name}");
        }
    }
}
