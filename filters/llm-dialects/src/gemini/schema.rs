//! Schemas: this API's own subset of OpenAPI 3.0 (`parameters`, `responseSchema`) as JSON schema, and JSON schema as
//! `parametersJsonSchema` and `responseJsonSchema` take it.
//! <https://ai.google.dev/api/caching#Schema>, <https://ai.google.dev/gemini-api/docs/structured-output#json-schemas>
//!
//! Nested deeper than the JSON parser goes (128 levels) no schema gets here, so recursion is bounded.

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

/// A schema of this API as JSON schema; `None` for what is no JSON object.
///
/// Type names become lower-case, `nullable` a type `null`, numbers written as strings numbers. `propertyOrdering` is
/// applied and left out.
pub(super) fn to_json_schema(schema: &RawValue) -> Option<Box<RawValue>> {
    let Value::Object(map) = serde_json::from_str(schema.get()).ok()? else { return None };
    to_raw_value(&Value::Object(standard(map))).ok()
}

fn standard_value(schema: Value) -> Value {
    match schema {
        Value::Object(map) => Value::Object(standard(map)),
        other => other,
    }
}

fn standard_map(schemas: Value) -> Value {
    match schemas {
        Value::Object(map) => map.into_iter().map(|(name, schema)| (name, standard_value(schema))).collect(),
        other => other,
    }
}

fn standard(schema: Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::new();
    let mut nullable = false;
    let mut ordering = Vec::new();
    for (key, value) in schema {
        match key.as_str() {
            "type" => match value {
                Value::String(name) if name == "TYPE_UNSPECIFIED" => {}
                Value::String(name) => {
                    out.insert(key, Value::String(name.to_ascii_lowercase()));
                }
                other => {
                    out.insert(key, other);
                }
            },
            "nullable" => nullable = value == Value::Bool(true),
            // Widths of numbers and the mark of an enum: JSON schema has no such formats.
            "format" if matches!(value.as_str(), Some("enum" | "int32" | "int64" | "float" | "double")) => {}
            "properties" => {
                out.insert(key, standard_map(value));
            }
            "defs" => {
                out.insert("$defs".to_owned(), standard_map(value));
            }
            "ref" => {
                let target = value.as_str().unwrap_or_default();
                out.insert("$ref".to_owned(), Value::String(target.replacen("#/defs/", "#/$defs/", 1)));
            }
            "items" | "additionalProperties" | "additional_properties" => {
                let key =
                    if key == "additional_properties" { "additionalProperties".to_owned() } else { key };
                out.insert(key, standard_value(value));
            }
            "anyOf" | "any_of" => {
                let all = match value {
                    Value::Array(all) => Value::Array(all.into_iter().map(standard_value).collect()),
                    other => other,
                };
                out.insert("anyOf".to_owned(), all);
            }
            "example" => {
                out.insert("examples".to_owned(), Value::Array(vec![value]));
            }
            "propertyOrdering" | "property_ordering" => {
                ordering = value.as_array().cloned().unwrap_or_default();
            }
            "minItems" | "min_items" | "maxItems" | "max_items" | "minLength" | "min_length"
            | "maxLength" | "max_length" | "minProperties" | "min_properties" | "maxProperties"
            | "max_properties" => {
                out.insert(camel(&key), number(value));
            }
            _ => {
                out.insert(key, value);
            }
        }
    }
    if matches!(out.get("type").and_then(Value::as_str), Some("integer" | "number"))
        && let Some(Value::Array(values)) = out.get_mut("enum")
    {
        for value in values {
            *value = number(value.take());
        }
    }
    order(&mut out, &ordering);
    if nullable {
        allow_null(&mut out);
    }
    out
}

fn camel(key: &str) -> String {
    let mut words = key.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// protobuf's JSON writes 64-bit numbers as strings.
fn number(value: Value) -> Value {
    match value.as_str().and_then(|text| serde_json::from_str::<serde_json::Number>(text).ok()) {
        Some(number) => Value::Number(number),
        None => value,
    }
}

fn order(schema: &mut Map<String, Value>, ordering: &[Value]) {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        let mut ordered = Map::new();
        for name in ordering.iter().filter_map(Value::as_str) {
            if let Some(property) = properties.shift_remove(name) {
                ordered.insert(name.to_owned(), property);
            }
        }
        ordered.append(properties);
        *properties = ordered;
    }
}

fn allow_null(schema: &mut Map<String, Value>) {
    if let Some(kind @ Value::String(_)) = schema.get_mut("type") {
        *kind = Value::Array(vec![kind.take(), Value::String("null".to_owned())]);
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
    }
    if let Some(Value::Array(all)) = schema.get_mut("anyOf") {
        all.push(serde_json::json!({"type": "null"}));
    }
}

/// JSON schema as this API takes it; `None` for what is no JSON object.
///
/// `$schema` goes, `definitions` are renamed, a `$ref` stands alone, `const` becomes an `enum` of one, exclusive bounds
/// become inclusive ones, an `allOf` of one is merged, and an `enum` keeps strings and numbers only. Other keywords
/// the API does not know it overlooks.
pub(super) fn for_gemini(schema: &RawValue) -> Option<Value> {
    let Value::Object(map) = serde_json::from_str(schema.get()).ok()? else { return None };
    Some(Value::Object(fit(map)))
}

fn fit_value(schema: Value) -> Value {
    match schema {
        Value::Object(map) => Value::Object(fit(map)),
        // `true` allows everything, as the empty schema does.
        Value::Bool(true) => Value::Object(Map::new()),
        other => other,
    }
}

fn fit_map(schemas: Value) -> Value {
    match schemas {
        Value::Object(map) => map.into_iter().map(|(name, schema)| (name, fit_value(schema))).collect(),
        other => other,
    }
}

