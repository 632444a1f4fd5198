//! However a text is cut, the same comes out, and nothing of a match comes out early.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is a failed test")]

use filter_config::{Action, Builtin, Keywords, Pattern, TextCheck};
use prompt_guard::{Chain, Form, Guard, Guards, Piece, Rejected, Vault};
use proptest::prelude::*;

const PATTERNS: &[&str] = &[
    "ab{1,3}c",
    r"\b\d{3}-\d{2}\b",
    "(?i)äb?c",
    "^a|b$",
    r"(?m)^x\w{0,4}$",
    "a{2,5}?b?",
    "(ab|abcab)x?",
    r"\w{1,5}@\w{1,5}\.com\b",
    r"(a|b|ä){3,8}\B",
    "é.{0,6}é",
    // Without a bound.
    r"\w+@\w+",
    "a.*b",
    "x(.*c)?",
];

const WORDS: &[&str] = &["ab", "abc", "bca", "c a", "ÄB", "x", "éa b", "12"];

const BUILTINS: &[Builtin] = &[
    Builtin::Ssn,
    Builtin::CreditCard,
    Builtin::PhoneNumber,
    Builtin::Email,
    Builtin::CaSin,
    Builtin::Url,
    Builtin::IpAddress,
    Builtin::Secret,
];

/// Parts that make matches, near misses and overlaps likely.
const PARTS: &[&str] = &[
    "a",
    "b",
    "c",
    "x",
    " ",
    "ä",
    "é",
    "\n",
    "1",
    "123",
    "-",
    "12",
    "-45-6789",
    "@",
    ".com",
    ".",
    "ab",
    "abc",
    "4111 1111 1111 1111",
    "41111111",
    "11111111",
    "555-123-",
    "4567",
    "+49 30 ",
    "https://",
    "10.0.0.",
    "::1",
    "AKIAIOSFODNN7",
    "EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.",
    "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----",
    "130692544",
    "<",
    "_1>",
    "𝄞",
];

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PARTS), 0..24).prop_map(|parts| parts.concat())
}

fn check() -> impl Strategy<Value = TextCheck> {
    (
        prop::sample::subsequence(BUILTINS, 0..=3),
        prop::sample::subsequence(PATTERNS, 0..=3),
        prop::sample::subsequence(WORDS, 0..=4),
        any::<(bool, bool, bool)>(),
    )
        .prop_map(|(builtins, patterns, words, (case_sensitive, inside_words, reversible))| TextCheck {
            action: Action::Mask,
            builtins,
            patterns: patterns
                .into_iter()
                .enumerate()
                .map(|(index, regex)| Pattern {
                    regex: regex.to_owned(),
                    replacement: (index == 1).then(|| "<b ab>".to_owned()),
                })
                .collect(),
            keywords: (!words.is_empty()).then(|| Keywords {
                words: words.into_iter().map(str::to_owned).collect(),
                case_sensitive,
                inside_words,
            }),
            reversible,
        })
}

fn checks() -> impl Strategy<Value = Vec<(TextCheck, bool)>> {
    prop::collection::vec((check(), prop::bool::weighted(0.2)), 1..=3)
}

fn compile(checks: &[(TextCheck, bool)]) -> Guards {
    Guards::new(checks.iter().map(|(check, shadow)| Guard::compile(check, *shadow, 9).unwrap()).collect())
}

/// Cuts a text into pieces of some lengths, in characters, again and again.
fn cut(text: &str, lengths: &[usize]) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut lengths = lengths.iter().cycle();
    let (mut pieces, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        let length = (*lengths.next().unwrap_or(&1)).min(chars.len() - at);
        pieces.push(chars[at..at + length].iter().collect());
        at += length;
    }
    pieces
}

fn joined(pieces: &[Piece]) -> String {
    pieces.iter().map(|piece| piece.text.as_str()).collect()
}

/// Streams a text; the tag of a piece is where it begins.
fn stream(
    chain: &mut Chain,
    vault: &mut Vault,
    pieces: &[String],
    mut after_push: impl FnMut(&Chain, &[Piece], usize),
) -> Result<Vec<Piece>, Rejected> {
    let (mut out, mut at) = (Vec::new(), 0);
    for piece in pieces {
        chain.push(piece, at as u64, vault, &mut out)?;
        at += piece.len();
        after_push(chain, &out, at);
    }
    chain.finish(vault, &mut out)?;
    Ok(out)
}

