//! Numbers and encodings of proxy-wasm ABI 0.2.1.

use crate::message::Headers;

/// Result of a hostcall, numbered as Envoy numbers it (`WasmResult` in proxy-wasm-cpp-host). The Rust SDK panics on every
/// status a hostcall is not expected to return, so a wrong one kills the VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// The named thing does not exist.
    NotFound = 1,
    /// An argument is out of range, or the hostcall is not allowed in this phase.
    BadArgument = 2,
    /// A pointer lies outside the module's memory.
    InvalidMemoryAccess = 6,
    /// The shared data entry changed since it was read.
    CasMismatch = 8,
    /// The host failed.
    InternalFailure = 10,
    /// The host does not implement this hostcall.
    Unimplemented = 12,
}

/// What a callback told the proxy to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Forward what is held.
    Continue,
    /// Hold the headers; or hold the body, count it against the buffer limit and show all of it again in the next body
    /// callback (1, `StopIterationAndBuffer`).
    Pause,
    /// Hold what is left of the body as a stream (2, `StopIterationAndWatermark`): no callback sees these bytes again, and
    /// more of them than the buffer limit stop the sender instead of failing the stream.
    PauseAsStream,
    /// Drop what is left of the body (3, `StopIterationNoBuffer`).
    PauseAndDrop,
    /// The callback was not delivered, because the exchange was over or a local reply had been sent.
    NotDelivered,
}

impl Action {
    /// Of a headers or trailers callback: 0 is Continue, everything else some kind of stop.
    pub(super) fn of_headers(number: u32) -> Self {
        if number == 0 { Self::Continue } else { Self::Pause }
    }

    /// Of a body callback. Numbers the ABI does not have are the last one it has, as in proxy-wasm-cpp-host
    /// (`convertVmCallResultToFilterDataStatus`).
    pub(super) fn of_body(number: u32) -> Self {
        match number {
            0 => Self::Continue,
            1 => Self::Pause,
            2 => Self::PauseAsStream,
            _ => Self::PauseAndDrop,
        }
    }
}

/// `BufferType` numbers.
pub(super) mod buffer {
    pub(in crate::wasm) const REQUEST_BODY: u32 = 0;
    pub(in crate::wasm) const RESPONSE_BODY: u32 = 1;
    pub(in crate::wasm) const CALL_RESPONSE_BODY: u32 = 4;
    pub(in crate::wasm) const VM_CONFIGURATION: u32 = 6;
    pub(in crate::wasm) const PLUGIN_CONFIGURATION: u32 = 7;
}

/// `MapType` numbers.
pub(super) mod map {
    pub(in crate::wasm) const REQUEST_HEADERS: u32 = 0;
    pub(in crate::wasm) const REQUEST_TRAILERS: u32 = 1;
    pub(in crate::wasm) const RESPONSE_HEADERS: u32 = 2;
    pub(in crate::wasm) const RESPONSE_TRAILERS: u32 = 3;
    pub(in crate::wasm) const CALL_RESPONSE_HEADERS: u32 = 6;
    pub(in crate::wasm) const CALL_RESPONSE_TRAILERS: u32 = 7;
}

/// Encodes a header list: the count, then the sizes of each name and value, then the zero-terminated strings.
/// All numbers are 32-bit little endian.
pub(super) fn encode_pairs(headers: &Headers) -> Vec<u8> {
    let mut sizes = (headers.len() as u32).to_le_bytes().to_vec();
    let mut strings = Vec::new();
    for (name, value) in headers.iter() {
        sizes.extend_from_slice(&(name.len() as u32).to_le_bytes());
        sizes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        strings.extend_from_slice(name.as_bytes());
        strings.push(0);
        strings.extend_from_slice(value);
        strings.push(0);
    }
    sizes.extend_from_slice(&strings);
    sizes
}

/// Decodes what [`encode_pairs`] writes; no bytes at all mean an empty list. `None` if it is cut short.
pub(super) fn decode_pairs(bytes: &[u8]) -> Option<Headers> {
    let mut headers = Headers::new();
    if bytes.is_empty() {
        return Some(headers);
    }
    let number = |at: usize| -> Option<usize> {
        let raw: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(u32::from_le_bytes(raw) as usize)
    };
    let count = number(0)?;
    let mut at = count.checked_mul(8)?.checked_add(4)?;
    for index in 0..count {
        let name_size = number(4 + index * 8)?;
        let value_size = number(8 + index * 8)?;
        let name = bytes.get(at..at.checked_add(name_size)?)?;
        at += name_size + 1;
        let value = bytes.get(at..at.checked_add(value_size)?)?;
        at += value_size + 1;
        headers.add(&String::from_utf8_lossy(name), value);
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn layout_is_the_one_of_the_sdk() {
        let headers = Headers::from(&[(":m", "GET")][..]);
        assert_eq!(encode_pairs(&headers), b"\x01\0\0\0\x02\0\0\0\x03\0\0\0:m\0GET\0");
    }

    proptest! {
        #[test]
        fn pairs_round_trip(fields in prop::collection::vec(("[a-z:-]{0,12}", prop::collection::vec(any::<u8>(), 0..20)), 0..8)) {
            let mut headers = Headers::new();
            for (name, value) in &fields {
                headers.add(name, value.clone());
            }
            prop_assert_eq!(decode_pairs(&encode_pairs(&headers)), Some(headers));
        }

        #[test]
        fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode_pairs(&bytes);
        }
    }
}
