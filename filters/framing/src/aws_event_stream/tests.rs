//! Decoder and encoder against each other, and against the AWS SDK's own.

use aws_smithy_eventstream::frame::{read_message_from, write_message_to};
use aws_smithy_types::DateTime;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message as SdkMessage};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{Decoder, Limits, Message, Value, encode};
use crate::Error;

/// A [`Value`] that owns its bytes.
#[derive(Debug, Clone, PartialEq)]
enum Owned {
    Bool(bool),
    Byte(i8),
    Int16(i16),
    Int32(i32),
    Int64(i64),
    Bytes(Vec<u8>),
    Str(String),
    Timestamp(i64),
    Uuid([u8; 16]),
}

impl Owned {
    fn lend(&self) -> Value<'_> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Byte(value) => Value::Byte(*value),
            Self::Int16(value) => Value::Int16(*value),
            Self::Int32(value) => Value::Int32(*value),
            Self::Int64(value) => Value::Int64(*value),
            Self::Bytes(value) => Value::Bytes(value),
            Self::Str(value) => Value::Str(value),
            Self::Timestamp(value) => Value::Timestamp(*value),
            Self::Uuid(value) => Value::Uuid(*value),
        }
    }

    fn own(value: Value<'_>) -> Self {
        match value {
            Value::Bool(value) => Self::Bool(value),
            Value::Byte(value) => Self::Byte(value),
            Value::Int16(value) => Self::Int16(value),
            Value::Int32(value) => Self::Int32(value),
            Value::Int64(value) => Self::Int64(value),
            Value::Bytes(value) => Self::Bytes(value.to_vec()),
            Value::Str(value) => Self::Str(value.to_owned()),
            Value::Timestamp(value) => Self::Timestamp(value),
            Value::Uuid(value) => Self::Uuid(value),
        }
    }

    fn sdk(&self) -> HeaderValue {
        match self {
            Self::Bool(value) => HeaderValue::Bool(*value),
            Self::Byte(value) => HeaderValue::Byte(*value),
            Self::Int16(value) => HeaderValue::Int16(*value),
            Self::Int32(value) => HeaderValue::Int32(*value),
            Self::Int64(value) => HeaderValue::Int64(*value),
            Self::Bytes(value) => HeaderValue::ByteArray(Bytes::from(value.clone())),
            Self::Str(value) => HeaderValue::String(value.clone().into()),
            Self::Timestamp(value) => HeaderValue::Timestamp(DateTime::from_millis(*value)),
            Self::Uuid(value) => HeaderValue::Uuid(u128::from_be_bytes(*value)),
        }
    }
}

/// A [`Message`] that owns its bytes.
#[derive(Debug, Clone, PartialEq)]
struct Plan {
    headers: Vec<(String, Owned)>,
    payload: Vec<u8>,
}

impl Plan {
    fn write(&self, out: &mut Vec<u8>) {
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.lend())).collect();
        encode(out, &headers, &self.payload).unwrap();
    }

    fn sdk(&self) -> SdkMessage {
        let headers = self.headers.iter().map(|(name, value)| Header::new(name.clone(), value.sdk()));
        SdkMessage::new_from_parts(headers.collect(), Bytes::from(self.payload.clone()))
    }
}

impl From<Message<'_>> for Plan {
    fn from(message: Message<'_>) -> Self {
        let headers = message.headers.map(|(name, value)| (name.to_owned(), Owned::own(value)));
        Self { headers: headers.collect(), payload: message.payload.to_vec() }
    }
}

fn value() -> impl Strategy<Value = Owned> {
    prop_oneof![
        any::<bool>().prop_map(Owned::Bool),
        any::<i8>().prop_map(Owned::Byte),
        any::<i16>().prop_map(Owned::Int16),
        any::<i32>().prop_map(Owned::Int32),
        any::<i64>().prop_map(Owned::Int64),
        vec(any::<u8>(), 0..300).prop_map(Owned::Bytes),
        ".{0,100}".prop_map(Owned::Str),
        // The SDK's timestamps must fit its calendar.
        (-60_000_000_000_000_i64..60_000_000_000_000).prop_map(Owned::Timestamp),
        any::<[u8; 16]>().prop_map(Owned::Uuid),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    (vec(("[:a-z-]{1,30}", value()), 0..5), vec(any::<u8>(), 0..500))
        .prop_map(|(headers, payload)| Plan { headers, payload })
}

/// Everything a decoder says about chunks: its messages, and how the input ended or failed.
fn decode<'a>(limits: Limits, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Plan>, Result<(), Error>) {
    let mut decoder = Decoder::new(limits);
    let mut messages = Vec::new();
    for chunk in chunks {
        let result = decoder.feed(chunk, |message| {
            messages.push(message.into());
            Ok::<(), Error>(())
        });
        assert!(decoder.buffered() <= limits.message_bytes.max(12), "buffers {} bytes", decoder.buffered());
        if let Err(error) = result {
            assert_eq!(decoder.feed(b"late", |_| Ok::<(), Error>(())), Err(error), "not fused");
            assert_eq!(decoder.finish(), Err(error), "not fused");
            return (messages, Err(error));
        }
    }
    (messages, decoder.finish())
}

