//! `weir run`

use std::process::ExitCode;

use crate::cli::RunArgs;
use crate::error::Error;
use crate::gateway;

/// Runs the gateway until it is told to stop.
pub(super) fn execute(args: &RunArgs) -> Result<ExitCode, Error> {
    let runtime = runtime()?;
    // On this thread, the main one: it starts Envoy, whose life is tied to the thread's.
    let ended = runtime.block_on(gateway::run(args));
    // A look at files or a blocked terminal must not hold up the end.
    runtime.shutdown_background();
    ended.map(|()| ExitCode::SUCCESS)
}

/// The tokio runtime of the commands that serve.
///
/// # Errors
/// When the system gives no threads.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Error::system("cannot start threads"))
}
