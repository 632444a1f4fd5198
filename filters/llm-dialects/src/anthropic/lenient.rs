//! Reading fields whose type depends on a sibling field, without failing and without buffering.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A type every JSON value can be read into.
pub(super) trait Lenient<'de>: Sized + Default {
    /// What a value of an unexpected type becomes. `null` becomes the default.
    const OTHER: Self;

    /// Takes a string.
    fn text(_: Cow<'de, str>) -> Self {
        Self::OTHER
    }

    /// Takes an array.
    fn seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::OTHER)
    }

    /// Takes an object.
    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::OTHER)
    }
}

/// Reads a [`Lenient`] type; fails only on malformed JSON.
pub(super) fn lenient<'de, T: Lenient<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(LenientVisitor(PhantomData))
}

struct LenientVisitor<T>(PhantomData<T>);

impl<'de, T: Lenient<'de>> Visitor<'de> for LenientVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<T, E> {
        Ok(T::text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok(T::text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<T, E> {
        Ok(T::OTHER)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<T, E> {
        Ok(T::OTHER)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<T, E> {
        Ok(T::OTHER)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<T, E> {
        Ok(T::OTHER)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T, A::Error> {
        T::seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::map(map)
    }
}

/// A field that ought to be a string.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// Missing or `null`.
    #[default]
    Absent,
    /// A string.
    Str(Cow<'a, str>),
    /// Any other JSON value.
    Other,
}

impl<'a> Field<'a> {
    /// The string, or an empty one for anything else.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Str(text) => text,
            Self::Absent | Self::Other => "",
        }
    }

    /// The string, if it is one.
    pub(super) fn into_string(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Str(text) => Some(text),
            Self::Absent | Self::Other => None,
        }
    }

    /// The string of an id or a name, which no dialect takes empty.
    pub(super) fn into_filled(self) -> Option<Cow<'a, str>> {
        self.into_string().filter(|text| !text.is_empty())
    }
}

impl<'de> Lenient<'de> for Field<'de> {
    const OTHER: Self = Self::Other;

    fn text(text: Cow<'de, str>) -> Self {
        Self::Str(text)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient::<Field<'de>, D>(deserializer)
    }
}
