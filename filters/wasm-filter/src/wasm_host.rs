//! [`Host`] by hostcalls.

use filter_core::{Attribute, HeaderMap, Host, Level};

use crate::abi::{LogLevel, Map, hostcalls};

/// Envoy, during one callback of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WasmHost {
    /// The headers that are held during this callback. Envoy may lend others, but edits would come too late.
    lent: Option<HeaderMap>,
}

impl WasmHost {
    /// In a callback during which these headers are held.
    pub(crate) fn lending(lent: Option<HeaderMap>) -> Self {
        Self { lent }
    }

    /// The map to touch, if it is held now.
    fn map(self, headers: HeaderMap, name: &str) -> Option<Map> {
        if self.lent != Some(headers) {
            // filter-core's protocol rules this out.
            let message = format!("bug: `{name}` of {headers:?} headers used out of turn");
            hostcalls::log(LogLevel::Error, &message);
            return None;
        }
        Some(match headers {
            HeaderMap::Request => Map::RequestHeaders,
            HeaderMap::Response => Map::ResponseHeaders,
        })
    }
}

impl Host for WasmHost {
    fn now_ms(&self) -> u64 {
        hostcalls::now_ns() / 1_000_000
    }

    fn header(&self, map: HeaderMap, name: &str) -> Option<String> {
        String::from_utf8(hostcalls::header(self.map(map, name)?, name)?).ok()
    }

    fn set_header(&mut self, map: HeaderMap, name: &str, value: &str) {
        if let Some(map) = self.map(map, name) {
            hostcalls::set_header(map, name, value);
        }
    }

    fn remove_header(&mut self, map: HeaderMap, name: &str) {
        if let Some(map) = self.map(map, name) {
            hostcalls::remove_header(map, name);
        }
    }

    fn attribute(&self, attribute: Attribute) -> Option<String> {
        let path = match attribute {
            Attribute::ResponseCodeDetails => "response\0code_details",
            // filter_config::ROUTE_METADATA; a test keeps them together.
            Attribute::RouteDefaultEndpoint => DEFAULT_ENDPOINT,
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
        // Envoy has done so already: under wasm, every edit of request headers drops the chosen route.
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

/// Path of [`filter_config::ROUTE_METADATA`].
const DEFAULT_ENDPOINT: &str = "xds\0route_metadata\0filter_metadata\0weir\0default_endpoint";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_default_endpoint_is_that_of_the_contract() {
        let (namespace, key) = filter_config::ROUTE_METADATA;
        assert!(DEFAULT_ENDPOINT.ends_with(&format!("\0{namespace}\0{key}")));
    }
}
