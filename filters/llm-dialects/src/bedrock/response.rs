//! Whole answers.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::content::{Piece, is_base64, is_bedrock_block, piece};
use super::formats;
use super::out::{self, Block, CitationsContent, Message, Reasoning, Source, Text, ToolUse};
use super::wire::{ServiceTier, Trace, Usage, stop_sequence};
use crate::Error;
use crate::hub::{self, Citation, Part, Response, StopReason};
use crate::json::{Str, is_object, unreadable, write_json};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    output: Option<Output<'a>>,
    #[serde(borrow)]
    stop_reason: Option<Str<'a>>,
    #[serde(borrow)]
    usage: Option<Usage<'a>>,
    #[serde(borrow)]
    additional_model_response_fields: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<ServiceTier<'a>>,
    #[serde(borrow)]
    trace: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    message: Option<Content<'a>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    content: Option<Vec<&'a RawValue>>,
}

/// Decodes an answer. Blocks the hub has no word for are kept verbatim; left out are empty texts with their
/// citations, `metrics` and `trace`, but for the model a prompt router chose.
///
/// # Errors
/// [`Error::UpstreamSent`]; its message repeats nothing of the body.
pub fn decode_response(body: &[u8]) -> Result<Response<'_>, Error> {
    let wire: Body<'_> = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    if !is_object(body) {
        return Err(Error::upstream("it is not a JSON object"));
    }
    let blocks = wire.output.and_then(|output| output.message).and_then(|message| message.content);
    let blocks = blocks.ok_or_else(|| Error::upstream("it has no `output.message.content`"))?;
    let mut content = Vec::with_capacity(blocks.len());
    for (i, json) in blocks.into_iter().enumerate() {
        match piece(json) {
            // A client that sends an empty text back has its request refused.
            Ok(Piece::Parts(parts)) if matches!(parts.first(), Some(Part::Text(text)) if text.is_empty()) => {
            }
            Ok(Piece::Parts(parts)) => content.extend(parts),
            Ok(Piece::Cache(_)) => {}
            Err(_) => {
                return Err(Error::upstream(format!(
                    "its `output.message.content[{i}]` is no content block"
                )));
            }
        }
    }
    Ok(Response {
        id: Cow::Owned(super::answer_id(body)),
        model: model_of(wire.trace).unwrap_or_default(),
        created: None,
        content,
        stop: stop_reason(wire.stop_reason.as_ref().map_or("", |Str(reason)| reason.as_ref())),
        stop_sequence: stop_sequence(wire.additional_model_response_fields),
        usage: wire.usage.map(Into::into),
        service_tier: wire.service_tier.and_then(|tier| tier.kind).map(|Str(tier)| tier),
        logprobs: Vec::new(),
    })
}

/// Encodes an answer for a Bedrock client.
///
/// Refusals become text with the stop reason `content_filtered`; text with citations behind it becomes
/// `citationsContent`; arguments that are no JSON object become `{"raw_arguments": "<text>"}`. Redacted thinking that is
/// not base64, blocks only other dialects know, log probabilities, the id, the model and the creation time have no place
/// and are dropped. Pausing and reaching the end of the turn are the same here.
pub fn encode_response(response: &Response<'_>, _now: u64) -> Vec<u8> {
    let content = blocks(&response.content);
    let calls = response.content.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let refuses = response.content.iter().any(|part| matches!(part, Part::Refusal(_)));
    let body = out::Response {
        output: out::Output::Message(Message { role: "assistant", content }),
        stop_reason: stop_reason_name(response.stop, calls, refuses),
        usage: response.usage.unwrap_or_default().into(),
        metrics: out::Metrics::default(),
        additional_model_response_fields: response
            .stop_sequence
            .as_deref()
            .map(|stop_sequence| out::ResponseFields { stop_sequence }),
        service_tier: response
            .service_tier
            .as_deref()
            .filter(|tier| matches!(*tier, "default" | "flex" | "priority" | "reserved"))
            .map(|kind| out::ServiceTier { kind }),
    };
    let mut bytes = Vec::new();
    write_json(&mut bytes, &body);
    bytes
}