fn check_tags(pieces: &[Piece]) {
    assert!(pieces.iter().all(|piece| !piece.text.is_empty()));
    assert!(pieces.windows(2).all(|pair| pair[0].tag < pair[1].tag), "{pieces:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn a_stream_is_masked_as_its_whole_text(
        checks in checks(),
        text in text(),
        lengths in prop::collection::vec(1_usize..7, 1..5),
        restoring: bool,
    ) {
        let guards = compile(&checks);
        let start = || {
            let chain = guards.start(Form::Text);
            if restoring { chain.restoring() } else { chain }
        };
        let (mut chain, mut vault) = (start(), Vault::new());
        let whole = joined(&stream(&mut chain, &mut vault, std::slice::from_ref(&text), |_, _, _| {}).unwrap());
        let tally = chain.tally();
        let (mut chain, mut vault) = (start(), Vault::new());
        let pieces = cut(&text, &lengths);
        let mut held = 0;
        let streamed = stream(&mut chain, &mut vault, &pieces, |chain, out, at| {
            // What has left can still be the beginning of what the whole text becomes.
            assert!(whole.starts_with(&joined(out)), "{out:?} of {whole:?}");
            check_tags(out);
            match chain.held_since() {
                // Whatever comes has this tag or a later one, and it never goes back.
                Some(tag) => {
                    assert!(out.last().is_none_or(|last| last.tag <= tag) && tag < at as u64);
                    assert!(tag >= held);
                    held = tag;
                }
                None => held = at as u64,
            }
        }).unwrap();
        prop_assert_eq!(joined(&streamed), whole);
        prop_assert_eq!(chain.tally(), tally);
        prop_assert_eq!(chain.held_since(), None);
        check_tags(&streamed);
    }

    #[test]
    fn blocks_are_masked_alone_and_together_however_they_are_cut(
        checks in checks(),
        blocks in prop::collection::vec(text(), 1..4),
        lengths in prop::collection::vec(1_usize..7, 1..5),
    ) {
        let guards = compile(&checks);
        let pass = |cuts: Vec<Vec<String>>| {
            let (mut chain, mut vault, mut out, mut at) = (guards.start_in_blocks(Form::Text), Vault::new(), Vec::new(), 0);
            for (index, block) in cuts.iter().enumerate() {
                if index > 0 {
                    chain.next_block(&mut vault, &mut out).unwrap();
                }
                for piece in block {
                    chain.push(piece, at, &mut vault, &mut out).unwrap();
                    at += piece.len() as u64;
                }
            }
            chain.finish(&mut vault, &mut out).unwrap();
            assert_eq!(chain.held_since(), None);
            check_tags(&out);
            (joined(&out), chain.tally())
        };
        let whole = pass(blocks.iter().map(|block| vec![block.clone()]).collect());
        prop_assert_eq!(&pass(blocks.iter().map(|block| cut(block, &lengths)).collect()), &whole);
        // One guard finds at least what it finds in each block.
        if let [(_, shadow)] = checks.as_slice() {
            let alone = |block: &String| guards.apply(block, Form::Text, &mut Vault::new()).unwrap().tally[0];
            let sum: u64 = blocks.iter().map(alone).sum();
            prop_assert!(whole.1[0] >= sum || *shadow, "{whole:?} of {sum}");
        }
    }

    #[test]
    fn no_more_is_held_than_the_longest_match(
        check in check(),
        text in text(),
        lengths in prop::collection::vec(1_usize..4, 1..5),
    ) {
        let guard = Guard::compile(&check, false, 9).unwrap();
        // A piece of three characters at most is held as a whole.
        let most = guard.detector.longest_match().map(|longest| longest + 12);
        let mut chain = Guards::new(vec![guard]).start(Form::Text);
        stream(&mut chain, &mut Vault::new(), &cut(&text, &lengths), |chain, _, at| {
            let held = chain.held_since().map_or(0, |tag| at - tag as usize);
            assert!(most.is_none_or(|most| held <= most), "{held} bytes held, {most:?} needed");
        }).unwrap();
    }

    #[test]
    fn a_stream_is_rejected_as_its_whole_text(
        first in check(),
        second in check(),
        text in text(),
        lengths in prop::collection::vec(1_usize..7, 1..5),
    ) {
        let reject = |mut check: TextCheck| {
            check.action = Action::Reject;
            Guard::compile(&check, false, 9).unwrap()
        };
        let masking = Guard::compile(&first, false, 9).unwrap();
        for guards in [
            vec![reject(second.clone())],
            vec![masking.clone(), reject(second.clone())],
            vec![reject(second.clone()), masking.clone()],
            vec![reject(first.clone()), reject(second.clone())],
        ] {
            let guards = Guards::new(guards);
            let run = |pieces: &[String]| {
                let (mut chain, mut vault, mut seen) = (guards.start(Form::Text), Vault::new(), Vec::new());
                let result = stream(&mut chain, &mut vault, pieces, |_, out, _| seen = out.to_vec());
                (result.map(|out| joined(&out)), joined(&seen))
            };
            let (whole, _) = run(std::slice::from_ref(&text));
            let (streamed, seen) = run(&cut(&text, &lengths));
            prop_assert_eq!(&streamed, &whole);
            if let Ok(whole) = whole {
                prop_assert!(whole.starts_with(&seen));
            }
        }
    }

    #[test]
    fn what_is_masked_reversibly_comes_back(
        check in check(),
        text in text(),
        lengths in prop::collection::vec(1_usize..7, 1..5),
    ) {
        let mut check = check;
        check.reversible = true;
        let guards = Guards::new(vec![Guard::compile(&check, false, 9).unwrap()]);
        let mut vault = Vault::new();
        let masked = guards.apply(&text, Form::Text, &mut vault).unwrap().text.unwrap_or_else(|| text.clone());
        let mut chain = Guards::default().start(Form::Text).restoring();
        let restored = stream(&mut chain, &mut vault, &cut(&masked, &lengths), |_, out, _| {
            assert!(text.starts_with(&joined(out)));
        }).unwrap();
        prop_assert_eq!(joined(&restored), text.clone());
        // The same text again, with more behind it, is masked alike.
        let again = guards.apply(&text, Form::Text, &mut vault).unwrap().text.unwrap_or(text);
        prop_assert_eq!(again, masked);
    }
}

