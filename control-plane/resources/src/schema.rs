//! The structural part of OpenAPI schemas: what a value must look like, field by field.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::{Map, Value};

use crate::finding::{FindingKind, Severity, push_field, push_index};
use crate::unserved;

/// Similarity (Jaro-Winkler, 0 to 1) from which a known name is suggested for an unknown one: high enough
/// that unrelated short names such as `aws` and `ai` are not offered.
const SUGGESTION_THRESHOLD: f64 = 0.84;

/// A schema, read once and used for every value.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    type_: Option<Type>,
    int_or_string: bool,
    preserve_unknown: bool,
    unserved: Option<Severity>,
    properties: BTreeMap<String, Schema>,
    additional: Option<Box<Schema>>,
    required: Vec<String>,
    max_properties: Option<u64>,
    items: Option<Box<Schema>>,
    min_items: Option<u64>,
    max_items: Option<u64>,
    list: ListKind,
    min_length: Option<u64>,
    max_length: Option<u64>,
    pattern: Option<Regex>,
    allowed: Vec<Value>,
    minimum: Option<f64>,
    maximum: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

/// What makes the items of a list distinct.
#[derive(Debug, Default)]
enum ListKind {
    #[default]
    Atomic,
    Set,
    Map(Vec<String>),
}

/// A place where a value does not fit its schema.
#[derive(Debug)]
pub(crate) struct Issue {
    pub(crate) severity: Severity,
    pub(crate) kind: FindingKind,
    pub(crate) path: String,
    pub(crate) message: String,
    pub(crate) remedy: String,
}

impl Issue {
    pub(crate) fn invalid(
        path: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (path, message, remedy) = (path.into(), message.into(), remedy.into());
        Issue { severity: Severity::Error, kind: FindingKind::Invalid, path, message, remedy }
    }
}

impl Schema {
    /// Reads the JSON form of a schema. Keywords it does not know are left to others.
    pub(crate) fn read(json: &Value) -> Schema {
        let number = |key: &str| json.get(key).and_then(Value::as_u64);
        let flag = |key: &str| json.get(key).and_then(Value::as_bool).unwrap_or(false);
        let text = |key: &str| json.get(key).and_then(Value::as_str);
        let list = |key: &str| json.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let strings =
            |key: &str| list(key).iter().filter_map(|v| v.as_str().map(str::to_owned)).collect::<Vec<_>>();
        Schema {
            type_: text("type").and_then(Type::read),
            int_or_string: flag("x-kubernetes-int-or-string"),
            preserve_unknown: flag("x-kubernetes-preserve-unknown-fields"),
            unserved: match text(unserved::KEYWORD) {
                Some("refused") => Some(Severity::Error),
                Some(_) => Some(Severity::Warning),
                None => None,
            },
            properties: json
                .get("properties")
                .and_then(Value::as_object)
                .map(|map| map.iter().map(|(name, schema)| (name.clone(), Schema::read(schema))).collect())
                .unwrap_or_default(),
            additional: json.get("additionalProperties").filter(|v| **v != Value::Bool(false)).map(|v| {
                let mut schema = Schema::read(v);
                schema.preserve_unknown |= *v == Value::Bool(true);
                Box::new(schema)
            }),
            required: strings("required"),
            max_properties: number("maxProperties"),
            items: json.get("items").map(|v| Box::new(Schema::read(v))),
            min_items: number("minItems"),
            max_items: number("maxItems"),
            list: match text("x-kubernetes-list-type") {
                Some("set") => ListKind::Set,
                Some("map") => ListKind::Map(strings("x-kubernetes-list-map-keys")),
                _ => ListKind::Atomic,
            },
            min_length: number("minLength"),
            max_length: number("maxLength"),
            // A test compiles every pattern of every schema.
            pattern: text("pattern").and_then(|pattern| Regex::new(pattern).ok()),
            allowed: list("enum"),
            minimum: json.get("minimum").and_then(Value::as_f64),
            maximum: json.get("maximum").and_then(Value::as_f64),
        }
    }

