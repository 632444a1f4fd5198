//! Expressions that filters evaluate: what is wrong with them before a request comes.

use std::fmt;

use expressions::Expression;
use filter_config::variables::Variable;

/// What an expression looks at that is never there, and what to look at instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// Such as `request.header`.
    pub(crate) name: String,
    /// What there is.
    pub(crate) known: String,
}

impl fmt::Display for Unknown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` is never there; there are {}", self.name, self.known)
    }
}

/// The first variable that is not among `variables`, or member that its variable never has.
pub(crate) fn unknown(expression: &Expression, variables: &[Variable]) -> Option<Unknown> {
    let variable = |root: &str| variables.iter().find(|variable| variable.name == root);
    if let Some(root) = expression.referenced_roots().find(|root| variable(root).is_none()) {
        let names: Vec<&str> = variables.iter().map(|variable| variable.name).collect();
        return Some(Unknown { name: root.to_owned(), known: names.join(", ") });
    }
    expression.referenced_members().find_map(|(root, member)| {
        let members = variable(root)?.members?;
        let known = || members.iter().map(|known| format!("{root}.{known}")).collect::<Vec<_>>().join(", ");
        (!members.contains(&member)).then(|| Unknown { name: format!("{root}.{member}"), known: known() })
    })
}

#[cfg(test)]
mod tests {
    use filter_config::variables::{JWT, LLM_OF_REQUEST, REQUEST};

    use super::*;

    #[test]
    fn finds_what_is_never_there() {
        let found = |text: &str| {
            let expression = Expression::compile(text).unwrap();
            unknown(&expression, &[REQUEST, LLM_OF_REQUEST, JWT]).map(|unknown| (unknown.name, unknown.known))
        };
        assert_eq!(found(r#"request.headers["x-a"] + llm.requestModel + jwt.anything"#), None);
        assert_eq!(found("user"), Some(("user".to_owned(), "request, llm, jwt".to_owned())));
        assert_eq!(
            found(r#"default(request.header["x-a"], "")"#),
            Some((
                "request.header".to_owned(),
                "request.headers, request.path, request.method, request.host".to_owned()
            ))
        );
        assert_eq!(found("llm.model").map(|(name, _)| name).as_deref(), Some("llm.model"));
    }
}
