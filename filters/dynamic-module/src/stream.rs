//! A safe handle on one stream of Envoy, and Envoy's log.

use std::borrow::Cow;
use std::ffi::c_int;
use std::marker::PhantomData;

use filter_core::{Callout, Direction, HeaderMap, Level, LocalReply};

use crate::abi::{self, EnvoyBuffer, EnvoyHeader, ModuleBuffer, ModuleHeader};

/// The chunk of the running body hook.
fn received(direction: Direction) -> c_int {
    match direction {
        Direction::Request => abi::body::RECEIVED_REQUEST,
        Direction::Response => abi::body::RECEIVED_RESPONSE,
    }
}

/// What Envoy holds back of a body.
fn held(direction: Direction) -> c_int {
    match direction {
        Direction::Request => abi::body::BUFFERED_REQUEST,
        Direction::Response => abi::body::BUFFERED_RESPONSE,
    }
}

/// One stream of Envoy, during one hook. Reads and header edits take `&self`; what changes a body, and so
/// invalidates bytes read from it, takes `&mut self`; what ends the stream consumes the handle.
#[derive(Debug)]
pub struct Stream {
    filter: abi::FilterPtr,
    // Neither `Send` nor `Sync`: Envoy's stream belongs to one worker thread.
    _worker: PhantomData<*mut ()>,
}

impl Stream {
    /// The stream of Envoy's filter object.
    ///
    /// # Safety
    /// `filter` is the pointer Envoy passed to the hook that is running, on the same thread, and the handle
    /// is gone when that hook returns.
    pub unsafe fn new(filter: abi::FilterPtr) -> Self {
        Self { filter, _worker: PhantomData }
    }

    /// The first value of a header or pseudo-header.
    pub fn header(&self, map: HeaderMap, name: &str) -> Option<Vec<u8>> {
        self.header_value(map, name, 0)
    }

    /// Every value of a header or pseudo-header, in order.
    pub fn header_values(&self, map: HeaderMap, name: &str) -> Vec<Vec<u8>> {
        (0..).map_while(|index| self.header_value(map, name, index)).collect()
    }

    fn header_value(&self, map: HeaderMap, name: &str, index: usize) -> Option<Vec<u8>> {
        self.read(|value| {
            // SAFETY: the filter is valid (`new`), the key outlives the call, `value` is writable, and the
            // count may be null. Envoy answers false to an index beyond the last value.
            unsafe {
                abi::envoy_dynamic_module_callback_http_get_header(
                    self.filter,
                    header_map(map),
                    ModuleBuffer::of(name.as_bytes()),
                    value,
                    index,
                    std::ptr::null_mut(),
                )
            }
        })
    }

