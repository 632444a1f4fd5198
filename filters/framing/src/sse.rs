//! Server-Sent Events: the WHATWG HTML standard, section 9.2.5 "Parsing an event stream" and 9.2.6 "Interpreting an
//! event stream" (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! ```
//! use framing::{Error, sse::{Decoder, Frame, Limits}};
//!
//! let mut decoder = Decoder::new(Limits::default());
//! let mut texts = Vec::new();
//! for chunk in [&b"event: ping\r"[..], b"\ndata: caf\xc3", b"\xa9\r\n\r\n"] {
//!     decoder.feed(chunk, |frame| {
//!         if let Frame::Event(event) = frame {
//!             assert_eq!(event.event, Some(&b"ping"[..]));
//!             texts.push(event.data_str()?.to_owned());
//!         }
//!         Ok::<(), Error>(())
//!     })?;
//! }
//! assert_eq!(texts, ["café"]);
//! # Ok::<(), Error>(())
//! ```
//!
//! # Where this differs from the standard
//!
//! A browser interprets a stream to fire DOM events; a gateway reads it to translate and forward it. Hence:
//!
//! * **End of input.** The standard discards an event that no blank line ended. Model providers and the proxies before
//!   them do close the connection right after the last `data:` line, and that line may carry the usage or the `[DONE]`
//!   marker, so [`Decoder::finish`] delivers it and says how it ended ([`Ending`]).
//! * **Bytes.** Malformed UTF-8 is handed on as it is, not replaced; [`Event::data_str`] validates on request.
//! * **Comments** are reported ([`Frame::Comment`]), because keep-alives must reach the client too.
//! * **`id` and `retry`** are reported with the event that carried them, not remembered between events. A block with
//!   those fields but no `data` is, as in the standard, no event, and is dropped.

mod block;
mod decoder;
mod encoder;
#[cfg(test)]
mod tests;

pub use decoder::{DEFAULT_EVENT_BYTES, Decoder, Limits};
pub use encoder::{write_comment, write_event};

use crate::Error;

/// One thing a stream says. It borrows from the chunk or from the decoder and lives as long as the sink's call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// An event with data.
    Event(Event<'a>),
    /// The text of one comment line, without the colon and one optional space: what providers send to keep idle
    /// connections open, such as `: OPENROUTER PROCESSING`.
    Comment(&'a [u8]),
}

/// One event. `Event { data, ..Event::default() }` is an unnamed event as a sender of one would write it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Event<'a> {
    /// The event's type; `None` if the field is absent or empty, which the standard reads as `message`.
    pub event: Option<&'a [u8]>,
    /// The values of the `data` lines, joined by LF. May be empty (`data:` alone), and need not be UTF-8.
    pub data: &'a [u8],
    /// The `id` field; `Some(b"")` resets the client's last event id, `None` leaves it alone. Never contains NUL.
    pub id: Option<&'a [u8]>,
    /// The `retry` field: how long a client should wait before it reconnects, in milliseconds.
    pub retry: Option<u64>,
    /// How the event ended; anything but [`Ending::Complete`] comes from [`Decoder::finish`] only.
    pub ending: Ending,
}

impl<'a> Event<'a> {
    /// The data as text.
    ///
    /// # Errors
    /// [`Error::NotUtf8`] if it is not UTF-8.
    pub fn data_str(&self) -> Result<&'a str, Error> {
        std::str::from_utf8(self.data).map_err(|error| Error::NotUtf8 { valid_up_to: error.valid_up_to() })
    }
}

/// How an event, or the whole input, ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ending {
    /// By a blank line, as the standard demands; for the input: with nothing left over.
    #[default]
    Complete,
    /// By the end of input after a whole line: the blank line is missing.
    LineEnd,
    /// By the end of input inside a line. The last line may be cut short, so data that does not parse most likely
    /// means a truncated stream.
    MidLine,
}
