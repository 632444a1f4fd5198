//! Where the key stands in a request, and how it is taken out.
//!
//! All values of a header are looked at, as bytes. Where several stand that could be the key, it is not for us to
//! choose: something behind this gateway might choose another one.

use std::borrow::Cow;

use filter_config::KeyLocation;

use crate::endpoints::percent_decode_bytes;
use crate::{HeaderMap, Host};

/// What stands at the place of the key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No key.
    Nothing,
    /// One.
    Key(Vec<u8>),
    /// Something that may be a key, but not which: several values, or one in a field that cannot be rewritten.
    Unclear,
}

/// Looks for the key.
pub(super) fn find(host: &dyn Host, location: &KeyLocation) -> Found {
    match location {
        KeyLocation::Header { name, prefix } => {
            in_header(&host.header_values(HeaderMap::Request, name), prefix.as_bytes())
        }
        KeyLocation::QueryParameter { name } => {
            let path = host.header_values(HeaderMap::Request, ":path").into_iter().next().unwrap_or_default();
            rewritable(&path, in_query(&path, name))
        }
        KeyLocation::Cookie { name } => {
            let cookies = cookies(host);
            rewritable(&cookies, in_cookies(&cookies, name))
        }
    }
}

/// Takes out what [`find`] finds, and leaves everything else as it is, byte for byte.
pub(super) fn take_out(host: &mut dyn Host, location: &KeyLocation) {
    match location {
        KeyLocation::Header { name, .. } => host.remove_header(HeaderMap::Request, name),
        KeyLocation::QueryParameter { name } => {
            if let Some(path) = host.header(HeaderMap::Request, ":path") {
                host.set_header(HeaderMap::Request, ":path", &without_parameter(&path, name));
            }
        }
        KeyLocation::Cookie { name } => {
            if let Ok(cookies) = String::from_utf8(cookies(host)) {
                match without_cookie(&cookies, name) {
                    Some(rest) => host.set_header(HeaderMap::Request, "cookie", &rest),
                    None => host.remove_header(HeaderMap::Request, "cookie"),
                }
            }
        }
    }
}

/// Text is rewritten as text: what is none cannot lose its key.
fn rewritable(field: &[u8], found: Found) -> Found {
    if found != Found::Nothing && std::str::from_utf8(field).is_err() { Found::Unclear } else { found }
}

/// The one of several values; what is empty is no key.
fn only(mut values: Vec<Cow<'_, [u8]>>) -> Found {
    match (values.pop(), values.is_empty()) {
        (None, _) => Found::Nothing,
        (Some(value), true) if value.is_empty() => Found::Nothing,
        (Some(value), true) => Found::Key(value.into_owned()),
        (Some(_), false) => Found::Unclear,
    }
}

fn in_header(values: &[Vec<u8>], prefix: &[u8]) -> Found {
    let key = |value: &[u8]| {
        let (start, key) = value.split_at_checked(prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then(|| key.trim_ascii().to_vec())
    };
    if let [value] = values
        && let Some(key) = key(value)
    {
        return only(vec![Cow::Owned(key)]);
    }
    // Envoy joins several values of `authorization`, among others, with commas.
    let parts = values.iter().flat_map(|value| value.split(|&byte| byte == b','));
    let holds_key = parts.map(<[u8]>::trim_ascii).any(|part| key(part).is_some());
    if holds_key { Found::Unclear } else { Found::Nothing }
}

fn in_query(path: &[u8], name: &str) -> Found {
    let Some(start) = path.iter().position(|&byte| byte == b'?') else { return Found::Nothing };
    let query = path.get(start + 1..).unwrap_or_default();
    let values = query.split(|&byte| byte == b'&').filter_map(|pair| value_of_parameter(pair, name));
    only(values.collect())
}

/// The value of a pair of the query with this name. Clients may percent-encode both as they like.
fn value_of_parameter<'p>(pair: &'p [u8], name: &str) -> Option<Cow<'p, [u8]>> {
    let equals = pair.iter().position(|&byte| byte == b'=').unwrap_or(pair.len());
    let (own, value) = pair.split_at_checked(equals)?;
    (percent_decode_bytes(own) == name.as_bytes())
        .then(|| percent_decode_bytes(value.get(1..).unwrap_or_default()))
}

/// A path without the parameters of this name; without a `?` when there were no others.
fn without_parameter(path: &str, name: &str) -> String {
    let Some((bare, query)) = path.split_once('?') else { return path.to_owned() };
    let others: Vec<&str> =
        query.split('&').filter(|pair| value_of_parameter(pair.as_bytes(), name).is_none()).collect();
    if others.is_empty() { bare.to_owned() } else { format!("{bare}?{}", others.join("&")) }
}

