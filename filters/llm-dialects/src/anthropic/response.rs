//! Whole answers.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::citations::{OutCitation, citations};
use super::is_anthropic_block;
use super::out::{self, Block, Content, Id};
use super::wire::{self, Blocks, Field, RawBlocks};
use crate::Error;
use crate::hub::{Arguments, Part, RawJson, Response, StopReason, ToolCall, Usage};
use crate::json::{is_object, unreadable, write_json};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow, default)]
    id: Field<'a>,
    #[serde(borrow, default)]
    model: Field<'a>,
    #[serde(borrow, default)]
    content: Blocks<'a>,
    #[serde(borrow, default)]
    stop_reason: Field<'a>,
    #[serde(borrow, default)]
    stop_sequence: Field<'a>,
    #[serde(borrow)]
    usage: Option<UsageBody<'a>>,
}

#[derive(Deserialize)]
struct UsageBody<'a> {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<wire::OutputTokensDetails>,
    cache_creation: Option<wire::CacheCreation>,
    #[serde(borrow, default)]
    service_tier: Field<'a>,
}

impl<'a> UsageBody<'a> {
    /// The counts, and the service tier that hides among them.
    fn split(self) -> (wire::Usage, Option<Cow<'a, str>>) {
        let counts = wire::Usage {
            input_tokens: self.input_tokens,
            cache_creation_input_tokens: self.cache_creation_input_tokens,
            cache_read_input_tokens: self.cache_read_input_tokens,
            output_tokens: self.output_tokens,
            output_tokens_details: self.output_tokens_details,
            cache_creation: self.cache_creation,
        };
        (counts, self.service_tier.into_string())
    }
}

#[derive(Deserialize)]
struct RawBody<'a> {
    #[serde(borrow, default)]
    content: RawBlocks<'a>,
}

/// Decodes an answer. Citations follow the text they belong to, without the place in the source; blocks the hub has no
/// word for are kept verbatim; empty texts are left out with their citations.
///
/// # Errors
/// [`Error::UpstreamSent`]; its message repeats nothing of the body.
pub fn decode_response(body: &[u8]) -> Result<Response<'_>, Error> {
    let wire: Body<'_> = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    if !is_object(body) {
        return Err(Error::upstream("it is not a JSON object"));
    }
    if !matches!(wire.kind.as_str(), "message" | "") {
        return Err(Error::upstream("its `type` is not `message`"));
    }
    let Blocks::List(blocks) = wire.content else {
        return Err(Error::upstream("its `content` is not an array"));
    };
    let mut raw: Option<RawBody<'_>> = None;
    let mut content = Vec::with_capacity(blocks.len());
    for (i, block) in blocks.into_iter().enumerate() {
        let citations = citations(block.citations.filter(|_| block.kind.as_str() == "text"));
        content.push(match known_part(i, block)? {
            // A client that sends an empty text back has its request refused.
            Known::Part(Part::Text(text)) if text.is_empty() => continue,
            Known::Part(part) => part,
            Known::Foreign(kind) => {
                if raw.is_none() {
                    raw = Some(serde_json::from_slice(body).map_err(|error| unreadable(&error))?);
                }
                let json = raw.as_ref().and_then(|raw| raw.content.0.get(i).copied());
                let json = json.ok_or_else(|| Error::upstream(format!("its `content[{i}]` is no block")))?;
                Part::Foreign { kind, json: Cow::Borrowed(json) }
            }
        });
        content.extend(citations.into_iter().map(Part::Citation));
    }
    let (usage, service_tier) = match wire.usage {
        Some(body) => {
            let (usage, service_tier) = body.split();
            (Some(usage.into()), service_tier)
        }
        None => (None, None),
    };
    Ok(Response {
        id: wire.id.into_string().unwrap_or_default(),
        model: wire.model.into_string().unwrap_or_default(),
        created: None,
        content,
        stop: stop_reason(wire.stop_reason.as_str()),
        stop_sequence: wire.stop_sequence.into_string(),
        usage,
        service_tier,
        logprobs: Vec::new(),
    })
}

