//! What source files must and must not hold.

use std::fs;
use std::path::{Path, PathBuf};

/// The crates that speak an ABI, and where in them unsafe code may be.
const UNSAFE: [(&str, &[&str]); 2] = [
    ("filters/dynamic-module", &["src/abi.rs", "src/stream.rs", "src/hooks.rs"]),
    ("filters/wasm-filter", &["src/abi/"]),
];

/// Names that say nothing about what is inside.
const NAMELESS: [&str; 6] = ["util", "utils", "common", "helper", "helpers", "misc"];

#[test]
fn only_the_abi_layers_are_unsafe() {
    for manifest in manifests() {
        let folder = manifest.parent().unwrap();
        if let Some((_, allowed)) = UNSAFE.iter().find(|(adapter, _)| folder.ends_with(adapter)) {
            for file in files_below(&folder.join("src"), "rs") {
                let relative = file.strip_prefix(folder).unwrap().to_str().unwrap();
                if !allowed.iter().any(|place| relative.starts_with(place)) {
                    let text = fs::read_to_string(&file).unwrap();
                    let unsafe_code = text.lines().any(|line| {
                        let code = line.split("//").next().unwrap_or_default();
                        code.contains("unsafe {")
                            || code.contains("unsafe fn")
                            || code.contains("unsafe extern")
                    });
                    assert!(!unsafe_code, "{}: unsafe code outside the ABI layer", file.display());
                }
            }
            continue;
        }
        for entry in ["src/lib.rs", "src/main.rs"] {
            let path = folder.join(entry);
            if let Ok(text) = fs::read_to_string(&path) {
                assert!(
                    text.contains("#![forbid(unsafe_code)]"),
                    "{} does not forbid unsafe code",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn every_source_file_is_part_of_a_crate() {
    for manifest in manifests() {
        let src = manifest.parent().unwrap().join("src");
        let files = files_below(&src, "rs");
        let all: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        for file in &files {
            let stem = file.file_stem().unwrap().to_str().unwrap();
            if ["lib", "main"].contains(&stem) || file.parent().unwrap().ends_with("bin") {
                continue;
            }
            let module = if stem == "mod" {
                file.parent().unwrap().file_name().unwrap().to_str().unwrap()
            } else {
                stem
            };
            let declared = all.contains(&format!("mod {module};"));
            assert!(declared, "{} is in no module tree, so it is never compiled", file.display());
        }
    }
}

#[test]
fn names_say_what_is_inside() {
    for file in files_below(&root(), "rs") {
        let parts: Vec<_> =
            file.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        for part in parts {
            let name = part.trim_end_matches(".rs");
            assert!(!NAMELESS.contains(&name), "{}: `{name}` says nothing", file.display());
        }
    }
}

#[test]
fn no_work_is_left_open_in_the_code() {
    let marks = ["TO".to_owned() + "DO", "FIX".to_owned() + "ME", "X".repeat(3)];
    for file in files_below(&root(), "rs") {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let comment = line.find("//").map(|at| &line[at..]).unwrap_or_default();
            for mark in &marks {
                assert!(!comment.contains(mark.as_str()), "{}:{}: {mark}", file.display(), number + 1);
            }
        }
    }
}

#[test]
fn paths_in_the_documents_exist() {
    for document in files_below(&root(), "md") {
        let text = fs::read_to_string(&document).unwrap();
        for quoted in text.split('`').skip(1).step_by(2) {
            let first = quoted.split('/').next().unwrap_or_default();
            let is_path = quoted.contains('/')
                && !quoted.contains([' ', '*', '<', '…', '{', ':', '='])
                && [
                    "filters",
                    "control-plane",
                    "tests",
                    "envoy",
                    "examples",
                    "docs",
                    "fuzz",
                    "proto",
                    "crds",
                    "scripts",
                ]
                .contains(&first);
            // The README of a folder may mean what is below it.
            let exists =
                || [&root(), document.parent().unwrap()].iter().any(|base| base.join(quoted).exists());
            if is_path {
                assert!(exists(), "{} names `{quoted}`, which does not exist", document.display());
            }
        }
    }
}

/// The code map is a table whose first cells are the places: every crate is there once, and every place exists.
#[test]
fn the_code_map_has_every_crate_once() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let map = text.split("\n## ").find(|section| section.starts_with("Code map")).unwrap();
    let places: Vec<&str> =
        map.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    for place in &places {
        let times = places.iter().filter(|other| *other == place).count();
        assert_eq!(times, 1, "ARCHITECTURE.md lists `{place}` {times} times");
        assert!(root().join(place).is_dir(), "ARCHITECTURE.md lists `{place}`, which is no folder");
    }
    for manifest in manifests() {
        let folder = manifest.parent().unwrap().strip_prefix(root()).unwrap().to_str().unwrap();
        assert!(places.contains(&folder), "ARCHITECTURE.md does not list `{folder}`");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Manifests of the crates, the fuzz workspace left out.
fn manifests() -> Vec<PathBuf> {
    files_below(&root(), "toml")
        .into_iter()
        .filter(|path| path.ends_with("Cargo.toml") && path.parent() != Some(&root()))
        .filter(|path| !path.starts_with(root().join("fuzz")))
        .collect()
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if !["target", "node_modules", ".venv", ".git", ".cache", "dist", "__pycache__"]
                .contains(&name.to_str().unwrap_or_default())
            {
                found.extend(files_below(&path, extension));
            }
        } else if path.extension().is_some_and(|known| known == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}
