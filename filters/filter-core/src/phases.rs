//! The phases of one request and its response, as one filter sees them.

use std::fmt::Debug;

use crate::{BodyFlow, BodyMode, CallAnswer, Direction, HeadersFlow, Host, LocalReply, Overflow};

/// The state of one request in one filter. See the crate documentation for how to drive it.
pub type Exchange = Box<dyn Phases>;

/// The phases of an exchange. A filter has those it cares for; by default everything passes.
pub trait Phases: Debug {
    /// Request headers have arrived; `end` when no body follows.
    fn request_headers(&mut self, _host: &mut dyn Host, _end: bool) -> HeadersFlow {
        HeadersFlow::Continue(BodyMode::Skip)
    }

    /// A chunk of the request body (`Chunks`), or all of it (`Whole`).
    fn request_body(&mut self, _host: &mut dyn Host, _body: &[u8], _end: bool) -> BodyFlow {
        BodyFlow::Keep
    }

    /// The held request body grew past its limit. Not called where none is held.
    fn request_overflow(&mut self, _host: &mut dyn Host) -> LocalReply {
        LocalReply { status: 413, headers: Vec::new(), body: Vec::new(), details: "weir_request_too_large" }
    }

    /// Response headers have arrived; `end` when no body follows.
    fn response_headers(&mut self, _host: &mut dyn Host, _end: bool) -> HeadersFlow {
        HeadersFlow::Continue(BodyMode::Skip)
    }

    /// A chunk of the response body (`Chunks`), or all of it (`Whole`).
    fn response_body(&mut self, _host: &mut dyn Host, _body: &[u8], _end: bool) -> BodyFlow {
        BodyFlow::Keep
    }

    /// The held response body grew past its limit.
    fn response_overflow(&mut self, _host: &mut dyn Host) -> Overflow {
        Overflow::Release
    }

    /// The service asked with [`BodyFlow::Call`] has answered, or, with `None`, has not: there is no such cluster, no
    /// connection, or it took too long. Headers and body of `direction` are still held, as when it was asked; `Keep`
    /// lets the body go on as it came.
    fn answered(
        &mut self,
        _host: &mut dyn Host,
        _direction: Direction,
        _answer: Option<CallAnswer>,
    ) -> BodyFlow {
        BodyFlow::Keep
    }

    /// The request is over: it was answered, or the client went away. Headers cannot be read any more. Downstream
    /// filters only; at most once.
    fn complete(&mut self, _host: &mut dyn Host) {}

    /// Headers of a direction have arrived.
    fn headers(&mut self, host: &mut dyn Host, direction: Direction, end: bool) -> HeadersFlow {
        match direction {
            Direction::Request => self.request_headers(host, end),
            Direction::Response => self.response_headers(host, end),
        }
    }

    /// A chunk of the body of a direction, or all of it.
    fn body(&mut self, host: &mut dyn Host, direction: Direction, body: &[u8], end: bool) -> BodyFlow {
        match direction {
            Direction::Request => self.request_body(host, body, end),
            Direction::Response => self.response_body(host, body, end),
        }
    }
}
