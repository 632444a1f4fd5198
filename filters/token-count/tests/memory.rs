//! What the crate costs a WebAssembly VM.

// Helpers of tests may panic as the tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use token_count::Encoding;

#[test]
fn the_tables_of_both_encodings_are_small() {
    let bytes = Encoding::O200k.table_bytes() + Encoding::Cl100k.table_bytes();
    assert!(bytes < 6_500_000, "{bytes} bytes");
}

/// Nothing may be built or kept at first use: that would be a pause, and memory in every VM.
#[test]
fn no_table_is_built_at_run_time() {
    let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap();
    for source in sources {
        let source = source.unwrap().path();
        let text = std::fs::read_to_string(&source).unwrap();
        for lazy in ["LazyLock", "OnceLock", "OnceCell", "lazy_static", "HashMap", "static mut"] {
            assert!(!text.contains(lazy), "{} has a {lazy}", source.display());
        }
    }
}
