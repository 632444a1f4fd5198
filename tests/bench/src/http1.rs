//! HTTP/1.1 messages, read as they arrive: just enough for a load generator and a canned server, so that the
//! machine's time goes to Envoy. Bodies are framed by `content-length` or `chunked` (RFC 9112, section 6).

use httparse::{EMPTY_HEADER, Header, Status};

/// More headers than any message of a measurement has.
const MAX_HEADERS: usize = 64;

/// Why a message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// Not an HTTP/1.1 head.
    #[error("malformed head: {0}")]
    Head(httparse::Error),
    /// A `content-length` that is not a number.
    #[error("malformed content-length")]
    Length,
    /// A response that ends where its connection does, which no kept-alive connection can tell.
    #[error("the response has neither content-length nor chunked encoding")]
    Unframed,
    /// Something other than a chunk where a chunk must be.
    #[error("malformed chunk")]
    Chunk,
    /// Bytes after the end of a message nobody asked for.
    #[error("{0} bytes after the end of the message")]
    Excess(usize),
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// This many bytes.
    Length(u64),
    /// Chunks up to the empty one.
    Chunked,
}

/// The first lines of a message.
pub(crate) trait Head: Sized {
    /// Reads a head from the start of `bytes`: its length, what it says and how its body is framed; `None`
    /// when it is not complete yet.
    ///
    /// # Errors
    /// [`Error`] when it will never be one.
    fn parse(bytes: &[u8]) -> Result<Option<(usize, Self, Framing)>, Error>;
}

/// The head of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    /// Status code.
    pub(crate) status: u16,
    /// The connection ends with this answer.
    pub(crate) close: bool,
}

impl Head for ResponseHead {
    fn parse(bytes: &[u8]) -> Result<Option<(usize, Self, Framing)>, Error> {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let Status::Complete(length) = response.parse(bytes).map_err(Error::Head)? else { return Ok(None) };
        let framing = framing(response.headers)?.ok_or(Error::Unframed)?;
        let close =
            header(response.headers, "connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
        Ok(Some((length, Self { status: response.code.unwrap_or(0), close }, framing)))
    }
}

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestHead {
    /// Path, query included.
    pub(crate) path: String,
    /// Value of [`PACE_HEADER`]: milliseconds between the events of a stream.
    pub(crate) pace_ms: Option<u64>,
}

/// Request header that asks the upstream for a paced stream.
pub(crate) const PACE_HEADER: &str = "x-bench-pace-ms";

impl Head for RequestHead {
    fn parse(bytes: &[u8]) -> Result<Option<(usize, Self, Framing)>, Error> {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let Status::Complete(length) = request.parse(bytes).map_err(Error::Head)? else { return Ok(None) };
        let pace_ms = header(request.headers, PACE_HEADER).and_then(number);
        let head = Self { path: request.path.unwrap_or_default().to_owned(), pace_ms };
        Ok(Some((length, head, framing(request.headers)?.unwrap_or(Framing::Length(0)))))
    }
}

fn header<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

fn framing(headers: &[Header<'_>]) -> Result<Option<Framing>, Error> {
    if header(headers, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case(b"chunked")) {
        return Ok(Some(Framing::Chunked));
    }
    header(headers, "content-length")
        .map(|value| number(value).map(Framing::Length).ok_or(Error::Length))
        .transpose()
}

/// Where the reader of a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In bytes of a body or chunk of which so many are left.
    Data { left: u64, chunked: bool },
    /// In the line end after a chunk's data.
    DataEnd,
    /// In the line with a chunk's size.
    Size { size: u64, digits: u32, extension: bool },
    /// In the trailers; `empty` while the line has no bytes.
    Trailers { empty: bool },
    /// Behind the end.
    Complete,
}

const SIZE_LINE: Place = Place::Size { size: 0, digits: 0, extension: false };

/// Reads one body.
#[derive(Debug)]
struct BodyReader(Place);

impl BodyReader {
    fn new(framing: Framing) -> Self {
        Self(match framing {
            Framing::Length(0) => Place::Complete,
            Framing::Length(left) => Place::Data { left, chunked: false },
            Framing::Chunked => SIZE_LINE,
        })
    }

