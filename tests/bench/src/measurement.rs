//! What was measured, and how it compares.

use std::collections::BTreeMap;
use std::fmt;

use crate::case::{Case, Kind, Variant};
use crate::chain::Chain;
use crate::open_streams::{Held, OpenStreams};
use crate::tokeniser::Countings;

/// One case through one variant, once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Round {
    /// Answers per second.
    pub(crate) rate: f64,
    /// CPU seconds of the Envoy process per 1000 requests.
    pub(crate) cpu: f64,
    /// Median and 99th percentile of the time to the last byte, in milliseconds.
    pub(crate) latency: (f64, f64),
    /// Median and 99th percentile of the time to the body's first byte, in milliseconds.
    pub(crate) first_byte: (f64, f64),
    /// Median and 99th percentile of how late the chunks of a paced stream's text come, in milliseconds; `None` where it
    /// was not looked at.
    pub(crate) chunk: Option<(f64, f64)>,
    /// Share of one CPU that Envoy used.
    pub(crate) envoy_busy: f64,
    /// Share of one CPU that load and upstream used.
    pub(crate) bench_busy: f64,
    /// Share of the answers with which Envoy ended the connection.
    pub(crate) closed: f64,
    /// Resident memory of Envoy afterwards, in bytes.
    pub(crate) resident: u64,
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:6.0}/s, CPU {:.4} s per 1000, latency {:.2}/{:.2} ms, first byte {:.2}/{:.2} ms, \
             Envoy {:.0} % busy, bench {:.0} %",
            self.rate,
            self.cpu,
            self.latency.0,
            self.latency.1,
            self.first_byte.0,
            self.first_byte.1,
            self.envoy_busy * 100.0,
            self.bench_busy * 100.0
        )
    }
}

/// One case with one number of connections: the rounds of each variant, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// The traffic.
    pub(crate) case: Case,
    /// Connections.
    pub(crate) connections: u32,
    /// The rounds.
    pub(crate) rounds: BTreeMap<Variant, Vec<Round>>,
}

/// Resident memory that belongs to no case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Once Envoy listens, in bytes.
    pub(crate) at_start: u64,
}

/// All of a run.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// What succeeded.
    pub(crate) rows: Vec<Row>,
    /// Memory of the processes.
    pub(crate) memory: BTreeMap<(Chain, Variant), Memory>,
    /// Memory while many streams are open.
    pub(crate) open_streams: Vec<(OpenStreams, BTreeMap<Variant, Held>)>,
    /// Token counts without any Envoy.
    pub(crate) tokeniser: Option<Countings>,
    /// Cases without a result, and why.
    pub(crate) failures: Vec<String>,
}

/// A number with the least and the greatest of the rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    /// Least of the rounds.
    pub(crate) least: f64,
    /// Median of the rounds.
    pub(crate) median: f64,
    /// Greatest of the rounds.
    pub(crate) greatest: f64,
}

impl Spread {
    /// `None` of no numbers.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let upper = *values.get(middle)?;
        let lower = if values.len().is_multiple_of(2) { *values.get(middle.checked_sub(1)?)? } else { upper };
        Some(Self { least: *values.first()?, median: f64::midpoint(lower, upper), greatest: *values.last()? })
    }
}

impl Row {
    /// A number of the variant's rounds.
    pub(crate) fn value(&self, variant: Variant, number: impl Fn(&Round) -> f64) -> Option<Spread> {
        Spread::of(self.rounds.get(&variant)?.iter().map(number))
    }

    /// A number of the variant compared with bare Envoy's of the same round, which was taken right before.
    pub(crate) fn compare(
        &self,
        variant: Variant,
        number: impl Fn(&Round) -> f64,
        compare: impl Fn(f64, f64) -> f64,
    ) -> Option<Spread> {
        let bare = self.rounds.get(&Variant::Bare)?;
        let pairs = self.rounds.get(&variant)?.iter().zip(bare);
        Spread::of(pairs.map(|(ours, bare)| compare(number(ours), number(bare))))
    }

    /// CPU per request as a multiple of bare Envoy's.
    pub(crate) fn cpu_ratio(&self, variant: Variant) -> Option<Spread> {
        self.compare(variant, |round| round.cpu, |ours, bare| ours / bare)
    }

    /// How much later the median stream begins than through bare Envoy, in milliseconds.
    pub(crate) fn first_byte_delay(&self, variant: Variant) -> Option<Spread> {
        self.compare(variant, |round| round.first_byte.0, |ours, bare| ours - bare)
    }
}

/// What Weir wants to be for users, in a number, and what it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aim {
    /// At most this.
    pub(crate) limit: f64,
    /// Median of the rounds.
    pub(crate) measured: f64,
}

impl Aim {
    /// The measured number, as precise as it is shown, is within the limit.
    pub(crate) fn met(&self) -> bool {
        (self.measured * 100.0).round() <= (self.limit * 100.0).round()
    }
}

