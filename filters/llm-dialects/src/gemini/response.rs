//! Whole answers of Gemini. <https://ai.google.dev/api/generate-content#generatecontentresponse>

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::citations::{self, Citations, Grounding};
use super::decode_contents::{arguments, thought};
use super::logprobs::Logprobs;
use super::request_wire::RawContent;
use super::usage::Usage;
use super::wire::{self, Name, elements};
use super::{carrier, media, timestamp};
use crate::Error;
use crate::hub::{Part, Response, StopReason, ToolCall};
use crate::json::{Str, is_object, non_empty, unreadable};
use crate::media_type::is_media_type;
use crate::openai_chat::data_url::is_data;

/// An answer, or a chunk of one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow)]
    pub(super) prompt_feedback: Option<PromptFeedback<'a>>,
    #[serde(borrow)]
    pub(super) usage_metadata: Option<Usage<'a>>,
    #[serde(borrow)]
    pub(super) model_version: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) create_time: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) response_id: Option<Str<'a>>,
    pub(super) error: Option<IgnoredAny>,
}

impl<'a> Body<'a> {
    /// The first candidate: more than one are not asked for.
    pub(super) fn take_candidate(&mut self) -> Option<Candidate<'a>> {
        let candidates = self.candidates.take()?;
        candidates.into_iter().find(|candidate| candidate.index.is_none_or(|index| index == 0))
    }
}

/// One of the answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    index: Option<i64>,
    #[serde(borrow)]
    pub(super) content: Option<wire::Content<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Option<Name<'a>>,
    #[serde(borrow)]
    pub(super) finish_message: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) grounding_metadata: Option<Grounding<'a>>,
    #[serde(borrow)]
    pub(super) citation_metadata: Option<Citations<'a>>,
    #[serde(borrow)]
    pub(super) logprobs_result: Option<Logprobs<'a>>,
}

/// What became of a prompt that was not answered.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptFeedback<'a> {
    #[serde(borrow)]
    block_reason: Option<Name<'a>>,
    #[serde(borrow)]
    block_reason_message: Option<Str<'a>>,
}

impl<'a> PromptFeedback<'a> {
    /// What the client is told when the prompt was blocked.
    pub(super) fn refusal(self) -> Option<Cow<'a, str>> {
        let reason = self.block_reason.filter(|reason| !reason.is("BLOCKED_REASON_UNSPECIFIED"))?;
        Some(
            non_empty(self.block_reason_message)
                .unwrap_or_else(|| Cow::Owned(format!("The provider blocked the prompt ({}).", reason.0))),
        )
    }
}

/// How generation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// For a reason the hub knows.
    Stop(StopReason),
    /// The model wrote what cannot be used, under this name; without content besides thoughts it is no answer.
    Failed(String),
}

impl Ending {
    pub(super) fn of(reason: &Name<'_>) -> Option<Self> {
        Some(Self::Stop(match reason.0.as_ref() {
            "" | "FINISH_REASON_UNSPECIFIED" => return None,
            "STOP" => StopReason::EndTurn,
            "MAX_TOKENS" | "CONTINUATION" => StopReason::MaxTokens,
            "SAFETY"
            | "RECITATION"
            | "LANGUAGE"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION"
            | "ESCALATION"
            | "PUP_LIMITED_DISABLED"
            | "MODEL_ARMOR" => StopReason::Refusal,
            other => return Some(Self::Failed(other.to_owned())),
        }))
    }

    /// The hub's reason for an answer that has content besides thoughts or not, calls or not.
    ///
    /// # Errors
    /// [`Error::UpstreamSent`] when the model wrote nothing that can be used.
    pub(super) fn reason(self, content: bool, calls: bool) -> Result<StopReason, Error> {
        match self {
            Self::Stop(StopReason::EndTurn) if calls => Ok(StopReason::ToolUse),
            Self::Stop(reason) => Ok(reason),
            Self::Failed(_) if calls => Ok(StopReason::ToolUse),
            Self::Failed(_) if content => Ok(StopReason::EndTurn),
            Self::Failed(name) => {
                let known = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
                let name = if known { name.as_str() } else { "unknown" };
                Err(Error::upstream(format!("the model failed to answer, finish reason {name}; try again")))
            }
        }
    }
}

/// The id of a call that has none: from the answer's id and the count of calls before it, or from the call itself.
pub(super) fn call_id(answer: &str, nth: usize, call: &wire::FunctionCall<'_>) -> String {
    if answer.is_empty() {
        let text =
            [call.name.as_ref().map_or("", |name| &name.0), call.args.map_or("", RawValue::get)].concat();
        // FNV-1a, 64 bits.
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        return format!("call_{hash:016x}_{nth}");
    }
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    format!("call_{}_{nth}", answer.chars().map(fits).collect::<String>())
}

#[derive(Deserialize)]
struct RawBody<'a> {
    #[serde(borrow)]
    candidates: Vec<RawCandidate<'a>>,
}

#[derive(Deserialize)]
struct RawCandidate<'a> {
    #[serde(borrow)]
    content: RawContent<'a>,
}

