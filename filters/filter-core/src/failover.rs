//! What a client is told of providers that could not answer.

use crate::record::{self, Record};
use crate::{Attribute, HeaderMap, Host, cooldown, health};

/// Response header with the number of attempts, on errors of routes with several providers.
const ATTEMPTS: &str = "x-weir-attempts";

/// Response header that is `true` when there was no provider left to ask.
const EXHAUSTED: &str = "x-weir-exhausted";

/// State key of the status the client gets in place of a failed attempt's: `502 424`.
const STATUS: &str = "weir.status";

/// Gives a failed attempt the status by which Envoy decides on the next one, and leaves word of what the client's dialect
/// calls it.
pub(crate) fn set_status(host: &mut dyn Host, status: u16, of_client: u16) {
    host.set_header(HeaderMap::Response, ":status", &status.to_string());
    if status != of_client {
        host.publish(STATUS, format!("{status} {of_client}").as_bytes());
    }
}

/// The status of the client's dialect for an attempt's. Word of an earlier attempt does no harm: it is of the same
/// dialect.
pub(crate) fn client_status(host: &dyn Host, status: u16) -> Option<u16> {
    let word = String::from_utf8(host.state(STATUS)?).ok()?;
    let (of_attempt, of_client) = word.split_once(' ')?;
    if of_attempt.parse() == Ok(status) { of_client.parse().ok() } else { None }
}

/// How far an exchange went that ended in an error, on a route with several providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failover {
    /// How many attempts were made.
    attempts: u64,
    /// Every provider of the route was asked.
    exhausted: bool,
}

impl Failover {
    /// What came before the error at hand; `None` where the route has no several providers, or none of them was asked.
    pub(crate) fn of(host: &mut dyn Host) -> Option<Self> {
        let providers: usize = cooldown::groups(&*host)?.iter().map(Vec::len).sum();
        // The last attempt may have got no answer.
        health::unanswered(host);
        let attempts: u64 =
            host.attribute(Attribute::Attempts)?.parse().ok().filter(|&attempts| attempts > 0)?;
        Some(Self { attempts, exhausted: attempts >= providers as u64 })
    }

    /// What the client is told, as response headers.
    pub(crate) fn headers(self) -> impl Iterator<Item = (&'static str, String)> {
        let exhausted = self.exhausted.then(|| (EXHAUSTED, "true".to_owned()));
        std::iter::once((ATTEMPTS, self.attempts.to_string())).chain(exhausted)
    }

    /// Tells the client and the log.
    pub(crate) fn tell(self, host: &mut dyn Host) {
        for (name, value) in self.headers() {
            host.set_header(HeaderMap::Response, name, &value);
        }
        record::edit(host, |record| self.note(record));
    }

    /// Puts it into the record.
    pub(crate) fn note(self, record: &mut Record<'_>) {
        record.attempt = Some(self.attempts);
        record.exhausted = self.exhausted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_host::FakeHost;

    #[test]
    fn the_router_and_the_client_see_different_statuses() {
        let mut host = FakeHost::default();
        set_status(&mut host, 500, 500);
        assert_eq!(client_status(&host, 500), None);
        set_status(&mut host, 502, 424);
        assert_eq!(host.header(HeaderMap::Response, ":status").as_deref(), Some("502"));
        assert_eq!((client_status(&host, 502), client_status(&host, 503)), (Some(424), None));
    }

    #[test]
    fn all_asked_is_exhausted() {
        let mut host = FakeHost::default();
        assert_eq!(Failover::of(&mut host), None);
        host.attributes.insert(Attribute::RouteGroups, r#"[["a","b"],["c"]]"#.to_owned());
        assert_eq!(Failover::of(&mut host), None, "the request was refused before any attempt");
        let headers = |host: &mut FakeHost, attempts: &str| {
            host.attributes.insert(Attribute::Attempts, attempts.to_owned());
            Failover::of(host).map(|failover| failover.headers().collect::<Vec<_>>())
        };
        assert_eq!(headers(&mut host, "0"), None);
        assert_eq!(headers(&mut host, "2"), Some(vec![(ATTEMPTS, "2".to_owned())]));
        let all = vec![(ATTEMPTS, "3".to_owned()), (EXHAUSTED, "true".to_owned())];
        assert_eq!(headers(&mut host, "3"), Some(all));
    }
}