    /// Which of these headers there are; lower-case names. One call for all of them: most requests have none.
    pub fn present<'n>(&self, map: HeaderMap, names: &[&'n str]) -> Vec<&'n str> {
        // SAFETY: the filter is valid (`new`); headers that are not there yet count as none.
        let count =
            unsafe { abi::envoy_dynamic_module_callback_http_get_headers_size(self.filter, header_map(map)) };
        let empty = EnvoyHeader { key: EnvoyBuffer::EMPTY, value: EnvoyBuffer::EMPTY };
        let mut headers = vec![empty; count];
        // SAFETY: the filter is valid (`new`), and `headers` is as long as Envoy said just before. What it lends is
        // compared here, before any header changes.
        let read = count > 0
            && unsafe {
                abi::envoy_dynamic_module_callback_http_get_headers(
                    self.filter,
                    header_map(map),
                    headers.as_mut_ptr(),
                )
            };
        if !read {
            return Vec::new();
        }
        let is_there = |name: &str| headers.iter().any(|header| self.borrow(&header.key) == name.as_bytes());
        names.iter().copied().filter(|name| is_there(name)).collect()
    }

    /// Sets a header to one value; `None` removes every value.
    pub fn set_header(&self, map: HeaderMap, name: &str, value: Option<&str>) {
        let value = value.map_or(ModuleBuffer::NULL, |value| ModuleBuffer::of(value.as_bytes()));
        // SAFETY: the filter is valid (`new`); Envoy copies key and value. It answers false when there are no
        // such headers yet: nothing to set then.
        unsafe {
            abi::envoy_dynamic_module_callback_http_set_header(
                self.filter,
                header_map(map),
                ModuleBuffer::of(name.as_bytes()),
                value,
            );
        }
    }

    /// A string attribute by its number in [`abi::attribute`].
    pub fn attribute(&self, id: c_int) -> Option<Vec<u8>> {
        self.read(|value| {
            // SAFETY: the filter is valid (`new`) and `value` is writable.
            unsafe {
                abi::envoy_dynamic_module_callback_http_filter_get_attribute_string(self.filter, id, value)
            }
        })
    }

    /// A whole number among the attributes, by its number in [`abi::attribute`].
    pub fn number(&self, id: c_int) -> Option<u64> {
        let mut value = 0;
        // SAFETY: the filter is valid (`new`) and `value` is writable.
        let found = unsafe {
            abi::envoy_dynamic_module_callback_http_filter_get_attribute_int(self.filter, id, &raw mut value)
        };
        found.then_some(value)
    }

    /// A string of the selected route's metadata.
    pub fn route_metadata(&self, namespace: &str, key: &str) -> Option<Vec<u8>> {
        // Envoy reads the metadata of the route that was chosen last, even when it is to choose again
        // (`clear_route`). It chooses when it looks for a filter's configuration of the route, of which there is none.
        // SAFETY: the filter is valid (`new`).
        unsafe { abi::envoy_dynamic_module_callback_get_most_specific_route_config(self.filter) };
        self.read(|value| {
            // SAFETY: the filter is valid (`new`), namespace and key outlive the call, `value` is writable.
            unsafe {
                abi::envoy_dynamic_module_callback_http_get_metadata_string(
                    self.filter,
                    abi::metadata_source::ROUTE,
                    ModuleBuffer::of(namespace.as_bytes()),
                    ModuleBuffer::of(key.as_bytes()),
                    value,
                )
            }
        })
    }

    /// Bytes in the stream's filter state, shared by the downstream chain and all attempts.
    pub fn state(&self, key: &str) -> Option<Vec<u8>> {
        self.read(|value| {
            // SAFETY: the filter is valid (`new`), the key outlives the call, `value` is writable.
            unsafe {
                abi::envoy_dynamic_module_callback_http_get_filter_state_bytes(
                    self.filter,
                    ModuleBuffer::of(key.as_bytes()),
                    value,
                )
            }
        })
    }

    /// Whether there is anything in the filter state under `key`.
    pub fn has_state(&self, key: &str) -> bool {
        let mut value = EnvoyBuffer::EMPTY;
        // SAFETY: as in `state`; the value is not looked at.
        unsafe {
            abi::envoy_dynamic_module_callback_http_get_filter_state_bytes(
                self.filter,
                ModuleBuffer::of(key.as_bytes()),
                &raw mut value,
            )
        }
    }

    /// Sets or replaces bytes in the filter state; false when Envoy refuses.
    pub fn set_state(&self, key: &str, value: &[u8]) -> bool {
        // SAFETY: the filter is valid (`new`); Envoy copies key and value.
        unsafe {
            abi::envoy_dynamic_module_callback_http_set_filter_state_bytes(
                self.filter,
                ModuleBuffer::of(key.as_bytes()),
                ModuleBuffer::of(value),
            )
        }
    }

    /// Makes Envoy choose the route again. Only for filters of the downstream chain.
    pub fn clear_route(&self) {
        // SAFETY: the filter is valid (`new`).
        unsafe { abi::envoy_dynamic_module_callback_http_clear_route_cache(self.filter) }
    }

    /// Puts a serialised `google.protobuf.Struct` into the stream's dynamic metadata. Envoy logs what it cannot read.
    pub fn set_metadata(&self, namespace: &str, value: &[u8]) {
        // SAFETY: the filter is valid (`new`); Envoy copies namespace and value. It answers nothing.
        unsafe {
            abi::envoy_dynamic_module_callback_http_set_dynamic_metadata_struct(
                self.filter,
                ModuleBuffer::of(namespace.as_bytes()),
                ModuleBuffer::of(value),
            );
        }
    }

    /// Adds a value to a metric of [`crate::metrics`].
    pub fn observe(&self, is_counter: bool, metric: usize, labels: &[&str], value: u64) {
        let labels: Vec<ModuleBuffer> =
            labels.iter().map(|label| ModuleBuffer::of(label.as_bytes())).collect();
        // SAFETY: the filter is valid (`new`); the labels outlive the call, in which Envoy copies them. It refuses what
        // does not match the definition, which leaves nothing to do.
        unsafe {
            let add = if is_counter {
                abi::envoy_dynamic_module_callback_http_filter_increment_counter
            } else {
                abi::envoy_dynamic_module_callback_http_filter_record_histogram_value
            };
            add(self.filter, metric, labels.as_ptr(), labels.len(), value);
        }
    }

    /// The chunk of the running body hook.
    pub fn chunk(&self, direction: Direction) -> Cow<'_, [u8]> {
        self.body(&[received(direction)])
    }

    /// All of the body so far: what Envoy holds back and then the chunk of the running body hook.
    pub fn body_so_far(&self, direction: Direction) -> Cow<'_, [u8]> {
        if self.chunk_is_held(direction) {
            self.body(&[received(direction)])
        } else {
            self.body(&[held(direction), received(direction)])
        }
    }

    /// Number of bytes of [`Self::body_so_far`].
    pub fn length_so_far(&self, direction: Direction) -> usize {
        let received = self.body_size(received(direction));
        if self.chunk_is_held(direction) {
            received
        } else {
            received.saturating_add(self.body_size(held(direction)))
        }
    }

    /// Lets Envoy hold `bytes` of a body. With less, it answers 413 to a request and 500 for a response; its
    /// default is 1 MiB. The limit is one for both directions and all filters of the chain, and never lowered.
    pub fn allow_to_hold(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        // SAFETY: the filter is valid (`new`).
        let now = unsafe { abi::envoy_dynamic_module_callback_http_get_buffer_limit(self.filter) };
        if now < bytes {
            // SAFETY: the filter is valid (`new`).
            unsafe { abi::envoy_dynamic_module_callback_http_set_buffer_limit(self.filter, bytes) }
        }
    }

    /// Puts `bytes` in place of the chunk of the running body hook.
    pub fn replace_chunk(&mut self, direction: Direction, bytes: &[u8]) {
        self.drain(received(direction));
        self.append(received(direction), bytes);
    }

    /// Puts `bytes` in place of everything held and received so far. For the body hook.
    pub fn replace_body(&mut self, direction: Direction, bytes: &[u8]) {
        // What replaces a held body is held for a moment, and by the router for retries.
        self.allow_to_hold(bytes.len());
        self.drain(held(direction));
        self.replace_chunk(direction, bytes);
    }

    /// Puts `bytes` in place of everything held so far. For the headers hook, where they become the body, and
    /// the trailers hook.
    pub fn replace_held(&mut self, direction: Direction, bytes: &[u8]) {
        self.allow_to_hold(bytes.len());
        self.drain(held(direction));
        self.append_held(direction, bytes);
    }

    /// Adds bytes to the body outside of the body hook.
    pub fn append_held(&mut self, direction: Direction, bytes: &[u8]) {
        self.append(held(direction), bytes);
    }

    /// Sends a request to a service; false when it cannot be sent. Otherwise
    /// [`envoy_dynamic_module_on_http_filter_http_callout_done`](crate::hooks) is called later.
    pub fn call(&mut self, callout: &Callout) -> bool {
        let headers = headers(&callout.headers);
        let mut id = 0;
        // SAFETY: the filter is valid (`new`); cluster, headers and body outlive the call, in which Envoy copies them;
        // `id` is writable.
        let status = unsafe {
            abi::envoy_dynamic_module_callback_http_filter_http_callout(
                self.filter,
                &raw mut id,
                ModuleBuffer::of(callout.cluster.as_bytes()),
                headers.as_ptr(),
                headers.len(),
                ModuleBuffer::of(&callout.body),
                u64::from(callout.timeout_ms),
            )
        };
        status == abi::callout::SENT
    }

    /// Has [`envoy_dynamic_module_on_http_filter_scheduled`](crate::hooks) called when what runs now is done.
    pub fn call_back(&self) {
        // SAFETY: the filter is valid (`new`). The scheduler is used here only; what was committed outlives it, and is
        // dropped with the stream.
        unsafe {
            let scheduler = abi::envoy_dynamic_module_callback_http_filter_scheduler_new(self.filter);
            abi::envoy_dynamic_module_callback_http_filter_scheduler_commit(scheduler, 0);
            abi::envoy_dynamic_module_callback_http_filter_scheduler_delete(scheduler);
        }
    }

    /// Ends a response whose headers are on their way, and with it the request to the upstream. Envoy calls the body hook
    /// of this filter meanwhile, and destroys the filter soon after. Only for filters of the downstream chain, and outside
    /// of the hooks of the response.
    pub fn end_response(self) {
        // SAFETY: the filter is valid (`new`).
        unsafe {
            abi::envoy_dynamic_module_callback_http_send_response_data(
                self.filter,
                ModuleBuffer::of(&[]),
                true,
            );
        }
    }

    /// Lets the filter chain go on where a hook has held it. Outside of the hooks of that direction.
    pub fn go_on(self, direction: Direction) {
        // SAFETY: the filter is valid (`new`).
        unsafe {
            match direction {
                Direction::Request => {
                    abi::envoy_dynamic_module_callback_http_filter_continue_decoding(self.filter);
                }
                Direction::Response => {
                    abi::envoy_dynamic_module_callback_http_filter_continue_encoding(self.filter);
                }
            }
        }
    }

    /// Answers the client. Envoy adds `content-length`, does not show the answer to this filter, and destroys
    /// the filter soon after. In the response direction the answer takes the place of the upstream's, or, if
    /// headers of that are already on their way, the stream is reset.
    pub fn reply(self, reply: &LocalReply) {
        let headers = headers(&reply.headers);
        // SAFETY: the filter is valid (`new`); headers, body and details outlive the call, in which Envoy
        // copies them.
        unsafe {
            abi::envoy_dynamic_module_callback_http_send_response(
                self.filter,
                u32::from(reply.status),
                headers.as_ptr(),
                headers.len(),
                ModuleBuffer::of(&reply.body),
                ModuleBuffer::of(reply.details.as_bytes()),
            );
        }
    }

    /// Whether the chunk of the running hook is the very buffer Envoy held the body in: so after another
    /// filter held it. Counting both would double the body.
    fn chunk_is_held(&self, direction: Direction) -> bool {
        // SAFETY: the filter is valid (`new`).
        unsafe {
            match direction {
                Direction::Request => {
                    abi::envoy_dynamic_module_callback_http_received_buffered_request_body(self.filter)
                }
                Direction::Response => {
                    abi::envoy_dynamic_module_callback_http_received_buffered_response_body(self.filter)
                }
            }
        }
    }

    fn body_size(&self, body: c_int) -> usize {
        // SAFETY: the filter is valid (`new`); a body that is not there has size 0.
        unsafe { abi::envoy_dynamic_module_callback_http_get_body_size(self.filter, body) }
    }

    /// The bytes of several bodies in order; not copied when they are in one piece.
    fn body(&self, bodies: &[c_int]) -> Cow<'_, [u8]> {
        let mut pieces: Vec<EnvoyBuffer> = Vec::new();
        for body in bodies {
            // SAFETY: the filter is valid (`new`); a body that is not there has no chunks.
            let count =
                unsafe { abi::envoy_dynamic_module_callback_http_get_body_chunks_size(self.filter, *body) };
            if count == 0 {
                continue;
            }
            let start = pieces.len();
            pieces.resize(start.saturating_add(count), EnvoyBuffer::EMPTY);
            let Some(room) = pieces.get_mut(start..) else { continue };
            // SAFETY: the filter is valid (`new`), and `room` is as long as Envoy said just before.
            unsafe {
                abi::envoy_dynamic_module_callback_http_get_body_chunks(
                    self.filter,
                    *body,
                    room.as_mut_ptr(),
                );
            }
        }
        pieces.retain(|piece| piece.length > 0);
        match pieces.as_slice() {
            [] => Cow::Borrowed(&[]),
            [piece] => Cow::Borrowed(self.borrow(piece)),
            several => {
                let mut whole = Vec::with_capacity(several.iter().map(|piece| piece.length).sum());
                for piece in several {
                    whole.extend_from_slice(self.borrow(piece));
                }
                Cow::Owned(whole)
            }
        }
    }

    fn drain(&mut self, body: c_int) {
        // SAFETY: the filter is valid (`new`); `&mut self` means that no bytes of a body are borrowed. False
        // means there was no such body.
        unsafe { abi::envoy_dynamic_module_callback_http_drain_body(self.filter, body, usize::MAX) };
    }

    fn append(&mut self, body: c_int, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        // SAFETY: the filter is valid (`new`); `&mut self` means that no bytes of a body are borrowed; Envoy
        // copies `bytes`.
        let done = unsafe {
            abi::envoy_dynamic_module_callback_http_append_body(self.filter, body, ModuleBuffer::of(bytes))
        };
        if !done {
            log(Level::Error, "weir: Envoy has no body to put the new bytes in; they are lost");
        }
    }

    /// Calls one of Envoy's getters and copies what it found.
    fn read(&self, get: impl FnOnce(*mut EnvoyBuffer) -> bool) -> Option<Vec<u8>> {
        let mut value = EnvoyBuffer::EMPTY;
        get(&raw mut value).then(|| self.borrow(&value).to_vec())
    }

    fn borrow(&self, bytes: &EnvoyBuffer) -> &[u8] {
        if bytes.ptr.is_null() || bytes.length == 0 {
            return &[];
        }
        // SAFETY: Envoy gave pointer and length in this hook, where they stay valid until the body or header
        // changes. Bodies change only through `&mut self`; header values are copied at once (`read`).
        unsafe { std::slice::from_raw_parts(bytes.ptr, bytes.length) }
    }
}

