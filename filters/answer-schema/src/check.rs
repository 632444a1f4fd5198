//! Whether a value fits.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::keyword::{Id, Keyword, Node, Types};
use crate::violation::{Failure, Step, Violation, What};
use crate::{equality, number};

/// How many schemas may be within each other, references followed: two for each level of the deepest text. It bounds the
/// stack, of which a WebAssembly VM has little.
const MAX_DEPTH: u32 = 256;

/// Steps any check may take, and more for each byte of the text. A step is one schema at one value, or some bytes of
/// text looked at. A schema without alternatives takes less than 3 for a byte.
const STEPS: u64 = 100_000;
const STEPS_PER_BYTE: u64 = 64;

/// Bytes of a string that are looked at in one step.
const BYTES_PER_STEP: usize = 16;

/// Whether a value, read from so many bytes, fits the first node.
pub(crate) fn check(nodes: &[Node], value: &Value, bytes: usize) -> Result<(), Violation> {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    let steps = STEPS.saturating_add(STEPS_PER_BYTE.saturating_mul(bytes));
    match (Checker { nodes, steps, depth: 0 }).node(0, value) {
        Ok(()) => Ok(()),
        Err(Stop::Unfit(failure)) => Err(failure.into()),
        Err(Stop::TooMuch) => Err(Violation::too_much_work()),
    }
}

/// Why a check ends early.
enum Stop<'s> {
    Unfit(Failure<'s>),
    /// A bound was met: nothing can be said.
    TooMuch,
}

type Checked<'s> = Result<(), Stop<'s>>;

fn fails<'s>(what: What<'s>) -> Checked<'s> {
    Err(Stop::Unfit(Failure { steps: Vec::new(), what }))
}

fn holds<'s>(condition: bool, keyword: &'static str, message: &'static str) -> Checked<'s> {
    if condition { Ok(()) } else { fails(What::Breaks(keyword, message)) }
}

/// A failure of a part, seen from the whole.
fn within<'s>(step: Step<'s>, checked: Checked<'s>) -> Checked<'s> {
    checked.map_err(|mut stop| {
        if let Stop::Unfit(failure) = &mut stop {
            failure.steps.push(step);
        }
        stop
    })
}

struct Checker<'s> {
    nodes: &'s [Node],
    /// Left.
    steps: u64,
    depth: u32,
}

