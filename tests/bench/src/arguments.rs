//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::case::{Case, Variant};

/// Measures what Weir's filters cost in stock Envoy: the same traffic through bare Envoy, the dynamic module
/// and the wasm module.
#[derive(Debug, Parser)]
#[command(name = "weir-bench", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// Only serve what the bench's provider serves.
    #[command(subcommand)]
    pub(crate) command: Option<Sub>,
    /// The measurement.
    #[command(flatten)]
    pub(crate) run: Run,
}

/// Other things to do than to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Sub {
    /// Run only the provider of the bench, until interrupted.
    Upstream {
        /// Port on 127.0.0.1; 0 for a free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
}

/// A measurement.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Folder with weir.wasm and libweir.so.
    #[arg(long, default_value = "dist")]
    pub(crate) filters: PathBuf,
    /// The Envoy program. Default: .venv/bin/envoy, then PATH.
    #[arg(long, env = "WEIR_ENVOY")]
    pub(crate) envoy: Option<PathBuf>,
    /// Seconds each case is measured, per round and variant. [default: 4, with --quick 2]
    #[arg(long)]
    seconds: Option<f64>,
    /// Seconds of load before each measurement. [default: 1, with --quick 0.5]
    #[arg(long)]
    warmup: Option<f64>,
    /// Short measurements, to see that all works.
    #[arg(long)]
    quick: bool,
    /// How often the variants take turns; the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Numbers of connections.
    #[arg(long, value_delimiter = ',', default_values_t = [16, 64], value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) connections: Vec<u32>,
    /// Only these cases.
    #[arg(long, value_delimiter = ',', value_enum)]
    pub(crate) cases: Vec<Case>,
    /// Only these variants.
    #[arg(long, value_delimiter = ',', value_enum)]
    pub(crate) variants: Vec<Variant>,
    /// Milliseconds between the events of paced streams.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pace_ms: u64,
    /// Let every Envoy write an access log, to /dev/null.
    #[arg(long)]
    pub(crate) access_log: bool,
    /// Let Envoy, load and upstream share all CPUs.
    #[arg(long)]
    pub(crate) no_pin: bool,
    /// Write the report to this file. Default: docs/bench.md for a complete run with the default times, else
    /// nowhere.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Exit with 1 when an aim is missed.
    #[arg(long)]
    pub(crate) check: bool,
}

impl Run {
    /// Time of each measurement.
    pub(crate) fn duration(&self) -> Duration {
        Duration::try_from_secs_f64(self.seconds.unwrap_or(if self.quick { 2.0 } else { 4.0 }))
            .unwrap_or_default()
    }

    /// Time of load before each measurement.
    pub(crate) fn warmup(&self) -> Duration {
        Duration::try_from_secs_f64(self.warmup.unwrap_or(if self.quick { 0.5 } else { 1.0 }))
            .unwrap_or_default()
    }

    /// Time between the events of paced streams.
    pub(crate) fn pace(&self) -> Duration {
        Duration::from_millis(self.pace_ms)
    }

    /// The cases to run, in the order of the report.
    pub(crate) fn cases(&self) -> Vec<Case> {
        Case::ALL.into_iter().filter(|case| self.cases.is_empty() || self.cases.contains(case)).collect()
    }

    /// The variants to run, in the order of their turns.
    pub(crate) fn variants(&self) -> Vec<Variant> {
        let wanted = |variant: &Variant| self.variants.is_empty() || self.variants.contains(variant);
        Variant::ALL.into_iter().filter(wanted).collect()
    }

    /// Where the report goes.
    pub(crate) fn out(&self) -> Option<PathBuf> {
        let whole =
            self.cases.is_empty() && self.variants.is_empty() && !self.quick && self.seconds.is_none();
        self.out.clone().or_else(|| whole.then(|| PathBuf::from("docs/bench.md")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Run {
        Arguments::try_parse_from(line.split(' ')).unwrap().run
    }

    #[test]
    fn only_a_complete_run_replaces_the_published_report() {
        assert_eq!(run("weir-bench").out(), Some(PathBuf::from("docs/bench.md")));
        assert_eq!(run("weir-bench --quick").out(), None);
        assert_eq!(run("weir-bench --cases chat-pass").out(), None);
        assert_eq!(run("weir-bench --quick --out x.md").out(), Some(PathBuf::from("x.md")));
    }

    #[test]
    fn lists() {
        let run = run("weir-bench --connections 1,8 --variants wasm,bare --quick");
        assert_eq!(run.connections, [1, 8]);
        assert_eq!(run.variants(), [Variant::Bare, Variant::Wasm]);
        assert_eq!(run.cases(), Case::ALL);
        assert_eq!((run.duration(), run.warmup()), (Duration::from_secs(2), Duration::from_millis(500)));
    }
}
