//! One HTTP exchange as data, and who can run it.

use crate::message::Headers;
use crate::outcome::Outcome;

/// One direction of a scripted exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Side {
    /// Headers including pseudo headers.
    pub headers: Headers,
    /// Whole body; empty means the headers end the message unless there are trailers.
    pub body: Vec<u8>,
    /// Trailers, if the message has any.
    pub trailers: Option<Headers>,
}

/// A request, the upstream's response, and what the filters may read about the exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// What the client sends.
    pub request: Side,
    /// What the upstream sends once the request has reached it; not sent after a local reply.
    pub response: Side,
    /// Properties by path (`["xds", "cluster_name"]`) with the bytes the proxy would return.
    pub properties: Vec<(Vec<String>, Vec<u8>)>,
}

impl Script {
    /// A JSON POST to `path` answered with status 200 and the JSON body `response`.
    pub fn json(path: &str, request: impl Into<Vec<u8>>, response: impl Into<Vec<u8>>) -> Self {
        let request = request.into();
        let response = response.into();
        let mut request_headers = Headers::from(
            &[
                (":method", "POST"),
                (":scheme", "http"),
                (":authority", "gateway.test"),
                (":path", path),
                ("content-type", "application/json"),
            ][..],
        );
        request_headers.add("content-length", request.len().to_string());
        let mut response_headers =
            Headers::from(&[(":status", "200"), ("content-type", "application/json")][..]);
        response_headers.add("content-length", response.len().to_string());
        Self {
            request: Side { headers: request_headers, body: request, trailers: None },
            response: Side { headers: response_headers, body: response, trailers: None },
            properties: Vec::new(),
        }
    }

    /// A JSON POST to `path` answered with status 200 and a `text/event-stream` body.
    pub fn event_stream(path: &str, request: impl Into<Vec<u8>>, events: impl Into<Vec<u8>>) -> Self {
        let mut script = Self::json(path, request, events);
        script.response.headers.set("content-type", "text/event-stream");
        script.response.headers.remove("content-length");
        script
    }

    /// Adds a property the filter can read.
    #[must_use]
    pub fn with_property(mut self, path: &[&str], value: impl Into<Vec<u8>>) -> Self {
        self.properties.push((path.iter().map(|part| (*part).to_owned()).collect(), value.into()));
        self
    }
}

/// How the end of a body arrives. Both occur in Envoy: HTTP/1 with a content length sets the flag on the last bytes,
/// HTTP/2 and chunked bodies often end with an empty frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ending {
    /// The last chunk carries the end-of-stream flag.
    #[default]
    WithLastChunk,
    /// All bytes come first, then an empty chunk with the flag.
    EmptyChunk,
}

/// Where the bodies of a script are cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Splits {
    /// Ascending offsets inside the request body; empty means one chunk.
    pub request: Vec<usize>,
    /// Ascending offsets inside the response body.
    pub response: Vec<usize>,
    /// How both bodies end.
    pub ending: Ending,
}

impl Splits {
    /// No cut at all.
    pub fn whole() -> Self {
        Self::default()
    }

    /// The chunks of `body` cut at `offsets`, each with its end-of-stream flag. `trailers` says that trailers follow, so
    /// that no chunk ends the stream. An empty body without trailers gives no chunk: its headers end the stream.
    pub fn chunks<'a>(
        &self,
        body: &'a [u8],
        offsets: &[usize],
        trailers: bool,
    ) -> impl Iterator<Item = (&'a [u8], bool)> + use<'a> {
        let mut chunks = Vec::with_capacity(offsets.len() + 2);
        let mut start = 0;
        for end in offsets.iter().copied().chain([body.len()]) {
            if let Some(chunk) = body.get(start..end)
                && !chunk.is_empty()
            {
                chunks.push((chunk, false));
                start = end;
            }
        }
        if !trailers && !chunks.is_empty() {
            match self.ending {
                Ending::WithLastChunk => {
                    if let Some(last) = chunks.last_mut() {
                        last.1 = true;
                    }
                }
                Ending::EmptyChunk => chunks.push((&[], true)),
            }
        }
        chunks.into_iter()
    }
}

/// Something that can run a scripted exchange: the module in a VM, the filter core natively, or the dynamic module's
/// entry points.
pub trait Subject {
    /// Runs the whole script once, from a fresh stream, with the bodies cut as told. A trap or panic is reported in
    /// [`Outcome::trap`].
    fn exchange(&mut self, script: &Script, splits: &Splits) -> Outcome;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(ending: Ending, body: &[u8], at: &[usize], trailers: bool) -> Vec<(Vec<u8>, bool)> {
        let splits = Splits { ending, ..Splits::whole() };
        splits.chunks(body, at, trailers).map(|(chunk, end)| (chunk.to_vec(), end)).collect()
    }

    #[test]
    fn cuts_and_flags() {
        use Ending::{EmptyChunk, WithLastChunk};
        assert_eq!(
            chunks(WithLastChunk, b"abc", &[1], false),
            [(b"a".to_vec(), false), (b"bc".to_vec(), true)]
        );
        assert_eq!(chunks(EmptyChunk, b"abc", &[], false), [(b"abc".to_vec(), false), (vec![], true)]);
        assert_eq!(chunks(WithLastChunk, b"abc", &[], true), [(b"abc".to_vec(), false)]);
        assert_eq!(chunks(EmptyChunk, b"", &[], false), []);
    }

    #[test]
    fn event_streams_have_no_length() {
        let script = Script::event_stream("/v1/chat/completions", "{}", "data: 1\n\n");
        assert_eq!(script.response.headers.get("content-length"), None);
        assert_eq!(script.response.headers.get("content-type"), Some("text/event-stream"));
        assert_eq!(script.request.headers.get("content-length"), Some("2"));
    }
}
