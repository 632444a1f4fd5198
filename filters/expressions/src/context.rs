//! What an expression can see.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// The variables of an evaluation: an open set of root names, such as `request` or `llmRequest`, bound to JSON values
/// that are lent or owned.
#[derive(Debug, Default)]
pub struct Context<'a> {
    outer: Option<&'a Context<'a>>,
    roots: BTreeMap<String, Root<'a>>,
}

enum Root<'a> {
    Lent(&'a Value),
    Owned(Value),
}

impl fmt::Debug for Root<'_> {
    /// Values hold prompts and credentials: they are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lent(_) => "lent",
            Self::Owned(_) => "owned",
        })
    }
}

impl<'a> Context<'a> {
    /// No variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// The variables of `outer`, to which others are added. Same names hide those of `outer`.
    pub fn over(outer: &'a Context<'a>) -> Self {
        Self { outer: Some(outer), roots: BTreeMap::new() }
    }

    /// Binds `name` to a value.
    pub fn bind(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.roots.insert(name.into(), Root::Owned(value.into()));
    }

    /// Binds `name` to a value that is kept elsewhere. Nothing is copied, also not by expressions that read it.
    pub fn lend(&mut self, name: impl Into<String>, value: &'a Value) {
        self.roots.insert(name.into(), Root::Lent(value));
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self.roots.get(name) {
            Some(Root::Lent(value)) => Some(value),
            Some(Root::Owned(value)) => Some(value),
            None => self.outer?.get(name),
        }
    }

    /// Every bound name, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.roots.keys().map(String::as_str).collect();
        names.extend(self.outer.iter().flat_map(|outer| outer.names()));
        names.sort_unstable();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn inner_names_hide_outer_ones_and_values_are_not_shown() {
        let lent = json!(7);
        let mut outer = Context::new();
        outer.lend("lent", &lent);
        outer.bind("a", 1);
        let mut context = Context::over(&outer);
        context.bind("a", 2);
        assert_eq!(context.get("a"), Some(&json!(2)));
        assert_eq!(context.get("lent"), Some(&lent));
        assert_eq!(context.get("b"), None);
        assert_eq!(context.names(), ["a", "lent"]);
        assert!(!format!("{context:?}").contains('7'));
    }
}
