//! Arguments of tool calls, which both of OpenAI's chat APIs carry as a string.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::hub::Arguments;

/// Reads arguments out of their string. No text at all means an empty object, which is what models mean by it.
pub(crate) fn read(text: Cow<'_, str>) -> Arguments<'_> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return match serde_json::from_str::<&RawValue>("{}") {
            Ok(json) => Arguments::Json(Cow::Borrowed(json)),
            Err(_) => Arguments::Invalid(text),
        };
    }
    if !trimmed.starts_with('{') {
        return Arguments::Invalid(text);
    }
    match text {
        Cow::Borrowed(text) => match serde_json::from_str::<&RawValue>(text) {
            Ok(json) => Arguments::Json(Cow::Borrowed(json)),
            Err(_) => Arguments::Invalid(Cow::Borrowed(text)),
        },
        Cow::Owned(text) => match serde_json::from_str::<Box<RawValue>>(&text) {
            Ok(json) => Arguments::Json(Cow::Owned(json)),
            Err(_) => Arguments::Invalid(Cow::Owned(text)),
        },
    }
}

/// The string that carries arguments.
pub(crate) fn text<'r>(arguments: &'r Arguments<'_>) -> &'r str {
    match arguments {
        Arguments::Json(json) => json.get(),
        Arguments::Invalid(text) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(arguments: Arguments<'_>) -> Option<String> {
        match arguments {
            Arguments::Json(json) => Some(json.get().to_owned()),
            Arguments::Invalid(_) => None,
        }
    }

    #[test]
    fn arguments_are_json_objects_or_kept_as_text() {
        for (text, expected) in [
            ("", Some("{}")),
            ("  \n", Some("{}")),
            ("{}", Some("{}")),
            (r#" {"a":1} "#, Some(r#"{"a":1}"#)),
            ("[1]", None),
            ("null", None),
            (r#"{"a":"#, None),
            (r#"{"a":1} trailing"#, None),
        ] {
            assert_eq!(json(read(Cow::Borrowed(text))).as_deref(), expected, "{text:?}");
            assert_eq!(json(read(Cow::Owned(text.to_owned()))).as_deref(), expected, "{text:?}");
        }
    }
}
