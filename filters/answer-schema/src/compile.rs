//! From a schema's JSON to nodes.

use std::collections::{HashMap, VecDeque};

use serde_json::{Number, Value};

use crate::circle::circle;
use crate::keyword::{Id, Keyword, Node};
use crate::object::Object;
use crate::violation::escape;
use crate::{Error, number};

/// Keywords that assert something and are not understood.
const UNSUPPORTED: [&str; 4] = ["unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef"];

/// Keywords whose meaning, or whose form, changed in 2020-12.
const CHANGED: [&str; 2] = ["additionalItems", "dependencies"];

/// A keyword's name, and the keyword with its value.
type Named<T> = (&'static str, fn(T) -> Keyword);

/// Compiles a document; the first node is its root.
pub(crate) fn compile(document: &Value) -> Result<Vec<Node>, Error> {
    let mut compiler = Compiler {
        document,
        older: is_older(document)?,
        ids: HashMap::new(),
        places: Vec::new(),
        waiting: VecDeque::new(),
    };
    compiler.schema(document, String::new());
    // One after the other rather than one within the other: no depth of a schema is too deep.
    let mut nodes = Vec::new();
    while let Some((value, place)) = compiler.waiting.pop_front() {
        nodes.push(compiler.node(value, &place)?);
    }
    match circle(&nodes).and_then(|id| compiler.places.get(id)) {
        Some(place) => Err(Error::Circle { place: place.clone() }),
        None => Ok(nodes),
    }
}

/// Whether `$schema` names a draft before 2020-12.
fn is_older(document: &Value) -> Result<bool, Error> {
    let Some(uri) = document.get("$schema").and_then(Value::as_str) else {
        return Ok(false);
    };
    let bare = uri.trim_end_matches('#');
    let bare = bare.strip_prefix("https://").or_else(|| bare.strip_prefix("http://")).unwrap_or(bare);
    match bare {
        "json-schema.org/draft/2020-12/schema" => Ok(false),
        "json-schema.org/draft/2019-09/schema"
        | "json-schema.org/draft-07/schema"
        | "json-schema.org/draft-06/schema" => Ok(true),
        _ => Err(Error::Dialect { uri: uri.to_owned() }),
    }
}

struct Compiler<'v> {
    document: &'v Value,
    older: bool,
    /// Place → node.
    ids: HashMap<String, Id>,
    /// Node → place.
    places: Vec<String>,
    /// Nodes not yet compiled, in the order of their ids.
    waiting: VecDeque<(&'v Value, String)>,
}

impl<'v> Compiler<'v> {
    /// The node of the schema at a place.
    fn schema(&mut self, value: &'v Value, place: String) -> Id {
        if let Some(id) = self.ids.get(&place) {
            return *id;
        }
        let id = self.places.len();
        self.ids.insert(place.clone(), id);
        self.places.push(place.clone());
        self.waiting.push_back((value, place));
        id
    }

    fn node(&mut self, value: &'v Value, place: &str) -> Result<Node, Error> {
        match value {
            Value::Bool(true) => Ok(Node::All(Vec::new())),
            Value::Bool(false) => Ok(Node::Never),
            Value::Object(members) => {
                let object = Object { members, place };
                self.refuse_unsupported(&object)?;
                let mut keywords = self.assertions(&object)?;
                self.of_arrays(&object, &mut keywords)?;
                self.of_objects(&object, &mut keywords)?;
                self.in_place(&object, &mut keywords)?;
                Ok(Node::All(keywords))
            }
            _ => Err(Error::Invalid { place: place.to_owned(), message: "must be an object or a boolean" }),
        }
    }

    fn refuse_unsupported(&self, object: &Object<'_, '_>) -> Result<(), Error> {
        let refuse = |keyword| Error::Unsupported { place: object.place.to_owned(), keyword };
        let changed = CHANGED.iter().filter(|_| self.older);
        if let Some(keyword) = UNSUPPORTED.iter().chain(changed).find(|name| object.has(name)) {
            return Err(refuse(keyword));
        }
        if !object.place.is_empty() && object.members.get("$id").is_some_and(Value::is_string) {
            return Err(refuse("$id"));
        }
        Ok(())
    }

    /// What is said of values of any type, of numbers and of strings; the cheapest first.
    fn assertions(&mut self, object: &Object<'v, '_>) -> Result<Vec<Keyword>, Error> {
        let mut keywords = Vec::new();
        if let Some(value) = object.members.get("type") {
            keywords.push(Keyword::Type(object.types(value)?));
        }
        if let Some(value) = object.members.get("const") {
            keywords.push(Keyword::Const(value.clone()));
        }
        if let Some(values) = object.array("enum")? {
            keywords.push(Keyword::Enum(values.clone()));
        }
        let limits: [Named<Number>; 4] = [
            ("minimum", Keyword::Minimum),
            ("maximum", Keyword::Maximum),
            ("exclusiveMinimum", Keyword::ExclusiveMinimum),
            ("exclusiveMaximum", Keyword::ExclusiveMaximum),
        ];
        for (name, keyword) in limits {
            keywords.extend(object.number(name)?.cloned().map(keyword));
        }
        if let Some(divisor) = object.number("multipleOf")? {
            if !number::is_positive(divisor) {
                return Err(object.invalid("multipleOf", "must be more than 0"));
            }
            keywords.push(Keyword::MultipleOf(divisor.clone()));
        }
        let counts: [Named<u64>; 6] = [
            ("minLength", Keyword::MinLength),
            ("maxLength", Keyword::MaxLength),
            ("minItems", Keyword::MinItems),
            ("maxItems", Keyword::MaxItems),
            ("minProperties", Keyword::MinProperties),
            ("maxProperties", Keyword::MaxProperties),
        ];
        for (name, keyword) in counts {
            keywords.extend(object.count(name)?.map(keyword));
        }
        if let Some(value) = object.members.get("pattern") {
            let text = value.as_str().ok_or_else(|| object.invalid("pattern", "must be a string"))?;
            keywords.push(Keyword::Pattern(object.pattern("pattern", text)?));
        }
        Ok(keywords)
    }

    fn of_arrays(&mut self, object: &Object<'v, '_>, keywords: &mut Vec<Keyword>) -> Result<(), Error> {
        if object.members.get("items").is_some_and(Value::is_array) {
            return Err(object.invalid("items", "must be a schema: an array of them is `prefixItems`"));
        }
        let first = self.list(object, "prefixItems")?;
        let rest = self.one(object, "items");
        if first.is_some() || rest.is_some() {
            keywords.push(Keyword::Items { first: first.unwrap_or_default(), rest });
        }
        let (least, most) = (object.count("minContains")?, object.count("maxContains")?);
        if let Some(schema) = self.one(object, "contains") {
            keywords.push(Keyword::Contains { schema, least: least.unwrap_or(1), most });
        }
        match object.members.get("uniqueItems") {
            Some(Value::Bool(true)) => keywords.push(Keyword::UniqueItems),
            None | Some(Value::Bool(false)) => {}
            Some(_) => return Err(object.invalid("uniqueItems", "must be a boolean")),
        }
        Ok(())
    }

    fn of_objects(&mut self, object: &Object<'v, '_>, keywords: &mut Vec<Keyword>) -> Result<(), Error> {
        if let Some(value) = object.members.get("required") {
            keywords.push(Keyword::Required(object.names(value, "required")?));
        }
        if let Some(lists) = object.object("dependentRequired")? {
            let lists = lists.iter().map(|(name, value)| {
                Ok((name.clone(), object.names(value, &format!("dependentRequired/{}", escape(name)))?))
            });
            keywords.push(Keyword::DependentRequired(lists.collect::<Result<_, Error>>()?));
        }
        let named = self.map(object, "properties")?;
        let mut matching = Vec::new();
        for (text, id) in self.map(object, "patternProperties")?.unwrap_or_default() {
            matching.push((object.pattern(&format!("patternProperties/{}", escape(&text)), &text)?, id));
        }
        let other = self.one(object, "additionalProperties");
        if named.is_some() || !matching.is_empty() || other.is_some() {
            let named = named.unwrap_or_default().into_iter().collect();
            keywords.push(Keyword::Properties { named, matching, other });
        }
        keywords.extend(self.one(object, "propertyNames").map(Keyword::PropertyNames));
        keywords.extend(self.map(object, "dependentSchemas")?.map(Keyword::DependentSchemas));
        Ok(())
    }

    /// What applies other schemas to the same value.
    fn in_place(&mut self, object: &Object<'v, '_>, keywords: &mut Vec<Keyword>) -> Result<(), Error> {
        if let Some(reference) = object.members.get("$ref") {
            let reference = reference.as_str().ok_or_else(|| object.invalid("$ref", "must be a string"))?;
            let (target, place) = self.resolve(reference).ok_or_else(|| Error::Reference {
                place: object.place.to_owned(),
                reference: reference.to_owned(),
            })?;
            keywords.push(Keyword::Reference(self.schema(target, place)));
        }
        let lists: [Named<Vec<Id>>; 3] =
            [("allOf", Keyword::AllOf), ("anyOf", Keyword::AnyOf), ("oneOf", Keyword::OneOf)];
        for (name, keyword) in lists {
            let list = self.list(object, name)?;
            if list.as_ref().is_some_and(Vec::is_empty) {
                return Err(object.invalid(name, "must hold at least one schema"));
            }
            keywords.extend(list.map(keyword));
        }
        keywords.extend(self.one(object, "not").map(Keyword::Not));
        let (then, otherwise) = (self.one(object, "then"), self.one(object, "else"));
        if let Some(condition) = self.one(object, "if")
            && (then.is_some() || otherwise.is_some())
        {
            keywords.push(Keyword::If { condition, then, otherwise });
        }
        Ok(())
    }

    /// What `#` or `#/…` leads to, and its place.
    fn resolve(&self, reference: &str) -> Option<(&'v Value, String)> {
        let own = self.document.get("$id").and_then(Value::as_str).map(|id| id.trim_end_matches('#'));
        let fragment = match own {
            Some(own) if !own.is_empty() => reference.strip_prefix(own).unwrap_or(reference),
            _ => reference,
        };
        let pointer = match fragment.strip_prefix('#') {
            Some(pointer) => percent_decode(pointer)?,
            None => return fragment.is_empty().then(|| (self.document, String::new())),
        };
        if pointer.is_empty() {
            return Some((self.document, String::new()));
        }
        let mut value = self.document;
        let mut place = String::new();
        for token in pointer.strip_prefix('/')?.split('/') {
            let name = token.replace("~1", "/").replace("~0", "~");
            value = match value {
                Value::Object(members) => members.get(&name)?,
                Value::Array(items) => items.get(name.parse::<usize>().ok()?)?,
                _ => return None,
            };
            // Below an `$id` pointers would begin there.
            if value.get("$id").is_some_and(Value::is_string) {
                return None;
            }
            place.push('/');
            place.push_str(&escape(&name));
        }
        Some((value, place))
    }

    /// The schema under a keyword.
    fn one(&mut self, object: &Object<'v, '_>, name: &str) -> Option<Id> {
        let value = object.members.get(name)?;
        Some(self.schema(value, format!("{}/{name}", object.place)))
    }

    /// The schemas of an array.
    fn list(&mut self, object: &Object<'v, '_>, name: &str) -> Result<Option<Vec<Id>>, Error> {
        let Some(values) = object.array(name)? else {
            return Ok(None);
        };
        let ids = values.iter().enumerate();
        Ok(Some(ids.map(|(at, value)| self.schema(value, format!("{}/{name}/{at}", object.place))).collect()))
    }

    /// The schemas of an object, by name.
    fn map(&mut self, object: &Object<'v, '_>, name: &str) -> Result<Option<Vec<(String, Id)>>, Error> {
        let Some(values) = object.object(name)? else {
            return Ok(None);
        };
        let entry = |(key, value): (&String, &'v Value)| {
            (key.clone(), self.schema(value, format!("{}/{name}/{}", object.place, escape(key))))
        };
        Ok(Some(values.iter().map(entry).collect()))
    }
}

/// Text of a URI's fragment; nothing if it is no text.
fn percent_decode(fragment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schema;
    use serde_json::json;

    fn error(schema: Value) -> String {
        Schema::compile(&schema).unwrap_err().to_string()
    }

    #[test]
    fn refuses_with_the_place() {
        assert_eq!(error(json!(5)), "``: must be an object or a boolean");
        assert_eq!(
            error(json!({"properties": {"a/b": 5}})),
            "`/properties/a~1b`: must be an object or a boolean"
        );
        assert!(error(json!({"type": "float"})).starts_with("`/type`: must be null, boolean"));
        assert!(error(json!({"type": [1]})).starts_with("`/type`: "));
        assert!(error(json!({"minLength": -1})).starts_with("`/minLength`: must be a whole number"));
        assert!(error(json!({"minimum": "1"})).starts_with("`/minimum`: must be a number"));
        assert!(error(json!({"multipleOf": 0})).starts_with("`/multipleOf`: must be more than 0"));
        assert!(error(json!({"enum": 1})).starts_with("`/enum`: must be an array"));
        assert!(error(json!({"required": ["a", 1]})).starts_with("`/required`: must be an array of strings"));
        assert!(error(json!({"uniqueItems": 1})).starts_with("`/uniqueItems`: must be a boolean"));
        assert!(error(json!({"items": [{}]})).contains("prefixItems"));
        assert!(error(json!({"anyOf": []})).starts_with("`/anyOf`: must hold at least one"));
        assert!(error(json!({"pattern": "(?=x)"})).starts_with("`/pattern`: cannot be used"));
        assert!(
            error(json!({"patternProperties": {"(": true}})).starts_with("`/patternProperties/(`: cannot")
        );
        assert!(error(json!({"dependentRequired": {"a": 1}})).starts_with("`/dependentRequired/a`: "));
    }

    #[test]
    fn refuses_what_it_would_get_wrong() {
        for keyword in UNSUPPORTED {
            assert!(
                error(json!({"not": {keyword: false}})).contains(&format!("`{keyword}` is not supported"))
            );
        }
        assert!(error(json!({"properties": {"a": {"$id": "x"}}})).contains("`$id` is not supported"));
        let seven = "http://json-schema.org/draft-07/schema#";
        assert!(
            error(json!({"$schema": seven, "dependencies": {}})).contains("`dependencies` is not supported")
        );
        assert!(Schema::compile(&json!({"$schema": seven, "type": "object"})).is_ok());
        assert!(Schema::compile(&json!({"dependencies": {}})).is_ok(), "unknown in 2020-12");
        assert!(error(json!({"$schema": "http://json-schema.org/draft-04/schema#"})).contains("draft-04"));
    }

    #[test]
    fn references_stay_in_the_document() {
        for reference in [
            "https://example.com/s",
            "other.json#/a",
            "#name",
            "#/$defs/none",
            "#/$defs/a/5",
            "#/%zz",
            "/etc/passwd",
            "#/$defs/b/not",
        ] {
            let message = error(json!({"$ref": reference, "$defs": {"a": [], "b": {"$id": "x", "not": {}}}}));
            assert!(message.contains("leads nowhere"), "{reference}: {message}");
        }
        for reference in
            ["#", "#/$defs/a%20b", "#/$defs/c~1d", "#/$defs/list/1", "https://example.com/me#/$defs/a%20b"]
        {
            let schema = json!({"$id": "https://example.com/me", "not": {"properties": {"x": {"$ref": reference}}},
                "$defs": {"a b": {}, "c/d": {}, "list": [true, {}]}});
            assert!(Schema::compile(&schema).is_ok(), "{reference}");
        }
    }
}