    /// Reads on and shows the content to `sink`; what is left over after the body's end is returned.
    fn feed<'a>(&mut self, mut bytes: &'a [u8], sink: &mut impl FnMut(&[u8])) -> Result<&'a [u8], Error> {
        while self.0 != Place::Complete {
            if let Place::Data { left, chunked } = self.0 {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let (content, rest) = bytes.split_at(here);
                if !content.is_empty() {
                    sink(content);
                }
                bytes = rest;
                let left = left.saturating_sub(here as u64);
                self.0 = match (left, chunked) {
                    (0, true) => Place::DataEnd,
                    (0, false) => Place::Complete,
                    _ => Place::Data { left, chunked },
                };
                if left > 0 {
                    return Ok(bytes);
                }
                continue;
            }
            let Some((&byte, rest)) = bytes.split_first() else { return Ok(bytes) };
            bytes = rest;
            self.framing_byte(byte)?;
        }
        Ok(bytes)
    }

    fn framing_byte(&mut self, byte: u8) -> Result<(), Error> {
        self.0 = match (self.0, byte) {
            (Place::DataEnd, b'\r') => Place::DataEnd,
            (Place::DataEnd, b'\n') => SIZE_LINE,
            (Place::Size { digits: 0, .. }, b'\r' | b'\n' | b';') => return Err(Error::Chunk),
            (Place::Size { size: 0, .. }, b'\n') => Place::Trailers { empty: true },
            (Place::Size { size, .. }, b'\n') => Place::Data { left: size, chunked: true },
            (Place::Size { size, digits, .. }, b'\r' | b';') => Place::Size { size, digits, extension: true },
            (line @ Place::Size { extension: true, .. }, _) => line,
            (Place::Size { size, digits: digits @ 0..15, .. }, digit) => {
                let digit = char::from(digit).to_digit(16).ok_or(Error::Chunk)?;
                Place::Size { size: size * 16 + u64::from(digit), digits: digits + 1, extension: false }
            }
            (Place::Trailers { empty }, b'\r') => Place::Trailers { empty },
            (Place::Trailers { empty: true }, b'\n') => Place::Complete,
            (Place::Trailers { .. }, byte) => Place::Trailers { empty: byte == b'\n' },
            _ => return Err(Error::Chunk),
        };
        Ok(())
    }
}

/// Reads one message after another from a connection, each to its end before the next may begin.
#[derive(Debug)]
pub(crate) struct MessageReader<H> {
    /// Bytes of a head that is not complete.
    partial: Vec<u8>,
    message: Option<(H, BodyReader)>,
}

impl<H: Head> MessageReader<H> {
    /// A reader at the start of a message.
    pub(crate) fn new() -> Self {
        Self { partial: Vec::new(), message: None }
    }

