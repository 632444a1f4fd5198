//! What an expression can see.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// The variables of an evaluation: an open set of root names, such as `request` or `llmRequest`, bound to JSON values
/// that are lent, owned, or made when an expression first asks for them.
#[derive(Debug, Default)]
pub struct Context<'a> {
    outer: Option<&'a Context<'a>>,
    roots: BTreeMap<String, Root<'a>>,
}

enum Root<'a> {
    Lent(&'a Value),
    Owned(Value),
    Lazy(OnceCell<Value>, Box<dyn Fn() -> Value + 'a>),
}

impl fmt::Debug for Root<'_> {
    /// Values hold prompts and credentials: they are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lent(_) => "lent",
            Self::Owned(_) => "owned",
            Self::Lazy(..) => "lazy",
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

    /// Binds `name` to a value that is made when first asked for, and then kept.
    pub fn bind_lazy(&mut self, name: impl Into<String>, make: impl Fn() -> Value + 'a) {
        self.roots.insert(name.into(), Root::Lazy(OnceCell::new(), Box::new(make)));
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self.roots.get(name) {
            Some(Root::Lent(value)) => Some(value),
            Some(Root::Owned(value)) => Some(value),
            Some(Root::Lazy(made, make)) => Some(made.get_or_init(make)),
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
    use std::cell::Cell;

    use serde_json::json;

    use super::*;

    #[test]
    fn lazy_values_are_made_once_and_only_when_asked_for() {
        let made = Cell::new(0);
        let mut outer = Context::new();
        outer.bind_lazy("lazy", || {
            made.set(made.get() + 1);
            json!(7)
        });
        outer.bind("a", 1);
        let mut context = Context::over(&outer);
        context.bind("a", 2);
        assert_eq!(context.get("a"), Some(&json!(2)));
        assert_eq!(made.get(), 0);
        assert_eq!(context.get("lazy"), Some(&json!(7)));
        assert_eq!(context.get("lazy"), Some(&json!(7)));
        assert_eq!(made.get(), 1);
        assert_eq!(context.get("b"), None);
        assert_eq!(context.names(), ["a", "lazy"]);
        assert!(!format!("{context:?}").contains('7'));
    }
}