fn masking(patterns: &[&str], window: usize) -> Guards {
    let patterns = patterns.iter().map(|regex| Pattern { regex: (*regex).to_owned(), replacement: None });
    let check = TextCheck { patterns: patterns.collect(), ..TextCheck::default() };
    Guards::new(vec![Guard::compile(&check, false, window).unwrap()])
}

#[test]
fn prose_passes_at_once() {
    let check = TextCheck { builtins: BUILTINS.to_vec(), ..TextCheck::default() };
    let guards = Guards::new(vec![Guard::compile(&check, false, 1024).unwrap()]);
    let (mut chain, mut vault, mut out) = (guards.start(Form::Text), Vault::new(), Vec::new());
    let text = "The quick brown fox, aged 7, jumps over the lazy dog: twice (or so). It did not mind! ";
    for (tag, c) in text.chars().enumerate() {
        chain.push(&c.to_string(), tag as u64, &mut vault, &mut out).unwrap();
        let held = tag + 1 - joined(&out).len();
        // No more than the word that may become an address.
        assert!(held <= 6, "{held} bytes held at {tag}");
    }
    assert_eq!(joined(&out), text);
}

#[test]
fn only_what_a_match_still_needs_is_held() {
    let guards = masking(&["abcd", r"\bfoo\b"], 1024);
    let (mut chain, mut vault, mut out) = (guards.start(Form::Text), Vault::new(), Vec::new());
    let mut leaves = |text: &str| {
        out.clear();
        chain.push(text, 0, &mut vault, &mut out).unwrap();
        joined(&out)
    };
    assert_eq!(leaves("xabab"), "xab");
    assert_eq!(leaves("c"), "");
    assert_eq!(leaves("d"), "<masked>", "nothing can change it");
    assert_eq!(leaves(" foo"), " ");
    assert_eq!(leaves("t"), "foot", "no match any more");
    assert_eq!(leaves(" foo"), " ");
    assert_eq!(leaves("."), "<masked>.");
}

