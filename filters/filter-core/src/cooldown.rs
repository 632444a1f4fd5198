//! Providers that have asked to be left alone for a while.
//!
//! A provider that answers 429 or 503 often says when to come back. Until then, every worker of this Envoy asks the
//! others first: the `provider` filter shares how long ([`note`]), and the `llm` filter changes the order of clusters
//! of each request that could meet it ([`avoid`]). A cooling provider is asked last, not never: when all others fail,
//! it is still worth a try. Providers that fail without asking for anything are [`crate::health`]'s.

use crate::{Attribute, HeaderMap, Host};

/// Key of the time until which some provider cools down: most of the time none does, and one look tells.
const LATEST: &str = "weir.cooling";

/// Longest time a provider is avoided for one answer. Providers with daily quotas say "tomorrow"; they are asked again
/// now and then, at the cost of one failed attempt.
const LONGEST_MS: u64 = 60_000;

/// How long a provider is avoided that says 429 and not for how long: enough that a burst of requests does not meet
/// the same answer one by one.
const UNSAID_MS: u64 = 1_000;

fn key(cluster: &str) -> String {
    format!("{LATEST}.{cluster}")
}

fn until(host: &dyn Host, key: &str) -> u64 {
    let bytes = host.shared(key).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    bytes.map_or(0, u64::from_le_bytes)
}

/// Shares that `cluster` wants to be left alone for `wait_ms`.
pub(crate) fn note(host: &mut dyn Host, cluster: &str, wait_ms: u64) {
    leave_alone(host, cluster, wait_ms.min(LONGEST_MS));
}

/// Shares that `cluster` is asked after the others for `wait_ms`, or as long as was said before.
pub(crate) fn leave_alone(host: &mut dyn Host, cluster: &str, wait_ms: u64) {
    let end = host.now_ms().saturating_add(wait_ms);
    for key in [key(cluster).as_str(), LATEST] {
        if until(host, key) < end {
            host.share(key, &end.to_le_bytes());
        }
    }
}

/// Whether `cluster` is asked after the others now.
pub(crate) fn is_cooling(host: &dyn Host, cluster: &str) -> bool {
    until(host, &key(cluster)) > host.now_ms()
}

/// The clusters of the selected route in their groups, where it has several.
pub(crate) fn groups(host: &dyn Host) -> Option<Vec<Vec<String>>> {
    serde_json::from_str(&host.attribute(Attribute::RouteGroups)?).ok()
}

/// Asks for another order of the route's clusters when one of them cools down.
pub(crate) fn avoid(host: &mut dyn Host, now_ms: u64) {
    if until(host, LATEST) <= now_ms {
        return;
    }
    let Some(mut groups) = groups(host) else { return };
    for group in &mut groups {
        // Members of a group share its requests: the millisecond decides who is first.
        let turn = now_ms.checked_rem(group.len() as u64).and_then(|turn| usize::try_from(turn).ok());
        group.rotate_left(turn.unwrap_or_default());
    }
    let (cooling, ready): (Vec<String>, Vec<String>) =
        groups.into_iter().flatten().partition(|cluster| until(host, &key(cluster)) > now_ms);
    if cooling.is_empty() || ready.is_empty() {
        return;
    }
    host.prefer(&ready.into_iter().chain(cooling).collect::<Vec<_>>());
}

/// For how long a provider wants to be left alone, by its status and headers, in milliseconds. `None` when it does not
/// want that; a 429 always does.
///
/// Read are `retry-after-ms`, `retry-after` (seconds; a date is not read) and, on 429, the reset headers of OpenAI
/// (`x-ratelimit-reset-requests`, `-tokens`: durations such as `1m0.5s`) where what remains is 0, of Anthropic (RFC 3339
/// times are not read, it sends `retry-after`), of Groq (as OpenAI) and Cerebras (`-requests-day`, `-tokens-minute`,
/// seconds).
pub(crate) fn wait_ms(host: &dyn Host, status: u16) -> Option<u64> {
    let header = |name: &str| host.header(HeaderMap::Response, name);
    if let Some(ms) = header("retry-after-ms").and_then(|value| value.trim().parse::<f64>().ok()) {
        return milliseconds(ms);
    }
    if let Some(seconds) = header("retry-after").and_then(|value| value.trim().parse::<f64>().ok()) {
        return milliseconds(seconds * 1000.0);
    }
    if status != 429 {
        return None;
    }
    let exhausted = |name: &str| header(name).is_some_and(|left| left.trim() == "0");
    let reset = |kind: &str| {
        exhausted(&format!("x-ratelimit-remaining-{kind}"))
            .then(|| header(&format!("x-ratelimit-reset-{kind}")))
            .flatten()
            .and_then(|text| duration_ms(&text))
    };
    ["requests", "tokens", "requests-day", "tokens-minute"]
        .into_iter()
        .filter_map(reset)
        .max()
        .or(Some(UNSAID_MS))
}

