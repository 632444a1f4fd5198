//! Chunks of OpenAI chat completions.
//!
//! <https://platform.openai.com/docs/api-reference/chat-streaming>

use super::chat::{delta_role, said};
use super::{Body, number};
use crate::collect::Collector;
use crate::json::{Fault, Value};
use crate::slot::At;
use crate::stream::State;

pub(super) fn event<'a>(
    root: Value<'_, 'a>,
    state: &mut State,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    for (position, choice) in root.list("choices")?.into_iter().enumerate() {
        let index = choice.number("index").unwrap_or(number(position));
        found.echo(choice.get("logprobs"), "null");
        let (delta, message) = (choice.get("delta"), choice.get("message"));
        // Perplexity repeats beside the delta all that has been said, others have no delta.
        let repeats = delta.is_some();
        for (said_here, snapshot) in [(delta, false), (message, repeats)] {
            let Some(said_here) = said_here else { continue };
            let at = At::says(delta_role(&said_here.str("role")), index).snapshot(snapshot);
            let call = |_, call: Value<'_, 'a>| state.call(index, call.number("index"), &call.str("id"));
            said(said_here.object()?, at, Body::Answer, call, found)?;
        }
        state.about(index, !choice.str("finish_reason").is_empty());
    }
    Ok(())
}
