//! What an ABI adapter offers to an exchange.

use crate::metrics::{Labels, Metric};

/// Reads, header edits and publishing, as the ABI gives them. Nothing here resumes, replies, changes a
/// body or calls back into the exchange.
pub trait Host {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;
    /// The first value of a header or pseudo-header, lower-case name; `None` when absent or not UTF-8.
    fn header(&self, map: HeaderMap, name: &str) -> Option<String>;
    /// Every value of a header or pseudo-header, in order, as it came; lower-case name. Envoy itself joins the values of
    /// some headers to one.
    fn header_values(&self, map: HeaderMap, name: &str) -> Vec<Vec<u8>>;
    /// Sets a header or pseudo-header to one value, replacing all it had.
    fn set_header(&mut self, map: HeaderMap, name: &str, value: &str);
    /// Removes every value of a header; nothing happens when it is absent.
    fn remove_header(&mut self, map: HeaderMap, name: &str);
    /// Removes every value of these headers. Most of them are absent; a host for which looking is dearer than
    /// finding may look at all headers at once.
    fn remove_headers(&mut self, map: HeaderMap, names: &[&str]) {
        for name in names {
            self.remove_header(map, name);
        }
    }
    /// An attribute of the stream.
    fn attribute(&self, attribute: Attribute) -> Option<String>;
    /// Bytes another Weir filter of the same request (any attempt) published under `key`.
    fn state(&self, key: &str) -> Option<Vec<u8>>;
    /// Publishes bytes for later filters and attempts of this request, and for the access log:
    /// `%FILTER_STATE(wasm.<key>:PLAIN)%` under wasm, `%FILTER_STATE(<key>:PLAIN)%` natively. Replaces
    /// what was there.
    fn publish(&mut self, key: &str, value: &[u8]);
    /// Makes Envoy choose the route again, after a header that routes match was changed. Downstream only.
    fn reroute(&mut self);
    /// Adds a value to a metric.
    fn observe(&mut self, metric: Metric, labels: &Labels<'_>, value: u64);
    /// Bytes that any filter of any worker of this Envoy has shared under `key`.
    fn shared(&self, key: &str) -> Option<Vec<u8>>;
    /// Shares bytes with all filters of all workers of this Envoy. The last write counts.
    fn share(&mut self, key: &str, value: &[u8]);
    /// Changes what is shared under `key`, with no other worker's change in between: `change` is given what is there, and
    /// gives what is to be there, or `None` to leave it. It may be called several times; the last call counts.
    fn update_shared(&mut self, key: &str, change: &mut Change<'_>);
    /// Makes Envoy try the clusters of this request in this order, one for each attempt, and chooses the route again.
    /// Downstream only.
    fn prefer(&mut self, clusters: &[String]);
    /// Writes to Envoy's log.
    fn log(&self, level: Level, message: &str);
}

/// What is made of shared bytes.
pub type Change<'c> = dyn FnMut(Option<&[u8]>) -> Option<Vec<u8>> + 'c;

/// Which headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HeaderMap {
    /// Request headers.
    Request,
    /// Response headers.
    Response,
}

/// Attributes of a stream that Weir reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attribute {
    /// Why the response has its status, in Envoy's words (`via_upstream`, `route_not_found`, …);
    /// attribute `response.code_details`.
    ResponseCodeDetails,
    /// How many attempts were made so far, in decimal; attribute `upstream.request_attempt_count`.
    Attempts,
    /// The string in the selected route's metadata at [`filter_config::ROUTE_METADATA`].
    RouteDefaultEndpoint,
    /// The string in the selected route's metadata at [`filter_config::ROUTE_GROUPS`].
    RouteGroups,
    /// The string in the selected route's metadata at [`filter_config::ROUTE_LIMITS`], in the namespace of
    /// [`filter_config::ROUTE_METADATA`].
    RouteLimits,
    /// The string in the selected route's metadata at [`filter_config::ROUTE_API_KEYS`], in the namespace of
    /// [`filter_config::ROUTE_METADATA`].
    RouteApiKeys,
    /// The text in the filter state [`filter_config::JWT_STATE`], which a filter of Envoy has set.
    Jwt,
    /// The string in the selected route's metadata at [`filter_config::ROUTE_ENDPOINTS`], in the namespace of
    /// [`filter_config::ROUTE_METADATA`].
    RouteEndpoints,
}

/// Log levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For developers.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is wrong outside Weir.
    Warn,
    /// Something is wrong in Weir.
    Error,
}
