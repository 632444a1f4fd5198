//! Patterns, as the filters take them.

use filter_config::{Pattern, TextCheck};
use prompt_guard::{Detector, Error, PatternProblem};
use regex_syntax::ast::{Ast, ClassSetItem, Visitor, parse, visit};

/// How deep groups may be nested.
const NEST_LIMIT: u32 = 100;

/// What looks for a pattern; inner `None` for one that finds nothing. The filters carry no tables of Unicode properties,
/// which this half of Weir has: a pattern with one would compile here and be refused there, so it is refused here too.
///
/// # Errors
/// What is wrong with the pattern.
pub(super) fn compile(pattern: &str, window_bytes: u32) -> Result<Option<Detector>, String> {
    let unreadable = |problem: String| format!("is no regular expression: {problem}");
    let parser = parse::ParserBuilder::new().nest_limit(NEST_LIMIT).build().parse(pattern);
    let parsed = parser.map_err(|error| unreadable(error.kind().to_string()))?;
    visit(&parsed, Classes)?;
    let own = Pattern { regex: pattern.to_owned(), replacement: None };
    let check = TextCheck { patterns: vec![own], ..TextCheck::default() };
    let window = usize::try_from(window_bytes).unwrap_or(usize::MAX);
    match Detector::compile(&check, window) {
        Ok(detector) => Ok(Some(detector)),
        Err(Error::Pattern { problem: PatternProblem::MatchesNothing, .. }) => Ok(None),
        Err(Error::Pattern { problem: PatternProblem::Syntax(problem), .. }) => Err(unreadable(problem)),
        Err(Error::Pattern { problem, .. }) => Err(problem.to_string()),
        Err(other) => Err(other.to_string()),
    }
}

/// Finds classes of Unicode properties.
struct Classes;

impl Classes {
    fn refuse() -> String {
        "has a class of Unicode properties such as \\p{L}, which is not supported: write \\w, or ranges"
            .to_owned()
    }
}

impl Visitor for Classes {
    type Output = ();
    type Err = String;

    fn finish(self) -> Result<(), String> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), String> {
        if matches!(ast, Ast::ClassUnicode(_)) { Err(Self::refuse()) } else { Ok(()) }
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), String> {
        if matches!(item, ClassSetItem::Unicode(_)) { Err(Self::refuse()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_filters_would_refuse_is_refused() {
        let longest = |pattern: &str| {
            compile(pattern, 1024).map(|found| found.map(|detector| detector.longest_match()))
        };
        assert_eq!(longest("[0-9]{4}-[0-9]{2}"), Ok(Some(Some(7))));
        assert_eq!(longest(r"(?i)EMP-\w*x"), Ok(Some(None)));
        assert_eq!(longest("^$"), Ok(None));
        let problem = |pattern: &str| compile(pattern, 1024).unwrap_err();
        assert_eq!(problem("(a"), "is no regular expression: unclosed group");
        assert!(problem(r"\p{L}").contains("Unicode properties"));
        assert!(problem(r"[a\pL]").contains("Unicode properties"));
        assert!(problem(r"(\w{900}){900}").contains("automaton"));
        assert!(compile(&format!("{}a{}", "(".repeat(101), ")".repeat(101)), 1024).is_err());
    }
}
