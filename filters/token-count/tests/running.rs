//! A text in parts counts as the text whole.

// Helpers of tests may panic as the tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use proptest::prelude::*;
use token_count::{Encoding, RunningCount};

const ENCODINGS: [Encoding; 2] = [Encoding::O200k, Encoding::Cl100k];

/// Pushes `text` in parts of the sizes given (in characters, over and over), and checks the total at the end, and on the
/// way if `every_part`.
fn check(text: &str, sizes: &[usize], every_part: bool) {
    for encoding in ENCODINGS {
        let mut running = RunningCount::new(encoding);
        let mut start = 0;
        let mut last = 0;
        for size in sizes.iter().cycle() {
            let end = text[start..].char_indices().nth(*size).map_or(text.len(), |(place, _)| start + place);
            running.push(&text[start..end]);
            if every_part {
                assert_eq!(running.total(), encoding.count(&text[..end]), "{encoding:?} {:?}", &text[..end]);
            }
            assert!(running.decided() >= last, "what was decided is decided");
            assert!(running.held_bytes() <= 80 * 1024, "{} bytes held", running.held_bytes());
            last = running.decided();
            start = end;
            if start == text.len() {
                break;
            }
        }
        assert_eq!(
            running.total(),
            encoding.count(text),
            "{encoding:?} {:?}",
            text.chars().take(20).collect::<String>()
        );
        assert!(running.decided() <= running.total());
    }
}

#[test]
fn any_cut_of_the_corpus_gives_the_same() {
    for text in [include_str!("corpus/languages.txt"), include_str!("corpus/mixed.txt")] {
        for sizes in [&[1][..], &[2], &[3, 1, 7], &[50, 1], &[4096], &[1_000_000]] {
            check(text, sizes, false);
        }
        for line in text.lines() {
            check(line, &[1], true);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_of_any_text_gives_the_same(
        parts in proptest::collection::vec(prop_oneof![
            "[aAzZsStT'LlVvEe \t\n\r17中ǅʰ\u{301}ſ!/.😀]{0,12}", ".{0,6}", "[a-z ]{0,30}", " {0,5}[\n ]{0,3}",
        ], 0..12),
        sizes in proptest::collection::vec(1_usize..9, 1..6),
    ) {
        check(&parts.concat(), &sizes, true);
    }
}

/// A piece longer than what is held back: its start is counted before its end is known.
#[test]
fn pieces_of_any_length_are_counted_exactly_in_bounded_memory() {
    let runs = ["a", "A", "中", " ", "\n", "!", "ab", "Hé", "=-", "\t ", "7", "ñandú", "เก"];
    for run in runs {
        let long = run.repeat(150_000 / run.len());
        for text in [format!("{long} end."), format!("B {long}\n\nB"), format!(" {long}")] {
            check(&text, &[8191], false);
        }
    }
}

/// Where no place is certain the documented bound holds: a few tokens for each 64 KiB.
#[test]
fn where_a_cut_is_assumed_the_total_is_off_by_a_few_tokens() {
    let blanks = " ".repeat(200_000);
    let capitals = "A".repeat(200_000);
    for text in [
        "\u{301}".repeat(100_000),
        format!("!{}x", "\n".repeat(200_000)),
        format!("\n{blanks}\nx"),
        format!("\n{blanks}x"),
        format!("中{capitals}"),
        format!("中{capitals}a"),
        format!("x{}A", "中".repeat(60_000)),
    ] {
        for encoding in ENCODINGS {
            let mut running = RunningCount::new(encoding);
            let mut rest = text.as_str();
            while !rest.is_empty() {
                let (part, after) = rest.split_at(rest.floor_char_boundary(9000));
                running.push(part);
                assert!(running.held_bytes() <= 80 * 1024, "{} bytes held", running.held_bytes());
                rest = after;
            }
            let whole = encoding.count(&text);
            assert!(
                running.total().abs_diff(whole) <= 4 * (1 + text.len() / 65_536),
                "{} for {whole}",
                running.total()
            );
        }
    }
}
