//! The decoder: chunks in, messages out.

use super::{CHECKSUM, Headers, Message, OVERHEAD, PRELUDE};
use crate::Error;

/// Default of [`Limits::message_bytes`]: 4 MiB. Text events are a few hundred bytes; the large messages carry an image.
pub const DEFAULT_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Buffers that grew beyond this many bytes for one large message are freed after it.
const KEPT_CAPACITY: usize = 64 * 1024;

/// How much a [`Decoder`] accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest message in bytes, all of it counted. This also bounds what the decoder buffers.
    pub message_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message_bytes: DEFAULT_MESSAGE_BYTES }
    }
}

/// Decodes one event stream, given in chunks of any size.
///
/// A message that lies inside one chunk is lent from it, not copied. Only a message still unfinished at the end of a
/// chunk is kept, until the rest of it arrives. Lengths are checked, with their own checksum, as soon as the first 12
/// bytes of a message are there, so no other bytes are waited for or kept in vain.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    /// Why the decoder takes no more input, if so.
    failed: Option<Error>,
    /// The unfinished message at the end of the last chunk.
    tail: Vec<u8>,
}

/// What the first 12 bytes of a message say.
#[derive(Debug, Clone, Copy)]
struct Prelude {
    /// Length of the whole message.
    total: usize,
    /// Length of its headers.
    headers: usize,
}

impl Decoder {
    /// A decoder at the start of a stream. Allocates nothing until a message is split between chunks.
    pub fn new(limits: Limits) -> Self {
        Self { limits, failed: None, tail: Vec::new() }
    }

    /// Decodes the next chunk, and calls `sink` for every message it completes, in the order of the stream.
    ///
    /// # Errors
    /// [`Error::BadLength`], [`Error::BadChecksum`], [`Error::BadHeader`] and [`Error::MessageTooLarge`], after the
    /// messages before, and whatever `sink` returns. All are final: later calls return the same error, or
    /// [`Error::Closed`] after an error of the sink or after [`Self::finish`].
    pub fn feed<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        mut sink: impl FnMut(Message<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(error) = self.failed {
            return Err(error.into());
        }
        let mut rest = self.complete_tail(chunk, &mut sink)?;
        while !rest.is_empty() {
            let message = match self.message(rest) {
                Ok(Some((message, after))) => {
                    rest = after;
                    message
                }
                Ok(None) => {
                    self.tail.extend_from_slice(rest);
                    break;
                }
                Err(error) => return Err(self.fail(error).into()),
            };
            self.hand_over(sink(message))?;
        }
        Ok(())
    }

