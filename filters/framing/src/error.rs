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
}
