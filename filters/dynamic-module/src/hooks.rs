//! The functions Envoy calls, and the guard around them.
//!
//! A hook of a stream has three parts: the driver decides, with panics caught; the borrow of the driver ends;
//! the decision is carried out. In the last part Envoy may call other hooks of the same filter, or destroy
//! it, before the call returns.

use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use filter_core::{CallAnswer, Direction, Exchange, FilterKind, Level, LocalReply, Plan};

use crate::abi::{self, ConfigPtr, EnvoyBuffer, EnvoyHeader, FilterPtr};
use crate::drive::{Driver, Effect, Flow, Step};
use crate::metrics::Metrics;
use crate::stream::{self, Stream};

/// `%RESPONSE_CODE_DETAILS%` of an exchange that failed because of a bug in Weir.
pub const PANIC_DETAILS: &str = "weir_panic";

/// A filter's configuration as Envoy holds it, shared by all workers.
pub struct Configuration {
    start: Box<dyn Fn() -> Exchange + Send + Sync>,
    ends_for_cluster: bool,
    metrics: Metrics,
}

impl Configuration {
    /// A configuration whose exchanges begin with `start`.
    pub fn new(start: impl Fn() -> Exchange + Send + Sync + 'static) -> Self {
        Self { start: Box::new(start), ends_for_cluster: false, metrics: Metrics::default() }
    }

    /// Compiles the JSON configuration of the filter called `name`.
    ///
    /// # Errors
    /// The fault, for people.
    fn compile(name: &[u8], json: &[u8]) -> Result<Self, String> {
        let kind = std::str::from_utf8(name).ok().and_then(FilterKind::from_name).ok_or_else(|| {
            let known: Vec<&str> = FilterKind::ALL.iter().map(|kind| kind.name()).collect();
            format!(
                "weir: there is no filter `{}`; set `filter_name` to one of: {}",
                String::from_utf8_lossy(name),
                known.join(", ")
            )
        })?;
        let plan = Plan::compile(kind, json).map_err(|error| format!("weir: {error}"))?;
        let configuration = Self::new(move || plan.start());
        // Filters of clusters that end responses have its hand-off.
        Ok(Self { ends_for_cluster: kind == FilterKind::Llm, ..configuration })
    }

    /// The pointer Envoy keeps. It comes back in [`envoy_dynamic_module_on_http_filter_config_destroy`].
    pub fn into_raw(self) -> *const c_void {
        Box::into_raw(Box::new(self)).cast_const().cast()
    }
}

/// Called once when Envoy loads the file: names the ABI and sends panic messages to Envoy's log.
#[unsafe(no_mangle)]
pub extern "C" fn envoy_dynamic_module_on_program_init() -> *const c_char {
    // The module has its own copy of std, so this is no one else's panic hook.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let message = panic.payload_as_str().unwrap_or("no message");
        stream::log_at(
            abi::log_level::CRITICAL,
            &format!("weir: a bug, please report it: panic at {place}: {message}"),
        );
    }));
    abi::VERSION.as_ptr()
}

/// Compiles a filter's configuration; null makes Envoy refuse it.
///
/// # Safety
/// Called by Envoy: `name` and `configuration` are readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_new(
    envoy: ConfigPtr,
    name: EnvoyBuffer,
    configuration: EnvoyBuffer,
) -> *const c_void {
    // SAFETY: Envoy keeps both readable during the call.
    let (name, json) = unsafe { (bytes(&name), bytes(&configuration)) };
    match guard(|| Configuration::compile(name, json)) {
        Some(Ok(mut configuration)) => {
            // SAFETY: `envoy` is what Envoy passed to this hook.
            configuration.metrics = Metrics::define(|metric| unsafe {
                stream::define_metric(envoy, metric.is_counter(), metric.name(), metric.labels())
            });
            configuration.into_raw()
        }
        Some(Err(message)) => {
            stream::log(Level::Error, &message);
            std::ptr::null()
        }
        None => std::ptr::null(),
    }
}

/// Frees a configuration, after its last filter.
///
/// # Safety
/// Called by Envoy: `configuration` is from `config_new` and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(configuration: *const c_void) {
    guard(|| {
        // SAFETY: `Configuration::into_raw` made the pointer, and Envoy gives it back once.
        drop(unsafe { Box::from_raw(configuration.cast_mut().cast::<Configuration>()) });
    });
}

