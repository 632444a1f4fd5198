//! `fixtures/<case>.yaml` gives `fixtures/<case>.out.yaml`; `WEIR_UPDATE=1` rewrites the latter.

use std::fmt::Write as _;

use envoy_proto::envoy::config::core::v3::{DataSource, TypedExtensionConfig, data_source};
use envoy_proto::envoy::extensions::filters::http::aws_request_signing::v3::AwsRequestSigning;
use envoy_proto::envoy::extensions::transport_sockets::tls::v3::{Secret, secret};
use envoy_proto::prost_types::Any;
use envoy_proto::{pack, to_yaml, unpack};
use resources::Severity;
use translate::{ResourceKind, Translation, translate};

use crate::fixture::{self, Usable};

#[test]
fn golden_files() {
    let mut differing = Vec::new();
    for fixture in fixture::all() {
        let translation = translate(&fixture::objects(&fixture.objects), &fixture.settings);
        let refused: Vec<String> = fixture
            .objects
            .iter()
            .filter(|(_, usable)| *usable == Usable::No)
            .map(|(object, _)| object.key().to_string())
            .collect();
        let actual = print(&translation, &refused);
        let path = fixture::folder().join(format!("{}.out.yaml", fixture.name));
        if std::env::var_os("WEIR_UPDATE").is_some() {
            std::fs::write(&path, &actual).unwrap();
        } else if std::fs::read_to_string(&path).ok().as_deref() != Some(&actual) {
            let expected = std::fs::read_to_string(&path).unwrap_or_default();
            let line = expected.lines().zip(actual.lines()).position(|(a, b)| a != b);
            let line = line.unwrap_or(expected.lines().count().min(actual.lines().count()));
            differing.push(format!(
                "{} line {}:\n  expected: {}\n  actual:   {}",
                path.display(),
                line + 1,
                expected.lines().nth(line).unwrap_or("(end)"),
                actual.lines().nth(line).unwrap_or("(end)"),
            ));
        }
    }
    assert!(differing.is_empty(), "run with WEIR_UPDATE=1 to accept\n{}", differing.join("\n"));
}

#[test]
fn every_golden_file_has_its_input() {
    for entry in std::fs::read_dir(fixture::folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(case) = name.strip_suffix(".out.yaml") {
            assert!(fixture::folder().join(format!("{case}.yaml")).exists(), "{name} has no input");
        }
    }
}

fn print(translation: &Translation, refused: &[String]) -> String {
    let mut text = String::new();
    let mut list = |title: &str, lines: &[String]| {
        if lines.is_empty() {
            return;
        }
        writeln!(text, "{title}:").unwrap();
        for line in lines {
            writeln!(text, "- {}", serde_json::to_string(line).unwrap()).unwrap();
        }
    };
    list("refused by validation", refused);
    let findings: Vec<String> = translation
        .findings
        .iter()
        .map(|finding| match finding.severity {
            Severity::Error => format!("error: {finding}"),
            Severity::Warning | Severity::Note => finding.to_string(),
        })
        .collect();
    list("findings", &findings);
    let routes: Vec<String> = translation
        .routes
        .iter()
        .map(|r| format!("{} {} {} -> {} [{}]", r.port, r.host, r.matches, r.leads_to, r.route))
        .collect();
    list("routes", &routes);
    let tokens: Vec<String> = translation
        .tokens
        .iter()
        .map(|(name, token)| format!("{name} [{}] {:?}", token.object, token.source))
        .collect();
    list("tokens", &tokens);
    for ((kind, name), resource) in &translation.resources {
        let body = match kind {
            ResourceKind::Secret => pack(&redacted(unpack(&resource.body).unwrap())),
            ResourceKind::Extension => without_keys(&resource.body),
            _ => resource.body.clone(),
        };
        writeln!(text, "---\n# {kind:?} {name}, from {}", resource.source).unwrap();
        text.push_str(&to_yaml(&body).unwrap());
    }
    text
}

/// An extension without the AWS keys in it, if there are any.
fn without_keys(body: &Any) -> Any {
    let mut extension: TypedExtensionConfig = unpack(body).unwrap();
    let Ok(mut signing) = unpack::<AwsRequestSigning>(extension.typed_config.as_ref().unwrap()) else {
        return body.clone();
    };
    let provider = signing.credential_provider.as_mut().unwrap();
    let inline = provider.inline_credential.as_mut().unwrap();
    for secret in [&mut inline.secret_access_key, &mut inline.session_token] {
        if !secret.is_empty() {
            *secret = "[redacted]".to_owned();
        }
    }
    extension.typed_config = Some(pack(&signing));
    pack(&extension)
}

/// The secret without what is secret in it, if anything is.
fn redacted(mut secret: Secret) -> Secret {
    let hide = |source: &mut DataSource| {
        if let Some(data_source::Specifier::InlineString(text)) = &mut source.specifier {
            *text = "[redacted]".to_owned();
        }
    };
    match &mut secret.r#type {
        Some(secret::Type::GenericSecret(generic)) => generic.secret.iter_mut().for_each(hide),
        Some(secret::Type::TlsCertificate(certificate)) => certificate.private_key.iter_mut().for_each(hide),
        other => panic!("{other:?}"),
    }
    secret
}
