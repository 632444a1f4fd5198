//! Media types of inline data, which some dialects send in a field and others inside a `data:` URL.

use std::borrow::Cow;

use crate::Error;

/// Whether it is a restricted name (RFC 6838, 4.2), as types, subtypes and the formats of audio are.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
}

/// Whether it is a media type that every dialect can carry: `type/subtype` of restricted names (RFC 6838, 4.2), with or
/// without parameters, and without the comma that ends it in a `data:` URL (RFC 2397).
pub(crate) fn is_media_type(text: &str) -> bool {
    let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
    kind.trim_end().split_once('/').is_some_and(|(family, subtype)| is_name(family) && is_name(subtype))
        && !parameters.bytes().any(|b| b == b',' || b.is_ascii_control())
}

/// The media type at `path`.
///
/// # Errors
/// [`Error::ClientSent`] when it is none.
pub(crate) fn checked<'a>(text: Cow<'a, str>, path: impl FnOnce() -> String) -> Result<Cow<'a, str>, Error> {
    if is_media_type(&text) {
        return Ok(text);
    }
    Err(Error::client(path(), "must be a media type, such as `image/png`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_media_types_only() {
        for good in [
            "image/png",
            "image/svg+xml",
            "application/vnd.ms-excel",
            "text/plain; charset=utf-8",
            "audio/L16;rate=24000",
        ] {
            assert!(is_media_type(good), "{good}");
        }
        for bad in
            ["", "png", "image/", "/png", "image/p,ng", "image/png;a,b", "image/p ng", "image/\"png", "a/b/c"]
        {
            assert!(!is_media_type(bad), "{bad}");
        }
    }
}