impl<'s> Checker<'s> {
    fn spend(&mut self, steps: usize) -> Checked<'s> {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        self.steps = self.steps.checked_sub(steps).ok_or(Stop::TooMuch)?;
        Ok(())
    }

    fn node(&mut self, id: Id, value: &Value) -> Checked<'s> {
        self.spend(1)?;
        if self.depth == MAX_DEPTH {
            return Err(Stop::TooMuch);
        }
        // Copied out, so that what is found may outlive this borrow.
        let nodes = self.nodes;
        let keywords = match nodes.get(id) {
            Some(Node::All(keywords)) => keywords,
            Some(Node::Never) | None => return fails(What::Breaks("false", "is not allowed")),
        };
        self.depth += 1;
        let checked = keywords.iter().try_for_each(|keyword| self.keyword(keyword, value));
        self.depth -= 1;
        checked
    }

    /// Whether a value fits, for schemas that choose.
    fn fits(&mut self, id: Id, value: &Value) -> Result<bool, Stop<'s>> {
        match self.node(id, value) {
            Ok(()) => Ok(true),
            Err(Stop::Unfit(_)) => Ok(false),
            Err(Stop::TooMuch) => Err(Stop::TooMuch),
        }
    }

    fn keyword(&mut self, keyword: &'s Keyword, value: &Value) -> Checked<'s> {
        match keyword {
            Keyword::Type(types) => {
                if is_of(*types, value) {
                    Ok(())
                } else {
                    fails(What::Type(*types))
                }
            }
            Keyword::Const(constant) => {
                holds(equality::equal(constant, value), "const", "is not what `const` says")
            }
            Keyword::Enum(values) => {
                self.spend(values.len() / BYTES_PER_STEP)?;
                holds(values.iter().any(|one| equality::equal(one, value)), "enum", "is not one of `enum`")
            }
            Keyword::Reference(id) => self.node(*id, value),
            Keyword::AllOf(ids) => ids.iter().try_for_each(|id| self.node(*id, value)),
            Keyword::AnyOf(ids) => {
                for id in ids {
                    if self.fits(*id, value)? {
                        return Ok(());
                    }
                }
                fails(What::Breaks("anyOf", "fits none of `anyOf`"))
            }
            Keyword::OneOf(ids) => {
                let mut found = false;
                for id in ids {
                    if self.fits(*id, value)? {
                        holds(!found, "oneOf", "fits more than one of `oneOf`")?;
                        found = true;
                    }
                }
                holds(found, "oneOf", "fits none of `oneOf`")
            }
            Keyword::Not(id) => holds(!self.fits(*id, value)?, "not", "is what `not` excludes"),
            Keyword::If { condition, then, otherwise } => {
                let branch = if self.fits(*condition, value)? { then } else { otherwise };
                branch.map_or(Ok(()), |id| self.node(id, value))
            }
            other => match value {
                Value::Number(of) => number_holds(other, of),
                Value::String(text) => self.string(other, text),
                Value::Array(items) => self.array(other, items),
                Value::Object(members) => self.object(other, members, value),
                Value::Null | Value::Bool(_) => Ok(()),
            },
        }
    }

    fn string(&mut self, keyword: &'s Keyword, text: &str) -> Checked<'s> {
        if !matches!(keyword, Keyword::MinLength(_) | Keyword::MaxLength(_) | Keyword::Pattern(_)) {
            return Ok(());
        }
        self.spend(text.len() / BYTES_PER_STEP)?;
        match keyword {
            Keyword::MinLength(least) => {
                holds(count(text.chars().count()) >= *least, "minLength", "is shorter than `minLength`")
            }
            Keyword::MaxLength(most) => {
                holds(count(text.chars().count()) <= *most, "maxLength", "is longer than `maxLength`")
            }
            Keyword::Pattern(pattern) => holds(pattern.is_match(text), "pattern", "does not match `pattern`"),
            _ => Ok(()),
        }
    }

    fn array(&mut self, keyword: &'s Keyword, items: &[Value]) -> Checked<'s> {
        match keyword {
            Keyword::MinItems(least) => {
                holds(count(items.len()) >= *least, "minItems", "has fewer items than `minItems`")
            }
            Keyword::MaxItems(most) => {
                holds(count(items.len()) <= *most, "maxItems", "has more items than `maxItems`")
            }
            Keyword::UniqueItems => {
                self.spend(items.len())?;
                holds(equality::all_differ(items), "uniqueItems", "has the same item twice")
            }
            Keyword::Items { first, rest } => {
                let schemas = first.iter().copied().map(Some).chain(std::iter::repeat(*rest));
                for (at, (item, schema)) in items.iter().zip(schemas).enumerate() {
                    let Some(schema) = schema else {
                        break;
                    };
                    within(Step::Index(at), self.node(schema, item))?;
                }
                Ok(())
            }
            Keyword::Contains { schema, least, most } => {
                let mut found = 0_u64;
                for item in items {
                    found += u64::from(self.fits(*schema, item)?);
                }
                if found < *least {
                    return fails(What::Breaks("contains", "has too few items that fit `contains`"));
                }
                holds(
                    most.is_none_or(|most| found <= most),
                    "maxContains",
                    "has more items that fit `contains` than `maxContains`",
                )
            }
            _ => Ok(()),
        }
    }

    fn object(&mut self, keyword: &'s Keyword, members: &Map<String, Value>, whole: &Value) -> Checked<'s> {
        match keyword {
            Keyword::MinProperties(least) => {
                holds(count(members.len()) >= *least, "minProperties", "has too few properties")
            }
            Keyword::MaxProperties(most) => {
                holds(count(members.len()) <= *most, "maxProperties", "has too many properties")
            }
            Keyword::Required(names) => {
                self.spend(names.len() / BYTES_PER_STEP)?;
                lacks_none("required", names, members)
            }
            Keyword::DependentRequired(lists) => lists
                .iter()
                .filter(|(name, _)| members.contains_key(name))
                .try_for_each(|(_, names)| lacks_none("dependentRequired", names, members)),
            Keyword::DependentSchemas(schemas) => schemas
                .iter()
                .filter(|(name, _)| members.contains_key(name))
                .try_for_each(|(_, id)| self.node(*id, whole)),
            Keyword::PropertyNames(id) => members
                .keys()
                .try_for_each(|name| within(Step::Unnamed, self.node(*id, &Value::String(name.clone())))),
            Keyword::Properties { named, matching, other } => {
                for (name, value) in members {
                    self.property(named.get_key_value(name), matching, *other, name, value)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// One property, under the schemas of its name or under that of all others.
    fn property(
        &mut self,
        named: Option<(&'s String, &'s Id)>,
        matching: &'s [(regex::Regex, Id)],
        other: Option<Id>,
        name: &str,
        value: &Value,
    ) -> Checked<'s> {
        let step = named.map_or(Step::Unnamed, |(name, _)| Step::Property(name));
        let mut known = false;
        if let Some((_, id)) = named {
            known = true;
            within(step, self.node(*id, value))?;
        }
        for (pattern, id) in matching {
            self.spend(1 + name.len() / BYTES_PER_STEP)?;
            if pattern.is_match(name) {
                known = true;
                within(step, self.node(*id, value))?;
            }
        }
        match other {
            Some(id) if !known => within(step, self.node(id, value)),
            _ => Ok(()),
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn is_of(types: Types, value: &Value) -> bool {
    match value {
        Value::Null => types.has("null"),
        Value::Bool(_) => types.has("boolean"),
        Value::Number(of) => types.has("number") || types.has("integer") && number::is_whole(of),
        Value::String(_) => types.has("string"),
        Value::Array(_) => types.has("array"),
        Value::Object(_) => types.has("object"),
    }
}

fn number_holds<'s>(keyword: &'s Keyword, value: &serde_json::Number) -> Checked<'s> {
    let against = |limit| number::compare(value, limit);
    match keyword {
        Keyword::Minimum(limit) => {
            holds(against(limit) != Ordering::Less, "minimum", "is less than `minimum`")
        }
        Keyword::Maximum(limit) => {
            holds(against(limit) != Ordering::Greater, "maximum", "is more than `maximum`")
        }
        Keyword::ExclusiveMinimum(limit) => holds(
            against(limit) == Ordering::Greater,
            "exclusiveMinimum",
            "is not more than `exclusiveMinimum`",
        ),
        Keyword::ExclusiveMaximum(limit) => {
            holds(against(limit) == Ordering::Less, "exclusiveMaximum", "is not less than `exclusiveMaximum`")
        }
        Keyword::MultipleOf(divisor) => {
            holds(number::is_multiple(value, divisor), "multipleOf", "is no multiple of `multipleOf`")
        }
        _ => Ok(()),
    }
}

fn lacks_none<'s>(keyword: &'static str, names: &'s [String], members: &Map<String, Value>) -> Checked<'s> {
    match names.iter().find(|name| !members.contains_key(*name)) {
        Some(name) => fails(What::Lacks(keyword, name)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::Schema;
    use serde_json::{Value, json};

    fn violation(schema: Value, text: &str) -> String {
        Schema::compile(&schema).unwrap().check(text).unwrap_err().to_string()
    }

    #[test]
    fn says_where_and_what_in_words_of_the_schema() {
        let order = || {
            json!({"type": "object", "required": ["lines"], "additionalProperties": false, "properties": {
                "lines": {"type": "array", "minItems": 1, "items": {"required": ["sku"], "properties": {
                    "sku": {"type": "string", "pattern": "^[A-Z]{3}$"},
                    "a/b": {"type": ["integer", "null"], "minimum": 1}}}}}})
        };
        for (text, expected) in [
            ("[]", "the answer is not of type object"),
            ("{}", "the answer lacks the property `lines`"),
            (r#"{"lines":[]}"#, "`/lines` has fewer items than `minItems`"),
            (r#"{"lines":[{"sku":"ABC"},{}]}"#, "`/lines/1` lacks the property `sku`"),
            (r#"{"lines":[{"sku":"alice@example.com"}]}"#, "`/lines/0/sku` does not match `pattern`"),
            (r#"{"lines":[{"sku":"ABC","a/b":"x"}]}"#, "`/lines/0/a~1b` is not of type null or integer"),
            (r#"{"lines":[{"sku":"ABC","a/b":0}]}"#, "`/lines/0/a~1b` is less than `minimum`"),
            (r#"{"lines":[{"sku":"ABC"}],"alice@example.com":1}"#, "`/*` is not allowed"),
        ] {
            assert_eq!(violation(order(), text), expected, "{text}");
        }
        assert!(Schema::compile(&order()).unwrap().check(" \n{\"lines\":[{\"sku\":\"ABC\"}]}\t").is_ok());
    }

    #[test]
    fn a_text_is_json_and_nothing_else() {
        for text in
            ["", "Sure! {}", "```json\n{}\n```", "{} {}", "{'a':1}", "NaN", "\u{feff}{}", "[1,]", "1e999"]
        {
            let message = violation(json!(true), text);
            assert!(message.starts_with("the answer is not JSON: "), "{text}: {message}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(violation(json!(true), &deep).contains("recursion limit"));
    }

    #[test]
    fn work_is_bounded() {
        // Two ways for each level, and no text fits: 2^120 steps if it were not for the limit.
        let schema = json!({"anyOf": [
            {"type": "array", "items": {"$ref": "#"}, "contains": false},
            {"type": "array", "items": {"$ref": "#"}, "minItems": 1, "contains": false},
        ]});
        let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
        assert_eq!(violation(schema, &deep), "the answer is too complex to check");

        // A chain of references longer than the depth.
        let definitions: serde_json::Map<_, _> =
            (0..2000).map(|at| (at.to_string(), json!({"$ref": format!("#/$defs/{}", at + 1)}))).collect();
        let mut schema = json!({"$ref": "#/$defs/0", "$defs": definitions});
        schema["$defs"]["2000"] = json!(true);
        assert_eq!(violation(schema, "1"), "the answer is too complex to check");
    }

    #[test]
    fn large_texts_of_plain_schemas_are_within_the_bounds() {
        let schema = json!({"items": {"allOf": [{"type": "integer"}, {"minimum": 0}, {"enum": [1, 2]}]}});
        let text = format!("[{}]", vec!["1"; 200_000].join(","));
        Schema::compile(&schema).unwrap().check(&text).unwrap();
    }
}
