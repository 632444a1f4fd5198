//! Calls into Envoy. None of them panics; one that Envoy refuses does nothing.

use std::ptr::null_mut;

use super::{Buffer, Headers, LogLevel, Map};

/// The status that means success; all others are reasons for failure.
const OK: u32 = 0;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: LogLevel, message: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: Buffer,
        start: usize,
        max_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(
        buffer: Buffer,
        start: usize,
        size: usize,
        data: *const u8,
        length: usize,
    ) -> u32;
    fn proxy_get_header_map_value(
        map: Map,
        name: *const u8,
        name_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: Map, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_replace_header_map_value(
        map: Map,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: Map, name: *const u8, name_size: usize) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        version: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        version: u32,
    ) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
}

/// Runs a call that returns bytes in memory Envoy got from our allocator.
fn bytes_of(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    let mut data = null_mut();
    let mut size = 0;
    if call(&mut data, &mut size) != OK {
        return None;
    }
    if data.is_null() || size == 0 {
        return Some(Vec::new());
    }
    // SAFETY: Envoy allocated `size` bytes with `allocate` (alignment 1, by the global allocator), filled them
    // and handed them over to us.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// Writes to Envoy's log, which adds the plugin's name.
pub(crate) fn log(level: LogLevel, message: &str) {
    // SAFETY: pointer and length of a live string.
    unsafe { proxy_log(level, message.as_ptr(), message.len()) };
}

/// Nanoseconds since 1970.
pub(crate) fn now_ns() -> u64 {
    let mut time = 0;
    // SAFETY: Envoy writes one u64.
    unsafe { proxy_get_current_time_nanoseconds(&mut time) };
    time
}

/// The first `size` bytes of a buffer; empty where there is none.
pub(crate) fn buffer(buffer: Buffer, size: usize) -> Vec<u8> {
    if size == 0 {
        return Vec::new();
    }
    // SAFETY: Envoy writes a pointer and a length.
    bytes_of(|data, length| unsafe { proxy_get_buffer_bytes(buffer, 0, size, data, length) })
        .unwrap_or_default()
}

/// Puts `bytes` in place of the first `size` bytes of a buffer, which with 0 means in front of it.
pub(crate) fn set_buffer(buffer: Buffer, size: usize, bytes: &[u8]) {
    if size > 0 || !bytes.is_empty() {
        // SAFETY: pointer and length of a live slice.
        unsafe { proxy_set_buffer_bytes(buffer, 0, size, bytes.as_ptr(), bytes.len()) };
    }
}

/// The first value of a header; `None` when it is absent or Envoy does not lend the map now.
pub(crate) fn header(map: Map, name: &str) -> Option<Vec<u8>> {
    // SAFETY: pointer and length of a live string; Envoy writes a pointer and a length.
    bytes_of(|data, size| unsafe { proxy_get_header_map_value(map, name.as_ptr(), name.len(), data, size) })
}

/// All headers; none when Envoy does not lend the map now.
pub(crate) fn headers(map: Map) -> Headers {
    // SAFETY: Envoy writes a pointer and a length.
    Headers::new(
        bytes_of(|data, size| unsafe { proxy_get_header_map_pairs(map, data, size) }).unwrap_or_default(),
    )
}

/// Sets a header to one value; nothing happens when Envoy does not lend the map now.
pub(crate) fn set_header(map: Map, name: &str, value: &str) {
    // SAFETY: pointers and lengths of live strings.
    unsafe {
        proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len());
    }
}

/// Removes a header; nothing happens when Envoy does not lend the map now.
pub(crate) fn remove_header(map: Map, name: &str) {
    // SAFETY: pointer and length of a live string.
    unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) };
}

/// A property; the segments of `path` are separated by NUL.
pub(crate) fn property(path: &str) -> Option<Vec<u8>> {
    // SAFETY: pointer and length of a live string; Envoy writes a pointer and a length.
    bytes_of(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// Sets a property, which Envoy keeps as filter state `wasm.<path>`.
pub(crate) fn set_property(path: &str, value: &[u8]) {
    // SAFETY: pointers and lengths of live slices.
    unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) };
}

/// A histogram, which Envoy makes when it is new; `None` when Envoy refuses.
pub(crate) fn histogram(name: &str) -> Option<u32> {
    /// `MetricType::Histogram`
    const HISTOGRAM: u32 = 2;
    let mut id = 0;
    // SAFETY: pointer and length of a live string; Envoy writes one u32.
    let status = unsafe { proxy_define_metric(HISTOGRAM, name.as_ptr(), name.len(), &mut id) };
    (status == OK).then_some(id)
}

/// Adds a value to a histogram.
pub(crate) fn record(histogram: u32, value: u64) {
    // SAFETY: two numbers.
    unsafe { proxy_record_metric(histogram, value) };
}

/// What is shared among all VMs of this `vm_id` under `key`.
pub(crate) fn shared_data(key: &str) -> Option<Vec<u8>> {
    let mut version = 0;
    // SAFETY: pointer and length of a live string; Envoy writes a pointer, a length and a version.
    bytes_of(|data, size| unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &mut version) })
}

/// Shares bytes among all VMs of this `vm_id`, whatever was there.
pub(crate) fn set_shared_data(key: &str, value: &[u8]) {
    /// No version is asked for.
    const ANY: u32 = 0;
    // SAFETY: pointers and lengths of live slices.
    unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), ANY) };
}

/// Answers the client. Envoy acts on it when the callback has returned.
pub(crate) fn send_local_response(
    status: u16,
    details: &str,
    headers: &[(&'static str, String)],
    body: &[u8],
) {
    /// No gRPC status.
    const NONE: i32 = -1;
    let headers = encode_pairs(headers);
    // SAFETY: pointers and lengths of live slices.
    unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NONE,
        );
    }
}

/// The ABI's form of headers: their number, the lengths of each name and value, and then each name and value
/// with a NUL behind it; numbers are u32, little endian.
fn encode_pairs(pairs: &[(&'static str, String)]) -> Vec<u8> {
    let mut out = Vec::new();
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&number(pairs.len()));
    for (name, value) in pairs {
        out.extend_from_slice(&number(name.len()));
        out.extend_from_slice(&number(value.len()));
    }
    for (name, value) in pairs {
        for part in [name.as_bytes(), value.as_bytes()] {
            out.extend_from_slice(part);
            out.push(0);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_encoded_as_the_specification_says() {
        let encoded = encode_pairs(&[("a", "bc".to_owned()), ("def", String::new())]);
        assert_eq!(encoded, b"\x02\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\0\0\0\0a\0bc\0def\0\0");
    }
}
