//! Tool arguments made up from a JSON Schema.
//!
//! Not a schema engine: it follows `const`, `enum`, `default`, local `$ref`, `allOf`, the first `anyOf` or `oneOf`
//! branch, `type`, `minimum`, `properties`, `required` and `items`. What it does not know it ignores, as a model may.

use serde_json::{Map, Value, json};

use crate::json::{list, present, text};

/// Schemas can refer to themselves; below this depth a value is `null`.
const DEEPEST: usize = 16;

/// Arguments for a call: an object with the schema's required properties. A string is `word`, a number is 1 (or its
/// `minimum`), a boolean is true, an array has one item, and an `enum` gives its first value.
pub(crate) fn synthesise(schema: &Value, word: &str) -> Value {
    match (Writer { root: schema, word }).value(schema, 0) {
        Value::Object(arguments) => Value::Object(arguments),
        // Both providers require a tool's schema to be an object schema; one that is not gets no arguments.
        _ => json!({}),
    }
}

/// The word of the user's text that string arguments get: the last that starts with a capital letter, else `demo`.
pub(crate) fn word_from(user_text: &str) -> &str {
    user_text
        .split(|character: char| !(character.is_alphanumeric() || matches!(character, '-' | '_')))
        .rfind(|word| word.starts_with(char::is_uppercase))
        .unwrap_or("demo")
}

struct Writer<'a> {
    root: &'a Value,
    word: &'a str,
}

impl Writer<'_> {
    fn value(&self, schema: &Value, depth: usize) -> Value {
        if depth > DEEPEST {
            return Value::Null;
        }
        if let Some(value) = schema.get("const").or_else(|| list(schema, "enum").first()) {
            return value.clone();
        }
        if let Some(default) = present(schema, "default") {
            return default.clone();
        }
        if let Some(target) = text(schema, "$ref").and_then(|reference| self.resolve(reference)) {
            return self.value(target, depth + 1);
        }
        match self.type_of(schema) {
            Some("string") => Value::from(self.word),
            Some("integer" | "number") => self.number(schema),
            Some("boolean") => Value::from(true),
            Some("array") => match schema.get("items") {
                Some(items) => json!([self.value(items, depth + 1)]),
                None => json!([self.word]),
            },
            Some("object") => self.object(schema, depth),
            Some(_) => Value::Null,
            None => self.branch(schema, depth),
        }
    }

    /// The declared type, the first that is not `null` if there are several, or what the other keywords imply.
    fn type_of<'s>(&self, schema: &'s Value) -> Option<&'s str> {
        match schema.get("type") {
            Some(Value::String(name)) => Some(name),
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
            _ if schema.get("properties").is_some() || schema.get("allOf").is_some() => Some("object"),
            _ if schema.get("items").is_some() => Some("array"),
            _ => None,
        }
    }

    fn number(&self, schema: &Value) -> Value {
        match schema.get("minimum") {
            Some(minimum) if minimum.as_f64().is_some_and(|minimum| minimum > 1.0) => minimum.clone(),
            _ => Value::from(1),
        }
    }

    /// The required properties, with those that the parts of an `allOf` require.
    fn object(&self, schema: &Value, depth: usize) -> Value {
        let mut object = Map::new();
        for part in list(schema, "allOf") {
            if let Value::Object(members) = self.value(part, depth + 1) {
                object.extend(members);
            }
        }
        for name in list(schema, "required").iter().filter_map(Value::as_str) {
            let property = schema.get("properties").and_then(|properties| properties.get(name));
            // A property may be required here and described by a part of the `allOf`.
            let value = match property {
                Some(property) => self.value(property, depth + 1),
                None if object.contains_key(name) => continue,
                None => Value::from(self.word),
            };
            object.insert(name.to_owned(), value);
        }
        Value::Object(object)
    }

    /// The first branch of a choice that is not `null`; a schema that says nothing allows any value, so a string.
    fn branch(&self, schema: &Value, depth: usize) -> Value {
        let mut branches = list(schema, "anyOf").iter().chain(list(schema, "oneOf"));
        match branches.find(|branch| text(branch, "type") != Some("null")) {
            Some(branch) => self.value(branch, depth + 1),
            None => Value::from(self.word),
        }
    }

    fn resolve(&self, reference: &str) -> Option<&Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_value() {
        let schema = json!({"type": "object", "properties": {
            "city": {"type": "string"}, "days": {"type": "integer"}, "least": {"type": "number", "minimum": 5},
            "unit": {"type": "string", "enum": ["celsius", "kelvin"]}, "exact": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}}, "kind": {"const": "now"},
            "where": {"type": "object", "properties": {"lat": {"type": ["null", "number"]}, "x": {}}, "required": ["lat"]},
            "any": {}, "optional": {"type": "string"}
        }, "required": ["city", "days", "least", "unit", "exact", "tags", "kind", "where", "any", "undescribed"]});
        assert_eq!(
            synthesise(&schema, "Paris"),
            json!({"city": "Paris", "days": 1, "least": 5, "unit": "celsius", "exact": true, "tags": ["Paris"],
                "kind": "now", "where": {"lat": 1}, "any": "Paris", "undescribed": "Paris"})
        );
    }

    #[test]
    fn references_and_choices_are_followed() {
        let schema = json!({"type": "object", "required": ["place", "maybe", "both"], "properties": {
            "place": {"$ref": "#/$defs/Place"},
            "maybe": {"anyOf": [{"type": "null"}, {"type": "integer"}]},
            "both": {"allOf": [{"$ref": "#/$defs/Place"}]}
        }, "$defs": {"Place": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}}});
        assert_eq!(
            synthesise(&schema, "Rome"),
            json!({"place": {"name": "Rome"}, "maybe": 1, "both": {"name": "Rome"}})
        );
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#"}}});
        assert!(synthesise(&schema, "demo").pointer("/next/next/next").is_some());
        assert_eq!(synthesise(&json!({"$ref": "#"}), "demo"), json!({}));
    }

    #[test]
    fn a_schema_without_required_properties_gets_none() {
        assert_eq!(
            synthesise(&json!({"type": "object", "properties": {"a": {"type": "string"}}}), "demo"),
            json!({})
        );
        assert_eq!(synthesise(&json!("nonsense"), "demo"), json!({}));
    }

    #[test]
    fn the_word_is_the_last_capitalised_one() {
        assert_eq!(word_from("What is the weather in Paris?"), "Paris");
        assert_eq!(word_from("weather, please"), "demo");
        assert_eq!(word_from(""), "demo");
    }
}
