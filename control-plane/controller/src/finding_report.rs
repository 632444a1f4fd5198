//! Findings over time: what is new, and what is resolved.

use std::collections::BTreeMap;
use std::sync::Arc;

use resources::{Finding, FindingKind, Severity, Subject};

/// What makes two findings the same, though an edit has moved the line.
type Identity = (Severity, FindingKind, Option<Arc<str>>, Option<Subject>, String, String);

/// The findings that have been shown.
#[derive(Debug, Default)]
pub(crate) struct FindingReport {
    shown: BTreeMap<Identity, Finding>,
}

/// The difference between two sets of findings.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Not there before, in the order given.
    pub(crate) new: Vec<Finding>,
    /// Not there any more.
    pub(crate) resolved: Vec<Finding>,
}

impl FindingReport {
    /// Takes the findings of now and tells what changed.
    pub(crate) fn update<'a>(&mut self, findings: impl IntoIterator<Item = &'a Finding>) -> Difference {
        let mut difference = Difference::default();
        let mut now = BTreeMap::new();
        for finding in findings {
            let identity = identity(finding);
            if self.shown.remove(&identity).is_none() && !now.contains_key(&identity) {
                difference.new.push(finding.clone());
            }
            now.insert(identity, finding.clone());
        }
        difference.resolved = std::mem::replace(&mut self.shown, now).into_values().collect();
        difference
    }
}

fn identity(finding: &Finding) -> Identity {
    (
        finding.severity,
        finding.kind,
        finding.origin.as_ref().map(|origin| origin.file.clone()),
        finding.subject.clone(),
        finding.field_path.clone(),
        finding.message.clone(),
    )
}

#[cfg(test)]
mod tests {
    use resources::Origin;

    use super::*;

    fn finding(message: &str, line: usize) -> Finding {
        Finding {
            severity: Severity::Error,
            kind: FindingKind::Invalid,
            origin: Some(Origin { file: "a.yaml".into(), line, column: None, document: 0 }),
            subject: None,
            field_path: "spec".to_owned(),
            message: message.to_owned(),
            remedy: String::new(),
        }
    }

    #[test]
    fn only_what_changed_is_told() {
        let mut report = FindingReport::default();
        let (a, b, c) = (finding("a", 1), finding("b", 2), finding("c", 3));
        assert_eq!(report.update([&a, &b]).new, [a.clone(), b.clone()]);
        assert_eq!(report.update([&a, &b]), Difference::default());
        let moved = finding("b", 9);
        let difference = report.update([&moved, &c]);
        assert_eq!(difference.new, [c]);
        assert_eq!(difference.resolved, [a]);
    }
}
