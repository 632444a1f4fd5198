//! Strings as they are written and as they are meant.

use std::borrow::Cow;

/// What the string `quoted` says. `escaped` is whether it has a backslash. Half of a surrogate pair, which JSON can
/// write and text cannot hold, becomes U+FFFD.
pub(super) fn decode(quoted: &str, escaped: bool) -> Cow<'_, str> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    if !escaped {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        text.push_str(rest.get(..at).unwrap_or_default());
        let escape = rest.get(at + 1..).unwrap_or_default();
        let mut length = 2;
        text.push(match escape.bytes().next() {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                length = 6;
                let unit = unit(escape.get(1..5));
                match (unit, escape.get(5..7).map(|next| (next, self::unit(escape.get(7..11))))) {
                    (0xd800..=0xdbff, Some(("\\u", low @ 0xdc00..=0xdfff))) => {
                        length = 12;
                        char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
                            .unwrap_or('\u{fffd}')
                    }
                    _ => char::from_u32(unit).unwrap_or('\u{fffd}'),
                }
            }
            other => other.map_or('\u{fffd}', char::from),
        });
        rest = rest.get(at + length..).unwrap_or_default();
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// A UTF-16 unit of four hexadecimal digits.
fn unit(digits: Option<&str>) -> u32 {
    digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0xfffd)
}

/// `text` as a JSON string.
pub(crate) fn encode(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_undone() {
        assert_eq!(decode(r#""a\"\\\/\b\f\n\r\t\u00fc\uD83D\ude00z""#, true), "a\"\\/\u{8}\u{c}\n\r\tü😀z");
        assert_eq!(decode(r#""\ud83d""#, true), "\u{fffd}");
        assert_eq!(decode(r#""\ud83dx\ude00\ud83d\n""#, true), "\u{fffd}x\u{fffd}\u{fffd}\n");
        assert_eq!(decode(r#""\ud83d\ud83d\ude00""#, true), "\u{fffd}😀");
    }

    proptest! {
        #[test]
        fn agrees_with_serde(text in any::<String>()) {
            let quoted = encode(&text);
            prop_assert_eq!(&*decode(&quoted, quoted.contains('\\')), &text);
            let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let escaped = format!("\"{units}\"");
            prop_assert_eq!(&*decode(&escaped, true), text);
        }
    }
}
