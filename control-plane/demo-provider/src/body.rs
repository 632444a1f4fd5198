//! Response bodies: whole, or server-sent events released at a pace.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// When an event goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Right after the event before it: the envelope of a reply.
    AtOnce,
    /// After the configured pause: content.
    AfterPause,
}

/// The events of one reply, encoded one after the other into a single buffer.
#[derive(Debug, Default)]
pub(crate) struct Events {
    encoded: Vec<u8>,
    ends: VecDeque<(usize, Pace)>,
}

impl Events {
    /// Adds the event that `write` encodes, its blank line included.
    pub(crate) fn add(&mut self, pace: Pace, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.encoded.len();
        write(&mut self.encoded);
        self.ends.push_back((self.encoded.len() - start, pace));
    }
}

/// The body of a response.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    /// All of it, once.
    Whole(Option<Bytes>),
    /// One data frame per event.
    Stream(Stream),
}

/// Events on their way out.
#[derive(Debug)]
pub(crate) struct Stream {
    encoded: Bytes,
    ends: VecDeque<(usize, Pace)>,
    delay: Duration,
    /// Set while the next event is being held back, and reused for the next pause.
    pause: Option<Pin<Box<Sleep>>>,
    holding: bool,
}

impl ReplyBody {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()))
    }

    /// A stream that waits `delay` before each content event.
    pub(crate) fn stream(events: Events, delay: Duration) -> Self {
        let Events { encoded, ends } = events;
        Self::Stream(Stream { encoded: encoded.into(), ends, delay, pause: None, holding: false })
    }
}

impl Stream {
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(&(length, pace)) = self.ends.front() else {
            return Poll::Ready(None);
        };
        if pace == Pace::AfterPause && !self.delay.is_zero() {
            if !self.holding {
                match &mut self.pause {
                    Some(pause) => pause.as_mut().reset(Instant::now() + self.delay),
                    None => self.pause = Some(Box::pin(tokio::time::sleep(self.delay))),
                }
                self.holding = true;
            }
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
            }
            self.holding = false;
        }
        self.ends.pop_front();
        Poll::Ready(Some(self.encoded.split_to(length)))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.get_mut() {
            Self::Whole(bytes) => bytes.take(),
            Self::Stream(stream) => ready!(stream.poll_event(context)),
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Stream(stream) => stream.ends.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            // A stream has no Content-Length at the providers either.
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn events() -> Events {
        let mut events = Events::default();
        for (text, pace) in [("start", Pace::AtOnce), ("one", Pace::AfterPause), ("two", Pace::AfterPause)] {
            events.add(pace, |out| out.extend_from_slice(text.as_bytes()));
        }
        events
    }

    #[tokio::test(start_paused = true)]
    async fn content_waits_and_the_envelope_does_not() {
        let began = Instant::now();
        let mut body = ReplyBody::stream(events(), Duration::from_millis(15));
        let mut seen = Vec::new();
        while let Some(frame) = body.frame().await {
            seen.push((frame.unwrap().into_data().unwrap(), began.elapsed().as_millis()));
        }
        // Tokio's timer has a resolution of a millisecond.
        assert_eq!(seen[0], (Bytes::from("start"), 0));
        assert_eq!(seen[1].0, "one");
        assert!((15..=17).contains(&seen[1].1), "{seen:?}");
        assert!((30..=34).contains(&seen[2].1), "{seen:?}");
        assert!(body.is_end_stream());
    }

    #[tokio::test]
    async fn without_a_delay_every_event_is_still_its_own_frame() {
        let mut body = ReplyBody::stream(events(), Duration::ZERO);
        let mut frames = 0;
        while let Some(frame) = body.frame().await {
            assert!(!frame.unwrap().into_data().unwrap().is_empty());
            frames += 1;
        }
        assert_eq!(frames, 3);
    }

    #[tokio::test]
    async fn a_whole_body_has_a_length() {
        let body = ReplyBody::whole("four");
        assert_eq!(body.size_hint().exact(), Some(4));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "four");
    }
}