fn decode_whole(input: &[u8]) -> (Vec<Plan>, Result<(), Error>) {
    decode(Limits::default(), [input])
}

fn event() -> Vec<u8> {
    let mut bytes = Vec::new();
    let headers = [
        (":event-type", Value::Str("messageStart")),
        (":content-type", Value::Str("application/json")),
        (":message-type", Value::Str("event")),
    ];
    encode(&mut bytes, &headers, br#"{"role":"assistant"}"#).unwrap();
    bytes
}

/// The bytes `prelude` would have with right checksums.
fn prelude(total: u32, headers: u32) -> Vec<u8> {
    let lengths = [total.to_be_bytes(), headers.to_be_bytes()].concat();
    let checksum = crc32fast::hash(&lengths).to_be_bytes();
    [&lengths[..], &checksum].concat()
}

#[test]
fn the_well_known_headers_have_names() {
    let mut bytes = event();
    let headers = [
        (":message-type", Value::Str("exception")),
        (":exception-type", Value::Str("throttlingException")),
        (":content-type", Value::Str("application/json")),
    ];
    encode(&mut bytes, &headers, b"{}").unwrap();
    let headers = [
        (":message-type", Value::Str("error")),
        (":error-code", Value::Str("InternalError")),
        (":error-message", Value::Str("Sorry.")),
        (":event-type", Value::Int32(1)),
    ];
    encode(&mut bytes, &headers, b"").unwrap();
    let mut seen = Vec::new();
    Decoder::new(Limits::default())
        .feed(&bytes, |message| {
            seen.push(
                [
                    message.message_type(),
                    message.event_type(),
                    message.exception_type(),
                    message.error_code(),
                    message.error_message(),
                    message.content_type(),
                    message.name(),
                ]
                .map(|text| text.unwrap_or("-").to_owned())
                .join(" "),
            );
            Ok::<(), Error>(())
        })
        .unwrap();
    assert_eq!(
        seen,
        [
            "event messageStart - - - application/json messageStart",
            "exception - throttlingException - - application/json throttlingException",
            "error - - InternalError Sorry. - InternalError",
        ]
    );
}

#[test]
fn a_message_inside_a_chunk_is_lent() {
    let bytes = [event(), event()].concat();
    let mut lent = 0;
    let mut decoder = Decoder::new(Limits::default());
    decoder
        .feed(&bytes, |message| {
            lent += usize::from(bytes.as_ptr_range().contains(&message.payload.as_ptr()));
            Ok::<(), Error>(())
        })
        .unwrap();
    assert_eq!((lent, decoder.buffered()), (2, 0));
}

#[test]
fn every_changed_byte_is_noticed() {
    let whole = event();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        let (messages, result) = decode_whole(&bytes);
        let part = if at < 12 { "prelude" } else { "body" };
        assert_eq!((messages, result), (Vec::new(), Err(Error::BadChecksum { part })), "byte {at}");
    }
}

#[test]
fn impossible_lengths_are_refused_before_the_rest_arrives() {
    for (total, headers) in [(0, 0), (15, 0), (16, 1), (100, 85), (100, u32::MAX)] {
        assert_eq!(
            decode_whole(&prelude(total, headers)).1,
            Err(Error::BadLength { total, headers }),
            "{total} {headers}"
        );
    }
    assert_eq!(decode_whole(&prelude(100, 84)).1, Err(Error::CutShort { missing: 88 }));
}

#[test]
fn messages_over_the_limit_are_refused_by_their_prelude() {
    let whole = event();
    let exact = Limits { message_bytes: whole.len() };
    assert_eq!(decode(exact, [&whole[..]]).1, Ok(()));
    let limit = whole.len() - 1;
    let less = Limits { message_bytes: limit };
    assert_eq!(decode(less, [&whole[..12]]).1, Err(Error::MessageTooLarge { limit }));
    assert_eq!(decode_whole(&prelude(u32::MAX, 0)).1, Err(Error::MessageTooLarge { limit: 4 * 1024 * 1024 }));
}

#[test]
fn an_input_that_ends_early_says_so() {
    let whole = event();
    for length in 0..whole.len() {
        let missing = if length < 12 { 12 } else { whole.len() } - length;
        let expected = if length == 0 { Ok(()) } else { Err(Error::CutShort { missing }) };
        assert_eq!(decode_whole(&whole[..length]).1, expected, "{length} bytes");
    }
    let mut decoder = Decoder::new(Limits::default());
    assert_eq!(decoder.finish(), Ok(()));
    assert_eq!(decoder.finish(), Err(Error::Closed));
}