/// Encodes an answer for an Anthropic client.
///
/// Refusals become text with the stop reason `refusal`; thinking without a signature gets an empty one (a
/// client that sends it back sends nothing the API would take, see [`super::encode_request`]); arguments that
/// are no JSON object become `{"raw_arguments": "<text>"}`. Signatures keep the mark of who signed. Citations join the
/// text block they follow, those of sources without an address are dropped, and so are log probabilities. Blocks only other dialects know are dropped, as are
/// audio and the creation time.
pub fn encode_response(response: &Response<'_>) -> Vec<u8> {
    let mut content: Vec<Content<'_>> = Vec::with_capacity(response.content.len());
    for part in &response.content {
        match part {
            Part::Citation(citation) => {
                if let Some(Content::Block(block @ Block { kind: "text", .. })) = content.last_mut() {
                    block.citations.extend(OutCitation::new(citation));
                }
            }
            part => content.extend(block_of(part)),
        }
    }
    let calls = response.content.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let refuses = response.content.iter().any(|part| matches!(part, Part::Refusal(_)));
    let body = out::Response {
        id: Id(&response.id),
        kind: "message",
        role: "assistant",
        model: &response.model,
        content,
        stop_reason: Some(stop_reason_name(response.stop, calls, refuses)),
        stop_sequence: response.stop_sequence.as_deref(),
        usage: out::Usage {
            service_tier: match response.service_tier.as_deref() {
                Some("default" | "standard") => Some("standard"),
                Some("priority") => Some("priority"),
                Some("batch") => Some("batch"),
                _ => None,
            },
            ..out_usage(&response.usage.unwrap_or_default())
        },
    };
    let mut bytes = Vec::new();
    write_json(&mut bytes, &body);
    bytes
}

/// The arguments of a tool use; an `input` that is missing counts as `{}`.
pub(super) fn arguments_of(input: Option<&RawValue>) -> Arguments<'_> {
    match input {
        Some(json) if json.get().starts_with('{') => Arguments::Json(Cow::Borrowed(json)),
        Some(json) => Arguments::Invalid(Cow::Borrowed(json.get())),
        None => Arguments::Json(empty_object()),
    }
}

fn empty_object() -> RawJson<'static> {
    // `{}` always parses; `null` stands in only to keep this free of panics.
    Cow::Borrowed(serde_json::from_str("{}").unwrap_or(RawValue::NULL))
}

/// The stop reason called `name`; one the hub does not know counts as the end of the turn.
pub(super) fn stop_reason(name: &str) -> StopReason {
    match name {
        "max_tokens" => StopReason::MaxTokens,
        "stop_sequence" => StopReason::StopSequence,
        "tool_use" => StopReason::ToolUse,
        "pause_turn" => StopReason::Pause,
        "refusal" => StopReason::Refusal,
        "model_context_window_exceeded" => StopReason::ContextWindow,
        _ => StopReason::EndTurn,
    }
}

/// The name of a stop reason. Other dialects may report the plain end of a turn that calls tools or refuses,
/// which this API tells apart, and agents decide by it whether to go on.
pub(super) fn stop_reason_name(reason: StopReason, calls: bool, refuses: bool) -> &'static str {
    match reason {
        StopReason::EndTurn if refuses => "refusal",
        StopReason::EndTurn if calls => "tool_use",
        StopReason::EndTurn => "end_turn",
        StopReason::StopSequence => "stop_sequence",
        StopReason::MaxTokens => "max_tokens",
        StopReason::ContextWindow => "model_context_window_exceeded",
        StopReason::ToolUse => "tool_use",
        StopReason::Refusal => "refusal",
        StopReason::Pause => "pause_turn",
    }
}

/// Usage as this API reports it.
pub(super) fn out_usage(usage: &Usage) -> out::Usage {
    out::Usage {
        input_tokens: usage.input_uncached,
        cache_creation_input_tokens: usage.cache_write,
        cache_read_input_tokens: usage.cache_read,
        output_tokens: usage.output,
        output_tokens_details: (usage.reasoning > 0)
            .then_some(out::OutputTokensDetails { thinking_tokens: usage.reasoning }),
        cache_creation: (usage.cache_write_1h > 0).then_some(out::CacheCreation {
            ephemeral_5m_input_tokens: usage.cache_write.saturating_sub(usage.cache_write_1h),
            ephemeral_1h_input_tokens: usage.cache_write_1h,
        }),
        service_tier: None,
    }
}

