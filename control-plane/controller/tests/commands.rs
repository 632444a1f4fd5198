//! The commands, through the binary that users run.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helper functions too")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn weir(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(arguments).env_remove("WEIR_FILTERS").env_remove("WEIR_ENVOY");
    command.env("WEIR_TEST_KEY", "sk-from-environment").output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn example(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name).display().to_string()
}

/// A folder with a copy of the quickstart in which `from` is `to`.
fn quickstart_with(from: &str, to: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut changed = false;
    for entry in std::fs::read_dir(example("quickstart")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        changed |= text.contains(from);
        std::fs::write(folder.path().join(path.file_name().unwrap()), text.replace(from, to)).unwrap();
    }
    assert!(changed, "the quickstart does not hold {from:?}");
    folder
}

/// Every folder below examples/ that holds manifests, with the folders it builds on.
const EXAMPLES: &[&[&str]] = &[
    &["quickstart"],
    &["quickstart", "overlays/openai-real"],
    &["quickstart", "overlays/anthropic-real"],
    &["quickstart", "overlays/openai-real", "overlays/anthropic-real"],
    &["authentication"],
    &["groups"],
    &["guards"],
    &["limits"],
    &["service"],
];

/// A catalogue of prices, which limits on costs need.
const PRICES: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../filters/price-catalogue/examples/prices.json");

/// Folders with files for other commands of Weir's than those that read objects.
const OTHERS: [&str; 1] = ["limits-service"];

#[test]
fn every_example_is_valid() {
    for layers in EXAMPLES {
        let paths: Vec<String> = layers.iter().map(|layer| example(layer)).collect();
        let mut arguments = vec!["validate"];
        for path in &paths {
            arguments.extend(["-f", path.as_str()]);
        }
        arguments.extend(["--prices", PRICES]);
        let output = weir(&arguments);
        assert!(output.status.success(), "{layers:?}: {}{}", stdout(&output), stderr(&output));
        assert!(stdout(&output).contains("no errors, no warnings"), "{layers:?}: {}", stdout(&output));
    }
}

#[test]
fn no_example_is_forgotten() {
    let mut pending = vec![PathBuf::from(example(""))];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                let known =
                    EXAMPLES.iter().flat_map(|layers| layers.iter()).any(|layer| folder.ends_with(layer));
                let known = known || OTHERS.iter().any(|other| folder.ends_with(other));
                assert!(known, "{} has no line in EXAMPLES", folder.display());
            }
        }
    }
}

