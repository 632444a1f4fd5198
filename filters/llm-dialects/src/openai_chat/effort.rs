//! How hard a model is to think, in the words of both of OpenAI's chat APIs.

use crate::Error;
use crate::hub::{Effort, Thinking};

/// Reads an effort.
///
/// # Errors
/// [`Error::ClientSent`] for `field` when it is none.
pub(crate) fn read(effort: &str, field: &str) -> Result<Thinking, Error> {
    Ok(Thinking::Effort(match effort {
        "none" => return Ok(Thinking::Disabled),
        "minimal" => Effort::Minimal,
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::XHigh,
        "max" => Effort::Max,
        _ => {
            return Err(Error::client(
                field,
                "must be `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`",
            ));
        }
    }))
}

/// The word for an effort.
pub(crate) fn name(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal => "minimal",
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::XHigh => "xhigh",
        Effort::Max => "max",
    }
}
