//! The committed tables are what tiktoken's vocabularies and the Unicode tables of the regex crates say.
//!
//! `WEIR_UPDATE=1 cargo test -p token-count --test tables` rewrites them; then read `docs/tokens.md` on what to check.

// Helpers of tests may panic as the tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::HashMap;
use std::path::PathBuf;

use regex_syntax::hir::{Class, HirKind};
use tiktoken_rs::CoreBPE;

fn check(name: &str, expected: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tables").join(name);
    if std::env::var_os("WEIR_UPDATE").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let committed = std::fs::read(&path).unwrap();
    assert!(committed == expected, "{name} is not what its source gives; run this test with WEIR_UPDATE=1");
}

/// Merges `token` by rank, lowest first and leftmost among equals, until the merge that would make it whole: its two
/// halves.
fn halves(token: &[u8], ranks: &HashMap<&[u8], u32>) -> (u32, u32) {
    let mut bounds: Vec<usize> = (0..=token.len()).collect();
    loop {
        let parts = bounds.len() - 1;
        assert!(parts >= 2);
        if parts == 2 {
            return (ranks[&token[..bounds[1]]], ranks[&token[bounds[1]..]]);
        }
        let best = (0..parts - 1)
            .filter_map(|part| Some((*ranks.get(&token[bounds[part]..bounds[part + 2]])?, part)))
            .min()
            .unwrap_or_else(|| panic!("token {token:?} cannot be reached by merges"));
        bounds.remove(best.1 + 1);
    }
}

fn merges(oracle: &CoreBPE, tokens: u32) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = (0..tokens).map(|rank| oracle.decode_bytes(&[rank]).unwrap()).collect();
    assert!(oracle.decode_bytes(&[tokens]).is_err() || tokens == 199_998, "the vocabulary has grown");
    let ranks: HashMap<&[u8], u32> =
        bytes.iter().zip(0..).map(|(token, rank)| (token.as_slice(), rank)).collect();
    assert_eq!(ranks.len(), bytes.len(), "two ranks have the same bytes");
    let mut table = Vec::new();
    for (rank, token) in (0_u32..).zip(&bytes) {
        if rank < 256 {
            assert_eq!(token.len(), 1, "the first 256 ranks are the single bytes");
            table.push(token[0]);
            continue;
        }
        let (left, right) = halves(token, &ranks);
        // The crate takes ranks for points in time: a token's halves must be older than it.
        assert!(left < rank && right < rank, "token {rank} is older than its halves");
        table.extend_from_slice(&left.to_le_bytes()[..3]);
        table.extend_from_slice(&right.to_le_bytes()[..3]);
    }
    table
}

#[test]
fn o200k_merges_are_those_of_tiktoken() {
    check("o200k_base.merges", &merges(tiktoken_rs::o200k_base_singleton(), 199_998));
}

#[test]
fn cl100k_merges_are_those_of_tiktoken() {
    check("cl100k_base.merges", &merges(tiktoken_rs::cl100k_base_singleton(), 100_256));
}

#[test]
fn character_classes_are_those_of_the_regex_crates() {
    // One bit per class of the split patterns; `src/classes.rs` names them.
    let classes: [(&str, u8); 8] = [
        (r"[\r\n]", 1),
        (r"\s", 2),
        (r"\p{N}", 4),
        (r"[\p{Lu}\p{Lt}]", 8),
        (r"\p{Ll}", 16),
        (r"[\p{Lm}\p{Lo}]", 32),
        (r"\p{M}", 64),
        (r" ", 128),
    ];
    let mut class_of = vec![0_u8; 0x11_0000];
    for (pattern, bit) in classes {
        let hir = regex_syntax::parse(pattern).unwrap();
        match hir.kind() {
            HirKind::Class(Class::Unicode(class)) => {
                for range in class.ranges() {
                    for class in &mut class_of[range.start() as usize..=range.end() as usize] {
                        *class |= bit;
                    }
                }
            }
            HirKind::Literal(literal) => class_of[literal.0[0] as usize] |= bit,
            other => panic!("{pattern} is {other:?}"),
        }
    }
    // Two stages: for each 128 characters the number of a page, then the distinct pages.
    let mut pages: Vec<&[u8]> = Vec::new();
    let mut table = Vec::new();
    for page in class_of.chunks(128) {
        let number = pages.iter().position(|known| *known == page).unwrap_or_else(|| {
            pages.push(page);
            pages.len() - 1
        });
        table.push(u8::try_from(number).unwrap());
    }
    assert_eq!(table.len(), 8704);
    table.extend(pages.concat());
    check("classes.bin", &table);
}
