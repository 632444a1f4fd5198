//! The forms of names: objects, labels and hosts (RFC 1123).

use std::net::IpAddr;

use crate::Error;

/// How to write a name that [`is_subdomain`] accepts.
pub(crate) const SUBDOMAIN_FORM: &str = "use lower-case letters, digits, '-' and '.', at most 253 characters";

/// The regular expression of names that [`is_subdomain`] accepts, apart from their length.
pub(crate) const SUBDOMAIN_PATTERN: &str =
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// How to write a name that [`is_label`] accepts.
pub(crate) const LABEL_FORM: &str = "use lower-case letters, digits and '-', at most 63 characters";

/// Whether `name` is a DNS label in lower case: the form of namespaces and of parts of host names.
pub(crate) fn is_label(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Whether `name` is a DNS name in lower case: the form of names of objects.
pub(crate) fn is_subdomain(name: &str) -> bool {
    let part = |part: &str| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !part.is_empty() && part.bytes().all(inner) && !part.starts_with('-') && !part.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(part)
}

/// A host a request can be for or be sent to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A DNS name, in lower case.
    Name(String),
    /// Every name that ends with `.` and this DNS name, written `*.example.com`.
    Wildcard(String),
    /// An IP address.
    Address(IpAddr),
}

impl std::str::FromStr for Host {
    type Err = Error;

    /// Reads a DNS name, a wildcard such as `*.example.com`, or an IP address (IPv6 with or without brackets).
    /// Names are compared without case, so they are lowered. Anything else is [`Error::Hostname`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Host::Address(address));
        }
        let lower = text.to_ascii_lowercase();
        // A trailing dot marks a complete DNS name and means the same.
        let lower = lower.strip_suffix('.').unwrap_or(&lower);
        // Four numbers that are no address (256.1.1.1) are a mistake, not a name: no top-level domain is a number.
        let numeric =
            |name: &str| name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        match lower.strip_prefix("*.") {
            Some(rest) if is_subdomain(rest) && !numeric(rest) => Ok(Host::Wildcard(rest.to_owned())),
            None if is_subdomain(lower) && !numeric(lower) => Ok(Host::Name(lower.to_owned())),
            _ => Err(Error::Hostname { text: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_of_names_agrees_with_the_function() {
        let pattern = regex::Regex::new(SUBDOMAIN_PATTERN).unwrap();
        for name in ["a", "a.b", "a-b.c9", "", ".", "a.", "-a", "a-", "a..b", "A", "a_b", "a.-b", "1.2"] {
            assert_eq!(is_subdomain(name), pattern.is_match(name), "{name:?}");
        }
    }

    #[test]
    fn hosts_are_names_wildcards_and_addresses() {
        assert_eq!("API.example.com".parse(), Ok(Host::Name("api.example.com".into())));
        assert_eq!("*.example.com".parse(), Ok(Host::Wildcard("example.com".into())));
        assert_eq!("127.0.0.1".parse(), Ok(Host::Address([127, 0, 0, 1].into())));
        assert!(matches!("[::1]".parse(), Ok(Host::Address(IpAddr::V6(_)))));
        assert_eq!("localhost".parse(), Ok(Host::Name("localhost".into())));
        for text in
            ["", "*", "*.*.com", "a_b", "https://a.com", "a.com:443", "a..b", "-a.com", "256.1.1.1", "a b"]
        {
            assert!(text.parse::<Host>().is_err(), "{text:?}");
        }
    }
}
