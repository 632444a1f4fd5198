//! Reading request fields and writing response text.

use serde::Serialize;
use serde_json::Value;

/// A member of an object; `null` counts as absent, as both providers treat it in optional fields.
pub(crate) fn present<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// A member that is a string.
pub(crate) fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

/// A member that is a list; empty if it is not there.
pub(crate) fn list<'a>(object: &'a Value, name: &str) -> &'a [Value] {
    object.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether a member is `true`.
pub(crate) fn is_true(object: &Value, name: &str) -> bool {
    object.get(name).and_then(Value::as_bool) == Some(true)
}

/// Appends a value as compact JSON.
pub(crate) fn push(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok(), "memory does not refuse writes, and our values have string keys");
}

/// Whether a tool's name or id has only the characters that both providers allow (letters, digits, `_` and `-`) and
/// at most `longest` of them.
pub(crate) fn is_identifier(name: &str, longest: usize) -> bool {
    !name.is_empty()
        && name.len() <= longest
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_letters_digits_and_two_marks() {
        assert!(is_identifier("get_weather-2", 64));
        assert!(!is_identifier("", 64));
        assert!(!is_identifier("get weather", 64));
        assert!(!is_identifier("abc", 2));
    }
}