    /// Reads on. Content of the body goes to `body`, piece by piece. When the message is complete, its head is
    /// returned and the reader is at the start of the next message.
    ///
    /// # Errors
    /// [`Error`] when the message is malformed, or more follows it.
    pub(crate) fn feed(&mut self, bytes: &[u8], body: &mut impl FnMut(&[u8])) -> Result<Option<H>, Error> {
        let mut rest = bytes;
        if self.message.is_none() {
            let buffered = self.partial.len();
            if buffered > 0 {
                self.partial.extend_from_slice(bytes);
            }
            let source = if buffered > 0 { self.partial.as_slice() } else { bytes };
            let Some((length, head, framing)) = H::parse(source)? else {
                if buffered == 0 {
                    self.partial.extend_from_slice(bytes);
                }
                return Ok(None);
            };
            // The head was incomplete without these bytes, so it ends among them.
            rest = bytes.get(length.saturating_sub(buffered)..).unwrap_or_default();
            self.partial.clear();
            self.message = Some((head, BodyReader::new(framing)));
        }
        let Some((_, reader)) = &mut self.message else { return Ok(None) };
        let excess = reader.feed(rest, body)?;
        if reader.0 != Place::Complete {
            return Ok(None);
        }
        if !excess.is_empty() {
            return Err(Error::Excess(excess.len()));
        }
        Ok(self.message.take().map(|(head, _)| head))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
        5\r\nhello\r\n1;name=value\r\n,\r\n0B\r\n wide world\r\n0\r\nx-trailer: 1\r\n\r\n";
    const LENGTH: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";

    /// Status and body of one response, handed over in these pieces.
    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(u16, Vec<u8>), Error> {
        let mut reader = MessageReader::<ResponseHead>::new();
        let mut body = Vec::new();
        let mut status = None;
        for piece in pieces {
            assert_eq!(status, None, "complete before its last byte");
            status = reader.feed(piece, &mut |bytes| body.extend_from_slice(bytes))?.map(|head| head.status);
        }
        Ok((status.expect("complete after its last byte"), body))
    }

    #[test]
    fn splits_change_nothing() {
        for (message, expected) in
            [(CHUNKED, (200, b"hello, wide world".to_vec())), (LENGTH, (503, b"busy".to_vec()))]
        {
            let expected = Ok(expected);
            assert_eq!(read([message]), expected);
            assert_eq!(read(message.chunks(1)), expected);
            for at in 1..message.len() {
                assert_eq!(read([&message[..at], &message[at..]]), expected, "split at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_chunking_of_any_body_at_any_split(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..8),
            splits in prop::collection::vec(1_usize..40, 1..60),
        ) {
            let mut message = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            for chunk in &chunks {
                message.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                message.extend_from_slice(chunk);
                message.extend_from_slice(b"\r\n");
            }
            message.extend_from_slice(b"0\r\n\r\n");
            let mut pieces = Vec::new();
            let mut rest = message.as_slice();
            for &split in splits.iter().cycle() {
                let (piece, after) = rest.split_at(split.min(rest.len()));
                pieces.push(piece);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(read(pieces), Ok((200, chunks.concat())));
        }
    }

    #[test]
    fn one_reader_reads_message_after_message() {
        let mut reader = MessageReader::<ResponseHead>::new();
        for _ in 0..2 {
            let mut body = Vec::new();
            let head = reader.feed(CHUNKED, &mut |bytes| body.extend_from_slice(bytes)).unwrap();
            assert_eq!(head, Some(ResponseHead { status: 200, close: false }));
            assert_eq!(body, b"hello, wide world");
        }
    }

    #[test]
    fn the_last_answer_of_a_connection_is_known() {
        let message = b"HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 0\r\n\r\n";
        let head = MessageReader::<ResponseHead>::new().feed(message, &mut |_| {}).unwrap();
        assert_eq!(head, Some(ResponseHead { status: 200, close: true }));
    }

    #[test]
    fn requests() {
        let request = b"POST /v1/messages?beta=1 HTTP/1.1\r\nhost: a\r\nX-Bench-Pace-Ms: 5\r\ncontent-length: 2\r\n\r\n{}";
        let mut reader = MessageReader::<RequestHead>::new();
        let head = reader.feed(request, &mut |_| {}).unwrap().unwrap();
        assert_eq!(head, RequestHead { path: "/v1/messages?beta=1".into(), pace_ms: Some(5) });
        let bare = b"GET / HTTP/1.1\r\n\r\n";
        assert_eq!(reader.feed(bare, &mut |_| {}).unwrap().unwrap().pace_ms, None);
    }

    #[test]
    fn malformed_messages_are_errors() {
        let error = |message: &[u8]| read([message]).unwrap_err();
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(error(b"HTTP/1.1 200 OK\r\n\r\nrest"), Error::Unframed);
        assert_eq!(error(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n"), Error::Length);
        assert_eq!(error(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nabc"), Error::Excess(2));
        assert_eq!(error(format!("{chunked}\r\n").as_bytes()), Error::Chunk);
        assert_eq!(error(format!("{chunked}xyz\r\n").as_bytes()), Error::Chunk);
        assert_eq!(error(format!("{chunked}1\r\nab\r\n").as_bytes()), Error::Chunk);
        assert_eq!(error(format!("{chunked}1111111111111111\r\n").as_bytes()), Error::Chunk);
        assert!(matches!(error(b"SPDY\r\n\r\n"), Error::Head(_)));
    }
}
