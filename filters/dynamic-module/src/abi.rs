//! Envoy's dynamic module ABI, as far as Weir uses it.
//!
//! Source: `source/extensions/dynamic_modules/abi/abi.h` of Envoy 1.40, checked against the symbols of the
//! released binary. C enums are `int`. Envoy's SDK crate is not published, hence by hand.
#![allow(missing_docs, reason = "the names are Envoy's; abi.h documents them")]

use std::ffi::{CStr, c_int, c_void};

/// What `envoy_dynamic_module_on_program_init` returns. Envoy loads modules of other versions too, with a
/// warning only.
pub const VERSION: &CStr = c"v0.2.0";

/// Envoy's filter object of one stream; valid until the filter is destroyed.
pub type FilterPtr = *mut c_void;
/// Envoy's filter configuration object.
pub type ConfigPtr = *mut c_void;

/// Bytes of Envoy, valid until the hook returns or the next call that changes what they are from.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct EnvoyBuffer {
    pub ptr: *const u8,
    pub length: usize,
}

impl EnvoyBuffer {
    /// No bytes.
    pub const EMPTY: Self = Self { ptr: std::ptr::null(), length: 0 };
}

/// Bytes of this module; Envoy reads them during the call only.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ModuleBuffer {
    pub ptr: *const u8,
    pub length: usize,
}

impl ModuleBuffer {
    /// A null buffer; as a header's value it means "remove".
    pub const NULL: Self = Self { ptr: std::ptr::null(), length: 0 };

    /// Points at `bytes`; also for no bytes the pointer is not null.
    pub fn of(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), length: bytes.len() }
    }
}

/// A header of this module.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ModuleHeader {
    pub key: ModuleBuffer,
    pub value: ModuleBuffer,
}

/// A header of Envoy, valid as [`EnvoyBuffer`] is.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct EnvoyHeader {
    pub key: EnvoyBuffer,
    pub value: EnvoyBuffer,
}

/// `envoy_dynamic_module_type_http_header_type`
pub mod header_map {
    use super::c_int;
    pub const REQUEST: c_int = 0;
    pub const RESPONSE: c_int = 2;
}

/// `envoy_dynamic_module_type_http_body_type`: the chunk of the running body hook, or what Envoy holds back.
pub mod body {
    use super::c_int;
    pub const RECEIVED_REQUEST: c_int = 0;
    pub const BUFFERED_REQUEST: c_int = 1;
    pub const RECEIVED_RESPONSE: c_int = 2;
    pub const BUFFERED_RESPONSE: c_int = 3;
}

/// `envoy_dynamic_module_type_metadata_source`
pub mod metadata_source {
    use super::c_int;
    pub const ROUTE: c_int = 1;
}

/// `envoy_dynamic_module_type_attribute_id`
pub mod attribute {
    use super::c_int;
    pub const RESPONSE_CODE_DETAILS: c_int = 16;
    pub const UPSTREAM_REQUEST_ATTEMPT_COUNT: c_int = 53;
}

/// `envoy_dynamic_module_type_log_level`
pub mod log_level {
    use super::c_int;
    pub const DEBUG: c_int = 1;
    pub const INFO: c_int = 2;
    pub const WARN: c_int = 3;
    pub const ERROR: c_int = 4;
    pub const CRITICAL: c_int = 5;
}

/// `envoy_dynamic_module_type_http_callout_{init_,}result`
pub mod callout {
    use super::c_int;
    pub const SENT: c_int = 0;
    pub const ANSWERED: c_int = 0;
}

/// `envoy_dynamic_module_type_on_http_filter_{request,response}_headers_status`
pub mod headers_status {
    use super::c_int;
    pub const CONTINUE: c_int = 0;
    pub const STOP_ITERATION: c_int = 1;
}

/// `envoy_dynamic_module_type_on_http_filter_{request,response}_body_status`
pub mod body_status {
    use super::c_int;
    pub const CONTINUE: c_int = 0;
    pub const STOP_AND_BUFFER: c_int = 1;
    pub const STOP_NO_BUFFER: c_int = 3;
}

/// `envoy_dynamic_module_type_on_http_filter_{request,response}_trailers_status`
pub mod trailers_status {
    use super::c_int;
    pub const CONTINUE: c_int = 0;
    pub const STOP_ITERATION: c_int = 1;
}

