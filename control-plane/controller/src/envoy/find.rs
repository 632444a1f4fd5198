//! Finding Envoy, and making sure it is the release Weir is built for.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use envoy_proto::ENVOY_VERSION;

use crate::cli::RuntimeName;
use crate::error::Error;

/// An Envoy that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envoy {
    pub(crate) binary: PathBuf,
    /// For example `1.40.0`.
    pub(crate) version: String,
}

/// Where to look when none is named.
#[derive(Debug)]
struct Places {
    /// The value of `PATH`.
    path: Option<OsString>,
    /// The `weir` executable.
    executable: Option<PathBuf>,
}

/// Finds Envoy: `named` (from `--envoy` or `WEIR_ENVOY`), else `envoy` on PATH, else the one `make` installs into
/// `.venv` of the installation or of the working directory.
///
/// # Errors
/// When there is none, when the one found does not work, or when the native filters cannot be loaded into it.
pub(crate) fn find(named: Option<&Path>, runtime: RuntimeName) -> Result<Envoy, Error> {
    let places = Places { path: std::env::var_os("PATH"), executable: std::env::current_exe().ok() };
    let binary = match named {
        Some(path) => without_launcher(path),
        None => places.search()?,
    };
    let version = version_of(&binary)?;
    if minor(&version) != minor(ENVOY_VERSION) {
        if runtime == RuntimeName::Native {
            return Err(Error::EnvoyAbi { path: binary, found: version, wanted: ENVOY_VERSION });
        }
        tracing::warn!(
            "{} is Envoy {version}; Weir is built and tested for {ENVOY_VERSION}, what differs may be refused",
            binary.display()
        );
    }
    Ok(Envoy { binary, version })
}

impl Places {
    fn candidates(&self) -> Vec<PathBuf> {
        let on_path = self.path.iter().flat_map(std::env::split_paths).map(|folder| folder.join("envoy"));
        // dist/weir of a checkout, and its .venv.
        let installed = self.executable.iter().filter_map(|exe| exe.parent()?.parent()).map(Path::to_owned);
        let wheels = installed.chain([PathBuf::from(".")]).map(|folder| folder.join(".venv/bin/envoy"));
        on_path.chain(wheels).collect()
    }

    fn search(&self) -> Result<PathBuf, Error> {
        let candidates = self.candidates();
        if let Some(found) = candidates.iter().find(|candidate| is_executable(candidate)) {
            return Ok(without_launcher(found));
        }
        let wheels: Vec<_> =
            candidates.iter().filter(|path| path.to_string_lossy().contains(".venv")).collect();
        let wheels: Vec<_> = wheels.iter().map(|path| path.display().to_string()).collect();
        Err(Error::EnvoyNotFound { looked: format!("PATH, {}", wheels.join(", ")) })
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The PyPI wheel installs a Python script that runs the binary within the package. Starting the binary itself saves
/// a process and keeps signals simple.
fn without_launcher(path: &Path) -> PathBuf {
    let mut start = [0; 2];
    let is_script =
        std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && &start == b"#!";
    if !is_script {
        return path.to_owned();
    }
    let environment = path.parent().and_then(Path::parent).map(|environment| environment.join("lib"));
    let versions = environment.and_then(|lib| std::fs::read_dir(lib).ok()).into_iter().flatten().flatten();
    let binaries = versions.map(|python| python.path().join("site-packages/envoy/_bin/envoy"));
    binaries.into_iter().find(|binary| is_executable(binary)).unwrap_or_else(|| path.to_owned())
}

fn version_of(binary: &Path) -> Result<String, Error> {
    let broken = |reason: String| Error::EnvoyBroken { path: binary.to_owned(), reason };
    let output = Command::new(binary).arg("--version").output().map_err(|error| broken(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse_version(&text).ok_or_else(|| broken("--version prints no version".to_owned()))
}

/// Reads `… version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`.
fn parse_version(text: &str) -> Option<String> {
    let (_, build) = text.split_once("version: ")?;
    let version = build.split('/').nth(1)?;
    version.starts_with(|c: char| c.is_ascii_digit()).then(|| version.trim().to_owned())
}

/// `1.40` of `1.40.0` and of `1.40.1-dev`.
fn minor(version: &str) -> &str {
    match version.match_indices('.').nth(1) {
        Some((end, _)) => version.get(..end).unwrap_or(version),
        None => version,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn executable(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn path_comes_before_the_installation() {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        let places = Places {
            path: Some(bin.clone().into_os_string()),
            executable: Some(folder.path().join("dist/weir")),
        };
        let missing = places.search().unwrap_err().to_string();
        assert!(missing.contains("make setup") && missing.contains(".venv/bin/envoy"), "{missing}");
        let launcher = folder.path().join(".venv/bin/envoy");
        executable(&launcher, "#!/usr/bin/python3\n");
        assert_eq!(places.search().unwrap(), launcher, "a launcher without its binary is used itself");
        let binary = folder.path().join(".venv/lib/python3.11/site-packages/envoy/_bin/envoy");
        executable(&binary, "\x7fELF");
        assert_eq!(places.search().unwrap(), binary);
        std::fs::create_dir(&bin).unwrap();
        std::fs::write(bin.join("envoy"), "not executable").unwrap();
        assert_eq!(places.search().unwrap(), binary);
        executable(&bin.join("envoy"), "\x7fELF");
        assert_eq!(places.search().unwrap(), bin.join("envoy"));
    }

    #[test]
    fn versions_are_read() {
        let printed = "\n/x/envoy  version: 9e558093/1.40.0/Clean/RELEASE/BoringSSL\n\n";
        assert_eq!(parse_version(printed).as_deref(), Some("1.40.0"));
        assert_eq!(parse_version("GNU coreutils 9.1"), None);
        assert_eq!([minor("1.40.0"), minor("1.41.0-dev"), minor("1.40")], ["1.40", "1.41", "1.40"]);
    }

    #[test]
    fn something_else_is_refused_as_envoy() {
        let refused = find(Some(Path::new("/bin/true")), RuntimeName::Wasm).unwrap_err();
        assert!(matches!(refused, Error::EnvoyBroken { .. }), "{refused}");
        let missing = find(Some(Path::new("/does/not/exist")), RuntimeName::Wasm).unwrap_err();
        assert!(matches!(missing, Error::EnvoyBroken { .. }), "{missing}");
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("envoy");
        executable(&other, "#!/bin/sh\necho 'envoy  version: abc/1.41.0/Clean/RELEASE/BoringSSL'\n");
        assert_eq!(find(Some(&other), RuntimeName::Wasm).unwrap().version, "1.41.0");
        assert!(matches!(find(Some(&other), RuntimeName::Native), Err(Error::EnvoyAbi { .. })));
    }
}
