//! Which rule applies to a descriptor: the descriptors of the file, as a tree that is walked entry by entry.

use std::collections::HashMap;

use crate::config::{Config, SharedRule};
use crate::request::Entry;

/// One level of nesting: what may match one entry.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Level(HashMap<String, ByValue>);

/// What has one key in one level.
#[derive(Debug, Default, PartialEq)]
struct ByValue {
    exact: HashMap<String, Node>,
    /// Wildcards without their `*`, in the order of the file: the first that fits is taken.
    wildcards: Vec<(String, Node)>,
    any: Option<Box<Node>>,
}

/// A descriptor of the file.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Node {
    /// Its key, or key and value: its part of the rule's name.
    pub(crate) segment: String,
    pub(crate) rule: Option<SharedRule>,
    /// Whether all values a wildcard stands for share one counter.
    pub(crate) share: bool,
    /// Whether metrics tell the value.
    pub(crate) in_metric: bool,
    pub(crate) below: Level,
}

/// What matched a descriptor.
#[derive(Debug)]
pub(crate) struct Matched {
    pub(crate) rule: SharedRule,
    /// For each entry of the descriptor: the wildcard that stands for its value in the counter's name, if any.
    pub(crate) shared: Vec<Option<String>>,
    /// What metrics call it: the rule's name, or one with values of this descriptor where the file asks for that.
    pub(crate) metric: Metric,
}

/// The name of a rule in metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Metric {
    /// That of the file.
    Plain,
    /// One that holds values of a request, of which there may be any number.
    Detailed(String),
}

impl Level {
    /// Adds a descriptor. `false` if there is one with this key and value.
    pub(crate) fn add(&mut self, key: &str, value: &str, node: Node) -> bool {
        let values = self.0.entry(key.to_owned()).or_default();
        match value.strip_suffix('*') {
            _ if value.is_empty() => values.any.replace(Box::new(node)).is_none(),
            Some(prefix) => {
                let known = values.wildcards.iter().any(|(known, _)| known == prefix);
                values.wildcards.push((prefix.to_owned(), node));
                !known
            }
            None => values.exact.insert(value.to_owned(), node).is_none(),
        }
    }

    /// Whether there is a rule for these keys and some values.
    pub(crate) fn has_rule_for<'k>(&self, mut keys: impl Iterator<Item = &'k str> + Clone) -> bool {
        let Some(values) = keys.next().and_then(|key| self.0.get(key)) else { return false };
        let wildcards = values.wildcards.iter().map(|(_, node)| node);
        let mut nodes = values.exact.values().chain(wildcards).chain(values.any.as_deref());
        let is_last = keys.clone().next().is_none();
        nodes.any(|node| if is_last { node.rule.is_some() } else { node.below.has_rule_for(keys.clone()) })
    }

    /// The most specific match: the value itself, then a wildcard, then the key alone. With the wildcard.
    fn find(&self, entry: &Entry) -> Option<(&Node, Option<&str>)> {
        let values = self.0.get(&entry.key)?;
        let wildcard = || {
            let fits = values.wildcards.iter().find(|(prefix, _)| entry.value.starts_with(prefix.as_str()));
            fits.map(|(prefix, node)| (node, Some(prefix.as_str())))
        };
        let exact = values.exact.get(&entry.value).map(|node| (node, None));
        exact.or_else(wildcard).or_else(|| values.any.as_deref().map(|node| (node, None)))
    }
}

/// The rule for a descriptor. As in the stock service, all entries must match, and exactly as many as the rule is deep.
pub(crate) fn find(config: &Config, domain: &str, entries: &[Entry]) -> Option<Matched> {
    let mut level = &config.domain(domain)?.level;
    let mut rule = None;
    let (mut shared, mut nodes) = (Vec::new(), Vec::new());
    for entry in entries {
        let (node, wildcard) = level.find(entry)?;
        shared.push(wildcard.filter(|_| node.share).map(|prefix| format!("{prefix}*")));
        nodes.push(node);
        rule = node.rule.clone();
        level = &node.below;
    }
    let rule = rule?;
    let metric = if rule.detailed_metric || nodes.iter().any(|node| node.in_metric) {
        let segments = nodes.iter().zip(entries).map(|(node, entry)| {
            let told = (rule.detailed_metric || node.in_metric) && !node.share && !entry.value.is_empty();
            if told { format!("{}_{}", entry.key, entry.value) } else { node.segment.clone() }
        });
        Metric::Detailed(segments.collect::<Vec<_>>().join("."))
    } else {
        Metric::Plain
    };
    Some(Matched { rule, shared, metric })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn which_keys_have_a_rule_for_some_value() {
        let text = "domain: d\ndescriptors:\n\
                    - {key: user, value: ann, rate_limit: {unit: hour, requests_per_unit: 5}}\n\
                    - key: route\n  value: a*\n  descriptors:\n  \
                      - {key: path, rate_limit: {unit: hour, requests_per_unit: 5}}\n";
        let config = Config::parse(&[(PathBuf::from("limits.yaml"), text.to_owned())]).unwrap();
        let level = &config.domain("d").unwrap().level;
        for (keys, known) in [
            (["user"].as_slice(), true),
            (&["usr"], false),
            (&["route"], false),
            (&["route", "path"], true),
            (&["route", "user"], false),
            (&["user", "path"], false),
            (&[], false),
        ] {
            assert_eq!(level.has_rule_for(keys.iter().copied()), known, "{keys:?}");
        }
    }
}
