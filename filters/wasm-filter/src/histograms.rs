//! Histograms with labels, which proxy-wasm has not: the labels are written into the name, and the `stats_tags` of the
//! bootstrap make labels of them again.

use std::cell::RefCell;
use std::collections::BTreeMap;

use filter_core::{Labels, Metric};

use crate::abi::hostcalls;

/// Most histograms a VM keeps. Envoy never forgets one; models that nobody serves must not fill its memory. What is
/// beyond is counted under `other`.
const MOST: usize = 2000;

thread_local! {
    /// Name → number.
    static KNOWN: RefCell<BTreeMap<String, u32>> = const { RefCell::new(BTreeMap::new()) };
}

/// The histogram of a metric with these labels.
pub(crate) fn find(metric: Metric, labels: &Labels<'_>) -> Option<u32> {
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
    let number = hostcalls::histogram(&wanted)?;
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
