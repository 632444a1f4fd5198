//! Phases as they are for filters that care for headers only.

use crate::{BodyFlow, BodyMode, HeadersFlow, Host, LocalReply, Overflow};

/// The phases of an exchange of which most do nothing. Filters that work on bodies have methods of their own by these names.
pub(crate) trait Phases {
    /// Request headers have arrived.
    fn request_headers(&mut self, host: &mut dyn Host, end: bool) -> HeadersFlow;

    /// Response headers have arrived.
    fn response_headers(&mut self, _host: &mut dyn Host, _end: bool) -> HeadersFlow {
        HeadersFlow::Continue(BodyMode::Skip)
    }

    /// Bodies are skipped.
    fn request_body(&mut self, _host: &mut dyn Host, _body: &[u8], _end: bool) -> BodyFlow {
        BodyFlow::Keep
    }

    /// Bodies are skipped.
    fn response_body(&mut self, _host: &mut dyn Host, _body: &[u8], _end: bool) -> BodyFlow {
        BodyFlow::Keep
    }

    /// Bodies are not held, so none is too large.
    fn request_overflow(&mut self, _host: &mut dyn Host) -> LocalReply {
        LocalReply { status: 413, headers: Vec::new(), body: Vec::new(), details: "weir_request_too_large" }
    }

    /// Bodies are not held, so none is too large.
    fn response_overflow(&mut self, _host: &mut dyn Host) -> Overflow {
        Overflow::Release
    }
}