/// Starts an exchange; null makes Envoy close the stream.
///
/// # Safety
/// Called by Envoy: `configuration` is from `config_new` and not yet destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_new(
    configuration: *const c_void,
    _filter: FilterPtr,
) -> *const c_void {
    guard(|| {
        // SAFETY: `Configuration::into_raw` made the pointer; it is only ever shared, and `Sync`.
        let configuration = unsafe { &*configuration.cast::<Configuration>() };
        let driver = Driver::new((configuration.start)(), configuration.metrics);
        let driver = if configuration.ends_for_cluster { driver.ending_for_cluster() } else { driver };
        Box::into_raw(Box::new(driver)).cast_const().cast()
    })
    .unwrap_or(std::ptr::null())
}

/// Ends an exchange.
///
/// # Safety
/// Called by Envoy: `driver` is from `filter_new` and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_destroy(driver: *const c_void) {
    guard(|| {
        // SAFETY: `filter_new` made the pointer, and Envoy gives it back once. No hook borrows the driver while
        // it calls something that can destroy the filter (see `run`).
        drop(unsafe { Box::from_raw(driver.cast_mut().cast::<Driver>()) });
    });
}

/// The request of a downstream filter is over, however it ended; access logs are written next.
///
/// # Safety
/// Called by Envoy: both pointers are of this stream and alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_stream_complete(
    filter: FilterPtr,
    driver: *const c_void,
) {
    // SAFETY: this handle does not outlive the hook.
    let stream = unsafe { Stream::new(filter) };
    guard(|| {
        // SAFETY: `filter_new` made the pointer and Envoy runs one hook of a filter at a time.
        unsafe { &mut *driver.cast_mut().cast::<Driver>() }.complete(&stream);
    });
}

macro_rules! headers_hook {
    ($(#[$doc:meta])* $name:ident, $direction:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Called by Envoy: both pointers are of this stream and alive.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(filter: FilterPtr, driver: *const c_void, end: bool) -> c_int {
            // SAFETY: as Envoy promises.
            let flow = unsafe {
                run(
                    filter,
                    driver,
                    $direction,
                    |driver, stream| driver.headers($direction, stream, end),
                    |stream, body| stream.replace_held($direction, body),
                )
            };
            match flow {
                Flow::Continue => abi::headers_status::CONTINUE,
                Flow::Hold | Flow::Stop => abi::headers_status::STOP_ITERATION,
            }
        }
    };
}

macro_rules! body_hook {
    ($(#[$doc:meta])* $name:ident, $direction:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Called by Envoy: both pointers are of this stream and alive.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(filter: FilterPtr, driver: *const c_void, end: bool) -> c_int {
            // SAFETY: as Envoy promises.
            let flow = unsafe {
                run(
                    filter,
                    driver,
                    $direction,
                    |driver, stream| driver.body($direction, stream, end),
                    |stream, body| stream.replace_body($direction, body),
                )
            };
            match flow {
                Flow::Continue => abi::body_status::CONTINUE,
                Flow::Hold => abi::body_status::STOP_AND_BUFFER,
                Flow::Stop => abi::body_status::STOP_NO_BUFFER,
            }
        }
    };
}

macro_rules! trailers_hook {
    ($(#[$doc:meta])* $name:ident, $direction:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Called by Envoy: both pointers are of this stream and alive.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(filter: FilterPtr, driver: *const c_void) -> c_int {
            // SAFETY: as Envoy promises.
            let flow = unsafe {
                run(
                    filter,
                    driver,
                    $direction,
                    |driver, stream| driver.trailers($direction, stream),
                    |stream, body| stream.replace_held($direction, body),
                )
            };
            match flow {
                Flow::Continue => abi::trailers_status::CONTINUE,
                Flow::Hold | Flow::Stop => abi::trailers_status::STOP_ITERATION,
            }
        }
    };
}

