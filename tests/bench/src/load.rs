//! The load: a fixed number of kept-alive connections, each of which sends its next request when the answer
//! to the last one is complete (a closed loop).

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::http1::{MessageReader, ResponseHead};
use crate::payloads;

/// What to send, how, and for how long.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// Envoy's listener.
    pub(crate) address: SocketAddr,
    /// Head and body of the request.
    pub(crate) request: Rc<[u8]>,
    /// With what the body of a complete answer ends.
    pub(crate) ending: Rc<[u8]>,
    /// Connections.
    pub(crate) connections: u32,
    /// Time before anything is counted.
    pub(crate) warmup: Duration,
    /// Time in which everything is counted.
    pub(crate) duration: Duration,
    /// The connections begin evenly spread over this time. Without it, paced answers stay in step and
    /// queue up behind each other.
    pub(crate) spread: Duration,
    /// The time between the chunks of a paced stream of OpenAI chat, whose arrival is looked at one by one; `None`: it
    /// is not.
    pub(crate) chunks_apart: Option<Duration>,
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Complete answers.
    pub(crate) answers: u64,
    /// Answers with which Envoy ended the connection, so that the next request had to open another.
    pub(crate) closed: u64,
    /// Length of the time they were counted in.
    pub(crate) elapsed: Duration,
    /// Nanoseconds from sending a request to the last byte of its answer.
    pub(crate) latency: Histogram<u64>,
    /// Nanoseconds from sending a request to the first byte of its answer's body.
    pub(crate) first_byte: Histogram<u64>,
    /// Nanoseconds from when a chunk of text was due at the provider, counted from sending the request, to when all of
    /// it had come. Empty unless asked for.
    pub(crate) chunk: Histogram<u64>,
}

struct Shared {
    load: Load,
    counting: Cell<bool>,
    seen: RefCell<Seen>,
    failure: RefCell<Option<anyhow::Error>>,
}

/// One request on a connection of its own: the body of the answer.
///
/// # Errors
/// When there is no complete answer with status 200.
pub(crate) async fn fetch(address: SocketAddr, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    let mut connection = Connection::open(address).await?;
    let ResponseHead { status, .. } =
        connection.exchange(request, &mut |piece| body.extend_from_slice(piece)).await?;
    ensure!(status == 200, "status {status}: {}", String::from_utf8_lossy(&body));
    Ok(body)
}

/// Runs the load to its end. `mark` is called when counting begins and when it ends. To be called in a
/// [`tokio::task::LocalSet`].
///
/// # Errors
/// The first answer that is not complete or has another status than 200: a case with errors has no result.
pub(crate) async fn run(load: Load, mut mark: impl FnMut()) -> anyhow::Result<Seen> {
    let histogram = || Histogram::new_with_bounds(1_000, 120_000_000_000, 3);
    let seen = Seen {
        answers: 0,
        closed: 0,
        elapsed: Duration::ZERO,
        latency: histogram()?,
        first_byte: histogram()?,
        chunk: histogram()?,
    };
    let shared = Rc::new(Shared {
        counting: Cell::new(false),
        seen: RefCell::new(seen),
        failure: RefCell::new(None),
        load,
    });
    let mut connections = tokio::task::JoinSet::new();
    for number in 0..shared.load.connections {
        let shared = Rc::clone(&shared);
        connections.spawn_local(async move {
            tokio::time::sleep(shared.load.spread * number / shared.load.connections).await;
            let Err(error) = drive(&shared).await;
            shared.failure.borrow_mut().get_or_insert(error);
        });
    }
    let mut elapsed = Duration::ZERO;
    let counting = async {
        tokio::time::sleep(shared.load.spread + shared.load.warmup).await;
        mark();
        let start = Instant::now();
        shared.counting.set(true);
        tokio::time::sleep(shared.load.duration).await;
        shared.counting.set(false);
        elapsed = start.elapsed();
        mark();
    };
    tokio::select! {
        () = counting => {}
        // A connection ends only when it fails.
        _ = connections.join_next() => {}
    }
    connections.shutdown().await;
    if let Some(error) = shared.failure.borrow_mut().take() {
        return Err(error);
    }
    let shared = Rc::into_inner(shared).context("bug: a connection outlives its measurement")?;
    let mut seen = shared.seen.into_inner();
    seen.elapsed = elapsed;
    ensure!(seen.answers > 0, "no answer within {elapsed:?}");
    Ok(seen)
}