fn milliseconds(value: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates; the sign is checked"
    )]
    (value.is_finite() && value >= 0.0).then_some(value as u64)
}

/// A duration such as `6m0s`, `1.5s`, `20ms` or plain seconds.
fn duration_ms(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    if let Ok(seconds) = rest.parse::<f64>() {
        return milliseconds(seconds * 1000.0);
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let (digits, behind) = rest.split_at_checked(number)?;
        let end = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, next) = behind.split_at_checked(end)?;
        let factor = match unit {
            "ms" => 1.0,
            "s" => 1000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            "d" => 86_400_000.0,
            _ => return None,
        };
        total += digits.parse::<f64>().ok()? * factor;
        rest = next;
    }
    milliseconds(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_host::FakeHost;

    fn host(groups: &str) -> FakeHost {
        let mut host = FakeHost { now_ms: 1_000, ..FakeHost::default() };
        host.attributes.insert(Attribute::RouteGroups, groups.to_owned());
        host
    }

    #[test]
    fn cooling_clusters_come_last() {
        let mut host = host(r#"[["a","b"],["c"]]"#);
        avoid(&mut host, 1_000);
        assert_eq!(host.preferred, None);
        note(&mut host, "a", 500);
        avoid(&mut host, 1_000);
        assert_eq!(host.preferred.as_deref(), Some(&["b".to_owned(), "c".to_owned(), "a".to_owned()][..]));
        host.preferred = None;
        avoid(&mut host, 1_500);
        assert_eq!(host.preferred, None, "its time is over");
        for cluster in ["a", "b", "c"] {
            note(&mut host, cluster, 500);
        }
        avoid(&mut host, 1_000);
        assert_eq!(host.preferred, None, "when all cool down, the order stays");
    }

    #[test]
    fn members_of_a_group_take_turns() {
        let mut host = host(r#"[["a","b"],["c"]]"#);
        note(&mut host, "c", 500);
        let mut order = |now_ms| {
            avoid(&mut host, now_ms);
            host.preferred.take().unwrap().concat()
        };
        assert_eq!((order(1_000), order(1_001)), ("abc".to_owned(), "bac".to_owned()));
    }

    #[test]
    fn a_shorter_wait_does_not_end_a_longer_one() {
        let mut host = host("[]");
        note(&mut host, "a", 500);
        note(&mut host, "a", 100);
        assert_eq!(until(&host, &key("a")), 1_500);
    }

    #[test]
    fn a_long_wait_is_cut() {
        let mut host = host("[]");
        note(&mut host, "a", 86_400_000);
        assert_eq!(until(&host, &key("a")), 1_000 + LONGEST_MS);
    }

    #[test]
    fn providers_say_when_to_come_back() {
        let wait = |headers: &[(&str, &str)]| {
            let mut host = FakeHost::default();
            for (name, value) in headers {
                host.set_header(HeaderMap::Response, name, value);
            }
            wait_ms(&host, 429)
        };
        assert_eq!(wait(&[("retry-after", "2")]), Some(2_000));
        assert_eq!(wait(&[("retry-after", "2"), ("retry-after-ms", "150.5")]), Some(150));
        assert_eq!(wait(&[("retry-after", "-2")]), None);
        assert_eq!(wait(&[("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")]), Some(UNSAID_MS));
        assert_eq!(wait(&[]), Some(UNSAID_MS));
        assert_eq!(wait_ms(&FakeHost::default(), 503), None);
        let resets = [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "1m0.5s")];
        assert_eq!(wait(&resets), Some(60_500));
        assert_eq!(wait(&[("x-ratelimit-reset-tokens", "1m0s")]), Some(UNSAID_MS), "some are left");
        assert_eq!(duration_ms("20ms"), Some(20));
        assert_eq!(duration_ms("7x"), None);
    }
}
