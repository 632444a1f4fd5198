//! Calls as Envoy sends them, read once.

use envoy_proto::envoy::extensions::common::ratelimit::v3 as common;
use envoy_proto::envoy::service::ratelimit::v3::RateLimitRequest;
use sha2::{Digest, Sha256};

use crate::charge::Kind;
use crate::config::Limit;
use crate::error::Error;
use crate::window::Unit;

/// Beginning of the keys of entries that steer a charge and take no part in matching.
pub(crate) const RESERVED: &str = "weir.";

/// Key of the entry that marks a charge after the fact, with the value `true`.
pub const SETTLE: &str = "weir.settle";

/// Key of the entry that names the request a charge is for.
pub const REQUEST: &str = "weir.request";

/// Most hits one charge may add, so that sums stay exact for thousands of them.
pub const MOST_ADDED: u64 = 1_000_000_000_000;

/// Most descriptors in a call, and entries in a descriptor. Envoy's configurations have a handful.
const MOST_PARTS: usize = 100;

/// An entry of a descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// A descriptor of a call.
#[derive(Debug, PartialEq)]
pub(crate) struct Descriptor {
    /// What is matched.
    pub(crate) entries: Vec<Entry>,
    pub(crate) kind: Kind,
    pub(crate) hits: u64,
    /// Name of the request, so that it is charged once.
    pub(crate) request: Option<String>,
    /// The limit to apply in place of the configured one.
    pub(crate) limit: Option<Limit>,
}

/// A call.
#[derive(Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) domain: String,
    pub(crate) descriptors: Vec<Descriptor>,
}

impl Call {
    /// Reads a request.
    ///
    /// # Errors
    /// [`Error::InvalidCall`].
    pub(crate) fn read(request: RateLimitRequest) -> Result<Self, Error> {
        let invalid = |reason: &str| Err(Error::InvalidCall(reason.to_owned()));
        if request.domain.is_empty() {
            return invalid("the call has no domain");
        }
        if request.descriptors.is_empty() {
            return invalid("the call has no descriptors");
        }
        let entries = request.descriptors.iter().map(|one| one.entries.len());
        if request.descriptors.len() > MOST_PARTS || entries.max() > Some(MOST_PARTS) {
            return invalid("the call has more than 100 descriptors, or one with more than 100 entries");
        }
        // Not set and 0 are the same here.
        let usual = u64::from(request.hits_addend.max(1));
        let descriptors = request.descriptors.into_iter().map(|one| descriptor(one, usual));
        Ok(Self { domain: request.domain, descriptors: descriptors.collect::<Result<_, _>>()? })
    }
}

fn descriptor(said: common::RateLimitDescriptor, usual: u64) -> Result<Descriptor, Error> {
    let mut entries = Vec::with_capacity(said.entries.len());
    let (mut settle, mut request) = (false, None);
    for entry in said.entries {
        match entry.key.as_str() {
            SETTLE if entry.value == "true" => settle = true,
            REQUEST if !entry.value.is_empty() => request = Some(entry.value),
            // No value names no request: the charge is made without the protection.
            REQUEST => {}
            SETTLE => return Err(Error::InvalidCall(format!("the only value of {SETTLE} is \"true\""))),
            key if key.starts_with(RESERVED) => {
                return Err(Error::InvalidCall(format!("entry {key}: known are {SETTLE} and {REQUEST}")));
            }
            _ => entries.push(Entry { key: entry.key, value: entry.value }),
        }
    }
    let hits = said.hits_addend.unwrap_or(usual);
    if hits > MOST_ADDED {
        return Err(Error::InvalidCall(format!("{hits} hits at once; at most {MOST_ADDED}")));
    }
    let kind = match (said.is_negative_hits, settle) {
        (true, _) => Kind::Refund,
        (false, true) => Kind::Settle,
        (false, false) => Kind::Admit,
    };
    let limit = said.limit.map(limit).transpose()?;
    Ok(Descriptor { entries, kind, hits, request, limit })
}

fn limit(said: common::rate_limit_descriptor::RateLimitOverride) -> Result<Limit, Error> {
    use envoy_proto::envoy::r#type::v3::RateLimitUnit;
    let unit = match said.unit() {
        RateLimitUnit::Second => Unit::Second,
        RateLimitUnit::Minute => Unit::Minute,
        RateLimitUnit::Hour => Unit::Hour,
        RateLimitUnit::Day => Unit::Day,
        RateLimitUnit::Month => Unit::Month,
        RateLimitUnit::Year => Unit::Year,
        RateLimitUnit::Unknown => {
            return Err(Error::InvalidCall("a limit of the call has no unit".to_owned()));
        }
    };
    Ok(Limit::plain(u64::from(said.requests_per_unit), unit, said.unit_multiplier.unwrap_or(1)))
}

/// A short name for a value that must not be shown: `#` and 8 digits of its SHA-256.
pub fn fingerprint(value: &str) -> String {
    let digest = Sha256::digest(value.as_bytes());
    digest.iter().take(4).fold("#".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(entries: &[(&str, &str)], hits: Option<u64>, negative: bool) -> Result<Descriptor, Error> {
        let entries = entries.iter().map(|(key, value)| common::rate_limit_descriptor::Entry {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        });
        let descriptor = common::RateLimitDescriptor {
            entries: entries.collect(),
            hits_addend: hits,
            is_negative_hits: negative,
            ..Default::default()
        };
        let request = RateLimitRequest { domain: "d".into(), descriptors: vec![descriptor], hits_addend: 0 };
        Ok(Call::read(request)?.descriptors.remove(0))
    }

    #[test]
    fn entries_of_weir_steer_and_do_not_match() {
        let read =
            call(&[("weir.request", "r1"), ("user", "u"), ("weir.settle", "true")], Some(5), false).unwrap();
        assert_eq!(read.entries, [Entry { key: "user".into(), value: "u".into() }]);
        assert_eq!((read.kind, read.hits, read.request.as_deref()), (Kind::Settle, 5, Some("r1")));
        assert_eq!(call(&[("weir.settle", "true")], None, true).unwrap().kind, Kind::Refund);
        assert_eq!(call(&[("user", "u")], None, true).unwrap().kind, Kind::Refund);
        assert!(call(&[("weir.settle", "yes")], None, false).is_err());
        assert!(call(&[("weir.sttle", "true")], None, false).is_err());
    }

    #[test]
    fn hits_are_one_unless_the_descriptor_says_none() {
        assert_eq!(call(&[("user", "u")], None, false).unwrap().hits, 1);
        assert_eq!(call(&[("user", "u")], Some(0), false).unwrap().hits, 0);
        assert!(call(&[("user", "u")], Some(MOST_ADDED + 1), false).is_err());
    }

    #[test]
    fn fingerprints_do_not_show_the_value() {
        assert_eq!(fingerprint("a"), "#ca978112");
    }
}
