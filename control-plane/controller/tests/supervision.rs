//! Starting, restarting and stopping Envoy, with a script in its place.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail by panicking, in its helper functions too"
)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// Writes its process id, one per line. The first one ends at once, the second one stays until it is told to stop.
const FAKE_ENVOY: &str = r#"#!/bin/sh
if [ "$1" = --version ]; then
  echo "envoy  version: 0/1.40.0/Clean/RELEASE/BoringSSL"
  exit 0
fi
test -f "$2" || exit 9
echo "$$" >> "$FAKE_ENVOY_PIDS"
test "$(wc -l < "$FAKE_ENVOY_PIDS")" -gt 1 || exit 3
echo '{"status": 200, "method": "GET", "path": "/from-the-log"}'
exec sleep 600
"#;

struct Gateway {
    child: Child,
    folder: tempfile::TempDir,
}

impl Gateway {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("envoy"), FAKE_ENVOY).unwrap();
        std::fs::set_permissions(path("envoy"), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(path("weir.wasm"), "").unwrap();
        // No Gateway, so no port is needed.
        std::fs::write(path("map.yaml"), "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}").unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_weir"))
            .arg("run")
            .args(["-f".as_ref(), path("map.yaml").as_os_str()])
            .args(["--envoy".as_ref(), path("envoy").as_os_str()])
            .args(["--filters".as_ref(), folder.path().as_os_str()])
            .env("FAKE_ENVOY_PIDS", path("pids"))
            .env("XDG_RUNTIME_DIR", folder.path())
            .env_remove("WEIR_LOG")
            .stdout(std::fs::File::create(path("stdout")).unwrap())
            .stderr(std::fs::File::create(path("stderr")).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// The process that replaced the first one.
    fn second_envoy(&self) -> Pid {
        wait_for("the second Envoy", || self.text("stdout").contains("/from-the-log"));
        Pid::from_raw(self.text("pids").lines().nth(1).unwrap().parse().unwrap()).unwrap()
    }

    fn runtime_folders(&self) -> usize {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        entries.filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with("weir-")).count()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Envoy follows, as the tests show.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process runs; one that has ended but was not waited for by anybody does not.
fn runs(pid: Pid) -> bool {
    let status =
        std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap_or_default();
    let zombie = status.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'));
    test_kill_process(pid).is_ok() && !zombie
}

#[test]
fn envoy_is_started_again_and_stopped_in_order() {
    let mut gateway = Gateway::start();
    let envoy = gateway.second_envoy();
    assert!(runs(envoy));
    assert!(gateway.text("stderr").contains("ended with exit code 3; starting it again in 100 ms"));
    assert_eq!(gateway.runtime_folders(), 1);
    kill_process(Pid::from_child(&gateway.child), Signal::TERM).unwrap();
    let status = gateway.child.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{}", gateway.text("stderr"));
    assert!(!runs(envoy));
    assert_eq!(gateway.runtime_folders(), 0);
}

#[test]
fn envoy_does_not_outlive_a_killed_weir() {
    let mut gateway = Gateway::start();
    let envoy = gateway.second_envoy();
    gateway.child.kill().unwrap();
    gateway.child.wait().unwrap();
    wait_for("the end of Envoy", || !runs(envoy));
}
