//! The downstream `order` filter: asks for another order of clusters where the `llm` filter cannot see the route yet.

use crate::phases::Phases;
use crate::{BodyMode, HeadersFlow, Host, cooldown};

/// One request in the filter. There is nothing to configure and nothing to remember.
#[derive(Debug)]
pub(crate) struct OrderExchange;

impl Phases for OrderExchange {
    fn request_headers(&mut self, host: &mut dyn Host, _end: bool) -> HeadersFlow {
        let now_ms = host.now_ms();
        cooldown::avoid(host, now_ms);
        HeadersFlow::Continue(BodyMode::Skip)
    }
}
