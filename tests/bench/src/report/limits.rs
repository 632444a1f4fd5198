//! What limits cost.

use std::fmt::Write as _;

use super::{OURS, cpu_table, rate_table, rows};
use crate::case::{Case, Variant};
use crate::chain::Chain;
use crate::measurement::{Results, Row};

/// The tables of the cases with limits, each after the same traffic without.
pub(super) fn section(out: &mut String, results: &Results) {
    let mut both = Vec::new();
    let mut more = String::new();
    for limited in rows(results, |row| matches!(row.case.chain, Chain::Limit | Chain::Global)) {
        let without = Case { chain: Chain::Gateway, ..limited.case };
        let without =
            results.rows.iter().find(|row| row.case == without && row.connections == limited.connections);
        both.extend(without.filter(|without| !both.contains(without)));
        both.push(limited);
        for variant in OURS {
            if let Some(added) = without.and_then(|without| added(limited, without, variant)) {
                // Writing to a string cannot fail.
                let _ = writeln!(more, "* {}, {}: {added:.1} µs", limited.case.title(), variant.name());
            }
        }
    }
    if both.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "## Limits\n\n\
         *Local limits*: the `limit` filter behind `llm`, with one bucket of requests and one of tokens that are never empty. Tokens \
         are reserved when a request comes and settled when its answer ends. *Global limit*: one descriptor of requests, about which Envoy's own ratelimit filter asks \
         `weir ratelimit` once per request; the service runs on the CPUs of the load, and its time is not in these numbers. \
         *Pass-through*: the same traffic with `llm` and \
         `provider` only. CPU seconds of Envoy per 1000 requests:\n"
    );
    cpu_table(out, &both);
    let _ = writeln!(out, "Requests per second, one worker:\n");
    rate_table(out, &both);
    if !more.is_empty() {
        let _ = writeln!(
            out,
            "CPU per request that the limits add, medians, after what bare Envoy used beside each:\n\n{more}"
        );
    }
}

/// Microseconds of CPU per request more than without limits. The two were not measured at the same time: bare Envoy's
/// share of each takes out how fast the machine was.
fn added(limited: &Row, without: &Row, variant: Variant) -> Option<f64> {
    let bare = without.value(Variant::Bare, |round| round.cpu)?.median;
    let more = limited.cpu_ratio(variant)?.median - without.cpu_ratio(variant)?.median;
    Some(more * bare * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Kind;
    use crate::measurement::tests::row;
    use crate::payloads::Dialect;

    #[test]
    fn limits_are_compared_with_the_gateway_alone() {
        let (bare, native) = (Variant::Bare, Variant::Native);
        let without = Case::new(Kind::Unary, Dialect::Chat, Dialect::Chat);
        let rows = vec![
            row(without, &[(bare, &[(0.04, 1.0)]), (native, &[(0.05, 1.0)])]),
            // The machine was half as fast.
            row(
                Case::through(Chain::Limit, Kind::Unary),
                &[(bare, &[(0.08, 1.0)]), (native, &[(0.12, 1.0)])],
            ),
        ];
        let mut out = String::new();
        section(&mut out, &Results { rows: rows.clone(), ..Results::default() });
        assert!(out.contains("* 2 KB chat, local limits, native: 10.0 µs"), "{out}");
        assert_eq!(out.matches("| 2 KB chat, pass-through | 16 |").count(), 2);
        let mut out = String::new();
        section(&mut out, &Results { rows: rows[..1].to_vec(), ..Results::default() });
        assert_eq!(out, "");
    }
}
