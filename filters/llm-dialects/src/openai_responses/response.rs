//! Whole answers, both ways.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::output::{Ending, Head, OutAnnotation, OutItem, OutPart, OutSummary, call_item_id};
use super::reasoning;
use super::usage::Usage;
use super::wire::{self, Item, Piece, TextOrList, list, paragraphs};
use crate::Error;
use crate::hub::{self, Part, StopReason, TokenLogprob, ToolCall};
use crate::json::{Str, is_object, non_empty, write_json};
use crate::openai_chat::call_arguments;

/// A response, whole or inside an event.
#[derive(Debug, Deserialize)]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) model: Option<Str<'a>>,
    /// OpenAI's SDKs know it as a fraction.
    pub(super) created_at: Option<f64>,
    #[serde(borrow)]
    status: Option<Str<'a>>,
    error: Option<IgnoredAny>,
    #[serde(borrow)]
    incomplete_details: Option<IncompleteDetails<'a>>,
    #[serde(borrow)]
    pub(super) output: Option<&'a RawValue>,
    pub(super) usage: Option<Usage>,
    #[serde(borrow)]
    service_tier: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
struct IncompleteDetails<'a> {
    #[serde(borrow)]
    reason: Option<Str<'a>>,
}

impl Response<'_> {
    /// In seconds since 1970.
    pub(super) fn created(&self) -> Option<u64> {
        // The cast cuts off the fraction and stays within bounds.
        self.created_at.map(|seconds| seconds as u64)
    }

    /// Why the answer ended. Whether tools are called or the model refuses is seen from the output.
    pub(super) fn stop(&self, calls_tools: bool, refuses: bool) -> StopReason {
        let reason = self.incomplete_details.as_ref().and_then(|details| details.reason.as_ref());
        match (
            self.status.as_ref().map(|Str(status)| status.as_ref()),
            reason.map(|Str(reason)| reason.as_ref()),
        ) {
            (_, Some("content_filter")) => StopReason::Refusal,
            // Cut off, whatever for.
            (Some("incomplete"), _) => StopReason::MaxTokens,
            _ if calls_tools => StopReason::ToolUse,
            _ if refuses => StopReason::Refusal,
            _ => StopReason::EndTurn,
        }
    }
}

/// The error for an answer that is no response. Says where it stops making sense, and nothing it holds.
pub(super) fn unreadable(error: &serde_json::Error) -> Error {
    let what = if error.is_data() { "has not the shape of a response" } else { "is not valid JSON" };
    Error::upstream(format!("it {what} (line {}, column {})", error.line(), error.column()))
}

/// Decodes a response.
///
/// Reasoning is the summary, or the reasoning itself where the provider shows it, with item id and `encrypted_content`
/// as its signature. Items of OpenAI's own tools are kept verbatim as `Foreign`, and citations come behind their text.
///
/// # Errors
/// [`Error::UpstreamSent`] for anything but a response that is complete, as far as it goes.
pub fn decode_response(body: &[u8]) -> Result<hub::Response<'_>, Error> {
    if !is_object(body) {
        return Err(Error::upstream("it is no JSON object"));
    }
    let response: Response<'_> = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    if response.error.is_some() {
        return Err(Error::upstream("a response with status 200 holds an error"));
    }
    match response.status.as_ref().map(|Str(status)| status.as_ref()) {
        None | Some("completed" | "incomplete") => {}
        Some(_) => return Err(Error::upstream("a response is neither completed nor incomplete")),
    }
    let Some(items) = response.output.and_then(list) else {
        return Err(Error::upstream("a response has no output"));
    };
    let mut content = Vec::with_capacity(items.len());
    let mut logprobs = Vec::new();
    for json in items {
        output_item(json, &mut content, &mut logprobs)?;
    }
    let calls_tools = content.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let refuses = content.iter().any(|part| matches!(part, Part::Refusal(_)));
    Ok(hub::Response {
        stop: response.stop(calls_tools, refuses),
        created: response.created(),
        id: response.id.unwrap_or_default().0,
        model: response.model.unwrap_or_default().0,
        content,
        stop_sequence: None,
        usage: response.usage.map(hub::Usage::from),
        service_tier: non_empty(response.service_tier),
        logprobs,
    })
}

