//! Headers as Envoy hands them over all at once.

/// A serialized header map (proxy-wasm ABI 0.2.1): the number of headers, then the lengths of name and value of each, then
/// name and value of each with a NUL behind both. Numbers are 32 bits, least byte first.
#[derive(Debug)]
pub(crate) struct Headers(Vec<u8>);

impl Headers {
    pub(crate) fn new(serialized: Vec<u8>) -> Self {
        Self(serialized)
    }

    /// The first value of a header. What does not follow the format counts as absent.
    pub(crate) fn first(&self, name: &str) -> Option<&[u8]> {
        let count = self.number(0)?;
        let mut at = count.checked_mul(8)?.checked_add(4)?;
        for index in 0..count {
            let (name_size, value_size) = (self.number(4 + index * 8)?, self.number(8 + index * 8)?);
            let value_at = at.checked_add(name_size)?.checked_add(1)?;
            let next = value_at.checked_add(value_size)?.checked_add(1)?;
            if name_size == name.len() && self.0.get(at..value_at - 1)? == name.as_bytes() {
                return self.0.get(value_at..next - 1);
            }
            at = next;
        }
        None
    }

    fn number(&self, at: usize) -> Option<usize> {
        let bytes = self.0.get(at..at.checked_add(4)?)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serialized(headers: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = (headers.len() as u32).to_le_bytes().to_vec();
        for (name, value) in headers {
            bytes.extend((name.len() as u32).to_le_bytes());
            bytes.extend((value.len() as u32).to_le_bytes());
        }
        for (name, value) in headers {
            bytes.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
        }
        bytes
    }

    #[test]
    fn the_first_value_is_found() {
        let headers = Headers::new(serialized(&[(":path", "/"), ("a", ""), ("b", "1"), ("b", "2")]));
        assert_eq!(headers.first(":path"), Some(&b"/"[..]));
        assert_eq!(headers.first("a"), Some(&b""[..]));
        assert_eq!(headers.first("b"), Some(&b"1"[..]));
        assert_eq!(headers.first("c"), None);
    }

    #[test]
    fn what_is_cut_short_or_absurd_is_absent() {
        let whole = serialized(&[("a", "1"), ("b", "2")]);
        for end in 0..whole.len() {
            let _ = Headers::new(whole[..end].to_vec()).first("b");
        }
        assert_eq!(Headers::new(vec![255; 64]).first("a"), None);
        assert_eq!(Headers::new(Vec::new()).first("a"), None);
    }
}
