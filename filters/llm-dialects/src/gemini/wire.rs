//! What both requests and answers hold: contents and their parts, as the decoders read them.
//!
//! One flat struct holds the fields of every part type, so that a body is parsed in one pass without buffering. The
//! API reads protobuf's JSON: names in camelCase or snake_case, numbers also as strings, one object also where an array
//! is meant.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::Str;

/// A turn.
#[derive(Debug, Default, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub(super) role: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) parts: Option<OneOrMany<Part<'a>>>,
}

/// The fields of every part type.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Part<'a> {
    #[serde(borrow)]
    pub(super) text: Option<Str<'a>>,
    pub(super) thought: Option<bool>,
    #[serde(borrow, alias = "thought_signature")]
    pub(super) thought_signature: Option<Str<'a>>,
    #[serde(borrow, alias = "inline_data")]
    pub(super) inline_data: Option<Blob<'a>>,
    #[serde(borrow, alias = "file_data")]
    pub(super) file_data: Option<FileData<'a>>,
    #[serde(borrow, alias = "function_call")]
    pub(super) function_call: Option<FunctionCall<'a>>,
    #[serde(borrow, alias = "function_response")]
    pub(super) function_response: Option<FunctionResponse<'a>>,
    #[serde(alias = "executable_code")]
    executable_code: Option<IgnoredAny>,
    #[serde(alias = "code_execution_result")]
    code_execution_result: Option<IgnoredAny>,
    #[serde(alias = "tool_call")]
    tool_call: Option<IgnoredAny>,
    #[serde(alias = "tool_response")]
    tool_response: Option<IgnoredAny>,
}

impl Part<'_> {
    /// The field of a part only this API knows.
    pub(super) fn foreign(&self) -> Option<&'static str> {
        let fields = [
            (&self.executable_code, "executableCode"),
            (&self.code_execution_result, "codeExecutionResult"),
            (&self.tool_call, "toolCall"),
            (&self.tool_response, "toolResponse"),
        ];
        fields.into_iter().find_map(|(field, name)| field.as_ref().map(|_| name))
    }
}

/// Data inside the body.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Blob<'a> {
    #[serde(borrow, alias = "mime_type")]
    pub(super) mime_type: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) data: Option<Str<'a>>,
}

/// Data behind a URI.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct FileData<'a> {
    #[serde(borrow, alias = "mime_type")]
    pub(super) mime_type: Option<Str<'a>>,
    #[serde(borrow, alias = "file_uri")]
    pub(super) file_uri: Option<Str<'a>>,
}

/// The model calls a function.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct FunctionCall<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) args: Option<&'a RawValue>,
    #[serde(borrow, alias = "partial_args")]
    pub(super) partial_args: Option<Vec<PartialArg<'a>>>,
    #[serde(alias = "will_continue")]
    pub(super) will_continue: Option<bool>,
}

/// A piece of the arguments of a streamed call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct PartialArg<'a> {
    #[serde(borrow, alias = "json_path")]
    pub(super) json_path: Option<Str<'a>>,
    #[serde(borrow, alias = "string_value")]
    pub(super) string_value: Option<Str<'a>>,
    #[serde(alias = "number_value")]
    pub(super) number_value: Option<f64>,
    #[serde(alias = "bool_value")]
    pub(super) bool_value: Option<bool>,
}

/// The answer of a function.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct FunctionResponse<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) response: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) parts: Option<OneOrMany<Part<'a>>>,
}

/// An array, or the one element that stands for it.
#[derive(Debug)]
pub(super) struct OneOrMany<T>(pub(super) Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of objects")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(element) = seq.next_element()? {
                    all.push(element);
                }
                Ok(OneOrMany(all))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrMany(vec![one]))
            }
        }

        deserializer.deserialize_any(Visit(PhantomData))
    }
}

/// A whole number, perhaps written with a fraction of zero or as a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Int(pub(super) i64);

impl Int {
    /// The number as a count; negative ones count as 0.
    pub(super) fn count(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl Visitor<'_> for Visit {
            type Value = Int;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Int, E> {
                Ok(Int(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Int, E> {
                Ok(Int(i64::try_from(number).unwrap_or(i64::MAX)))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Int, E> {
                // Below 2^53 every whole number has its own float.
                if number.fract() == 0.0 && number.abs() < 9.0e15 {
                    #[expect(clippy::cast_possible_truncation, reason = "checked above")]
                    return Ok(Int(number as i64));
                }
                Err(E::invalid_value(serde::de::Unexpected::Float(number), &self))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Int, E> {
                let number = text.parse().map_err(|_| E::custom("must be a whole number"))?;
                Ok(Int(number))
            }
        }

        deserializer.deserialize_any(Visit)
    }
}

/// The name of an enum's value; clients may also send its number, which is read as no name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Name<'a>(pub(super) Cow<'a, str>);

impl Name<'_> {
    /// Whether it is `name`, in any case.
    pub(super) fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'de> Visitor<'de> for Visit {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Name::default())
            }
        }

        deserializer.deserialize_any(Visit)
    }
}

/// The fields of a JSON object, in order.
#[derive(Debug)]
pub(super) struct Entries<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'de> Visitor<'de> for Visit {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(Str(key)) = map.next_key::<Str<'de>>()? {
                    entries.push((key, map.next_value::<&'de RawValue>()?));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Visit)
    }
}

/// The elements of what [`OneOrMany`] reads, as bytes.
pub(super) fn elements(raw: &RawValue) -> Vec<&RawValue> {
    if raw.get().starts_with('[') { serde_json::from_str(raw.get()).unwrap_or_default() } else { vec![raw] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_their_forms() {
        for (json, expected) in [("40", Some(40)), ("40.0", Some(40)), ("\"40\"", Some(40)), ("-1", Some(-1))]
        {
            assert_eq!(serde_json::from_str::<Int>(json).ok().map(|int| int.0), expected);
        }
        assert!(serde_json::from_str::<Int>("0.5").is_err());
        assert!(serde_json::from_str::<Int>("\"x\"").is_err());
        assert_eq!(serde_json::from_str::<Int>("18446744073709551615").unwrap().0, i64::MAX);
    }

    #[test]
    fn one_stands_for_many() {
        let content: Content<'_> = serde_json::from_str(r#"{"parts":{"text":"x"}}"#).unwrap();
        assert_eq!(content.parts.unwrap().0.len(), 1);
    }
}
