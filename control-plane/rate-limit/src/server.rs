//! The network side: gRPC, the pages, and what happens now and then.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use envoy_proto::envoy::service::ratelimit::v3::rate_limit_service_server::RateLimitServiceServer;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::clock::Clock;
use crate::error::Error;
use crate::limiter::Limiter;
use crate::service::Service;
use crate::store::{MemoryStore, StateFile};

/// How long calls may go on after the shutdown signal.
const DRAIN: Duration = Duration::from_secs(5);

/// Calls that one connection of Envoy's may have open: it has one for each worker.
const MAX_STREAMS: u32 = 10_000;

/// Counters that a page shows.
const ON_A_PAGE: usize = 10_000;

/// Pause between two rounds of [`keep`].
const ROUND: Duration = Duration::from_secs(1);

/// Serves the RateLimitService and `grpc.health.v1.Health` on `listener`, without TLS, until `shutdown` completes. Then
/// health says so, no call is accepted any more, and those under way get five seconds.
///
/// # Errors
/// [`Error::Serve`].
pub async fn serve_grpc(
    limiter: Arc<Limiter>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<RateLimitServiceServer<Service>>().await;
    let (stop, mut stopped) = watch::channel(false);
    let server = Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .add_service(health_service)
        .add_service(RateLimitServiceServer::new(Service(limiter)))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), async move {
            // The sender is dropped with this function only.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        });
    let failed = |error: tonic::transport::Error| {
        let cause = std::error::Error::source(&error).map_or(String::new(), |cause| format!(": {cause}"));
        Error::Serve { server: "rate limit", reason: format!("{error}{cause}") }
    };
    let mut server = std::pin::pin!(server);
    tokio::select! {
        ended = &mut server => return ended.map_err(failed),
        () = shutdown => {}
    }
    health.set_not_serving::<RateLimitServiceServer<Service>>().await;
    health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
    stop.send_replace(true);
    match tokio::time::timeout(DRAIN, server).await {
        Ok(ended) => ended.map_err(failed),
        Err(_) => {
            tracing::warn!(target: "weir", "closing connections with calls that did not end in time");
            Ok(())
        }
    }
}

/// Serves pages on `listener` until dropped: `/metrics` for Prometheus, `/counters` as JSON, `/healthz`.
pub async fn serve_pages(limiter: Arc<Limiter>, listener: TcpListener) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Mostly out of file descriptors.
                tracing::warn!(target: "weir", %error, "cannot accept a connection, trying again");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let limiter = limiter.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let limiter = limiter.clone();
                async move { Ok::<_, Infallible>(page(&limiter, &request).await) }
            });
            let builder = auto::Builder::new(TokioExecutor::new());
            if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(target: "weir", %error, "a connection to the pages ended with an error");
            }
        });
    }
}

async fn page<B>(limiter: &Limiter, request: &Request<B>) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    if request.method() != Method::GET {
        return reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET\n".to_owned());
    }
    match request.uri().path() {
        "/healthz" => reply(StatusCode::OK, TEXT, "ok\n".to_owned()),
        "/metrics" => match limiter.metrics() {
            Ok(text) => {
                reply(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", text)
            }
            Err(error) => reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
        },
        "/counters" => match limiter.counters(ON_A_PAGE).await {
            Ok(counters) => {
                reply(StatusCode::OK, "application/json", json!({ "counters": counters }).to_string())
            }
            Err(error) => reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{error}\n")),
        },
        _ => reply(StatusCode::NOT_FOUND, TEXT, "there are /metrics, /counters and /healthz\n".to_owned()),
    }
}

fn reply(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

/// Every second until `shutdown` completes: drops expired counters, and writes the state file if anything changed. Once
/// more at the end: to be awaited after [`serve_grpc`] has returned.
///
/// A file that cannot be written is a message in the log, not the end; the next round tries again.
///
/// # Errors
/// [`Error::State`] if the last writing fails.
pub async fn keep(
    store: Arc<MemoryStore>,
    mut file: Option<StateFile>,
    clock: Arc<dyn Clock>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let mut shutdown = std::pin::pin!(shutdown);
    let mut failing = false;
    loop {
        let last = tokio::select! {
            () = tokio::time::sleep(ROUND) => false,
            () = &mut shutdown => true,
        };
        let (shared, clock) = (store.clone(), clock.clone());
        let round = tokio::task::spawn_blocking(move || {
            shared.sweep(clock.now());
            let written = file.as_mut().map_or(Ok(()), |file| file.write(&shared, clock.now()));
            (file, written)
        });
        let Ok((back, written)) = round.await else {
            return Err(Error::Serve { server: "housekeeping", reason: "its thread ended".to_owned() });
        };
        file = back;
        if last {
            return written;
        }
        if let Err(error) = &written
            && !failing
        {
            tracing::error!(target: "weir", %error, "spent budgets would not survive a restart now");
        }
        failing = written.is_err();
    }
}