unsafe extern "C" {
    pub fn envoy_dynamic_module_callback_log(level: c_int, message: ModuleBuffer);

    pub fn envoy_dynamic_module_callback_http_get_header(
        filter: FilterPtr,
        map: c_int,
        key: ModuleBuffer,
        value: *mut EnvoyBuffer,
        index: usize,
        count: *mut usize,
    ) -> bool;
    pub fn envoy_dynamic_module_callback_http_get_headers_size(filter: FilterPtr, map: c_int) -> usize;
    pub fn envoy_dynamic_module_callback_http_get_headers(
        filter: FilterPtr,
        map: c_int,
        headers: *mut EnvoyHeader,
    ) -> bool;
    pub fn envoy_dynamic_module_callback_http_set_header(
        filter: FilterPtr,
        map: c_int,
        key: ModuleBuffer,
        value: ModuleBuffer,
    ) -> bool;

    pub fn envoy_dynamic_module_callback_http_get_body_size(filter: FilterPtr, body: c_int) -> usize;
    pub fn envoy_dynamic_module_callback_http_get_body_chunks_size(filter: FilterPtr, body: c_int) -> usize;
    pub fn envoy_dynamic_module_callback_http_get_body_chunks(
        filter: FilterPtr,
        body: c_int,
        chunks: *mut EnvoyBuffer,
    ) -> bool;
    pub fn envoy_dynamic_module_callback_http_append_body(
        filter: FilterPtr,
        body: c_int,
        data: ModuleBuffer,
    ) -> bool;
    pub fn envoy_dynamic_module_callback_http_drain_body(
        filter: FilterPtr,
        body: c_int,
        bytes: usize,
    ) -> bool;
    pub fn envoy_dynamic_module_callback_http_received_buffered_request_body(filter: FilterPtr) -> bool;
    pub fn envoy_dynamic_module_callback_http_received_buffered_response_body(filter: FilterPtr) -> bool;
    pub fn envoy_dynamic_module_callback_http_get_buffer_limit(filter: FilterPtr) -> u64;
    pub fn envoy_dynamic_module_callback_http_set_buffer_limit(filter: FilterPtr, bytes: u64);

    /// Answers a status of [`callout`].
    pub fn envoy_dynamic_module_callback_http_filter_http_callout(
        filter: FilterPtr,
        id: *mut u64,
        cluster: ModuleBuffer,
        headers: *const ModuleHeader,
        headers_size: usize,
        body: ModuleBuffer,
        timeout_ms: u64,
    ) -> c_int;
    pub fn envoy_dynamic_module_callback_http_filter_continue_decoding(filter: FilterPtr);
    pub fn envoy_dynamic_module_callback_http_filter_continue_encoding(filter: FilterPtr);

    /// Runs the response filters as if this had come from the upstream: this filter, too. Only on the listener: on a
    /// cluster, Envoy 1.40 forgets an upstream stream whose end comes so without closing it.
    pub fn envoy_dynamic_module_callback_http_send_response_data(
        filter: FilterPtr,
        data: ModuleBuffer,
        end: bool,
    );
    /// Gives an object of the module's, to be deleted.
    pub fn envoy_dynamic_module_callback_http_filter_scheduler_new(filter: FilterPtr) -> *mut c_void;
    /// Has `envoy_dynamic_module_on_http_filter_scheduled` called, on the stream's worker, behind what runs there now; not
    /// when the filter is gone by then.
    pub fn envoy_dynamic_module_callback_http_filter_scheduler_commit(scheduler: *mut c_void, event: u64);
    pub fn envoy_dynamic_module_callback_http_filter_scheduler_delete(scheduler: *mut c_void);

    pub fn envoy_dynamic_module_callback_http_send_response(
        filter: FilterPtr,
        status: u32,
        headers: *const ModuleHeader,
        headers_size: usize,
        body: ModuleBuffer,
        details: ModuleBuffer,
    );

    pub fn envoy_dynamic_module_callback_http_filter_get_attribute_string(
        filter: FilterPtr,
        attribute: c_int,
        value: *mut EnvoyBuffer,
    ) -> bool;
    pub fn envoy_dynamic_module_callback_http_filter_get_attribute_int(
        filter: FilterPtr,
        attribute: c_int,
        value: *mut u64,
    ) -> bool;
    pub fn envoy_dynamic_module_callback_get_most_specific_route_config(filter: FilterPtr) -> *const c_void;
    pub fn envoy_dynamic_module_callback_http_get_metadata_string(
        filter: FilterPtr,
        source: c_int,
        namespace: ModuleBuffer,
        key: ModuleBuffer,
        value: *mut EnvoyBuffer,
    ) -> bool;
    pub fn envoy_dynamic_module_callback_http_set_filter_state_bytes(
        filter: FilterPtr,
        key: ModuleBuffer,
        value: ModuleBuffer,
    ) -> bool;
    pub fn envoy_dynamic_module_callback_http_get_filter_state_bytes(
        filter: FilterPtr,
        key: ModuleBuffer,
        value: *mut EnvoyBuffer,
    ) -> bool;
    pub fn envoy_dynamic_module_callback_http_clear_route_cache(filter: FilterPtr);

    pub fn envoy_dynamic_module_callback_http_set_dynamic_metadata_struct(
        filter: FilterPtr,
        namespace: ModuleBuffer,
        value: ModuleBuffer,
    );
    pub fn envoy_dynamic_module_callback_http_filter_config_define_histogram(
        config: ConfigPtr,
        name: ModuleBuffer,
        labels: *const ModuleBuffer,
        labels_size: usize,
        id: *mut usize,
    ) -> c_int;
    pub fn envoy_dynamic_module_callback_http_filter_config_define_counter(
        config: ConfigPtr,
        name: ModuleBuffer,
        labels: *const ModuleBuffer,
        labels_size: usize,
        id: *mut usize,
    ) -> c_int;
    pub fn envoy_dynamic_module_callback_http_filter_record_histogram_value(
        filter: FilterPtr,
        id: usize,
        values: *const ModuleBuffer,
        values_size: usize,
        value: u64,
    ) -> c_int;
    pub fn envoy_dynamic_module_callback_http_filter_increment_counter(
        filter: FilterPtr,
        id: usize,
        values: *const ModuleBuffer,
        values_size: usize,
        value: u64,
    ) -> c_int;
}
