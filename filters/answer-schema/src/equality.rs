//! Equal values, as JSON Schema means it: `1` and `1.0` are equal, the order of properties does not matter.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::number;

/// An order in which equal values are equal; what comes before what means nothing.
pub(crate) fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => number::compare(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => a.len().cmp(&b.len()).then_with(|| {
            a.iter().zip(b).map(|(a, b)| order(a, b)).find(|found| found.is_ne()).unwrap_or(Ordering::Equal)
        }),
        (Value::Object(a), Value::Object(b)) => objects(a, b),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

pub(crate) fn equal(a: &Value, b: &Value) -> bool {
    order(a, b).is_eq()
}

/// Whether no value stands there twice.
pub(crate) fn all_differ(values: &[Value]) -> bool {
    let mut sorted: Vec<&Value> = values.iter().collect();
    sorted.sort_unstable_by(|a, b| order(a, b));
    sorted.iter().zip(sorted.iter().skip(1)).all(|(a, b)| !equal(a, b))
}

fn objects(a: &Map<String, Value>, b: &Map<String, Value>) -> Ordering {
    fn sorted(object: &Map<String, Value>) -> Vec<(&String, &Value)> {
        let mut members: Vec<_> = object.iter().collect();
        members.sort_unstable_by_key(|(name, _)| *name);
        members
    }
    a.len().cmp(&b.len()).then_with(|| {
        let (a, b) = (sorted(a), sorted(b));
        a.into_iter()
            .zip(b)
            .map(|((a_name, a), (b_name, b))| a_name.cmp(b_name).then_with(|| order(a, b)))
            .find(|found| found.is_ne())
            .unwrap_or(Ordering::Equal)
    })
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_and_order_of_properties() {
        assert!(equal(&json!({"a": 1, "b": [2.0]}), &json!({"b": [2], "a": 1.0})));
        for (a, b) in [
            (json!(1), json!(true)),
            (json!(0), json!(false)),
            (json!("1"), json!(1)),
            (json!([1, 2]), json!([2, 1])),
            (json!({"a": 1}), json!({"a": null})),
            (json!({"a": 1}), json!({"b": 1})),
            (json!(null), json!([])),
        ] {
            assert!(!equal(&a, &b), "{a} {b}");
        }
        assert!(all_differ(&[json!(1), json!(true), json!("1"), json!([1])]));
        assert!(!all_differ(&[json!({"a": 1, "b": 2}), json!(0), json!({"b": 2, "a": 1.0})]));
    }
}
