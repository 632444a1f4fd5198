//! Collecting what is wrong.

use std::collections::BTreeSet;

use resources::{Finding, FindingKind, ObjectKey, Severity, Subject};

/// Findings of one translation; the same finding made on several ways through the objects counts once.
#[derive(Debug, Default)]
pub(crate) struct Findings(BTreeSet<Finding>);

impl Findings {
    /// The object, or the part of it at `path`, is unusable.
    pub(crate) fn error(&mut self, key: &ObjectKey, path: &str, message: impl Into<String>, remedy: &str) {
        self.add(Severity::Error, FindingKind::Invalid, key, path, message.into(), remedy);
    }

    /// The object is in force, but probably not as meant.
    pub(crate) fn warning(&mut self, key: &ObjectKey, path: &str, message: impl Into<String>, remedy: &str) {
        self.add(Severity::Warning, FindingKind::Invalid, key, path, message.into(), remedy);
    }

    /// The object is in force as it is written, and that entails something worth knowing.
    pub(crate) fn note(&mut self, key: &ObjectKey, path: &str, message: impl Into<String>) {
        self.add(Severity::Note, FindingKind::Entailed, key, path, message.into(), "");
    }

    /// A part of the API that this version does not serve and without which what it stands on is unusable.
    pub(crate) fn not_served(&mut self, key: &ObjectKey, path: &str, what: &str, remedy: &str) {
        self.add(Severity::Error, FindingKind::NotServed, key, path, unsupported(what), remedy);
    }

    /// A part of the API that this version does not serve; the rest is in force without it.
    pub(crate) fn ignored(&mut self, key: &ObjectKey, path: &str, what: &str, remedy: &str) {
        self.add(Severity::Warning, FindingKind::NotServed, key, path, unsupported(what), remedy);
    }

    fn add(
        &mut self,
        severity: Severity,
        kind: FindingKind,
        key: &ObjectKey,
        path: &str,
        message: String,
        remedy: &str,
    ) {
        self.0.insert(Finding {
            severity,
            kind,
            origin: None,
            subject: Some(Subject {
                kind: key.kind.name().to_owned(),
                namespace: key.namespace.clone(),
                name: key.name.clone(),
            }),
            field_path: path.to_owned(),
            message,
            remedy: remedy.to_owned(),
        });
    }

    pub(crate) fn into_vec(self) -> Vec<Finding> {
        self.0.into_iter().collect()
    }
}

fn unsupported(what: &str) -> String {
    format!("{what} is not supported by this version of Weir")
}
