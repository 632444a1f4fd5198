//! URLs of services in objects.

use std::net::IpAddr;

use crate::names::Host;

/// The parts of an `http` or `https` URL in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl {
    /// `https` rather than `http`.
    pub tls: bool,
    /// A DNS name, or an address without brackets.
    pub host: String,
    /// The port, as written or the scheme's own.
    pub port: u16,
    /// The path without a slash at its end; empty for none.
    pub path: String,
}

impl HttpUrl {
    /// Reads the base URL of a model: `http` or `https`, without user, query and fragment, and not of this machine.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn remote(text: &str) -> Result<Self, &'static str> {
        let url = Self::read(text)?;
        let last_label = url.host.rsplit('.').next().unwrap_or_default();
        match url.host.parse::<IpAddr>() {
            Ok(address) if is_local(address) => Err("leads to this machine or its network link"),
            Err(_) if last_label == "localhost" => Err("leads to this machine"),
            // 0x7f000001 is an address to some resolvers.
            Err(_) if last_label.starts_with("0x") => Err("has an ambiguous address as its host"),
            _ => Ok(url),
        }
    }

    /// Reads a URL that may lead anywhere: `http` or `https`, without user, query and fragment.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("is not an absolute URL")?;
        let tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err("is neither http nor https"),
        };
        if rest.contains(['?', '#', '@']) {
            return Err("holds a user, a query or a fragment");
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        // The last colon begins the port, unless it is inside the brackets of an address.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().ok().filter(|&port| port != 0).ok_or("has no valid port")?)
            }
            _ => (authority, if tls { 443 } else { 80 }),
        };
        if host.starts_with('[') != host.ends_with(']') {
            return Err("has no valid host");
        }
        let host = match host.parse() {
            Ok(Host::Name(name)) => name,
            Ok(Host::Address(address)) => address.to_string(),
            Ok(Host::Wildcard(_)) | Err(_) => return Err("has no valid host"),
        };
        Ok(Self { tls, host, port, path: path.trim_end_matches('/').to_owned() })
    }
}

/// Loopback, link-local and unspecified addresses, also when they are written as IPv6.
fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_taken_apart() {
        let url = |text| HttpUrl::remote(text).unwrap();
        let expected = HttpUrl { tls: true, host: "api.example.com".into(), port: 443, path: String::new() };
        assert_eq!(url("https://API.example.com"), expected);
        assert_eq!(url("https://api.example.com/"), expected);
        assert_eq!(
            url("http://[2001:db8::1]:8080/openai/v1/"),
            HttpUrl { tls: false, host: "2001:db8::1".into(), port: 8080, path: "/openai/v1".into() }
        );
        assert_eq!(url("http://10.0.0.7").port, 80);
    }

    #[test]
    fn base_urls_do_not_lead_home() {
        for text in [
            "https://localhost/v1",
            "https://a.localhost",
            "http://127.1.2.3:8080",
            "http://[::1]",
            "http://[::ffff:127.0.0.1]",
            "http://[fe80::1]",
            "http://169.254.169.254/latest",
            "http://0.0.0.0",
            "http://2130706433",
            "http://0x7f000001",
            "http://127.1",
            "https://user@api.example.com",
            "https://api.example.com?a=b",
            "https://api.example.com:0",
            "https://api.example.com:x",
            "ftp://api.example.com",
            "api.example.com",
            "https://",
            "https://*.example.com",
        ] {
            assert!(HttpUrl::remote(text).is_err(), "{text}");
        }
    }
}
