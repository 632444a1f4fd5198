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
}
