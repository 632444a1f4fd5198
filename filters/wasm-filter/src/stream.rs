//! The stream context: one request and its response in one filter.

use filter_core::{CallAnswer, Callout, Exchange, HeaderMap, LocalReply};

use crate::abi::{self, Buffer, Flow, LogLevel, Map, hostcalls};
use crate::drive::{Driver, Envoy};
use crate::wasm_host::WasmHost;

/// Hands Envoy's callbacks to a [`Driver`].
#[derive(Debug)]
pub(crate) struct Stream(Driver);

impl Stream {
    /// The context of a new request.
    pub(crate) fn new(exchange: Exchange) -> Self {
        Self(Driver::new(exchange))
    }

    /// Headers have arrived; `end` when neither body nor trailers follow.
    pub(crate) fn headers(&mut self, of: HeaderMap, end: bool) -> Flow {
        self.0.headers(of, &mut Hostcalls, end)
    }

    /// Body has arrived: `size` bytes are in Envoy's buffer.
    pub(crate) fn body(&mut self, of: HeaderMap, size: usize, end: bool) -> Flow {
        self.0.body(of, &mut Hostcalls, size, end)
    }

    /// Trailers have arrived.
    pub(crate) fn trailers(&mut self, of: HeaderMap) -> Flow {
        self.0.trailers(of, &mut Hostcalls)
    }

    /// A service has answered with a body of `size` bytes, or has not.
    pub(crate) fn answered(&mut self, size: Option<usize>) {
        let answer = size.and_then(|size| {
            let status = hostcalls::header(Map::CallResponse, ":status")?;
            let status = std::str::from_utf8(&status).ok()?.parse().ok()?;
            Some(CallAnswer { status, body: hostcalls::buffer(Buffer::CallResponseBody, size) })
        });
        self.0.answered(&mut Hostcalls, answer);
    }

    /// The response was ended here, and its upstream still goes on.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_over()
    }

    /// The request is over.
    pub(crate) fn complete(&mut self) {
        self.0.complete(&Hostcalls);
    }
}

/// The Envoy of the current callback.
struct Hostcalls;

fn buffer(body: HeaderMap) -> Buffer {
    match body {
        HeaderMap::Request => Buffer::RequestBody,
        HeaderMap::Response => Buffer::ResponseBody,
    }
}

impl Envoy for Hostcalls {
    type Host = WasmHost;

    fn host(&self, lent: Option<HeaderMap>) -> WasmHost {
        WasmHost::lending(lent)
    }

    fn read(&self, body: HeaderMap, size: usize) -> Vec<u8> {
        hostcalls::buffer(buffer(body), size)
    }

    fn replace(&mut self, body: HeaderMap, size: usize, bytes: &[u8]) {
        hostcalls::set_buffer(buffer(body), size, bytes);
    }

    fn reply(&mut self, reply: &LocalReply) {
        hostcalls::send_local_response(reply.status, reply.details, &reply.headers, &reply.body);
    }

    fn call(&mut self, callout: &Callout) -> bool {
        abi::call(&callout.cluster, &callout.headers, &callout.body, callout.timeout_ms)
    }

    fn go_on(&mut self, of: HeaderMap) {
        hostcalls::go_on(of == HeaderMap::Request);
    }

    fn end_soon(&mut self) {
        abi::end_soon();
    }

    fn log_lost(&self, bytes: usize) {
        let message = format!("the last {bytes} bytes of a body that ended with trailers were lost");
        hostcalls::log(LogLevel::Warn, &message);
    }
}
