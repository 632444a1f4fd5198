//! The `model` of a multipart form (OpenAI image edits, audio transcriptions): read, and set, without touching the
//! files beside it. Format: RFC 7578.

use std::ops::Range;

use memchr::memmem;

/// The boundary of a `content-type: multipart/form-data; boundary=…`.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let mut parts = content_type.split(';').map(str::trim);
    parts.next().filter(|kind| kind.eq_ignore_ascii_case("multipart/form-data"))?;
    let boundary = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (!boundary.is_empty()).then_some(boundary)
}

/// Where in `body` the value of a text field stands.
fn field(body: &[u8], boundary: &str, name: &str) -> Option<Range<usize>> {
    let delimiter = format!("--{boundary}");
    let wanted = format!("name=\"{name}\"");
    let finder = memmem::Finder::new(delimiter.as_bytes());
    let starts: Vec<usize> = finder.find_iter(body).collect();
    starts.windows(2).find_map(|pair| {
        let (&start, &end) = (pair.first()?, pair.get(1)?);
        let part = body.get(start + delimiter.len()..end)?;
        let head = memmem::find(part, b"\r\n\r\n")?;
        let headers = std::str::from_utf8(part.get(..head)?).ok()?;
        let is_field = headers.split("\r\n").any(|line| {
            let lower = line.to_ascii_lowercase();
            lower.starts_with("content-disposition:") && !lower.contains("filename") && line.contains(&wanted)
        });
        let value_start = start + delimiter.len() + head + 4;
        // A line break stands in front of the next delimiter.
        (is_field && value_start + 2 <= end).then(|| value_start..end - 2)
    })
}

/// The model a form names.
pub(crate) fn model<'a>(body: &'a [u8], boundary: &str) -> Option<&'a str> {
    std::str::from_utf8(body.get(field(body, boundary, "model")?)?).ok()
}

/// The form with its `model` replaced; `None` when it has none.
pub(crate) fn set_model(body: &[u8], boundary: &str, model: &str) -> Option<Vec<u8>> {
    let place = field(body, boundary, "model")?;
    Some([body.get(..place.start)?, model.as_bytes(), body.get(place.end..)?].concat())
}

/// Whether the form asks for a stream.
pub(crate) fn stream(body: &[u8], boundary: &str) -> bool {
    field(body, boundary, "stream").and_then(|place| body.get(place)) == Some(b"true")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &[u8] = b"--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"name=\\\"model\\\"\"\r\n\
        Content-Type: audio/wav\r\n\r\n\x00\r\n\r\nmodel\r\n--xx\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n\
        whisper-1\r\n--xx--\r\n";

    #[test]
    fn reads_and_sets_the_model() {
        assert_eq!(model(FORM, "xx"), Some("whisper-1"));
        let edited = set_model(FORM, "xx", "gpt-4o-transcribe").unwrap();
        assert_eq!(model(&edited, "xx"), Some("gpt-4o-transcribe"));
        assert_eq!(edited.len(), FORM.len() + "gpt-4o-transcribe".len() - "whisper-1".len());
        assert_eq!(model(b"--xx--", "xx"), None);
        assert!(!stream(FORM, "xx"));
    }

    #[test]
    fn boundaries() {
        assert_eq!(boundary("multipart/form-data; boundary=\"a b\""), Some("a b"));
        assert_eq!(boundary("Multipart/Form-Data;charset=x;Boundary=abc"), Some("abc"));
        assert_eq!(boundary("application/json"), None);
        assert_eq!(boundary("multipart/form-data"), None);
    }

    #[test]
    fn no_body_panics() {
        for end in 0..FORM.len() {
            let _ = model(&FORM[..end], "xx");
            let _ = set_model(&FORM[end..], "xx", "m");
        }
    }
}
