//! What the real Envoy says about the result. Skipped, with a message, where Envoy or the filters are not
//! there: `WEIR_ENVOY` names the binary, `WEIR_FILTERS` the folder with `libweir.so`.

use std::path::PathBuf;
use std::process::Command;

use translate::bootstrap::{self, AdminAddress};
use translate::{Delivery, Runtime, Settings, translate};

use crate::fixture;

/// Where they are on a machine that was set up by `make`, when the environment does not say.
pub(crate) const ENVOY: &str = "/tmp/ev/lib/python3.11/site-packages/envoy/_bin/envoy";
const FILTERS: &str = "/tmp/t-native/release";

pub(crate) fn located(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| PathBuf::from(default), PathBuf::from)
}

#[test]
fn envoy_accepts_every_fixture() {
    let envoy = located("WEIR_ENVOY", ENVOY);
    let library = located("WEIR_FILTERS", FILTERS).join("libweir.so");
    if !envoy.exists() || !library.exists() {
        eprintln!("skipped: needs {} (WEIR_ENVOY) and {} (WEIR_FILTERS)", envoy.display(), library.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, CERTIFICATE).unwrap();
    let mut refused = Vec::new();
    for fixture in fixture::all().iter().filter(|fixture| fixture.loadable) {
        let settings = Settings {
            delivery: Delivery::Static,
            ca_file: ca_file.clone(),
            bind_address: "127.0.0.1".to_owned(),
            ..Settings::new(Runtime::Native { library: library.clone() })
        };
        let translation = translate(&fixture::objects(&fixture.objects), &settings);
        let admin = AdminAddress::Socket(folder.path().join("admin.sock"));
        let file = folder.path().join(format!("{}.yaml", fixture.name));
        std::fs::write(&file, bootstrap::standalone(&translation, &admin).unwrap()).unwrap();
        let variables = bootstrap::environment(&translation).unwrap();
        let output = Command::new(&envoy)
            .args(["--mode", "validate", "--log-level", "error", "-c"])
            .arg(&file)
            .envs(variables.into_iter().map(|(variable, _)| (variable, "sk-test")))
            .output()
            .unwrap();
        if !output.status.success() {
            refused.push(format!("{}: {}", fixture.name, String::from_utf8_lossy(&output.stderr)));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// A self-signed certificate without a use: Envoy wants the file of trusted ones to hold some.
const CERTIFICATE: &str = include_str!("certificate.pem");