/// All cookies of a request. Clients with HTTP/2 may send them in several headers (RFC 9113, section 8.2.3).
fn cookies(host: &dyn Host) -> Vec<u8> {
    host.header_values(HeaderMap::Request, "cookie").join(&b"; "[..])
}

fn in_cookies(cookies: &[u8], name: &str) -> Found {
    let values = cookies.split(|&byte| byte == b';').filter_map(|pair| value_of_cookie(pair, name));
    only(values.map(Cow::Borrowed).collect())
}

/// The value of a cookie with this name (RFC 6265, section 4.2.1), without the quotes it may have.
fn value_of_cookie<'c>(pair: &'c [u8], name: &str) -> Option<&'c [u8]> {
    let equals = pair.iter().position(|&byte| byte == b'=')?;
    let (own, value) = pair.split_at_checked(equals)?;
    if own.trim_ascii() != name.as_bytes() {
        return None;
    }
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
}

/// Cookies without those of this name; `None` when there are no others.
fn without_cookie(cookies: &str, name: &str) -> Option<String> {
    let others: Vec<&str> =
        cookies.split(';').filter(|pair| value_of_cookie(pair.as_bytes(), name).is_none()).collect();
    if others.iter().all(|pair| pair.trim().is_empty()) {
        return None;
    }
    let joined = others.join(";");
    // What stood behind the first cookie begins with the space that was between them.
    let first_is_gone = cookies.split(';').next() != others.first().copied();
    Some(if first_is_gone { joined.trim_start().to_owned() } else { joined })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fake_host::FakeHost;

    fn key(key: &str) -> Found {
        Found::Key(key.into())
    }

    #[test]
    fn in_headers() {
        let found = |prefix: &str, values: &[&[u8]]| {
            in_header(&values.iter().map(|value| value.to_vec()).collect::<Vec<_>>(), prefix.as_bytes())
        };
        assert_eq!(found("Bearer ", &[b"Bearer k"]), key("k"));
        assert_eq!(found("Bearer ", &[b"bEARER   k "]), key("k"));
        assert_eq!(found("", &[b"k"]), key("k"));
        assert_eq!(found("", &[b"\xff"]), Found::Key(vec![0xff]));
        for nothing in [&b"Bearer "[..], b"Bearer", b"", b"Basic k", b"Basic a, Digest b"] {
            assert_eq!(found("Bearer ", &[nothing]), Found::Nothing, "{nothing:?}");
        }
        assert_eq!(found("Bearer ", &[]), Found::Nothing);
        assert_eq!(found("", &[]), Found::Nothing);
        assert_eq!(found("", &[b""]), Found::Nothing);
        // Several values, joined by Envoy or not, known or not.
        assert_eq!(found("Bearer ", &[b"Bearer k", b"Bearer k"]), Found::Unclear);
        assert_eq!(found("Bearer ", &[b"Basic a", b"Bearer k"]), Found::Unclear);
        assert_eq!(found("Bearer ", &[b"Basic a,Bearer k"]), Found::Unclear);
        assert_eq!(found("Bearer ", &[b"Bearer k,Bearer l"]), key("k,Bearer l"));
        assert_eq!(found("", &[b"k", b"l"]), Found::Unclear);
        assert_eq!(found("", &[b"", b"k"]), Found::Unclear);
        assert_eq!(found("Bearer ", &[b"Basic a", b"Basic b"]), Found::Nothing);
    }

    #[test]
    fn in_queries() {
        assert_eq!(in_query(b"/p?key=k", "key"), key("k"));
        assert_eq!(in_query(b"/p?a=1&k%65y=a%2Fb+c&b", "key"), key("a/b+c"));
        for nothing in [&b"/p"[..], b"/p?", b"/p?key", b"/p?key=", b"/p?keys=k&akey=k", b"/key=k"] {
            assert_eq!(in_query(nothing, "key"), Found::Nothing);
        }
        assert_eq!(in_query(b"/p?key=k&key=k", "key"), Found::Unclear);
        assert_eq!(in_query(b"/p?key&key=k", "key"), Found::Unclear);
        let raw = b"/p\xff?key=k";
        assert_eq!(rewritable(raw, in_query(raw, "key")), Found::Unclear);
        assert_eq!(rewritable(b"/p\xff", in_query(b"/p\xff", "key")), Found::Nothing);
        for (path, rest) in [
            ("/p?key=k", "/p"),
            ("/p?key=k&a=1", "/p?a=1"),
            ("/p?a=%20&key=k", "/p?a=%20"),
            ("/p?a=1&%6bey=k&&b=2&", "/p?a=1&&b=2&"),
            ("/p?a=1", "/p?a=1"),
            ("/p?", "/p?"),
        ] {
            assert_eq!(without_parameter(path, "key"), rest);
        }
    }

    #[test]
    fn in_several_cookies() {
        assert_eq!(in_cookies(b"a=1; key=k; b=2", "key"), key("k"));
        assert_eq!(in_cookies(b"key=\"k=\"", "key"), key("k="));
        for nothing in [&b""[..], b"key", b"key=", b"a=key=k", b"Key=k"] {
            assert_eq!(in_cookies(nothing, "key"), Found::Nothing);
        }
        assert_eq!(in_cookies(b"key=k;key=l", "key"), Found::Unclear);
        for (cookies, rest) in [
            ("key=k", None),
            ("key=k;", None),
            ("key=k; a=1", Some("a=1")),
            ("a=1; key=k", Some("a=1")),
            ("a=1; key=k;b=2; ", Some("a=1;b=2; ")),
        ] {
            assert_eq!(without_cookie(cookies, "key").as_deref(), rest);
        }
    }

    #[test]
    fn is_taken_out_of_the_request() {
        let mut host = FakeHost::default();
        let headers = [("cookie", "a=1"), ("x-key", "k"), ("cookie", "key=k"), (":path", "/p?key=k&b=2")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        host.headers.insert(HeaderMap::Request, headers);
        let locations = [
            KeyLocation::Header { name: "x-key".to_owned(), prefix: String::new() },
            KeyLocation::QueryParameter { name: "key".to_owned() },
            KeyLocation::Cookie { name: "key".to_owned() },
        ];
        for location in &locations {
            assert_eq!(find(&host, location), key("k"));
            take_out(&mut host, location);
            assert_eq!(find(&host, location), Found::Nothing);
        }
        assert_eq!(host.header_values(HeaderMap::Request, "cookie"), [b"a=1"]);
        assert_eq!(host.header(HeaderMap::Request, ":path").as_deref(), Some("/p?b=2"));
        assert_eq!(host.header(HeaderMap::Request, "x-key"), None);
    }

    proptest! {
        /// Of a query, the key is found and taken out, and all the rest stays as it was, in its order.
        #[test]
        fn everything_else_in_a_query_stays(
            before in proptest::collection::vec("[a-j%=+/. é]{0,6}", 0..4),
            secret in "[a-zA-Z0-9._~-]{1,12}",
            after in proptest::collection::vec("[a-j%=+/. é]{0,6}", 0..4),
        ) {
            let pair = format!("key={secret}");
            let all = [before.clone(), vec![pair], after.clone()].concat();
            let path = format!("/v1/x?{}", all.join("&"));
            let rest = [before, after].concat();
            let expected = if rest.is_empty() { "/v1/x".to_owned() } else { format!("/v1/x?{}", rest.join("&")) };
            prop_assert_eq!(in_query(path.as_bytes(), "key"), key(&secret));
            prop_assert_eq!(without_parameter(&path, "key"), expected);
        }

        /// Nothing of that name is left in any path, however it is written, and nothing is cut where nothing is.
        #[test]
        fn no_parameter_of_the_name_is_left(path in "(/|\\?|&|=|key|%6b|%6B|ey|a|%|é){0,16}") {
            let rest = without_parameter(&path, "key");
            prop_assert_eq!(in_query(rest.as_bytes(), "key"), Found::Nothing);
            prop_assert_eq!(without_parameter(&rest, "key"), rest);
        }

        /// The same of cookies.
        #[test]
        fn everything_else_in_cookies_stays(
            before in proptest::collection::vec("[a-j]{1,3}=[a-j=\"]{0,4}", 0..4),
            secret in "[a-zA-Z0-9._~-]{1,12}",
            after in proptest::collection::vec("[a-j]{1,3}=[a-j=\"]{0,4}", 0..4),
        ) {
            let all = [before.clone(), vec![format!("key={secret}")], after.clone()].concat().join("; ");
            let rest = [before, after].concat().join("; ");
            prop_assert_eq!(in_cookies(all.as_bytes(), "key"), key(&secret));
            prop_assert_eq!(without_cookie(&all, "key"), Some(rest).filter(|rest| !rest.is_empty()));
        }

        #[test]
        fn no_cookie_of_the_name_is_left(cookies in "(;|; |=| |key|\"|a|é){0,16}") {
            if let Some(rest) = without_cookie(&cookies, "key") {
                prop_assert_eq!(in_cookies(rest.as_bytes(), "key"), Found::Nothing);
            }
        }
    }
}
