//! AWS event streams: `application/vnd.amazon.eventstream`, as the Smithy specification has it
//! (<https://smithy.io/2.0/aws/amazon-eventstream.html>). Amazon Bedrock streams its answers in it.
//!
//! A message is, with all integers big-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of the whole message |
//! | 4 | length of the headers |
//! | 4 | CRC-32 of the 8 bytes before |
//! | … | headers: name (1 byte of length), type (1 byte), value |
//! | … | payload |
//! | 4 | CRC-32 of everything before |
//!
//! ```
//! use framing::{Error, aws_event_stream::{Decoder, Limits, Value, encode}};
//!
//! let mut bytes = Vec::new();
//! let headers = [(":message-type", Value::Str("event")), (":event-type", Value::Str("messageStop"))];
//! encode(&mut bytes, &headers, br#"{"stopReason":"end_turn"}"#)?;
//!
//! let mut decoder = Decoder::new(Limits::default());
//! for chunk in bytes.chunks(7) {
//!     decoder.feed(chunk, |message| {
//!         assert_eq!(message.event_type(), Some("messageStop"));
//!         assert_eq!(message.payload, br#"{"stopReason":"end_turn"}"#);
//!         Ok::<(), Error>(())
//!     })?;
//! }
//! decoder.finish()?;
//! # Ok::<(), Error>(())
//! ```

mod decoder;
mod encoder;
mod header;
#[cfg(test)]
mod tests;

pub use decoder::{DEFAULT_MESSAGE_BYTES, Decoder, Limits};
pub use encoder::encode;
pub use header::{Headers, Value};

/// Length of the prelude in bytes: two lengths and their checksum.
const PRELUDE: usize = 12;
/// Length of a checksum in bytes.
const CHECKSUM: usize = 4;
/// What a message is longer than its headers and payload, in bytes.
const OVERHEAD: usize = PRELUDE + CHECKSUM;

/// One message. It borrows from the chunk or from the decoder and lives as long as the sink's call. Its headers are
/// well-formed and its checksums right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Message<'a> {
    /// The headers, in the order sent.
    pub headers: Headers<'a>,
    /// The payload: in Bedrock's streams, the JSON of the event.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The value of the first header with this name, if it is a string.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.headers.into_iter().find(|(found, _)| *found == name).and_then(|(_, value)| match value {
            Value::Str(text) => Some(text),
            _ => None,
        })
    }

    /// `:message-type`: `event`, `exception` (an error the service model names) or `error` (any other).
    pub fn message_type(&self) -> Option<&'a str> {
        self.text(":message-type")
    }

    /// `:event-type` of an event, such as `contentBlockDelta`.
    pub fn event_type(&self) -> Option<&'a str> {
        self.text(":event-type")
    }

    /// `:exception-type` of an exception, such as `throttlingException`.
    pub fn exception_type(&self) -> Option<&'a str> {
        self.text(":exception-type")
    }

    /// `:error-code` of an error.
    pub fn error_code(&self) -> Option<&'a str> {
        self.text(":error-code")
    }

    /// `:error-message` of an error, which has no payload.
    pub fn error_message(&self) -> Option<&'a str> {
        self.text(":error-message")
    }

    /// What the message is called, whichever its type: the event, the exception or the error code. It takes the place
    /// that the event's name has in Server-Sent Events.
    pub fn name(&self) -> Option<&'a str> {
        self.event_type().or_else(|| self.exception_type()).or_else(|| self.error_code())
    }

    /// `:content-type` of the payload.
    pub fn content_type(&self) -> Option<&'a str> {
        self.text(":content-type")
    }
}
