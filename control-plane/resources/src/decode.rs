//! Strict decoding of YAML and JSON texts into objects.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::definitions::definition;
use crate::finding::{Finding, FindingKind, Locations, Origin, Severity, Subject};
use crate::policy_targets::targets_alone;
use crate::schema::Issue;
use crate::validate::into_finding;
use crate::yaml::{Node, Tree, split_documents};
use crate::{DEFAULT_NAMESPACE, Kind, Object, Secret, names};

/// An object and where it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The object. Its namespace is set when its kind has one.
    pub object: Object,
    /// Where it starts.
    pub origin: Origin,
    /// Where its fields are: gives findings about the object, from whatever source, their lines.
    pub locations: Locations,
    /// Whether it is what was written. If not, it is an AgentgatewayPolicy whose definition is broken, reduced to what it
    /// targets: it must be refused, so that what it was to guard is closed rather than unguarded.
    pub usable: bool,
}

/// Reads all documents of `text`, in YAML or JSON, `List` objects included.
///
/// `source_name` is the file named in findings. Each bad document or list item costs only itself and yields
/// at least one error; kinds without meaning for Weir yield a warning and no object. What is decoded and usable has the
/// structure of its definition and no unknown field; [`validate`](crate::validate) tells the rest.
pub fn decode_documents(source_name: &str, text: &str) -> (Vec<Decoded>, Vec<Finding>) {
    let mut decoder =
        Decoder { file: source_name.into(), document: 0, decoded: Vec::new(), findings: Vec::new() };
    for (document, chunk) in split_documents(text).into_iter().enumerate() {
        decoder.document = document;
        if chunk.is_blank() {
            continue;
        }
        match chunk.parse() {
            Ok(node) => decoder.decode(&node, ListItems::Expand),
            Err(error) => {
                let origin = Origin { column: error.column, ..decoder.origin(error.line) };
                let remedy = if error.message.starts_with("tabs") { "indent with spaces" } else { "" };
                decoder.reject(origin, FindingKind::Syntax, None, "", &error.message, remedy);
            }
        }
    }
    (decoder.decoded, decoder.findings)
}

/// What to do with an object of kind `List`.
#[derive(Clone, Copy, PartialEq)]
enum ListItems {
    Expand,
    Refuse,
}

struct Decoder {
    file: Arc<str>,
    document: usize,
    decoded: Vec<Decoded>,
    findings: Vec<Finding>,
}

impl Decoder {
    fn origin(&self, line: usize) -> Origin {
        Origin { file: self.file.clone(), line, column: None, document: self.document }
    }

    fn reject(
        &mut self,
        at: Origin,
        kind: FindingKind,
        subject: Option<Subject>,
        path: &str,
        what: &str,
        todo: &str,
    ) {
        self.findings.push(Finding {
            severity: Severity::Error,
            kind,
            origin: Some(at),
            subject,
            field_path: path.to_owned(),
            message: what.to_owned(),
            remedy: todo.to_owned(),
        });
    }

    fn decode(&mut self, node: &Node, lists: ListItems) {
        let start = self.origin(node.line);
        if !matches!(node.tree, Tree::Map(_)) {
            let remedy = "write an object with apiVersion, kind and metadata";
            return self.reject(
                start,
                FindingKind::Syntax,
                None,
                "",
                "this is not a Kubernetes object",
                remedy,
            );
        }
        let text = |field: &str| {
            node.entry(field).and_then(|entry| entry.node.as_str()).filter(|text| !text.is_empty())
        };
        let (Some(api_version), Some(kind)) = (text("apiVersion"), text("kind")) else {
            let field = if text("apiVersion").is_none() { "apiVersion" } else { "kind" };
            let line = node.entry(field).map_or(node.line, |entry| entry.line);
            let subject = text("kind").map(|kind| subject_of(kind, node, true));
            let remedy = "every object names its apiVersion and kind, for example v1 and Secret";
            self.reject(
                self.origin(line),
                FindingKind::Syntax,
                subject,
                field,
                "required field is missing",
                remedy,
            );
            if text("kind") == Some(Kind::AgentgatewayPolicy.name()) {
                self.keep_targets(Kind::AgentgatewayPolicy, node);
            }
            return;
        };
        if kind == "List" && api_version == "v1" && lists == ListItems::Expand {
            return self.decode_list(node);
        }
        match Recognised::find(api_version, kind) {
            Recognised::Kind(found) => self.decode_known(found, node),
            Recognised::Version { kind: found, expected } => {
                let line = node.entry("apiVersion").map_or(node.line, |entry| entry.line);
                let subject = subject_of(kind, node, found.is_namespaced());
                let message = format!("version {api_version:?} of {found} is not supported");
                let remedy = format!("write {expected}");
                self.reject(
                    self.origin(line),
                    FindingKind::Invalid,
                    Some(subject),
                    "apiVersion",
                    &message,
                    &remedy,
                );
                self.keep_targets(found, node);
            }
            Recognised::Misspelt { expected } => {
                let line = node.entry("kind").map_or(node.line, |entry| entry.line);
                let subject = subject_of(kind, node, true);
                let message = format!("{api_version} has no kind {kind:?}");
                let remedy = format!("did you mean {:?}?", expected.name());
                self.reject(
                    self.origin(line),
                    FindingKind::Invalid,
                    Some(subject),
                    "kind",
                    &message,
                    &remedy,
                );
                self.keep_targets(expected, node);
            }
            Recognised::NotServed => {
                let message = format!("{api_version} {kind} is not supported by this version of Weir");
                let remedy = "remove it; nothing it says is in force";
                let subject = subject_of(kind, node, true);
                self.reject(start, FindingKind::NotServed, Some(subject), "", &message, remedy);
            }
            Recognised::Irrelevant => self.findings.push(Finding {
                severity: Severity::Warning,
                kind: FindingKind::IgnoredKind,
                origin: Some(start),
                subject: Some(subject_of(kind, node, true)),
                field_path: String::new(),
                message: format!("{api_version} {kind} is ignored: this version of Weir does not use it"),
                remedy: String::new(),
            }),
        }
    }

