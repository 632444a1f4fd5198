//! The downstream `order` filter: asks for another order of clusters where the `llm` filter cannot see the route yet.

use crate::{BodyFlow, BodyMode, HeadersFlow, Host, LocalReply, Overflow, cooldown};

/// One request in the filter. There is nothing to configure and nothing to remember.
#[derive(Debug)]
pub(crate) struct OrderExchange;

impl OrderExchange {
    pub(crate) fn request_headers(&mut self, host: &mut dyn Host, _end: bool) -> HeadersFlow {
        let now_ms = host.now_ms();
        cooldown::avoid(host, now_ms);
        HeadersFlow::Continue(BodyMode::Skip)
    }

    pub(crate) fn request_body(&mut self, _host: &mut dyn Host, _body: &[u8], _end: bool) -> BodyFlow {
        BodyFlow::Keep
    }

    pub(crate) fn request_overflow(&mut self, _host: &mut dyn Host) -> LocalReply {
        // Bodies are not held here, so none is too large.
        LocalReply { status: 413, headers: Vec::new(), body: Vec::new(), details: "weir_request_too_large" }
    }

    pub(crate) fn response_headers(&mut self, _host: &mut dyn Host, _end: bool) -> HeadersFlow {
        HeadersFlow::Continue(BodyMode::Skip)
    }

    pub(crate) fn response_body(&mut self, _host: &mut dyn Host, _body: &[u8], _end: bool) -> BodyFlow {
        BodyFlow::Keep
    }

    pub(crate) fn response_overflow(&mut self, _host: &mut dyn Host) -> Overflow {
        Overflow::Release
    }
}
