//! Whole answers for clients of this API.

use std::borrow::Cow;

use super::logprobs::out_logprobs;
use super::out::{self, Blob, Fields, FunctionCall, GroundingMetadata};
use super::{PARTS, carrier, citations, media, timestamp};
use crate::hub::{Part, Response, Source, StopReason};
use crate::json::write_json;
use crate::signature::{self, Signer};

/// Encodes an answer for a client of this API. `now` is the time where the source has none.
///
/// Refusals become text with the finish reason `SAFETY`. Signatures and encrypted reasoning of other providers are
/// wrapped into `thoughtSignature`, so that they come back; citations become grounding metadata; documents and blocks
/// only other dialects know are dropped, as is a matched stop sequence. An answer without content has one empty text,
/// as that of Gemini.
pub fn encode_response(response: &Response<'_>, now: u64) -> Vec<u8> {
    let mut parts: Vec<out::Part<'_>> = Vec::with_capacity(response.content.len());
    let mut grounding = GroundingMetadata::default();
    let mut cited: Option<(usize, &str)> = None;
    for part in &response.content {
        if let Part::Citation(citation) = part {
            if let Some((part, text)) = cited {
                citations::add(&mut grounding, citation.clone(), text, 0, Some(part));
            }
            continue;
        }
        if let Part::Thinking { text, signature: Some(signature) } = part
            && text.is_empty()
            && let Some(own) = signature::own(Signer::Gemini, signature)
            && let Some(out::Part::Fields(last)) = parts.last_mut()
            && last.function_call.is_none()
            && last.thought_signature.is_none()
        {
            last.thought_signature = Some(Cow::Borrowed(own));
            continue;
        }
        if let Part::Text(text) = part {
            cited = Some((parts.len(), text));
        }
        parts.extend(part_of(part));
    }
    if parts.is_empty() {
        parts.push(out::Part::Fields(Fields::text("")));
    }
    let refuses = response.content.iter().any(|part| matches!(part, Part::Refusal(_)));
    let candidate = out::Candidate {
        content: out::Content { role: Some("model"), parts },
        finish_reason: Some(finish_reason(response.stop, refuses)),
        index: 0,
        grounding_metadata: (!grounding.grounding_chunks.is_empty()).then_some(grounding),
        logprobs_result: out_logprobs(&response.logprobs),
    };
    let body = out::Response {
        candidates: [candidate],
        usage_metadata: response.usage.as_ref().map(Into::into),
        model_version: &response.model,
        create_time: &timestamp::format(response.created.unwrap_or(now)),
        response_id: &response.id,
    };
    let mut bytes = Vec::new();
    write_json(&mut bytes, &body);
    bytes
}

fn part_of<'a>(part: &'a Part<'a>) -> Option<out::Part<'a>> {
    let inline =
        |mime_type, data| Fields { inline_data: Some(Blob { mime_type, data }), ..Fields::default() };
    let fields = match part {
        Part::Text(text) | Part::Refusal(text) if text.is_empty() => return None,
        Part::Text(text) | Part::Refusal(text) => Fields::text(text.as_ref()),
        Part::Thinking { text, signature } => {
            let signature = signature.as_deref().filter(|signature| !signature.is_empty());
            if text.is_empty() && signature.is_none() {
                return None;
            }
            thinking_part(text, signature)
        }
        Part::RedactedThinking(data) => redacted_part(data),
        Part::ToolCall(call) => Fields {
            function_call: Some(FunctionCall {
                id: &call.id,
                name: &call.name,
                args: (&call.arguments).into(),
            }),
            thought_signature: call.signature.as_deref().map(carrier::wrap_signature),
            ..Fields::default()
        },
        Part::Image { source: Source::Base64 { media_type, data }, .. } => {
            inline(Cow::Borrowed(media_type.as_ref()), data)
        }
        Part::Audio { data, format } => inline(media::audio_type(format), data),
        Part::Foreign { kind, json } if PARTS.contains(&kind.as_ref()) => {
            return Some(out::Part::Verbatim(json));
        }
        Part::Image { .. }
        | Part::Document { .. }
        | Part::ToolResult(_)
        | Part::Citation(_)
        | Part::Foreign { .. } => return None,
    };
    Some(out::Part::Fields(fields))
}

/// A thought, or the signature of Gemini over what was before it.
pub(super) fn thinking_part<'a>(text: &'a str, signature: Option<&'a str>) -> Fields<'a> {
    let own = signature.is_some_and(|signature| signature::own(Signer::Gemini, signature).is_some());
    Fields {
        thought: !(text.is_empty() && own),
        thought_signature: signature.map(carrier::wrap_signature),
        ..Fields::text(text)
    }
}

/// Encrypted reasoning.
pub(super) fn redacted_part(data: &str) -> Fields<'static> {
    Fields {
        thought: true,
        thought_signature: Some(Cow::Owned(carrier::wrap_redacted(data))),
        ..Fields::text("")
    }
}

/// The name of a stop reason.
pub(super) fn finish_reason(reason: StopReason, refuses: bool) -> &'static str {
    match reason {
        StopReason::Refusal => "SAFETY",
        StopReason::EndTurn if refuses => "SAFETY",
        // `OTHER` would say that the model failed, if nothing was said before the pause.
        StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolUse | StopReason::Pause => "STOP",
        StopReason::MaxTokens | StopReason::ContextWindow => "MAX_TOKENS",
    }
}
