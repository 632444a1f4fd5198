//! Events of a streamed response as they are written.

use framing::sse;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::response_code;
use super::output::{OutAnnotation, OutItem, OutLogprob, OutPart, OutSummary};
use crate::hub::ApiError;
use crate::json::write_json;
use crate::openai_chat::encode_error;

/// An event with the fields of every type.
#[derive(Debug, Serialize)]
pub(super) struct OutEvent<'r, R: Serialize = ()> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) sequence_number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<R>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item_id: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotation_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item: Option<&'r OutItem<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<EventPart<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delta: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arguments: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotation: Option<&'r OutAnnotation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<&'r [OutLogprob]>,
}

impl<R: Serialize> OutEvent<'_, R> {
    /// An event that says nothing yet.
    pub(super) fn empty() -> Self {
        Self {
            kind: "",
            sequence_number: 0,
            response: None,
            item_id: None,
            output_index: None,
            content_index: None,
            summary_index: None,
            annotation_index: None,
            item: None,
            part: None,
            delta: None,
            name: None,
            arguments: None,
            text: None,
            refusal: None,
            annotation: None,
            logprobs: None,
        }
    }
}

/// A part of an item.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum EventPart<'r> {
    /// Of a message.
    Content(&'r OutPart<'r>),
    /// Of reasoning.
    Summary(&'r OutSummary<'r>),
}

/// The event `error`. The fields stand at the top by OpenAI's reference, and in `error` in what it sends, which is what
/// its SDKs turn into an exception.
#[derive(Debug, Serialize)]
struct OutErrorEvent<'r> {
    #[serde(rename = "type")]
    kind: &'static str,
    sequence_number: u64,
    code: &'r str,
    message: &'r str,
    param: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'r RawValue>,
}

/// Appends an event and counts it.
pub(super) fn send<R: Serialize>(sequence: &mut u64, out: &mut Vec<u8>, event: OutEvent<'_, R>) {
    let event = OutEvent { sequence_number: *sequence, ..event };
    write(sequence, out, event.kind, &event);
}

/// Appends the event of an error and counts it.
pub(super) fn send_error(sequence: &mut u64, out: &mut Vec<u8>, error: &ApiError) {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        error: &'a RawValue,
    }
    let body = encode_error(error);
    let event = OutErrorEvent {
        kind: "error",
        sequence_number: *sequence,
        code: error.code.as_deref().unwrap_or(response_code(error)),
        message: &error.message,
        param: error.param.as_deref(),
        error: serde_json::from_slice::<Body<'_>>(&body).ok().map(|body| body.error),
    };
    write(sequence, out, "error", &event);
}

fn write(sequence: &mut u64, out: &mut Vec<u8>, name: &str, event: &impl Serialize) {
    *sequence += 1;
    let mut data = Vec::with_capacity(256);
    write_json(&mut data, event);
    let result = sse::write_event(out, Some(name), &data);
    debug_assert!(result.is_ok(), "only a name can be unwritable");
}
