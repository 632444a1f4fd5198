//! Arrows point inward: who may depend on whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::Value;

/// Crates that know no I/O, no clock, no randomness, no ABI.
const SANS_IO: [&str; 13] = [
    "framing",
    "llm-dialects",
    "token-count",
    "expressions",
    "request-policy",
    "text-views",
    "prompt-guard",
    "guard-services",
    "answer-schema",
    "price-catalogue",
    "cluster-order",
    "filter-config",
    "filter-core",
];

/// What none of them may reach, not even through others. (`uuid` alone, which the CEL parser has for its token types,
/// makes no random ids: that takes `getrandom`.)
const OUTSIDE: [&str; 13] = [
    "tokio",
    "tonic",
    "hyper",
    "axum",
    "kube",
    "kube-core",
    "k8s-openapi",
    "proxy-wasm",
    "rand",
    "getrandom",
    "tracing-subscriber",
    "notify",
    "envoy-proto",
];

#[test]
fn sans_io_crates_reach_nothing_outside() {
    let graph = Graph::load();
    for name in SANS_IO {
        let reached = graph.reaches(name);
        let found: Vec<_> = OUTSIDE.iter().filter(|outside| reached.contains(**outside)).collect();
        assert!(found.is_empty(), "{name} reaches {found:?}");
    }
}

/// What both halves know: the contract, and the languages of its expressions, patterns, schemas and prices, so that what
/// one half accepts the other compiles.
const SHARED: [&str; 5] =
    ["filter-config", "expressions", "prompt-guard", "answer-schema", "price-catalogue"];

#[test]
fn the_two_halves_share_only_the_contract() {
    let graph = Graph::load();
    let filters: BTreeSet<_> = graph.members_in("filters/").collect();
    for control in graph.members_in("control-plane/") {
        let shared: Vec<_> =
            graph.reaches(control).into_iter().filter(|name| filters.contains(name.as_str())).collect();
        let allowed = |name: &String| SHARED.contains(&name.as_str());
        assert!(shared.iter().all(allowed), "{control} reaches {shared:?}");
    }
    for filter in filters {
        let reached = graph.reaches(filter);
        for control in graph.members_in("control-plane/") {
            assert!(!reached.contains(control), "{filter} reaches {control}");
        }
    }
}

#[test]
fn the_control_plane_is_layered() {
    let graph = Graph::load();
    for name in ["resources", "translate"] {
        let reached = graph.reaches(name);
        for outside in ["tokio", "tonic", "hyper", "kube-client", "xds-server", "notify"] {
            assert!(
                !reached.contains(outside),
                "{name} reaches {outside}: it must stay a function of its inputs"
            );
        }
    }
    let reached = graph.reaches("xds-server");
    for outside in ["resources", "translate", "filter-config", "kube-core"] {
        assert!(!reached.contains(outside), "xds-server reaches {outside}: it serves named blobs");
    }
}

/// The packages of the workspace and what they depend on, read without a network: direct dependencies
/// from the manifests (no dev- and build-dependencies), the others from the lock file.
struct Graph {
    /// Name → folder below the workspace.
    members: BTreeMap<String, String>,
    /// Package → packages it depends on.
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn load() -> Self {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for package in fs::read_to_string(format!("{root}/Cargo.lock")).unwrap().split("[[package]]").skip(1)
        {
            let name =
                package.lines().find_map(|line| line.strip_prefix("name = ")).unwrap().trim_matches('"');
            let needs = package.lines().filter_map(|line| line.strip_prefix(" \"")?.split([' ', '"']).next());
            edges.entry(name.to_owned()).or_default().extend(needs.map(str::to_owned));
        }
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
            .current_dir(root)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let base = format!("{}/", text(&metadata["workspace_root"]));
        let mut members = BTreeMap::new();
        for package in list(&metadata["packages"]) {
            let folder = text(&package["manifest_path"]).replace(&base, "").replace("/Cargo.toml", "");
            members.insert(text(&package["name"]), folder);
            let normal = list(&package["dependencies"])
                .into_iter()
                .filter(|dep| dep["kind"].is_null() && dep["optional"] != true);
            edges.insert(text(&package["name"]), normal.map(|dep| text(&dep["name"])).collect());
        }
        Self { members, edges }
    }

    fn members_in<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a str> {
        self.members.iter().filter(move |(_, at)| at.starts_with(folder)).map(|(name, _)| name.as_str())
    }

    /// Names of everything `name` depends on, directly or not.
    fn reaches(&self, name: &str) -> BTreeSet<String> {
        assert!(self.members.contains_key(name), "there is no crate {name}");
        let mut reached = BTreeSet::new();
        let mut open = vec![name.to_owned()];
        while let Some(package) = open.pop() {
            for next in self.edges.get(&package).into_iter().flatten() {
                if reached.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        reached
    }
}