    /// Compares `value`, found at `path`, with the schema.
    pub(crate) fn check(&self, path: &str, value: &Value, issues: &mut Vec<Issue>) {
        if let Some(severity) = self.unserved {
            issues.push(unserved_issue(path, severity));
            return;
        }
        if self.int_or_string {
            if !value.is_string() && !value.is_i64() && !value.is_u64() {
                let found = describe(value);
                issues.push(Issue::invalid(
                    path,
                    format!("expected an integer or a string, found {found}"),
                    "",
                ));
            }
            return;
        }
        if let Some(type_) = self.type_
            && !type_.accepts(value)
        {
            issues.push(type_issue(path, type_, value));
            return;
        }
        match value {
            Value::Object(map) => self.check_object(path, map, issues),
            Value::Array(items) => self.check_list(path, items, issues),
            Value::String(text) => self.check_text(path, text, issues),
            Value::Number(number) => self.check_number(path, number.as_f64(), issues),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn check_object(&self, path: &str, map: &Map<String, Value>, issues: &mut Vec<Issue>) {
        for name in &self.required {
            if map.get(name).is_none_or(Value::is_null) {
                issues.push(Issue::invalid(push_field(path, name), "required field is missing", ""));
            }
        }
        if let Some(max) = self.max_properties
            && map.len() as u64 > max
        {
            issues.push(Issue::invalid(
                path,
                format!("has {} entries, at most {max} are allowed", map.len()),
                "",
            ));
        }
        for (name, value) in map {
            let field = push_field(path, name);
            let schema = self.properties.get(name).or(self.additional.as_deref());
            match schema {
                // Kubernetes drops null fields, so they are absent; someone who wrote `openai:` meant `openai: {}`.
                Some(schema) if value.is_null() => {
                    if schema.type_ == Some(Type::Object) {
                        issues.push(Issue {
                            severity: Severity::Warning,
                            ..Issue::invalid(
                                field,
                                "is empty and counts as absent",
                                "write {} for an object without settings",
                            )
                        });
                    }
                }
                Some(schema) => schema.check(&field, value, issues),
                None if self.preserve_unknown => {}
                None => issues.push(self.unknown_field(field, name)),
            }
        }
    }

    fn unknown_field(&self, path: String, name: &str) -> Issue {
        let remedy = match suggest(name, self.properties.keys().map(String::as_str)) {
            Some(known) => format!("did you mean {known:?}?"),
            None if self.properties.is_empty() => "no fields are known here".to_owned(),
            None => {
                let known: Vec<_> = self.properties.keys().map(String::as_str).collect();
                format!("known fields here: {}", known.join(", "))
            }
        };
        let message = "unknown field".to_owned();
        Issue { severity: Severity::Error, kind: FindingKind::UnknownField, path, message, remedy }
    }

    fn check_list(&self, path: &str, items: &[Value], issues: &mut Vec<Issue>) {
        let count = items.len() as u64;
        if let Some(min) = self.min_items
            && count < min
        {
            issues.push(Issue::invalid(path, format!("has {count} entries, at least {min} required"), ""));
        }
        if let Some(max) = self.max_items
            && count > max
        {
            issues.push(Issue::invalid(path, format!("has {count} entries, at most {max} are allowed"), ""));
        }
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            let entry = push_index(path, index);
            let identity = match &self.list {
                ListKind::Atomic => None,
                ListKind::Set => Some(item.to_string()),
                ListKind::Map(keys) => {
                    let parts: Vec<_> =
                        keys.iter().map(|key| item.get(key).unwrap_or(&Value::Null).to_string()).collect();
                    Some(parts.join(", "))
                }
            };
            if let Some(identity) = identity
                && !seen.insert(identity.clone())
            {
                issues.push(Issue::invalid(&*entry, format!("duplicate entry {identity}"), ""));
            }
            if let Some(schema) = &self.items {
                schema.check(&entry, item, issues);
            }
        }
    }

    fn check_text(&self, path: &str, text: &str, issues: &mut Vec<Issue>) {
        if !self.allowed.is_empty() && !self.allowed.iter().any(|allowed| allowed.as_str() == Some(text)) {
            let allowed: Vec<_> = self.allowed.iter().filter_map(Value::as_str).collect();
            let remedy = match suggest(text, allowed.iter().copied()) {
                Some(known) => format!("did you mean {known:?}?"),
                None => format!("write one of {}", allowed.join(", ")),
            };
            issues.push(Issue::invalid(path, format!("{text:?} is not allowed here"), remedy));
            return;
        }
        let length = text.chars().count() as u64;
        if let Some(min) = self.min_length
            && length < min
        {
            let message = if length == 0 {
                "must not be empty".to_owned()
            } else {
                format!("must have at least {min} characters")
            };
            issues.push(Issue::invalid(path, message, ""));
        } else if let Some(max) = self.max_length
            && length > max
        {
            issues.push(Issue::invalid(
                path,
                format!("has {length} characters, at most {max} are allowed"),
                "",
            ));
        } else if let Some(pattern) = &self.pattern
            && !pattern.is_match(text)
        {
            let remedy = match pattern.as_str() {
                crate::duration::PATTERN => "write a duration like 30s, 1m30s or 250ms".to_owned(),
                "^/" => "start it with /".to_owned(),
                crate::names::SUBDOMAIN_PATTERN => crate::names::SUBDOMAIN_FORM.to_owned(),
                pattern => format!("it must match {pattern}"),
            };
            issues.push(Issue::invalid(path, format!("{text:?} is not valid here"), remedy));
        }
    }

    fn check_number(&self, path: &str, number: Option<f64>, issues: &mut Vec<Issue>) {
        let Some(number) = number else { return };
        let below = self.minimum.is_some_and(|min| number < min);
        let above = self.maximum.is_some_and(|max| number > max);
        if below || above {
            let range = match (self.minimum, self.maximum) {
                (Some(min), Some(max)) => format!("from {min} to {max}"),
                (Some(min), None) => format!("at least {min}"),
                (None, Some(max)) => format!("at most {max}"),
                (None, None) => return,
            };
            issues.push(Issue::invalid(
                path,
                format!("{number} is out of range"),
                format!("it must be {range}"),
            ));
        }
    }
}

impl Type {
    fn read(name: &str) -> Option<Type> {
        Some(match name {
            "object" => Type::Object,
            "array" => Type::Array,
            "string" => Type::String,
            "integer" => Type::Integer,
            "number" => Type::Number,
            "boolean" => Type::Boolean,
            _ => return None,
        })
    }

