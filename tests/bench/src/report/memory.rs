//! Memory: after each case, and while many streams are open.

use std::fmt::Write as _;

use super::rows;
use crate::case::Variant;
use crate::chain::Chain;
use crate::measurement::{Results, Row};

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * 1024.0;

/// What an open stream costs.
#[expect(clippy::cast_precision_loss, reason = "memory sizes are below 2^52")]
pub(super) fn open_streams(out: &mut String, results: &Results) {
    let Some(first) = results.open_streams.iter().find_map(|(_, all)| all.values().next()) else { return };
    let _ = writeln!(
        out,
        "## Memory of {} open streams\n\n\
         Resident memory of a fresh Envoy in MiB: after a few streams, at most while all are open at once (their events come \
         150 ms apart), and when they have ended. These Envoys give unused memory back to the kernel all the time, so that \
         nothing left over from their start hides what streams need. A stream comes with a connection on either side. The last \
         column: how much more a stream adds than through bare Envoy.\n",
        first.streams
    );
    let _ = writeln!(out, "| traffic | Envoy | before | open | after | KiB per stream | more than bare |");
    let _ = writeln!(out, "|---|---|--:|--:|--:|--:|--:|");
    for (streams, all) in &results.open_streams {
        let bare = all.get(&Variant::Bare).map(|held| held.per_stream());
        for (variant, held) in all {
            let [before, during, after] =
                [held.before, held.during, held.after].map(|bytes| format!("{:.1}", bytes as f64 / MIB));
            let more = bare
                .filter(|_| *variant != Variant::Bare)
                .map_or("–".to_owned(), |bare| format!("{:.1} KiB", (held.per_stream() - bare) / KIB));
            let _ = writeln!(
                out,
                "| {} | {} | {before} | {during} | {after} | {:.1} | {more} |",
                streams.case().way(),
                variant.name(),
                held.per_stream() / KIB
            );
        }
    }
    let _ = writeln!(out);
}

/// Resident memory after each core case.
#[expect(clippy::cast_precision_loss, reason = "memory sizes are below 2^52")]
pub(super) fn resident(out: &mut String, results: &Results) {
    let rows = rows(results, |row| row.case.core());
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "## Resident memory of Envoy in MiB\n\n\
         At the end of each case; the processes run all cases with the same filters one after another.\n"
    );
    let start = |variant: &Variant| {
        results.memory.get(&(Chain::Gateway, *variant)).map(|memory| memory.at_start as f64 / MIB)
    };
    let _ = writeln!(out, "| after | connections | bare | native | wasm | native ÷ bare | wasm ÷ bare |");
    let _ = writeln!(out, "|---|--:|--:|--:|--:|--:|--:|");
    let last = |row: &Row, variant: &Variant| {
        row.rounds.get(variant).and_then(|rounds| rounds.last()).map(|round| round.resident as f64 / MIB)
    };
    let mut line = |title: &str, connections: &str, values: [Option<f64>; 3]| {
        let [bare, ours @ ..] = values;
        let _ = write!(out, "| {title} | {connections} |");
        for value in values {
            let _ = write!(out, " {} |", value.map_or("–".to_owned(), |value| format!("{value:.1}")));
        }
        for value in ours {
            let ratio = value.zip(bare).map(|(ours, bare)| format!("{:.2}", ours / bare));
            let _ = write!(out, " {} |", ratio.as_deref().unwrap_or("–"));
        }
        let _ = writeln!(out);
    };
    line("start", "–", Variant::ALL.map(|variant| start(&variant)));
    for row in rows {
        line(
            &row.case.title(),
            &row.connections.to_string(),
            Variant::ALL.map(|variant| last(row, &variant)),
        );
    }
    let _ = writeln!(out);
}

#[cfg(test)]
mod tests {
    use crate::case::Variant;
    use crate::measurement::Results;
    use crate::open_streams::{Held, OpenStreams};

    #[test]
    fn a_stream_is_compared_with_one_through_bare_envoy() {
        let held = |growth: u64| Held {
            before: 64 << 20,
            during: (64 << 20) + growth * 500 * 1024,
            after: 70 << 20,
            streams: 500,
        };
        let all = [(Variant::Bare, held(20)), (Variant::Wasm, held(50))];
        let results =
            Results { open_streams: vec![(OpenStreams::Translated, all.into())], ..Results::default() };
        let mut out = String::new();
        super::open_streams(&mut out, &results);
        let lines: Vec<&str> = out.lines().filter(|line| line.starts_with("| OpenAI")).collect();
        assert_eq!(
            lines,
            [
                "| OpenAI → Anthropic | bare | 64.0 | 73.8 | 70.0 | 20.0 | – |",
                "| OpenAI → Anthropic | wasm | 64.0 | 88.4 | 70.0 | 50.0 | 30.0 KiB |"
            ]
        );
        assert!(out.starts_with("## Memory of 500 open streams"));
    }
}
