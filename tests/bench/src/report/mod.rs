//! The report, as Markdown.

mod dialects;
mod guards;
mod limits;
mod memory;
mod tokens;

use std::fmt::Write as _;

use crate::case::{Kind, Variant};
use crate::chain::Chain;
use crate::measurement::{Aim, Results, Round, Row, Spread, cpu_aim, first_byte_aim, missed};

/// How the numbers came about.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Day of the run.
    pub(crate) date: String,
    /// The machine.
    pub(crate) machine: String,
    /// Which process runs on which CPU.
    pub(crate) placement: String,
    /// Envoy's version.
    pub(crate) envoy: String,
    /// Weir's version.
    pub(crate) weir: String,
    /// The command.
    pub(crate) command: String,
    /// Seconds per measurement, seconds of load before it, and how often.
    pub(crate) times: (f64, f64, u32),
    /// Milliseconds between the events of paced streams.
    pub(crate) pace_ms: u128,
    /// Every Envoy writes an access log.
    pub(crate) access_log: bool,
}

/// Least share of its CPU, in percent, that Envoy gets from a closed loop on a machine that does nothing else.
const IDLE_MACHINE: f64 = 80.0;

const OURS: [Variant; 2] = [Variant::Native, Variant::Wasm];

/// The whole report.
pub(crate) fn markdown(setting: &Setting, results: &Results) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = header(&mut out, setting, results);
    let _ = how_to_read(&mut out, setting);
    core(&mut out, results);
    idle(&mut out, results);
    dialects::table(&mut out, results);
    large_bodies(&mut out, results);
    tokens::counts(&mut out, results);
    tokens::tokeniser(&mut out, results);
    guards::section(&mut out, results);
    limits::section(&mut out, results);
    memory::open_streams(&mut out, results);
    memory::resident(&mut out, results);
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn header(out: &mut String, setting: &Setting, results: &Results) -> std::fmt::Result {
    let (seconds, warmup, rounds) = setting.times;
    writeln!(out, "# What Weir costs in Envoy\n")?;
    writeln!(
        out,
        "Written by `{}` on {}; run `make bench` for your own machine.\n",
        setting.command, setting.date
    )?;
    writeln!(out, "* Machine: {}; {}.", setting.machine, setting.placement)?;
    writeln!(out, "* Envoy {}, one worker (`--concurrency 1`); Weir {}.", setting.envoy, setting.weir)?;
    writeln!(
        out,
        "* Each number: median of {rounds} round(s) of {seconds} s after {warmup} s of load; the variants take turns. \
         In brackets: least and greatest of the rounds. What is not OpenAI chat alone or translated to Anthropic was \
         measured half as long."
    )?;
    let busy = Spread::of(
        results
            .rows
            .iter()
            .filter(|row| row.case.core() && !row.case.paced())
            .flat_map(|row| row.rounds.values().flatten().map(|round| round.envoy_busy * 100.0)),
    );
    if let Some(busy) = busy {
        writeln!(
            out,
            "* Envoy used {:.0} to {:.0} % of its CPU in the core cases whose events are not paced.",
            busy.least, busy.greatest
        )?;
        if busy.least < IDLE_MACHINE {
            writeln!(
                out,
                "* **The machine was busy with other things.** They cost Envoy its caches as well as its time, so \
                 these numbers are too high by an unknown amount: take them again."
            )?;
        }
    }
    for row in &results.rows {
        for variant in OURS {
            let closed = row.value(variant, |round| round.closed * 100.0).map_or(0.0, |closed| closed.median);
            if closed >= 1.0 {
                let (case, name) = (row.case.title(), variant.name());
                writeln!(
                    out,
                    "* {case}, {name}: Envoy ended the connection with {closed:.0} % of the answers; opening others is in \
                     the numbers."
                )?;
            }
        }
    }
    let missed = missed(results);
    if missed.is_empty() {
        writeln!(out, "* Every aim is met.")?;
    } else {
        writeln!(out, "* Aims missed:")?;
        for miss in missed {
            writeln!(out, "  * {miss}")?;
        }
    }
    writeln!(out)
}

