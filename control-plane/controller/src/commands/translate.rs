//! `weir translate`

use std::fmt::Write;
use std::process::ExitCode;

use serde_json::Value;
use translate::bootstrap::{self, AdminAddress};
use translate::{Delivery, Resource, ResourceKind, Runtime, Settings};

use crate::cli::{FilterArgs, TranslateArgs};
use crate::configuration::Configuration;
use crate::envoy::{find_filters, nominal};
use crate::error::Error;
use crate::source::Sources;

/// What stands in place of a secret.
const REDACTED: &str = "[redacted]";

/// Prints the Envoy configuration; findings go to standard error.
pub(super) fn execute(args: &TranslateArgs) -> Result<ExitCode, Error> {
    let mut sources = Sources::open(&args.source)?;
    let mut settings = Settings::new(filters(&args.filter)?);
    settings.bind_address = args.filter.bind.to_string();
    if args.standalone {
        settings.delivery = Delivery::Static;
    }
    let configuration = Configuration::load(&mut sources, &settings);
    for finding in &configuration.findings {
        eprintln!("{finding}");
    }
    let text =
        if args.standalone { standalone(&configuration, args.admin)? } else { resources(&configuration)? };
    super::print(&text)?;
    Ok(if configuration.errors() == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The filters as found; their bare names when there are none here, because the output may be for another machine.
fn filters(args: &FilterArgs) -> Result<Runtime, Error> {
    match find_filters(args) {
        Err(Error::FiltersNotFound { file, looked }) if args.filters.is_none() => {
            eprintln!(
                "warning: {file} was not found (looked in {looked}): the output names it without a folder; \
                 say with --filters where it will be"
            );
            Ok(nominal(args.runtime))
        }
        found => found,
    }
}

/// All resources as YAML documents, by kind, each with the object it comes from.
fn resources(configuration: &Configuration) -> Result<String, Error> {
    let mut text = String::new();
    for ((kind, name), resource) in &configuration.translation.resources {
        let _ = write!(text, "---\n# {} {name}\n# from {}\n", title(*kind), resource.source);
        text.push_str(&document(kind.carries_secret(name), resource)?);
    }
    Ok(text)
}

fn title(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::Cluster => "cluster",
        ResourceKind::Endpoints => "endpoints",
        ResourceKind::Secret => "secret",
        ResourceKind::Extension => "extension",
        ResourceKind::Listener => "listener",
        ResourceKind::Routes => "routes",
    }
}

fn document(secret: bool, resource: &Resource) -> Result<String, Error> {
    if !secret {
        return Ok(envoy_proto::to_yaml(&resource.body)?);
    }
    let mut value = envoy_proto::to_json_value(&resource.body)?;
    redact(&mut value);
    serde_saphyr::to_string(&value).map_err(|error| Error::System {
        what: "cannot print a secret".to_owned(),
        reason: error.to_string(),
    })
}

/// Fields whose values are secret: literals of any kind of secret, and keys of AWS.
const SECRET_FIELDS: [&str; 4] = ["inline_string", "inline_bytes", "secret_access_key", "session_token"];

/// Replaces every literal in a secret: all of them, so that no kind of secret is forgotten.
fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                if SECRET_FIELDS.contains(&name.as_str()) {
                    *field = REDACTED.into();
                } else {
                    redact(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

/// A complete bootstrap, with the environment variables it reads in a comment.
fn standalone(configuration: &Configuration, admin: u16) -> Result<String, Error> {
    let translation = &configuration.translation;
    let mut text = format!(
        "# Made by `weir translate --static` for Envoy {}: run it with `envoy -c`.\n",
        envoy_proto::ENVOY_VERSION
    );
    let variables = bootstrap::environment(translation)?;
    if !variables.is_empty() {
        text.push_str("# It reads secrets from environment variables, all of which must be set:\n");
    }
    for (variable, secret) in variables {
        let _ = writeln!(text, "#   {variable}: {secret}");
    }
    text.push_str(&bootstrap::standalone(translation, &AdminAddress::Loopback(admin))?);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_literal_of_a_secret_is_left() {
        let mut secret = json!({
            "name": "s",
            "tls_certificate": {
                "certificate_chain": {"inline_string": "a"},
                "private_key": {"inline_bytes": "b"},
                "password": {"environment_variable": "PASSWORD"},
            },
            "list": [{"inline_string": "c"}],
            "inline_credential": {"access_key_id": "AKIA", "secret_access_key": "d", "session_token": "e"},
        });
        redact(&mut secret);
        assert_eq!(secret.to_string().matches(REDACTED).count(), 5);
        assert_eq!(secret["tls_certificate"]["password"]["environment_variable"], "PASSWORD");
    }
}
