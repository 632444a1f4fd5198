//! Blocks as proptest comes up with them, as events of the hub: overlapping where the hub lets them.

use std::borrow::Cow;

use llm_dialects::hub::{Block, Citation, Delta, StopReason, StreamEvent, Usage};
use proptest::prelude::*;

/// What a generated block holds.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its kind.
    pub kind: PlannedKind,
    /// Its text, but for the title of a source: see [`Planned::SOURCE`].
    pub fragments: Vec<String>,
    /// Where its events go among those of other tool calls.
    slots: Vec<prop::sample::Index>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PlannedKind {
    Text,
    Refusal,
    Thinking,
    Redacted,
    Tool,
}

/// Any block.
pub fn planned() -> impl Strategy<Value = Planned> {
    let kind = prop_oneof![
        2 => Just(PlannedKind::Text),
        1 => Just(PlannedKind::Refusal),
        1 => Just(PlannedKind::Thinking),
        1 => Just(PlannedKind::Redacted),
        4 => Just(PlannedKind::Tool),
    ];
    let fragments = prop::collection::vec("[a-z\"\\n ]{0,6}", 0..6);
    (kind, fragments, prop::collection::vec(any::<prop::sample::Index>(), 6))
        .prop_map(|(kind, fragments, slots)| Planned { kind, fragments, slots })
}

impl Planned {
    /// The fragment that is the title of a source, in a text.
    pub const SOURCE: usize = 2;

    /// Whether it is reasoning with a signature, `c2ln`.
    pub fn signed(&self) -> bool {
        self.kind == PlannedKind::Thinking && self.fragments.len() > 1
    }
}

/// A stream of blocks that are told one among the other, and of 7 tokens in, 2 from the cache and 9 out. The stop reason
/// may be missing.
pub fn answer(plans: &[Planned], finish: bool, late_usage: bool) -> Vec<StreamEvent<'_>> {
    let usage = StreamEvent::Usage(Usage { input_uncached: 7, cache_read: 2, output: 9, ..Usage::default() });
    let mut events =
        vec![StreamEvent::Start { id: "chatcmpl-1".into(), model: "m".into(), created: Some(1) }];
    events.extend(interleave(plans));
    events.extend((!late_usage).then(|| usage.clone()));
    if finish {
        events.push(StreamEvent::Finish { reason: StopReason::EndTurn, stop_sequence: None });
    }
    events.extend(late_usage.then_some(usage));
    events.extend([StreamEvent::End, StreamEvent::Ping]);
    events
}

/// Hub events of a block.
fn events_of(index: u32, plan: &Planned) -> Vec<StreamEvent<'_>> {
    let block = match plan.kind {
        PlannedKind::Text => Block::Text,
        PlannedKind::Refusal => Block::Refusal,
        PlannedKind::Thinking => Block::Thinking,
        PlannedKind::Redacted => Block::RedactedThinking(Cow::Borrowed("ZGF0YQ==")),
        PlannedKind::Tool => Block::ToolCall {
            id: Cow::Owned(format!("call_{index}")),
            name: Cow::Borrowed("tool"),
            signature: None,
        },
    };
    let mut events = vec![StreamEvent::BlockStart { index, block }];
    for (nth, fragment) in plan.fragments.iter().enumerate() {
        let text = Cow::Borrowed(fragment.as_str());
        let delta = match plan.kind {
            PlannedKind::Text if nth == Planned::SOURCE => {
                Delta::Citation(Citation { title: Some(text), ..Citation::default() })
            }
            PlannedKind::Text => Delta::Text(text),
            PlannedKind::Refusal => Delta::Refusal(text),
            PlannedKind::Thinking => Delta::Thinking(text),
            PlannedKind::Tool => Delta::Arguments(text),
            PlannedKind::Redacted => continue,
        };
        events.push(StreamEvent::Delta { index, delta });
    }
    if plan.signed() {
        events.push(StreamEvent::Delta { index, delta: Delta::Signature(Cow::Borrowed("c2")) });
        events.push(StreamEvent::Delta { index, delta: Delta::Signature(Cow::Borrowed("ln")) });
    }
    events.push(StreamEvent::BlockStop { index });
    events
}

/// The events of all blocks, those of adjacent tool calls interleaved. Blocks start in the order of their indices, as
/// the hub guarantees.
pub fn interleave(plans: &[Planned]) -> Vec<StreamEvent<'_>> {
    let mut all: Vec<StreamEvent<'_>> = Vec::new();
    let mut last_start = 0;
    for (index, plan) in plans.iter().enumerate() {
        let events = events_of(u32::try_from(index).unwrap(), plan);
        let overlaps =
            plan.kind == PlannedKind::Tool && index > 0 && plans[index - 1].kind == PlannedKind::Tool;
        let mut position = if overlaps { last_start + 1 } else { all.len() };
        let mut slots = plan.slots.iter().cycle();
        for (nth, event) in events.into_iter().enumerate() {
            let at = if overlaps {
                position + slots.next().unwrap().index(all.len() - position + 1)
            } else {
                all.len()
            };
            all.insert(at, event);
            if nth == 0 {
                last_start = at;
            }
            position = at + 1;
        }
    }
    all
}
