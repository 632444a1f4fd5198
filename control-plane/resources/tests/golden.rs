//! Every file in `fixtures/rejected` yields exactly the findings beside it, every file in `fixtures/valid` none.
//! `WEIR_UPDATE=1 cargo test -p resources` rewrites the expectations.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use resources::{Finding, Object, Severity, decode_documents, validate};

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// All findings of a file as its user sees them, and the number of objects in it that are usable.
fn examine(path: &Path, text: &str) -> (Vec<Finding>, usize) {
    let (decoded, mut findings) = decode_documents(path.file_name().unwrap().to_str().unwrap(), text);
    let mut usable = 0;
    for item in decoded.iter().filter(|item| item.usable) {
        let mut own = validate(&item.object);
        own.iter_mut().for_each(|finding| item.locations.locate(finding));
        usable += usize::from(own.iter().all(|finding| finding.severity != Severity::Error));
        findings.extend(own);
    }
    findings.sort_by(|a, b| a.origin.cmp(&b.origin));
    (findings, usable)
}

#[test]
fn rejected_files_yield_the_expected_findings() {
    for path in fixtures("rejected") {
        let (findings, usable) = examine(&path, &fs::read_to_string(&path).unwrap());
        let mut text: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
        text.push_str(&format!("usable objects: {usable}\n"));
        let expected = path.with_extension("findings");
        if std::env::var_os("WEIR_UPDATE").is_some() {
            fs::write(&expected, &text).unwrap();
        }
        assert_eq!(text, fs::read_to_string(&expected).unwrap_or_default(), "{}", path.display());
        assert!(!findings.is_empty(), "{} is not rejected", path.display());
        assert!(!text.contains("hunter2"), "a secret shows in {}", expected.display());
    }
}

#[test]
fn valid_files_yield_no_findings() {
    for path in fixtures("valid") {
        let unix = fs::read_to_string(&path).unwrap();
        let windows = unix.replace('\n', "\r\n");
        for text in [unix, windows] {
            let (findings, usable) = examine(&path, &text);
            let findings: Vec<_> = findings.iter().map(ToString::to_string).collect();
            assert!(findings.is_empty(), "{findings:#?}");
            assert!(usable > 0, "{} holds no object", path.display());
        }
    }
}

#[test]
fn no_expectation_is_left_without_its_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rejected");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.with_extension("yaml").exists(), "{} has no .yaml", path.display());
    }
}

#[test]
fn decoded_objects_hold_what_was_written() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/valid/groups.yaml")).unwrap();
    let (decoded, _) = decode_documents("groups.yaml", &text);
    let Object::AgentgatewayBackend(backend) = &decoded[0].object else { panic!("{:?}", decoded[0]) };
    assert_eq!(decoded[0].object.key().to_string(), "AgentgatewayBackend ai/failover");
    let groups = backend.spec.ai.as_ref().unwrap().groups.as_ref().unwrap();
    let providers = |group: usize| groups[group].providers.iter().map(|p| p.provider.kind().unwrap().field());
    assert_eq!(providers(0).collect::<Vec<_>>(), ["openai", "custom"]);
    assert_eq!(
        providers(1).collect::<Vec<_>>(),
        ["anthropic", "azure", "bedrock", "vertexai", "azureopenai", "gemini"]
    );
    let anthropic = &groups[1].providers[0];
    assert_eq!(anthropic.provider.kind().unwrap().model(), Some("claude-sonnet-4-5"));
    assert_eq!(anthropic.provider.port.unwrap().number(), 9001);
    assert_eq!(
        anthropic.policies.as_ref().unwrap().auth.as_ref().unwrap().key.as_ref().unwrap().reveal(),
        "not-a-real-key"
    );
    assert!(!format!("{backend:?}").contains("not-a-real-key"));
    let http = backend.spec.policies.as_ref().unwrap().http.as_ref().unwrap();
    assert_eq!(http.request_timeout.as_ref().unwrap().value().as_secs(), 150);
    // Defaults of the definition.
    assert_eq!(groups[1].providers[2].provider.bedrock.as_ref().unwrap().region, "us-east-1");
    // Lines, also of fields that are not written.
    assert_eq!(decoded[0].locations.origin("spec.ai.groups[0].providers[1].name").line, 15);
    assert_eq!(decoded[0].locations.origin("spec.ai.groups[0].providers[1].policies.tls.sni").line, 15);
}
