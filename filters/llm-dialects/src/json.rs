//! Reading JSON without copying it.

use std::borrow::Cow;

use serde::Deserialize;

/// A JSON string that borrows from the body when it holds no escapes.
///
/// serde borrows a plain `Cow<str>` field only where it is marked, and never inside `Option` or `Vec`;
/// this wrapper borrows everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Str<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// Whether JSON text begins like an object. serde reads arrays into structs too, field by field.
pub(crate) fn is_object(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}