/// Sends request after request on one connection, until dropped.
async fn drive(shared: &Shared) -> anyhow::Result<std::convert::Infallible> {
    let load = &shared.load;
    let mut connection = Connection::open(load.address).await?;
    let mut tail = Vec::with_capacity(2 * load.ending.len());
    loop {
        tail.clear();
        let mut first = None;
        let mut arrivals = Arrivals::default();
        let start = Instant::now();
        let head = connection
            .exchange(&load.request, &mut |piece| {
                first.get_or_insert_with(Instant::now);
                keep_tail(&mut tail, piece, load.ending.len());
                if load.chunks_apart.is_some() {
                    arrivals.add(piece);
                }
            })
            .await?;
        let end = Instant::now();
        ensure!(head.status == 200, "status {}", head.status);
        ensure!(tail == *load.ending, "the answer ends with {:?}", String::from_utf8_lossy(&tail));
        if shared.counting.get() {
            let mut seen = shared.seen.borrow_mut();
            seen.answers += 1;
            seen.latency.saturating_record(nanoseconds(end - start));
            seen.first_byte.saturating_record(nanoseconds(first.unwrap_or(end) - start));
            seen.closed += u64::from(head.close);
            if let Some(apart) = load.chunks_apart {
                for delay in arrivals.chunk_delays(start, apart)? {
                    seen.chunk.saturating_record(nanoseconds(delay));
                }
            }
        }
        if head.close {
            connection = Connection::open(load.address).await?;
        }
    }
}

/// The body of an answer, and when its pieces came.
#[derive(Debug, Default)]
struct Arrivals {
    body: Vec<u8>,
    /// Bytes that had come, and when.
    pieces: Vec<(usize, Instant)>,
}

impl Arrivals {
    fn add(&mut self, piece: &[u8]) {
        self.body.extend_from_slice(piece);
        self.pieces.push((self.body.len(), Instant::now()));
    }