    /// Ends the stream. The decoder is closed afterwards.
    ///
    /// # Errors
    /// [`Error::CutShort`] if a message is unfinished, or the error of an earlier call ([`Error::Closed`] after one of
    /// the sink, or if this was called before).
    pub fn finish(&mut self) -> Result<(), Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let whole = match self.prelude(&self.tail) {
            _ if self.tail.is_empty() => 0,
            Ok(Some(prelude)) => prelude.total,
            // An error would have come before.
            Ok(None) | Err(_) => PRELUDE,
        };
        let missing = whole.saturating_sub(self.tail.len());
        self.fail(Error::Closed);
        if missing > 0 { Err(Error::CutShort { missing }) } else { Ok(()) }
    }

    /// Number of bytes held back: the unfinished message at the end of the last chunk. Less than
    /// [`Limits::message_bytes`], but for the first 12 bytes of a message.
    pub fn buffered(&self) -> usize {
        self.tail.len()
    }

    /// Adds to the kept tail what it lacks, and hands over its message if it is then whole. Returns the rest of the
    /// chunk, empty if the tail is still unfinished.
    fn complete_tail<'c, E: From<Error>>(
        &mut self,
        chunk: &'c [u8],
        sink: &mut impl FnMut(Message<'_>) -> Result<(), E>,
    ) -> Result<&'c [u8], E> {
        let mut rest = chunk;
        while !self.tail.is_empty() {
            let whole = match self.prelude(&self.tail) {
                Ok(prelude) => prelude.map_or(PRELUDE, |prelude| prelude.total),
                Err(error) => return Err(self.fail(error).into()),
            };
            let missing = whole.saturating_sub(self.tail.len());
            if missing > 0 {
                let (part, after) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
                self.tail.extend_from_slice(part);
                rest = after;
                if part.len() < missing {
                    break;
                }
                continue;
            }
            let tail = std::mem::take(&mut self.tail);
            let result = match self.message(&tail) {
                Ok(Some((message, _))) => sink(message),
                Ok(None) => Ok(()),
                Err(error) => return Err(self.fail(error).into()),
            };
            if tail.capacity() <= KEPT_CAPACITY {
                self.tail = tail;
                self.tail.clear();
            }
            self.hand_over(result)?;
        }
        Ok(rest)
    }

    /// The first message of `bytes` and what follows it; `None` if it is not whole.
    fn message<'b>(&self, bytes: &'b [u8]) -> Result<Option<(Message<'b>, &'b [u8])>, Error> {
        let Some(prelude) = self.prelude(bytes)? else { return Ok(None) };
        let Some((message, after)) = bytes.split_at_checked(prelude.total) else { return Ok(None) };
        let Some((covered, checksum)) = message.split_last_chunk::<CHECKSUM>() else { return Ok(None) };
        if crc32fast::hash(covered) != u32::from_be_bytes(*checksum) {
            return Err(Error::BadChecksum { part: "body" });
        }
        let body = covered.get(PRELUDE..).unwrap_or_default();
        let Some((headers, payload)) = body.split_at_checked(prelude.headers) else { return Ok(None) };
        Ok(Some((Message { headers: Headers::parse(headers)?, payload }, after)))
    }

    /// The prelude at the start of `bytes`; `None` if it is not whole.
    fn prelude(&self, bytes: &[u8]) -> Result<Option<Prelude>, Error> {
        let Some((lengths, rest)) = bytes.split_first_chunk::<8>() else { return Ok(None) };
        let Some((checksum, _)) = rest.split_first_chunk::<CHECKSUM>() else { return Ok(None) };
        if crc32fast::hash(lengths) != u32::from_be_bytes(*checksum) {
            return Err(Error::BadChecksum { part: "prelude" });
        }
        let [a, b, c, d, e, f, g, h] = *lengths;
        let (total, headers) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        let bad = Error::BadLength { total, headers };
        let prelude = Prelude {
            total: usize::try_from(total).map_err(|_| bad)?,
            headers: usize::try_from(headers).map_err(|_| bad)?,
        };
        if prelude.total.checked_sub(OVERHEAD).is_none_or(|room| prelude.headers > room) {
            return Err(bad);
        }
        let limit = self.limits.message_bytes;
        if prelude.total > limit {
            return Err(Error::MessageTooLarge { limit });
        }
        Ok(Some(prelude))
    }

    /// Closes the decoder if the sink refused a message.
    fn hand_over<E>(&mut self, result: Result<(), E>) -> Result<(), E> {
        if result.is_err() {
            self.fail(Error::Closed);
        }
        result
    }

    /// Enters the failed state for good and frees the buffer.
    fn fail(&mut self, error: Error) -> Error {
        self.failed = Some(error);
        self.tail = Vec::new();
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_are_freed_after_their_message() {
        let mut bytes = Vec::new();
        crate::aws_event_stream::encode(&mut bytes, &[], &vec![b'x'; 1 << 20]).unwrap();
        let mut decoder = Decoder::new(Limits::default());
        for part in bytes.chunks(1000) {
            decoder.feed(part, |_| Ok::<(), Error>(())).unwrap();
        }
        assert_eq!(decoder.tail.capacity(), 0);
    }
}
