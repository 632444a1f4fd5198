//! [`Host`] by hostcalls.

use std::cell::OnceCell;

use filter_core::{Attribute, Change, HeaderMap, Host, Labels, Level, Metric};

use crate::abi::{Headers, LogLevel, Map, hostcalls};
use crate::metrics;

/// Envoy, during one callback of a stream.
#[derive(Debug)]
pub(crate) struct WasmHost {
    /// The headers that are held during this callback. Envoy may lend others, but edits would come too late.
    lent: Option<HeaderMap>,
    /// Those headers, once one was asked for: a call into Envoy costs more than copying them all.
    headers: OnceCell<Headers>,
    /// What time it is, once that was asked for.
    now_ms: OnceCell<u64>,
}

impl WasmHost {
    /// In a callback during which these headers are held.
    pub(crate) fn lending(lent: Option<HeaderMap>) -> Self {
        Self { lent, headers: OnceCell::new(), now_ms: OnceCell::new() }
    }

    /// The map to touch, if it is held now.
    fn map(&self, headers: HeaderMap, name: &str) -> Option<Map> {
        if self.lent != Some(headers) {
            // filter-core's protocol rules this out.
            let message = format!("bug: `{name}` of {headers:?} headers used out of turn");
            hostcalls::log(LogLevel::Error, &message);
            return None;
        }
        Some(match headers {
            HeaderMap::Request => Map::Request,
            HeaderMap::Response => Map::Response,
        })
    }
}

impl Host for WasmHost {
    fn now_ms(&self) -> u64 {
        // A callback takes no time worth mentioning.
        *self.now_ms.get_or_init(|| hostcalls::now_ns() / 1_000_000)
    }

    fn header(&self, map: HeaderMap, name: &str) -> Option<String> {
        let map = self.map(map, name)?;
        // Of most responses only the status is asked for.
        let value = if name == ":status" && self.headers.get().is_none() {
            hostcalls::header(map, name)?
        } else {
            self.headers.get_or_init(|| hostcalls::headers(map)).first(name)?.to_vec()
        };
        String::from_utf8(value).ok()
    }

    fn header_values(&self, map: HeaderMap, name: &str) -> Vec<Vec<u8>> {
        let Some(map) = self.map(map, name) else { return Vec::new() };
        let headers = self.headers.get_or_init(|| hostcalls::headers(map));
        headers.all(name).into_iter().map(<[u8]>::to_vec).collect()
    }

    fn set_header(&mut self, map: HeaderMap, name: &str, value: &str) {
        let Some(map) = self.map(map, name) else { return };
        if let Some(headers) = self.headers.get_mut() {
            if headers.is(name, value) {
                return;
            }
            headers.note(name, Some(value));
        }
        hostcalls::set_header(map, name, value);
    }

    fn remove_header(&mut self, map: HeaderMap, name: &str) {
        if self.headers.get().is_some() {
            self.remove_headers(map, &[name]);
        } else if let Some(map) = self.map(map, name) {
            hostcalls::remove_header(map, name);
        }
    }

    fn remove_headers(&mut self, map: HeaderMap, names: &[&str]) {
        let Some(map) = names.first().and_then(|name| self.map(map, name)) else { return };
        // One call tells which are there, and mostly that none is.
        self.headers.get_or_init(|| hostcalls::headers(map));
        let Some(headers) = self.headers.get_mut() else { return };
        for name in headers.present(names) {
            hostcalls::remove_header(map, name);
            headers.note(name, None);
        }
    }

    fn attribute(&self, attribute: Attribute) -> Option<String> {
        let path = match attribute {
            Attribute::Attempts => {
                let bytes = hostcalls::property("upstream\0request_attempt_count")?;
                return Some(u64::from_le_bytes(bytes.try_into().ok()?).to_string());
            }
            Attribute::ResponseCodeDetails => "response\0code_details",
            // filter_config::ROUTE_METADATA; a test keeps them together.
            Attribute::RouteDefaultEndpoint => DEFAULT_ENDPOINT,
            Attribute::RouteGroups => GROUPS,
            Attribute::RouteEndpoints => ENDPOINTS,
            Attribute::RouteLimits => LIMITS,
            Attribute::RouteApiKeys => API_KEYS,
            Attribute::Jwt => JWT,
        };
        String::from_utf8(hostcalls::property(path)?).ok()
    }