    fn decode_list(&mut self, node: &Node) {
        match node.entry("items").map(|entry| &entry.node.tree) {
            Some(Tree::List(items)) => items.iter().for_each(|item| self.decode(item, ListItems::Refuse)),
            Some(Tree::Scalar(Value::Null)) => {}
            _ => {
                let origin = self.origin(node.line);
                self.reject(origin, FindingKind::Syntax, None, "items", "a List needs a list of items", "");
            }
        }
    }

    fn decode_known(&mut self, kind: Kind, node: &Node) {
        let origin = self.origin(node.line);
        let (mut value, lines) = node.flatten();
        let locations = Locations::new(&origin, lines);
        let subject = subject_of(kind.name(), node, kind.is_namespaced());
        let mut issues = Vec::new();
        if let Some(definition) = definition(kind) {
            definition.structure.check("", &value, &mut issues);
        }
        check_metadata(&value, kind, &mut issues);
        // Parts that are not served are for `validate` to report, once for both sources of objects.
        issues.retain(|issue| issue.kind != FindingKind::NotServed);
        drop_nulls(&mut value);
        if !issues.iter().any(|issue| issue.severity == Severity::Error) {
            match typed(kind, value) {
                Ok(mut object) => {
                    set_namespace(&mut object);
                    self.decoded.push(Decoded { object, origin, locations: locations.clone(), usable: true });
                }
                Err(issue) => {
                    issues.push(issue);
                    self.keep_targets(kind, node);
                }
            }
        } else {
            self.keep_targets(kind, node);
        }
        for issue in issues {
            let mut finding = into_finding(issue, &subject);
            locations.locate(&mut finding);
            self.findings.push(finding);
        }
    }

    /// Keeps, of a policy that cannot be used, what it targets.
    fn keep_targets(&mut self, kind: Kind, node: &Node) {
        if kind != Kind::AgentgatewayPolicy {
            return;
        }
        let (value, lines) = node.flatten();
        if let Some(policy) = targets_alone(&value) {
            let origin = self.origin(node.line);
            let locations = Locations::new(&origin, lines);
            self.decoded.push(Decoded { object: policy.into(), origin, locations, usable: false });
        }
    }
}

/// What an apiVersion and kind mean to Weir.
enum Recognised {
    Kind(Kind),
    /// The kind is known, its version is not; `expected` is the apiVersion to write.
    Version {
        kind: Kind,
        expected: String,
    },
    /// A group that Weir knows has no such kind, but one that is spelt much like it.
    Misspelt {
        expected: Kind,
    },
    /// A kind of the published APIs whose absence would change what the gateway does.
    NotServed,
    Irrelevant,
}

/// Kinds that configure a gateway but that this version does not serve. Ignoring them would leave something
/// unprotected or unreachable, so they are errors.
const NOT_SERVED: &[(&str, &str)] = &[
    ("agentgateway.dev", "AgentgatewayModel"),
    ("gateway.networking.k8s.io", "BackendTLSPolicy"),
    ("gateway.networking.k8s.io", "GRPCRoute"),
    ("gateway.networking.k8s.io", "ListenerSet"),
    ("gateway.networking.k8s.io", "TCPRoute"),
    ("gateway.networking.k8s.io", "TLSRoute"),
    ("gateway.networking.k8s.io", "UDPRoute"),
    ("inference.networking.k8s.io", "InferencePool"),
];

