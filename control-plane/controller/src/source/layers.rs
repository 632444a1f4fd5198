//! Objects from layers of files: each `-f` is a layer, a later one replaces objects of an earlier one.
//!
//! What no longer decodes does not take the object away: its last good version stays in force until the file is
//! mended or the object deleted. Of a document that is nothing nobody knows whether it is a policy: what was not served
//! before waits until it can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use resources::{
    Decoded, Finding, FindingKind, Kind, Locations, Object, ObjectKey, Origin, Severity, Subject,
};
use serde_json::Value;

use super::files::{self, ManifestFile};
use super::prices::PriceFile;
use super::secret_env::SecretEntries;
use crate::cli::SourceArgs;
use crate::error::Error;

/// What the files hold at one time.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// The objects in force.
    pub(crate) objects: BTreeMap<ObjectKey, Object>,
    /// Objects that were read but are unusable, and have no earlier version that could stay in force.
    pub(crate) refused: BTreeMap<ObjectKey, Object>,
    /// Objects in force that must not be served yet: something cannot be read that may be a policy for them.
    pub(crate) held: BTreeSet<ObjectKey>,
    /// Where they were read; those from the environment alone have none.
    pub(crate) locations: BTreeMap<ObjectKey, Locations>,
    /// What is wrong with files and single objects.
    pub(crate) findings: Vec<Finding>,
    /// A file that held objects is empty now, as in the middle of being written: load once more in a moment.
    pub(crate) unsettled: bool,
    /// The catalogue of prices, where one is named.
    pub(crate) prices: Option<Value>,
}

/// The files given with `-f`, and what was last good in them.
#[derive(Debug)]
pub(crate) struct Sources {
    layers: Vec<Layer>,
    /// What was in force when everything could be read last, of the kinds that are served.
    served: BTreeSet<ObjectKey>,
    secrets: SecretEntries,
    prices: Option<PriceFile>,
}

#[derive(Debug)]
struct Layer {
    root: PathBuf,
    /// What each file contributes.
    files: BTreeMap<PathBuf, Contribution>,
}

/// The objects of one file that are in force.
#[derive(Debug, Clone, Default)]
struct Contribution {
    objects: BTreeMap<ObjectKey, Placed>,
    /// Those that are unusable, where no earlier version is in force.
    refused: BTreeMap<ObjectKey, Placed>,
    /// It was empty when last read, though it still contributes.
    emptied: bool,
}

#[derive(Debug, Clone)]
struct Placed {
    object: Object,
    origin: Origin,
    locations: Locations,
}

impl Sources {
    /// The sources that the command line names.
    ///
    /// # Errors
    /// [`Error::Source`] for a path that cannot be read, [`Error::SecretVariable`] for a variable without value,
    /// [`Error::Prices`] for a catalogue that cannot be used.
    pub(crate) fn open(args: &SourceArgs) -> Result<Self, Error> {
        for root in &args.files {
            files::list(root).map_err(|e| Error::Source { path: root.clone(), reason: e.to_string() })?;
        }
        let layers =
            args.files.iter().map(|root| Layer { root: root.clone(), files: BTreeMap::new() }).collect();
        let secrets = SecretEntries::read(&args.secret_env, |name| std::env::var(name).ok())?;
        let prices = args.prices.as_deref().map(PriceFile::open).transpose()?;
        Ok(Self { layers, served: BTreeSet::new(), secrets, prices })
    }

    /// Reads all files.
    pub(crate) fn load(&mut self) -> Loaded {
        let mut loaded = Loaded::default();
        for layer in &mut self.layers {
            let merged = layer.load(&mut loaded);
            // Whatever a later layer says of an object replaces what an earlier one says, unusable or not: to fall
            // back on the earlier would undo, unasked, what the later one was meant to add.
            loaded.objects.retain(|key, _| !merged.refused.contains_key(key));
            loaded.refused.retain(|key, _| !merged.objects.contains_key(key));
            loaded.objects.extend(merged.objects);
            loaded.refused.extend(merged.refused);
            loaded.locations.extend(merged.locations);
        }
        self.hold(&mut loaded);
        self.secrets.apply(&mut loaded.objects);
        if let Some(file) = &mut self.prices {
            if let Some(problem) = file.reload() {
                let remedy = "the prices that were last read there stay in force";
                loaded.findings.push(file_finding(file.path(), problem, remedy));
            }
            loaded.prices = Some(file.prices().clone());
        }
        loaded
    }

