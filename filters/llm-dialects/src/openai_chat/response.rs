//! Whole answers, both ways.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::annotations::{self, OutAnnotation};
use super::call_arguments;
use super::logprobs::{self, OutLogprobs};
use super::said::{Said, Word, Words};
use super::usage::{OutUsage, Usage};
use super::wire::{self, FirstChoice, OutThinkingBlock, OutToolCall, Scalar, ThinkingBlock, append};
use crate::Error;
use crate::hub::{self, Part, StopReason};
use crate::json::{Str, is_object, write_json};

#[derive(Debug, Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    id: Option<Str<'a>>,
    #[serde(borrow)]
    model: Option<Str<'a>>,
    #[serde(borrow)]
    created: Option<Scalar<'a>>,
    #[serde(borrow)]
    choices: Option<FirstChoice<Choice<'a>>>,
    #[serde(borrow)]
    usage: Option<Usage<'a>>,
    #[serde(borrow)]
    service_tier: Option<Str<'a>>,
    error: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Choice<'a> {
    index: Option<u64>,
    #[serde(borrow)]
    message: Option<Said<'a>>,
    #[serde(borrow)]
    logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    finish_reason: Option<Str<'a>>,
}

impl wire::Choice for Choice<'_> {
    fn index(&self) -> u64 {
        self.index.unwrap_or(0)
    }
}

/// Decodes the body of a chat completion.
///
/// Only the first choice is read. Reasoning is taken from `thinking_blocks`, else `reasoning_content`, else
/// `reasoning`, and from `content` in pieces. Left out: annotations other than `url_citation`, `audio`,
/// `system_fingerprint`. A finish reason the API
/// does not document counts as the end of the turn; with tool calls, the turn ends for them. Calls without
/// id are given one made from the id of the answer.
///
/// # Errors
/// [`Error::UpstreamSent`] for anything that is no chat completion, and for one that holds an error.
pub fn decode_response(body: &[u8]) -> Result<hub::Response<'_>, Error> {
    if !is_object(body) {
        return Err(Error::upstream("it is not a JSON object"));
    }
    let response: Response<'_> = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    if response.error.is_some() {
        return Err(Error::upstream("a chat completion with status 200 holds an error"));
    }
    let Some(choice) = response.choices.and_then(|choices| choices.0) else {
        return Err(Error::upstream("a chat completion has no choices"));
    };
    let Some(message) = choice.message else {
        return Err(Error::upstream("the first choice of a chat completion has no message"));
    };
    let reason = choice.finish_reason.unwrap_or_default().0;
    if reason == "error" {
        return Err(Error::upstream("a chat completion with status 200 ended with an error"));
    }
    let id = response.id.unwrap_or_default().0;
    let content = content(message.words(), &id)?;
    let calls_tools = content.iter().any(|part| matches!(part, Part::ToolCall(_)));
    Ok(hub::Response {
        stop: stop_reason(&reason, calls_tools),
        content,
        id,
        model: response.model.unwrap_or_default().0,
        created: response.created.as_ref().and_then(Scalar::number),
        stop_sequence: None,
        usage: response.usage.map(hub::Usage::from),
        service_tier: response.service_tier.map(|Str(tier)| tier),
        logprobs: logprobs::tokens(choice.logprobs),
    })
}

/// The error for an answer that is no chat completion. Says where it stops making sense, and nothing it
/// holds.
pub(super) fn unreadable(error: &serde_json::Error) -> Error {
    let what = if error.is_data() { "has not the shape of a chat completion" } else { "is not valid JSON" };
    Error::upstream(format!("it {what} (line {}, column {})", error.line(), error.column()))
}

fn content<'a>(words: Words<'a>, id: &str) -> Result<Vec<Part<'a>>, Error> {
    let thinking = |text| Part::Thinking { text, signature: None };
    let mut parts = Vec::with_capacity(2);
    if words.thinking_blocks.is_empty() {
        parts.extend(words.reasoning.map(thinking));
    } else {
        parts.extend(words.thinking_blocks.into_iter().filter_map(ThinkingBlock::into_part));
    }
    // Where the last text part begins in the message, in characters, and where it ends.
    let (mut start, mut end) = (0, 0);
    let cited = !words.annotations.is_empty();
    for word in words.content {
        match word {
            Word::Text(text) => {
                if cited {
                    start = end;
                    end += annotations::characters(&text);
                }
                parts.push(Part::Text(text));
            }
            Word::Thinking(text) => parts.push(thinking(text)),
        }
    }
    if matches!(parts.last(), Some(Part::Text(_))) {
        let citations = words.annotations.into_iter().filter_map(|annotation| annotation.citation(start));
        parts.extend(citations.map(Part::Citation));
    }
    parts.extend(words.refusal.map(Part::Refusal));
    for (index, call) in words.calls.into_iter().enumerate() {
        let call = call.parts();
        let Some(name) = call.name else {
            return Err(Error::upstream("a tool call has no name"));
        };
        parts.push(Part::ToolCall(hub::ToolCall {
            id: call.id.unwrap_or_else(|| Cow::Owned(call_id(id, index))),
            name,
            arguments: call_arguments::read(call.arguments.unwrap_or_default()),
            signature: None,
        }));
    }
    Ok(parts)
}

