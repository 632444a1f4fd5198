//! Builders for the CEL rules that several published types share.

use kube::core::{Message, Rule};

/// Exactly one of `fields` must be set.
pub(crate) fn exactly_one_of(fields: &[&str]) -> Rule {
    Rule::new(format!("{} == 1", set_count(fields)))
        .message(Message::Message(format!("exactly one of {} must be set", fields.join(", "))))
}

/// At least one of `fields` must be set.
pub(crate) fn at_least_one_of(fields: &[&str]) -> Rule {
    Rule::new(format!("{} >= 1", set_count(fields)))
        .message(Message::Message(format!("at least one of {} must be set", fields.join(", "))))
}

/// At most one of `fields` may be set.
pub(crate) fn at_most_one_of(fields: &[&str]) -> Rule {
    Rule::new(format!("{} <= 1", set_count(fields)))
        .message(Message::Message(format!("at most one of {} may be set", fields.join(", "))))
}

/// `field` must be at least `minimum` long; both are GEP-2257 durations.
pub(crate) fn duration_at_least(minimum: &str) -> Rule {
    Rule::new(format!("duration(self) >= duration('{minimum}')"))
        .message(Message::Message(format!("must be at least {minimum}")))
}

/// A CEL expression counting the set fields among `fields`.
fn set_count(fields: &[&str]) -> String {
    let tests: Vec<String> = fields.iter().map(|field| format!("has(self.{field})")).collect();
    format!("[{}].filter(set, set).size()", tests.join(", "))
}
