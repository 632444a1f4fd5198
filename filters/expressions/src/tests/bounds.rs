//! Evaluation ends, and never panics.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Context, Error, Expression, MAX_DEPTH};

fn run(text: &str, context: &Context<'_>) -> Result<Value, Error> {
    Expression::compile(text)?.evaluate(context)
}

/// Deep expressions fit a debug build's stack of 2 MiB, and with it a Wasm module's of 1 MiB, where frames are a
/// third as large.
#[test]
fn the_deepest_expressions_fit_the_stack() {
    let wrapped = |open: &str, core: &str, close: &str, levels: usize| {
        format!("{}{core}{}", open.repeat(levels), close.repeat(levels))
    };
    let mut texts = vec![
        wrapped("1 + ", "1", "", MAX_DEPTH - 1),
        wrapped("[", "1", "]", 70),
        wrapped("{'a': ", "1", "}", 70),
        wrapped("false ? 2 : ", "1", "", 70),
        wrapped("coalesce(null, ", "1", ")", 70),
        wrapped("default(", "1", ", 2)", 70),
        wrapped("[1].map(x, ", "x", ")", 25),
        wrapped("[1].exists(x, ", "true", ")", 35),
        wrapped("1.with(x, ", "x", ")", 70),
        wrapped("[", "1", "].flattenRecursive()", 38),
        wrapped("string(", "1", ")", 70),
    ];
    texts.push(format!("a{}", ".merge({'a': 1})".repeat(70)));
    for text in texts {
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
            let mut context = Context::new();
            context.bind("a", json!({}));
            (run(&text, &context).map(drop), text)
        });
        let (result, text) = thread.unwrap().join().unwrap();
        assert_eq!(result, Ok(()), "{text}");
    }
}

#[test]
fn hostile_evaluations_are_stopped() {
    let mut context = Context::new();
    let list: Vec<u32> = (0..3000).collect();
    context.bind("list", json!(list));
    context.bind("text", "a".repeat(1 << 20));
    context.bind("many", json!({"k": vec!["a".repeat(1000); 1000]}));
    for text in [
        "list.map(a, list.map(b, list.map(c, 1)))",
        "list.exists(a, list.all(b, list.exists(c, c < 0)))",
        "list.map(a, list)",
        "list.map(a, text + text)",
        "list.map(a, text.contains('b'))",
        "list.map(a, text.replace('a', 'bb'))",
        "text.replace('a', text)",
        "text.split('')",
        "list.map(a, text.matches('(a*)*b'))",
        "text.regexReplace('a', '$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0')",
        "list.map(a, many)",
        "list.map(a, 'x'.matches('a' + string(a) + '(b{9}c){9}'))",
        "list.map(a, list == list)",
        "list.map(a, sha256.encode(text))",
        "list.map(a, text.lastIndexOf('bbbbbbbbbbbbbbbbb'))",
        "list.map(a, nothing || list.all(b, true)) == []  || list.map(a, list.map(b, [a, b, a])).size() > 0 && coalesce(list.map(a, list.map(b, b + a)), 1) == 2",
    ] {
        let result = run(text, &context);
        assert!(matches!(result, Err(Error::Limit { .. })), "{text}: {:?}", result.map(drop));
    }
}

#[test]
fn appending_is_linear_and_lent_values_are_not_copied() {
    let list: Vec<u32> = (0..100_000).collect();
    let lists = json!(list);
    let image = json!({"image": "A".repeat(20 << 20), "model": "m"});
    let mut context = Context::new();
    context.lend("list", &lists);
    let result = run("list.filter(x, x % 2 == 0).map(x, x + 1).size()", &context);
    assert_eq!(result, Ok(json!(50_000)));
    context.lend("llmRequest", &image);
    assert_eq!(run("llmRequest.merge({'model': 'n'}).model", &context), Ok(json!("n")));
    assert_eq!(run("llmRequest.merge({'model': 'n'}).image.size()", &context), Ok(json!(20 << 20)));
    assert_eq!(run("llmRequest", &context).map(|whole| whole == image), Ok(true));
}

/// Pieces of expressions, mostly well formed.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("a".to_owned()),
        Just("a.l".to_owned()),
        Just("a.m.k".to_owned()),
        Just("a.s".to_owned()),
        Just("nothing".to_owned()),
        Just("x".to_owned()),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("9223372036854775807".to_owned()),
        Just("-9223372036854775808".to_owned()),
        Just("18446744073709551615u".to_owned()),
        Just("1e308".to_owned()),
        Just("b'\\xff'".to_owned()),
        Just("''".to_owned()),
        Just("'é漢'".to_owned()),
        (-3i8..9).prop_map(|value| value.to_string()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let operator = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", " in ",
        ]);
        let name = prop::sample::select(crate::functions());
        let loops = prop::sample::select(vec![
            "map",
            "filter",
            "all",
            "exists",
            "exists_one",
            "mapValues",
            "filterKeys",
            "with",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, by, b)| format!("({a}{by}{b})")),
            (name, prop::collection::vec(inner.clone(), 0..4))
                .prop_map(|(name, all)| format!("{name}({})", all.join(","))),
            (inner.clone(), loops, inner.clone()).prop_map(|(a, name, b)| format!("({a}).{name}(x, {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            prop::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(","))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{{a}: {b}}}")),
            inner.clone().prop_map(|a| format!("has(({a}).k)")),
            inner.clone().prop_map(|a| format!("!({a})")),
            inner.prop_map(|a| format!("-({a})")),
        ]
    })
}

fn context() -> Context<'static> {
    let mut context = Context::new();
    context.bind("a", json!({"l": [1, "x", null, [2.5]], "m": {"k": "vé"}, "s": "2"}));
    context
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn well_formed_fragments_never_panic(text in expression()) {
        let context = context();
        let first = run(&text, &context);
        prop_assert_eq!(first, run(&text, &context));
    }

    #[test]
    fn any_text_never_panics(
        noise in "\\PC{0,40}",
        tokens in prop::collection::vec(
            prop::sample::select(vec![
                "a", ".", "(", ")", "[", "]", "{", "}", ":", "?", ",", "+", "-", "!", "'", "\"", "r'", "b\"", "'''", "\\",
                "\\x", "\\u12", "\\U0010ffff", "0x", "1", "1.", "1e", "9u", "é", "`", "//", "\n", "&&", "|", "=", "in", "has",
                "map", "all", "x", "null", "@", "\\377", " ",
            ]),
            0..16,
        ),
    ) {
        for text in [noise, tokens.concat()] {
            let _ = run(&text, &context());
        }
    }
}
