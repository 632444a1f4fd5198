//! Calls into Envoy. None of them panics; one that Envoy refuses does nothing.

use std::ptr::null_mut;

use super::{Buffer, Headers, LogLevel, Map, MetricKind};

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
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_define_metric(kind: MetricKind, name: *const u8, name_size: usize, id: *mut u32) -> u32;
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
    fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout_ms: u32,
        call: *mut u32,
    ) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
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

/// A metric's number; Envoy makes the metric when it is new. `None` when Envoy refuses.
pub(crate) fn metric(kind: MetricKind, name: &str) -> Option<u32> {
    let mut id = 0;
    // SAFETY: pointer and length of a live string; Envoy writes one u32.
    let status = unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &mut id) };
    (status == OK).then_some(id)
}

/// Adds to a counter.
pub(crate) fn increment(counter: u32, by: u64) {
    // SAFETY: two numbers.
    unsafe { proxy_increment_metric(counter, i64::try_from(by).unwrap_or(i64::MAX)) };
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

/// What is shared under `key`, and the version to replace it by; 0 for what has never been there.
pub(crate) fn shared_data_and_version(key: &str) -> (Option<Vec<u8>>, u32) {
    let mut version = 0;
    // SAFETY: pointer and length of a live string; Envoy writes a pointer, a length and a version.
    let data = bytes_of(|data, size| unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &mut version)
    });
    (data, version)
}

/// Shares bytes unless somebody has shared others since `version`; false then.
pub(crate) fn replace_shared_data(key: &str, value: &[u8], version: u32) -> bool {
    /// `WasmResult::CasMismatch`
    const CHANGED: u32 = 8;
    // SAFETY: pointers and lengths of live slices.
    let status =
        unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version) };
    status != CHANGED
}

/// Shares bytes among all VMs of this `vm_id`, whatever was there.
pub(crate) fn set_shared_data(key: &str, value: &[u8]) {
    /// No version is asked for.
    const ANY: u32 = 0;
    // SAFETY: pointers and lengths of live slices.
    unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), ANY) };
}

/// Sends a request to a cluster. Envoy calls `proxy_on_http_call_response` with the number of the call when it is
/// answered, also when it fails later; `None` when it cannot be sent at all.
pub(crate) fn call(cluster: &str, headers: &[(String, String)], body: &[u8], timeout_ms: u32) -> Option<u32> {
    let headers = encode_pairs(headers);
    let trailers = encode_pairs::<&str>(&[]);
    let mut call = 0;
    // SAFETY: pointers and lengths of live slices; Envoy writes one u32.
    let status = unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout_ms,
            &mut call,
        )
    };
    (status == OK).then_some(call)
}

/// Makes the calls that follow be about this stream.
pub(super) fn act_for(stream: u32) {
    // SAFETY: a number.
    unsafe { proxy_set_effective_context(stream) };
}

/// Lets the request (or else the response) go on that a callback has held.
pub(crate) fn go_on(request: bool) {
    // SAFETY: a number: `WasmStreamType`.
    unsafe { proxy_continue_stream(u32::from(!request)) };
}

/// Resets the stream, both to the client and to the upstream. Envoy acts on it when the callback has returned.
pub(super) fn close_response() {
    /// `WasmStreamType`
    const RESPONSE: u32 = 1;
    // SAFETY: a number.
    unsafe { proxy_close_stream(RESPONSE) };
}

/// Has `proxy_on_tick` of the root called every `period` milliseconds; with 0 not any more.
pub(super) fn set_tick_period(period: u32) {
    // SAFETY: a number.
    unsafe { proxy_set_tick_period_milliseconds(period) };
}

/// Answers the client. Envoy acts on it when the callback has returned.
pub(crate) fn send_local_response(
    status: u16,
    details: &str,
    headers: &[(impl AsRef<str>, String)],
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
fn encode_pairs<Name: AsRef<str>>(pairs: &[(Name, String)]) -> Vec<u8> {
    let mut out = Vec::new();
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&number(pairs.len()));
    for (name, value) in pairs {
        out.extend_from_slice(&number(name.as_ref().len()));
        out.extend_from_slice(&number(value.len()));
    }
    for (name, value) in pairs {
        for part in [name.as_ref().as_bytes(), value.as_bytes()] {
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