/// Reads an item of an output.
pub(super) fn output_object(json: &RawValue) -> Result<Item<'_>, Error> {
    if !json.get().starts_with('{') {
        return Err(Error::upstream("an output item is no object"));
    }
    serde_json::from_str(json.get()).map_err(|error| unreadable(&error))
}

/// Reads the parts of a message or of reasoning.
pub(super) fn pieces(json: Option<&RawValue>) -> Result<Vec<Piece<'_>>, Error> {
    let Some(json) = json else { return Ok(Vec::new()) };
    let Some(TextOrList::List(pieces)) = TextOrList::read(json) else {
        return Err(Error::upstream("the content of an output item is no array"));
    };
    pieces
        .into_iter()
        .filter(|piece| piece.get().starts_with('{'))
        .map(|piece| serde_json::from_str(piece.get()).map_err(|error| unreadable(&error)))
        .collect()
}

/// The hub's part for a reasoning item; `None` when it holds nothing.
pub(super) fn reasoning_part(item: Item<'_>) -> Result<Option<Part<'_>>, Error> {
    let summary =
        paragraphs(item.summary.into_iter().flatten().filter_map(|piece| piece.text).map(|Str(text)| text));
    let text = if summary.is_empty() {
        paragraphs(pieces(item.content)?.into_iter().filter_map(|piece| piece.text).map(|Str(text)| text))
    } else {
        summary
    };
    let id = item.id.as_ref().map(|Str(id)| id.as_ref());
    Ok(reasoning::part(id, text, non_empty(item.encrypted_content)))
}

/// The hub's call for a `function_call` item.
pub(super) fn function_call(item: Item<'_>) -> Result<ToolCall<'_>, Error> {
    let Some(name) = non_empty(item.name) else { return Err(Error::upstream("a tool call has no name")) };
    let Some(id) = non_empty(item.call_id).or(non_empty(item.id)) else {
        return Err(Error::upstream("a tool call has no id"));
    };
    Ok(ToolCall {
        id,
        name,
        arguments: call_arguments::read(item.arguments.unwrap_or_default().0),
        signature: None,
    })
}

fn output_item<'a>(
    json: &'a RawValue,
    content: &mut Vec<Part<'a>>,
    logprobs: &mut Vec<TokenLogprob<'a>>,
) -> Result<(), Error> {
    let item = output_object(json)?;
    let kind = item.kind.clone().unwrap_or_default().0;
    match kind.as_ref() {
        "message" => {
            for piece in pieces(item.content)? {
                content.extend(non_empty(piece.text).map(Part::Text));
                content.extend(non_empty(piece.refusal).map(Part::Refusal));
                let annotations = piece.annotations.into_iter().flatten();
                content.extend(annotations.filter_map(wire::Annotation::into_citation).map(Part::Citation));
                logprobs.extend(piece.logprobs.into_iter().flatten().map(TokenLogprob::from));
            }
        }
        "reasoning" => content.extend(reasoning_part(item)?),
        "function_call" => content.push(Part::ToolCall(function_call(item)?)),
        "" => return Err(Error::upstream("an output item has no type")),
        _ => content.push(Part::Foreign { kind, json: Cow::Borrowed(json) }),
    }
    Ok(())
}

/// Encodes an answer as a response. `now` (seconds since 1970) is `created_at` where the source has none.
///
/// The answer's id gets the prefix `resp_` unless it has it, and ids of items are made from it. Adjacent texts are parts
/// of one message. Citations without an address and service tiers this dialect has no name for are left out, as are blocks only another dialect knows and the stop
/// sequence that matched.
pub fn encode_response(response: &hub::Response<'_>, now: u64) -> Vec<u8> {
    let mut head = Head::new(&response.id, response.model.as_ref(), response.created.unwrap_or(now));
    head.service_tier = response.service_tier.as_deref().and_then(service_tier);
    let mut output = output(response, head.base());
    let refuses = output.iter().any(OutItem::refuses);
    let ending = Ending::of(response.stop, refuses);
    if let (Ending::Incomplete(_), Some(last)) = (ending, output.last_mut()) {
        last.set_status("incomplete");
    }
    let mut body = Vec::with_capacity(1024);
    write_json(&mut body, &head.response(&output, ending, response.usage.as_ref()));
    body
}

/// The service tier as this dialect names it. Clients know no others.
fn service_tier(tier: &str) -> Option<Cow<'_, str>> {
    match tier {
        // Anthropic's name for it.
        "standard" => Some(Cow::Borrowed("default")),
        "auto" | "default" | "flex" | "scale" | "priority" | "fast" | "ultrafast" => {
            Some(Cow::Borrowed(tier))
        }
        _ => None,
    }
}

