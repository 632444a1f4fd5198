//! The callbacks under the names the module imports.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};

use testkit::{Headers, LocalReply, LogLevel, LogLine, ReplyOrigin};
use weir::abi::{EnvoyBuffer, EnvoyHeader, ModuleBuffer, ModuleHeader};
use weir::hooks;

use super::stream::State;

thread_local! {
    static LOG: RefCell<Vec<LogLine>> = const { RefCell::new(Vec::new()) };
}

/// What was logged on this thread since the last call.
pub fn take_log() -> Vec<LogLine> {
    LOG.with(|log| std::mem::take(&mut *log.borrow_mut()))
}

// SAFETY: the module passes on what `FakeStream` gave it, which outlives every hook.
fn state<'a>(filter: *mut c_void) -> std::cell::RefMut<'a, State> {
    unsafe { &*filter.cast::<RefCell<State>>() }.borrow_mut()
}

// SAFETY: the module's buffers are readable during the call.
fn bytes<'a>(buffer: ModuleBuffer) -> &'a [u8] {
    if buffer.ptr.is_null() { &[] } else { unsafe { std::slice::from_raw_parts(buffer.ptr, buffer.length) } }
}

fn text(buffer: ModuleBuffer) -> String {
    String::from_utf8(bytes(buffer).to_vec()).unwrap()
}

fn lent(bytes: &[u8]) -> EnvoyBuffer {
    EnvoyBuffer { ptr: bytes.as_ptr(), length: bytes.len() }
}

// SAFETY: `value` is writable during the call; what it points at lives in the stream's state.
fn give(value: *mut EnvoyBuffer, found: Option<&[u8]>) -> bool {
    if let Some(found) = found {
        unsafe { *value = lent(found) };
    }
    found.is_some()
}

fn headers(state: &mut State, map: c_int) -> Option<&mut Headers> {
    match map {
        0 => state.request.headers.as_mut(),
        2 => state.response.headers.as_mut(),
        other => panic!("header map {other}"),
    }
}