#[test]
fn errors_have_place_and_remedy_and_exit_with_1() {
    let folder = quickstart_with("      openai: {}\n", "      openai: {modle: x}\n");
    let output = weir(&["validate", "-f", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    let line = text.lines().find(|line| line.contains("modle")).unwrap();
    assert!(line.starts_with(&format!("{}/backends.yaml:", folder.path().display())), "{line}");
    assert!(line.contains("AgentgatewayBackend default/openai") && line.contains("did you mean"), "{line}");
    assert!(text.lines().last().unwrap().contains("error"), "{text}");
}

#[test]
fn a_policy_with_a_misspelt_field_closes_what_it_is_for() {
    let folder = quickstart_with("demo", "demo");
    let policy = "apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nmetadata: {name: guard}\nspec:\n  \
                  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: models}]\n  \
                  backend: {ai: {promptGaurd: {request: [{regex: {builtins: [Email]}}]}}}\n";
    std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
    let path = folder.path().to_str().unwrap();
    let output = weir(&["validate", "-f", path]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    let line = |what: &str| text.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{text}"));
    assert!(line("did you mean \"promptGuard\"?").contains("policy.yaml:6: "), "{text}");
    assert!(
        line("is answered with 500").contains("policy.yaml:1: AgentgatewayPolicy default/guard"),
        "{text}"
    );
    let translated = stdout(&weir(&["translate", "-f", path]));
    assert!(translated.contains("status: 500"), "{translated}");
    let translated = stdout(&weir(&["translate", "-f", &example("quickstart")]));
    assert!(!translated.contains("status: 500"), "{translated}");
}

#[test]
fn a_dangling_reference_has_its_line() {
    let folder = quickstart_with("        name: anthropic-key\n", "        name: lost-key\n");
    let output = weir(&["validate", "-f", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    let line = text.lines().find(|line| line.contains("lost-key")).unwrap();
    assert!(line.contains("backends.yaml:") && line.contains("secretRef"), "{line}");
    // The same, with the Secret from the environment.
    let output = weir(&[
        "validate",
        "-f",
        folder.path().to_str().unwrap(),
        "--secret-env",
        "default/lost-key/Authorization=WEIR_TEST_KEY",
    ]);
    assert!(output.status.success(), "{}", stdout(&output));
}

#[test]
fn usage_and_environment_exit_with_2_and_say_what_to_do() {
    let cases: &[(&[&str], &str)] = &[
        (&["validate"], "-f"),
        (&["validate", "-f", "/does/not/exist"], "/does/not/exist"),
        (&["validate", "-f", ".", "--secret-env", "a/b/c=WEIR_TEST_UNSET"], "WEIR_TEST_UNSET is not set"),
        (&["run", "-f", ".", "--filters", "/does/not/exist"], "make build"),
        (&["translate", "-f", ".", "--runtime", "lua"], "wasm"),
    ];
    for (arguments, expected) in cases {
        let output = weir(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn run_says_how_to_get_envoy() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("weir.wasm"), "").unwrap();
    let filters = folder.path().to_str().unwrap();
    let output =
        weir(&["run", "-f", &example("quickstart"), "--filters", filters, "--envoy", "/does/not/exist"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--envoy"), "{}", stderr(&output));
}

#[test]
fn translations_hold_every_resource_and_no_secret() {
    let arguments = [
        "translate",
        "-f",
        &example("quickstart"),
        "--secret-env",
        "default/openai-key/Authorization=WEIR_TEST_KEY",
    ];
    let output = weir(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    for expected in [
        "# listener default/ai/8080",
        "# from Gateway default/ai",
        "# cluster ai/default/openai",
        "[redacted]",
        "/v1",
    ] {
        assert!(text.contains(expected), "{expected} is missing in {text}");
    }
    assert!(!text.contains("sk-from-environment") && !text.contains("inline_string: demo"), "{text}");
    assert_eq!(stdout(&weir(&arguments)), text, "the output is the same every time");
}

#[test]
fn a_static_translation_names_the_variables_it_reads() {
    let output = weir(&["translate", "--static", "--admin", "9999", "-f", &example("quickstart")]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    for expected in ["static_resources:", "envoy -c", "port_value: 9999", "environment_variable:"] {
        assert!(text.contains(expected), "{expected} is missing in {text}");
    }
    let variables: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("environment_variable: "))
        .map(|variable| variable.trim_matches('"'))
        .collect();
    assert_eq!(variables.len(), 2, "{text}");
    for variable in variables {
        assert!(text.contains(&format!("#   {variable}: ")), "{variable} is not in the comment of {text}");
    }
    assert!(!text.contains("ads:"), "{text}");
}

#[test]
fn definitions_are_printed() {
    let output = weir(&["crds"]);
    assert!(output.status.success());
    let text = stdout(&output);
    assert_eq!(text.matches("kind: CustomResourceDefinition").count(), 3);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds");
    for kind in ["backends", "models", "policies"] {
        let file = format!("agentgateway.dev_agentgateway{kind}.yaml");
        assert!(text.contains(&std::fs::read_to_string(committed.join(&file)).unwrap()), "{file}");
    }
}

#[test]
fn versions_are_printed() {
    let output = weir(&["version"]);
    assert!(output.status.success());
    let text = stdout(&output);
    for expected in [env!("CARGO_PKG_VERSION"), "1.40.0", "v0.2.0", "0.2.1"] {
        assert!(text.contains(expected), "{expected} is missing in {text}");
    }
}