impl Recognised {
    fn find(api_version: &str, name: &str) -> Recognised {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        if let Some(kind) =
            Kind::ALL.iter().copied().find(|kind| kind.group() == group && kind.name() == name)
        {
            return match kind.versions() {
                versions if versions.contains(&version) => Recognised::Kind(kind),
                versions => {
                    let expected = versions.first().copied().unwrap_or_default();
                    let expected =
                        if group.is_empty() { expected.to_owned() } else { format!("{group}/{expected}") };
                    Recognised::Version { kind, expected }
                }
            };
        }
        if NOT_SERVED.contains(&(group, name)) {
            return Recognised::NotServed;
        }
        // Only groups of which Weir is a reader: in the core group a Pod is no misspelt Secret.
        let same = |kind: &&Kind| {
            !group.is_empty() && kind.group() == group && strsim::levenshtein(kind.name(), name) <= 3
        };
        match Kind::ALL.iter().find(same) {
            Some(kind) => Recognised::Misspelt { expected: *kind },
            None => Recognised::Irrelevant,
        }
    }
}

/// The name and namespace a document gives, as far as it does.
fn subject_of(kind: &str, node: &Node, namespaced: bool) -> Subject {
    let metadata = node.entry("metadata").map(|entry| &entry.node);
    let text = |field| metadata.and_then(|node| node.entry(field)).and_then(|entry| entry.node.as_str());
    let namespace = if namespaced { text("namespace").unwrap_or(DEFAULT_NAMESPACE) } else { "" };
    Subject {
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: text("name").unwrap_or_default().to_owned(),
    }
}

/// What the schema of metadata leaves open: a name is required, and both names have a form.
fn check_metadata(value: &Value, kind: Kind, issues: &mut Vec<Issue>) {
    let text = |field: &str| value.pointer(&format!("/metadata/{field}")).and_then(Value::as_str);
    match text("name") {
        None => issues.push(Issue::invalid("metadata.name", "required field is missing", "")),
        Some(name) if !names::is_subdomain(name) && kind != Kind::Namespace => {
            issues.push(Issue::invalid(
                "metadata.name",
                format!("{name:?} is not a valid name"),
                names::SUBDOMAIN_FORM,
            ));
        }
        Some(_) => {}
    }
    if let Some(namespace) = text("namespace")
        && !names::is_label(namespace)
    {
        let message = format!("{namespace:?} is not a valid namespace");
        issues.push(Issue::invalid("metadata.namespace", message, names::LABEL_FORM));
    }
}

/// Removes null fields, as the API server does.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn set_namespace(object: &mut Object) {
    let namespace = Some(object.key().namespace).filter(|namespace| !namespace.is_empty());
    object.set_namespace(namespace);
}

/// `value` as an object of `kind`.
fn typed(kind: Kind, value: Value) -> Result<Object, Issue> {
    fn read<T: DeserializeOwned + Into<Object>>(value: Value) -> Result<Object, Issue> {
        match serde_path_to_error::deserialize::<_, T>(value) {
            Ok(object) => Ok(object.into()),
            Err(error) => {
                let path = match error.path().to_string() {
                    path if path == "." => String::new(),
                    path => path,
                };
                Err(Issue::invalid(path, error.into_inner().to_string(), ""))
            }
        }
    }
    match kind {
        Kind::GatewayClass => read::<crate::gateway_api::gatewayclasses::GatewayClass>(value),
        Kind::Gateway => read::<crate::gateway_api::gateways::Gateway>(value),
        Kind::HttpRoute => read::<crate::gateway_api::httproutes::HttpRoute>(value),
        Kind::ReferenceGrant => read::<crate::gateway_api::referencegrants::ReferenceGrant>(value),
        Kind::AgentgatewayBackend => read::<crate::AgentgatewayBackend>(value),
        Kind::AgentgatewayModel => read::<crate::AgentgatewayModel>(value),
        Kind::AgentgatewayPolicy => read::<crate::AgentgatewayPolicy>(value),
        Kind::Secret => Secret::from_value(value).map(Object::from),
        Kind::ConfigMap => read::<k8s_openapi::api::core::v1::ConfigMap>(value),
        Kind::Service => read::<k8s_openapi::api::core::v1::Service>(value),
        Kind::EndpointSlice => read::<k8s_openapi::api::discovery::v1::EndpointSlice>(value),
        Kind::Namespace => read::<k8s_openapi::api::core::v1::Namespace>(value),
    }
}
