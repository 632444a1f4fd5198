//! `weir validate`

use std::fmt::Write;
use std::process::ExitCode;

use resources::Severity;
use translate::Settings;

use crate::cli::{RuntimeName, SourceArgs};
use crate::configuration::Configuration;
use crate::envoy::nominal;
use crate::error::Error;
use crate::source::Sources;

/// Prints what is wrong with the objects and a line that sums it up.
pub(super) fn execute(args: &SourceArgs) -> Result<ExitCode, Error> {
    let mut sources = Sources::open(args)?;
    let settings = Settings::new(nominal(RuntimeName::Wasm));
    let configuration = Configuration::load(&mut sources, &settings);
    let mut text = String::new();
    for finding in &configuration.findings {
        let _ = writeln!(text, "{finding}");
    }
    let _ = writeln!(text, "{}", summary(&configuration));
    super::print(&text)?;
    Ok(if configuration.errors() == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// For example `7 objects, 3 routes, 1 error, no warnings`.
pub(crate) fn summary(configuration: &Configuration) -> String {
    let mut parts = vec![
        counted(configuration.objects.len(), "object"),
        counted(configuration.translation.routes.len(), "route"),
        counted(configuration.errors(), "error"),
        counted(configuration.count(Severity::Warning), "warning"),
    ];
    let notes = configuration.count(Severity::Note);
    if notes > 0 {
        parts.push(counted(notes, "note"));
    }
    parts.join(", ")
}

fn counted(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        several => format!("{several} {what}s"),
    }
}
