//! One file per command.

mod crds;
mod demo_provider;
mod ratelimit;
mod run;
mod translate;
mod validate;
mod version;

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

pub(crate) use self::demo_provider::bind as bind_demo_provider;
pub(crate) use self::validate::summary;
use crate::cli::{Command, LogFormat};
use crate::envoy::leash;
use crate::error::Error;

/// Carries out a command.
///
/// # Errors
/// What keeps it from its work; see [`Error`].
pub(crate) fn execute(command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::Run(args) => {
            log(args.log_format);
            run::execute(&args)
        }
        Command::Validate(args) => validate::execute(&args),
        Command::Translate(args) => translate::execute(&args),
        Command::Crds => crds::execute(),
        Command::Version => version::execute(),
        Command::DemoProvider { listen } => {
            log(LogFormat::Text);
            demo_provider::execute(listen)
        }
        Command::Ratelimit(args) => {
            log(args.log_format);
            ratelimit::execute(&args)
        }
        Command::ExecEnvoy { parent, command } => Err(Error::System {
            what: "cannot become Envoy".to_owned(),
            reason: leash::exec(parent, &command).to_string(),
        }),
    }
}

/// Sends Weir's own messages to standard error. `WEIR_LOG` chooses which, in the syntax of `tracing`'s filters.
fn log(format: LogFormat) {
    use tracing_subscriber::EnvFilter;
    let usual = || EnvFilter::new("warn,weir=info,xds_server=error");
    let filter = EnvFilter::try_from_env("WEIR_LOG").unwrap_or_else(|_| usual());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    match format {
        LogFormat::Text => log.compact().init(),
        LogFormat::Json => log.json().init(),
    }
}

/// Writes to standard output. Whoever stops reading, as `head` does, has seen enough.
///
/// # Errors
/// When it cannot be written for another reason, such as a full disk.
fn print(text: &str) -> Result<(), Error> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::system("cannot write to standard output")(error))
        }
        _ => Ok(()),
    }
}
