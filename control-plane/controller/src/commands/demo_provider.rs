//! `weir demo-provider`

use std::net::SocketAddr;
use std::process::ExitCode;

use demo_provider::Options;
use tokio::net::TcpListener;

use crate::error::Error;
use crate::gateway;

/// Serves the demo provider until it is told to stop.
pub(super) fn execute(listen: SocketAddr) -> Result<ExitCode, Error> {
    super::run::runtime()?.block_on(async {
        let stop = gateway::stop_signal()?;
        let listener = bind(listen).await?;
        super::print(&format!("demo provider on http://{listen}, Ctrl-C stops it\n"))?;
        demo_provider::serve(listener, Options::default(), stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Listens for the demo provider.
///
/// # Errors
/// [`Error::PortInUse`], [`Error::Listen`].
pub(crate) async fn bind(listen: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(listen)
        .await
        .map_err(|error| Error::listen(listen.to_string(), "demo provider", &error))
}
