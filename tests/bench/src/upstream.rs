//! The provider behind Envoy: one thread that answers every request from memory, so that it is never what
//! is waited for.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use memchr::memmem::Finder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::http1::{MessageReader, RequestHead};
use crate::payloads::{self, Asked, Dialect, Shape};

/// The answers of one provider.
#[derive(Debug)]
struct Answers {
    unary: Vec<u8>,
    /// The stream as it is sent event by event.
    parts: Vec<Vec<u8>>,
    /// The stream in one piece.
    stream: Vec<u8>,
}

impl Answers {
    fn of(provider: Dialect) -> Self {
        let parts = payloads::stream_answer(provider);
        Self { unary: payloads::unary_answer(provider), stream: parts.concat(), parts }
    }
}

#[derive(Debug)]
struct Server {
    /// In the order of [`Dialect::ALL`].
    answers: [Answers; Dialect::ALL.len()],
    count: Vec<u8>,
    wants_stream: Finder<'static>,
}

/// Listens on a port of the loopback interface, 0 for a free one, and serves until the process ends, on a thread
/// of its own. The thread runs on the CPUs of the caller.
///
/// # Errors
/// When the port is taken or no thread can be started.
pub(crate) fn spawn(port: u16) -> anyhow::Result<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime
        .block_on(TcpListener::bind(("127.0.0.1", port)))
        .with_context(|| format!("the upstream cannot listen on port {port}"))?;
    let address = listener.local_addr()?;
    std::thread::Builder::new().name("upstream".to_owned()).spawn(move || {
        // The process outlives no measurement, so nobody waits for this thread.
        runtime.block_on(tokio::task::LocalSet::new().run_until(accept(listener)));
    })?;
    Ok(address)
}

async fn accept(listener: TcpListener) {
    let server: &'static Server = Box::leak(Box::new(Server {
        answers: Dialect::ALL.map(Answers::of),
        count: payloads::count_answer(),
        wants_stream: Finder::new(b"\"stream\":true"),
    }));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::task::spawn_local(async move {
                    // A connection that breaks is an error at the client, which reports it.
                    let _ = server.serve(stream).await;
                });
            }
            Err(error) => {
                eprintln!("weir-bench upstream: cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

impl Server {
    async fn serve(&self, mut connection: TcpStream) -> anyhow::Result<()> {
        connection.set_nodelay(true)?;
        let mut buffer = vec![0; 64 * 1024];
        let mut reader = MessageReader::<RequestHead>::new();
        let mut body = Vec::with_capacity(4096);
        loop {
            let length = connection.read(&mut buffer).await?;
            if length == 0 {
                return Ok(());
            }
            let bytes = buffer.get(..length).unwrap_or_default();
            let Some(head) = reader.feed(bytes, &mut |piece| body.extend_from_slice(piece))? else {
                continue;
            };
            self.answer(&mut connection, &head, &body).await?;
            body.clear();
        }
    }

    async fn answer(
        &self,
        connection: &mut TcpStream,
        head: &RequestHead,
        body: &[u8],
    ) -> anyhow::Result<()> {
        let (dialect, shape) = match Asked::at(&head.path) {
            Some(Asked::Answer(dialect, shape)) => (dialect, shape),
            Some(Asked::Count) => return Ok(connection.write_all(&self.count).await?),
            Some(Asked::Probe) => return Ok(connection.write_all(&payloads::probe_answer(body)).await?),
            None => {
                connection.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await?;
                return Ok(());
            }
        };
        let place = Dialect::ALL.iter().position(|known| *known == dialect).unwrap_or_default();
        let answers = self.answers.get(place).context("bug: a dialect without answers")?;
        let wants_stream =
            shape.map_or_else(|| self.wants_stream.find(body).is_some(), |shape| shape == Shape::Stream);
        if !wants_stream {
            connection.write_all(&answers.unary).await?;
            return Ok(());
        }
        let Some(pace) = head.pace_ms.filter(|pace| *pace > 0).map(Duration::from_millis) else {
            connection.write_all(&answers.stream).await?;
            return Ok(());
        };
        let mut parts = answers.parts.iter();
        if let Some(first) = parts.next() {
            connection.write_all(first).await?;
        }
        let mut clock = interval_at(Instant::now() + pace, pace);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for part in parts {
            clock.tick().await;
            connection.write_all(part).await?;
        }
        Ok(())
    }
}