enum Known<'a> {
    Part(Part<'a>),
    Foreign(Cow<'a, str>),
}

fn known_part(index: usize, block: wire::Block<'_>) -> Result<Known<'_>, Error> {
    let part = match block.kind.as_str() {
        "text" => Part::Text(string(block.text, index, "text")?),
        "thinking" => Part::Thinking {
            text: string(block.thinking, index, "thinking")?,
            signature: block.signature.into_string().filter(|signature| !signature.is_empty()),
        },
        "redacted_thinking" => Part::RedactedThinking(string(block.data, index, "data")?),
        "tool_use" => Part::ToolCall(ToolCall {
            id: filled(block.id, index, "id")?,
            name: filled(block.name, index, "name")?,
            arguments: arguments_of(block.input),
            signature: None,
        }),
        _ => return string(block.kind, index, "type").map(Known::Foreign),
    };
    Ok(Known::Part(part))
}

fn string<'a>(field: Field<'a>, index: usize, name: &str) -> Result<Cow<'a, str>, Error> {
    field.into_string().ok_or_else(|| Error::upstream(format!("its `content[{index}].{name}` is no string")))
}

/// An id or a name.
fn filled<'a>(field: Field<'a>, index: usize, name: &str) -> Result<Cow<'a, str>, Error> {
    field
        .into_filled()
        .ok_or_else(|| Error::upstream(format!("its `content[{index}].{name}` is missing or empty")))
}

fn block_of<'a>(part: &'a Part<'a>) -> Option<Content<'a>> {
    let block = match part {
        Part::Text(text) | Part::Refusal(text) => {
            Block { kind: "text", text: Some(text), ..Block::default() }
        }
        Part::Thinking { text, signature } => Block {
            kind: "thinking",
            thinking: Some(text),
            signature: Some(signature.as_deref().unwrap_or_default()),
            ..Block::default()
        },
        Part::RedactedThinking(data) => {
            Block { kind: "redacted_thinking", data: Some(data), ..Block::default() }
        }
        Part::ToolCall(call) => Block {
            kind: "tool_use",
            id: Some(Cow::Borrowed(&call.id)),
            name: Some(&call.name),
            input: Some((&call.arguments).into()),
            ..Block::default()
        },
        Part::Foreign { kind, json } if is_anthropic_block(kind, json) => {
            return Some(Content::Verbatim(json));
        }
        Part::Foreign { .. }
        | Part::Image { .. }
        | Part::Document { .. }
        | Part::Audio { .. }
        | Part::Citation(_)
        | Part::ToolResult(_) => return None,
    };
    Some(Content::Block(block))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn encode(content: Vec<Part<'_>>, stop: StopReason) -> Value {
        let response = Response {
            id: "chatcmpl-1".into(),
            model: "m".into(),
            created: Some(1),
            content,
            stop,
            stop_sequence: None,
            usage: None,
            service_tier: Some("flex".into()),
            logprobs: Vec::new(),
        };
        serde_json::from_slice(&encode_response(&response)).unwrap()
    }

    #[test]
    fn answers_of_other_dialects() {
        let call = |arguments| {
            Part::ToolCall(ToolCall { id: "call_1".into(), name: "look".into(), arguments, signature: None })
        };
        let thinking = Part::Thinking { text: "Hm".into(), signature: None };
        let foreign = Part::Foreign { kind: "output_audio".into(), json: empty_object() };
        let body =
            encode(vec![thinking, foreign, call(Arguments::Invalid("{\"x".into()))], StopReason::EndTurn);
        assert_eq!(
            body,
            json!({
                "id": "msg_chatcmpl-1", "type": "message", "role": "assistant", "model": "m",
                "content": [
                    {"type": "thinking", "thinking": "Hm", "signature": ""},
                    {"type": "tool_use", "id": "call_1", "name": "look", "input": {"raw_arguments": "{\"x"}},
                ],
                "stop_reason": "tool_use", "stop_sequence": null,
                "usage": {
                    "input_tokens": 0, "cache_creation_input_tokens": 0,
                    "cache_read_input_tokens": 0, "output_tokens": 0,
                },
            })
        );
    }

    #[test]
    fn a_refusal_is_text_with_its_own_stop_reason() {
        let body = encode(vec![Part::Refusal("No.".into())], StopReason::EndTurn);
        assert_eq!(body["content"], json!([{"type": "text", "text": "No."}]));
        assert_eq!(body["stop_reason"], "refusal");
        assert_eq!(encode(Vec::new(), StopReason::EndTurn)["content"], json!([]));
    }

    #[test]
    fn a_missing_input_is_an_empty_object() {
        let body = br#"{"type":"message","content":[{"type":"tool_use","id":"a","name":"b"}]}"#;
        let response = decode_response(body).unwrap();
        let Part::ToolCall(ToolCall { arguments: Arguments::Json(json), .. }) = &response.content[0] else {
            panic!("{response:?}");
        };
        assert_eq!(json.get(), "{}");
    }
}
