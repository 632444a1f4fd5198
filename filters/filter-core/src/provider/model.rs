//! Model aliases.

use std::collections::BTreeMap;

/// Client's model → provider's model, with exact names and patterns of one `*`.
#[derive(Debug)]
pub(crate) struct Aliases {
    exact: BTreeMap<String, String>,
    /// Prefix, suffix, model; longest pattern first.
    patterns: Vec<(String, String, String)>,
}

impl Aliases {
    pub(crate) fn new(aliases: &BTreeMap<String, String>) -> Self {
        let mut exact = BTreeMap::new();
        let mut patterns = Vec::new();
        for (key, model) in aliases {
            match key.split_once('*') {
                None => {
                    exact.insert(key.clone(), model.clone());
                }
                Some((prefix, suffix)) => {
                    patterns.push((prefix.to_owned(), suffix.to_owned(), model.clone()))
                }
            }
        }
        patterns.sort_by(|a: &(String, String, String), b| {
            (b.0.len() + b.1.len()).cmp(&(a.0.len() + a.1.len())).then_with(|| a.cmp(b))
        });
        Self { exact, patterns }
    }

    /// The model `asked` stands for; `None` when no alias matches.
    pub(crate) fn resolve(&self, asked: &str) -> Option<&str> {
        if let Some(model) = self.exact.get(asked) {
            return Some(model);
        }
        self.patterns
            .iter()
            .find(|(prefix, suffix, _)| {
                asked.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.ends_with(suffix.as_str()))
            })
            .map(|(_, _, model)| model.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_then_longest_pattern() {
        let aliases = Aliases::new(&BTreeMap::from(
            [("*", "any"), ("gpt-*", "gpt"), ("gpt-*-mini", "mini"), ("gpt-4o", "exact")]
                .map(|(k, v)| (k.to_owned(), v.to_owned())),
        ));
        assert_eq!(aliases.resolve("gpt-4o"), Some("exact"));
        assert_eq!(aliases.resolve("gpt-5-mini"), Some("mini"));
        assert_eq!(aliases.resolve("gpt-5"), Some("gpt"));
        assert_eq!(aliases.resolve("gpt--mini"), Some("mini"));
        assert_eq!(aliases.resolve("gpt-mini"), Some("gpt"), "prefix and suffix may not overlap");
        assert_eq!(aliases.resolve("claude"), Some("any"));
        assert_eq!(Aliases::new(&BTreeMap::new()).resolve("claude"), None);
    }
}