fn output<'r>(response: &'r hub::Response<'_>, base: &str) -> Vec<OutItem<'r>> {
    let mut output: Vec<OutItem<'r>> = Vec::new();
    let mut logprobs = response.logprobs.iter().map(Into::into).collect();
    for part in &response.content {
        let index = output.len();
        match part {
            Part::Text(text) => {
                let text = OutPart::OutputText {
                    annotations: Vec::new(),
                    // Which of the texts they belong to is not known; nearly always there is one.
                    logprobs: std::mem::take(&mut logprobs),
                    text: Cow::Borrowed(text),
                };
                say(&mut output, base, text);
            }
            Part::Refusal(text) => {
                say(&mut output, base, OutPart::Refusal { refusal: Cow::Borrowed(text) });
            }
            Part::Citation(citation) => cite(&mut output, citation),
            Part::Thinking { text, signature } => {
                let mut item = OutItem::reasoning(base, index);
                if let OutItem::Reasoning { summary, encrypted_content, .. } = &mut item {
                    let text = Some(text).filter(|text| !text.is_empty());
                    summary.extend(text.map(|text| OutSummary::SummaryText { text: Cow::Borrowed(text) }));
                    *encrypted_content = signature.as_deref().map(reasoning::encrypted);
                }
                output.push(item);
            }
            Part::RedactedThinking(data) => {
                let mut item = OutItem::reasoning(base, index);
                if let OutItem::Reasoning { encrypted_content, .. } = &mut item {
                    *encrypted_content = Some(reasoning::redacted(data));
                }
                output.push(item);
            }
            Part::ToolCall(call) => output.push(OutItem::FunctionCall {
                id: call_item_id(base, index),
                status: "completed",
                call_id: Cow::Borrowed(&call.id),
                name: Cow::Borrowed(&call.name),
                arguments: Cow::Borrowed(call_arguments::text(&call.arguments)),
            }),
            Part::Image { .. }
            | Part::Document { .. }
            | Part::Audio { .. }
            | Part::ToolResult(_)
            | Part::Foreign { .. } => {}
        }
    }
    output
}

/// Adds to the message at the end, or begins one.
fn say<'r>(output: &mut Vec<OutItem<'r>>, base: &str, part: OutPart<'r>) {
    if !matches!(output.last(), Some(OutItem::Message { .. })) {
        output.push(OutItem::message(base, output.len(), "completed"));
    }
    if let Some(OutItem::Message { content, .. }) = output.last_mut() {
        content.push(part);
    }
}

/// Adds a source to the last text.
fn cite(output: &mut [OutItem<'_>], citation: &hub::Citation<'_>) {
    if let Some(OutItem::Message { content, .. }) = output.last_mut()
        && let Some(OutPart::OutputText { annotations, text, .. }) = content.last_mut()
    {
        annotations.extend(OutAnnotation::new(citation, text.chars().count() as u64));
    }
}