fn body(state: &mut State, which: c_int) -> Option<&mut Vec<Vec<u8>>> {
    match which {
        0 => state.request.received.as_mut(),
        1 => Some(&mut state.request.held),
        2 => state.response.received.as_mut(),
        3 => Some(&mut state.response.held),
        other => panic!("body {other}"),
    }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_log(level: c_int, message: ModuleBuffer) {
    let level = LogLevel::from_number(u32::try_from(level).unwrap()).unwrap();
    let message = text(message);
    // Also where a failing test shows it: assertions of tests come this way, too.
    eprintln!("[{level:?}] {message}");
    LOG.with(|log| log.borrow_mut().push(LogLine { level, message }));
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_get_header(
    filter: *mut c_void,
    map: c_int,
    key: ModuleBuffer,
    value: *mut EnvoyBuffer,
    index: usize,
    _count: *mut usize,
) -> bool {
    let mut state = state(filter);
    let (key, mut found) = (text(key), None);
    if let Some(headers) = headers(&mut state, map) {
        found = headers.iter().filter(|(name, _)| *name == key).map(|(_, value)| value).nth(index);
    }
    give(value, found)
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_get_headers_size(filter: *mut c_void, map: c_int) -> usize {
    headers(&mut state(filter), map).map_or(0, |headers| headers.iter().count())
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_get_headers(
    filter: *mut c_void,
    map: c_int,
    all: *mut EnvoyHeader,
) -> bool {
    let mut state = state(filter);
    let Some(headers) = headers(&mut state, map) else { return false };
    for (index, (name, value)) in headers.iter().enumerate() {
        // SAFETY: the module made room for as many headers as it was told.
        unsafe { *all.add(index) = EnvoyHeader { key: lent(name.as_bytes()), value: lent(value) } };
    }
    true
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_set_header(
    filter: *mut c_void,
    map: c_int,
    key: ModuleBuffer,
    value: ModuleBuffer,
) -> bool {
    let mut state = state(filter);
    let Some(headers) = headers(&mut state, map) else { return false };
    if value.ptr.is_null() {
        headers.remove(&text(key))
    } else {
        headers.set(&text(key), bytes(value))
    }
    true
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_get_body_size(filter: *mut c_void, which: c_int) -> usize {
    body(&mut state(filter), which).map_or(0, |pieces| pieces.iter().map(Vec::len).sum())
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_get_body_chunks_size(
    filter: *mut c_void,
    which: c_int,
) -> usize {
    body(&mut state(filter), which).map_or(0, |pieces| pieces.len())
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_get_body_chunks(
    filter: *mut c_void,
    which: c_int,
    chunks: *mut EnvoyBuffer,
) -> bool {
    let mut state = state(filter);
    let Some(pieces) = body(&mut state, which) else { return false };
    for (index, piece) in pieces.iter().enumerate() {
        // SAFETY: the module made room for as many chunks as it was told of.
        give(unsafe { chunks.add(index) }, Some(piece));
    }
    true
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_append_body(
    filter: *mut c_void,
    which: c_int,
    data: ModuleBuffer,
) -> bool {
    let mut state = state(filter);
    let Some(pieces) = body(&mut state, which) else { return false };
    pieces.push(bytes(data).to_vec());
    true
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_drain_body(
    filter: *mut c_void,
    which: c_int,
    count: usize,
) -> bool {
    assert_eq!(count, usize::MAX, "the module only ever drains everything");
    let mut state = state(filter);
    let Some(pieces) = body(&mut state, which) else { return false };
    pieces.clear();
    true
}

/// The stream has one filter, so no other has held the body before it.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_received_buffered_request_body(_: *mut c_void) -> bool {
    false
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_received_buffered_response_body(_: *mut c_void) -> bool {
    false
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_get_buffer_limit(filter: *mut c_void) -> u64 {
    state(filter).limit as u64
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_set_buffer_limit(filter: *mut c_void, bytes: u64) {
    state(filter).limit = usize::try_from(bytes).unwrap();
}

/// Has the body hook called, as Envoy does, and then destroys the filter, which Envoy may do.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_send_response_data(
    filter: *mut c_void,
    data: ModuleBuffer,
    end: bool,
) {
    assert!(end, "the module sends nothing but the end");
    let driver = {
        let mut state = state(filter);
        assert!(state.response.forwarded.headers.is_some() && !state.response.forwarded.ended);
        state.response.received = Some(vec![bytes(data).to_vec()]);
        state.driver
    };
    // SAFETY: filter and driver are of this stream and alive, and no state is borrowed.
    let status = unsafe { hooks::envoy_dynamic_module_on_http_filter_response_body(filter, driver, end) };
    assert_eq!(status, 0, "the end goes on");
    let mut state = state(filter);
    let received = state.response.received.take().unwrap_or_default().concat();
    if !received.is_empty() {
        state.response.forwarded.chunks.push(received);
    }
    state.response.forwarded.ended = true;
    state.over = true;
    let driver = std::mem::replace(&mut state.driver, std::ptr::null());
    drop(state);
    // SAFETY: `filter_new` made it and nothing has destroyed it.
    unsafe { hooks::envoy_dynamic_module_on_http_filter_destroy(driver) };
}

/// The scheduler of a stream is the stream.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_scheduler_new(filter: *mut c_void) -> *mut c_void {
    filter
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_scheduler_commit(scheduler: *mut c_void, _: u64) {
    state(scheduler).scheduled += 1;
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_scheduler_delete(_: *mut c_void) {}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_http_callout(
    _: *mut c_void,
    _: *mut u64,
    _: ModuleBuffer,
    _: *const ModuleHeader,
    _: usize,
    _: ModuleBuffer,
    _: u64,
) -> c_int {
    /// There is no such cluster.
    const NO_CLUSTER: c_int = 2;
    NO_CLUSTER
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_continue_decoding(_: *mut c_void) {}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_continue_encoding(_: *mut c_void) {}

/// Envoy may destroy the filter before the call returns; this one always does.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_send_response(
    filter: *mut c_void,
    status: u32,
    headers: *const ModuleHeader,
    count: usize,
    body: ModuleBuffer,
    details: ModuleBuffer,
) {
    let mut given = Headers::new();
    // SAFETY: the module passes that many headers.
    for header in unsafe { std::slice::from_raw_parts(headers, count) } {
        given.add(&text(header.key), bytes(header.value));
    }
    let mut state = state(filter);
    state.answer(LocalReply {
        status: u16::try_from(status).unwrap(),
        headers: given,
        body: bytes(body).to_vec(),
        details: text(details),
        origin: ReplyOrigin::Filter,
    });
    let driver = std::mem::replace(&mut state.driver, std::ptr::null());
    drop(state);
    // SAFETY: `filter_new` made it and nothing has destroyed it.
    unsafe { hooks::envoy_dynamic_module_on_http_filter_destroy(driver) };
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_get_attribute_string(
    filter: *mut c_void,
    attribute: c_int,
    value: *mut EnvoyBuffer,
) -> bool {
    give(value, state(filter).attributes.get(&attribute).map(Vec::as_slice))
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_get_attribute_int(
    _filter: *mut c_void,
    _attribute: c_int,
    _value: *mut u64,
) -> bool {
    false
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_get_most_specific_route_config(
    filter: *mut c_void,
) -> *const c_void {
    let mut state = state(filter);
    state.route_chosen_after = state.route_clears;
    std::ptr::null()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_get_metadata_string(
    filter: *mut c_void,
    source: c_int,
    namespace: ModuleBuffer,
    key: ModuleBuffer,
    value: *mut EnvoyBuffer,
) -> bool {
    assert_eq!(source, 1, "only route metadata is read");
    let state = state(filter);
    assert_eq!(state.route_chosen_after, state.route_clears, "Envoy gives the metadata of the route before");
    give(value, state.route_metadata.get(&(text(namespace), text(key))).map(Vec::as_slice))
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_set_filter_state_bytes(
    filter: *mut c_void,
    key: ModuleBuffer,
    value: ModuleBuffer,
) -> bool {
    state(filter).filter_state.borrow_mut().insert(text(key), bytes(value).to_vec());
    true
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_get_filter_state_bytes(
    filter: *mut c_void,
    key: ModuleBuffer,
    value: *mut EnvoyBuffer,
) -> bool {
    let state = state(filter);
    let values = state.filter_state.borrow();
    give(value, values.get(&text(key)).map(Vec::as_slice))
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_clear_route_cache(filter: *mut c_void) {
    state(filter).route_clears += 1;
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_set_dynamic_metadata_struct(
    _filter: *mut c_void,
    _namespace: ModuleBuffer,
    _value: ModuleBuffer,
) {
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_define_histogram(
    _config: *mut c_void,
    _name: ModuleBuffer,
    _labels: *const ModuleBuffer,
    _labels_size: usize,
    id: *mut usize,
) -> c_int {
    thread_local! {
        static NEXT: std::cell::Cell<usize> = const { std::cell::Cell::new(1) };
    }
    // SAFETY: `id` is writable during the call.
    unsafe { *id = NEXT.replace(NEXT.get() + 1) };
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_define_counter(
    _config: *mut c_void,
    _name: ModuleBuffer,
    _labels: *const ModuleBuffer,
    _labels_size: usize,
    id: *mut usize,
) -> c_int {
    thread_local! {
        static NEXT: std::cell::Cell<usize> = const { std::cell::Cell::new(1) };
    }
    // SAFETY: `id` is writable during the call.
    unsafe { *id = NEXT.replace(NEXT.get() + 1) };
    0
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_record_histogram_value(
    _filter: *mut c_void,
    _id: usize,
    _values: *const ModuleBuffer,
    _values_size: usize,
    _value: u64,
) -> c_int {
    0
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_increment_counter(
    _filter: *mut c_void,
    _id: usize,
    _values: *const ModuleBuffer,
    _values_size: usize,
    _value: u64,
) -> c_int {
    0
}
