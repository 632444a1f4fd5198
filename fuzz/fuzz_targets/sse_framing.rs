//! The SSE decoder and encoder. The input is the stream itself, so that corpus files are readable event streams.
//!
//! Holds: no panic; the frames do not depend on the split; no more than the limit is buffered; an error is final;
//! what was decoded is the same after encoding and decoding it again.

#![no_main]
#![forbid(unsafe_code)]

use framing::Error;
use framing::sse::{Decoder, Ending, Event, Frame, Limits, write_comment};
use libfuzzer_sys::fuzz_target;

/// Small enough for the fuzzer to exceed by itself, large enough for several lines.
const SMALL: Limits = Limits { event_bytes: 48 };

fuzz_target!(|input: &[u8]| {
    for limits in [SMALL, Limits::default()] {
        let whole = decode(limits, [input]);
        for size in [1, 2, 3, 7, 64] {
            assert_eq!(decode(limits, input.chunks(size)), whole, "chunks of {size}");
        }
        let uneven = decode(limits, uneven_chunks(input));
        assert_eq!(uneven, whole, "uneven chunks");
    }

    let (mut frames, _) = decode(Limits::default(), [input]);
    let mut written = Vec::new();
    for frame in &mut frames {
        // What only the end of input ended is written with its blank line.
        frame.ending = Ending::Complete;
        frame.write(&mut written);
    }
    assert_eq!(decode(Limits { event_bytes: usize::MAX }, [&written[..]]), (frames, Ok(Ending::Complete)));
});

/// A frame that owns its bytes; a comment has neither name, id nor retry.
#[derive(Debug, PartialEq)]
struct Owned {
    comment: bool,
    event: Option<Vec<u8>>,
    data: Vec<u8>,
    id: Option<Vec<u8>>,
    retry: Option<u64>,
    ending: Ending,
}

impl From<Frame<'_>> for Owned {
    fn from(frame: Frame<'_>) -> Self {
        let (comment, event) = match frame {
            Frame::Event(event) => (false, event),
            Frame::Comment(text) => (true, Event { data: text, ..Event::default() }),
        };
        Owned {
            comment,
            event: event.event.map(<[u8]>::to_vec),
            data: event.data.to_vec(),
            id: event.id.map(<[u8]>::to_vec),
            retry: event.retry,
            ending: event.ending,
        }
    }
}

impl Owned {
    fn write(&self, out: &mut Vec<u8>) {
        if self.comment {
            return write_comment(out, &self.data);
        }
        let (event, id) = (self.event.as_deref(), self.id.as_deref());
        let event = Event { event, data: &self.data, id, retry: self.retry, ending: self.ending };
        event.write(out).expect("a decoded event has no line breaks in its fields");
    }
}

fn decode<'a>(
    limits: Limits,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Owned>, Result<Ending, Error>) {
    let mut decoder = Decoder::new(limits);
    let mut frames = Vec::new();
    for chunk in chunks {
        let result = decoder.feed(chunk, |frame| {
            frames.push(frame.into());
            Ok::<(), Error>(())
        });
        assert!(decoder.buffered() <= limits.event_bytes);
        if let Err(error) = result {
            assert_eq!(decoder.feed(b"data: late\n\n", |_| Ok::<(), Error>(())), Err(error));
            return (frames, Err(error));
        }
    }
    let ended = decoder.finish(|frame| {
        frames.push(frame.into());
        Ok::<(), Error>(())
    });
    (frames, ended)
}

/// Splits where the input itself says: each chunk is as long as its first byte's low bits, empty ones included.
fn uneven_chunks(input: &[u8]) -> Vec<&[u8]> {
    let mut chunks = Vec::new();
    let mut rest = input;
    while let Some(&first) = rest.first() {
        chunks.push(&rest[..0]);
        let (chunk, after) = rest.split_at(usize::from(first % 16 + 1).min(rest.len()));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}
