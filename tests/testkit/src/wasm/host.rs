//! Everything the host knows: the data behind the hostcalls of one VM.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::abi::Status;
use super::flow::{Role, StreamState};
use crate::message::Headers;
use crate::outcome::{LogLine, Metric, MetricKind};

/// A call the module dispatched with `proxy_http_call`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCall {
    /// Number the module knows the call by; give it to `Vm::answer_call`.
    pub token: u32,
    /// Name of the cluster.
    pub cluster: String,
    /// Request headers including pseudo headers.
    pub headers: Headers,
    /// Request body.
    pub body: Vec<u8>,
    /// Request trailers.
    pub trailers: Headers,
    /// Timeout in milliseconds; 0 means none.
    pub timeout_ms: u32,
}

/// A call of a foreign function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignCall {
    /// Name of the function.
    pub name: String,
    /// Its argument bytes.
    pub arguments: Vec<u8>,
}

/// The answer that `proxy_on_http_call_response` reads.
#[derive(Debug, Default)]
pub(super) struct CallAnswer {
    pub(super) headers: Headers,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Headers,
}

/// State of one VM.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) root_id: String,
    pub(super) root_context: u32,
    pub(super) plugin_configuration: Vec<u8>,
    /// True while the plugin configuration can be read.
    pub(super) configuring: bool,
    /// Context whose callback runs.
    pub(super) current: u32,
    /// Context chosen with `proxy_set_effective_context`; 0 if none.
    pub(super) effective: u32,
    pub(super) streams: HashMap<u32, StreamState>,
    pub(super) logs: Vec<LogLine>,
    /// Nanoseconds since the Unix epoch.
    pub(super) clock: u64,
    /// Milliseconds between ticks; 0 means none.
    pub(super) tick_period: u32,
    pub(super) properties: BTreeMap<String, Vec<u8>>,
    pub(super) shared: HashMap<Vec<u8>, (Vec<u8>, u32)>,
    pub(super) metrics: Metrics,
    /// Clusters that exist; `None` means any name does.
    pub(super) clusters: Option<BTreeSet<String>>,
    pub(super) http_calls: Vec<HttpCall>,
    pub(super) waiting_calls: BTreeSet<u32>,
    pub(super) call_answer: Option<CallAnswer>,
    /// What `proxy_get_status` returns.
    pub(super) call_status: (u32, &'static str),
    pub(super) foreign_calls: Vec<ForeignCall>,
    pub(super) foreign_answers: HashMap<String, Vec<u8>>,
    /// Hostcalls that did not return `Ok` or `NotFound`, in order.
    pub(super) failed_calls: Vec<(&'static str, Status)>,
    /// Imports the host does not know and that were called.
    pub(super) unimplemented: BTreeSet<String>,
}

impl Host {
    pub(super) fn new(root_id: &str, plugin_configuration: &[u8]) -> Self {
        Self {
            root_id: root_id.to_owned(),
            root_context: 1,
            plugin_configuration: plugin_configuration.to_vec(),
            configuring: false,
            current: 0,
            effective: 0,
            streams: HashMap::new(),
            logs: Vec::new(),
            // An arbitrary fixed instant, 2026-01-01T00:00:00Z, so that runs repeat exactly.
            clock: 1_767_225_600_000_000_000,
            tick_period: 0,
            properties: BTreeMap::new(),
            shared: HashMap::new(),
            metrics: Metrics::default(),
            clusters: None,
            http_calls: Vec::new(),
            waiting_calls: BTreeSet::new(),
            call_answer: None,
            call_status: (0, ""),
            foreign_calls: Vec::new(),
            foreign_answers: HashMap::new(),
            failed_calls: Vec::new(),
            unimplemented: BTreeSet::new(),
        }
    }

    /// The context hostcalls act on.
    pub(super) fn context(&self) -> u32 {
        if self.effective == 0 { self.current } else { self.effective }
    }

    /// The stream hostcalls act on; `None` in the root context.
    pub(super) fn stream(&mut self) -> Option<&mut StreamState> {
        let id = self.context();
        self.streams.get_mut(&id)
    }

    /// Finds a property: scripted ones of the exchange, its filter state, scripted ones of the VM, what follows from the
    /// plugin and from the headers the module can see.
    pub(super) fn property(&mut self, path: &str) -> Option<Vec<u8>> {
        let id = self.context();
        if let Some(value) = self.streams.get(&id).and_then(|stream| stream.exchange.property(path)) {
            return Some(value);
        }
        if let Some(value) = self.properties.get(path) {
            return Some(value.clone());
        }
        if path == "plugin_root_id" {
            return Some(self.root_id.clone().into_bytes());
        }
        let stream = self.streams.get(&id)?;
        let (side, rest) = path.split_once('\0')?;
        if path == "response\0code" && stream.role == Role::Downstream {
            return stream.received_status.map(|status| status.to_le_bytes().to_vec());
        }
        let flow = match side {
            "request" => &stream.request,
            "response" => &stream.response,
            _ => return None,
        };
        if !(flow.headers_visible || stream.log_phase) {
            return None;
        }
        let headers = flow.headers.as_ref()?;
        let name = match (side, rest) {
            (_, rest) if rest.starts_with("headers\0") => rest.strip_prefix("headers\0")?,
            ("request", "path") => ":path",
            ("request", "method") => ":method",
            ("request", "host") => ":authority",
            ("request", "scheme") => ":scheme",
            _ => return None,
        };
        headers.get_bytes(name).map(<[u8]>::to_vec)
    }
}

/// Metrics of a VM. Defining a name twice gives two ids for the same metric, as in Envoy.
#[derive(Debug, Default, Clone)]
pub(super) struct Metrics {
    ids: Vec<(String, MetricKind)>,
    by_name: BTreeMap<String, Metric>,
}

impl Metrics {
    pub(super) fn define(&mut self, kind: MetricKind, name: &str) -> u32 {
        self.ids.push((name.to_owned(), kind));
        self.by_name.entry(name.to_owned()).or_insert(Metric { kind, value: 0, samples: Vec::new() });
        self.ids.len() as u32
    }

    fn find(&mut self, id: u32) -> Option<&mut Metric> {
        let (name, _) = self.ids.get((id as usize).checked_sub(1)?)?;
        self.by_name.get_mut(name)
    }

    /// Envoy refuses to decrease a counter or to leave it as it is, and to increment a histogram.
    pub(super) fn increment(&mut self, id: u32, offset: i64) -> Result<(), Status> {
        let metric = self.find(id).ok_or(Status::NotFound)?;
        match metric.kind {
            MetricKind::Counter if offset > 0 => metric.value = metric.value.wrapping_add_signed(offset),
            MetricKind::Gauge => metric.value = metric.value.wrapping_add_signed(offset),
            MetricKind::Counter | MetricKind::Histogram => return Err(Status::BadArgument),
        }
        Ok(())
    }

    /// Adds to a counter, sets a gauge, adds a sample to a histogram.
    pub(super) fn record(&mut self, id: u32, value: u64) -> Result<(), Status> {
        let metric = self.find(id).ok_or(Status::NotFound)?;
        match metric.kind {
            MetricKind::Counter => metric.value = metric.value.wrapping_add(value),
            MetricKind::Gauge => metric.value = value,
            MetricKind::Histogram => {
                metric.value += 1;
                metric.samples.push(value);
            }
        }
        Ok(())
    }

    pub(super) fn value(&mut self, id: u32) -> Result<u64, Status> {
        let metric = self.find(id).ok_or(Status::NotFound)?;
        if metric.kind == MetricKind::Histogram { Err(Status::BadArgument) } else { Ok(metric.value) }
    }

    /// All metrics, since the VM started.
    pub(super) fn all(&self) -> &BTreeMap<String, Metric> {
        &self.by_name
    }

    /// The metrics that changed since `before`.
    pub(super) fn since(&self, before: &Self) -> BTreeMap<String, Metric> {
        let mut changed = BTreeMap::new();
        for (name, now) in &self.by_name {
            let then = before.by_name.get(name);
            if then == Some(now) || (then.is_none() && now.value == 0) {
                continue;
            }
            let mut metric = now.clone();
            if let Some(then) = then {
                if now.kind != MetricKind::Gauge {
                    metric.value = now.value.saturating_sub(then.value);
                }
                metric.samples = now.samples.get(then.samples.len()..).unwrap_or_default().to_vec();
            }
            changed.insert(name.clone(), metric);
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_follow_envoy() {
        let mut metrics = Metrics::default();
        let counter = metrics.define(MetricKind::Counter, "c");
        let again = metrics.define(MetricKind::Counter, "c");
        let gauge = metrics.define(MetricKind::Gauge, "g");
        let histogram = metrics.define(MetricKind::Histogram, "h");
        assert_eq!(metrics.increment(counter, 3), Ok(()));
        assert_eq!(metrics.increment(again, 2), Ok(()));
        assert_eq!(metrics.value(counter), Ok(5));
        assert_eq!(metrics.increment(counter, -1), Err(Status::BadArgument));
        assert_eq!(metrics.increment(counter, 0), Err(Status::BadArgument));
        assert_eq!(metrics.increment(histogram, 1), Err(Status::BadArgument));
        assert_eq!(metrics.value(histogram), Err(Status::BadArgument));
        assert_eq!(metrics.record(99, 1), Err(Status::NotFound));
        let before = metrics.clone();
        metrics.increment(gauge, 7).unwrap();
        metrics.increment(gauge, -2).unwrap();
        metrics.record(histogram, 11).unwrap();
        let changed = metrics.since(&before);
        assert_eq!(changed.keys().collect::<Vec<_>>(), ["g", "h"]);
        assert_eq!(changed["g"].value, 5);
        assert_eq!(changed["h"].samples, [11]);
    }
}
