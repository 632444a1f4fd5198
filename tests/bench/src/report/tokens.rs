//! Counting tokens: through the gateway, and without it.

use std::fmt::Write as _;

use super::{cpu_table, latency_table, rows};
use crate::case::Kind;
use crate::measurement::Results;

/// Counts that Weir answers itself.
pub(super) fn counts(out: &mut String, results: &Results) {
    let rows = rows(results, |row| matches!(row.case.kind, Kind::Count(_)));
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "## Token counts answered by Weir\n\n\
         A client asks `/v1/messages/count_tokens` of a provider that cannot count: Weir does, and asks nobody. Behind bare \
         Envoy the provider answers, at once and without counting, so that the difference is the count itself less one \
         call upstream. CPU seconds of Envoy per 1000 requests:\n"
    );
    cpu_table(out, &rows);
    let _ = writeln!(out, "Latency, p50 / p99 in milliseconds:\n");
    latency_table(out, &rows);
}

/// Counts without any Envoy.
pub(super) fn tokeniser(out: &mut String, results: &Results) {
    let Some(countings) = &results.tokeniser else { return };
    let _ = writeln!(
        out,
        "## Counting tokens natively\n\n\
         CPU nanoseconds per KB of English prose, on the CPU of the load, without any Envoy. `count_ordinary` of \
         tiktoken-rs stands beside it and must come to the same count. The first count of the process (2 KB, o200k_base) takes \
         {:.3} ms; that of tiktoken-rs, which makes its tables then, {:.0} ms.\n",
        countings.first_ours.as_secs_f64() * 1000.0,
        countings.first_theirs.as_secs_f64() * 1000.0
    );
    let _ = writeln!(
        out,
        "| encoding | bytes | tokens | token-count | tiktoken-rs | token-count ÷ tiktoken-rs |"
    );
    let _ = writeln!(out, "|---|--:|--:|--:|--:|--:|");
    for row in &countings.rows {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {:.0} | {:.0} | {:.2} ({:.2}–{:.2}) |",
            row.encoding,
            row.bytes,
            row.tokens,
            row.ours.median,
            row.theirs.median,
            row.ratio.median,
            row.ratio.least,
            row.ratio.greatest
        );
    }
    let _ = writeln!(out);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measurement::Spread;
    use crate::tokeniser::{Counting, Countings};

    #[test]
    fn the_first_count_and_every_prompt_are_told() {
        let spread = |median| Spread { least: median / 2.0, median, greatest: median * 2.0 };
        let row = Counting {
            encoding: "o200k_base",
            bytes: 2000,
            tokens: 450,
            ours: spread(9000.0),
            theirs: spread(36000.0),
            ratio: spread(0.25),
        };
        let countings = Countings {
            first_ours: Duration::from_micros(250),
            first_theirs: Duration::from_millis(800),
            rows: vec![row],
        };
        let mut out = String::new();
        tokeniser(&mut out, &Results { tokeniser: Some(countings), ..Results::default() });
        assert!(
            out.contains("takes 0.250 ms; that of tiktoken-rs, which makes its tables then, 800 ms"),
            "{out}"
        );
        assert!(out.contains("| o200k_base | 2000 | 450 | 9000 | 36000 | 0.25 (0.12–0.50) |"), "{out}");
    }
}
