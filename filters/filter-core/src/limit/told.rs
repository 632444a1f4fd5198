//! What clients are told of limits: headers, and the answer to what is refused.

use filter_config::Unit;
use llm_dialects::hub::{ApiError, ErrorKind};

use super::bucket::Standing;
use crate::handoff::Handoff;
use crate::{HeaderMap, Host, LocalReply, llm};

/// Response code details of refusals.
pub(super) const DETAILS: &str = "weir_rate_limited";

/// A bucket as the client is told of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    pub(super) limit: u64,
    pub(super) standing: Standing,
}

impl Shown {
    /// Whether no other limit has told the client of less.
    pub(super) fn is_strictest(self, host: &dyn Host) -> bool {
        let told = host.header(HeaderMap::Response, "x-ratelimit-remaining");
        let told = told.and_then(|told| told.trim().parse::<u64>().ok());
        told.is_none_or(|told| self.standing.remaining <= told)
    }

    pub(super) fn headers(self) -> [(&'static str, String); 3] {
        [
            ("x-ratelimit-limit", self.limit.to_string()),
            ("x-ratelimit-remaining", self.standing.remaining.to_string()),
            ("x-ratelimit-reset", self.standing.full_ms.div_ceil(1000).to_string()),
        ]
    }
}

/// The answer to a request for which there is not enough left.
pub(super) fn refuse(host: &mut dyn Host, handoff: Option<&Handoff>, unit: Unit, shown: Shown) -> LocalReply {
    let what = match unit {
        Unit::Requests => "requests",
        Unit::Tokens => "tokens",
        Unit::MicroUsd => "millionths of a dollar",
    };
    let seconds = shown.standing.wait_ms.map(|wait| wait.div_ceil(1000).max(1));
    let message = match seconds {
        Some(seconds) => {
            format!("The limit of {} {what} is used up; try again in {seconds} s.", shown.limit)
        }
        None => format!(
            "The request could use more than the limit of {} {what} ever allows; send less, or ask for fewer output \
             tokens.",
            shown.limit
        ),
    };
    let error = ApiError {
        status: 429,
        kind: ErrorKind::RateLimit,
        code: Some("rate_limit_exceeded".to_owned()),
        param: None,
        message,
    };
    let mut reply = llm::refuse(host, handoff, error, "rate_limit_exceeded", DETAILS);
    reply.headers.extend(seconds.map(|seconds| ("retry-after".into(), seconds.to_string())));
    reply.headers.extend(shown.headers().map(|(name, value)| (name.into(), value)));
    reply
}

/// The answer to a request whose route names its limits in a form nobody can read: no error may lift a limit.
pub(super) fn refuse_unreadable(host: &mut dyn Host, handoff: Option<&Handoff>) -> LocalReply {
    let error = ApiError {
        status: 500,
        kind: ErrorKind::Internal,
        code: Some("limits_unavailable".to_owned()),
        param: None,
        message: "The limits of this route are not configured as they should be.".to_owned(),
    };
    llm::refuse(host, handoff, error, "limits_unavailable", "weir_limits_unreadable")
}