#[test]
fn patterns_without_a_bound_are_held_for_the_window() {
    let guards = masking(&["a.*b"], 8);
    let mask = |text: &str| guards.apply(text, Form::Text, &mut Vault::new()).unwrap().text;
    assert_eq!(mask("a12345b").as_deref(), Some("<masked>"));
    // Of what is longer, the window's length is masked.
    assert_eq!(mask("a123456789b").as_deref(), Some("a12<masked>"));
    let (mut chain, mut vault, mut out) = (guards.start(Form::Text), Vault::new(), Vec::new());
    chain.push("a123456789", 0, &mut vault, &mut out).unwrap();
    assert_eq!(joined(&out), "a1");
}

#[test]
fn a_shadow_guard_counts_and_holds_nothing() {
    let check = TextCheck {
        action: Action::Reject,
        patterns: vec![Pattern { regex: "abc".to_owned(), replacement: None }],
        ..TextCheck::default()
    };
    let guards = Guards::new(vec![Guard::compile(&check, true, 64).unwrap()]);
    let (mut chain, mut vault, mut out) = (guards.start(Form::Text), Vault::new(), Vec::new());
    chain.push("ab", 1, &mut vault, &mut out).unwrap();
    assert_eq!((joined(&out).as_str(), chain.held_since()), ("ab", None));
    chain.push("cabc", 2, &mut vault, &mut out).unwrap();
    chain.finish(&mut vault, &mut out).unwrap();
    assert_eq!((joined(&out).as_str(), chain.tally()), ("abcabc", vec![2]));
}

#[test]
fn each_guard_sees_what_the_one_before_left() {
    let of = |regex: &str, replacement: &str, action| TextCheck {
        action,
        patterns: vec![Pattern { regex: regex.to_owned(), replacement: Some(replacement.to_owned()) }],
        ..TextCheck::default()
    };
    let checks = [
        of("cat", "dog", Action::Mask),
        of("dogs", "wolves", Action::Mask),
        of("wolves ate", "", Action::Reject),
    ];
    let guards = Guards::new(checks.iter().map(|check| Guard::compile(check, false, 64).unwrap()).collect());
    let applied = guards.apply("cats eat", Form::Text, &mut Vault::new()).unwrap();
    assert_eq!((applied.text.as_deref(), applied.tally), (Some("wolves eat"), vec![1, 1, 0]));
    assert_eq!(guards.apply("cats ate", Form::Text, &mut Vault::new()), Err(Rejected { guard: 2 }));
}

#[test]
fn replacements_carry_the_tag_of_their_first_byte() {
    let guards = masking(&["abcdef"], 64);
    let (mut chain, mut vault, mut out) = (guards.start(Form::Text), Vault::new(), Vec::new());
    for (tag, text) in [(1, "x a"), (2, "bcd"), (4, "ef y"), (7, "z")] {
        chain.push(text, tag, &mut vault, &mut out).unwrap();
    }
    chain.finish(&mut vault, &mut out).unwrap();
    let piece = |text: &str, tag| Piece { text: text.to_owned(), tag };
    assert_eq!(out, [piece("x <masked>", 1), piece(" y", 4), piece("z", 7)]);
}

#[test]
fn values_are_numbered_by_first_appearance_and_around_what_users_wrote() {
    let check = TextCheck { builtins: vec![Builtin::Email], reversible: true, ..TextCheck::default() };
    let guards = Guards::new(vec![Guard::compile(&check, false, 64).unwrap()]);
    let mut vault = Vault::new();
    vault.reserve("what is <EMAIL_ADDRESS_2>?");
    let mask = |text: &str, vault: &mut Vault| guards.apply(text, Form::Text, vault).unwrap().text.unwrap();
    assert_eq!(
        mask("a@x.org, b@x.org, a@x.org", &mut vault),
        "<EMAIL_ADDRESS_1>, <EMAIL_ADDRESS_3>, <EMAIL_ADDRESS_1>"
    );
    assert_eq!(
        vault
            .restore("<EMAIL_ADDRESS_3> <EMAIL_ADDRESS_2> <<EMAIL_ADDRESS_1> <EMAIL_ADDRESS_1", Form::Text)
            .unwrap(),
        "b@x.org <EMAIL_ADDRESS_2> <a@x.org <EMAIL_ADDRESS_1"
    );
    assert!(!format!("{vault:?}").contains("x.org"));
}
