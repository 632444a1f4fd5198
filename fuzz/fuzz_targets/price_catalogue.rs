//! Catalogues of prices. The input is one.
//!
//! Holds: no panic; a catalogue laid over itself stays what it is; more tokens never cost less within a tier, and those without
//! a price are counted.

#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use llm_dialects::hub::Usage;
use price_catalogue::{Catalogue, cost};

fuzz_target!(|input: &[u8]| {
    let Ok(catalogue) = Catalogue::parse(input) else {
        return;
    };
    let mut twice = catalogue.clone();
    twice.merge(catalogue.clone());
    assert_eq!(twice, catalogue);

    for (provider, model) in [("p", "m"), ("p", "a-b"), ("openai", "gpt-4o"), ("", "")] {
        let Some(found) = catalogue.lookup(provider, model).model() else {
            continue;
        };
        for n in [0, 1, 1 << 20, u64::MAX] {
            let rates = found.rates_for(n);
            let half = n / 2;
            let few = Usage { input_uncached: half, cache_read: half, output: half, ..Usage::default() };
            let many = Usage { input_uncached: n, cache_read: n, output: n, ..Usage::default() };
            let (few, many) = (cost(&rates, &few), cost(&rates, &many));
            assert!(few.total() <= many.total());
            assert!(few.total().nano_usd() <= many.total().nano_usd());
            assert!(few.unpriced_tokens <= many.unpriced_tokens);
        }
    }
});
