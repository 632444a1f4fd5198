//! What guards cost.

use std::fmt::Write as _;

use super::{compared, cpu_table, first_byte_table, percentiles, rate_table, rows, table};
use crate::case::{Kind, Variant};
use crate::chain::Chain;
use crate::measurement::{Results, Row};
use crate::payloads::STREAM_CHUNKS;

/// The tables of the cases with guards.
pub(super) fn section(out: &mut String, results: &Results) {
    let all = rows(results, |row| matches!(row.case.chain, Chain::Guard | Chain::Keywords));
    if all.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "## Prompt guards\n\n\
         The `guard` filter alone in front of the router. *Guarded*: the recognisers of email addresses, telephone numbers, \
         payment cards and US social security numbers mask prompts and answers. *100 000 keywords*: words that are masked \
         in prompts. Every prompt holds one match, so that it is rewritten; the answers hold none, and all of their text is \
         looked at. Before each round a probe makes sure that matches are masked. CPU seconds of Envoy per 1000 requests:\n"
    );
    cpu_table(out, &all);
    let unpaced: Vec<&Row> = all.iter().copied().filter(|row| !row.case.paced()).collect();
    if !unpaced.is_empty() {
        let _ = writeln!(out, "Requests per second, one worker:\n");
        rate_table(out, &unpaced);
    }
    streams(out, &all);
    memory(out, results);
}

/// What a guard adds to each chunk of a stream.
fn streams(out: &mut String, all: &[&Row]) {
    let of = |kind| all.iter().copied().filter(|row| row.case.kind == kind).collect::<Vec<&Row>>();
    let (burst, paced) = (of(Kind::Stream), of(Kind::Paced));
    if !burst.is_empty() {
        let _ = writeln!(
            out,
            "CPU microseconds per chunk of a stream: those of the whole request, shared by its {STREAM_CHUNKS} chunks:\n"
        );
        table(
            out,
            &burst,
            "− bare",
            |row, variant| Some(format!("{:.2}", row.value(variant, |round| per_chunk(round.cpu))?.median)),
            |row, variant| {
                let more = row.compare(variant, |round| per_chunk(round.cpu), |ours, bare| ours - bare)?;
                Some(compared(more, " µs", None))
            },
        );
    }
    if !paced.is_empty() {
        let _ = writeln!(
            out,
            "How late chunks of text come in paced streams, p50 / p99 in milliseconds: from when the provider was to send a \
             chunk to when the last byte of its text had come. It includes the provider's own delay, the same for all. What a \
             guard holds back, because a match could begin there, comes with a later chunk.\n"
        );
        table(
            out,
            &paced,
            "− bare",
            |row, variant| {
                row.value(variant, |round| round.chunk.map_or(f64::NAN, |chunk| chunk.0))
                    .filter(|value| !value.median.is_nan())?;
                percentiles(row, variant, |round| round.chunk.unwrap_or((f64::NAN, f64::NAN)))
            },
            |row, variant| {
                let delay = |round: &crate::measurement::Round| round.chunk.map_or(f64::NAN, |chunk| chunk.0);
                let more = row.compare(variant, delay, |ours, bare| ours - bare)?;
                (!more.median.is_nan()).then(|| compared(more, " ms", None))
            },
        );
        let _ = writeln!(
            out,
            "Time to the first byte of those streams, which is an event without text, p50 / p99 in milliseconds:\n"
        );
        first_byte_table(out, &paced);
    }
}

/// Microseconds of each chunk, of CPU seconds per 1000 streams.
#[expect(clippy::cast_precision_loss, reason = "there are 50 chunks")]
fn per_chunk(cpu: f64) -> f64 {
    cpu * 1000.0 / STREAM_CHUNKS as f64
}

/// Memory of an Envoy that has just started, with a long list and without.
#[expect(clippy::cast_precision_loss, reason = "memory sizes are below 2^52")]
fn memory(out: &mut String, results: &Results) {
    let chains = [Chain::Guard, Chain::Keywords];
    if !results.memory.keys().any(|(chain, _)| *chain == Chain::Keywords) {
        return;
    }
    let _ = writeln!(
        out,
        "Resident memory of an Envoy with one worker in MiB, when it has started. Compiling the list and reading its \
         configuration are in it:\n\n| filters | bare | native | wasm |\n|---|--:|--:|--:|"
    );
    for chain in chains {
        let cells = Variant::ALL.map(|variant| {
            let memory = results.memory.get(&(chain, variant));
            memory.map_or("–".to_owned(), |memory| format!("{:.1}", memory.at_start as f64 / 1_048_576.0))
        });
        let _ = writeln!(out, "| {} | {} |", chain.title(), cells.join(" | "));
    }
    let _ = writeln!(out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Case;
    use crate::measurement::tests::row;
    use crate::report::tests::{line, setting};

    #[test]
    fn chunks_are_told_by_cpu_and_by_delay() {
        let variants: [(Variant, &[(f64, f64)]); 2] =
            [(Variant::Bare, &[(0.05, 1.0)]), (Variant::Native, &[(0.15, 1.25)])];
        let mut paced = row(Case::through(Chain::Guard, Kind::Paced), &variants);
        for (variant, rounds) in &mut paced.rounds {
            rounds[0].chunk = Some(if *variant == Variant::Bare { (1.0, 2.0) } else { (6.5, 8.0) });
        }
        let rows = vec![row(Case::through(Chain::Guard, Kind::Stream), &variants), paced];
        let report = crate::report::markdown(&setting(), &Results { rows, ..Results::default() });
        assert!(
            report.contains("| 50-chunk stream, guarded | 16 | 1.00 | 3.00 | – | 2.00 µs (2.00–2.00) | – |"),
            "{report}"
        );
        assert!(
            report.contains(
                "| paced stream, guarded | 16 | 1.00 / 2.00 | 6.50 / 8.00 | – | 5.50 ms (5.50–5.50) | – |"
            ),
            "{report}"
        );
        assert!(
            line(&report, "Prompt guards", "50-chunk").contains("| 0.0500 | 0.1500 | – | 3.00 (3.00–3.00)")
        );
        assert!(!report.contains("## Every dialect") && !report.contains("## CPU"), "{report}");
    }
}
