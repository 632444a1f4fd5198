//! Streams of any dialect as the gateway reads them: chunks to frames to events.

use std::fs;
use std::path::Path;

use framing::{aws_event_stream, sse};
use llm_dialects::dialect::{Framing, StreamDecoder};
use llm_dialects::hub::StreamEvent;
use llm_dialects::{Dialect, Error};

/// What the files of a dialect's streams end in.
pub fn extension(dialect: Dialect) -> &'static str {
    match dialect.framing() {
        Framing::Sse => "sse",
        Framing::AwsEventStream => "events",
    }
}

/// A stream from its file.
pub fn load(dialect: Dialect, path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    match dialect.framing() {
        Framing::Sse => bytes,
        Framing::AwsEventStream => framed(std::str::from_utf8(&bytes).unwrap()),
    }
}

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

/// Hands the events of a stream, which comes in these chunks, to `sink`. Comments are keep-alives.
///
/// Fails where the dialect's decoder does; frames that are none are a failure of the test.
pub fn read<'a>(
    from: Dialect,
    chunks: impl IntoIterator<Item = &'a [u8]>,
    sink: &mut dyn FnMut(StreamEvent<'_>),
) -> Result<(), Error> {
    let mut decoder = from.stream_decoder();
    let result = match from.framing() {
        Framing::Sse => read_sse(chunks, &mut decoder, sink),
        Framing::AwsEventStream => read_messages(chunks, &mut decoder, sink),
    };
    match result {
        Ok(()) => decoder.finish(sink),
        Err(Failure::Dialect(error)) => Err(error),
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
pub fn framed(lines: &str) -> Vec<u8> {
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

/// The other way round: a stream as text to be read by people. SSE stays as it is; every AWS message must be framed as
/// Bedrock frames it.
pub fn legible(dialect: Dialect, stream: &[u8]) -> String {
    if dialect.framing() == Framing::Sse {
        return String::from_utf8(stream.to_vec()).unwrap();
    }
    let mut lines = String::new();
    let mut frames = aws_event_stream::Decoder::new(aws_event_stream::Limits::default());
    frames
        .feed(stream, |message| {
            assert_eq!(message.content_type(), Some("application/json"));
            let name = match message.message_type() {
                Some("event") => message.event_type(),
                Some("exception") => message.exception_type(),
                other => panic!("{other:?}"),
            };
            let payload = std::str::from_utf8(message.payload).unwrap();
            assert!(serde_json::from_str::<serde_json::Value>(payload).unwrap().is_object());
            lines += &format!("{} {payload}\n", name.unwrap());
            Ok::<(), framing::Error>(())
        })
        .unwrap();
    frames.finish().unwrap();
    lines
}
