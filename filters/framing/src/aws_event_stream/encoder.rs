//! The encoder: appends messages to a buffer.

use super::header::{self, Value};
use super::{CHECKSUM, OVERHEAD};
use crate::Error;

/// Appends one message.
///
/// # Errors
/// [`Error::UnwritableMessage`] for an empty header name, and for a header or message too long for its length field;
/// `out` is then unchanged.
pub fn encode(out: &mut Vec<u8>, headers: &[(&str, Value<'_>)], payload: &[u8]) -> Result<(), Error> {
    let start = out.len();
    let result = append(out, start, headers, payload);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn append(
    out: &mut Vec<u8>,
    start: usize,
    headers: &[(&str, Value<'_>)],
    payload: &[u8],
) -> Result<(), Error> {
    // The prelude is written first and its lengths are put in when they are known.
    out.extend_from_slice(&[0; OVERHEAD - CHECKSUM]);
    let headers_start = out.len();
    for (name, value) in headers {
        header::write(out, name, *value)?;
    }
    let headers_length = out.len() - headers_start;
    out.extend_from_slice(payload);
    let total = out.len() - start + CHECKSUM;
    let length =
        |part, length: usize| u32::try_from(length).map_err(|_| Error::UnwritableMessage { part, length });
    let lengths = [length("whole", total)?.to_be_bytes(), length("headers", headers_length)?.to_be_bytes()];
    let lengths = lengths.as_flattened();
    let prelude_checksum = crc32fast::hash(lengths).to_be_bytes();
    for (byte, value) in out.iter_mut().skip(start).zip(lengths.iter().chain(&prelude_checksum)) {
        *byte = *value;
    }
    let checksum = crc32fast::hash(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&checksum.to_be_bytes());
    Ok(())
}
