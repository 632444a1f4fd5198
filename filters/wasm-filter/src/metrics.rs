//! Metrics with labels, which proxy-wasm has not: the labels are written into the name, and the `stats_tags` of the
//! bootstrap make labels of them again.

use std::cell::RefCell;
use std::collections::BTreeMap;

use filter_core::{Labels, Metric};

use crate::abi::{MetricKind, hostcalls};

/// Most metrics a VM keeps. Envoy never forgets one; models that nobody serves must not fill its memory. What is
/// beyond is counted under `other`.
const MOST: usize = 2000;

/// How many sets of labels are remembered. More are in use only where there are many models.
const REMEMBERED: usize = 64;

/// A metric that was found: which one, its labels, its number.
type Found = (Metric, Vec<String>, u32);

thread_local! {
    /// Name → number.
    static KNOWN: RefCell<BTreeMap<String, u32>> = const { RefCell::new(BTreeMap::new()) };
    /// What was found last, so that most requests write no names.
    static LATELY: RefCell<Vec<Found>> = const { RefCell::new(Vec::new()) };
}

/// The number of a metric with these labels.
pub(crate) fn find(metric: Metric, labels: &Labels<'_>) -> Option<u32> {
    let is_it = |(known, values, _): &&Found| *known == metric && values.iter().eq(labels.values());
    if let Some(number) = LATELY.with_borrow(|lately| lately.iter().find(is_it).map(|(_, _, number)| *number))
    {
        return Some(number);
    }
    let number = look_up(metric, labels)?;
    LATELY.with_borrow_mut(|lately| {
        if lately.len() == REMEMBERED {
            lately.clear();
        }
        lately.push((metric, labels.values().iter().map(|&label| label.to_owned()).collect(), number));
    });
    Some(number)
}

fn look_up(metric: Metric, labels: &Labels<'_>) -> Option<u32> {
    let wanted = name(metric, labels.values());
    let found = KNOWN.with_borrow(|known| known.get(&wanted).copied().ok_or(known.len()));
    let wanted = match found {
        Ok(number) => return Some(number),
        Err(count) if count < MOST => wanted,
        Err(_) => {
            let other = name(metric, &vec!["other"; metric.labels().len()]);
            if let Some(number) = KNOWN.with_borrow(|known| known.get(&other).copied()) {
                return Some(number);
            }
            other
        }
    };
    let kind = if metric.is_counter() { MetricKind::Counter } else { MetricKind::Histogram };
    let number = hostcalls::metric(kind, &wanted)?;
    KNOWN.with_borrow_mut(|known| known.insert(wanted, number));
    Some(number)
}

/// `metric;label=value;…;`
fn name(metric: Metric, values: &[&str]) -> String {
    let mut name = String::from(metric.name());
    name.push(';');
    for (label, value) in metric.labels().iter().zip(values) {
        name.push_str(label);
        name.push('=');
        name.extend(
            value.chars().map(|c| if c.is_ascii_graphic() && c != ';' && c != '=' { c } else { '_' }),
        );
        name.push(';');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_in_the_name() {
        let values = ["chat", "open;ai", "gpt-4.1", "ü", "input"];
        assert_eq!(
            name(Metric::TokenUsage, &values),
            "gen_ai.client.token.usage;gen_ai.operation.name=chat;gen_ai.provider.name=open_ai;\
             gen_ai.request.model=gpt-4.1;gen_ai.response.model=_;gen_ai.token.type=input;"
        );
    }
}
