//! Arguments of tool calls: JSON that arrives in fragments.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is a failed test")]

use filter_config::{Action, Builtin, Pattern, TextCheck};
use prompt_guard::{Form, Guard, Guards, Piece, Rejected, Vault};
use proptest::prelude::*;
use serde_json::Value;

fn guards(reversible: bool) -> Guards {
    let check = TextCheck {
        builtins: vec![Builtin::CreditCard, Builtin::Email, Builtin::Ssn],
        patterns: vec![Pattern { regex: "é[a-z]{2}\n?".to_owned(), replacement: Some("\"\n\\".to_owned()) }],
        reversible,
        ..TextCheck::default()
    };
    Guards::new(vec![Guard::compile(&check, false, 64).unwrap()])
}

fn mask(text: &str) -> String {
    let applied = guards(false).apply(text, Form::Json, &mut Vault::new()).unwrap();
    applied.text.unwrap_or_else(|| text.to_owned())
}

fn joined(pieces: &[Piece]) -> String {
    pieces.iter().map(|piece| piece.text.as_str()).collect()
}

/// Streams in pieces of some lengths, in characters.
fn stream(text: &str, lengths: &[usize], restoring: bool, reversible: bool, vault: &mut Vault) -> String {
    let guards = if restoring { Guards::default() } else { guards(reversible) };
    let mut chain = guards.start(Form::Json);
    if restoring {
        chain = chain.restoring();
    }
    let (mut out, mut tag) = (Vec::new(), 0);
    let mut lengths = lengths.iter().cycle();
    let mut chars = text.chars().peekable();
    while chars.peek().is_some() {
        let piece: String = chars.by_ref().take(*lengths.next().unwrap()).collect();
        tag += 1;
        chain.push(&piece, tag, vault, &mut out).unwrap();
        assert!(
            chain.held_since().is_none_or(|held| held <= tag && out.last().is_none_or(|p| p.tag <= held))
        );
        assert!(out.windows(2).all(|pair| pair[0].tag < pair[1].tag), "{out:?}");
    }
    chain.finish(vault, &mut out).unwrap();
    assert_eq!(chain.held_since(), None);
    joined(&out)
}