    /// Holds what is new while something cannot be read.
    fn hold(&mut self, loaded: &mut Loaded) {
        let now = loaded.objects.keys().filter(|key| SERVED.contains(&key.kind)).cloned();
        let mut unread = loaded.findings.iter_mut().filter(|finding| is_unread(finding)).peekable();
        if unread.peek().is_none() {
            self.served = now.collect();
            return;
        }
        loaded.held = now.filter(|key| !self.served.contains(key)).collect();
        if !loaded.held.is_empty() {
            unread.for_each(|finding| {
                if finding.remedy.is_empty() {
                    add_remedy(finding, "correct it");
                }
                add_remedy(finding, HELD);
            });
        }
    }
}

/// The kinds a policy may be for that requests reach by themselves.
const SERVED: [Kind; 3] = [Kind::Gateway, Kind::HttpRoute, Kind::AgentgatewayModel];

const HELD: &str = "until then Gateways, routes and models that are new are answered with 500, since a policy for \
                    them may stand here";

/// Whether what the finding is about may be a policy of which nothing is known: not even its kind, or not its name.
fn is_unread(finding: &Finding) -> bool {
    let unknown = match &finding.subject {
        Some(subject) => subject.kind == Kind::AgentgatewayPolicy.name() && subject.name.is_empty(),
        None => finding.kind == FindingKind::Syntax,
    };
    finding.severity == Severity::Error && unknown
}

fn add_remedy(finding: &mut Finding, more: &str) {
    if !finding.remedy.is_empty() {
        finding.remedy.push_str("; ");
    }
    finding.remedy.push_str(more);
}

/// The objects of one layer.
#[derive(Debug, Default)]
struct Merged {
    objects: BTreeMap<ObjectKey, Object>,
    refused: BTreeMap<ObjectKey, Object>,
    locations: BTreeMap<ObjectKey, Locations>,
}

impl Layer {
    fn load(&mut self, loaded: &mut Loaded) -> Merged {
        match files::list(&self.root) {
            Ok(listing) => {
                if listing.files.is_empty() {
                    let message = "holds no *.yaml, *.yml or *.json".to_owned();
                    let remedy = "put manifests there, or name another folder with -f";
                    let finding = file_finding(&self.root, message, remedy);
                    loaded.findings.push(Finding { severity: Severity::Warning, ..finding });
                }
                self.read(&listing.files, loaded);
            }
            // A whole source that is gone is a mishap of a deployment rather than a wish to serve nothing.
            Err(error) => {
                let remedy = "what was last read there stays in force";
                loaded.findings.push(file_finding(&self.root, format!("cannot be read: {error}"), remedy));
            }
        }
        self.merge(loaded)
    }

    fn read(&mut self, files: &[ManifestFile], loaded: &mut Loaded) {
        let mut before = std::mem::take(&mut self.files);
        for ManifestFile { path, .. } in files {
            let previous = before.remove(path).unwrap_or_default();
            let contribution = match std::fs::read(path).map(String::from_utf8) {
                Ok(Ok(text)) if text.is_empty() && !previous.objects.is_empty() && !previous.emptied => {
                    loaded.unsettled = true;
                    Contribution { emptied: true, ..previous }
                }
                Ok(Ok(text)) => decode(path, &text, previous, &mut loaded.findings),
                Ok(Err(_)) => {
                    loaded.findings.push(file_finding(path, "is not UTF-8 text".to_owned(), KEPT_ALL));
                    previous
                }
                // It went away since the folder was listed.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => {
                    loaded.findings.push(file_finding(path, format!("cannot be read: {error}"), KEPT_ALL));
                    previous
                }
            };
            self.files.insert(path.clone(), contribution);
        }
    }

    /// The objects of all files. Of an object that is there twice, the first is taken.
    fn merge(&self, loaded: &mut Loaded) -> Merged {
        let mut merged = Merged::default();
        let mut origins: BTreeMap<&ObjectKey, &Origin> = BTreeMap::new();
        for contribution in self.files.values() {
            for (key, placed) in &contribution.objects {
                if let Some(first) = origins.get(key) {
                    loaded.findings.push(duplicate(key, &placed.origin, first));
                    continue;
                }
                origins.insert(key, &placed.origin);
                merged.objects.insert(key.clone(), placed.object.clone());
                merged.locations.insert(key.clone(), placed.locations.clone());
            }
        }
        for (key, placed) in self.files.values().flat_map(|contribution| &contribution.refused) {
            if !merged.objects.contains_key(key) {
                merged.refused.insert(key.clone(), placed.object.clone());
                merged.locations.insert(key.clone(), placed.locations.clone());
            }
        }
        merged
    }
}

