//! Where and with what the numbers were taken.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

/// Finds the Envoy to measure: the one named, the one `make` has installed, or one from the PyPI package in the
/// `PATH`.
///
/// # Errors
/// When there is none.
pub(crate) fn find_envoy(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(named) = named {
        return Ok(named);
    }
    let installed = Path::new(".venv/bin/envoy");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(installed.to_owned())
        .chain(std::env::split_paths(&path).map(|folder| folder.join("envoy")))
        .find(|file| file.is_file());
    match found {
        Some(file) => Ok(file),
        None => {
            bail!("no Envoy in .venv/bin or PATH; run `make setup`, or name one with --envoy or WEIR_ENVOY")
        }
    }
}

/// The version an Envoy prints, such as `1.40.0` with its commit and build type.
///
/// # Errors
/// When it cannot be run.
pub(crate) fn envoy_version(envoy: &Path) -> anyhow::Result<String> {
    let output = Command::new(envoy)
        .arg("--version")
        .output()
        .with_context(|| format!("cannot run {}", envoy.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    // `envoy  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`
    let version = text.split("version: ").nth(1).map(str::trim).unwrap_or_default();
    let mut fields = version.split('/');
    match (fields.next(), fields.next(), fields.next(), fields.next()) {
        (Some(commit), Some(number), Some(_), Some(kind)) => {
            Ok(format!("{number} ({kind}, {})", commit.get(..8).unwrap_or(commit)))
        }
        _ => {
            let line = text.lines().next().unwrap_or_default();
            bail!("{} is no Envoy: its --version begins with {line:?}", envoy.display())
        }
    }
}

/// Weir's version and, where git knows it, commit.
pub(crate) fn weir_version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let commit = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    match commit {
        Ok(output) if output.status.success() => {
            format!("{version} ({})", String::from_utf8_lossy(&output.stdout).trim())
        }
        _ => version.to_owned(),
    }
}

/// CPU model, number of CPUs and kernel.
pub(crate) fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        info.lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split(": ").nth(1))
            .unwrap_or("?")
    };
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{} (family {}, model {}), {cpus} CPUs, Linux {}",
        field("model name"),
        field("cpu family"),
        // The second line that begins with `model` is its name.
        field("model\t"),
        kernel.trim()
    )
}
