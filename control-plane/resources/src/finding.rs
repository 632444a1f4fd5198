//! What is wrong with an object, where, and what to do about it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The object is in force as it is written; what the finding says is good to know.
    Note,
    /// The object is usable; what the finding names is not in force.
    Warning,
    /// The object is unusable.
    Error,
}

/// What sort of problem a finding describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FindingKind {
    /// The text is not YAML, or not an object of Kubernetes.
    Syntax,
    /// A field no version of the API has.
    UnknownField,
    /// A value of the wrong type or form, a missing field, or a combination the API forbids.
    Invalid,
    /// A part of the published API that this version of Weir does not serve.
    NotServed,
    /// What something that is in force entails.
    Entailed,
    /// An object of a kind that has no meaning for Weir.
    IgnoredKind,
}

/// A place in a text of YAML.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Name of the text, usually the path of a file.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: usize,
    /// Column, counted from 1; known for syntax errors.
    pub column: Option<usize>,
    /// Index of the document within the text, counted from 0; an empty document counts.
    pub document: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        self.column.map_or(Ok(()), |column| write!(f, ":{column}"))
    }
}

/// The object a finding is about, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// Kind as written; empty when unknown.
    pub kind: String,
    /// Namespace; empty for kinds that live in none.
    pub namespace: String,
    /// Name; empty when unknown.
    pub name: String,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { "(no name)" } else { &self.name };
        match self.namespace.as_str() {
            "" => write!(f, "{} {name}", self.kind),
            namespace => write!(f, "{} {namespace}/{name}", self.kind),
        }
    }
}

/// One problem with one object. No value of a Secret ever appears in it.
///
/// It is shown on one line, for example
/// `routes.yaml:12: AgentgatewayBackend default/openai: spec.ai.provider.openai.modle: unknown field; did you mean "model"?`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What sort of problem it is.
    pub kind: FindingKind,
    /// Where it was read, for objects from files.
    pub origin: Option<Origin>,
    /// The object it is about, when the text got that far.
    pub subject: Option<Subject>,
    /// The field, for example `spec.ai.groups[0].providers[1].host`; empty for the object as a whole.
    pub field_path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it; empty when the message says it all.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        match self.severity {
            Severity::Note => f.write_str("note: ")?,
            Severity::Warning => f.write_str("warning: ")?,
            Severity::Error => {}
        }
        if let Some(subject) = &self.subject {
            write!(f, "{subject}: ")?;
        }
        if !self.field_path.is_empty() {
            write!(f, "{}: ", self.field_path)?;
        }
        f.write_str(&self.message)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// The lines of an object's fields in the text it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locations {
    file: Arc<str>,
    document: usize,
    /// Line of the object itself.
    start: usize,
    lines: Arc<BTreeMap<String, usize>>,
}

impl Locations {
    pub(crate) fn new(origin: &Origin, lines: BTreeMap<String, usize>) -> Self {
        let Origin { file, line, document, .. } = origin.clone();
        Locations { file, document, start: line, lines: Arc::new(lines) }
    }

    /// Where `field_path` was written; for a field that was not, where its nearest written parent was.
    pub fn origin(&self, field_path: &str) -> Origin {
        let mut path = field_path;
        let line = loop {
            if let Some(line) = self.lines.get(path) {
                break *line;
            }
            match path.rfind(['.', '[']).and_then(|end| path.get(..end)) {
                Some(parent) => path = parent,
                None => break self.start,
            }
        };
        Origin { file: self.file.clone(), line, column: None, document: self.document }
    }

    /// Gives `finding`, which is about the same object, its place in the text unless it has one.
    pub fn locate(&self, finding: &mut Finding) {
        if finding.origin.is_none() {
            finding.origin = Some(self.origin(&finding.field_path));
        }
    }
}

/// Appends the field `name` to `path`; names that need it are quoted, as in `labels["app.kubernetes.io/name"]`.
pub(crate) fn push_field(path: &str, name: &str) -> String {
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    match (plain, path.is_empty()) {
        (true, true) => name.to_owned(),
        (true, false) => format!("{path}.{name}"),
        (false, _) => format!("{path}[{name:?}]"),
    }
}

/// Appends the list position `index` to `path`.
pub(crate) fn push_index(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}