fn fit_list(schemas: Value) -> Value {
    match schemas {
        Value::Array(all) => Value::Array(all.into_iter().map(fit_value).collect()),
        other => other,
    }
}

fn fit(schema: Map<String, Value>) -> Map<String, Value> {
    let whole = schema.get("type").and_then(Value::as_str) == Some("integer");
    let mut out = Map::new();
    for (key, value) in schema {
        match key.as_str() {
            "$schema" => {}
            "$ref" => {
                let target = value.as_str().unwrap_or_default();
                out.insert(key, Value::String(target.replacen("#/definitions/", "#/$defs/", 1)));
            }
            "$defs" | "definitions" => {
                out.insert("$defs".to_owned(), fit_map(value));
            }
            "properties" => {
                out.insert(key, fit_map(value));
            }
            "additionalProperties" if value.is_boolean() => {
                out.insert(key, value);
            }
            "items" | "additionalProperties" => {
                out.insert(key, fit_value(value));
            }
            "anyOf" | "oneOf" | "prefixItems" => {
                out.insert(key, fit_list(value));
            }
            "allOf" => all_of(&mut out, value),
            "const" => {
                if value.is_string() || value.is_number() {
                    out.insert("enum".to_owned(), Value::Array(vec![value]));
                }
            }
            "enum" => {
                let mut values = value.as_array().cloned().unwrap_or_default();
                values.retain(|value| value.is_string() || value.is_number());
                if !values.is_empty() {
                    out.insert(key, Value::Array(values));
                }
            }
            "exclusiveMinimum" if value.is_number() => bound(&mut out, "minimum", &value, whole, 1),
            "exclusiveMaximum" if value.is_number() => bound(&mut out, "maximum", &value, whole, -1),
            _ => {
                out.insert(key, value);
            }
        }
    }
    if out.contains_key("$ref") {
        out.retain(|key, _| key.starts_with('$'));
    }
    out
}

/// The inclusive bound for an exclusive one: the next whole number, or the same number.
fn bound(out: &mut Map<String, Value>, key: &str, value: &Value, whole: bool, step: i64) {
    let next = value.as_i64().filter(|_| whole).and_then(|number| number.checked_add(step));
    out.insert(key.to_owned(), next.map_or_else(|| value.clone(), Value::from));
}

/// Pydantic wraps a reference beside a description into an `allOf` of one.
fn all_of(out: &mut Map<String, Value>, value: Value) {
    match value {
        Value::Array(mut all) if all.len() == 1 => {
            if let Some(Value::Object(only)) = all.pop() {
                out.extend(fit(only));
            }
        }
        all => {
            out.insert("allOf".to_owned(), fit_list(all));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn openapi_becomes_json_schema() {
        for (schema, expected) in [
            (
                r#"{"type":"OBJECT","properties":{"type":{"type":"STRING","nullable":true,"format":"enum","enum":["A"]},
                    "n":{"type":"ARRAY","items":{"type":"INTEGER","enum":["1","2"]},"minItems":"1"}},
                    "required":["n"],"propertyOrdering":["n","type"]}"#,
                r#"{"type":"object","properties":{"n":{"type":"array","items":{"type":"integer","enum":[1,2]},"minItems":1},"type":{"type":["string","null"],"enum":["A",null]}},"required":["n"]}"#,
            ),
            (
                r##"{"any_of":[{"ref":"#/defs/P"},{"type":"NUMBER","format":"double"}],"nullable":true,"defs":{"P":{"type":"BOOLEAN"}},"example":1}"##,
                r##"{"anyOf":[{"$ref":"#/$defs/P"},{"type":"number"},{"type":"null"}],"$defs":{"P":{"type":"boolean"}},"examples":[1]}"##,
            ),
            (
                r#"{"type":"object","properties":{"x":{"type":"string","format":"date"}},"additionalProperties":false}"#,
                r#"{"type":"object","properties":{"x":{"type":"string","format":"date"}},"additionalProperties":false}"#,
            ),
        ] {
            assert_eq!(to_json_schema(&raw(schema)).unwrap().get(), expected);
        }
        assert!(to_json_schema(&raw("[]")).is_none());
    }

    #[test]
    fn json_schema_is_made_to_fit() {
        for (schema, expected) in [
            (
                r##"{"$schema":"x","type":"object","properties":{"const":{"const":"a"},"n":{"type":"integer","exclusiveMinimum":0},
                    "f":{"type":"number","exclusiveMaximum":1.5},"r":{"$ref":"#/definitions/R","description":"d"},
                    "any":true,"e":{"enum":["a",null,true,1]}},"definitions":{"R":{"type":"string","$schema":"y"}},
                    "additionalProperties":false}"##,
                r##"{"type":"object","properties":{"const":{"enum":["a"]},"n":{"type":"integer","minimum":1},"f":{"type":"number","maximum":1.5},"r":{"$ref":"#/$defs/R"},"any":{},"e":{"enum":["a",1]}},"$defs":{"R":{"type":"string"}},"additionalProperties":false}"##,
            ),
            (
                r##"{"description":"d","allOf":[{"$ref":"#/$defs/R"}],"pattern":"x"}"##,
                r##"{"$ref":"#/$defs/R"}"##,
            ),
            (
                r#"{"title":"t","allOf":[{"minLength":1,"type":"string"}],"oneOf":[{"const":1}]}"#,
                r#"{"title":"t","minLength":1,"type":"string","oneOf":[{"enum":[1]}]}"#,
            ),
        ] {
            assert_eq!(for_gemini(&raw(schema)).unwrap().to_string(), expected);
        }
    }
}
