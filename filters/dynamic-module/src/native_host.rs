//! What `filter-core` asks of its host, answered by Envoy.

use std::time::{SystemTime, UNIX_EPOCH};

use filter_config::{
    JWT_STATE, ORDER_METADATA, ROUTE_API_KEYS, ROUTE_ENDPOINTS, ROUTE_GROUPS, ROUTE_LIMITS, ROUTE_METADATA,
};
use filter_core::{Attribute, Change, HeaderMap, Host, Labels, Level, Metric};

use crate::abi;
use crate::metrics::{self, Metrics};
use crate::shared;
use crate::stream::{self, Stream};

/// The host of an exchange during one hook.
#[derive(Debug)]
pub struct NativeHost<'stream>(&'stream Stream, Metrics);

impl<'stream> NativeHost<'stream> {
    /// A host that reads and edits this stream, and observes metrics of its filter's configuration.
    pub fn new(stream: &'stream Stream, metrics: Metrics) -> Self {
        Self(stream, metrics)
    }
}

impl Host for NativeHost<'_> {
    fn now_ms(&self) -> u64 {
        // A clock before 1970 is no time at all.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn header(&self, map: HeaderMap, name: &str) -> Option<String> {
        self.0.header(map, name).and_then(text)
    }

    fn header_values(&self, map: HeaderMap, name: &str) -> Vec<Vec<u8>> {
        self.0.header_values(map, name)
    }

    fn set_header(&mut self, map: HeaderMap, name: &str, value: &str) {
        self.0.set_header(map, name, Some(value));
    }

    fn remove_header(&mut self, map: HeaderMap, name: &str) {
        self.0.set_header(map, name, None);
    }

    fn remove_headers(&mut self, map: HeaderMap, names: &[&str]) {
        for name in self.0.present(map, names) {
            self.0.set_header(map, name, None);
        }
    }

    fn attribute(&self, attribute: Attribute) -> Option<String> {
        match attribute {
            Attribute::Attempts => {
                return self.0.number(abi::attribute::UPSTREAM_REQUEST_ATTEMPT_COUNT).map(|n| n.to_string());
            }
            Attribute::ResponseCodeDetails => self.0.attribute(abi::attribute::RESPONSE_CODE_DETAILS),
            Attribute::RouteDefaultEndpoint => self.0.route_metadata(ROUTE_METADATA.0, ROUTE_METADATA.1),
            Attribute::RouteEndpoints => self.0.route_metadata(ROUTE_METADATA.0, ROUTE_ENDPOINTS),
            Attribute::RouteLimits => self.0.route_metadata(ROUTE_METADATA.0, ROUTE_LIMITS),
            Attribute::RouteApiKeys => self.0.route_metadata(ROUTE_METADATA.0, ROUTE_API_KEYS),
            Attribute::Jwt => self.0.state(JWT_STATE),
            Attribute::RouteGroups => self.0.route_metadata(ROUTE_GROUPS.0, ROUTE_GROUPS.1),
        }
        .and_then(text)
    }

    fn state(&self, key: &str) -> Option<Vec<u8>> {
        self.0.state(key)
    }

    fn publish(&mut self, key: &str, value: &[u8]) {
        if !self.0.set_state(key, value) {
            stream::log(Level::Error, &format!("weir: Envoy refused to keep the filter state `{key}`"));
        }
    }

    fn reroute(&mut self) {
        self.0.clear_route();
    }

    fn observe(&mut self, metric: Metric, labels: &Labels<'_>, value: u64) {
        let Some(number) = self.1.find(metric) else { return };
        if metrics::admit(metric, labels) {
            self.0.observe(metric.is_counter(), number, labels.values(), value);
        } else {
            let others = vec!["other"; metric.labels().len()];
            self.0.observe(metric.is_counter(), number, &others, value);
        }
    }

    fn shared(&self, key: &str) -> Option<Vec<u8>> {
        shared::get(key)
    }

    fn share(&mut self, key: &str, value: &[u8]) {
        shared::set(key, value);
    }

    fn update_shared(&mut self, key: &str, change: &mut Change<'_>) {
        shared::update(key, change);
    }

    fn prefer(&mut self, clusters: &[String]) {
        let (namespace, key) = ORDER_METADATA;
        self.0.set_metadata(namespace, &cluster_order::metadata(key, clusters));
        self.0.clear_route();
    }

    fn log(&self, level: Level, message: &str) {
        stream::log(level, message);
    }
}

fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}
