//! Envoy's log lines, passed on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tracing::Level;

/// Envoy's `--log-format`: level, logger and message, so that lines can be read back.
pub(super) const FORMAT: &str = "%l %n %v";

/// Beginnings of warnings that tell the user of `weir run` nothing: they are about a bootstrap that is Weir's own.
const ADVICE: &[&str] =
    &["main There is no configured limit to the number of allowed active downstream connections"];

/// A warning that is said again within this time is no news: Envoy says some of them every second.
const NEWS: Duration = Duration::from_secs(60);

/// Reads Envoy's log, line by line.
#[derive(Debug, Default)]
pub(super) struct LogReader {
    /// Level of the entry that lines without one belong to.
    last: Option<Level>,
    /// Envoy has been told to stop: it warns of that, and of the connections that end with it.
    stopping: Arc<AtomicBool>,
    /// When each warning was last passed on.
    said: HashMap<String, Instant>,
}

impl LogReader {
    /// A reader that takes warnings less seriously once `stopping` is set.
    pub(super) fn new(stopping: Arc<AtomicBool>) -> Self {
        Self { stopping, ..Self::default() }
    }

    /// Level and text of a line.
    pub(super) fn read<'a>(&mut self, line: &'a str) -> (Level, &'a str) {
        let parsed = line.split_once(' ').and_then(|(word, rest)| Some((level(word)?, rest)));
        match parsed {
            Some((level, rest)) => {
                // Refused configuration is reported as a finding, with the object that caused it.
                let logger = rest.split(' ').next();
                let refused = matches!(logger, Some("config" | "upstream")) && rest.contains(" rejected: ");
                let advice = ADVICE.iter().any(|start| rest.starts_with(start));
                let farewell = level == Level::WARN && self.stopping.load(Ordering::Relaxed);
                let level = if refused || advice || farewell { Level::DEBUG } else { level };
                self.last = Some(level);
                (level, rest)
            }
            // Before logging is set up, Envoy writes plain text, and only when something is wrong.
            None => (self.last.unwrap_or(Level::WARN), line),
        }
    }

    /// Passes a line on to Weir's own log.
    pub(super) fn forward(&mut self, line: &str) {
        let (level, text) = self.read(line);
        let level = match level {
            Level::WARN if self.is_old(text, Instant::now()) => Level::DEBUG,
            level => level,
        };
        match level {
            Level::ERROR => tracing::error!(target: "envoy", "envoy: {text}"),
            Level::WARN => tracing::warn!(target: "envoy", "envoy: {text}"),
            Level::INFO => tracing::info!(target: "envoy", "envoy: {text}"),
            _ => tracing::debug!(target: "envoy", "envoy: {text}"),
        }
    }

    /// Whether a warning was passed on a short while ago.
    fn is_old(&mut self, warning: &str, now: Instant) -> bool {
        self.said.retain(|_, when| now.duration_since(*when) < NEWS);
        let old = self.said.contains_key(warning);
        if !old {
            self.said.insert(warning.to_owned(), now);
        }
        old
    }
}

fn level(word: &str) -> Option<Level> {
    Some(match word {
        "critical" | "error" => Level::ERROR,
        "warning" => Level::WARN,
        "info" => Level::INFO,
        "debug" | "trace" => Level::DEBUG,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_kept_over_lines() {
        let mut reader = LogReader::default();
        assert_eq!(reader.read("error initializing"), (Level::ERROR, "initializing"));
        assert_eq!(reader.read("warning main something"), (Level::WARN, "main something"));
        assert_eq!(reader.read("critical wasm died"), (Level::ERROR, "wasm died"));
        assert_eq!(reader.read("  with a second line"), (Level::ERROR, "  with a second line"));
        let refused = "warning config delta config for x rejected: Error adding/updating listener(s) a: b";
        assert_eq!(reader.read(refused).0, Level::DEBUG);
        assert_eq!(LogReader::default().read("plain").0, Level::WARN);
        reader.stopping.store(true, Ordering::Relaxed);
        assert_eq!(reader.read("warning main caught ENVOY_SIGTERM").0, Level::DEBUG);
        assert_eq!(reader.read("error main still").0, Level::ERROR);
    }

    #[test]
    fn a_warning_is_said_once_a_minute() {
        let mut reader = LogReader::default();
        let start = Instant::now();
        let old = |reader: &mut LogReader, text: &str, seconds| {
            reader.is_old(text, start + Duration::from_secs(seconds))
        };
        assert!(!old(&mut reader, "jwt Jwks async fetching url=x: failed", 0));
        assert!(old(&mut reader, "jwt Jwks async fetching url=x: failed", 1));
        assert!(!old(&mut reader, "jwt Jwks async fetching url=y: failed", 2));
        assert!(old(&mut reader, "jwt Jwks async fetching url=x: failed", 59));
        assert!(!old(&mut reader, "jwt Jwks async fetching url=x: failed", 60));
        assert_eq!(reader.said.len(), 2);
        assert!(!old(&mut reader, "another", 200));
        assert_eq!(reader.said.len(), 1);
    }
}
