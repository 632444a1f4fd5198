//! What is added to the parts of items while they stream, and the events that say so.

use std::borrow::Cow;

use super::output::{OutAnnotation, OutLogprob, OutPart, OutSummary};
use super::stream_event::{EventPart, OutEvent, send};
use crate::hub::Delta;

/// Text that can grow.
pub(super) fn owned(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

/// Adds to a part of a message. `event` says which.
pub(super) fn message_delta(
    part: Option<&mut OutPart<'static>>,
    characters: &mut u64,
    delta: &Delta<'_>,
    event: OutEvent<'_>,
    sequence: &mut u64,
    out: &mut Vec<u8>,
) {
    match (part, delta) {
        (Some(OutPart::OutputText { text, .. }), Delta::Text(delta)) if !delta.is_empty() => {
            text.to_mut().push_str(delta);
            *characters += delta.chars().count() as u64;
            let kind = "response.output_text.delta";
            send(sequence, out, OutEvent { kind, delta: Some(delta), logprobs: Some(&[]), ..event });
        }
        (Some(OutPart::OutputText { logprobs, .. }), Delta::Logprobs(more)) if !more.is_empty() => {
            // The text they belong to has been sent already.
            let more: Vec<OutLogprob> = more.iter().map(Into::into).collect();
            let kind = "response.output_text.delta";
            send(sequence, out, OutEvent { kind, delta: Some(""), logprobs: Some(&more), ..event });
            logprobs.extend(more);
        }
        (Some(OutPart::OutputText { annotations, .. }), Delta::Citation(citation)) => {
            let Some(annotation) = OutAnnotation::new(citation, *characters) else { return };
            let added = OutEvent {
                kind: "response.output_text.annotation.added",
                annotation_index: Some(annotations.len()),
                annotation: Some(&annotation),
                ..event
            };
            send(sequence, out, added);
            annotations.push(annotation);
        }
        (Some(OutPart::Refusal { refusal }), Delta::Refusal(delta)) if !delta.is_empty() => {
            refusal.to_mut().push_str(delta);
            send(sequence, out, OutEvent { kind: "response.refusal.delta", delta: Some(delta), ..event });
        }
        _ => {}
    }
}

/// Adds to the summary of reasoning, which begins with its first text.
pub(super) fn reasoning_delta(
    summary: &mut Vec<OutSummary<'static>>,
    delta: &str,
    event: OutEvent<'_>,
    sequence: &mut u64,
    out: &mut Vec<u8>,
) {
    if summary.is_empty() {
        let part = OutSummary::SummaryText { text: owned("") };
        let added = OutEvent {
            kind: "response.reasoning_summary_part.added",
            item_id: event.item_id,
            output_index: event.output_index,
            summary_index: event.summary_index,
            part: Some(EventPart::Summary(&part)),
            ..OutEvent::<()>::empty()
        };
        send(sequence, out, added);
        summary.push(part);
    }
    if let Some(OutSummary::SummaryText { text }) = summary.last_mut() {
        text.to_mut().push_str(delta);
    }
    send(
        sequence,
        out,
        OutEvent { kind: "response.reasoning_summary_text.delta", delta: Some(delta), ..event },
    );
}

/// Ends the summary of reasoning, if there is one.
pub(super) fn reasoning_done(
    id: &str,
    summary: &[OutSummary<'static>],
    item: usize,
    sequence: &mut u64,
    out: &mut Vec<u8>,
) {
    let Some(part @ OutSummary::SummaryText { text }) = summary.last() else { return };
    let of_summary = || OutEvent {
        item_id: Some(id),
        output_index: Some(item),
        summary_index: Some(0),
        ..OutEvent::<()>::empty()
    };
    let kind = "response.reasoning_summary_text.done";
    send(sequence, out, OutEvent { kind, text: Some(text), ..of_summary() });
    let kind = "response.reasoning_summary_part.done";
    send(sequence, out, OutEvent { kind, part: Some(EventPart::Summary(part)), ..of_summary() });
}
