//! Tying Envoy's life to that of `weir`.
//!
//! `weir run` starts Envoy by way of its own hidden command `exec-envoy`, which asks the kernel to send SIGTERM when
//! the parent dies and then becomes Envoy (the request outlives `exec`). So Envoy ends even when `weir` is killed with
//! SIGKILL, and no code has to run between `fork` and `exec`, which would need `unsafe`.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// The name of the hidden command.
pub(crate) const COMMAND: &str = "exec-envoy";

/// Becomes `command`, with the death of `parent` as a SIGTERM. Returns only to say why that failed.
pub(crate) fn exec(parent: u32, command: &[OsString]) -> io::Error {
    let Some((program, arguments)) = command.split_first() else {
        return io::Error::new(io::ErrorKind::InvalidInput, "no command");
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::TERM)) {
        return error.into();
    }
    // The parent may have died before the request was made.
    if getppid().map(Pid::as_raw_nonzero).map(|pid| pid.get().unsigned_abs()) != Some(parent) {
        return io::Error::new(io::ErrorKind::NotFound, "the process to live with is gone");
    }
    Command::new(program).args(arguments).exec()
}
