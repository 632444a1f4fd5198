//! Inline files: this API takes them as `data:` URLs with base64 data (RFC 2397).

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::hub::Source;

/// The source a URL stands for: inline data for `data:`, a reference for any other scheme. `None` when it is empty,
/// or a `data:` URL without a media type or base64 data.
///
/// The data is neither copied nor checked.
pub(super) fn source(url: Cow<'_, str>) -> Option<Source<'_>> {
    match url {
        Cow::Borrowed(url) => parse(url),
        Cow::Owned(url) => parse(&url).map(|source| match source {
            Source::Base64 { media_type, data } => Source::Base64 {
                media_type: Cow::Owned(media_type.into_owned()),
                data: Cow::Owned(data.into_owned()),
            },
            _ => Source::Url(Cow::Owned(url.clone())),
        }),
    }
}

fn parse(url: &str) -> Option<Source<'_>> {
    if url.is_empty() {
        return None;
    }
    let Some(rest) = url.split_at_checked(5).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("data:"))
    else {
        return Some(Source::Url(Cow::Borrowed(url)));
    };
    let (head, data) = rest.1.split_once(',')?;
    let (types, encoding) = head.rsplit_once(';')?;
    // Parameters (`;charset=…`) say nothing about the file.
    let media_type = types.split(';').next().filter(|media_type| !media_type.is_empty())?;
    encoding
        .trim()
        .eq_ignore_ascii_case("base64")
        .then_some(Source::Base64 { media_type: Cow::Borrowed(media_type), data: Cow::Borrowed(data) })
}

/// A URL as it is written: a reference, or inline data that is never put together in memory.
#[derive(Debug)]
pub(super) enum OutUrl<'r> {
    /// Any URL.
    Reference(&'r str),
    /// Inline data.
    Data {
        /// Such as `image/png`.
        media_type: &'r str,
        /// The base64 text.
        data: &'r str,
    },
}

impl fmt::Display for OutUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference(url) => f.write_str(url),
            Self::Data { media_type, data } => write!(f, "data:{media_type};base64,{data}"),
        }
    }
}

impl Serialize for OutUrl<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Reference(url) => serializer.serialize_str(url),
            Self::Data { .. } => serializer.collect_str(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_and_writes_it_again() {
        let inline = |media_type: &'static str, data: &'static str| {
            Some(Source::Base64 { media_type: media_type.into(), data: data.into() })
        };
        for (url, expected) in [
            ("https://a.example/x.png", Some(Source::Url("https://a.example/x.png".into()))),
            ("data:image/png;base64,AA==", inline("image/png", "AA==")),
            ("DATA:image/png;charset=utf-8;BASE64,AA==", inline("image/png", "AA==")),
            ("data:;base64,AA==", None),
            ("data:image/png,AA", None),
            ("data:", None),
            ("", None),
        ] {
            assert_eq!(source(Cow::Borrowed(url)), expected, "{url}");
            assert_eq!(source(Cow::Owned(url.to_owned())), expected, "{url}");
        }
        let url = OutUrl::Data { media_type: "image/png", data: "iVBOR/8+" };
        assert_eq!(serde_json::to_string(&url).unwrap(), r#""data:image/png;base64,iVBOR/8+""#);
    }
}
