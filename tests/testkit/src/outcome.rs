//! What one exchange left behind, whoever ran it.

use std::collections::BTreeMap;
use std::fmt;

use crate::message::{Headers, Message};

/// Severity of a log line, numbered as in proxy-wasm ABI 0.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// 0
    Trace,
    /// 1
    Debug,
    /// 2
    Info,
    /// 3
    Warn,
    /// 4
    Error,
    /// 5; the Rust SDK logs panics here.
    Critical,
}

impl LogLevel {
    /// The level with this ABI number.
    pub fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Trace,
            1 => Self::Debug,
            2 => Self::Info,
            3 => Self::Warn,
            4 => Self::Error,
            5 => Self::Critical,
            _ => return None,
        })
    }
}

/// One line a filter logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Severity.
    pub level: LogLevel,
    /// Text, with invalid UTF-8 replaced.
    pub message: String,
}

impl fmt::Display for LogLine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "[{:?}] {}", self.level, self.message)
    }
}

/// Kind of a metric, numbered as in proxy-wasm ABI 0.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// 0: only grows.
    Counter,
    /// 1: set or moved.
    Gauge,
    /// 2: keeps samples.
    Histogram,
}

/// A metric's change during one exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// Kind it was defined with.
    pub kind: MetricKind,
    /// Counter: increase during the exchange. Gauge: value at the end. Histogram: number of samples.
    pub value: u64,
    /// Samples recorded during the exchange, in order; empty unless a histogram.
    pub samples: Vec<u64>,
}

/// Who answered instead of the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyOrigin {
    /// The filter sent a local response.
    Filter,
    /// The proxy did, because a buffer limit was exceeded.
    Host,
}

/// An answer that did not come from the upstream, as it was asked for (before the filter's own response callbacks).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalReply {
    /// HTTP status.
    pub status: u16,
    /// Headers given with the reply, without `:status`.
    pub headers: Headers,
    /// Body bytes.
    pub body: Vec<u8>,
    /// Value for Envoy's response code details; empty if none.
    pub details: String,
    /// Who sent it.
    pub origin: ReplyOrigin,
}

/// Everything observable of one exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The request as the next filter or the upstream receives it.
    pub request: Message,
    /// The response as the previous filter or the client receives it; a local reply ends up here too.
    pub response: Message,
    /// Set if a local reply ended the exchange.
    pub local_reply: Option<LocalReply>,
    /// True if the stream was reset: `close_stream`, or a local reply after response headers had been forwarded.
    pub reset: bool,
    /// Lines logged during the exchange.
    pub logs: Vec<LogLine>,
    /// Metrics touched during the exchange, by full name.
    pub metrics: BTreeMap<String, Metric>,
    /// Filter state written with `set_property`, by property path (segments joined by a zero byte), without `wasm.`.
    pub filter_state: BTreeMap<String, Vec<u8>>,
    /// How often the route cache was cleared.
    pub route_cache_clears: u32,
    /// Mistakes that Envoy does not report: header edits after the headers were sent, unknown hostcalls, a body held as a
    /// stream that outgrew the buffer; in a script also hostcalls that failed.
    pub notes: Vec<String>,
    /// Set if the code under test trapped or panicked; the other fields then hold what happened before.
    pub trap: Option<String>,
}

impl Outcome {
    /// Forwarded request body; empty if nothing was forwarded.
    pub fn forwarded_request_body(&self) -> Vec<u8> {
        self.request.body()
    }

    /// Response body as the client receives it.
    pub fn response_body(&self) -> Vec<u8> {
        self.response.body()
    }

    /// Increase of a counter, value of a gauge or sample count of a histogram; 0 if it was not touched.
    pub fn metric(&self, name: &str) -> u64 {
        self.metrics.get(name).map_or(0, |metric| metric.value)
    }

    /// True if a line of that level contains `text`.
    pub fn logged(&self, level: LogLevel, text: &str) -> bool {
        self.logs.iter().any(|line| line.level == level && line.message.contains(text))
    }

    /// Filter state as text, `None` if absent or not UTF-8.
    pub fn filter_state_text(&self, key: &str) -> Option<&str> {
        self.filter_state.get(key).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The filter state with all times in it set to 0: numbers behind JSON keys that end in `_ms`. Not every host has a
    /// clock that stands still.
    pub fn timeless_filter_state(&self) -> BTreeMap<String, Vec<u8>> {
        self.filter_state.iter().map(|(key, value)| (key.clone(), without_times(value))).collect()
    }

    /// Checks that the whole request and response went through untouched by a local reply, reset or trap.
    /// Returns what happened instead.
    pub fn passed_through(&self) -> Result<(), String> {
        if let Some(trap) = &self.trap {
            return Err(format!("trapped: {trap}"));
        }
        if let Some(reply) = &self.local_reply {
            return Err(format!(
                "local reply {} ({:?}): {}",
                reply.status,
                reply.origin,
                String::from_utf8_lossy(&reply.body)
            ));
        }
        if self.reset {
            return Err("the stream was reset".to_owned());
        }
        for (name, message) in [("request", &self.request), ("response", &self.response)] {
            if !message.ended {
                return Err(format!("the {name} was not forwarded to its end: {message:?}"));
            }
        }
        Ok(())
    }
}

fn without_times(value: &[u8]) -> Vec<u8> {
    const KEY_END: &[u8] = b"_ms\":";
    let mut out: Vec<u8> = Vec::with_capacity(value.len());
    for byte in value {
        let in_time = out.ends_with(KEY_END) || out.ends_with(b"_ms\":0");
        match (byte.is_ascii_digit(), out.ends_with(KEY_END)) {
            (true, true) => out.push(b'0'),
            (true, false) if in_time => {}
            _ => out.push(*byte),
        }
    }
    out
}
