//! Vectors, as JSON and as base64.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::Encoding;
use crate::Error;
use crate::hub::RawJson;

/// One vector, as it came.
#[derive(Debug, Clone)]
pub enum Vector<'a> {
    /// A JSON array.
    Json(RawJson<'a>),
    /// Little-endian 32-bit floats in base64.
    Base64(Cow<'a, str>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Vector<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;

        let json: &'de RawValue = Deserialize::deserialize(deserializer)?;
        match json.get().as_bytes().first() {
            Some(b'[') => Ok(Self::Json(Cow::Borrowed(json))),
            Some(b'"') => serde_json::from_str::<crate::json::Str<'de>>(json.get())
                .map(|text| Self::Base64(text.0))
                .map_err(D::Error::custom),
            _ => Err(D::Error::custom("a vector is neither an array nor base64")),
        }
    }
}

impl Vector<'_> {
    /// The numbers.
    ///
    /// # Errors
    /// [`Error::UpstreamSent`] when it holds something else.
    pub fn floats(&self) -> Result<Vec<f32>, Error> {
        match self {
            Self::Json(json) => serde_json::from_str(json.get())
                .map_err(|_| Error::upstream("a vector holds something else than numbers")),
            Self::Base64(text) => {
                let bytes =
                    STANDARD.decode(text.as_bytes()).map_err(|_| Error::upstream("a vector is no base64"))?;
                let (floats, rest) = bytes.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err(Error::upstream("a vector is not made of 32-bit numbers"));
                }
                Ok(floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
            }
        }
    }

    /// The vector as it is written.
    pub(super) fn written(&self, encoding: Encoding) -> Result<Written<'_>, Error> {
        match (self, encoding) {
            (Self::Json(json), Encoding::Float) => Ok(Written::Json(json)),
            (Self::Base64(text), Encoding::Base64) => Ok(Written::Base64(Cow::Borrowed(text))),
            (Self::Base64(_), Encoding::Float) => self.floats().map(Written::Floats),
            (Self::Json(_), Encoding::Base64) => {
                let bytes: Vec<u8> = self.floats()?.into_iter().flat_map(f32::to_le_bytes).collect();
                Ok(Written::Base64(Cow::Owned(STANDARD.encode(bytes))))
            }
        }
    }
}

/// A vector as it is written.
pub(super) enum Written<'a> {
    Json(&'a RawValue),
    Floats(Vec<f32>),
    Base64(Cow<'a, str>),
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(json) => json.serialize(serializer),
            Self::Floats(floats) => floats.serialize(serializer),
            Self::Base64(text) => serializer.serialize_str(text),
        }
    }
}
