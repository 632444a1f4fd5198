//! The table of dialects: each of them reached from OpenAI chat, and each passing through.

use std::fmt::Write as _;

use crate::case::{Case, Kind, Variant};
use crate::chain::Chain;
use crate::measurement::{Results, Row};
use crate::payloads::Dialect;

/// One line per pair of dialects, unary and streamed side by side.
pub(super) fn table(out: &mut String, results: &Results) {
    let pairs: Vec<(Dialect, Dialect)> = Dialect::ALL
        .map(|provider| (Dialect::Chat, provider))
        .into_iter()
        .chain(Dialect::ALL.into_iter().skip(1).map(|dialect| (dialect, dialect)))
        .collect();
    let others = results.rows.iter().any(|row| {
        !row.case.core()
            && pairs.contains(&(row.case.client, row.case.provider))
            && row.case.chain == Chain::Gateway
            && !matches!(row.case.kind, Kind::Large(_))
    });
    if !others {
        return;
    }
    let _ = writeln!(
        out,
        "## Every dialect: CPU seconds of Envoy per 1000 requests\n\n\
         The same conversation in each dialect. Bare Envoy's own number differs with the length of what providers send for \
         the same text, Bedrock's binary frames and the long events of OpenAI responses among it.\n"
    );
    let _ = writeln!(
        out,
        "| traffic | unary: bare | native ÷ bare | wasm ÷ bare | streamed: bare | native ÷ bare | wasm ÷ bare |"
    );
    let _ = writeln!(out, "|---|--:|--:|--:|--:|--:|--:|");
    for (client, provider) in pairs {
        let [unary, stream] = [Kind::Unary, Kind::Stream].map(|kind| {
            let case = Case::new(kind, client, provider);
            results.rows.iter().filter(|row| row.case == case).min_by_key(|row| row.connections)
        });
        if unary.is_none() && stream.is_none() {
            continue;
        }
        let (unary, stream) = (cells(unary), cells(stream));
        let from = client.title();
        let way = if client == provider {
            format!("{from}, pass-through")
        } else {
            format!("{from} → {}", provider.title())
        };
        let _ = writeln!(out, "| {way} | {unary} | {stream} |");
    }
    let _ = writeln!(out);
}

/// Bare Envoy's CPU and the ratios of the other two.
fn cells(row: Option<&Row>) -> String {
    let bare = row.and_then(|row| row.value(Variant::Bare, |round| round.cpu));
    let mut cells = vec![bare.map(|bare| format!("{:.4}", bare.median))];
    for variant in [Variant::Native, Variant::Wasm] {
        let ratio = row.and_then(|row| row.cpu_ratio(variant));
        cells.push(
            ratio.map(|ratio| format!("{:.2} ({:.2}–{:.2})", ratio.median, ratio.least, ratio.greatest)),
        );
    }
    cells.into_iter().map(|cell| cell.unwrap_or_else(|| "–".to_owned())).collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::tests::{from_chat, row};

    #[test]
    fn unary_and_streamed_stand_side_by_side() {
        let variants: [(Variant, &[(f64, f64)]); 2] =
            [(Variant::Bare, &[(0.10, 1.0)]), (Variant::Native, &[(0.15, 1.0)])];
        let rows = vec![
            row(from_chat(Kind::Unary, Dialect::Bedrock), &variants),
            row(from_chat(Kind::Stream, Dialect::Bedrock), &variants[..1]),
        ];
        let mut out = String::new();
        table(&mut out, &Results { rows, ..Results::default() });
        assert!(
            out.contains("| OpenAI → Bedrock | 0.1000 | 1.50 (1.50–1.50) | – | 0.1000 | – | – |"),
            "{out}"
        );
        assert!(!out.contains("Gemini, pass-through"), "what was not measured has no line");
    }

    #[test]
    fn without_other_dialects_there_is_no_table() {
        let rows = vec![row(from_chat(Kind::Unary, Dialect::Anthropic), &[(Variant::Bare, &[(0.1, 1.0)])])];
        let mut out = String::new();
        table(&mut out, &Results { rows, ..Results::default() });
        assert_eq!(out, "");
    }
}
