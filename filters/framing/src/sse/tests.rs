//! Tests of decoder and encoder together, and what they share: frames that own their bytes, and the chunking matrix.

mod properties;
mod table;

use super::{Decoder, Ending, Frame, Limits};
use crate::Error;

/// A [`Frame`] that outlives the sink.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owned {
    Event { event: Option<Vec<u8>>, data: Vec<u8>, id: Option<Vec<u8>>, retry: Option<u64>, ending: Ending },
    Comment(Vec<u8>),
}

impl From<Frame<'_>> for Owned {
    fn from(frame: Frame<'_>) -> Self {
        match frame {
            Frame::Event(event) => Owned::Event {
                event: event.event.map(<[u8]>::to_vec),
                data: event.data.to_vec(),
                id: event.id.map(<[u8]>::to_vec),
                retry: event.retry,
                ending: event.ending,
            },
            Frame::Comment(text) => Owned::Comment(text.to_vec()),
        }
    }
}

/// Everything a decoder says about an input: its frames, and how it ended or failed.
type Outcome = (Vec<Owned>, Result<Ending, Error>);

/// Decodes `chunks`, and checks on the way that the decoder holds no more than its limit.
fn decode<'a>(limits: Limits, chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = Decoder::new(limits);
    let mut frames = Vec::new();
    for chunk in chunks {
        let result = decoder.feed(chunk, |frame| {
            frames.push(frame.into());
            Ok::<(), Error>(())
        });
        assert!(decoder.buffered() <= limits.event_bytes, "buffers {} bytes", decoder.buffered());
        if let Err(error) = result {
            assert_eq!(decoder.feed(b"data: late\n\n", |_| Ok::<(), Error>(())), Err(error), "not fused");
            return (frames, Err(error));
        }
    }
    let ended = decoder.finish(|frame| {
        frames.push(frame.into());
        Ok::<(), Error>(())
    });
    (frames, ended)
}

fn decode_whole(input: &[u8]) -> Outcome {
    decode(Limits::default(), [input])
}

/// Decodes `input` whole, byte by byte and at every split into two chunks; all must agree.
fn decode_every_way(limits: Limits, input: &[u8]) -> Outcome {
    let whole = decode(limits, [input]);
    assert_eq!(decode(limits, input.chunks(1)), whole, "byte by byte");
    for at in 0..=input.len() {
        let (head, tail) = input.split_at(at);
        assert_eq!(decode(limits, [head, tail]), whole, "split at {at}");
    }
    whole
}