const KEPT: &str = "its last good version stays in force";
const KEPT_ALL: &str = "the last good versions of the objects in it stay in force";

/// What a file contributes now, given what it contributed before.
fn decode(path: &Path, text: &str, previous: Contribution, findings: &mut Vec<Finding>) -> Contribution {
    let (decoded, mut problems) = resources::decode_documents(&path.display().to_string(), text);
    let mut objects: BTreeMap<ObjectKey, Placed> = BTreeMap::new();
    let mut refused: BTreeMap<ObjectKey, Placed> = BTreeMap::new();
    for Decoded { object, origin, locations, usable } in decoded {
        let key = object.key();
        if !usable {
            // What is wrong with it is among the problems.
            refused.insert(key, Placed { object, origin, locations });
            continue;
        }
        let mut invalid = resources::validate(&object);
        invalid.iter_mut().for_each(|finding| locations.locate(finding));
        let usable = invalid.iter().all(|finding| finding.severity != Severity::Error);
        problems.extend(invalid);
        if !usable {
            refused.insert(key, Placed { object, origin, locations });
            continue;
        }
        match objects.get(&key) {
            Some(first) => problems.push(duplicate(&key, &origin, &first.origin)),
            None => {
                objects.insert(key, Placed { object, origin, locations });
            }
        }
    }
    keep_last_good(&mut objects, previous.objects, &mut problems);
    refused.retain(|key, _| !objects.contains_key(key));
    findings.append(&mut problems);
    Contribution { objects, refused, emptied: false }
}

/// Adds the objects of `previous` that the file still means to hold but that cannot be read, and says so in the
/// findings that are the reason. Where a document is so broken that it has no name, it may be any of them.
fn keep_last_good(
    objects: &mut BTreeMap<ObjectKey, Placed>,
    previous: BTreeMap<ObjectKey, Placed>,
    problems: &mut [Finding],
) {
    let missing: BTreeMap<_, _> =
        previous.into_iter().filter(|(key, _)| !objects.contains_key(key)).collect();
    let mut kept = BTreeSet::new();
    for problem in problems.iter_mut().filter(|problem| problem.severity == Severity::Error) {
        let note = match problem.subject.as_ref().filter(|subject| !subject.name.is_empty()) {
            Some(subject) => match key_of(subject).filter(|key| missing.contains_key(key)) {
                Some(key) => {
                    kept.insert(key);
                    KEPT
                }
                None => continue,
            },
            None if missing.is_empty() => continue,
            None => {
                kept.extend(missing.keys().cloned());
                KEPT_ALL
            }
        };
        add_remedy(problem, note);
    }
    objects.extend(missing.into_iter().filter(|(key, _)| kept.contains(key)));
}

/// The key of the object a finding is about, when it is of a kind Weir reads.
pub(crate) fn key_of(subject: &Subject) -> Option<ObjectKey> {
    let kind = Kind::ALL.iter().copied().find(|kind| kind.name() == subject.kind)?;
    Some(ObjectKey { kind, namespace: subject.namespace.clone(), name: subject.name.clone() })
}

