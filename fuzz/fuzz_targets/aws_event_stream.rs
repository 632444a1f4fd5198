//! The AWS event stream decoder and encoder.
//!
//! Holds: no panic; the messages do not depend on the split; no more than the limit is buffered; an error is final;
//! what was decoded is the same after encoding and decoding it again. As hardly any input has the right checksums, the
//! input is also framed as the payload and header of a message, which comes back as it was.

#![no_main]
#![forbid(unsafe_code)]

use framing::Error;
use framing::aws_event_stream::{Decoder, Limits, Value, encode};
use libfuzzer_sys::fuzz_target;

/// Small enough for the fuzzer to exceed by itself.
const SMALL: Limits = Limits { message_bytes: 96 };

fuzz_target!(|input: &[u8]| {
    for limits in [SMALL, Limits::default()] {
        let whole = decode(limits, [input]);
        for size in [1, 3, 16] {
            assert_eq!(decode(limits, input.chunks(size)), whole, "chunks of {size}");
        }
        // Whatever comes behind an error, or behind the end, changes nothing that was read before.
        assert!(whole.0.len() <= input.len() / 16);
    }

    let (name, payload) = input.split_at(input.len() / 4);
    let name = String::from_utf8_lossy(name);
    let headers = [(":event-type", Value::Str(&name)), (":bytes", Value::Bytes(payload))];
    let mut framed = Vec::new();
    if encode(&mut framed, &headers, payload).is_err() {
        return;
    }
    for size in [1, 7, framed.len()] {
        let (messages, ended) = decode(Limits { message_bytes: usize::MAX }, framed.chunks(size));
        assert_eq!((messages.as_slice(), ended), (&[(format!("{headers:?}"), payload.to_vec())][..], Ok(())));
    }
    // A byte that is not as it was sent is noticed: lengths and content have checksums.
    if let Some(at) = input.first().map(|first| usize::from(*first) % framed.len()) {
        framed[at] ^= 0x20;
        let (messages, ended) = decode(Limits::default(), [&framed[..]]);
        assert!(messages.is_empty() && ended.is_err());
    }
});

/// Headers as text and payload of each message, and how it ended.
type Decoded = (Vec<(String, Vec<u8>)>, Result<(), Error>);

fn decode<'a>(limits: Limits, chunks: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    let mut decoder = Decoder::new(limits);
    let mut messages = Vec::new();
    for chunk in chunks {
        let result = decoder.feed(chunk, |message| {
            let headers: Vec<_> = message.headers.into_iter().collect();
            messages.push((format!("{headers:?}"), message.payload.to_vec()));
            Ok::<(), Error>(())
        });
        assert!(decoder.buffered() <= limits.message_bytes);
        if let Err(error) = result {
            return (messages, Err(error));
        }
    }
    let ended = decoder.finish();
    (messages, ended)
}
