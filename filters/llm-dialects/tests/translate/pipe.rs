//! A provider's stream on its way to the client, as the gateway moves it: frames to events to frames. What goes wrong
//! is told in the stream.

use framing::{aws_event_stream, sse};
use llm_dialects::dialect::{Framing, StreamDecoder};
use llm_dialects::hub::StreamEvent;
use llm_dialects::{Dialect, Error};

use crate::{NOW, model_of};

#[derive(Debug)]
enum Failure {
    Framing(framing::Error),
    Dialect(Error),
}

impl From<framing::Error> for Failure {
    fn from(error: framing::Error) -> Self {
        Self::Framing(error)
    }
}

/// A stream of `from` as a client of `to` gets it, fed in these chunks.
pub(crate) fn stream<'a>(from: Dialect, to: Dialect, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = to.stream_encoder(NOW, true);
    events(from, chunks, &mut |event| match event {
        // Bedrock does not name the model that answers, so the gateway does.
        StreamEvent::Start { id, model, created } if model.is_empty() => {
            let (id, model) = (id.clone(), model_of(from).into());
            encoder.event(&StreamEvent::Start { id, model, created: *created }, &mut out);
        }
        event => encoder.event(event, &mut out),
    });
    out
}

/// The events of a stream of `from`, up to the one that ends it.
pub(crate) fn events<'a>(
    from: Dialect,
    chunks: impl IntoIterator<Item = &'a [u8]>,
    sink: &mut dyn FnMut(&StreamEvent<'_>),
) {
    let mut over = false;
    let mut sink = |event: StreamEvent<'_>| {
        if !over {
            over = matches!(event, StreamEvent::End | StreamEvent::Error(_));
            sink(&event);
        }
    };
    let mut decoder = from.stream_decoder();
    let result = match from.framing() {
        Framing::Sse => read_sse(chunks, &mut decoder, &mut sink),
        Framing::AwsEventStream => read_messages(chunks, &mut decoder, &mut sink),
    };
    match result.and_then(|()| decoder.finish(&mut sink).map_err(Failure::Dialect)) {
        Ok(()) => {}
        Err(Failure::Dialect(error)) => sink(StreamEvent::Error(error.to_api_error())),
        Err(Failure::Framing(error)) => panic!("{error}"),
    }
}

fn read_sse<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    decoder: &mut StreamDecoder,
    sink: &mut dyn FnMut(StreamEvent<'_>),
) -> Result<(), Failure> {
    let mut frames = sse::Decoder::new(sse::Limits::default());
    let mut read = |frame: sse::Frame<'_>| match frame {
        sse::Frame::Event(event) => decoder.event(event.event, event.data, sink).map_err(Failure::Dialect),
        sse::Frame::Comment(_) => {
            sink(StreamEvent::Ping);
            Ok(())
        }
    };
    chunks.into_iter().try_for_each(|chunk| frames.feed(chunk, &mut read))?;
    frames.finish(&mut read).map(drop)
}

fn read_messages<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    decoder: &mut StreamDecoder,
    sink: &mut dyn FnMut(StreamEvent<'_>),
) -> Result<(), Failure> {
    let mut frames = aws_event_stream::Decoder::new(aws_event_stream::Limits::default());
    for chunk in chunks {
        frames.feed(chunk, |message| {
            let name = message.name().map(str::as_bytes);
            decoder.event(name, message.payload, sink).map_err(Failure::Dialect)
        })?;
    }
    Ok(frames.finish()?)
}

/// AWS event stream messages from lines of text: the message's name, a space, its payload.
pub(crate) fn framed(lines: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines.lines().filter(|line| !line.is_empty()) {
        let (name, payload) = line.split_once(' ').unwrap();
        let (kind, header) = if name.ends_with("Exception") {
            ("exception", ":exception-type")
        } else {
            ("event", ":event-type")
        };
        let headers = [(header, name), (":content-type", "application/json"), (":message-type", kind)]
            .map(|(header, value)| (header, aws_event_stream::Value::Str(value)));
        aws_event_stream::encode(&mut bytes, &headers, payload.as_bytes()).unwrap();
    }
    bytes
}

/// The other way round: a stream as text to be read by people. SSE stays as it is.
pub(crate) fn legible(dialect: Dialect, stream: &[u8]) -> String {
    if dialect.framing() == Framing::Sse {
        return String::from_utf8(stream.to_vec()).unwrap();
    }
    let mut lines = String::new();
    let mut frames = aws_event_stream::Decoder::new(aws_event_stream::Limits::default());
    frames
        .feed(stream, |message| {
            lines += &format!("{} {}\n", message.name().unwrap(), String::from_utf8_lossy(message.payload));
            Ok::<(), framing::Error>(())
        })
        .unwrap();
    frames.finish().unwrap();
    lines
}
