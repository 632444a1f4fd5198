//! The error of this crate.

use crate::outcome::LogLine;

/// Why a module could not be run, or why a check failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The module file is missing or unreadable.
    #[error("cannot read the module {path}: {reason}; build it with `make build`")]
    ModuleUnreadable {
        /// The path that was tried.
        path: String,
        /// The operating system's words.
        reason: String,
    },
    /// The bytes are not a WebAssembly module that wasmtime accepts.
    #[error("{path} is not a valid WebAssembly module: {reason}")]
    ModuleInvalid {
        /// The path or the given name of the module.
        path: String,
        /// The compiler's words.
        reason: String,
    },
    /// The module lacks an export that Envoy requires.
    #[error("the module does not export `{name}`; build it with the proxy-wasm SDK for ABI 0.2.1")]
    MissingExport {
        /// Name of the missing export.
        name: &'static str,
    },
    /// An import or a callback has a signature that differs from ABI 0.2.1, or start-up code is unusable.
    #[error("the module cannot be instantiated: {reason}")]
    NotInstantiable {
        /// wasmtime's words.
        reason: String,
    },
    /// `proxy_on_vm_start` or `proxy_on_configure` returned false. Envoy refuses the listener or keeps the old plugin.
    #[error("the plugin with root id `{root_id}` rejected its configuration; it logged: {}", joined(logs))]
    ConfigurationRejected {
        /// Root id the VM was started with.
        root_id: String,
        /// Everything logged since the VM was created.
        logs: Vec<LogLine>,
    },
    /// The module trapped (a Rust panic is a trap). In Envoy this exchange gets a 503 and the VM is gone.
    #[error("the module trapped in {callback}: {message}; it logged: {}", joined(logs))]
    Trapped {
        /// The exported function that was running.
        callback: &'static str,
        /// wasmtime's description of the trap.
        message: String,
        /// Everything logged since the VM was created; a Rust panic logs its message as critical.
        logs: Vec<LogLine>,
    },
    /// The VM trapped earlier; start a new one.
    #[error("the VM is dead because the module trapped earlier; start a new one")]
    VmDead,
    /// The test called the stream in an order HTTP does not have, for example a body before its headers.
    #[error("out of order: {what}")]
    OutOfOrder {
        /// What was called too early, too late or twice.
        what: &'static str,
    },
    /// `answer_call` named a call that was never made or was answered already.
    #[error("no HTTP call with token {token} waits for an answer")]
    UnknownCall {
        /// The token given by the test.
        token: u32,
    },
    /// The expected file of a script is missing, unreadable or not writable.
    #[error("cannot use {path}: {reason}; UPDATE_GOLDEN=1 writes it")]
    ExpectedUnreadable {
        /// The file.
        path: String,
        /// The operating system's words.
        reason: String,
    },
    /// The outcome differs from what the script expects, already without any split.
    #[error("with {split}: {what} is not as expected: {detail}")]
    Unexpected {
        /// How the bodies were cut.
        split: String,
        /// Which part of the outcome differs.
        what: &'static str,
        /// Both values, cut to the place where they differ.
        detail: String,
    },
    /// The outcome depends on where the bodies were cut.
    #[error("the outcome depends on the split: with {split}, {what} differs from the unsplit run: {detail}")]
    DependsOnSplit {
        /// How the bodies were cut.
        split: String,
        /// Which part of the outcome differs.
        what: &'static str,
        /// Both values, cut to the place where they differ.
        detail: String,
    },
}

fn joined(logs: &[LogLine]) -> String {
    if logs.is_empty() {
        return "nothing".to_owned();
    }
    logs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
}
