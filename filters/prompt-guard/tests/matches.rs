//! The engine against plain searches that look at every position anew.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is a failed test")]

use filter_config::{Keywords, Pattern, TextCheck};
use prompt_guard::{Error, Form, Guard, Guards, KeywordProblem, PatternProblem, Vault, longest_match};
use proptest::prelude::*;
use regex::Regex;

/// None of them matches the empty text.
const PATTERNS: &[&str] = &[
    "ab{1,3}c",
    r"\b\d{2}\b",
    "(?i)äb?c",
    "^a|b$",
    r"(?m)^b\w{0,4}$",
    "a{2,5}?b?",
    "a|ab|abc",
    "(abc|ab)c?",
    r"\w{1,3}@\w{1,3}\b",
    r"(a|b|ä){3,8}\B",
    "é.{0,6}é",
    r"\w+@\w+",
    "a.*b",
    "a.*?b",
    r"b(.*c)?",
    r"(?s)c.+$",
    r"[^a]\n",
    r"\B-",
    r"\b{start}b|c\b{end}",
];

const PARTS: &[&str] = &["a", "b", "c", "ab", "abc", " ", "ä", "Ä", "é", "\n", "12", "3", "-", "@", "𝄞"];

const WORDS: &[&str] =
    &["ab", "abc", "bca", "c a", "ÄB", "a", "éa b", "12", "b-", "-a", "aab", "aba", "Ab", "CAB", "ab ab abc"];

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PARTS), 0..20).prop_map(|parts| parts.concat())
}

fn mask(check: &TextCheck, text: &str) -> String {
    let guards = Guards::new(vec![Guard::compile(check, false, 1 << 16).unwrap()]);
    guards.apply(text, Form::Text, &mut Vault::new()).unwrap().text.unwrap_or_else(|| text.to_owned())
}

fn of_patterns(patterns: &[&str]) -> TextCheck {
    let pattern = |(index, regex): (usize, &&str)| Pattern {
        regex: (*regex).to_owned(),
        replacement: Some(format!("<{index}>")),
    };
    TextCheck { patterns: patterns.iter().enumerate().map(pattern).collect(), ..TextCheck::default() }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(250) })]

    #[test]
    fn patterns_find_what_the_regex_crate_finds(
        patterns in prop::sample::subsequence(PATTERNS, 1..=3),
        text in text(),
    ) {
        let regexes: Vec<Regex> = patterns.iter().map(|regex| Regex::new(regex).unwrap()).collect();
        let (mut expected, mut at) = (String::new(), 0);
        loop {
            let found = regexes
                .iter()
                .enumerate()
                .filter_map(|(index, regex)| regex.find_at(&text, at).map(|found| (index, found.range())))
                .min_by_key(|(index, range)| (range.start, usize::MAX - range.end, *index));
            let Some((index, range)) = found else { break };
            expected.push_str(&text[at..range.start]);
            expected.push_str(&format!("<{index}>"));
            at = range.end;
        }
        expected.push_str(&text[at..]);
        prop_assert_eq!(mask(&of_patterns(&patterns), &text), expected);
    }

    #[test]
    fn keywords_are_found_as_by_trying_each(
        words in prop::sample::subsequence(WORDS, 1..=6),
        text in text(),
        case_sensitive: bool,
        inside_words: bool,
    ) {
        // In this alphabet, lower case is the folding.
        let fold = |text: &str| if case_sensitive { text.to_owned() } else { text.to_lowercase() };
        let (folded, mut expected, mut at) = (fold(&text), String::new(), 0);
        prop_assert_eq!(folded.len(), text.len());
        while let Some(c) = text[at..].chars().next() {
            let fits = |word: &&&str| {
                let word = fold(word);
                if !folded[at..].starts_with(&word) {
                    return false;
                }
                let edge = |before: &str, behind: &str| {
                    !(before.ends_with(is_word) && behind.starts_with(is_word))
                };
                let end = at + word.len();
                inside_words || (edge(&text[..at], &text[at..]) && edge(&text[..end], &text[end..]))
            };
            match words.iter().filter(fits).map(|word| word.len()).max() {
                Some(length) => {
                    expected.push_str("<masked>");
                    at += length;
                }
                None => {
                    expected.push(c);
                    at += c.len_utf8();
                }
            }
        }
        let words = words.into_iter().map(str::to_owned).collect();
        let keywords = Some(Keywords { words, case_sensitive, inside_words });
        let check = TextCheck { keywords, ..TextCheck::default() };
        prop_assert_eq!(mask(&check, &text), expected);
    }
}

