//! `data:` URLs (RFC 2397), which both of OpenAI's chat APIs use for inline images and files.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::hub::Source;
use crate::media_type::is_media_type;

/// The source a URL stands for: inline data for `data:`, a reference for any other scheme. `None` when it is empty, or
/// a `data:` URL without a media type or base64 data, which may not be empty: no provider takes a file of no bytes.
///
/// The data is neither copied nor checked; the text of a `data:` URL is borrowed when the URL is. Parameters of the
/// media type (`;charset=…`, `;name=…`) are left out.
pub(crate) fn source(url: Cow<'_, str>) -> Option<Source<'_>> {
    if url.is_empty() {
        return None;
    }
    if is_data(&url) { base64(url) } else { Some(Source::Url(url)) }
}

/// Whether a URL holds the data itself. Fields that only take addresses refuse it: behind them it would become an
/// address in the hub, and inline data again in the dialects of OpenAI.
pub(crate) fn is_data(url: &str) -> bool {
    url.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
}

const SCHEME: &str = "data:";

/// Takes a `data:` URL apart.
fn base64(url: Cow<'_, str>) -> Option<Source<'_>> {
    let (head, data) = url.split_once(',')?;
    let data_at = head.len() + 1;
    let (types, encoding) = head.get(SCHEME.len()..)?.rsplit_once(';')?;
    let media_len = types.find(';').unwrap_or(types.len());
    let media_type = SCHEME.len()..SCHEME.len() + media_len;
    if !encoding.trim().eq_ignore_ascii_case("base64")
        || !url.get(media_type.clone()).is_some_and(is_media_type)
        || data.is_empty()
    {
        return None;
    }
    Some(match url {
        Cow::Borrowed(url) => Source::Base64 {
            media_type: Cow::Borrowed(url.get(media_type)?),
            data: Cow::Borrowed(url.get(data_at..)?),
        },
        Cow::Owned(mut url) => {
            let media_type = Cow::Owned(url.get(media_type)?.to_owned());
            // Moves the data to the front of the string it is already in, instead of copying it out.
            url.drain(..data_at);
            Source::Base64 { media_type, data: Cow::Owned(url) }
        }
    })
}

/// A URL as it is written: a reference, or inline data that is never put together in memory.
#[derive(Debug)]
pub(crate) enum OutUrl<'r> {
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
    fn reads_every_form() {
        let inline = |media_type: &'static str, data: &'static str| {
            Some(Source::Base64 { media_type: media_type.into(), data: data.into() })
        };
        for (url, expected) in [
            ("https://a.example/x.png", Some(Source::Url("https://a.example/x.png".into()))),
            ("gs://bucket/x.png", Some(Source::Url("gs://bucket/x.png".into()))),
            ("data:image/png;base64,AA==", inline("image/png", "AA==")),
            ("DATA:image/png;BASE64,AA==", inline("image/png", "AA==")),
            ("data:image/svg+xml;charset=utf-8;base64,AA==", inline("image/svg+xml", "AA==")),
            ("data:image/png;base64,", None),
            ("data:;base64,AA==", None),
            ("data:png;base64,AA==", None),
            ("data:image/png,AA", None),
            ("data:image/png;base64", None),
            ("data:", None),
            ("", None),
        ] {
            assert_eq!(source(Cow::Borrowed(url)), expected, "{url}");
            assert_eq!(source(Cow::Owned(url.to_owned())), expected, "{url}");
        }
    }

    #[test]
    fn borrows_from_a_borrowed_url() {
        let Some(Source::Base64 { media_type, data }) = source(Cow::Borrowed("data:image/png;base64,AA=="))
        else {
            panic!("inline data expected");
        };
        assert!(matches!((media_type, data), (Cow::Borrowed(_), Cow::Borrowed(_))));
    }

    #[test]
    fn writes_what_it_reads() {
        let url = OutUrl::Data { media_type: "image/png", data: "iVBOR/8+" };
        assert_eq!(serde_json::to_string(&url).unwrap(), r#""data:image/png;base64,iVBOR/8+""#);
    }
}
