//! The official test suite, as far as what it tests is supported: `tests/suite/README.md` says where it is from.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is a failed test")]

use std::fs;
use std::path::Path;

use answer_schema::{Error, Schema};
use serde_json::Value;

/// Whether a schema was refused for needing what the crate does not support.
fn is_unsupported(error: &Error) -> bool {
    matches!(error, Error::Unsupported { .. } | Error::Reference { .. } | Error::Dialect { .. })
        || error.to_string().contains("Unicode properties")
}

/// Runs the files of a folder: how many tests passed, and which groups' schemas were refused. Fails if any test did.
fn run(folder: &str) -> (usize, Vec<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite").join(folder);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let (mut passed, mut refused, mut failed) = (0, Vec::new(), Vec::new());
    for path in files {
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        let groups: Vec<Value> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for group in groups {
            let name = group["description"].as_str().unwrap();
            let schema = match Schema::compile(&group["schema"]) {
                Ok(schema) => schema,
                Err(error) if is_unsupported(&error) => {
                    refused.push(format!("{file}: {name}: {error}"));
                    continue;
                }
                Err(error) => {
                    failed.push(format!("{file}: {name}: {error}"));
                    continue;
                }
            };
            for test in group["tests"].as_array().unwrap() {
                let fits = schema.check(&test["data"].to_string()).is_ok();
                if fits == test["valid"].as_bool().unwrap() {
                    passed += 1;
                } else {
                    failed.push(format!("{file}: {name}: {}", test["description"]));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
    (passed, refused)
}

#[test]
fn required_parts() {
    let (passed, refused) = run(".");
    assert_eq!((passed, refused.len()), (948, 15), "refused:\n{}", refused.join("\n"));
    // Annotations of `unevaluated…`, scopes of `$id`, anchors, other documents: nothing else.
    assert!(
        refused
            .iter()
            .all(|group| group.starts_with("ref: ") || group.starts_with("not: collect annotations"))
    );
}

#[test]
fn optional_parts() {
    // Classes of Unicode properties, which the filters have no tables for: nothing else is refused.
    let (passed, refused) = run("optional");
    assert_eq!((passed, refused.len()), (82, 4), "refused:\n{}", refused.join("\n"));
}
