//! Media types of inline data, which some dialects send in a field and others inside a `data:` URL.

/// Whether it is a media type that every dialect can carry: `type/subtype` of restricted names (RFC 6838, 4.2), with or
/// without parameters, and without the comma that ends it in a `data:` URL (RFC 2397).
pub(crate) fn is_media_type(text: &str) -> bool {
    let named = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
    kind.trim_end().split_once('/').is_some_and(|(family, subtype)| named(family) && named(subtype))
        && !parameters.bytes().any(|b| b == b',' || b.is_ascii_control())
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
