//! Envoy's calls into the module, and the contexts they are for.
//!
//! No registry is borrowed while a callback runs, so a callback that Envoy makes from within a hostcall finds
//! everything in order. The stream that is busy then is left alone.

use std::alloc::Layout;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::rc::Rc;

use filter_core::HeaderMap;

use super::{Flow, LogLevel, hostcalls};
use crate::root::Root;
use crate::stream::Stream;

thread_local! {
    static ROOTS: RefCell<BTreeMap<u32, Rc<Root>>> = const { RefCell::new(BTreeMap::new()) };
    /// The stream whose callback runs.
    static CURRENT: Cell<u32> = const { Cell::new(0) };
    /// Calls to services → the streams that wait for them. Envoy gives the answers to the root.
    static CALLS: RefCell<BTreeMap<u32, u32>> = const { RefCell::new(BTreeMap::new()) };
    static STREAMS: RefCell<BTreeMap<u32, Slot>> = const { RefCell::new(BTreeMap::new()) };
    /// Roots → their streams that are to be reset with the next tick.
    static ENDING: RefCell<BTreeMap<u32, Vec<u32>>> = const { RefCell::new(BTreeMap::new()) };
}

/// A stream and its root.
struct Slot {
    root: u32,
    /// `None` while a callback of the stream runs.
    stream: Option<Box<Stream>>,
}

/// How long a stream whose response was ended may still end by itself, in milliseconds. Envoy must have sent the last bytes
/// when it is told to reset the stream; and a provider that is almost done is not cut off, which the client would see.
const GRACE_MS: u32 = 50;

/// Declares which version of the ABI this is.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Called once before all else.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    std::panic::set_hook(Box::new(|panic| hostcalls::log(LogLevel::Critical, &panic.to_string())));
}

/// Memory for what Envoy returns from hostcalls.
// Exported as `malloc` only where that does not replace the one of a C library.
#[cfg_attr(target_arch = "wasm32", unsafe(export_name = "malloc"))]
#[cfg_attr(not(target_arch = "wasm32"), unsafe(no_mangle))]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size) {
        Ok(layout) if size > 0 => {
            // SAFETY: the layout is not empty. Null, on exhaustion, fails the hostcall.
            unsafe { std::alloc::alloc(layout) }
        }
        _ => NonNull::dangling().as_ptr(),
    }
}

/// A root context (`root` is 0), or a stream on a root.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(id: u32, root: u32) {
    if root == 0 {
        ROOTS.with_borrow_mut(|roots| roots.insert(id, Rc::default()));
        return;
    }
    let started = ROOTS.with_borrow(|roots| roots.get(&root).cloned());
    // A stream that cannot be started stays `None`.
    let stream = started.and_then(|root| root.start()).map(Box::new);
    STREAMS.with_borrow_mut(|streams| streams.insert(id, Slot { root, stream }));
}

/// The configuration of a root context, `size` bytes long. Answers 1 if it is accepted.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(id: u32, size: usize) -> u32 {
    let Some(root) = Root::configured(size) else { return 0 };
    ROOTS.with_borrow_mut(|roots| roots.insert(id, Rc::new(root)));
    1
}

/// A context is gone.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(id: u32) {
    let stream = STREAMS.with_borrow_mut(|streams| streams.remove(&id));
    if stream.is_none() {
        ROOTS.with_borrow_mut(|roots| roots.remove(&id));
        ENDING.with_borrow_mut(|ending| ending.remove(&id));
    }
}

/// Request headers; `end` is 1 when neither body nor trailers follow.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(id: u32, _count: u32, end: u32) -> Flow {
    on_stream(id, |stream| stream.headers(HeaderMap::Request, end != 0))
}

/// Request body: `size` bytes are in Envoy's buffer.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(id: u32, size: usize, end: u32) -> Flow {
    on_stream(id, |stream| stream.body(HeaderMap::Request, size, end != 0))
}

/// Request trailers.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(id: u32, _count: u32) -> Flow {
    on_stream(id, |stream| stream.trailers(HeaderMap::Request))
}

/// Response headers; `end` is 1 when neither body nor trailers follow.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(id: u32, _count: u32, end: u32) -> Flow {
    on_stream(id, |stream| stream.headers(HeaderMap::Response, end != 0))
}

/// Response body: `size` bytes are in Envoy's buffer.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(id: u32, size: usize, end: u32) -> Flow {
    on_stream(id, |stream| stream.body(HeaderMap::Response, size, end != 0))
}

/// Response trailers.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_trailers(id: u32, _count: u32) -> Flow {
    on_stream(id, |stream| stream.trailers(HeaderMap::Response))
}

/// The stream whose callback runs waits for the answer to this call.
pub(super) fn wait_for(call: u32) {
    CALLS.with_borrow_mut(|calls| calls.insert(call, CURRENT.get()));
}

/// The stream whose callback runs is to be reset with the next tick.
pub(super) fn end_soon() {
    let stream = CURRENT.get();
    let root = STREAMS.with_borrow(|streams| streams.get(&stream).map(|slot| slot.root));
    let Some(root) = root else { return };
    let first = ENDING.with_borrow_mut(|ending| {
        let streams = ending.entry(root).or_default();
        streams.push(stream);
        streams.len() == 1
    });
    if first {
        // Of the root whose stream calls. Setting it once more would put the tick off.
        hostcalls::set_tick_period(GRACE_MS);
    }
}

/// The tick that was asked for.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    hostcalls::set_tick_period(0);
    let ending = ENDING.with_borrow_mut(|ending| ending.remove(&root)).unwrap_or_default();
    for id in ending {
        let is_over = STREAMS.with_borrow(|streams| {
            let stream = streams.get(&id).and_then(|slot| slot.stream.as_ref());
            stream.is_some_and(|stream| stream.is_over())
        });
        if is_over {
            hostcalls::act_for(id);
            hostcalls::close_response();
        }
    }
}

/// A service has answered with `headers` headers, none when it has not, and `size` bytes of body.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(_root: u32, call: u32, headers: u32, size: usize, _trailers: u32) {
    let Some(id) = CALLS.with_borrow_mut(|calls| calls.remove(&call)) else { return };
    if !STREAMS.with_borrow(|streams| streams.contains_key(&id)) {
        // Its client has gone.
        return;
    }
    hostcalls::act_for(id);
    on_stream(id, |stream| {
        stream.answered((headers > 0).then_some(size));
        Flow::Continue
    });
}

/// The request of a downstream filter is over, however it ended.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(id: u32) {
    on_stream(id, |stream| {
        stream.complete();
        Flow::Continue
    });
}

/// Runs a callback of a stream.
fn on_stream(id: u32, run: impl FnOnce(&mut Stream) -> Flow) -> Flow {
    let taken = STREAMS.with_borrow_mut(|streams| streams.get_mut(&id).and_then(|slot| slot.stream.take()));
    let Some(mut stream) = taken else { return Flow::Continue };
    let outer = CURRENT.replace(id);
    let flow = run(&mut stream);
    CURRENT.set(outer);
    STREAMS.with_borrow_mut(|streams| {
        // Unless it was deleted meanwhile.
        if let Some(slot) = streams.get_mut(&id) {
            slot.stream = Some(stream);
        }
    });
    flow
}