fn how_to_read(out: &mut String, setting: &Setting) -> std::fmt::Result {
    writeln!(
        out,
        "## How to read it\n\n\
         *bare* is Envoy with one listener, one route and one cluster per provider, and no filter but the router. *native* and \
         *wasm* are the same configuration with Weir's `llm` filter in front of the router and its `provider` filter on each \
         cluster, as dynamic module and as wasm module; guards and limits have sections of their own. Nothing else differs: {} access log, no credentials added, no TLS.\n\n\
         The client keeps a fixed number of HTTP/1.1 connections and sends the next request when an answer is complete. Every \
         answer is checked for status and completeness; one error fails the case. Requests have 2 KB of JSON (a system \
         prompt and three turns) where nothing else is said, answers 1 KB, streams 50 chunks of text. The provider is a thread that answers from memory, \
         a stream in one write. In the *paced* cases it leaves {pace_ms} ms between events, as a model does, and the \
         connections are out of step: this is where time to first byte means something, and where every event passes \
         the filters on its own.\n\n\
         **Translated cases:** the client of Weir speaks OpenAI chat completions, the provider its own dialect. Bare Envoy \
         cannot translate, so its client sends the provider's request itself: the provider's side carries the same traffic.\n\n\
         CPU is the processor time of the whole Envoy process, user and kernel (`clock_getcpuclockid`), while requests are \
         counted. Requests per second are those of one worker thread. Compare ratios, not absolute numbers, between \
         machines, and only take numbers on a machine that does nothing else.\n",
        if setting.access_log { "each has an" } else { "no" },
        pace_ms = setting.pace_ms,
    )
}

/// One line per row: a number of each variant, and Weir's compared with bare Envoy's.
fn table(
    out: &mut String,
    rows: &[&Row],
    comparison: &str,
    cell: impl Fn(&Row, Variant) -> Option<String>,
    compared: impl Fn(&Row, Variant) -> Option<String>,
) {
    let _ = writeln!(
        out,
        "| traffic | connections | bare | native | wasm | native {comparison} | wasm {comparison} |"
    );
    let _ = writeln!(out, "|---|--:|--:|--:|--:|--:|--:|");
    for row in rows {
        let _ = write!(out, "| {} | {} |", row.case.title(), row.connections);
        let cells = Variant::ALL.map(|variant| cell(row, variant));
        for text in cells.into_iter().chain(OURS.map(|variant| compared(row, variant))) {
            let _ = write!(out, " {} |", text.as_deref().unwrap_or("–"));
        }
        let _ = writeln!(out);
    }
    let _ = writeln!(out);
}

/// A comparison with its spread and, where there is an aim, whether it is met.
fn compared(value: Spread, unit: &str, aim: Option<&Aim>) -> String {
    let Spread { least, median, greatest } = value;
    let mut text = format!("{median:.2}{unit} ({least:.2}–{greatest:.2})");
    if let Some(aim) = aim {
        let verdict = if aim.met() { "met" } else { "**missed**" };
        let _ = write!(text, ", aim {:.1}: {verdict}", aim.limit);
    }
    text
}

fn rows(results: &Results, which: impl Fn(&Row) -> bool) -> Vec<&Row> {
    results.rows.iter().filter(|row| which(row)).collect()
}

/// The tables of the core cases.
fn core(out: &mut String, results: &Results) {
    if results.rows.iter().any(|row| row.case.core()) {
        cpu(out, results);
        throughput(out, results);
        latency(out, results);
        first_byte(out, results);
    }
}

/// CPU per 1000 requests of some rows.
fn cpu_table(out: &mut String, rows: &[&Row]) {
    table(
        out,
        rows,
        "÷ bare",
        |row, variant| Some(format!("{:.4}", row.value(variant, |round| round.cpu)?.median)),
        |row, variant| Some(compared(row.cpu_ratio(variant)?, "", cpu_aim(row, variant).as_ref())),
    );
}