fn duplicate(key: &ObjectKey, second: &Origin, first: &Origin) -> Finding {
    Finding {
        severity: Severity::Error,
        kind: FindingKind::Invalid,
        origin: Some(second.clone()),
        subject: Some(Subject {
            kind: key.kind.name().to_owned(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        }),
        field_path: String::new(),
        message: format!("the object stands at {first} already, and that one is used"),
        remedy: "remove one of them, or give the one that is to win with a later -f".to_owned(),
    }
}

fn file_finding(path: &Path, message: String, remedy: &str) -> Finding {
    Finding {
        severity: Severity::Error,
        kind: FindingKind::Syntax,
        origin: None,
        subject: None,
        field_path: String::new(),
        message: format!("{} {message}", path.display()),
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn write(&self, name: &str, text: &str) -> &Self {
            let path = self.0.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
            self
        }

        fn sources(&self, roots: &[&str]) -> Sources {
            let files = roots.iter().map(|root| self.0.path().join(root)).collect();
            Sources::open(&SourceArgs { files, secret_env: Vec::new(), prices: None }).unwrap()
        }
    }

    fn config_map(name: &str, value: &str) -> String {
        // A map is what a test wants to be refused.
        let value = if value.starts_with('{') { value.to_owned() } else { format!("{value:?}") };
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: {value}}}\n---\n"
        )
    }

    fn values(loaded: &Loaded) -> Vec<String> {
        let value = |object: &Object| match object {
            Object::ConfigMap(map) => map.data.as_ref().unwrap()["value"].clone(),
            other => panic!("{other:?}"),
        };
        loaded.objects.iter().map(|(key, object)| format!("{}={}", key.name, value(object))).collect()
    }

    fn texts(loaded: &Loaded) -> Vec<String> {
        loaded.findings.iter().map(|f| format!("{} ({})", f.message, f.remedy)).collect()
    }

    #[test]
    fn a_later_layer_replaces_single_objects() {
        let folder = Folder::new();
        folder.write("base/a.yaml", &(config_map("a", "1") + &config_map("b", "1")));
        folder.write("over/x.yaml", &(config_map("b", "2") + &config_map("c", "2")));
        let loaded = folder.sources(&["base", "over"]).load();
        assert_eq!(values(&loaded), ["a=1", "b=2", "c=2"]);
        assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
        let over = loaded.locations.iter().find(|(key, _)| key.name == "b").unwrap().1.origin("");
        assert!(over.file.ends_with("over/x.yaml"));
    }

    #[test]
    fn an_unusable_object_is_handed_on_as_refused_and_hides_the_one_below() {
        let policy = |field: &str| {
            format!(
                "apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nmetadata: {{name: guard}}\nspec:\n  \
                 targetRefs: [{{group: agentgateway.dev, kind: AgentgatewayBackend, name: b}}]\n  backend: {{ai: {{{field}}}}}\n"
            )
        };
        let folder = Folder::new();
        folder.write("base/p.yaml", &policy("modelAliases: {a: b}"));
        folder.write("over/p.yaml", &policy("promptGuard: {request: [{scope: [Messages]}]}"));
        let loaded = folder.sources(&["base", "over"]).load();
        assert!(loaded.objects.is_empty(), "{:?}", loaded.objects);
        assert_eq!(loaded.refused.keys().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["guard"]);
        // An earlier version of the same file stays in force instead.
        let mut sources = folder.sources(&["base"]);
        sources.load();
        folder.write("base/p.yaml", &policy("promptGuard: {request: [{scope: [Messages]}]}"));
        let loaded = sources.load();
        assert_eq!((loaded.objects.len(), loaded.refused.len()), (1, 0));
        // So it is with one that cannot even be read.
        folder.write("base/p.yaml", &policy("promptGaurd: {}"));
        let loaded = sources.load();
        assert_eq!((loaded.objects.len(), loaded.refused.len()), (1, 0));
        let loaded = folder.sources(&["base"]).load();
        assert_eq!((loaded.objects.len(), loaded.refused.len()), (0, 1));
    }

    #[test]
    fn twice_within_a_layer_is_an_error_that_names_both_places() {
        let folder = Folder::new();
        folder.write("base/a.yaml", &(config_map("a", "1") + &config_map("a", "2")));
        folder.write("base/b.yaml", &config_map("a", "3"));
        let loaded = folder.sources(&["base"]).load();
        assert_eq!(values(&loaded), ["a=1"]);
        let shown: Vec<String> = loaded.findings.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 2, "{shown:?}");
        assert!(shown.iter().all(|text| text.contains("base/a.yaml:1 already")), "{shown:?}");
        assert!(shown[1].contains("base/b.yaml:1: "), "{shown:?}");
    }

    #[test]
    fn what_no_longer_decodes_keeps_its_last_good_version() {
        let folder = Folder::new();
        folder.write("base/a.yaml", &(config_map("a", "1") + &config_map("b", "1")));
        let mut sources = folder.sources(&["base"]);
        sources.load();
        // A field with the wrong type: the object is known by name.
        folder.write("base/a.yaml", &(config_map("a", "{x: y}") + &config_map("b", "2")));
        let loaded = sources.load();
        assert_eq!(values(&loaded), ["a=1", "b=2"]);
        assert!(texts(&loaded).iter().any(|text| text.contains(KEPT)), "{:?}", texts(&loaded));
        // No YAML: it may be either, and the other one is still read.
        folder.write("base/a.yaml", &("a: [\n---\n".to_owned() + &config_map("b", "3")));
        let loaded = sources.load();
        assert_eq!(values(&loaded), ["a=1", "b=3"]);
        assert!(texts(&loaded).iter().any(|text| text.contains(KEPT_ALL)), "{:?}", texts(&loaded));
        // Gone from the file: deleted.
        folder.write("base/a.yaml", &config_map("b", "4"));
        let loaded = sources.load();
        assert_eq!(values(&loaded), ["b=4"]);
        assert!(loaded.findings.is_empty());
    }

    #[test]
    fn what_is_new_waits_until_everything_can_be_read() {
        let route = |name: &str| {
            format!(
                "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: {name}}}\nspec: {{}}\n"
            )
        };
        let held =
            |loaded: &Loaded| -> Vec<String> { loaded.held.iter().map(|key| key.name.clone()).collect() };
        let folder = Folder::new();
        folder.write("base/a.yaml", &(config_map("a", "1") + &route("a"))).write("base/p.yaml", "a: [\n");
        let mut sources = folder.sources(&["base"]);
        let loaded = sources.load();
        assert_eq!(held(&loaded), ["a"]);
        assert!(texts(&loaded)[0].ends_with(&format!("(correct it; {HELD})")), "{:?}", texts(&loaded));
        // It can be read now, and everything is served.
        folder.write("base/p.yaml", &config_map("p", "1"));
        assert_eq!(held(&sources.load()), [""; 0]);
        // What was served is served on when a file breaks; only what is new waits.
        folder.write("base/p.yaml", "just text\n");
        let loaded = sources.load();
        assert!(loaded.held.is_empty() && texts(&loaded).iter().all(|text| !text.contains(HELD)));
        folder.write("base/b.yaml", &route("b"));
        assert_eq!(held(&sources.load()), ["b"]);
        folder.write(
            "base/p.yaml",
            "apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nspec: {}\n",
        );
        assert_eq!(held(&sources.load()), ["b"], "a policy without a name");
        // A known kind with a wrong field is known to be no policy, or what it is for is closed.
        folder.write("base/p.yaml", &config_map("p", "{x: y}"));
        assert_eq!(held(&sources.load()), [""; 0]);
    }

    #[test]
    fn broken_from_the_start_is_absent() {
        let folder = Folder::new();
        folder.write("base/a.yaml", &config_map("a", "{x: y}"));
        let loaded = folder.sources(&["base"]).load();
        assert!(loaded.objects.is_empty());
        assert!(texts(&loaded).iter().all(|text| !text.contains("stay")), "{:?}", texts(&loaded));
    }

    #[test]
    fn files_come_and_go_and_a_lost_root_costs_nothing() {
        let folder = Folder::new();
        folder.write("base/a.yaml", &config_map("a", "1")).write("base/b.yaml", &config_map("b", "1"));
        let mut sources = folder.sources(&["base"]);
        sources.load();
        std::fs::rename(folder.0.path().join("base/a.yaml"), folder.0.path().join("base/c.yaml")).unwrap();
        std::fs::remove_file(folder.0.path().join("base/b.yaml")).unwrap();
        assert_eq!(values(&sources.load()), ["a=1"]);
        std::fs::rename(folder.0.path().join("base"), folder.0.path().join("gone")).unwrap();
        let loaded = sources.load();
        assert_eq!(values(&loaded), ["a=1"]);
        assert!(texts(&loaded)[0].contains("cannot be read"));
    }

    #[test]
    fn an_emptied_file_is_believed_the_second_time() {
        let folder = Folder::new();
        folder.write("base/a.yaml", &config_map("a", "1"));
        let mut sources = folder.sources(&["base"]);
        sources.load();
        folder.write("base/a.yaml", "");
        let loaded = sources.load();
        assert!(loaded.unsettled);
        assert_eq!(values(&loaded), ["a=1"]);
        let loaded = sources.load();
        assert!(!loaded.unsettled && loaded.objects.is_empty());
    }

    #[test]
    fn a_folder_without_manifests_is_warned_of() {
        let folder = Folder::new();
        folder.write("base/notes.txt", "");
        let loaded = folder.sources(&["base"]).load();
        assert_eq!(loaded.findings.len(), 1, "{:?}", loaded.findings);
        assert_eq!(loaded.findings[0].severity, Severity::Warning);
        assert!(texts(&loaded)[0].contains("base holds no *.yaml"), "{:?}", texts(&loaded));
    }

    #[test]
    fn a_path_that_does_not_exist_is_refused() {
        let args = SourceArgs { files: vec!["/does/not/exist".into()], secret_env: Vec::new(), prices: None };
        assert!(matches!(Sources::open(&args), Err(Error::Source { .. })));
    }
}
