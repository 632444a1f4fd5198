//! Top-level fields: constants and expressions.

use std::collections::BTreeMap;

use expressions::{Context, Expression};
use llm_dialects::edit::{Object, Text};
use serde_json::Value;

use crate::Error;

/// The name under which expressions see the body.
const BODY: &str = "llmRequest";

/// Fields and the JSON they get.
#[derive(Debug)]
pub(crate) struct Constants(Vec<(String, String)>);

impl Constants {
    pub(crate) fn new(fields: &BTreeMap<String, Value>) -> Self {
        Self(fields.iter().map(|(field, value)| (field.clone(), value.to_string())).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets every field. Returns whether there is any.
    pub(crate) fn set(&self, object: &mut Object<'_>) -> bool {
        for (field, json) in &self.0 {
            object.set(field, Text::verbatim(json.clone()));
        }
        !self.0.is_empty()
    }

    /// Sets the fields that are not there. Returns whether any was missing.
    pub(crate) fn add(&self, object: &mut Object<'_>) -> bool {
        let mut added = false;
        for (field, json) in &self.0 {
            if !object.has(field) {
                object.set(field, Text::verbatim(json.clone()));
                added = true;
            }
        }
        added
    }
}

/// Fields and the expressions that give them their values.
#[derive(Debug)]
pub(crate) struct Transformations(Vec<(String, Expression)>);

impl Transformations {
    pub(crate) fn compile(path: &str, fields: &BTreeMap<String, String>) -> Result<Self, Error> {
        let compile = |(field, text): (&String, &String)| {
            let expression = Expression::compile(text)
                .map_err(|error| Error::config(format!("{path}.{field}"), error.to_string()))?;
            Ok((field.clone(), expression))
        };
        fields.iter().map(compile).collect::<Result<_, Error>>().map(Self)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn references(&self, root: &str) -> bool {
        self.0.iter().any(|(_, expression)| expression.references(root))
    }

    /// Gives every field its expression's value over `body`; one that has none is removed. Returns whether anything
    /// may have changed.
    ///
    /// # Errors
    /// [`Error::Body`] when an expression names the body and it cannot be parsed, for instance because it is nested
    /// too deep.
    pub(crate) fn apply(
        &self,
        object: &mut Object<'_>,
        body: &[u8],
        context: &Context<'_>,
    ) -> Result<bool, Error> {
        let tree: Value = if self.references(BODY) {
            serde_json::from_slice(body)
                .map_err(|error| llm_dialects::Error::client("", error.to_string()))?
        } else {
            Value::Null
        };
        let mut variables = Context::over(context);
        variables.lend(BODY, &tree);
        let mut changed = false;
        for (field, expression) in &self.0 {
            changed |= match expression.evaluate(&variables) {
                Ok(value) => {
                    object.set(field, &value);
                    true
                }
                Err(_) => object.remove(field),
            };
        }
        Ok(changed)
    }
}