/// Latency of some rows.
fn latency_table(out: &mut String, rows: &[&Row]) {
    let latency = |round: &Round| round.latency;
    let ratio = |row: &Row, variant, number: &dyn Fn(&Round) -> f64| {
        row.compare(variant, number, |ours, bare| ours / bare).map(|ratio| ratio.median)
    };
    table(
        out,
        rows,
        "÷ bare",
        |row, variant| percentiles(row, variant, latency),
        |row, variant| {
            let median = ratio(row, variant, &|round| round.latency.0)?;
            let high = ratio(row, variant, &|round| round.latency.1)?;
            Some(format!("{median:.2} / {high:.2}"))
        },
    );
}

fn idle(out: &mut String, results: &Results) {
    let rows = rows(results, |row| row.case.chain == Chain::Idle);
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "## Filters that do nothing\n\n\
         The same traffic with a filter of Weir's that does nothing in the place of `llm` and of `provider`: what Envoy takes for \
         two more filters, and for entering the module. CPU seconds of Envoy per 1000 requests:\n"
    );
    cpu_table(out, &rows);
}

fn large_bodies(out: &mut String, results: &Results) {
    let rows =
        rows(results, |row| row.case.chain == Chain::Gateway && matches!(row.case.kind, Kind::Large(_)));
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "## Requests with 1 MB of JSON\n\n\
         A conversation of some 500 turns, the answer as ever. Bare Envoy passes a body on as it comes; Weir must hold it \
         whole, since only its end tells that it is well-formed. CPU seconds of Envoy per 1000 requests:\n"
    );
    cpu_table(out, &rows);
    let _ = writeln!(out, "Latency, p50 / p99 in milliseconds:\n");
    latency_table(out, &rows);
}

fn cpu(out: &mut String, results: &Results) {
    let _ = writeln!(
        out,
        "## CPU seconds of Envoy per 1000 requests\n\n\
         Aims: pass-through at most 1.3 times (native) and 1.7 times (wasm) bare Envoy's; unary translation 1.6 and 2.2 times.\n"
    );
    cpu_table(out, &rows(results, |row| row.case.core()));
}

fn throughput(out: &mut String, results: &Results) {
    let _ = writeln!(out, "## Requests per second, one worker\n");
    rate_table(out, &rows(results, |row| row.case.core() && !row.case.paced()));
}

/// Requests per second of some rows.
fn rate_table(out: &mut String, rows: &[&Row]) {
    let rate = |round: &Round| round.rate;
    table(
        out,
        rows,
        "÷ bare",
        |row, variant| Some(format!("{:.0}", row.value(variant, rate)?.median)),
        |row, variant| Some(compared(row.compare(variant, rate, |ours, bare| ours / bare)?, "", None)),
    );
}

/// Median / 99th percentile of some pair of numbers.
fn percentiles(row: &Row, variant: Variant, pair: impl Fn(&Round) -> (f64, f64)) -> Option<String> {
    let median = row.value(variant, |round| pair(round).0)?.median;
    let high = row.value(variant, |round| pair(round).1)?.median;
    Some(format!("{median:.2} / {high:.2}"))
}

fn latency(out: &mut String, results: &Results) {
    let _ = writeln!(
        out,
        "## Latency: p50 / p99 in milliseconds\n\n\
         To the last byte, under full load: with a closed loop this is mostly waiting for the one worker, so it mirrors \
         requests per second.\n"
    );
    latency_table(out, &rows(results, |row| row.case.core() && !row.case.paced()));
}

fn first_byte(out: &mut String, results: &Results) {
    let _ = writeln!(
        out,
        "## Time to first byte of streams: p50 / p99 in milliseconds\n\n\
         From sending the request to the first byte of the answer's body. The last two columns: how much later (p50) than \
         through bare Envoy, in milliseconds. Aim: at most 1 ms, in the paced cases; the others are under full load.\n"
    );
    first_byte_table(out, &rows(results, |row| row.case.core() && row.case.streams()));
}

