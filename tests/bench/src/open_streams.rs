//! Many streams open at once: what each of them costs Envoy in memory.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::arguments::Run;
use crate::case::{Case, Kind, Variant};
use crate::envoy::Envoy;
use crate::load::{self, Connection};
use crate::payloads::Dialect;

/// Streams of one kind, all open at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenStreams {
    /// Of OpenAI chat, passing through.
    Pass,
    /// From OpenAI chat to Anthropic.
    Translated,
}

/// Time between the events of an open stream: 50 of them take longer than opening all streams.
const PACE: Duration = Duration::from_millis(150);
/// Time in which the streams are opened, one after the other.
const OPENING: Duration = Duration::from_millis(1500);
/// Streams one after the other before memory is looked at, so that what is made once is there.
const FIRST_STREAMS: u32 = 20;
/// Time in which Envoy gives memory it does not use back to the kernel ([`crate::bootstrap::Options::release_memory`]).
const RELEASE: Duration = Duration::from_millis(1500);
/// Time between looks at memory.
const LOOK: Duration = Duration::from_millis(100);

impl OpenStreams {
    /// All of them, in the order of the report.
    pub(crate) const ALL: [Self; 2] = [Self::Pass, Self::Translated];

    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pass => "open-streams-pass",
            Self::Translated => "open-streams-translated",
        }
    }

    /// The case whose streams these are.
    pub(crate) fn case(self) -> Case {
        let provider = match self {
            Self::Pass => Dialect::Chat,
            Self::Translated => Dialect::Anthropic,
        };
        Case::new(Kind::Paced, Dialect::Chat, provider)
    }
}

/// Resident memory of one Envoy in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// Once it has served a few streams, before the many.
    pub(crate) before: u64,
    /// At most, while all streams were open.
    pub(crate) during: u64,
    /// When all of them had ended.
    pub(crate) after: u64,
    /// How many there were.
    pub(crate) streams: u32,
}

impl Held {
    /// Bytes each stream added.
    #[expect(clippy::cast_precision_loss, reason = "memory sizes are below 2^52")]
    pub(crate) fn per_stream(&self) -> f64 {
        self.during.saturating_sub(self.before) as f64 / f64::from(self.streams)
    }
}

/// Opens the streams through a fresh Envoy and looks at its memory. To be called in a [`tokio::task::LocalSet`].
///
/// # Errors
/// When a stream is not complete, or the first ends before the last has begun: then they were never open at once.
pub(crate) async fn measure(
    run: &Run,
    streams: OpenStreams,
    variant: Variant,
    envoy: &Envoy,
) -> anyhow::Result<Held> {
    let case = streams.case();
    // A pace of nothing: all events at once.
    let quick = case.request(variant, Duration::ZERO);
    for _ in 0..FIRST_STREAMS {
        let body = load::fetch(envoy.address, &quick).await?;
        case.check(variant, &body)?;
    }
    tokio::time::sleep(RELEASE).await;
    let before = envoy.resident()?;
    let request: Rc<[u8]> = case.request(variant, PACE).into();
    let during = open(
        envoy.address,
        &request,
        run.open_streams,
        |body| case.check(variant, body),
        || envoy.resident(),
    )
    .await?;
    tokio::time::sleep(RELEASE).await;
    Ok(Held { before, during, after: envoy.resident()?, streams: run.open_streams })
}

/// The greatest number `look` gives while all streams are open; returns when all have ended.
async fn open(
    address: SocketAddr,
    request: &Rc<[u8]>,
    count: u32,
    check: impl Fn(&[u8]) -> anyhow::Result<()>,
    look: impl Fn() -> anyhow::Result<u64>,
) -> anyhow::Result<u64> {
    let (begun, ended) = (Rc::new(Cell::new(0_u32)), Rc::new(Cell::new(0_u32)));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..count {
        let (request, begun, ended) = (Rc::clone(request), Rc::clone(&begun), Rc::clone(&ended));
        tasks.spawn_local(async move {
            tokio::time::sleep(OPENING * number / count).await;
            let mut connection = Connection::open(address).await?;
            let mut body = Vec::new();
            let head = connection
                .exchange(&request, &mut |piece| {
                    if body.is_empty() {
                        begun.set(begun.get() + 1);
                    }
                    body.extend_from_slice(piece);
                })
                .await?;
            ended.set(ended.get() + 1);
            ensure!(head.status == 200, "status {}: {}", head.status, String::from_utf8_lossy(&body));
            Ok(body)
        });
    }
    let mut greatest = None;
    let mut clock = tokio::time::interval(LOOK);
    let mut done = 0;
    while done < count {
        tokio::select! {
            Some(body) = tasks.join_next() => {
                check(&body??)?;
                done += 1;
            }
            _ = clock.tick() => if begun.get() == count && ended.get() == 0 {
                greatest = greatest.max(Some(look()?));
            },
        }
    }
    greatest.context("the first streams had ended before the last began: the machine is too slow or too busy")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payloads::{self, Conversation, Shape};

    fn look_at(pace: u64, look: impl Fn() -> anyhow::Result<u64>) -> anyhow::Result<u64> {
        let address = crate::upstream::spawn(0)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let chat = Dialect::Chat;
        let pace = Some(Duration::from_millis(pace));
        let request = payloads::request(chat, chat, &Conversation::short(), Shape::Stream, pace).into();
        let check = |body: &[u8]| payloads::check_answer(chat, Shape::Stream, body);
        tokio::task::LocalSet::new().block_on(&runtime, open(address, &request, 5, check, look))
    }

    #[test]
    fn memory_is_looked_at_while_all_are_open() {
        let looks = Cell::new(0);
        let greatest = look_at(60, || {
            looks.set(looks.get() + 1);
            Ok(if looks.get() == 1 { 7 } else { 3 })
        });
        assert_eq!(greatest.unwrap(), 7);
    }

    #[test]
    fn streams_that_were_never_open_at_once_are_no_measurement() {
        let error = look_at(1, || Ok(0)).unwrap_err();
        assert!(error.to_string().contains("too busy"), "{error}");
    }

    #[test]
    fn growth_is_shared_by_the_streams() {
        let held = Held { before: 1 << 20, during: 3 << 20, after: 2 << 20, streams: 512 };
        assert!((held.per_stream() - 4096.0).abs() < 1e-9);
    }
}