#[test]
fn malformed_headers_are_refused() {
    for (headers, index) in [
        (&b"\x00\x00"[..], 0),
        (b"\x01a", 0),
        (b"\x01a\x0a", 0),
        (b"\x01a\x00\x01b\x02", 1),
        (b"\x01a\x07\x00\x02x", 0),
        (b"\x01a\x07\x00\x01\xff", 0),
        (b"\x01\xff\x00", 0),
        (b"\x01a\x09\x00", 0),
    ] {
        let mut bytes =
            prelude(u32::try_from(headers.len()).unwrap() + 16, u32::try_from(headers.len()).unwrap());
        bytes.extend_from_slice(headers);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        assert_eq!(decode_whole(&bytes).1, Err(Error::BadHeader { index }), "{headers:?}");
    }
}

#[test]
fn a_refusal_of_the_sink_closes_the_decoder() {
    let bytes = event();
    for cut in [0, 30, bytes.len()] {
        let mut decoder = Decoder::new(Limits::default());
        let mut refuse = |_: Message<'_>| Err(Error::NotUtf8 { valid_up_to: 0 });
        let (head, tail) = bytes.split_at(cut);
        let result = decoder.feed(head, &mut refuse).and_then(|()| decoder.feed(tail, &mut refuse));
        assert_eq!(result, Err(Error::NotUtf8 { valid_up_to: 0 }));
        assert_eq!(decoder.feed(&bytes, |_| Ok::<(), Error>(())), Err(Error::Closed));
    }
}

#[test]
fn what_does_not_fit_is_not_written() {
    let long = "x".repeat(65536);
    for (name, value, part, length) in [
        ("", Value::Bool(true), "header name", 0),
        (&long[..256], Value::Bool(true), "header name", 256),
        ("a", Value::Str(&long), "header value", 65536),
        ("a", Value::Bytes(long.as_bytes()), "header value", 65536),
    ] {
        let mut out = b"before".to_vec();
        let result = encode(&mut out, &[("first", Value::Byte(1)), (name, value)], b"payload");
        assert_eq!((result, &out[..]), (Err(Error::UnwritableMessage { part, length }), &b"before"[..]));
    }
}

proptest! {
    #[test]
    fn the_sdk_reads_what_is_written(plan in plan()) {
        let mut bytes = Vec::new();
        plan.write(&mut bytes);
        let mut sdk_bytes = Vec::new();
        write_message_to(&plan.sdk(), &mut sdk_bytes).unwrap();
        prop_assert_eq!(&bytes, &sdk_bytes);
        let read = read_message_from(&mut &bytes[..]).unwrap();
        prop_assert_eq!(read, plan.sdk());
    }

    #[test]
    fn what_the_sdk_writes_is_read_at_any_split(
        plans in vec(plan(), 0..6),
        cuts in vec(any::<Index>(), 0..8),
    ) {
        let mut bytes = Vec::new();
        for plan in &plans {
            write_message_to(&plan.sdk(), &mut bytes).unwrap();
        }
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        places.sort_unstable();
        places.push(bytes.len());
        let mut from = 0;
        let chunks = places.into_iter().map(|to| &bytes[std::mem::replace(&mut from, to)..to]);
        prop_assert_eq!(decode(Limits::default(), chunks), (plans.clone(), Ok(())));
        prop_assert_eq!(decode(Limits::default(), bytes.chunks(1)), (plans, Ok(())));
    }

    /// Header bytes with right lengths and checksums: what the SDK reads we read as well, and the same.
    #[test]
    fn any_headers_are_read_as_the_sdk_does(headers in vec(prop_oneof![0_u8..12, any::<u8>()], 0..24)) {
        let length = u32::try_from(headers.len()).unwrap();
        let mut bytes = prelude(length + 16, length);
        bytes.extend_from_slice(&headers);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        let (messages, result) = decode_whole(&bytes);
        if let Ok(sdk) = read_message_from(&mut &bytes[..]) && result.is_ok() {
            prop_assert_eq!(messages[0].sdk(), sdk);
        }
    }

    #[test]
    fn any_bytes_at_any_split_say_the_same(
        damage in vec((any::<Index>(), any::<u8>()), 0..3),
        plans in vec(plan(), 1..4),
        limit in 0_usize..2000,
        cut in any::<Index>(),
    ) {
        let mut bytes = Vec::new();
        for plan in &plans {
            plan.write(&mut bytes);
        }
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let limits = Limits { message_bytes: limit };
        let whole = decode(limits, [&bytes[..]]);
        let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
        prop_assert_eq!(&decode(limits, [head, tail]), &whole);
        prop_assert_eq!(&decode(limits, bytes.chunks(1)), &whole);
    }
}
