//! Guards over a text, whole and in pieces, as it is and as JSON. The input is the text; what is not UTF-8 is replaced.
//!
//! Holds: no panic; what comes out does not depend on the split, and what has come out is never taken back; masked
//! JSON is JSON; what was masked reversibly comes back, as it was where the text is no JSON.

#![no_main]
#![forbid(unsafe_code)]

use std::sync::LazyLock;

use filter_config::{Builtin, Keywords, Pattern, TextCheck};
use libfuzzer_sys::fuzz_target;
use prompt_guard::{Chain, Form, Guard, Guards, Piece, Vault};

static MASKING: LazyLock<Guards> = LazyLock::new(|| guards(false));
static REVERSIBLE: LazyLock<Guards> = LazyLock::new(|| guards(true));

/// Every recogniser, patterns with and without a bound, keywords; and a second guard behind the first.
fn guards(reversible: bool) -> Guards {
    let pattern = |regex: &str| Pattern { regex: regex.to_owned(), replacement: None };
    let first = TextCheck {
        builtins: vec![
            Builtin::Ssn,
            Builtin::CreditCard,
            Builtin::PhoneNumber,
            Builtin::Email,
            Builtin::CaSin,
            Builtin::Url,
            Builtin::IpAddress,
            Builtin::Secret,
        ],
        patterns: vec![pattern(r"\bkey: ?\S{4,12}\b"), pattern("(?i)begin.*end"), pattern("x(.*y)?$")],
        reversible,
        ..TextCheck::default()
    };
    let second = TextCheck {
        keywords: Some(Keywords {
            words: ["secret", "top secret", "geheim", "SSN"].map(str::to_owned).to_vec(),
            case_sensitive: false,
            inside_words: false,
        }),
        reversible,
        ..TextCheck::default()
    };
    let compile = |check| Guard::compile(check, false, 16).expect("the checks are valid");
    Guards::new(vec![compile(&first), compile(&second)])
}

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    for form in [Form::Text, Form::Json] {
        let whole = stream(MASKING.start(form), &mut Vault::new(), &text, usize::MAX, "");
        for size in [1, 2, 3, 7, 64] {
            let streamed = stream(MASKING.start(form), &mut Vault::new(), &text, size, &whole);
            assert_eq!(streamed, whole, "pieces of {size}");
        }
        if form == Form::Json && serde_json::from_str::<serde_json::Value>(&text).is_ok() {
            serde_json::from_str::<serde_json::Value>(&whole).expect("masked JSON is JSON");
        }
    }
    let mut vault = Vault::new();
    let applied = REVERSIBLE.apply(&text, Form::Text, &mut vault).expect("nothing rejects");
    let masked = applied.text.as_deref().unwrap_or(&text);
    // Into a text that is JSON so far, values come back with the escapes its strings want.
    let expected = match masked.trim_start().starts_with(['{', '[']) {
        true => vault.restore(masked, Form::Text).unwrap_or_else(|| masked.to_owned()),
        false => text.clone().into_owned(),
    };
    for size in [1, 5, usize::MAX] {
        let chain = Guards::default().start(Form::Text).restoring();
        let restored = stream(chain, &mut vault, masked, size, &expected);
        assert_eq!(restored, expected, "restored in pieces of {size}");
    }
});

/// Streams a text in pieces of so many characters; all that comes out is a beginning of `expected`, if that is given.
fn stream(mut chain: Chain, vault: &mut Vault, text: &str, size: usize, expected: &str) -> String {
    let joined = |out: &[Piece]| out.iter().map(|piece| piece.text.as_str()).collect::<String>();
    let (mut out, mut rest, mut tag) = (Vec::new(), text, 0);
    while !rest.is_empty() {
        let end = rest.char_indices().nth(size).map_or(rest.len(), |(at, _)| at);
        let (piece, behind) = rest.split_at(end);
        chain.push(piece, tag, vault, &mut out).expect("nothing rejects");
        if !expected.is_empty() && text.len() < 1024 {
            assert!(expected.starts_with(&joined(&out)));
        }
        assert!(chain.held_since().is_none_or(|held| out.last().is_none_or(|last| last.tag <= held)));
        rest = behind;
        tag += 1;
    }
    chain.finish(vault, &mut out).expect("nothing rejects");
    joined(&out)
}