/// Headers as Envoy takes them, valid as long as these live.
fn headers(headers: &[(impl AsRef<str>, String)]) -> Vec<ModuleHeader> {
    headers
        .iter()
        .map(|(name, value)| ModuleHeader {
            key: ModuleBuffer::of(name.as_ref().as_bytes()),
            value: ModuleBuffer::of(value.as_bytes()),
        })
        .collect()
}

/// Has Envoy make a metric of a filter configuration; `None` when it refuses.
///
/// # Safety
/// `config` is what Envoy passed to the `config_new` hook that is running.
pub unsafe fn define_metric(
    config: abi::ConfigPtr,
    is_counter: bool,
    name: &str,
    labels: &[&str],
) -> Option<usize> {
    let labels: Vec<ModuleBuffer> = labels.iter().map(|label| ModuleBuffer::of(label.as_bytes())).collect();
    let mut id = 0;
    // SAFETY: the caller's promise; name and labels outlive the call, in which Envoy copies them, and `id` is writable.
    let status = unsafe {
        let define = if is_counter {
            abi::envoy_dynamic_module_callback_http_filter_config_define_counter
        } else {
            abi::envoy_dynamic_module_callback_http_filter_config_define_histogram
        };
        define(config, ModuleBuffer::of(name.as_bytes()), labels.as_ptr(), labels.len(), &raw mut id)
    };
    (status == 0).then_some(id)
}

/// Writes to Envoy's log, from any thread.
pub fn log(level: Level, message: &str) {
    log_at(
        match level {
            Level::Debug => abi::log_level::DEBUG,
            Level::Info => abi::log_level::INFO,
            Level::Warn => abi::log_level::WARN,
            Level::Error => abi::log_level::ERROR,
        },
        message,
    );
}

/// Writes to Envoy's log at a level of [`abi::log_level`].
pub fn log_at(level: c_int, message: &str) {
    // SAFETY: Envoy copies the message.
    unsafe { abi::envoy_dynamic_module_callback_log(level, ModuleBuffer::of(message.as_bytes())) }
}

fn header_map(map: HeaderMap) -> c_int {
    match map {
        HeaderMap::Request => abi::header_map::REQUEST,
        HeaderMap::Response => abi::header_map::RESPONSE,
    }
}