headers_hook!(
    /// Request headers have arrived.
    envoy_dynamic_module_on_http_filter_request_headers,
    Direction::Request
);
body_hook!(
    /// A chunk of the request body has arrived.
    envoy_dynamic_module_on_http_filter_request_body,
    Direction::Request
);
trailers_hook!(
    /// Request trailers have arrived.
    envoy_dynamic_module_on_http_filter_request_trailers,
    Direction::Request
);
headers_hook!(
    /// Response headers have arrived.
    envoy_dynamic_module_on_http_filter_response_headers,
    Direction::Response
);
body_hook!(
    /// A chunk of the response body has arrived.
    envoy_dynamic_module_on_http_filter_response_body,
    Direction::Response
);
trailers_hook!(
    /// Response trailers have arrived.
    envoy_dynamic_module_on_http_filter_response_trailers,
    Direction::Response
);

/// Lets the driver decide, and carries it out.
///
/// # Safety
/// `filter` and `driver` are what Envoy passed to the running hook.
unsafe fn run(
    filter: FilterPtr,
    driver: *const c_void,
    direction: Direction,
    decide: impl FnOnce(&mut Driver, &Stream) -> Step,
    replace_body: impl FnOnce(&mut Stream, &[u8]),
) -> Flow {
    let driver = driver.cast_mut().cast::<Driver>();
    // SAFETY: this handle does not outlive the hook.
    let stream = unsafe { Stream::new(filter) };
    let step = guard(|| {
        // SAFETY: `filter_new` made the pointer and Envoy runs one hook of a filter at a time. Hooks are entered
        // again only from calls that change a body or end the stream, and none is made in `decide`.
        decide(unsafe { &mut *driver }, &stream)
    });
    // SAFETY: as above.
    unsafe { perform(driver, stream, direction, step, replace_body) }
}

/// Carries out what the driver decided; `None` when it panicked.
///
/// # Safety
/// `driver` is what Envoy passed to the running hook, whose stream this is.
unsafe fn perform(
    driver: *mut Driver,
    mut stream: Stream,
    direction: Direction,
    mut step: Option<Step>,
    replace_body: impl FnOnce(&mut Stream, &[u8]),
) -> Flow {
    // One who cannot be asked has not answered.
    while let Some(Step { effect: Effect::Call(callout), .. }) = &step {
        if stream.call(callout) {
            return Flow::Hold;
        }
        // SAFETY: as in `run`; sending a request does not enter a hook.
        step = guard(|| unsafe { &mut *driver }.answered(&stream, None));
    }
    let Some(Step { flow, effect }) = step else {
        // SAFETY: as above; the borrow of whoever decided ended with the panic.
        unsafe { &mut *driver }.disengage();
        stream.reply(&failure());
        return Flow::Stop;
    };
    // From here on the driver is not touched.
    match effect {
        // Calls were made above.
        Effect::None | Effect::Call(_) => {}
        Effect::AllowToHold(bytes) => stream.allow_to_hold(bytes),
        Effect::ReplaceChunk(bytes) => stream.replace_chunk(direction, &bytes),
        Effect::ReplaceChunkAndEnd(bytes) => {
            stream.replace_chunk(direction, &bytes);
            stream.call_back();
        }
        Effect::End => stream.call_back(),
        Effect::ReplaceBody(bytes) => replace_body(&mut stream, &bytes),
        Effect::AppendToBody(bytes) => stream.append_held(direction, &bytes),
        Effect::Reply(reply) => stream.reply(&reply),
    }
    flow
}

/// What [`Stream::call_back`] has asked for: the response is to be ended, if it still goes on.
///
/// # Safety
/// Called by Envoy: both pointers are of this stream and alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_scheduled(
    filter: FilterPtr,
    driver: *const c_void,
    _event: u64,
) {
    // SAFETY: `filter_new` made the pointer and Envoy runs one hook of a filter at a time.
    let ending = unsafe { &*driver.cast::<Driver>() }.is_ending();
    if ending {
        // SAFETY: this handle does not outlive the hook. The driver is not borrowed: Envoy calls the body hook.
        unsafe { Stream::new(filter) }.end_response();
    }
}

