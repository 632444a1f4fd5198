//! Headers of a message.

use crate::Error;

/// The value of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// True or false (types 0 and 1).
    Bool(bool),
    /// One byte (type 2).
    Byte(i8),
    /// Two bytes (type 3).
    Int16(i16),
    /// Four bytes (type 4).
    Int32(i32),
    /// Eight bytes (type 5).
    Int64(i64),
    /// Bytes, at most 65535 (type 6).
    Bytes(&'a [u8]),
    /// UTF-8 text, at most 65535 bytes (type 7).
    Str(&'a str),
    /// Milliseconds since 1970 (type 8).
    Timestamp(i64),
    /// A UUID (type 9).
    Uuid([u8; 16]),
}

/// The headers of a message: an iterator over names and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers<'a> {
    /// What is left to read. Checked when the message was decoded, so reading it does not fail.
    bytes: &'a [u8],
}

impl<'a> Headers<'a> {
    /// Checks the headers of a message.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut rest = bytes;
        let mut index = 0;
        while !rest.is_empty() {
            (_, rest) = read(rest).ok_or(Error::BadHeader { index })?;
            index += 1;
        }
        Ok(Self { bytes })
    }
}

impl<'a> Headers<'a> {
    /// The headers in their wire format, to be kept for [`Headers::of`].
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Headers in their wire format. What does not follow it, and all behind it, counts as absent.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (header, rest) = read(self.bytes)?;
        self.bytes = rest;
        Some(header)
    }
}

/// Reads the first header of `bytes`; what follows it comes second.
fn read(bytes: &[u8]) -> Option<((&str, Value<'_>), &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(length))?;
    let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty())?;
    let (&kind, rest) = rest.split_first()?;
    let (value, rest) = match kind {
        0 => (Value::Bool(true), rest),
        1 => (Value::Bool(false), rest),
        2 => array(rest).map(|(bytes, rest)| (Value::Byte(i8::from_be_bytes(bytes)), rest))?,
        3 => array(rest).map(|(bytes, rest)| (Value::Int16(i16::from_be_bytes(bytes)), rest))?,
        4 => array(rest).map(|(bytes, rest)| (Value::Int32(i32::from_be_bytes(bytes)), rest))?,
        5 => array(rest).map(|(bytes, rest)| (Value::Int64(i64::from_be_bytes(bytes)), rest))?,
        6 => prefixed(rest).map(|(bytes, rest)| (Value::Bytes(bytes), rest))?,
        7 => {
            let (bytes, rest) = prefixed(rest)?;
            (Value::Str(std::str::from_utf8(bytes).ok()?), rest)
        }
        8 => array(rest).map(|(bytes, rest)| (Value::Timestamp(i64::from_be_bytes(bytes)), rest))?,
        9 => array(rest).map(|(bytes, rest)| (Value::Uuid(bytes), rest))?,
        _ => return None,
    };
    Some(((name, value), rest))
}

fn array<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    bytes.split_first_chunk().map(|(array, rest)| (*array, rest))
}

/// Bytes behind two bytes of length.
fn prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = array(bytes)?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(length)))
}

/// Appends one header.
///
/// # Errors
/// [`Error::UnwritableMessage`] for an empty name, or a name or value too long for its length field. `out` may then end
/// inside the header.
pub(super) fn write(out: &mut Vec<u8>, name: &str, value: Value<'_>) -> Result<(), Error> {
    let length = u8::try_from(name.len()).ok().filter(|&length| length > 0);
    let Some(length) = length else {
        return Err(Error::UnwritableMessage { part: "header name", length: name.len() });
    };
    out.push(length);
    out.extend_from_slice(name.as_bytes());
    match value {
        Value::Bool(true) => out.push(0),
        Value::Bool(false) => out.push(1),
        Value::Byte(byte) => typed(out, 2, &byte.to_be_bytes()),
        Value::Int16(integer) => typed(out, 3, &integer.to_be_bytes()),
        Value::Int32(integer) => typed(out, 4, &integer.to_be_bytes()),
        Value::Int64(integer) => typed(out, 5, &integer.to_be_bytes()),
        Value::Bytes(bytes) => write_prefixed(out, 6, bytes)?,
        Value::Str(text) => write_prefixed(out, 7, text.as_bytes())?,
        Value::Timestamp(millis) => typed(out, 8, &millis.to_be_bytes()),
        Value::Uuid(uuid) => typed(out, 9, &uuid),
    }
    Ok(())
}

fn typed(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    out.push(kind);
    out.extend_from_slice(bytes);
}

fn write_prefixed(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) -> Result<(), Error> {
    let Ok(length) = u16::try_from(bytes.len()) else {
        return Err(Error::UnwritableMessage { part: "header value", length: bytes.len() });
    };
    typed(out, kind, &length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}
