//! JSON objects as `google.protobuf.Struct`.

use prost_types::{ListValue, Struct, Value as ProtoValue, value::Kind};
use serde_json::{Map, Number, Value};

use crate::Error;

/// The largest integer up to which every integer is a double (2^53).
const EXACT_INTEGERS: u64 = 1 << 53;

/// Builds a `google.protobuf.Struct` from a JSON object, e.g. for `Metadata.filter_metadata`. Keys come out
/// sorted.
///
/// # Errors
/// [`Error::NumberTooPrecise`] for an integer beyond ±2^53: `Value` knows only doubles.
pub fn struct_from_json(object: &Map<String, Value>) -> Result<Struct, Error> {
    let fields = object.iter().map(|(key, value)| Ok((key.clone(), value_from_json(value)?)));
    Ok(Struct { fields: fields.collect::<Result<_, Error>>()? })
}

fn value_from_json(value: &Value) -> Result<ProtoValue, Error> {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(b) => Kind::BoolValue(*b),
        Value::Number(n) => Kind::NumberValue(double(n)?),
        Value::String(s) => Kind::StringValue(s.clone()),
        Value::Array(items) => Kind::ListValue(ListValue {
            values: items.iter().map(value_from_json).collect::<Result<_, Error>>()?,
        }),
        Value::Object(object) => Kind::StructValue(struct_from_json(object)?),
    };
    Ok(ProtoValue { kind: Some(kind) })
}

fn double(number: &Number) -> Result<f64, Error> {
    let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
    match number.as_f64() {
        Some(double) if magnitude.is_none_or(|m| m <= EXACT_INTEGERS) => Ok(double),
        _ => Err(Error::NumberTooPrecise { number: number.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_json_value_survives() {
        let json = json!({
            "list": [1, -2.5, true, null, "x"],
            "nested": {"empty": {}, "none": []},
        });
        let built = struct_from_json(json.as_object().unwrap()).unwrap();
        let printed = crate::to_json_value(&crate::pack_struct(&built)).unwrap();
        assert_eq!(
            printed["value"],
            json!({
                "list": [1.0, -2.5, true, null, "x"],
                "nested": {"empty": {}, "none": []},
            })
        );
    }

    #[test]
    fn integers_a_double_cannot_hold_are_refused() {
        for (json, fits) in [
            (json!({"n": 9_007_199_254_740_992_u64}), true),
            (json!({"n": 9_007_199_254_740_993_u64}), false),
            (json!({"n": -9_007_199_254_740_993_i64}), false),
            (json!({"n": u64::MAX}), false),
        ] {
            assert_eq!(struct_from_json(json.as_object().unwrap()).is_ok(), fits, "{json}");
        }
    }
}
