//! Token counting. The input is the text.
//!
//! Holds: no panic, in time linear in the text; a text that arrives in parts counts as the whole; more text never
//! counts less than nothing and at most one token for each byte.

#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use token_count::{Encoding, RunningCount};

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    for encoding in [Encoding::O200k, Encoding::Cl100k] {
        let whole = encoding.count(&text);
        assert!(whole <= text.len());
        assert_eq!(whole == 0, text.is_empty());
        for size in [1, 5, 64] {
            let mut running = RunningCount::new(encoding);
            let characters: Vec<char> = text.chars().collect();
            for part in characters.chunks(size) {
                running.push(&part.iter().collect::<String>());
            }
            assert_eq!(running.total(), whole, "parts of {size}");
        }
    }
});