#[test]
fn keywords_fold_beyond_ascii() {
    let words = ["straße", "ΟΔΟΣ", "Привет", "kelvin", "İstanbul", "ﬁn", "ǆ"];
    let words = words.map(str::to_owned).to_vec();
    let keywords = Some(Keywords { words, case_sensitive: false, inside_words: false });
    let check = TextCheck { keywords, ..TextCheck::default() };
    for text in ["STRAẞE", "οδος", "οδοσ", "ПРИВЕТ", "\u{212a}elvin", "İSTANBUL", "ﬁn", "ǅ", "Ǆ"]
    {
        assert_eq!(mask(&check, text), "<masked>", "{text}");
    }
    // Several characters in the other case are no simple folding.
    for text in ["STRASSE", "ı", "istanbul"] {
        assert_eq!(mask(&check, text), text);
    }
}

#[test]
fn a_hundred_thousand_keywords() {
    let words: Vec<String> = (0..100_000_u64)
        .map(|n| format!("word{:x} nr {n}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20))
        .collect();
    let text = format!("so {} and {}. {}x", words[17].to_uppercase(), words[99_999], words[5]);
    let keywords = Some(Keywords { words, case_sensitive: false, inside_words: false });
    let check = TextCheck { keywords, ..TextCheck::default() };
    let guards = Guards::new(vec![Guard::compile(&check, false, 64).unwrap()]);
    let applied = guards.apply(&text, Form::Text, &mut Vault::new()).unwrap();
    assert!(applied.text.unwrap().starts_with("so <masked> and <masked>. word"));
    assert_eq!(applied.tally, [2]);
    assert!(guards.apply(&"word ".repeat(200_000), Form::Text, &mut Vault::new()).unwrap().text.is_none());
}

#[test]
fn matches_of_no_length_are_none() {
    assert_eq!(mask(&of_patterns(&["a*", "x?"]), "baac x"), "b<0>c <1>");
    assert_eq!(mask(&of_patterns(&["|a"]), "a"), "<0>");
}

#[test]
fn the_longest_match_is_known_before() {
    let longest = |regex: &str| longest_match(regex).unwrap();
    assert_eq!(longest("abc"), Some(3));
    assert_eq!(longest("ä{2,5}x?"), Some(11));
    assert_eq!(longest(r"\d{3}"), Some(12), "digits of all scripts");
    assert_eq!(longest(r"\babc\b"), Some(7), "and the character behind it");
    assert_eq!(longest("^abc"), Some(3));
    assert_eq!(longest("abc$"), Some(7));
    assert_eq!(longest("(abc|d+)"), None);
}

#[test]
fn bad_entries_are_named() {
    let refused = |patterns: &[&str]| Guard::compile(&of_patterns(patterns), false, 64).unwrap_err();
    assert!(matches!(
        refused(&["a", "b", "(c"]),
        Error::Pattern { index: 2, problem: PatternProblem::Syntax(_) }
    ));
    assert_eq!(
        refused(&["(c"]).to_string(),
        "patterns[0]: not a regular expression: unclosed group at byte 0"
    );
    assert!(refused(&[r"(?=x)y"]).to_string().contains("look-around"));
    assert!(matches!(
        refused(&[r"((\w{100}){100}){100}"]),
        Error::Pattern { index: 0, problem: PatternProblem::TooLarge { .. } }
    ));
    assert!(matches!(refused(&[&"(".repeat(5000)]), Error::Pattern { .. }));
    for nothing in ["", "^$", r"\b", "[a&&b]"] {
        assert_eq!(refused(&[nothing]), Error::Pattern { index: 0, problem: PatternProblem::MatchesNothing });
    }
    let words = vec!["a".to_owned(), String::new()];
    let keywords = Some(Keywords { words, case_sensitive: false, inside_words: false });
    assert_eq!(
        Guard::compile(&TextCheck { keywords, ..TextCheck::default() }, false, 64).unwrap_err(),
        Error::Keyword { index: 1, problem: KeywordProblem::Empty }
    );
}

#[test]
fn text_that_means_harm_is_read_in_time() {
    use filter_config::Builtin::*;
    let builtins = vec![Ssn, CreditCard, PhoneNumber, Email, CaSin, Url, IpAddress, Secret];
    let builtins = TextCheck { builtins, ..TextCheck::default() };
    let patterns = of_patterns(&["[a-z]{1,32}!", "(a|aa){1,16}x", "a.*b", "a(.*b)?"]);
    let read = |check: &TextCheck, part: &str, bytes: usize| {
        let guards = Guards::new(vec![Guard::compile(check, false, 64).unwrap()]);
        let text = part.repeat(bytes / part.len());
        guards.apply(&text, Form::Text, &mut Vault::new()).unwrap();
    };
    // Seconds where time grows with the text, hours where it grows with its square.
    for part in ["a", "1", "@"] {
        read(&builtins, part, 1 << 20);
    }
    for part in ["1 ", "a@b.", "eyJ-", "eyJ.", "sk-", "-----BEGIN PRIVATE KEY-----", "::1", "+1"] {
        read(&builtins, part, 1 << 16);
    }
    read(&patterns, "a", 1 << 15);
}
