//! Reading answers.

use serde_json::{Map, Value};

use crate::{Error, Service};

/// An answer's JSON, or a part of it.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) service: Service,
    pub(crate) value: &'a Value,
}

/// Reads the body of an answer of this status.
pub(crate) fn read(service: Service, status: u16, body: &[u8]) -> Result<Value, Error> {
    if !(200..300).contains(&status) {
        return Err(Error::Status { service, status });
    }
    serde_json::from_slice(body).map_err(|_| Error::Unreadable { service, message: "it is not JSON" })
}

impl<'a> Part<'a> {
    pub(crate) fn unreadable(self, message: &'static str) -> Error {
        Error::Unreadable { service: self.service, message }
    }

    /// The part of this name; nothing if it is not there or `null`.
    pub(crate) fn get(self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Self { value, ..self })
    }

    pub(crate) fn array(self, name: &str, message: &'static str) -> Result<Vec<Self>, Error> {
        let values =
            self.value.get(name).and_then(Value::as_array).ok_or_else(|| self.unreadable(message))?;
        Ok(values.iter().map(|value| Self { value, ..self }).collect())
    }

    pub(crate) fn object(self, name: &str, message: &'static str) -> Result<Self, Error> {
        self.get(name).filter(|part| part.value.is_object()).ok_or_else(|| self.unreadable(message))
    }

    pub(crate) fn text(self, name: &str, message: &'static str) -> Result<&'a str, Error> {
        self.value.get(name).and_then(Value::as_str).ok_or_else(|| self.unreadable(message))
    }
}

/// Whether any object in it, however deep, has this member.
pub(crate) fn holds_member(value: &Value, name: &str, member: &str) -> bool {
    any_object(value, &|object| object.get(name).and_then(Value::as_str) == Some(member))
}

/// Whether this is so of any object in it. A value read from JSON is at most 128 deep.
fn any_object(value: &Value, test: &dyn Fn(&Map<String, Value>) -> bool) -> bool {
    match value {
        Value::Object(object) => test(object) || object.values().any(|value| any_object(value, test)),
        Value::Array(values) => values.iter().any(|value| any_object(value, test)),
        _ => false,
    }
}
