//! The encoder: appends frames to a buffer, with LF line ends.

use memchr::{memchr2, memchr3};

use super::Event;
use super::block::split_line;
use crate::Error;

/// Appends one event and the blank line that ends it.
///
/// Each line of `data` becomes a `data:` line of its own. CR and CRLF count as line ends there, as a line cannot
/// contain them, so a decoder returns them as LF. An empty name is the same as none.
///
/// # Errors
/// [`Error::Unwritable`] if the name contains a line break; `out` is then unchanged.
pub fn write_event(out: &mut Vec<u8>, event: Option<&str>, data: &[u8]) -> Result<(), Error> {
    Event { event: event.map(str::as_bytes), data, ..Event::default() }.write(out)
}

/// Appends a comment and a blank line, as keep-alives are sent: clients that split on blank lines see it as a block of
/// its own. Each line of `text` becomes a comment line.
pub fn write_comment(out: &mut Vec<u8>, text: &[u8]) {
    write_lines(out, b": ", text);
    out.push(b'\n');
}

impl Event<'_> {
    /// Appends this event with all its fields and the blank line that ends it, however it ended when it was decoded.
    /// Data is split into lines as [`write_event`] does.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the name or id contains a line break, or the id a NUL; `out` is then unchanged.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let name = self.event.unwrap_or_default();
        if memchr2(b'\r', b'\n', name).is_some() {
            return Err(Error::Unwritable { field: "event" });
        }
        if self.id.is_some_and(|id| memchr3(b'\r', b'\n', 0, id).is_some()) {
            return Err(Error::Unwritable { field: "id" });
        }
        // One growth for the usual event: a name and one line of data.
        out.reserve(name.len() + self.data.len() + "event: \ndata: \n\n".len());
        if !name.is_empty() {
            write_line(out, b"event: ", name);
        }
        if let Some(id) = self.id {
            write_line(out, b"id: ", id);
        }
        if let Some(retry) = self.retry {
            write_line(out, b"retry: ", retry.to_string().as_bytes());
        }
        write_lines(out, b"data: ", self.data);
        out.push(b'\n');
        Ok(())
    }
}

/// Appends `text` as one line or more, each with `prefix`.
fn write_lines(out: &mut Vec<u8>, prefix: &[u8], text: &[u8]) {
    let mut rest = Some(text);
    while let Some(text) = rest {
        let (line, after) = split_line(text);
        write_line(out, prefix, line);
        rest = after;
    }
}

fn write_line(out: &mut Vec<u8>, prefix: &[u8], line: &[u8]) {
    out.extend_from_slice(prefix);
    out.extend_from_slice(line);
    out.push(b'\n');
}
