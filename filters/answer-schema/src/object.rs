//! Members of a schema that is an object, checked to be of their form.

use serde_json::{Map, Number, Value};

use crate::keyword::Types;
use crate::{Error, number, pattern};

/// An object that is a schema, and where it stands.
pub(crate) struct Object<'v, 'p> {
    pub(crate) members: &'v Map<String, Value>,
    pub(crate) place: &'p str,
}

impl<'v> Object<'v, '_> {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    pub(crate) fn invalid(&self, name: &str, message: &'static str) -> Error {
        Error::Invalid { place: format!("{}/{name}", self.place), message }
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<&'v Number>, Error> {
        match self.members.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number)),
            Some(_) => Err(self.invalid(name, "must be a number")),
        }
    }

    pub(crate) fn count(&self, name: &str) -> Result<Option<u64>, Error> {
        let bad = || self.invalid(name, "must be a whole number, not below 0");
        match self.members.get(name) {
            None => Ok(None),
            Some(value) => value.as_number().and_then(number::count).ok_or_else(bad).map(Some),
        }
    }

    pub(crate) fn array(&self, name: &str) -> Result<Option<&'v Vec<Value>>, Error> {
        match self.members.get(name) {
            None => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values)),
            Some(_) => Err(self.invalid(name, "must be an array")),
        }
    }

    pub(crate) fn object(&self, name: &str) -> Result<Option<&'v Map<String, Value>>, Error> {
        match self.members.get(name) {
            None => Ok(None),
            Some(Value::Object(values)) => Ok(Some(values)),
            Some(_) => Err(self.invalid(name, "must be an object")),
        }
    }

    pub(crate) fn names(&self, value: &Value, name: &str) -> Result<Vec<String>, Error> {
        let names = value.as_array().and_then(|values| {
            values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        names.ok_or_else(|| self.invalid(name, "must be an array of strings"))
    }

    pub(crate) fn types(&self, value: &Value) -> Result<Types, Error> {
        let names = match value {
            Value::Array(names) => names.as_slice(),
            one => std::slice::from_ref(one),
        };
        names.iter().try_fold(Types::default(), |types, name| {
            let one = name.as_str().and_then(Types::named);
            one.map(|one| types.with(one)).ok_or_else(|| {
                self.invalid(
                    "type",
                    "must be null, boolean, integer, number, string, array, object, or some of them",
                )
            })
        })
    }

    pub(crate) fn pattern(&self, name: &str, text: &str) -> Result<regex::Regex, Error> {
        pattern::compile(text)
            .map_err(|message| Error::Pattern { place: format!("{}/{name}", self.place), message })
    }
}