/// Time to the first byte of some rows.
fn first_byte_table(out: &mut String, rows: &[&Row]) {
    table(
        out,
        rows,
        "− bare",
        |row, variant| percentiles(row, variant, |round| round.first_byte),
        |row, variant| {
            Some(compared(row.first_byte_delay(variant)?, " ms", first_byte_aim(row, variant).as_ref()))
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::Memory;
    use crate::measurement::tests::{from_chat, row};
    use crate::payloads::Dialect;

    pub(super) fn setting() -> Setting {
        Setting {
            date: "2026-11-21".into(),
            machine: "a machine".into(),
            placement: "Envoy on CPU 1".into(),
            envoy: "1.40.0".into(),
            weir: "0.1.0".into(),
            command: "weir-bench".into(),
            times: (8.0, 2.0, 3),
            pace_ms: 5,
            access_log: false,
        }
    }

    pub(super) fn line<'a>(report: &'a str, section: &str, title: &str) -> &'a str {
        let section = report.split("## ").find(|part| part.starts_with(section)).unwrap();
        section.lines().find(|line| line.starts_with(&format!("| {title}"))).unwrap()
    }

    #[test]
    fn every_number_is_where_it_belongs() {
        let variants: [(Variant, &[(f64, f64)]); 3] = [
            (Variant::Bare, &[(0.10, 1.0), (0.10, 1.0), (0.10, 1.0)]),
            (Variant::Native, &[(0.12, 1.25), (0.13, 1.25), (0.11, 1.25)]),
            (Variant::Wasm, &[(0.18, 2.5), (0.18, 2.5), (0.18, 2.5)]),
        ];
        let results = Results {
            rows: vec![
                row(from_chat(Kind::Unary, Dialect::Chat), &variants),
                row(from_chat(Kind::Paced, Dialect::Chat), &variants),
            ],
            memory: Variant::ALL
                .map(|variant| ((Chain::Gateway, variant), Memory { at_start: 25 << 20 }))
                .into(),
            ..Results::default()
        };
        let report = markdown(&setting(), &results);
        assert_eq!(
            line(&report, "CPU", "2 KB chat, pass"),
            "| 2 KB chat, pass-through | 16 | 0.1000 | 0.1200 | 0.1800 | 1.20 (1.10–1.30), aim 1.3: met | \
             1.80 (1.80–1.80), aim 1.7: **missed** |"
        );
        assert_eq!(
            line(&report, "Time to first byte", "paced"),
            "| paced stream, pass-through | 16 | 1.00 / 1.50 | 1.25 / 1.75 | 2.50 / 3.00 | 0.25 ms (0.25–0.25), aim 1.0: met | \
             1.50 ms (1.50–1.50), aim 1.0: **missed** |"
        );
        assert_eq!(line(&report, "Resident", "start"), "| start | – | 25.0 | 25.0 | 25.0 | 1.00 | 1.00 |");
        assert!(line(&report, "Requests", "2 KB").contains("| 10000 | 8333 | 5556 | 0.83"));
        assert!(!report.contains("Every aim is met"));
        assert_eq!(report.matches("; the aim is").count(), 2);
    }

    #[test]
    fn a_busy_machine_is_owned_up_to() {
        let mut row =
            row(from_chat(Kind::Unary, Dialect::Chat), &[(Variant::Bare, &[(0.1, 1.0), (0.1, 1.0)])]);
        let report =
            |row: &Row| markdown(&setting(), &Results { rows: vec![row.clone()], ..Results::default() });
        assert!(!report(&row).contains("take them again"));
        row.rounds.get_mut(&Variant::Bare).unwrap()[1].envoy_busy = 0.6;
        assert!(report(&row).contains("take them again"));
    }

    #[test]
    fn ended_connections_are_owned_up_to() {
        let mut row = row(from_chat(Kind::Unary, Dialect::Chat), &[(Variant::Wasm, &[(0.1, 1.0)])]);
        row.rounds.get_mut(&Variant::Wasm).unwrap()[0].closed = 0.5;
        let report = markdown(&setting(), &Results { rows: vec![row], ..Results::default() });
        assert!(report.contains("wasm: Envoy ended the connection with 50 % of the answers"), "{report}");
    }

    #[test]
    fn variants_that_did_not_run_are_dashes() {
        let results = Results {
            rows: vec![row(from_chat(Kind::Unary, Dialect::Chat), &[(Variant::Wasm, &[(0.1, 1.0)])])],
            ..Results::default()
        };
        let report = markdown(&setting(), &results);
        assert_eq!(line(&report, "CPU", "2 KB"), "| 2 KB chat, pass-through | 16 | – | – | 0.1000 | – | – |");
    }
}
