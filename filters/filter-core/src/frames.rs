//! Streams as the events of a dialect, whatever frames them.

use framing::{aws_event_stream, sse};
use llm_dialects::dialect::Framing;

/// A decoder for one stream.
#[derive(Debug)]
pub(crate) enum Frames {
    Sse(sse::Decoder),
    Aws(aws_event_stream::Decoder),
}

/// One event of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event<'a> {
    /// An SSE event, or an AWS event stream message under its event or exception type.
    Data { name: Option<&'a [u8]>, data: &'a [u8] },
    /// A comment.
    KeepAlive,
}

impl Frames {
    pub(crate) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Sse => Self::Sse(sse::Decoder::new(sse::Limits::default())),
            Framing::AwsEventStream => {
                Self::Aws(aws_event_stream::Decoder::new(aws_event_stream::Limits::default()))
            }
        }
    }

    /// Decodes the next bytes, `end` with the last ones.
    pub(crate) fn feed<E: From<framing::Error>>(
        &mut self,
        bytes: &[u8],
        end: bool,
        mut sink: impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Sse(decoder) => {
                let mut read = |frame: sse::Frame<'_>| match frame {
                    sse::Frame::Event(event) => sink(Event::Data { name: event.event, data: event.data }),
                    sse::Frame::Comment(_) => sink(Event::KeepAlive),
                };
                decoder.feed(bytes, &mut read)?;
                if end { decoder.finish(&mut read).map(drop) } else { Ok(()) }
            }
            Self::Aws(decoder) => {
                decoder.feed(bytes, |message: aws_event_stream::Message<'_>| {
                    sink(Event::Data { name: message.name().map(str::as_bytes), data: message.payload })
                })?;
                if end { decoder.finish().map_err(E::from) } else { Ok(()) }
            }
        }
    }

    /// How many of the next bytes to feed so that they end one event at most: none only if there are none. `begun` is what
    /// has come of that event. Bytes that are no stream of this kind are fed somehow.
    pub(crate) fn step(&self, begun: &[u8], bytes: &[u8]) -> usize {
        match self {
            // A line, with its blank line if it is the last one of an event.
            Self::Sse(_) => memchr::memchr2(b'\r', b'\n', bytes).map_or(bytes.len(), |at| {
                let blank = matches!(bytes.get(at + 1), Some(b'\r' | b'\n'));
                at + 1 + usize::from(blank)
            }),
            // A message begins with its length.
            Self::Aws(_) => {
                let mut next = begun.iter().chain(bytes).copied();
                let (Some(a), Some(b), Some(c), Some(d)) =
                    (next.next(), next.next(), next.next(), next.next())
                else {
                    return bytes.len();
                };
                let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
                length.saturating_sub(begun.len()).max(1).min(bytes.len())
            }
        }
    }

    /// How many of the last bytes are the beginning of an event.
    pub(crate) fn unfinished(&self) -> usize {
        match self {
            Self::Sse(decoder) => decoder.buffered(),
            Self::Aws(decoder) => decoder.buffered(),
        }
    }
}