/// The model a trace tells of. Traces are long and many-shaped; one that cannot be read tells nothing.
pub(super) fn model_of(trace: Option<&RawValue>) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Trace<'_>>(trace?.get()).ok()?.model()
}

/// The stop reason called `name`; one the hub does not know, and output of the model that Bedrock could not read
/// (`malformed_…`), count as the end of the turn.
pub(super) fn stop_reason(name: &str) -> StopReason {
    match name {
        "max_tokens" => StopReason::MaxTokens,
        "stop_sequence" => StopReason::StopSequence,
        "tool_use" => StopReason::ToolUse,
        "guardrail_intervened" | "content_filtered" => StopReason::Refusal,
        "model_context_window_exceeded" => StopReason::ContextWindow,
        _ => StopReason::EndTurn,
    }
}

/// The name of a stop reason. Other dialects may report the plain end of a turn that calls tools or refuses, which this
/// API tells apart, and agents decide by it whether to go on.
pub(super) fn stop_reason_name(reason: StopReason, calls: bool, refuses: bool) -> &'static str {
    match reason {
        StopReason::EndTurn if refuses => "content_filtered",
        StopReason::EndTurn if calls => "tool_use",
        StopReason::EndTurn | StopReason::Pause => "end_turn",
        StopReason::StopSequence => "stop_sequence",
        StopReason::MaxTokens => "max_tokens",
        StopReason::ContextWindow => "model_context_window_exceeded",
        StopReason::ToolUse => "tool_use",
        StopReason::Refusal => "content_filtered",
    }
}

fn blocks<'a>(parts: &'a [Part<'a>]) -> Vec<Block<'a>> {
    let mut blocks: Vec<Block<'a>> = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Citation(citation) => cite(&mut blocks, citation),
            _ => blocks.extend(block_of(part)),
        }
    }
    blocks
}

/// Adds a source to the text before it; a citation of no text is dropped.
fn cite<'a>(blocks: &mut Vec<Block<'a>>, citation: &'a Citation<'a>) {
    match blocks.pop() {
        Some(Block::Text(text)) => blocks.push(Block::CitationsContent(CitationsContent {
            content: vec![Text { text }],
            citations: vec![citation.into()],
        })),
        Some(Block::CitationsContent(mut content)) => {
            content.citations.push(citation.into());
            blocks.push(Block::CitationsContent(content));
        }
        other => blocks.extend(other),
    }
}

fn block_of<'a>(part: &'a Part<'a>) -> Option<Block<'a>> {
    Some(match part {
        Part::Text(text) | Part::Refusal(text) => Block::Text(Cow::Borrowed(text)),
        Part::Thinking { text, signature } => Block::ReasoningContent(Reasoning::ReasoningText {
            text,
            signature: signature.as_deref().filter(|signature| !signature.is_empty()),
        }),
        Part::RedactedThinking(data) if is_base64(data) => {
            Block::ReasoningContent(Reasoning::RedactedContent(data))
        }
        Part::ToolCall(call) => Block::ToolUse(ToolUse {
            tool_use_id: Cow::Borrowed(&call.id),
            name: &call.name,
            input: (&call.arguments).into(),
        }),
        Part::Image { source: hub::Source::Base64 { media_type, data }, .. } => Block::Image(out::Image {
            format: formats::image(media_type)?,
            source: Source::Bytes(Cow::Borrowed(data)),
        }),
        Part::Foreign { kind, json } if is_bedrock_block(kind, json) => Block::Verbatim(json),
        Part::RedactedThinking(_)
        | Part::Image { .. }
        | Part::Document { .. }
        | Part::Audio { .. }
        | Part::ToolResult(_)
        | Part::Citation(_)
        | Part::Foreign { .. } => return None,
    })
}
