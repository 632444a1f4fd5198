//! Our evaluation against the `cel` crate's.

use cel::Program;
use cel::objects::{Key, Map};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Context, Expression};

/// The `cel` crate's value as JSON, `None` for what JSON has not.
fn to_json(value: &cel::Value) -> Option<Value> {
    Some(match value {
        cel::Value::Null => Value::Null,
        cel::Value::Bool(value) => json!(value),
        cel::Value::Int(value) => json!(value),
        cel::Value::UInt(value) => json!(value),
        cel::Value::Float(value) if value.fract() == 0.0 => json!(*value as i64),
        cel::Value::Float(value) => json!(value),
        cel::Value::String(value) => json!(value.as_str()),
        cel::Value::List(list) => Value::Array(list.iter().map(to_json).collect::<Option<_>>()?),
        cel::Value::Map(Map { map }) => {
            let mut object = serde_json::Map::new();
            for (key, value) in map.iter() {
                let Key::String(key) = key else { return None };
                object.insert(key.to_string(), to_json(value)?);
            }
            Value::Object(object)
        }
        _ => return None,
    })
}

/// Well-typed expressions over small values: what both must agree on.
fn number() -> impl Strategy<Value = String> {
    let leaf =
        prop_oneof![(0i8..9).prop_map(|n| n.to_string()), Just("n".to_owned()), Just("m.k".to_owned())];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!["+", "-", "*", "/", "%"]), inner.clone())
                .prop_map(|(a, by, b)| format!("({a} {by} {b})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} < {b} ? {b} : {c})")),
            inner.clone().prop_map(|a| format!("size([{a}, 1].filter(x, x > {a}))")),
            inner.clone().prop_map(|a| format!("[{a}, 2][{a}]")),
            inner.prop_map(|a| format!("-({a})")),
        ]
    })
}

fn condition() -> impl Strategy<Value = String> {
    let leaf = (number(), prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]), number())
        .prop_map(|(a, by, b)| format!("{a} {by} {b}"));
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            inner.clone().prop_map(|a| format!("[1, 2, 0].all(x, 4 / x > 1 && ({a}))")),
            inner.clone().prop_map(|a| format!("[0, 2, 1].exists(x, 4 / x > 3 || ({a}))")),
            inner.clone().prop_map(|a| format!("['a', 'b'].exists_one(x, x == 'a' && ({a}))")),
            inner.prop_map(|a| format!("has(m.k) && ({a})")),
        ]
    })
}

fn anything() -> impl Strategy<Value = String> {
    prop_oneof![
        number(),
        condition(),
        number().prop_map(|a| format!("[1, 2, 3].map(x, x + {a})")),
        number().prop_map(|a| format!("{{'a': {a}, 'b': ['x']}}")),
        condition().prop_map(|a| format!("[t, 'b'].map(x, ({a}), x + 'c')")),
        number().prop_map(|a| format!("string({a}) + t")),
        number().prop_map(|a| format!("{a} in [1, 2, n] || t.contains('e')")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn agrees_with_the_cel_crate(text in anything()) {
        let mut theirs = cel::Context::default();
        theirs.add_variable_from_value("n", 4i64);
        theirs.add_variable_from_value("t", "text");
        theirs.add_variable_from_value("m", std::collections::HashMap::from([("k", 2i64)]));
        let theirs = Program::compile(&text).unwrap().execute(&theirs);
        let mut context = Context::new();
        context.bind("n", 4);
        context.bind("t", "text");
        context.bind("m", json!({"k": 2}));
        let ours = Expression::compile(&text).unwrap().evaluate(&context);
        match theirs {
            Ok(value) => prop_assert_eq!(ours.ok(), to_json(&value), "{}", text),
            Err(error) => prop_assert!(ours.is_err(), "{}: {:?} instead of {}", text, ours, error),
        }
    }
}