    /// How long after it was due each chunk of text had come: the first `apart` after `start`, the next `apart` later,
    /// and so on.
    ///
    /// # Errors
    /// When text is missing.
    fn chunk_delays(&self, start: Instant, apart: Duration) -> anyhow::Result<Vec<Duration>> {
        let ends = payloads::chunk_ends(&self.body)?;
        let mut due = start;
        let delays = ends.into_iter().map(|end| {
            due += apart;
            let piece = self.pieces.get(self.pieces.partition_point(|(length, _)| *length < end));
            piece.map_or(Duration::ZERO, |(_, when)| when.saturating_duration_since(due))
        });
        Ok(delays.collect())
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Keeps the last `length` bytes of what is shown piece by piece.
fn keep_tail(tail: &mut Vec<u8>, piece: &[u8], length: usize) {
    let piece = piece.get(piece.len().saturating_sub(length)..).unwrap_or_default();
    let excess = (tail.len() + piece.len()).saturating_sub(length);
    tail.drain(..excess.min(tail.len()));
    tail.extend_from_slice(piece);
}

/// A kept-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    reader: MessageReader<ResponseHead>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream =
            TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, reader: MessageReader::new(), buffer: vec![0; 32 * 1024] })
    }

    /// Sends a request and reads the answer to its end: its head. The body goes to `body`, piece by piece.
    ///
    /// # Errors
    /// When the connection breaks or what comes is no answer.
    pub(crate) async fn exchange(
        &mut self,
        request: &[u8],
        body: &mut impl FnMut(&[u8]),
    ) -> anyhow::Result<ResponseHead> {
        self.stream.write_all(request).await.context("cannot send a request")?;
        loop {
            let length = self.stream.read(&mut self.buffer).await.context("cannot read an answer")?;
            if length == 0 {
                bail!("the connection was closed before the answer was complete");
            }
            let bytes = self.buffer.get(..length).unwrap_or_default();
            if let Some(head) = self.reader.feed(bytes, body)? {
                return Ok(head);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payloads::{Conversation, Dialect, Shape};

    #[test]
    fn the_tail_is_the_same_for_every_split() {
        let text = b"data: [DONE]\n\n and what comes before it";
        for first in 0..text.len() {
            for second in first..text.len() {
                let mut tail = Vec::new();
                for piece in [&text[..first], &text[first..second], &text[second..]] {
                    keep_tail(&mut tail, piece, 9);
                }
                assert_eq!(tail, b"before it");
            }
        }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, future)
    }

    /// Load straight at the upstream, without Envoy: what was seen, and how often counting began or ended.
    fn run_direct(request: Vec<u8>, ending: &[u8], seconds: f64) -> anyhow::Result<(Seen, u32)> {
        let load = Load {
            address: crate::upstream::spawn(0)?,
            request: request.into(),
            ending: ending.into(),
            connections: 4,
            warmup: Duration::ZERO,
            duration: Duration::from_secs_f64(seconds),
            spread: Duration::from_millis(2),
            chunks_apart: None,
        };
        let mut marks = 0;
        let seen = block_on(run(load, || marks += 1))?;
        Ok((seen, marks))
    }

    fn request(dialect: Dialect, shape: Shape, pace: Option<Duration>) -> Vec<u8> {
        payloads::request(dialect, dialect, &Conversation::short(), shape, pace)
    }

    #[test]
    fn counts_complete_answers() {
        for (shape, ending) in [(Shape::Unary, "}"), (Shape::Stream, "{\"type\":\"message_stop\"}\n\n")] {
            let request = request(Dialect::Anthropic, shape, None);
            let (seen, marks) = run_direct(request, ending.as_bytes(), 0.5).unwrap();
            assert_eq!(marks, 2);
            assert_eq!((seen.latency.len(), seen.first_byte.len()), (seen.answers, seen.answers));
            assert!(seen.first_byte.max() <= seen.latency.max());
        }
    }

    #[test]
    fn chunks_are_late_by_what_holds_them_back() {
        let message = payloads::stream_answer(Dialect::Chat).concat();
        let mut arrivals = Arrivals::default();
        MessageReader::<ResponseHead>::new()
            .feed(&message, &mut |piece| arrivals.body.extend_from_slice(piece))
            .unwrap();
        let (start, apart) = (Instant::now(), Duration::from_millis(5));
        let ends = payloads::chunk_ends(&arrivals.body).unwrap();
        let count = u32::try_from(ends.len()).unwrap();
        arrivals.pieces = (1..).zip(&ends).map(|(n, end)| (*end, start + apart * n)).collect();
        assert!(arrivals.chunk_delays(start, apart).unwrap().iter().all(Duration::is_zero));
        // All at once, with the last chunk.
        arrivals.pieces = vec![(arrivals.body.len(), start + apart * count)];
        let delays = arrivals.chunk_delays(start, apart).unwrap();
        assert_eq!((delays[0], delays[49]), (apart * (count - 1), Duration::ZERO));
    }

    #[test]
    fn a_paced_answer_says_the_same() {
        let address = crate::upstream::spawn(0).unwrap();
        for client in Dialect::ALL {
            let request = request(client, Shape::Stream, Some(Duration::from_millis(1)));
            let body = block_on(fetch(address, &request)).unwrap();
            payloads::check_answer(client, Shape::Stream, &body).unwrap();
        }
    }

    #[test]
    fn a_wrong_ending_or_status_ends_the_case_at_once() {
        let request = request(Dialect::Chat, Shape::Stream, None);
        let error = run_direct(request, b"message_stop", 600.0).unwrap_err();
        assert!(error.to_string().contains("the answer ends with"), "{error}");
        let error = run_direct(b"GET /nothing HTTP/1.1\r\n\r\n".to_vec(), b"}", 600.0).unwrap_err();
        assert_eq!(error.to_string(), "status 404");
    }
}
