//! The network side: connections, protocols and shutdown.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::options::{Error, Options};
use crate::provider::{Clock, Provider};

/// How long open responses may go on after the shutdown signal. Longer than a demo reply takes; a client that reads
/// slower than that is cut off.
const DRAIN: Duration = Duration::from_secs(10);

/// Pause after a failed accept, which mostly means that the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// HTTP/2 streams that one connection may have open. A proxy puts all its requests on one connection, so this is well
/// above hyper's default of 200.
const MAX_H2_STREAMS: u32 = 10_000;

/// Serves the demo provider on `listener`, over HTTP/1.1 and over HTTP/2 without TLS (prior knowledge), until
/// `shutdown` completes; then lets open responses finish for up to ten seconds. Dropping the future closes all
/// connections at once.
///
/// # Errors
/// An [`Error`] when the options cannot work; nothing has been accepted then.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    options.check()?;
    let provider = Arc::new(Provider::new(options, Clock::System));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // HTTP/1 gets no timer: with one, hyper also closes idle keep-alive connections, and a proxy's pool would meet
    // connections that close just as they are reused.
    builder.http2().max_concurrent_streams(MAX_H2_STREAMS);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);

    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%peer, %error, "demo provider: no TCP_NODELAY, events may arrive in bursts");
                    }
                    let provider = Arc::clone(&provider);
                    let service = service_fn(move |request| {
                        let provider = Arc::clone(&provider);
                        async move { Ok::<_, Infallible>(provider.answer(request).await) }
                    });
                    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
                    let connection = graceful.watch(connection);
                    connections.spawn(async move {
                        if let Err(error) = connection.await {
                            tracing::debug!(%peer, %error, "demo provider: connection ended with an error");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "demo provider: cannot accept a connection, trying again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = &mut shutdown => break,
        }
    }

    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            open = connections.len(),
            "demo provider: closing connections that did not finish in time"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};
    use hyper::{Request, StatusCode, Version};
    use std::net::SocketAddr;
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    struct Running {
        address: SocketAddr,
        stop: oneshot::Sender<()>,
        server: JoinHandle<Result<(), Error>>,
    }

    async fn start(options: Options) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, options, async {
            stopped.await.ok();
        }));
        Running { address, stop, server }
    }

    fn streamed(address: SocketAddr) -> Request<Full<Bytes>> {
        let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;
        Request::post(format!("http://{address}/v1/chat/completions"))
            .header("host", address.to_string())
            .header("authorization", "Bearer any")
            .body(Full::new(Bytes::from(body)))
            .unwrap()
    }

    #[tokio::test]
    async fn http1_connections_are_kept() {
        let running = start(crate::client::no_delay()).await;
        let stream = TcpStream::connect(running.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        for _ in 0..3 {
            sender.ready().await.unwrap();
            let response = sender.send_request(streamed(running.address)).await.unwrap();
            assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_11));
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(body.ends_with(b"data: [DONE]\n\n"));
        }
        running.stop.send(()).unwrap();
        assert_eq!(running.server.await.unwrap(), Ok(()));
        connection.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn http2_without_tls_finishes_open_streams_at_shutdown() {
        let options =
            Options { chunk_delay: Duration::from_millis(1), chunks: Some(50), ..Options::default() };
        let running = start(options).await;
        let stream = TcpStream::connect(running.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let first = sender.send_request(streamed(running.address)).await.unwrap();
        let second = sender.send_request(streamed(running.address)).await.unwrap();
        assert_eq!(first.version(), Version::HTTP_2);
        running.stop.send(()).unwrap();
        for response in [first, second] {
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(body.ends_with(b"data: [DONE]\n\n"));
        }
        drop(sender);
        assert_eq!(running.server.await.unwrap(), Ok(()));
        connection.await.unwrap().unwrap();
        assert!(TcpStream::connect(running.address).await.is_err(), "the port is closed");
    }

    #[tokio::test]
    async fn options_that_cannot_work_are_refused_before_serving() {
        let running = start(Options { chunks: Some(0), ..Options::default() }).await;
        assert_eq!(running.server.await.unwrap(), Err(Error::NoChunks));
    }
}