/// An id for a call the provider gave none. Made from the id of the answer, so that calls of different
/// turns of a conversation do not share one.
pub(super) fn call_id(answer: &str, index: usize) -> String {
    if answer.is_empty() { format!("call_{index}") } else { format!("call_{answer}_{index}") }
}

/// The hub's word for a finish reason. Whether tools are called is seen from the calls: providers also say
/// `stop` with calls, and `tool_calls` without.
pub(super) fn stop_reason(reason: &str, calls_tools: bool) -> StopReason {
    match reason {
        "length" => StopReason::MaxTokens,
        "content_filter" => StopReason::Refusal,
        _ if calls_tools => StopReason::ToolUse,
        _ => StopReason::EndTurn,
    }
}

/// The finish reason for a stop reason.
pub(super) fn finish_reason(stop: StopReason) -> &'static str {
    match stop {
        StopReason::EndTurn | StopReason::StopSequence | StopReason::Pause => "stop",
        StopReason::MaxTokens | StopReason::ContextWindow => "length",
        StopReason::ToolUse => "tool_calls",
        StopReason::Refusal => "content_filter",
    }
}

#[derive(Debug, Serialize)]
struct OutResponse<'r> {
    id: &'r str,
    object: &'static str,
    created: u64,
    model: &'r str,
    choices: [OutChoice<'r>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<OutUsage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'r str>,
}

#[derive(Debug, Serialize)]
struct OutChoice<'r> {
    index: u32,
    message: OutMessage<'r>,
    logprobs: Option<OutLogprobs<'r>>,
    finish_reason: &'static str,
}

#[derive(Debug, Serialize)]
struct OutMessage<'r> {
    role: &'static str,
    content: Option<Cow<'r, str>>,
    refusal: Option<Cow<'r, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<OutAnnotation<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<Cow<'r, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    thinking_blocks: Vec<OutThinkingBlock<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<OutToolCall<'r>>,
}

/// Encodes an answer as a chat completion. `now` (seconds since 1970) is `created` where the source has none.
///
/// Pieces of text are joined as they are. Reasoning becomes `reasoning_content`, and also `thinking_blocks`
/// when any of it is signed or encrypted, so that the client can send it back; signatures keep the mark of who
/// signed. Citations become `annotations` of the text they follow, those without an address are left out. Blocks only
/// another dialect knows, such as the traces of tools run by the provider, are left out, as is the stop sequence that
/// matched.
pub fn encode_response(response: &hub::Response<'_>, now: u64) -> Vec<u8> {
    let mut content = None;
    let mut refusal = None;
    let mut reasoning_content = None;
    let mut thinking_blocks = Vec::new();
    let mut annotations = Vec::new();
    // The span of the last text part in the message.
    let mut span = (0, 0);
    let cited = response.content.iter().any(|part| matches!(part, Part::Citation(_)));
    let mut signed = false;
    let mut tool_calls = Vec::new();
    for part in &response.content {
        match part {
            Part::Text(text) => {
                if cited {
                    span = (span.1, span.1 + annotations::characters(text));
                }
                append(&mut content, text);
            }
            Part::Citation(citation) => annotations.extend(OutAnnotation::new(citation, span)),
            Part::Refusal(text) => append(&mut refusal, text),
            Part::Thinking { text, signature } => {
                if !text.is_empty() {
                    append(&mut reasoning_content, text);
                }
                signed |= signature.is_some();
                thinking_blocks.push(OutThinkingBlock::thinking(text, signature.as_deref()));
            }
            Part::RedactedThinking(data) => {
                signed = true;
                thinking_blocks.push(OutThinkingBlock::redacted(data));
            }
            Part::ToolCall(call) => tool_calls.push(OutToolCall::from(call)),
            Part::Image { .. }
            | Part::Document { .. }
            | Part::Audio { .. }
            | Part::ToolResult(_)
            | Part::Foreign { .. } => {}
        }
    }
    if !signed {
        thinking_blocks.clear();
    }
    if content.is_none() && refusal.is_none() && tool_calls.is_empty() {
        content = Some(Cow::Borrowed(""));
    }
    let message = OutMessage {
        role: "assistant",
        content,
        refusal,
        annotations,
        reasoning_content,
        thinking_blocks,
        tool_calls,
    };
    let mut body = Vec::with_capacity(1024);
    write_json(
        &mut body,
        &OutResponse {
            id: &response.id,
            object: "chat.completion",
            created: response.created.unwrap_or(now),
            model: &response.model,
            choices: [OutChoice {
                index: 0,
                message,
                logprobs: OutLogprobs::new(&response.logprobs),
                finish_reason: finish_reason(response.stop),
            }],
            usage: response.usage.as_ref().map(OutUsage::from),
            service_tier: response.service_tier.as_deref(),
        },
    );
    body
}
