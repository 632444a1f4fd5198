//! Reading JSON without copying it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Error;
use crate::hub::RawJson;

/// A JSON string that borrows from the body when it holds no escapes.
///
/// serde borrows a plain `Cow<str>` field only where it is marked, and never inside `Option` or `Vec`;
/// this wrapper borrows everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Str<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// The string, unless it is missing or empty.
pub(crate) fn non_empty(text: Option<Str<'_>>) -> Option<Cow<'_, str>> {
    text.map(|Str(text)| text).filter(|text| !text.is_empty())
}

/// Whether JSON text begins like an object. serde reads arrays into structs too, field by field.
pub(crate) fn is_object(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

/// The JSON schema at `path`. A schema may also be `true` or `false`, but no provider takes those.
///
/// # Errors
/// [`Error::ClientSent`] when it is no object.
pub(crate) fn schema(json: &RawValue, path: impl FnOnce() -> String) -> Result<RawJson<'_>, Error> {
    if is_object(json.get().as_bytes()) {
        return Ok(Cow::Borrowed(json));
    }
    Err(Error::client(path(), "must be a JSON schema object"))
}

/// Reads a client's body.
///
/// # Errors
/// [`Error::ClientSent`] with the JSON path of what does not fit `T`. To find it the body is read a second time: keeping
/// track of it would cost too much while things go well.
pub(crate) fn read_body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    let error = match serde_json::from_slice(body) {
        Ok(read) => return Ok(read),
        Err(error) if error.is_data() => error,
        Err(error) => return Err(Error::client("", format!("the body is not valid JSON: {error}"))),
    };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    Err(match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(located) => {
            let path = located.path().to_string();
            Error::client(if path == "." { String::new() } else { path }, located.inner().to_string())
        }
        Ok(_) => Error::client("", error.to_string()),
    })
}

/// Reads a provider's body.
///
/// # Errors
/// Those of [`unreadable`].
pub(crate) fn read_answer<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| unreadable(&error))
}

/// The error for a provider's JSON that could not be read. serde's own message may repeat values, so only the place is
/// told.
pub(crate) fn unreadable(error: &serde_json::Error) -> Error {
    let what = if error.is_data() { "unexpected JSON" } else { "malformed JSON" };
    Error::upstream(format!("{what} at line {}, column {}", error.line(), error.column()))
}

/// Appends `value` as JSON.
pub(crate) fn write_json(out: &mut Vec<u8>, value: &impl Serialize) {
    // Writing to memory cannot fail, and neither can the structs of this crate: they hold no map with other keys than
    // strings and no type that refuses to serialise.
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok(), "{written:?}");
}

/// `value` as JSON.
pub(crate) fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut json = Vec::new();
    write_json(&mut json, value);
    json
}

/// The members of a JSON object, in their order; none for anything else.
pub(crate) fn members(json: &str) -> Vec<(Cow<'_, str>, &RawValue)> {
    serde_json::from_str::<Members<'_>>(json).map(|members| members.0).unwrap_or_default()
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((Str(name), value)) = map.next_entry()? {
            members.push((name, value));
        }
        Ok(Members(members))
    }
}