    fn accepts(self, value: &Value) -> bool {
        match self {
            Type::Object => value.is_object(),
            Type::Array => value.is_array(),
            Type::String => value.is_string(),
            Type::Integer => value.is_i64() || value.is_u64(),
            Type::Number => value.is_number(),
            Type::Boolean => value.is_boolean(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Type::Object => "an object",
            Type::Array => "a list",
            Type::String => "a string",
            Type::Integer => "an integer",
            Type::Number => "a number",
            Type::Boolean => "true or false",
        }
    }
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The wrong type. Shows no value: it may be a secret in the wrong place.
fn type_issue(path: &str, expected: Type, value: &Value) -> Issue {
    let remedy = match (expected, value) {
        (Type::String, Value::Number(_) | Value::Bool(_)) => "put it in quotes",
        (Type::Integer | Type::Number | Type::Boolean, Value::String(_)) => "write it without quotes",
        (Type::Array, _) => "start each entry with \"- \"",
        _ => "",
    };
    Issue::invalid(path, format!("expected {}, found {}", expected.name(), describe(value)), remedy)
}

fn unserved_issue(path: &str, severity: Severity) -> Issue {
    let remedy = match severity {
        Severity::Error => "remove it; until then the object is not used",
        Severity::Warning | Severity::Note => "it has no effect; the rest of the object is in force",
    };
    Issue {
        severity,
        kind: FindingKind::NotServed,
        path: path.to_owned(),
        message: "not supported by this version of Weir".to_owned(),
        remedy: remedy.to_owned(),
    }
}

/// The known name that `name` was probably meant to be.
fn suggest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    known
        .map(|known| (strsim::jaro_winkler(&lower, &known.to_lowercase()), known))
        .filter(|(score, _)| *score >= SUGGESTION_THRESHOLD)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}