/// Decodes an answer.
///
/// A blocked prompt is a refusal. Safety ratings, the search entry point and what tools of Google's own counted are
/// left out. Signatures over text follow it as thinking without text.
///
/// # Errors
/// [`Error::UpstreamSent`], whose message repeats nothing of the body; also for an answer without content that ended
/// because the model failed (`MALFORMED_FUNCTION_CALL`).
pub fn decode_response(body: &[u8]) -> Result<Response<'_>, Error> {
    if !is_object(body) {
        return Err(Error::upstream("it is not a JSON object"));
    }
    let mut wire: Body<'_> = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let id = wire.response_id.take().unwrap_or_default().0;
    let mut response = Response {
        id,
        model: wire.model_version.take().unwrap_or_default().0,
        created: wire.create_time.as_ref().and_then(|Str(time)| timestamp::parse(time)),
        content: Vec::new(),
        stop: StopReason::EndTurn,
        stop_sequence: None,
        usage: wire.usage_metadata.as_ref().map(Into::into),
        service_tier: None,
        logprobs: Vec::new(),
    };
    let Some(candidate) = wire.take_candidate() else {
        let Some(refusal) = wire.prompt_feedback.and_then(PromptFeedback::refusal) else {
            return Err(Error::upstream("it has no candidate"));
        };
        response.content.push(Part::Refusal(refusal));
        response.stop = StopReason::Refusal;
        return Ok(response);
    };
    let parts = candidate.content.and_then(|content| content.parts).unwrap_or_default().0;
    // Which part of the wire became which text of the hub.
    let mut texts: Vec<(usize, usize)> = Vec::new();
    let mut calls = 0;
    for (i, part) in parts.into_iter().enumerate() {
        let content = &mut response.content;
        if part.text.as_ref().is_some_and(|text| !text.0.is_empty()) && part.thought != Some(true) {
            texts.push((i, content.len()));
        }
        calls += usize::from(push(i, part, &response.id, calls, content, body)?);
    }
    cite(
        &mut response.content,
        &texts,
        citations::found(candidate.grounding_metadata, candidate.citation_metadata),
    );
    response.logprobs = candidate.logprobs_result.map(Logprobs::tokens).unwrap_or_default();
    let ending = candidate.finish_reason.as_ref().and_then(Ending::of);
    let ending = ending.unwrap_or(Ending::Stop(StopReason::EndTurn));
    let thinks = |part: &Part<'_>| matches!(part, Part::Thinking { .. });
    response.stop = ending.reason(!response.content.iter().all(thinks), calls > 0)?;
    if response.stop == StopReason::Refusal
        && response.content.is_empty()
        && let Some(message) = non_empty(candidate.finish_message)
    {
        response.content.push(Part::Refusal(message));
    }
    Ok(response)
}

/// Adds a part of an answer; whether it is a call.
fn push<'a>(
    index: usize,
    mut part: wire::Part<'a>,
    id: &str,
    calls: usize,
    content: &mut Vec<Part<'a>>,
    body: &'a [u8],
) -> Result<bool, Error> {
    let signature = non_empty(part.thought_signature.take()).map(carrier::gemini);
    if let Some(mut call) = part.function_call {
        let call_id = non_empty(call.id.take()).unwrap_or_else(|| Cow::Owned(call_id(id, calls, &call)));
        let name = non_empty(call.name).ok_or_else(|| Error::upstream("a function call has no name"))?;
        let arguments = arguments(call.args);
        content.push(Part::ToolCall(ToolCall { id: call_id, name, arguments, signature }));
        return Ok(true);
    }
    let raw = |kind| {
        let found = serde_json::from_slice::<RawBody<'a>>(body).ok().and_then(|body| {
            let candidate = body.candidates.into_iter().next()?;
            elements(candidate.content.parts).get(index).copied()
        });
        let json = found.ok_or_else(|| Error::upstream("a part of it is no object"))?;
        Ok(Part::Foreign { kind: Cow::Borrowed(kind), json: Cow::Borrowed(json) })
    };
    if part.thought == Some(true) {
        let carried = signature.map(carrier::Carried::Signature);
        thought(part.text.unwrap_or_default().0, carried, content);
        return Ok(false);
    }
    if let Some(kind) = part.foreign() {
        content.push(raw(kind)?);
        return Ok(false);
    }
    let known = if let Some(blob) = part.inline_data {
        let known = non_empty(blob.mime_type).filter(|name| is_media_type(name)).zip(non_empty(blob.data));
        Some((known.and_then(|(media_type, data)| media::inline_part(media_type, data)), "inlineData"))
    } else if let Some(file) = part.file_data {
        let media_type = file.mime_type.as_ref().map(|Str(media_type)| media_type.as_ref());
        Some((
            non_empty(file.file_uri)
                .filter(|uri| !is_data(uri))
                .and_then(|uri| media::file_part(uri, media_type)),
            "fileData",
        ))
    } else {
        None
    };
    let text = part.text.unwrap_or_default().0;
    match known {
        Some((Some(part), _)) => content.push(part),
        Some((None, kind)) => {
            content.push(raw(kind)?);
            return Ok(false);
        }
        None if text.is_empty() => {}
        None => content.push(Part::Text(text)),
    }
    if let Some(signature) = signature {
        thought(Cow::Borrowed(""), Some(carrier::Carried::Signature(signature)), content);
    }
    Ok(false)
}

/// Puts citations behind the texts they belong to.
fn cite<'a>(content: &mut Vec<Part<'a>>, texts: &[(usize, usize)], found: Vec<citations::Found<'a>>) {
    let mut placed: Vec<(usize, Part<'a>)> = Vec::new();
    for citation in found {
        let own = texts.iter().find(|(part, _)| *part == citation.part).or(texts.last());
        if let Some(&(_, position)) = own
            && let Some(Part::Text(text)) = content.get(position)
        {
            placed.push((position, Part::Citation(citation.place(text))));
        }
    }
    placed.sort_by_key(|(position, _)| *position);
    for (position, citation) in placed.into_iter().rev() {
        content.insert((position + 1).min(content.len()), citation);
    }
}
