//! `weir ratelimit`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rate_limit::clock::{Clock, SystemClock};
use rate_limit::config::Config;
use rate_limit::store::{MemoryStore, RedisStore, StateFile, Store};
use rate_limit::{Limiter, keep, serve_grpc, serve_pages};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::cli::RateLimitArgs;
use crate::error::Error;
use crate::gateway;
use crate::source::Watch;

/// Serves rate limits until it is told to stop.
pub(super) fn execute(args: &RateLimitArgs) -> Result<ExitCode, Error> {
    let runtime = super::run::runtime()?;
    let ended = runtime.block_on(serve(args));
    // A look at files must not hold up the end.
    runtime.shutdown_background();
    ended.map(|()| ExitCode::SUCCESS)
}

async fn serve(args: &RateLimitArgs) -> Result<(), Error> {
    let stop = gateway::stop_signal()?;
    let watch = Watch::start(std::slice::from_ref(&args.config));
    let config = Config::load(&args.config)?;
    let domains = config.names().join(", ");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (store, memory): (Arc<dyn Store>, _) = match &args.redis {
        Some(address) => {
            (Arc::new(RedisStore::new(address, Duration::from_millis(args.redis_timeout))?), None)
        }
        None => {
            let memory = Arc::new(MemoryStore::new(args.max_counters));
            let state = args.state.as_ref().map(|path| StateFile::open(path, &memory)).transpose()?;
            (memory.clone(), Some((memory, state)))
        }
    };
    let limiter = Arc::new(Limiter::new(config, store, clock.clone()));

    let grpc = bind(args.grpc, "rate limits").await?;
    let address = grpc.local_addr().map_err(Error::system("cannot tell the address"))?;
    if let Some(metrics) = args.metrics {
        tokio::spawn(serve_pages(limiter.clone(), bind(metrics, "metrics").await?));
    }
    tokio::spawn(follow(watch, args.config.clone(), limiter.clone()));
    let (ended, over) = oneshot::channel::<()>();
    let keeper = memory.map(|(memory, state)| {
        tokio::spawn(keep(memory, state, clock, async {
            // Told, or dropped because serving failed: the end in either case.
            over.await.ok();
        }))
    });
    super::print(&format!("rate limits on {address} for {domains}, Ctrl-C stops it\n"))?;
    serve_grpc(limiter, grpc, stop).await?;
    drop(ended);
    if let Some(keeper) = keeper {
        let failed = |error: tokio::task::JoinError| Error::System {
            what: "cannot keep the counters".to_owned(),
            reason: error.to_string(),
        };
        keeper.await.map_err(failed)??;
    }
    Ok(())
}

/// Puts a changed configuration into effect. One that is wrong is told, and the one before stays.
async fn follow(mut watch: Watch, path: PathBuf, limiter: Arc<Limiter>) {
    while watch.changed().await.is_some() {
        let path = path.clone();
        let Ok(loaded) = tokio::task::spawn_blocking(move || Config::load(&path)).await else { return };
        match loaded {
            Ok(config) => {
                tracing::info!(target: "weir", domains = config.names().join(", "), "limits changed");
                limiter.reload(Ok(config));
            }
            Err(error) => {
                tracing::error!(target: "weir", %error, "limits stay as they were");
                limiter.reload(Err(&error));
            }
        }
    }
}

async fn bind(address: SocketAddr, purpose: &str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| Error::listen(address.to_string(), purpose, &error))
}
