//! `weir run`: files, Envoy, and the xDS server between them.

mod announce;
mod control;
mod grace;
mod notices;
mod tokens;

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use translate::Settings;
use translate::bootstrap::{self, AdminAddress};
use xds_server::{UnixSocket, XdsServer};

use self::control::Control;
use self::notices::Notices;
use crate::cli::RunArgs;
use crate::commands;
use crate::configuration::Configuration;
use crate::console::Console;
use crate::envoy::{self, Launch};
use crate::error::Error;
use crate::source::{Sources, Watch};
use crate::{ports, request_log};

/// Name of the Envoy in its bootstrap.
const NODE: &str = "weir";

/// Runs the gateway until a signal says stop. Call it on the main thread.
///
/// # Errors
/// What keeps it from starting, or a server of its own that fails.
pub(crate) async fn run(args: &RunArgs) -> Result<(), Error> {
    let began = Instant::now();
    let stop = stop_signal()?;
    let mut settings = Settings::new(envoy::find_filters(&args.filter)?);
    settings.bind_address = args.filter.bind.to_string();
    let envoy = envoy::find(args.envoy.as_deref(), args.filter.runtime)?;
    tracing::debug!("Envoy {} at {}", envoy.version, envoy.binary.display());

    let mut sources = Sources::open(&args.source)?;
    let watch = Watch::start(&args.source.paths());
    let configuration = Configuration::load(&mut sources, &settings);
    for port in ports::of(&configuration.translation) {
        if let Some(error) = port.taken() {
            return Err(Error::listen(port.address.to_string(), port.gateway.to_string(), &error));
        }
    }
    let demo = match args.demo_provider {
        Some(address) => Some(commands::bind_demo_provider(address).await?),
        None => None,
    };

    let directory = private_directory(std::env::var_os("XDG_RUNTIME_DIR").as_deref())?;
    let admin = admin_address(args.admin, directory.path()).await?;
    let socket = UnixSocket::bind(directory.path().join("ads.sock"))?;
    let config = directory.path().join("bootstrap.yaml");
    std::fs::write(&config, bootstrap::discovery(NODE, socket.path(), &admin)?)
        .map_err(Error::system(format!("cannot write {}", config.display())))?;

    let (console, writer) = Console::start()?;
    let server = XdsServer::new();
    let (stop_serving, serving_stopped) = oneshot::channel::<()>();
    let serving = server.clone();
    let mut served = tokio::spawn(async move {
        // Also ends when this function returns early and drops the sender.
        serving.serve_unix(socket, async { drop(serving_stopped.await) }).await
    });
    let (stop_demo, demo_stopped) = oneshot::channel::<()>();
    let demo = demo.map(|listener| tokio::spawn(serve_demo(listener, demo_stopped)));

    let notices = Notices::new(console.clone(), args.log_format);
    let control = Control::new(began, server, notices, settings, sources, configuration);
    let control = tokio::spawn(control.run(watch));

    let launch = Launch { binary: envoy.binary, config, concurrency: args.concurrency };
    let format = args.log_format;
    let requests = console.clone();
    let mut failed = None;
    let until = async {
        tokio::select! {
            () = stop => {}
            ended = &mut served => failed = Some(ended),
        }
    };
    envoy::supervise(&launch, move |raw| requests.say(request_log::line(raw, format)), until).await;

    control.abort();
    // Receivers that are gone have ended already.
    let _ = stop_demo.send(());
    let _ = stop_serving.send(());
    let ended = match failed {
        Some(ended) => ended,
        None => served.await,
    };
    if let Some(demo) = demo {
        demo.abort();
    }
    console.finish(&writer);
    match ended {
        Ok(result) => result.map_err(Error::from),
        Err(error) => {
            Err(Error::System { what: "the xDS server failed".to_owned(), reason: error.to_string() })
        }
    }
}

/// Completes at the first SIGINT, SIGTERM or SIGHUP from now on.
///
/// # Errors
/// When the system does not let signals be handled.
pub(crate) fn stop_signal() -> Result<impl Future<Output = ()>, Error> {
    let listen = |kind| signal(kind).map_err(Error::system("cannot listen for signals"));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}

async fn serve_demo(listener: TcpListener, stopped: oneshot::Receiver<()>) {
    let serving =
        demo_provider::serve(listener, demo_provider::Options::default(), async { drop(stopped.await) });
    if let Err(error) = serving.await {
        tracing::error!(%error, "the demo provider ended");
    }
}

/// A folder no other user can enter, gone with the value: sockets and bootstrap live there. `runtime` is the user's own
/// folder in memory, if it is named: the value of `XDG_RUNTIME_DIR`.
fn private_directory(runtime: Option<&OsStr>) -> Result<TempDir, Error> {
    let create = |folder: &Path| {
        tempfile::Builder::new()
            .prefix("weir-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir_in(folder)
    };
    // XDG Base Directory Specification: a value that is empty counts as none, and one that is not absolute is ignored.
    let runtime = runtime.map(Path::new).filter(|folder| folder.is_absolute());
    // The folder may be named but not be there, after `su` for example.
    match runtime.and_then(|folder| create(folder).ok()) {
        Some(directory) => Ok(directory),
        None => {
            let folder = std::env::temp_dir();
            create(&folder).map_err(Error::system(format!("cannot create a folder in {}", folder.display())))
        }
    }
}

/// Where Envoy's admin interface goes: a port that is free, or a socket in `directory`.
async fn admin_address(port: Option<u16>, directory: &Path) -> Result<AdminAddress, Error> {
    let Some(port) = port else { return Ok(AdminAddress::Socket(directory.join("admin.sock"))) };
    match TcpListener::bind(("127.0.0.1", port)).await {
        Ok(_) => Ok(AdminAddress::Loopback(port)),
        Err(error) => Err(Error::listen(format!("127.0.0.1:{port}"), "Envoy's admin interface", &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_private_directory_is_in_the_users_own_folder_only_if_that_can_be() {
        let own = tempfile::tempdir().unwrap();
        let missing = own.path().join("missing");
        let temporary = std::env::temp_dir();
        for (runtime, parent) in [
            (Some(own.path().as_os_str()), own.path()),
            (Some(missing.as_os_str()), temporary.as_path()),
            (Some(OsStr::new("")), temporary.as_path()),
            (Some(OsStr::new("src")), temporary.as_path()),
            (None, temporary.as_path()),
        ] {
            let directory = private_directory(runtime).unwrap();
            assert_eq!(directory.path().parent(), Some(parent), "{runtime:?}");
            let mode = std::fs::metadata(directory.path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
    }
}
