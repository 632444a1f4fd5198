//! Whatever is read: no panic, every broken document is reported, and none of them costs another one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use resources::{Decoded, Severity, decode_documents, validate};

/// A document that decodes without findings, with `name`.
fn good(name: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{key: value}}\n")
}

fn has(decoded: &[Decoded], name: &str) -> bool {
    decoded.iter().any(|item| item.object.metadata().name.as_deref() == Some(name))
}

/// Texts made of the words and signs of manifests: far more often almost right than random characters.
fn almost_yaml() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "apiVersion: agentgateway.dev/v1alpha1",
        "kind: AgentgatewayBackend",
        "kind: List",
        "apiVersion: v1",
        "metadata:",
        "name: x",
        "spec:",
        "ai:",
        "provider:",
        "openai: {}",
        "groups:",
        "- ",
        "items:",
        "\n",
        "\n  ",
        "\n    ",
        "\n---\n",
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a",
        "<<: *a",
        "|",
        ">",
        "'",
        "\"",
        "#",
        ": ",
        "~",
        "!!binary ",
        "\t",
        "\r\n",
        "...\n",
        "%YAML 1.2\n",
        "port: 1",
        "static: {host: h, port: 1}",
        "é",
        "\u{feff}",
        "1e999",
        "0x",
        "null: 1",
    ]);
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_panics(text in prop_oneof![any::<String>(), almost_yaml()]) {
        let (decoded, findings) = decode_documents("any.yaml", &text);
        for item in decoded.iter().filter(|item| item.usable) {
            for mut finding in validate(&item.object) {
                item.locations.locate(&mut finding);
                prop_assert!(finding.origin.is_some());
            }
        }
        let lines = text.lines().count().max(1);
        for finding in &findings {
            let line = finding.origin.as_ref().unwrap().line;
            prop_assert!((1..=lines + 1).contains(&line), "{finding} in {lines} lines");
        }
    }

    #[test]
    fn a_broken_document_does_not_hide_its_siblings(junk in prop_oneof![any::<String>(), almost_yaml()]) {
        let text = format!("{}---\n{junk}\n---\n{}", good("first"), good("last"));
        let (decoded, _) = decode_documents("any.yaml", &text);
        prop_assert!(has(&decoded, "first"));
        prop_assert!(has(&decoded, "last"));
    }

    #[test]
    fn an_unknown_field_is_always_reported(name in "[a-z]{1,12}") {
        let fields = ["apiVersion", "kind", "metadata", "spec", "status"];
        prop_assume!(!fields.contains(&name.as_str()));
        // Words that YAML reads as true, false or null are still keys; quotes keep them as they are.
        let text = format!(
            "apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayBackend\nmetadata: {{name: x}}\n\
             spec: {{static: {{host: h, port: 1}}}}\n\"{name}\": 1\n"
        );
        let (decoded, findings) = decode_documents("any.yaml", &text);
        prop_assert!(decoded.is_empty());
        prop_assert_eq!(findings.len(), 1);
        prop_assert_eq!(findings[0].severity, Severity::Error);
        prop_assert_eq!(&findings[0].field_path, &name);
        prop_assert_eq!(findings[0].origin.as_ref().unwrap().line, 5);
    }
}

#[test]
fn deep_nesting_and_alias_bombs_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    for text in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000), bomb] {
        let (decoded, findings) = decode_documents("deep.yaml", &text);
        assert!(decoded.is_empty());
        assert_eq!(findings.len(), 1);
    }
}

#[test]
fn a_clone_is_equal_and_an_edit_is_seen() {
    let read = |text: &str| decode_documents("a.yaml", text).0.remove(0).object;
    let object = read(&good("a"));
    assert_eq!(object, object.clone());
    assert_eq!(object, read(&good("a")));
    assert_ne!(object, read(&good("b")));
    assert_ne!(object, read(&good("a").replace("value", "other")));
}
