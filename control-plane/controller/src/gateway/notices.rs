//! What the gateway tells about itself, for people or for machines.

use resources::{Finding, Severity};

use crate::cli::LogFormat;
use crate::console::Console;
use crate::finding_report::Difference;

/// Tells people on standard output, where the requests are too; machines on standard error, as log entries.
#[derive(Debug, Clone)]
pub(super) struct Notices {
    console: Console,
    format: LogFormat,
}

impl Notices {
    pub(super) fn new(console: Console, format: LogFormat) -> Self {
        Self { console, format }
    }

    /// Something that happened.
    pub(super) fn tell(&self, text: &str) {
        match self.format {
            LogFormat::Text => self.console.say(text),
            LogFormat::Json => tracing::info!("{text}"),
        }
    }

    /// Something only people want to see.
    pub(super) fn show(&self, text: &str) {
        if self.format == LogFormat::Text {
            self.console.say(text);
        }
    }

    /// What is newly wrong, and what no longer is.
    pub(super) fn findings(&self, difference: &Difference) {
        for finding in &difference.new {
            match (self.format, finding.severity) {
                (LogFormat::Text, Severity::Error) => self.console.say(format!("error: {finding}")),
                (LogFormat::Text, Severity::Warning | Severity::Note) => {
                    self.console.say(finding.to_string())
                }
                (LogFormat::Json, Severity::Error) => tracing::error!("{finding}"),
                (LogFormat::Json, Severity::Warning) => tracing::warn!("{finding}"),
                (LogFormat::Json, Severity::Note) => tracing::info!("{finding}"),
            }
        }
        for finding in &difference.resolved {
            let finding = Finding { remedy: String::new(), ..finding.clone() };
            self.tell(&format!("resolved: {finding}"));
        }
    }
}
