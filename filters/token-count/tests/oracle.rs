//! Counts are those of tiktoken.

// Helpers of tests may panic as the tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tiktoken_rs::CoreBPE;
use token_count::Encoding;

const CORPUS: [&str; 2] = [include_str!("corpus/languages.txt"), include_str!("corpus/mixed.txt")];

fn encodings() -> [(Encoding, &'static CoreBPE); 2] {
    [
        (Encoding::O200k, tiktoken_rs::o200k_base_singleton()),
        (Encoding::Cl100k, tiktoken_rs::cl100k_base_singleton()),
    ]
}

fn assert_equal(text: &str, what: &dyn std::fmt::Debug) {
    for (encoding, oracle) in encodings() {
        assert_eq!(encoding.count(text), oracle.encode_ordinary(text).len(), "{encoding:?} of {what:?}");
    }
}

#[test]
fn committed_texts_count_as_with_tiktoken() {
    for text in CORPUS {
        assert_equal(text, &"the whole");
        for line in text.split_inclusive('\n') {
            assert_equal(line, &line);
        }
    }
}

/// The numbers of tiktoken 0.14.0 for Python, where the tests' own oracle is a port of it.
#[test]
fn committed_texts_count_as_with_the_original() {
    let counts = CORPUS.map(|text| [Encoding::O200k.count(text), Encoding::Cl100k.count(text)]);
    assert_eq!(counts, [[1657, 3211], [495, 522]]);
}

/// Every start and every end: what a piece is depends on both.
#[test]
fn every_suffix_and_prefix_of_lines_counts_as_with_tiktoken() {
    let lines = CORPUS[1].lines().chain(CORPUS[0].lines().skip(12).step_by(3));
    for line in lines {
        let line: String = line.chars().take(60).collect();
        for (place, _) in line.char_indices() {
            assert_equal(&line[place..], &&line[place..]);
            assert_equal(&line[..place], &&line[..place]);
        }
    }
}

/// Texts of every character there is, in runs and one by one.
#[test]
fn every_character_counts_as_with_tiktoken() {
    let all: Vec<char> = (0..=0x10_FFFF).filter_map(char::from_u32).collect();
    for page in all.chunks(4096).take(64).chain(all.chunks(65_536).skip(4).take(1)) {
        let run: String = page.iter().collect();
        assert_equal(&run, &page[0]);
        let between: String =
            page.iter().step_by(5).flat_map(|character| ['a', *character, 'B', '\'', 's']).collect();
        assert_equal(&between, &page[0]);
    }
}

/// The sources and documents of the packages this workspace is built from; they are on every machine that builds it.
/// `WEIR_CORPUS_BYTES` says how many bytes of them to compare.
#[test]
fn package_sources_count_as_with_tiktoken() {
    let limit =
        std::env::var("WEIR_CORPUS_BYTES").ok().and_then(|bytes| bytes.parse().ok()).unwrap_or(2_000_000);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let listed = std::process::Command::new(cargo)
        .args(["metadata", "--offline", "--format-version", "1", "--filter-platform"])
        .arg(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    let mut roots: Vec<PathBuf> = listed
        .split(r#""manifest_path":""#)
        .skip(1)
        .filter_map(|rest| rest.split_once("/Cargo.toml\"").map(|(root, _)| PathBuf::from(root)))
        .filter(|root| root.components().any(|part| part.as_os_str() == "registry"))
        .collect();
    roots.sort();
    assert!(roots.len() > 20, "only {} packages found", roots.len());
    let per_root = limit / roots.len();
    let mut compared = 0;
    for root in roots {
        let mut files = Vec::new();
        list(&root, &mut files);
        let mut here = 0;
        for file in files {
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            let text: String = text.chars().take(20_000).collect();
            assert_equal(&text, &file);
            here += text.len();
            if here > per_root {
                break;
            }
        }
        compared += here;
    }
    assert!(compared > limit / 2, "only {compared} bytes compared");
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            list(&entry, files);
        } else {
            files.push(entry);
        }
    }
}

/// Characters next to which the split patterns change their minds.
fn tricky_text() -> impl Strategy<Value = String> {
    let tricky = "aAzZsStTlLvVeErRdDmM'''    \t\n\r\u{a0}\u{2028}\u{85}017٣½中文ǅʰª\u{301}\u{20dd}ſK!/-_.😀\u{200d}ßИи";
    let characters: Vec<char> = tricky.chars().collect();
    proptest::collection::vec(
        prop_oneof![8 => proptest::sample::select(characters).prop_map(String::from), 1 => any::<char>().prop_map(String::from),
            2 => "[a-z]{1,12}", 1 => "[A-Z]{1,6}", 1 => " {1,9}", 1 => "[ab]{1,40}"],
        0..40,
    )
    .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_counts_as_with_tiktoken(text in tricky_text()) {
        assert_equal(&text, &text);
    }

    #[test]
    fn any_unicode_counts_as_with_tiktoken(text in ".{0,60}") {
        assert_equal(&text, &text);
    }
}

/// Runs in which the longest token is the wrong one nearly everywhere, so that the merges are done after all.
#[test]
fn runs_of_one_character_count_as_with_tiktoken() {
    for character in "-=/*#_~.+<>!|?%0aAhzея中。\u{2500}\u{301}".chars() {
        for length in [2, 3, 5, 17, 66, 81, 99, 127, 130, 257, 700, 1_001] {
            let run: String = std::iter::repeat_n(character, length).collect();
            assert_equal(&run, &(character, length));
            assert_equal(&format!("x{run}y\n"), &(character, length));
        }
    }
}

/// Pieces long enough to be counted in windows. The oracle is quadratic below 100 bytes and slow above; it recurses over
/// white space, so that is kept short enough for its stack.
#[test]
fn long_pieces_count_as_with_tiktoken() {
    let mut state = 7_u64;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let letters: String = (0..60_000).map(|_| char::from(b'a' + random(26) as u8)).collect();
    let two: String = (0..60_000).map(|_| char::from(b'a' + random(2) as u8)).collect();
    let han: String = (0..20_000).filter_map(|_| char::from_u32(0x4E00 + random(0x5000) as u32)).collect();
    let marks: String =
        (0..60_000).map(|_| char::from(b"!#$%&()*+,-.:;<=>?@"[random(19) as usize])).collect();
    let words = "pneumonoultramicroscopicsilicovolcanoconiosis".repeat(1000);
    for text in [
        letters,
        two,
        han,
        marks,
        words,
        "a".repeat(50_000),
        "=".repeat(50_001),
        "-".repeat(9_999),
        "中".repeat(20_000),
    ] {
        assert_equal(&text, &text.chars().take(20).collect::<String>());
    }
    let cl100k = tiktoken_rs::cl100k_base_singleton();
    for text in [" ".repeat(40_000), "\n".repeat(40_000), " \n".repeat(20_000), "\t ".repeat(20_000)] {
        assert_eq!(Encoding::Cl100k.count(&text), cl100k.encode_ordinary(&text).len());
    }
}