#[test]
fn values_keys_and_numbers_are_masked_and_the_rest_stays_as_written() {
    for (text, expected) in [
        (r#"{"path": "/tmp/a" , "n":1.50e3,"b":[true,null ] }"#, "="),
        (r#"{"to":"a@b.com","a@b.com":1}"#, r#"{"to":"<EMAIL_ADDRESS>","<EMAIL_ADDRESS>":1}"#),
        (r#"{"card": 4111111111111111}"#, r#"{"card": "<CREDIT_CARD>"}"#),
        (r#"[4111111111111111 , 4111111111111112]"#, r#"["<CREDIT_CARD>" , 4111111111111112]"#),
        ("4111111111111111", r#""<CREDIT_CARD>""#),
        ("-4111111111111111 ", r#""-<CREDIT_CARD>" "#),
        // Escapes are seen through and kept.
        (
            r#"{"a":"x\u0040b.com \/ \u00e9 \ud834\udd1e"}"#,
            r#"{"a":"<EMAIL_ADDRESS> \/ \u00e9 \ud834\udd1e"}"#,
        ),
        (r#""\u00e9ab\nx""#, r#""\"\n\\x""#),
        (r#""1\u00323-45-6789\"""#, r#""<SSN>\"""#),
        // What no character stands for.
        (r#""\ud834 \udd1e \ud834\n \ud834\ud834\udd1e""#, "="),
        // A match does not go beyond its value.
        (r#"["123-45","-6789"]"#, "="),
        (r#"{"a":""}"#, "="),
        ("", "="),
        // No JSON.
        ("mail a@b.com", "mail <EMAIL_ADDRESS>"),
        ("{'to': 'a@b.com'}", "{'to': '<EMAIL_ADDRESS>'}"),
        (r#"{"a": 4111 1111 1111 1111}"#, r#"{"a": <CREDIT_CARD>}"#),
        ("123-45-6789", "<SSN>"),
        (r#"{"a":tru a@b.com}"#, r#"{"a":tru <EMAIL_ADDRESS>}"#),
        (r#"{"a":1} a@b.com"#, r#"{"a":1} <EMAIL_ADDRESS>"#),
        // Cut off.
        (r#"{"a":"a@b.com"#, r#"{"a":"<EMAIL_ADDRESS>"#),
        (r#"{"a":"a@b.com\u00"#, r#"{"a":"<EMAIL_ADDRESS>\u00"#),
        (r#"{"a":4111111111111111"#, r#"{"a":"<CREDIT_CARD>""#),
        (r#"{"a":"\q\u12x"}"#, "="),
    ] {
        let expected = if expected == "=" { text } else { expected };
        assert_eq!(mask(text), expected, "{text}");
        for lengths in [[1], [2], [3], [5]] {
            assert_eq!(
                stream(text, &lengths, false, false, &mut Vault::new()),
                expected,
                "{text} by {lengths:?}"
            );
        }
    }
}

#[test]
fn values_come_back_into_json_escaped() {
    let mut vault = Vault::new();
    let placeholder = vault.placeholder("<NAME>", "a \"b\"\n");
    assert_eq!(placeholder, "<NAME_1>");
    let text = r#"{"a":"x \u003cNAME_1> <NAME_2>","<NAME_1>":[1]}"#;
    let expected = r#"{"a":"x a \"b\"\n <NAME_2>","a \"b\"\n":[1]}"#;
    assert_eq!(vault.restore(text, Form::Json).as_deref(), Some(expected));
    for length in 1..9 {
        assert_eq!(stream(text, &[length], true, false, &mut vault), expected);
    }
}

/// What a model says where it is asked for JSON is a text to guards.
#[test]
fn values_come_back_escaped_into_texts_that_are_json() {
    let mut vault = Vault::new();
    vault.placeholder("<NAME>", "a \"b\"\n");
    let raw = "a \"b\"\n";
    let escaped = r#"a \"b\"\n"#;
    for (text, value) in [
        (r#"{"a":"x <NAME_1>y","<NAME_1>":["<NAME_1>"]}"#, escaped),
        ("\n [\"<NAME_1>\"]", escaped),
        (r#"{"a":"\"<NAME_1>\"#, escaped),
        (r#"{"a":<NAME_1>}"#, raw),
        (r#"{"a":1} "<NAME_1>""#, raw),
        (r#"[see](x) "<NAME_1>""#, raw),
        (r#""<NAME_1>""#, raw),
        (r#"It is {"a":"<NAME_1>"}"#, raw),
        ("<NAME_1>", raw),
    ] {
        let expected = text.replace("<NAME_1>", value);
        assert_eq!(vault.restore(text, Form::Text).as_deref(), Some(expected.as_str()), "{text}");
        for length in 1..9 {
            let mut chain = Guards::default().start(Form::Text).restoring();
            let mut out = Vec::new();
            let chars: Vec<char> = text.chars().collect();
            for piece in chars.chunks(length) {
                chain.push(&piece.iter().collect::<String>(), 0, &mut vault, &mut out).unwrap();
            }
            chain.finish(&mut vault, &mut out).unwrap();
            assert_eq!(joined(&out), expected, "{text} by {length}");
        }
    }
}

#[test]
fn what_is_rejected_in_a_value_stays_inside() {
    let check =
        TextCheck { action: Action::Reject, builtins: vec![Builtin::CreditCard], ..TextCheck::default() };
    let guards = Guards::new(vec![Guard::compile(&check, false, 64).unwrap()]);
    let (mut chain, mut vault, mut out) = (guards.start(Form::Json), Vault::new(), Vec::new());
    chain.push(r#"{"a":"b","c":41111111"#, 1, &mut vault, &mut out).unwrap();
    assert_eq!(chain.push("11111111}", 2, &mut vault, &mut out), Err(Rejected { guard: 0 }));
    assert_eq!(chain.push("x", 3, &mut vault, &mut out), Err(Rejected { guard: 0 }));
    assert_eq!(chain.finish(&mut vault, &mut out), Err(Rejected { guard: 0 }));
    assert_eq!(joined(&out), r#"{"a":"b","c":"#);
}

fn string() -> impl Strategy<Value = String> {
    let parts = [
        "a",
        "@",
        "b.com",
        " ",
        "é",
        "ab",
        "\n",
        "\"",
        "\\",
        "123-45",
        "-6789",
        "4111111111111111",
        "𝄞",
        "<",
        "_1>",
    ];
    prop::collection::vec(prop::sample::select(parts.to_vec()), 0..6).prop_map(|parts| parts.concat())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![Just(4111111111111111_i64), Just(0), -5_i64..1_000_000_000].prop_map(Value::from),
        Just(Value::from(-1.5e-7)),
        string().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((string(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Writes a value with some of its characters escaped and some white space.
fn written(value: &Value, escape: u32) -> String {
    let text = if escape.is_multiple_of(2) {
        value.to_string()
    } else {
        serde_json::to_string_pretty(value).unwrap()
    };
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        let escaped = (c.is_alphabetic() && !c.is_ascii()) || c == '@' || c == '<' || c == '𝄞';
        if escaped && (index as u32 * 7 + escape).is_multiple_of(3) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

fn masked_value(value: &Value) -> Value {
    let mask = |text: &str| {
        let applied = guards(false).apply(text, Form::Text, &mut Vault::new()).unwrap();
        applied.text.unwrap_or_else(|| text.to_owned())
    };
    match value {
        Value::String(text) => Value::from(mask(text)),
        Value::Number(number) => {
            let text = number.to_string();
            let masked = mask(&text);
            if masked == text { value.clone() } else { Value::from(masked) }
        }
        Value::Array(items) => items.iter().map(masked_value).collect(),
        Value::Object(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (mask(key), masked_value(value))).collect())
        }
        other => other.clone(),
    }
}

fn keys_stay_apart(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(keys_stay_apart),
        Value::Object(entries) => {
            let masked = masked_value(value);
            masked.as_object().is_some_and(|masked| masked.len() == entries.len())
                && entries.values().all(keys_stay_apart)
        }
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn the_masked_text_is_the_masked_value(
        value in value(),
        escape in 0_u32..6,
        lengths in prop::collection::vec(1_usize..9, 1..4),
    ) {
        let text = written(&value, escape);
        prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), &value);
        let masked = mask(&text);
        let parsed: Value = serde_json::from_str(&masked).unwrap();
        if keys_stay_apart(&value) {
            prop_assert_eq!(parsed, masked_value(&value));
        }
        prop_assert_eq!(stream(&text, &lengths, false, false, &mut Vault::new()), masked);
        let mut vault = Vault::new();
        let streamed = stream(&text, &lengths, false, true, &mut vault);
        let restored: Value = serde_json::from_str(&stream(&streamed, &lengths, true, false, &mut vault)).unwrap();
        // Numbers come back as strings.
        fn text_of(value: &Value) -> String {
            value.to_string().replace('"', "").replace("\\\\", "").replace('\\', "")
        }
        prop_assert_eq!(text_of(&restored), text_of(&value));
    }

    #[test]
    fn what_is_no_json_does_not_depend_on_the_split(
        parts in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ":", ",", "\"", "\\", "\\u", "00e9", "d834", "\\udd1e", "a", "@b.com", " ", "\n", "4111",
            "1111", "-", "true", "tru", "e", ".", "é", "123-45-6789",
        ]), 0..16),
        lengths in prop::collection::vec(1_usize..9, 1..4),
    ) {
        let text = parts.concat();
        prop_assert_eq!(stream(&text, &lengths, false, false, &mut Vault::new()), mask(&text));
    }
}