/// The aim for CPU per request as a multiple of bare Envoy's; `None` where there is none.
pub(crate) fn cpu_aim(row: &Row, variant: Variant) -> Option<Aim> {
    if !row.case.core() {
        return None;
    }
    let limit = match (row.case.kind, row.case.translated(), variant) {
        (Kind::Unary | Kind::Stream, false, Variant::Native) => 1.3,
        (Kind::Unary | Kind::Stream, false, Variant::Wasm) => 1.7,
        (Kind::Unary, true, Variant::Native) => 1.6,
        (Kind::Unary, true, Variant::Wasm) => 2.2,
        _ => return None,
    };
    Some(Aim { limit, measured: row.cpu_ratio(variant)?.median })
}

/// The aim for the delay of a stream's first byte in milliseconds; `None` where there is none.
pub(crate) fn first_byte_aim(row: &Row, variant: Variant) -> Option<Aim> {
    if !row.case.paced() || variant == Variant::Bare {
        return None;
    }
    Some(Aim { limit: 1.0, measured: row.first_byte_delay(variant)?.median })
}

/// What the run missed, in words.
pub(crate) fn missed(results: &Results) -> Vec<String> {
    let mut missed = Vec::new();
    for row in &results.rows {
        for variant in [Variant::Native, Variant::Wasm] {
            let aims = [
                (cpu_aim(row, variant), "times bare Envoy's CPU per request"),
                (first_byte_aim(row, variant), "ms later first byte than bare Envoy"),
            ];
            for (aim, unit) in aims {
                if let Some(Aim { limit, measured }) = aim.filter(|aim| !aim.met()) {
                    let (case, connections) = (row.case.title(), row.connections);
                    let name = variant.name();
                    missed.push(format!(
                        "{case}, {connections} connections, {name}: {measured:.2} {unit}; the aim is {limit}"
                    ));
                }
            }
        }
    }
    missed
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::payloads::Dialect;

    /// A case from OpenAI chat to this provider.
    pub(crate) fn from_chat(kind: Kind, provider: Dialect) -> Case {
        Case::new(kind, Dialect::Chat, provider)
    }

    /// A row in which a variant uses this much CPU and its streams begin after so many milliseconds.
    pub(crate) fn row(case: Case, variants: &[(Variant, &[(f64, f64)])]) -> Row {
        let round = |&(cpu, first): &(f64, f64)| Round {
            rate: 1000.0 / cpu,
            cpu,
            latency: (first + 1.0, first + 2.0),
            first_byte: (first, first + 0.5),
            chunk: None,
            envoy_busy: 0.99,
            bench_busy: 0.7,
            closed: 0.0,
            resident: 50 << 20,
        };
        let rounds = variants.iter().map(|(variant, rounds)| (*variant, rounds.iter().map(round).collect()));
        Row { case, connections: 16, rounds: rounds.collect() }
    }

    #[test]
    fn medians() {
        let spread = |least, median, greatest| Some(Spread { least, median, greatest });
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([2.0]), spread(2.0, 2.0, 2.0));
        assert_eq!(Spread::of([3.0, 1.0, 2.5]), spread(1.0, 2.5, 3.0));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]), spread(1.0, 2.5, 4.0));
    }

    #[test]
    fn drift_between_rounds_cancels() {
        // The machine becomes twice as slow in the second round; the ratio stays.
        let row = row(
            from_chat(Kind::Unary, Dialect::Chat),
            &[(Variant::Bare, &[(0.05, 1.0), (0.10, 2.0)]), (Variant::Native, &[(0.06, 1.0), (0.12, 2.0)])],
        );
        let ratio = row.cpu_ratio(Variant::Native).unwrap();
        assert!((ratio.greatest - ratio.least).abs() < 1e-9 && (ratio.median - 1.2).abs() < 1e-9);
        assert_eq!(row.cpu_ratio(Variant::Wasm), None);
    }

    #[test]
    fn aims() {
        let variants =
            |native, wasm| [(Variant::Bare, [(0.1, 1.0)]), (Variant::Native, native), (Variant::Wasm, wasm)];
        let missed_by = |case, native, wasm| {
            let variants = variants([native], [wasm]);
            let variants: Vec<(Variant, &[(f64, f64)])> =
                variants.iter().map(|(v, r)| (*v, r.as_slice())).collect();
            missed(&Results { rows: vec![row(case, &variants)], ..Results::default() })
        };
        assert!(
            missed_by(from_chat(Kind::Unary, Dialect::Chat), (0.13, 9.0), (0.17, 9.0)).is_empty(),
            "the limit itself is within it"
        );
        assert_eq!(missed_by(from_chat(Kind::Unary, Dialect::Chat), (0.131, 9.0), (0.171, 9.0)).len(), 2);
        assert!(missed_by(from_chat(Kind::Unary, Dialect::Anthropic), (0.16, 9.0), (0.22, 9.0)).is_empty());
        let other = from_chat(Kind::Unary, Dialect::Bedrock);
        assert!(missed_by(other, (0.9, 1.0), (0.9, 1.0)).is_empty(), "there is no aim");
        assert_eq!(
            missed_by(from_chat(Kind::Paced, Dialect::Anthropic), (0.9, 1.5), (0.9, 2.5)),
            [
                "paced stream, OpenAI → Anthropic, 16 connections, wasm: 1.50 ms later first byte than bare Envoy; the aim is 1"
            ]
        );
    }
}
