//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::case::{Case, Variant};
use crate::open_streams::OpenStreams;
use crate::tokeniser;

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
    /// Folder with weir.wasm, libweir.so and, for the global limit, weir.
    #[arg(long, default_value = "dist")]
    pub(crate) filters: PathBuf,
    /// The Envoy program. Default: .venv/bin/envoy, then PATH.
    #[arg(long, env = "WEIR_ENVOY")]
    pub(crate) envoy: Option<PathBuf>,
    /// Seconds each of the core cases (unary, stream and paced, OpenAI chat to itself and to Anthropic) is measured, per
    /// round and variant; the others half as long. [default: 3, with --quick 1]
    #[arg(long)]
    seconds: Option<f64>,
    /// Seconds of load before each measurement; half for the others. [default: 0.8, with --quick 0.3]
    #[arg(long)]
    warmup: Option<f64>,
    /// Short measurements, to see that all works.
    #[arg(long)]
    quick: bool,
    /// How often the variants take turns; the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Numbers of connections; only the core cases are measured with more than the first.
    #[arg(long, value_delimiter = ',', default_values_t = [16, 64], value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) connections: Vec<u32>,
    /// Only what has one of these words in its name, such as `bedrock`, `unary-chat`, `count`, `open-streams` or
    /// `tokeniser`. A word that is in no name is answered with all names.
    #[arg(long, value_delimiter = ',', visible_alias = "cases")]
    only: Vec<String>,
    /// Streams that are open at once while memory is looked at.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub(crate) open_streams: u32,
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
    /// Time of each measurement of the core cases.
    pub(crate) fn duration(&self) -> Duration {
        Duration::try_from_secs_f64(self.seconds.unwrap_or(if self.quick { 1.0 } else { 3.0 }))
            .unwrap_or_default()
    }

    /// Time of load before each measurement of the core cases.
    pub(crate) fn warmup(&self) -> Duration {
        Duration::try_from_secs_f64(self.warmup.unwrap_or(if self.quick { 0.3 } else { 0.8 }))
            .unwrap_or_default()
    }

    /// Time of load before a measurement of this case, and of the measurement.
    pub(crate) fn times(&self, case: Case) -> (Duration, Duration) {
        let part = if case.core() { 1 } else { 2 };
        (self.warmup() / part, self.duration() / part)
    }

    /// Numbers of connections for this case.
    pub(crate) fn connections(&self, case: Case) -> &[u32] {
        let few = self.connections.get(..1).unwrap_or_default();
        if case.core() { &self.connections } else { few }
    }

    /// Something of this name is to be measured.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| name.contains(word.as_str()))
    }

    /// Checks that every word of `--only` selects something.
    ///
    /// # Errors
    /// The word that does not, and all names.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let mut names: Vec<String> = Case::all().into_iter().map(Case::name).collect();
        names.extend(OpenStreams::ALL.map(|streams| streams.name().to_owned()));
        names.push(tokeniser::NAME.to_owned());
        let unknown = self.only.iter().find(|word| !names.iter().any(|name| name.contains(word.as_str())));
        if let Some(word) = unknown {
            anyhow::bail!("--only {word}: nothing has that in its name; there are {}", names.join(", "));
        }
        Ok(())
    }

    /// Time between the events of paced streams.
    pub(crate) fn pace(&self) -> Duration {
        Duration::from_millis(self.pace_ms)
    }

    /// The cases to run, in the order of the report.
    pub(crate) fn cases(&self) -> Vec<Case> {
        Case::all().into_iter().filter(|case| self.wants(&case.name())).collect()
    }

    /// The variants to run, in the order of their turns.
    pub(crate) fn variants(&self) -> Vec<Variant> {
        let wanted = |variant: &Variant| self.variants.is_empty() || self.variants.contains(variant);
        Variant::ALL.into_iter().filter(wanted).collect()
    }

    /// Where the report goes.
    pub(crate) fn out(&self) -> Option<PathBuf> {
        let whole = self.only.is_empty() && self.variants.is_empty() && !self.quick && self.seconds.is_none();
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
        assert_eq!(run("weir-bench --only unary-chat-pass").out(), None);
        assert_eq!(run("weir-bench --quick --out x.md").out(), Some(PathBuf::from("x.md")));
    }

    #[test]
    fn lists() {
        let run = run("weir-bench --connections 1,8 --variants wasm,bare --quick");
        assert_eq!(run.connections, [1, 8]);
        assert_eq!(run.variants(), [Variant::Bare, Variant::Wasm]);
        assert_eq!(run.cases(), Case::all());
    }

    #[test]
    fn what_is_not_core_is_shorter() {
        let run = run("weir-bench --quick --connections 2,8");
        let (core, other) = (Case::all()[0], *Case::all().last().unwrap());
        assert_eq!(run.times(core), (Duration::from_millis(300), Duration::from_secs(1)));
        assert_eq!(run.times(other), (Duration::from_millis(150), Duration::from_millis(500)));
        assert_eq!((run.connections(core), run.connections(other)), (&[2, 8][..], &[2][..]));
    }

    #[test]
    fn words_select() {
        let chosen = run("weir-bench --only stream-gemini,count");
        let names: Vec<String> = chosen.cases().into_iter().map(Case::name).collect();
        assert_eq!(names, ["stream-gemini-pass", "count-2kb", "count-100kb"]);
        assert!(chosen.check().is_ok() && !chosen.wants(tokeniser::NAME));
        assert!(run("weir-bench --only tokeniser").cases().is_empty());
        let error = run("weir-bench --only gemini,nothing").check().unwrap_err().to_string();
        assert!(error.contains("--only nothing") && error.contains("open-streams-pass"), "{error}");
    }
}
