//! `data:` URLs (RFC 2397), which this API uses for inline images and files.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::hub::Source;

/// Why a URL has no source.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// It is no `data:` URL with base64 data and a media type.
    DataUrl,
    /// It is empty.
    Empty,
}

/// The source a URL stands for: inline data for `data:`, a reference for any other scheme.
///
/// The data is neither copied nor checked; the text of a `data:` URL is borrowed when the URL is.
pub(super) fn source(url: Cow<'_, str>) -> Result<Source<'_>, Malformed> {
    if url.is_empty() {
        return Err(Malformed::Empty);
    }
    if is_data(&url) { base64(url) } else { Ok(Source::Url(url)) }
}

/// Whether `url` has the scheme `data`.
pub(super) fn is_data(url: &str) -> bool {
    url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// Takes a `data:` URL apart. Parameters of the media type (`;charset=…`, `;name=…`) are left out.
fn base64(url: Cow<'_, str>) -> Result<Source<'_>, Malformed> {
    let (head, _) = url.split_once(',').ok_or(Malformed::DataUrl)?;
    let data_at = head.len() + 1;
    let head = head.get(5..).ok_or(Malformed::DataUrl)?;
    let (types, encoding) = head.rsplit_once(';').ok_or(Malformed::DataUrl)?;
    let media_len = types.find(';').unwrap_or(types.len());
    if !encoding.trim().eq_ignore_ascii_case("base64") || media_len == 0 {
        return Err(Malformed::DataUrl);
    }
    let media_end = 5 + media_len;
    Ok(match url {
        Cow::Borrowed(url) => Source::Base64 {
            media_type: Cow::Borrowed(url.get(5..media_end).ok_or(Malformed::DataUrl)?),
            data: Cow::Borrowed(url.get(data_at..).ok_or(Malformed::DataUrl)?),
        },
        Cow::Owned(mut url) => {
            let media_type = Cow::Owned(url.get(5..media_end).ok_or(Malformed::DataUrl)?.to_owned());
            // Moves the data to the front of the string it is already in, instead of copying it out.
            url.drain(..data_at);
            Source::Base64 { media_type, data: Cow::Owned(url) }
        }
    })
}

/// Writes a `data:` URL without putting it together in memory first.
#[derive(Debug)]
pub(super) struct DataUrl<'r> {
    /// Such as `image/png`.
    pub(super) media_type: &'r str,
    /// The base64 text.
    pub(super) data: &'r str,
}

impl fmt::Display for DataUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "data:{};base64,{}", self.media_type, self.data)
    }
}

impl Serialize for DataUrl<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        let inline = |media_type: &'static str, data: &'static str| {
            Ok(Source::Base64 { media_type: media_type.into(), data: data.into() })
        };
        for (url, expected) in [
            ("https://a.example/x.png", Ok(Source::Url("https://a.example/x.png".into()))),
            ("gs://bucket/x.png", Ok(Source::Url("gs://bucket/x.png".into()))),
            ("data:image/png;base64,AA==", inline("image/png", "AA==")),
            ("DATA:image/png;BASE64,AA==", inline("image/png", "AA==")),
            ("data:image/svg+xml;charset=utf-8;base64,AA==", inline("image/svg+xml", "AA==")),
            ("data:image/png;base64,", inline("image/png", "")),
            ("data:;base64,AA==", Err(Malformed::DataUrl)),
            ("data:image/png,AA", Err(Malformed::DataUrl)),
            ("data:image/png;base64", Err(Malformed::DataUrl)),
            ("data:", Err(Malformed::DataUrl)),
            ("", Err(Malformed::Empty)),
        ] {
            assert_eq!(source(Cow::Borrowed(url)), expected, "{url}");
            assert_eq!(source(Cow::Owned(url.to_owned())), expected, "{url}");
        }
    }

    #[test]
    fn borrows_from_a_borrowed_url() {
        let Ok(Source::Base64 { media_type, data }) = source(Cow::Borrowed("data:image/png;base64,AA=="))
        else {
            panic!("inline data expected");
        };
        assert!(matches!((media_type, data), (Cow::Borrowed(_), Cow::Borrowed(_))));
    }

    #[test]
    fn writes_what_it_reads() {
        let url = DataUrl { media_type: "image/png", data: "iVBOR/8+" };
        assert_eq!(serde_json::to_string(&url).unwrap(), r#""data:image/png;base64,iVBOR/8+""#);
    }
}