    fn state(&self, key: &str) -> Option<Vec<u8>> {
        hostcalls::property(key)
    }

    fn publish(&mut self, key: &str, value: &[u8]) {
        hostcalls::set_property(key, value);
    }

    fn reroute(&mut self) {
        // Envoy has done so already: under wasm, every edit of request headers drops the chosen route. One that would
        // change nothing is not made, and would lead to the same route.
    }

    fn observe(&mut self, metric: Metric, labels: &Labels<'_>, value: u64) {
        if let Some(number) = metrics::find(metric, labels) {
            if metric.is_counter() {
                hostcalls::increment(number, value);
            } else {
                hostcalls::record(number, value);
            }
        }
    }

    fn shared(&self, key: &str) -> Option<Vec<u8>> {
        hostcalls::shared_data(key)
    }

    fn share(&mut self, key: &str, value: &[u8]) {
        hostcalls::set_shared_data(key, value);
    }

    fn update_shared(&mut self, key: &str, change: &mut Change<'_>) {
        loop {
            let (stored, version) = hostcalls::shared_data_and_version(key);
            let Some(new) = change(stored.as_deref()) else { return };
            if hostcalls::replace_shared_data(key, &new, version) {
                return;
            }
        }
    }

    fn prefer(&mut self, clusters: &[String]) {
        // A module cannot write the metadata that steers the choice. Envoy's own filters behind this one make it of a
        // header, which they remove, and choose the route again.
        let value = cluster_order::header_value(clusters);
        self.set_header(HeaderMap::Request, filter_config::ORDER_HEADER, &value);
    }

    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        hostcalls::log(level, message);
    }
}

/// Path of [`filter_config::ROUTE_GROUPS`].
const GROUPS: &str = "xds\0route_metadata\0filter_metadata\0weir\0groups";

/// Path of [`filter_config::ROUTE_ENDPOINTS`].
const ENDPOINTS: &str = "xds\0route_metadata\0filter_metadata\0weir\0endpoints";

/// Path of [`filter_config::ROUTE_LIMITS`].
const LIMITS: &str = "xds\0route_metadata\0filter_metadata\0weir\0limits";

/// Path of [`filter_config::ROUTE_API_KEYS`].
const API_KEYS: &str = "xds\0route_metadata\0filter_metadata\0weir\0api_keys";

/// Path of [`filter_config::JWT_STATE`].
const JWT: &str = "filter_state\0weir.jwt";

/// Path of [`filter_config::ROUTE_METADATA`].
const DEFAULT_ENDPOINT: &str = "xds\0route_metadata\0filter_metadata\0weir\0default_endpoint";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_claims_is_that_of_the_contract() {
        assert_eq!(JWT, format!("filter_state\0{}", filter_config::JWT_STATE));
    }

    #[test]
    fn the_paths_of_route_metadata_are_those_of_the_contract() {
        let (namespace, key) = filter_config::ROUTE_METADATA;
        assert!(DEFAULT_ENDPOINT.ends_with(&format!("\0{namespace}\0{key}")));
        assert!(ENDPOINTS.ends_with(&format!("\0{namespace}\0{}", filter_config::ROUTE_ENDPOINTS)));
        assert!(API_KEYS.ends_with(&format!("\0{namespace}\0{}", filter_config::ROUTE_API_KEYS)));
        assert!(LIMITS.ends_with(&format!("\0{namespace}\0{}", filter_config::ROUTE_LIMITS)));
        let (namespace, key) = filter_config::ROUTE_GROUPS;
        assert!(GROUPS.ends_with(&format!("\0{namespace}\0{key}")));
    }
}
