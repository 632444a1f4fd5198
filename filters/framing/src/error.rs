//! What can go wrong between bytes and frames.

/// Why bytes could not be decoded to frames, or a frame could not be encoded.
///
/// Small and `Copy`, because a decoder that failed keeps its error and answers every later call with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The sender's event is longer than [`sse::Limits::event_bytes`](crate::sse::Limits::event_bytes).
    #[error(
        "stream event is larger than the limit of {limit} bytes; raise the event limit if the sender is trusted"
    )]
    EventTooLarge {
        /// The limit that was exceeded, in bytes.
        limit: usize,
    },
    /// The data of an event is not UTF-8 although it was asked for as text.
    #[error(
        "event data is not UTF-8 from byte {valid_up_to} on; the sender must encode event streams as UTF-8"
    )]
    NotUtf8 {
        /// Length in bytes of the longest valid prefix of the data.
        valid_up_to: usize,
    },
    /// The field cannot be written: its value contains a line break (or, in `id`, a NUL), which would end the field
    /// early and let the value forge further fields.
    #[error(
        "event field `{field}` contains a line break or NUL and cannot be written; remove it from the value"
    )]
    Unwritable {
        /// Name of the field, `event` or `id`.
        field: &'static str,
    },
    /// The decoder was used after `finish`, or after the caller's sink refused a frame.
    #[error("decoder is closed: it was finished, or its consumer refused a frame; start a new one")]
    Closed,
    /// The sender's message is longer than
    /// [`aws_event_stream::Limits::message_bytes`](crate::aws_event_stream::Limits::message_bytes).
    #[error(
        "event stream message is larger than the limit of {limit} bytes; raise the limit if the sender is trusted"
    )]
    MessageTooLarge {
        /// The limit that was exceeded, in bytes.
        limit: usize,
    },
    /// The lengths at the start of a message contradict each other or the format.
    #[error(
        "event stream message claims {total} bytes, {headers} of them headers, which cannot be; the sender does not \
         send an AWS event stream, or bytes were lost on the way"
    )]
    BadLength {
        /// The length of the whole message it claims, in bytes.
        total: u32,
        /// The length of its headers it claims, in bytes.
        headers: u32,
    },
    /// A checksum of a message does not match its bytes.
    #[error(
        "checksum of the event stream message's {part} does not match; bytes were lost or changed on the way, \
         so open the stream anew"
    )]
    BadChecksum {
        /// What the checksum covers: `prelude` or `body`.
        part: &'static str,
    },
    /// The headers of a message cannot be read.
    #[error(
        "header {index} of the event stream message is malformed; the sender must follow the AWS event stream format"
    )]
    BadHeader {
        /// Which header, counted from 0.
        index: usize,
    },
    /// The input ended inside a message.
    #[error("event stream ended inside a message, {missing} bytes short at least; open the stream anew")]
    CutShort {
        /// How many bytes are missing: of the message, or of its first 12 bytes if not even those were whole.
        missing: usize,
    },
    /// The message cannot be written: a header's name or value, all headers together, or the whole message are longer
    /// than their length fields can say.
    #[error("event stream message cannot be written: its {part} has {length} bytes, which is not possible")]
    UnwritableMessage {
        /// What is too long, or too short.
        part: &'static str,
        /// Its length in bytes.
        length: usize,
    },
}
