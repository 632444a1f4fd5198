//! Arguments of a call for the APIs that take nothing but an object there: Anthropic, Bedrock and Gemini.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::hub::Arguments;

/// The arguments, always written as an object.
pub(crate) enum ToolInput<'a> {
    /// An object.
    Object(&'a RawValue),
    /// Nothing: `{}`.
    Empty,
    /// Text that is no object: `{"raw_arguments": text}`.
    Text(&'a str),
}

impl<'a> ToolInput<'a> {
    /// Text in whatever state the model left it.
    pub(crate) fn of_text(arguments: &'a str) -> Self {
        let text = arguments.trim();
        match serde_json::from_str::<&RawValue>(text) {
            Ok(json) if text.starts_with('{') => Self::Object(json),
            _ if text.is_empty() => Self::Empty,
            _ => Self::Text(arguments),
        }
    }
}

impl<'a> From<&'a Arguments<'a>> for ToolInput<'a> {
    fn from(arguments: &'a Arguments<'a>) -> Self {
        match arguments {
            Arguments::Json(json) if json.get().starts_with('{') => Self::Object(json),
            Arguments::Json(json) => Self::Text(json.get()),
            Arguments::Invalid(text) if text.trim().is_empty() => Self::Empty,
            Arguments::Invalid(text) => Self::Text(text),
        }
    }
}

impl Serialize for ToolInput<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(json) => json.serialize(serializer),
            Self::Empty => serializer.serialize_map(Some(0))?.end(),
            Self::Text(text) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("raw_arguments", text)?;
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_an_object_whatever_the_model_wrote() {
        for (text, written) in [
            (r#" {"a":1} "#, r#"{"a":1}"#),
            ("  ", "{}"),
            (r#"{"a"#, r#"{"raw_arguments":"{\"a"}"#),
            ("[1]", r#"{"raw_arguments":"[1]"}"#),
        ] {
            assert_eq!(serde_json::to_string(&ToolInput::of_text(text)).unwrap(), written, "{text}");
        }
        let list = RawValue::from_string("[1]".to_owned()).unwrap();
        let of = |arguments: &Arguments<'_>| serde_json::to_string(&ToolInput::from(arguments)).unwrap();
        assert_eq!(of(&Arguments::Json(std::borrow::Cow::Owned(list))), r#"{"raw_arguments":"[1]"}"#);
        assert_eq!(of(&Arguments::Invalid(" ".into())), "{}");
        assert_eq!(of(&Arguments::Invalid("x".into())), r#"{"raw_arguments":"x"}"#);
    }
}
