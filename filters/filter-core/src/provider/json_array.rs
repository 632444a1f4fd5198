//! A stream of Server-Sent Events as one JSON array, an element for each event: how Gemini streams to clients that do
//! not ask for `alt=sse`.

use framing::sse;

/// Writes the array.
#[derive(Debug)]
pub(super) struct JsonArray {
    frames: sse::Decoder,
    elements: usize,
}

impl Default for JsonArray {
    fn default() -> Self {
        Self { frames: sse::Decoder::new(sse::Limits::default()), elements: 0 }
    }
}

impl JsonArray {
    /// The part of the array that the next bytes of the stream complete, `end` with the last ones.
    pub(super) fn chunk(&mut self, bytes: &[u8], end: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + 2);
        let elements = &mut self.elements;
        let mut element = |frame: sse::Frame<'_>| {
            if let sse::Frame::Event(event) = frame {
                out.extend_from_slice(if *elements == 0 { b"[" } else { b",\r\n" });
                out.extend_from_slice(event.data);
                *elements += 1;
            }
            Ok::<(), framing::Error>(())
        };
        let fed = self.frames.feed(bytes, &mut element);
        // What cannot be read was reported in the stream itself; the array is closed all the same.
        if end {
            if fed.is_ok() {
                let _ = self.frames.finish(&mut element);
            }
            out.extend_from_slice(if self.elements == 0 { b"[]" } else { b"]" });
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_elements_at_any_split() {
        let stream = b"data: {\"a\":1}\n\n: keep\n\ndata: {\"b\":2}\n\n";
        for cut in 0..=stream.len() {
            let mut array = JsonArray::default();
            let mut out = array.chunk(&stream[..cut], false);
            out.extend(array.chunk(&stream[cut..], true));
            assert_eq!(String::from_utf8(out).unwrap(), "[{\"a\":1},\r\n{\"b\":2}]");
        }
        assert_eq!(JsonArray::default().chunk(b"", true), b"[]");
    }
}