/// A service has answered, or `result` says why not; headers and chunks are valid during the hook.
///
/// # Safety
/// Called by Envoy: `filter` and `driver` are of this stream and alive, headers and chunks are as many as it says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_http_callout_done(
    filter: FilterPtr,
    driver: *const c_void,
    _call: u64,
    result: c_int,
    headers: *const EnvoyHeader,
    headers_size: usize,
    chunks: *const EnvoyBuffer,
    chunks_size: usize,
) {
    let driver = driver.cast_mut().cast::<Driver>();
    // SAFETY: this handle does not outlive the hook.
    let stream = unsafe { Stream::new(filter) };
    // SAFETY: `filter_new` made the pointer and Envoy runs one hook of a filter at a time.
    let Some(direction) = unsafe { &*driver }.asking() else { return };
    let step = guard(|| {
        let answer = if result == abi::callout::ANSWERED {
            // SAFETY: Envoy keeps them readable during the hook.
            unsafe { answer(list(headers, headers_size), list(chunks, chunks_size)) }
        } else {
            None
        };
        // SAFETY: as above.
        unsafe { &mut *driver }.answered(&stream, answer)
    });
    // SAFETY: as above.
    let flow = unsafe {
        perform(driver, stream, direction, step, |stream, body| stream.replace_held(direction, body))
    };
    if flow == Flow::Continue {
        // SAFETY: the stream was neither answered nor reset, so the filter is alive.
        unsafe { Stream::new(filter) }.go_on(direction);
    }
}

/// What a service answered; `None` without a status.
///
/// # Safety
/// What headers and chunks point to is readable.
unsafe fn answer(headers: &[EnvoyHeader], chunks: &[EnvoyBuffer]) -> Option<CallAnswer> {
    // SAFETY: the caller's promise.
    let status = headers.iter().find(|header| unsafe { bytes(&header.key) } == b":status")?;
    // SAFETY: the caller's promise.
    let status = std::str::from_utf8(unsafe { bytes(&status.value) }).ok()?.parse().ok()?;
    // SAFETY: the caller's promise.
    let body = chunks.iter().flat_map(|chunk| unsafe { bytes(chunk) }).copied().collect();
    Some(CallAnswer { status, body })
}

/// # Safety
/// `first` is null or the first of `size` readable values.
unsafe fn list<'a, T>(first: *const T, size: usize) -> &'a [T] {
    if first.is_null() || size == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(first, size) }
}

/// The answer when an exchange panicked: what is half done must reach neither provider nor client. When
/// response headers are already on their way to the client, Envoy resets the stream instead of sending it.
fn failure() -> LocalReply {
    LocalReply {
        status: 500,
        headers: vec![("content-type".into(), "text/plain".to_owned())],
        body: b"internal error in the gateway".to_vec(),
        details: PANIC_DETAILS,
    }
}

/// Runs `inside`; `None` when it panicked. Unwinding into Envoy would abort it.
fn guard<R>(inside: impl FnOnce() -> R) -> Option<R> {
    // After a panic the exchange is not used again (`disengage`), so a broken invariant is never seen.
    catch_unwind(AssertUnwindSafe(inside)).ok()
}

/// # Safety
/// `buffer` is readable for `'a`.
unsafe fn bytes<'a>(buffer: &EnvoyBuffer) -> &'a [u8] {
    if buffer.ptr.is_null() || buffer.length == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(buffer.ptr, buffer.length) }
}

/// Hooks that Envoy requires and that concern features Weir does not use.
macro_rules! unused_hooks {
    ($($name:ident($($parameter:ty),*);)*) => {$(
        /// Required by Envoy; not used.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($(_: $parameter),*) {}
    )*};
}

unused_hooks! {
    envoy_dynamic_module_on_http_filter_http_stream_headers(
        FilterPtr, *const c_void, u64, *const c_void, usize, bool
    );
    envoy_dynamic_module_on_http_filter_http_stream_data(
        FilterPtr, *const c_void, u64, *const EnvoyBuffer, usize, bool
    );
    envoy_dynamic_module_on_http_filter_http_stream_trailers(
        FilterPtr, *const c_void, u64, *const c_void, usize
    );
    envoy_dynamic_module_on_http_filter_http_stream_complete(FilterPtr, *const c_void, u64);
    envoy_dynamic_module_on_http_filter_http_stream_reset(FilterPtr, *const c_void, u64, c_int);
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(FilterPtr, *const c_void);
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(FilterPtr, *const c_void);
}
