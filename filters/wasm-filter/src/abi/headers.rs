//! Headers as Envoy hands them over all at once.

/// A serialized header map (proxy-wasm ABI 0.2.1): the number of headers, then the lengths of name and value of each, then
/// name and value of each with a NUL behind both. Numbers are 32 bits, least byte first.
///
/// Edits that Envoy is told of are noted here too, so that it need not be asked again after each.
#[derive(Debug)]
pub(crate) struct Headers {
    serialized: Vec<u8>,
    /// Headers that were given one value, or none, since.
    edits: Vec<(String, Option<String>)>,
}

impl Headers {
    pub(crate) fn new(serialized: Vec<u8>) -> Self {
        Self { serialized, edits: Vec::new() }
    }

    /// The first value of a header. What does not follow the format counts as absent.
    pub(crate) fn first(&self, name: &str) -> Option<&[u8]> {
        match self.edits.iter().find(|(edited, _)| edited == name) {
            Some((_, value)) => value.as_deref().map(str::as_bytes),
            None => self.values(name).next(),
        }
    }

    /// Every value of a header, in order. What does not follow the format counts as absent.
    pub(crate) fn all(&self, name: &str) -> Vec<&[u8]> {
        match self.edits.iter().find(|(edited, _)| edited == name) {
            Some((_, value)) => value.iter().map(String::as_bytes).collect(),
            None => self.values(name).collect(),
        }
    }

    /// Whether a header has this value and no other.
    pub(crate) fn is(&self, name: &str, value: &str) -> bool {
        match self.edits.iter().find(|(edited, _)| edited == name) {
            Some((_, edited)) => edited.as_deref() == Some(value),
            None => self.values(name).eq([value.as_bytes()]),
        }
    }

    /// Notes that a header has one value now, or none.
    pub(crate) fn note(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        match self.edits.iter_mut().find(|(edited, _)| edited == name) {
            Some((_, edited)) => *edited = value,
            None => self.edits.push((name.to_owned(), value)),
        }
    }

    /// Those of `names` that are there.
    pub(crate) fn present<'n>(&self, names: &[&'n str]) -> Vec<&'n str> {
        let edited = |name: &str| self.edits.iter().find(|(edited, _)| edited == name);
        let mut present: Vec<&str> = self
            .pairs()
            .filter_map(|(name, _)| names.iter().copied().find(|known| known.as_bytes() == name))
            .filter(|name| edited(name).is_none())
            .collect();
        present.dedup();
        let set = names.iter().copied().filter(|name| edited(name).is_some_and(|(_, value)| value.is_some()));
        present.extend(set.filter(|_| !self.edits.is_empty()));
        present
    }

    /// The values of a header as Envoy handed them over.
    fn values<'h, 'n>(&'h self, name: &'n str) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
        self.pairs().filter(move |(known, _)| *known == name.as_bytes()).map(|(_, value)| value)
    }

    /// Names and values as Envoy handed them over.
    fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let count = self.number(0).unwrap_or_default();
        let mut at = count.checked_mul(8).and_then(|lengths| lengths.checked_add(4));
        (0..count).map_while(move |index| {
            let name_at = at?;
            let (name_size, value_size) = (self.number(4 + index * 8)?, self.number(8 + index * 8)?);
            let value_at = name_at.checked_add(name_size)?.checked_add(1)?;
            let next = value_at.checked_add(value_size)?.checked_add(1)?;
            at = Some(next);
            Some((self.serialized.get(name_at..value_at - 1)?, self.serialized.get(value_at..next - 1)?))
        })
    }

    fn number(&self, at: usize) -> Option<usize> {
        let bytes = self.serialized.get(at..at.checked_add(4)?)?;
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
    fn every_value_is_found() {
        let mut headers = Headers::new(serialized(&[("a", "1"), ("b", "1"), ("c", "2"), ("b", "")]));
        assert_eq!(headers.all("b"), [&b"1"[..], b""]);
        assert_eq!(headers.all("d"), [&b""[..]; 0]);
        headers.note("b", Some("3"));
        headers.note("a", None);
        assert_eq!((headers.all("b"), headers.all("a")), (vec![&b"3"[..]], Vec::new()));
    }

    #[test]
    fn presence_is_told_once() {
        let headers = Headers::new(serialized(&[("a", "1"), ("b", "1"), ("b", "2")]));
        assert_eq!(headers.present(&["c", "b"]), ["b"]);
    }

    #[test]
    fn edits_count() {
        let mut headers = Headers::new(serialized(&[("a", "1"), ("b", "1"), ("b", "2")]));
        assert!(headers.is("a", "1") && !headers.is("b", "1") && !headers.is("c", ""));
        headers.note("b", Some("1"));
        headers.note("a", None);
        headers.note("c", Some("3"));
        assert!(headers.is("b", "1") && !headers.is("a", "1") && headers.is("c", "3"));
        assert_eq!(headers.present(&["a", "b", "c", "d"]), ["b", "c"]);
        assert_eq!((headers.first("a"), headers.first("c")), (None, Some(&b"3"[..])));
        headers.note("c", Some("4"));
        assert_eq!(headers.first("c"), Some(&b"4"[..]));
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
