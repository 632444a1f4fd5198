//! Arguments of a function call that Vertex AI streams value by value (`partialArgs`).
//! <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling>

use serde_json::{Map, Value};

use super::wire::PartialArg;
use crate::Error;

/// How deep a path may go; deeper than any schema of a function.
const MAX_DEPTH: usize = 64;

/// The arguments that have come so far.
#[derive(Debug, Default)]
pub(super) struct PartialArgs(Map<String, Value>);

/// One step of a path.
enum Step {
    Name(String),
    Index(usize),
}

impl PartialArgs {
    /// Takes over the members of an object that came whole.
    pub(super) fn extend(&mut self, args: &str) {
        if let Ok(args) = serde_json::from_str::<Map<String, Value>>(args) {
            self.0.extend(args);
        }
    }

    /// Puts a value in its place; text is added to the text that is there.
    ///
    /// # Errors
    /// [`Error::UpstreamSent`] for a path that leads nowhere.
    pub(super) fn add(&mut self, arg: &PartialArg<'_>) -> Result<(), Error> {
        let nowhere = || Error::upstream("a streamed argument has no place in its call");
        let path = arg.json_path.as_ref().map(|path| path.0.as_ref()).unwrap_or_default();
        let mut steps = steps(path).filter(|steps| steps.len() <= MAX_DEPTH).ok_or_else(nowhere)?.into_iter();
        let Some(Step::Name(first)) = steps.next() else { return Err(nowhere()) };
        let mut place = self.0.entry(first).or_insert(Value::Null);
        for step in steps {
            place = match step {
                Step::Name(name) => {
                    if place.is_null() {
                        *place = Value::Object(Map::new());
                    }
                    place.as_object_mut().ok_or_else(nowhere)?.entry(name).or_insert(Value::Null)
                }
                Step::Index(index) => {
                    if place.is_null() {
                        *place = Value::Array(Vec::new());
                    }
                    let all = place.as_array_mut().ok_or_else(nowhere)?;
                    if all.len() == index {
                        all.push(Value::Null);
                    }
                    all.get_mut(index).ok_or_else(nowhere)?
                }
            };
        }
        match (&arg.string_value, arg.number_value, arg.bool_value) {
            (Some(text), ..) => match place {
                Value::String(before) => before.push_str(&text.0),
                _ => *place = Value::from(text.0.as_ref()),
            },
            (None, Some(number), _) => *place = whole(number),
            (None, None, Some(flag)) => *place = Value::Bool(flag),
            // A null, or the announcement of a value.
            (None, None, None) => {}
        }
        Ok(())
    }

    /// The arguments as JSON.
    pub(super) fn into_json(self) -> String {
        Value::Object(self.0).to_string()
    }
}

fn whole(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9.0e15 {
        #[expect(clippy::cast_possible_truncation, reason = "checked above")]
        return Value::from(number as i64);
    }
    Value::from(number)
}

/// The steps of a JSON path of names and indices: `$.a.b[0]['c d']`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path.strip_prefix('$')?;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, next) = after.split_at_checked(end)?;
            steps.push(Step::Name(name.to_owned()));
            rest = next;
        } else {
            let after = rest.strip_prefix('[')?;
            let quote = after.chars().next().filter(|&first| first == '\'' || first == '"');
            if let Some(quote) = quote {
                let (name, next) = after.get(1..)?.split_once(quote)?;
                steps.push(Step::Name(name.to_owned()));
                rest = next.strip_prefix(']')?;
            } else {
                let (index, next) = after.split_once(']')?;
                steps.push(Step::Index(index.parse().ok()?));
                rest = next;
            }
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(args: &mut PartialArgs, json: &str) -> Result<(), Error> {
        args.add(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn values_find_their_places() {
        let mut args = PartialArgs::default();
        for json in [
            r#"{"jsonPath":"$.city","stringValue":"New ","willContinue":true}"#,
            r#"{"jsonPath":"$.city","stringValue":"Delhi"}"#,
            r#"{"jsonPath":"$.days","numberValue":3}"#,
            r#"{"jsonPath":"$.list[0].x","boolValue":true}"#,
            r#"{"jsonPath":"$.list[1]['a b']","numberValue":0.5}"#,
            r#"{"jsonPath":"$.none","nullValue":"NULL_VALUE"}"#,
        ] {
            add(&mut args, json).unwrap();
        }
        assert_eq!(
            args.into_json(),
            r#"{"city":"New Delhi","days":3,"list":[{"x":true},{"a b":0.5}],"none":null}"#
        );
    }

    #[test]
    fn wrong_paths_are_errors() {
        let mut args = PartialArgs::default();
        for path in ["", "$", "x", "$[0]", "$.a[5]", "$.a[x]", "$.a['b"] {
            let json = serde_json::json!({ "jsonPath": path, "stringValue": "x" }).to_string();
            assert!(add(&mut args, &json).is_err(), "{path}");
        }
        add(&mut args, r#"{"jsonPath":"$.s","stringValue":"x"}"#).unwrap();
        assert!(add(&mut args, r#"{"jsonPath":"$.s.t","stringValue":"x"}"#).is_err());
    }
}
