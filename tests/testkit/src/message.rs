//! Headers and messages as they leave a filter.

use std::fmt;

/// An ordered list of header fields. Names are lower-case; a name may occur more than once; pseudo headers (`:path`) are
/// ordinary entries, as in Envoy's header map.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first value of `name` if it is UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_bytes(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The first value of `name`.
    pub fn get_bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }

    /// Adds a field at the end, keeping fields of the same name.
    pub fn add(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.0.push((name.to_ascii_lowercase(), value.into()));
    }

    /// Sets a field: the first one of that name takes the value in its place and the others go, else it is added.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        let name = name.to_ascii_lowercase();
        let value = value.into();
        match self.0.iter().position(|(key, _)| *key == name) {
            Some(first) => {
                let mut index = 0;
                self.0.retain(|(key, _)| {
                    let keep = index <= first || *key != name;
                    index += 1;
                    keep
                });
                if let Some(entry) = self.0.get_mut(first) {
                    entry.1 = value;
                }
            }
            None => self.0.push((name, value)),
        }
    }

    /// Removes every field of that name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }
}

impl From<&[(&str, &str)]> for Headers {
    fn from(fields: &[(&str, &str)]) -> Self {
        fields.iter().copied().collect()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Headers {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(fields: I) -> Self {
        let mut headers = Self::new();
        for (name, value) in fields {
            headers.add(name, value);
        }
        headers
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list()
            .entries(self.0.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value))))
            .finish()
    }
}

/// One direction of an exchange as the next hop sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Headers at the moment they were forwarded; `None` while the filter still holds them.
    pub headers: Option<Headers>,
    /// Body as it was forwarded, one entry per forwarding step. Never contains an empty chunk.
    pub chunks: Vec<Vec<u8>>,
    /// Trailers if any were forwarded.
    pub trailers: Option<Headers>,
    /// True once the end of the stream was forwarded.
    pub ended: bool,
    /// Bytes the filter still holds back.
    pub held: Vec<u8>,
}

impl Message {
    /// The whole forwarded body.
    pub fn body(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    /// A forwarded header, `None` if it is absent or the headers were not forwarded.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.as_ref().and_then(|headers| headers.get(name))
    }

    /// `:status` of a forwarded response.
    pub fn status(&self) -> Option<u16> {
        self.header(":status").and_then(|status| status.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_replaces_in_place_and_drops_duplicates() {
        let mut headers = Headers::from(&[("A", "1"), ("b", "2"), ("a", "3")][..]);
        headers.set("a", "9");
        assert_eq!(headers, Headers::from(&[("a", "9"), ("b", "2")][..]));
        headers.set("c", "4");
        headers.remove("B");
        assert_eq!(headers, Headers::from(&[("a", "9"), ("c", "4")][..]));
        assert_eq!(headers.get("C"), Some("4"));
    }
}
